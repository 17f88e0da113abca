/* test_engine_many.c: many callers at once, clients that leave, a full queue, memory that runs out at any place, and the end of the
 * engine while something runs. */
#include <pthread.h>
#include <stdatomic.h>

#include "../engine_case.h"
#include "clock.h"
#include "engine_internal.h"

struct caller {
	int seed;
	struct loom_answer answer;
};

static void *call(void *ctx)
{
	struct caller *c = ctx;
	struct loom_request q = generate(TEXT, 20 + c->seed % 7);
	struct loom_capture_spec spec = all_states();
	struct loom_err err;
	q.sampling.temperature = 0.9;
	q.sampling.has_seed = true;
	q.sampling.seed = (uint64_t)c->seed;
	q.captures = &spec;
	q.n_capture = 1;
	loom_answer_init(&c->answer);
	return loom_engine_run(engine, llama, &q, &c->answer, &err) ? c : NULL;
}

static void test_callers_at_once_get_what_they_get_alone(void **state)
{
	static struct caller crowd[12], alone[12];
	pthread_t threads[12];
	(void)state;
	for (int i = 0; i < 12; i++) {
		crowd[i].seed = alone[i].seed = i;
		assert_int_equal(pthread_create(&threads[i], NULL, call, &crowd[i]), 0);
	}
	for (int i = 0; i < 12; i++) {
		void *failed = NULL;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	for (int i = 0; i < 12; i++) {
		struct loom_answer *x = &crowd[i].answer, *y = &alone[i].answer;
		assert_null(call(&alone[i]));
		assert_int_equal(x->n_ids, y->n_ids);
		assert_memory_equal(x->ids, y->ids, x->n_ids * sizeof *x->ids);
		assert_int_equal(tiny_floats(&x->captures[0]), tiny_floats(&y->captures[0]));
		assert_memory_equal(x->captures[0].data, y->captures[0].data, tiny_floats(&x->captures[0]) * sizeof(float));
		loom_answer_release(x);
		loom_answer_release(y);
	}
}

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

static bool slow_token(void *ctx, const struct loom_token_event *t)
{
	(void)ctx, (void)t;
	loom_sleep_ms(20);
	return true;
}

/* Goes on for a while: sampled, with a seed that meets no end of sequence soon. */
static struct loom_request slow(void)
{
	struct loom_request q = generate(TEXT, 200);
	q.sampling.temperature = 1;
	q.sampling.has_seed = true;
	q.sampling.seed = 5;
	q.on_token = slow_token;
	return q;
}

static void test_a_client_that_left_stops_the_work(void **state)
{
	struct loom_request q = slow();
	struct loom_answer a;
	struct loom_err err;
	(void)state;
	q.cancelled = always;
	loom_answer_init(&a);
	assert_int_equal(loom_engine_run(engine, llama, &q, &a, &err), LOOM_E_CANCELLED);
	loom_answer_release(&a);
}

static void test_a_bad_item_is_named(void **state)
{
	struct loom_request q[3] = {generate(TEXT, 2), generate("", 2), generate(TEXT, 2)};
	struct loom_answer a[3];
	struct loom_err err;
	size_t bad = 0;
	(void)state;
	for (int i = 0; i < 3; i++)
		loom_answer_init(&a[i]);
	assert_int_equal(loom_engine_run_many(engine, llama, q, 3, a, &bad, &err), LOOM_E_INVALID);
	assert_int_equal(bad, 1);
	for (int i = 0; i < 3; i++)
		loom_answer_release(&a[i]);
}

static atomic_bool blocked, in_step;

static bool block(void *ctx, const struct loom_token_event *t)
{
	(void)ctx, (void)t;
	atomic_store(&in_step, true);
	while (atomic_load(&blocked))
		loom_sleep_ms(1);
	return true;
}

struct queued {
	struct loom_engine *e;
	struct loom_resident *r;
	bool blocks;
};

static void *run_queued(void *ctx)
{
	struct queued *c = ctx;
	struct loom_request q = generate(TEXT, 3);
	struct loom_answer a;
	struct loom_err err;
	q.on_token = c->blocks ? block : NULL;
	loom_answer_init(&a);
	enum loom_status st = loom_engine_run(c->e, c->r, &q, &a, &err);
	loom_answer_release(&a);
	return st ? ctx : NULL;
}

static void test_a_full_queue_says_so_at_once(void **state)
{
	struct loom_engine_opts o;
	struct loom_err err;
	struct loom_answer a;
	pthread_t threads[2];
	void *failed = NULL;
	(void)state;
	loom_engine_opts_default(&o);
	o.device = "cpu";
	o.allow_local = true;
	o.max_queue = 1;
	struct queued first = {.e = loom_engine_new(&o, &err), .blocks = true};
	first.r = tiny_open(first.e, MODEL);
	struct queued second = {.e = first.e, .r = first.r};
	atomic_store(&blocked, true);
	pthread_create(&threads[0], NULL, run_queued, &first);
	while (!atomic_load(&in_step))
		loom_sleep_ms(1);
	pthread_create(&threads[1], NULL, run_queued, &second);
	while (atomic_load(&first.r->worker.n_queued) == 0)
		loom_sleep_ms(1);
	struct loom_request q = generate(TEXT, 3);
	loom_answer_init(&a);
	assert_int_equal(loom_engine_run(first.e, first.r, &q, &a, &err), LOOM_E_QUEUE_FULL);
	loom_answer_release(&a);
	atomic_store(&blocked, false);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	loom_engine_release(first.e, first.r);
	loom_engine_free(first.e, 1000);
}

static enum loom_status run_all_kinds(struct loom_err *err)
{
	static const int64_t layers[] = {-1};
	struct loom_capture_spec spec[2] = {all_states(), all_states()};
	struct loom_request q = generate(TEXT, 5);
	struct loom_answer a;
	memcpy(spec[1].name, "mean", 5);
	spec[1].reduce = LOOM_REDUCE_MEAN;
	q.return_hidden_states = q.return_full_sequence = q.return_attention = q.return_tokens = true;
	q.hidden_layers = layers;
	q.n_hidden_layer = 1;
	q.n_logprobs = 2;
	q.captures = spec;
	q.n_capture = 2;
	loom_answer_init(&a);
	enum loom_status st = loom_engine_run(engine, llama, &q, &a, err);
	loom_answer_release(&a);
	return st;
}

static void test_any_allocation_may_fail(void **state)
{
	struct loom_err err;
	uint64_t k = 0, calls = 0;
	(void)state;
	assert_int_equal(run_all_kinds(&err), LOOM_OK);
	int64_t live = loom_mem_live();
	do {
		loom_mem_fail_at(++k, false);
		enum loom_status st = run_all_kinds(&err);
		calls = loom_mem_calls();
		loom_mem_fail_at(0, false);
		assert_int_equal(st, calls < k ? LOOM_OK : LOOM_E_MEMORY);
		assert_int_equal(loom_mem_live(), live);
	} while (calls >= k);
	assert_true(k > 10);
}

static struct loom_engine *ending;
static atomic_bool begun;

static bool slow_token_begun(void *ctx, const struct loom_token_event *t)
{
	atomic_store(&begun, true);
	return slow_token(ctx, t);
}

static void *run_long(void *ctx)
{
	struct loom_resident *r = ctx;
	struct loom_request q = slow();
	struct loom_answer a;
	struct loom_err err;
	q.on_token = slow_token_begun;
	loom_answer_init(&a);
	enum loom_status st = loom_engine_run(ending, r, &q, &a, &err);
	loom_answer_release(&a);
	loom_engine_release(ending, r);
	return st == LOOM_E_UNAVAILABLE ? NULL : ctx;
}

static void test_the_end_stops_what_runs(void **state)
{
	pthread_t thread;
	void *wrong = NULL;
	(void)state;
	ending = tiny_engine(1, 0);
	struct loom_resident *r = tiny_open(ending, MODEL);
	assert_int_equal(pthread_create(&thread, NULL, run_long, r), 0);
	while (!atomic_load(&begun))
		loom_sleep_ms(1);
	loom_engine_free(ending, 20);
	pthread_join(thread, &wrong);
	assert_null(wrong);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callers_at_once_get_what_they_get_alone),
		cmocka_unit_test(test_a_client_that_left_stops_the_work),
		cmocka_unit_test(test_a_bad_item_is_named),
		cmocka_unit_test(test_a_full_queue_says_so_at_once),
		cmocka_unit_test(test_any_allocation_may_fail),
		cmocka_unit_test(test_the_end_stops_what_runs),
	};
	loom_json_setup();
	return cmocka_run_group_tests(tests, open_all, close_all);
}
