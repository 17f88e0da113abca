/* threads.c: a fork-join pool for work of microseconds. See threads.h.
 *
 * A run is published by raising `generation`; each worker takes items from a shared counter until none is left, then
 * reports itself done. Idle workers spin for a few tens of microseconds, then sleep on a condition variable. */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cores.h"
#include "mem.h"

#define SPINS 2000

struct worker {
	struct loom_pool *pool;
	pthread_t thread;
	int index;
	int n; /* threads asked for, whichever could be had */
};

struct loom_pool {
	int n;                      /* the caller included */
	struct worker *workers;     /* [n - 1] */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_uint generation;     /* raised for each run */
	atomic_int sleepers;
	atomic_bool stop;
	/* the run under way */
	void (*fn)(void *ctx, size_t item, int thread);
	void *ctx;
	size_t n_item;
	_Alignas(64) atomic_size_t next;
	_Alignas(64) atomic_int busy; /* workers that have not finished this run */
};

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static void take_items(struct loom_pool *p, int thread)
{
	for (;;) {
		size_t item = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
		if (item >= p->n_item)
			return;
		p->fn(p->ctx, item, thread);
	}
}

/* Returns when the generation is no longer `seen`: spins, then sleeps. */
static unsigned wait_for_run(struct loom_pool *p, unsigned seen)
{
	for (int i = 0; i < SPINS; i++) {
		unsigned g = atomic_load_explicit(&p->generation, memory_order_acquire);
		if (g != seen)
			return g;
		pause_cpu();
	}
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->sleepers, 1);
	while (atomic_load(&p->generation) == seen)
		pthread_cond_wait(&p->wake, &p->lock);
	atomic_fetch_sub(&p->sleepers, 1);
	pthread_mutex_unlock(&p->lock);
	return atomic_load(&p->generation);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct loom_pool *p = w->pool;
	unsigned seen = 0;
	loom_thread_keep_to(w->index, w->n);
	for (;;) {
		seen = wait_for_run(p, seen);
		if (atomic_load(&p->stop))
			return NULL;
		take_items(p, w->index);
		atomic_fetch_sub_explicit(&p->busy, 1, memory_order_release);
	}
}

static void publish(struct loom_pool *p)
{
	atomic_fetch_add(&p->generation, 1);
	if (atomic_load(&p->sleepers) > 0) {
		pthread_mutex_lock(&p->lock);
		pthread_cond_broadcast(&p->wake);
		pthread_mutex_unlock(&p->lock);
	}
}

void loom_pool_run(struct loom_pool *p, size_t n_item, void (*fn)(void *ctx, size_t item, int thread), void *ctx)
{
	if (!p || p->n == 1 || n_item <= 1) {
		for (size_t i = 0; i < n_item; i++)
			fn(ctx, i, 0);
		return;
	}
	p->fn = fn;
	p->ctx = ctx;
	p->n_item = n_item;
	atomic_store_explicit(&p->next, 0, memory_order_relaxed);
	atomic_store_explicit(&p->busy, p->n - 1, memory_order_relaxed);
	publish(p);
	take_items(p, 0);
	for (unsigned spins = 0; atomic_load_explicit(&p->busy, memory_order_acquire) > 0; spins++) {
		if (spins < SPINS)
			pause_cpu();
		else
			sched_yield(); /* more threads than cores: let them finish */
	}
}

struct loom_pool *loom_pool_new(int n)
{
	struct loom_pool *p = loom_pages_alloc(sizeof *p); /* aligned for the counters */
	if (!p)
		return NULL;
	p->n = 1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->workers = loom_calloc((size_t)(n > 1 ? n - 1 : 1), sizeof *p->workers);
	if (!p->workers) {
		loom_pool_free(p);
		return NULL;
	}
	for (int i = 0; i < n - 1; i++) {
		struct worker *w = &p->workers[i];
		w->pool = p;
		w->index = i + 1;
		w->n = n;
		if (pthread_create(&w->thread, NULL, work, w) != 0)
			break; /* fewer threads change no number */
		p->n++;
	}
	return p;
}

void loom_pool_free(struct loom_pool *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, true);
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->generation, 1);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->n - 1; i++)
		pthread_join(p->workers[i].thread, NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	loom_free(p->workers);
	loom_pages_free(p, sizeof *p);
}

int loom_pool_size(const struct loom_pool *p)
{
	return p ? p->n : 1;
}
