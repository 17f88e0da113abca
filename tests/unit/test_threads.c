/* test_threads.c: every item once, by some thread of the pool, whatever the number of threads. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "cores.h"
#include "mem.h"
#include "threads.h"

#define N 1000

struct work {
	atomic_int seen[N];
	atomic_int outside; /* items run by a thread number that is none */
	int n_thread;
};

static void mark(void *ctx, size_t item, int thread)
{
	struct work *w = ctx;
	atomic_fetch_add(&w->seen[item], 1);
	if (thread < 0 || thread >= w->n_thread)
		atomic_fetch_add(&w->outside, 1);
}

static void each_item_runs_once(void **state)
{
	static struct work w;
	int64_t before = loom_mem_live();
	(void)state;
	for (int n = 1; n <= 5; n++) {
		struct loom_pool *p = loom_pool_new(n);
		assert_non_null(p);
		assert_int_equal(loom_pool_size(p), n);
		w.n_thread = n;
		for (size_t items = 0; items <= N; items = items * 2 + 1) {
			memset(w.seen, 0, sizeof w.seen);
			loom_pool_run(p, items, mark, &w);
			for (size_t i = 0; i < N; i++)
				assert_int_equal(w.seen[i], i < items);
		}
		assert_int_equal(w.outside, 0);
		loom_pool_free(p);
	}
	assert_int_equal(loom_mem_live(), before);
}

static void no_pool_runs_on_the_caller(void **state)
{
	static struct work w = {.n_thread = 1};
	(void)state;
	loom_pool_run(NULL, 10, mark, &w);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(w.seen[i], i < 10);
	assert_int_equal(loom_pool_size(NULL), 1);
	loom_pool_free(NULL);
}

static void add(void *ctx, size_t item, int thread)
{
	(void)thread;
	((int64_t *)ctx)[item] += (int64_t)item;
}

/* Thousands of short runs, some after the workers fell asleep: what a run wrote is there when it returns. */
static void runs_follow_each_other(void **state)
{
	int64_t sums[64] = {0};
	struct loom_pool *p = loom_pool_new(3);
	(void)state;
	assert_non_null(p);
	for (int run = 0; run < 3000; run++) {
		loom_pool_run(p, 64, add, sums);
		if (run % 300 == 0)
			loom_sleep_ms(2);
		for (int64_t i = 0; i < 64; i += 21)
			assert_int_equal(sums[i], (run + 1) * i);
	}
	loom_pool_free(p);
}

static void a_pool_survives_failed_allocations(void **state)
{
	(void)state;
	for (uint64_t k = 1; k <= 2; k++) {
		int64_t before = loom_mem_live();
		loom_mem_fail_at(k, true);
		assert_null(loom_pool_new(2));
		loom_mem_fail_at(0, false);
		assert_int_equal(loom_mem_live(), before);
	}
	assert_true(loom_cpu_cores() >= 1);
}

struct kept {
	int index, n;
	cpu_set_t set;
};

static void *keep(void *ctx)
{
	struct kept *k = ctx;
	loom_thread_keep_to(k->index, k->n);
	sched_getaffinity(0, sizeof k->set, &k->set);
	return NULL;
}

/* The shares of n threads are all CPUs of the process, each in one; more threads than cores are left alone, and so is the caller. */
static void threads_share_the_cores(void **state)
{
	cpu_set_t all, now;
	(void)state;
	sched_getaffinity(0, sizeof all, &all);
	int cores = loom_cpu_cores();
	for (int n = 1; n <= cores + 1 && n <= 8; n++) {
		cpu_set_t seen;
		int sum = 0;
		CPU_ZERO(&seen);
		for (int i = 0; i < n; i++) {
			struct kept k = {.index = i, .n = n};
			pthread_t t;
			assert_int_equal(pthread_create(&t, NULL, keep, &k), 0);
			pthread_join(t, NULL);
			assert_true(CPU_COUNT(&k.set) >= 1);
			sum += CPU_COUNT(&k.set);
			CPU_OR(&seen, &seen, &k.set);
		}
		assert_true(CPU_EQUAL(&seen, &all));
		if (n <= cores)
			assert_int_equal(sum, CPU_COUNT(&all)); /* each CPU in one share */
		else /* left alone, unless a quota hides cores that are there */
			assert_true(sum == n * CPU_COUNT(&all) || sum == CPU_COUNT(&all));
	}
	sched_getaffinity(0, sizeof now, &now);
	assert_true(CPU_EQUAL(&now, &all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_item_runs_once),
		cmocka_unit_test(no_pool_runs_on_the_caller),
		cmocka_unit_test(runs_follow_each_other),
		cmocka_unit_test(a_pool_survives_failed_allocations),
		cmocka_unit_test(threads_share_the_cores),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
