/* test_storm.c: 64 clients load, use and unload five models where two may be in memory: no deadlock, no wrong model, every answer right to the bit
 * or a refusal that the API documents. A few seconds here; LOOM_STORM_SECONDS=300 for longer, and `make tsan` runs it under ThreadSanitizer. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "../engine_case.h"
#include "clock.h"
#include "log.h"

#define N_CLIENT 64
#define N_MODEL 5
#define N_STATUS LOOM_N_STATUS

static const char *const names[N_MODEL] = {"llama-gqa", "gpt2", "qwen2", "mistral", "bert"};
static char paths[N_MODEL][512];
static struct loom_answer right[N_MODEL]; /* what each model answers alone */
static struct loom_engine *storm;
static atomic_bool over;
static atomic_int used[N_STATUS], unloaded[N_STATUS], wrong, n_missing;

static struct loom_request question(int model)
{
	static const int64_t layers[] = {-1};
	struct loom_request q = generate(TEXT, model == N_MODEL - 1 ? 0 : 3);
	q.kind = model == N_MODEL - 1 ? LOOM_REQUEST_EMBED : LOOM_REQUEST_GENERATE;
	q.return_hidden_states = q.kind == LOOM_REQUEST_GENERATE;
	q.hidden_layers = layers;
	q.n_hidden_layer = 1;
	return q;
}

static bool same(const struct loom_answer *a, const struct loom_answer *b, int model)
{
	if (model == N_MODEL - 1)
		return a->width == b->width && memcmp(a->embedding, b->embedding, (size_t)a->width * sizeof(float)) == 0;
	return a->n_ids == b->n_ids && memcmp(a->ids, b->ids, a->n_ids * sizeof *a->ids) == 0 && a->n_hidden == 1 && b->n_hidden == 1 &&
		tiny_floats(a->hidden) == tiny_floats(b->hidden) && memcmp(a->hidden->data, b->hidden->data, tiny_floats(a->hidden) * sizeof(float)) == 0;
}

static bool now(void *ctx)
{
	(void)ctx;
	return true;
}

static enum loom_status use(int model, uint32_t dice)
{
	struct loom_load_spec spec = {.id = paths[model], .loader = -1};
	struct loom_request q = question(model);
	struct loom_resident *r = NULL;
	struct loom_answer a;
	struct loom_err err;
	if (dice % 8 == 0)
		spec.dtype = LOOM_F32; /* what it is kept as anyway */
	if (dice % 16 == 1)
		spec.prefer = true;
	if (dice % 32 == 2)
		spec.cancelled = q.cancelled = now;
	enum loom_status st = loom_engine_acquire(storm, &spec, &r, &err);
	if (st)
		return st;
	loom_answer_init(&a);
	st = loom_engine_run(storm, r, &q, &a, &err);
	if (!st && !same(&a, &right[model], model))
		atomic_fetch_add(&wrong, 1);
	loom_answer_release(&a);
	loom_engine_release(storm, r);
	return st;
}

static void count(void *ctx, const struct loom_model_info *i)
{
	*(int *)ctx += !i->loading;
}

static void *client(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
	while (!atomic_load(&over)) {
		seed = seed * 1664525u + 1013904223u;
		int model = (int)((seed >> 8) % N_MODEL);
		uint32_t dice = seed >> 16;
		if (dice % 10 == 0) {
			enum loom_status st = loom_engine_unload(storm, paths[model], dice % 50, NULL);
			atomic_fetch_add(&unloaded[st], 1);
		} else if (dice % 101 == 1) {
			struct loom_load_spec spec = {.id = "no/such", .loader = -1};
			struct loom_resident *r;
			atomic_fetch_add(&n_missing, loom_engine_acquire(storm, &spec, &r, NULL) == LOOM_E_NOT_FOUND);
		} else {
			enum loom_status st = use(model, dice);
			atomic_fetch_add(&used[st], 1);
			if (st == LOOM_E_UNAVAILABLE)
				loom_sleep_ms(1 + dice % 5);
		}
		int n = 0;
		loom_engine_each(storm, count, &n);
		if (n > 2)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static void test_64_clients_5_models_room_for_2(void **state)
{
	const char *env = getenv("LOOM_STORM_SECONDS");
	unsigned seconds = env ? (unsigned)strtoul(env, NULL, 10) : 3;
	struct loom_engine_opts o;
	struct loom_err err;
	pthread_t threads[N_CLIENT];
	int total = 0;
	(void)state;
	loom_engine_opts_default(&o);
	o.device = "cpu";
	o.allow_local = true;
	o.n_thread = 1;
	o.max_models = N_MODEL;
	storm = loom_engine_new(&o, &err);
	for (int i = 0; i < N_MODEL; i++) {
		struct loom_request q = question(i);
		struct loom_resident *r = tiny_open(storm, names[i]);
		snprintf(paths[i], sizeof paths[i], "%s/models/%s", LOOM_TEST_DIR, names[i]);
		tiny_run(storm, r, &q, &right[i]);
		loom_engine_release(storm, r);
	}
	loom_engine_free(storm, 1000);
	int64_t live = loom_mem_live();
	o.max_models = 2;
	o.auto_unload_minutes = 0.01 / 60; /* the sweeper takes part */
	storm = loom_engine_new(&o, &err);
	alarm(seconds * 4 + 600); /* a deadlock ends here */
	for (uintptr_t i = 0; i < N_CLIENT; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, client, (void *)(i + 1)), 0);
	loom_sleep_ms(seconds * 1000);
	while (atomic_load(&used[LOOM_OK]) <= 100) /* a machine at work takes longer */
		loom_sleep_ms(10);
	atomic_store(&over, true);
	for (int i = 0; i < N_CLIENT; i++)
		pthread_join(threads[i], NULL);
	alarm(0);
	loom_engine_free(storm, 1000);
	assert_int_equal(loom_mem_live(), live); /* nothing is left of any of them */
	for (int i = 0; i < N_STATUS; i++) {
		bool documented = i == LOOM_OK || i == LOOM_E_UNAVAILABLE || i == LOOM_E_CANCELLED || i == LOOM_E_QUEUE_FULL;
		if (used[i] && !documented)
			fail_msg("%d requests ended with %s", used[i], loom_status_code((enum loom_status)i));
		documented = i == LOOM_OK || i == LOOM_E_NOT_FOUND || i == LOOM_E_CONFLICT;
		if (unloaded[i] && !documented)
			fail_msg("%d unloads ended with %s", unloaded[i], loom_status_code((enum loom_status)i));
		total += used[i];
	}
	print_message("storm: %d requests: %d right, %d refused (%d cancelled), %d unloads, %d of them done; %d asked for a model that is not there\n", total,
		used[LOOM_OK], used[LOOM_E_UNAVAILABLE], used[LOOM_E_CANCELLED], unloaded[LOOM_OK] + unloaded[LOOM_E_NOT_FOUND] + unloaded[LOOM_E_CONFLICT],
		unloaded[LOOM_OK], n_missing);
	assert_int_equal(wrong, 0);
	assert_true(used[LOOM_OK] > 100);
	for (int i = 0; i < N_MODEL; i++)
		loom_answer_release(&right[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_64_clients_5_models_room_for_2)};
	loom_log_set_level(LOOM_LOG_ERROR);
	setenv("HF_HUB_OFFLINE", "1", 1); /* who is missing is missing here */
	loom_json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
