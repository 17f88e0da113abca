/* test_invariance.c: same text, same bits (design.md §3). Every hidden state of a prompt, compared by memcmp: alone or among others,
 * 1/2/3/5 threads, steps of 1/7/64/all rows, as a prompt or token by token, every instruction set, captured or not.
 *
 * The instruction set is chosen once in a process, so the program runs itself with LOOM_CPU and `--dump MODEL FILE`. */
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tiny.h"
#include "file.h"

extern char **environ;
static char *self;

#define N_PROMPT 3
static const size_t prompt_len[N_PROMPT] = {140, 17, 66};

/* Ids that look random and are the same in every process. */
static void make_ids(int32_t *ids, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		ids[i] = (int32_t)(seed >> 24);
	}
}

#define MODEL_THAT_SHARES "llama-gqa"

struct states {
	float *data;
	size_t n;
};

static struct states take(const struct loom_answer *a)
{
	struct states s = {.n = tiny_floats(&a->captures[0])};
	s.data = loom_malloc(s.n * sizeof(float) + 1);
	assert_non_null(s.data);
	memcpy(s.data, a->captures[0].data, s.n * sizeof(float));
	return s;
}

static struct states run_alone(const char *model, int p, int n_thread, int step)
{
	int32_t ids[256];
	struct loom_request q;
	struct loom_capture_spec spec;
	struct loom_answer a;
	struct loom_engine *e = tiny_engine(n_thread, step);
	struct loom_resident *r = tiny_open(e, model);
	make_ids(ids, prompt_len[p], (uint32_t)p + 1);
	tiny_request(&q, &spec, tiny_causal(r), ids, prompt_len[p], 0);
	tiny_even(r, &spec);
	q.task = tiny_task(r, p);
	tiny_run(e, r, &q, &a);
	struct states s = take(&a);
	loom_answer_release(&a);
	loom_engine_release(e, r);
	loom_engine_free(e, 1000);
	return s;
}

/* Compares and frees b. */
static void same(const char *what, const struct states *a, struct states b)
{
	assert_int_equal(a->n, b.n);
	for (size_t i = 0; i < a->n; i++) {
		if (memcmp(&a->data[i], &b.data[i], sizeof(float)) != 0)
			fail_msg("%s: float %zu of %zu is %a, expected %a", what, i, a->n, (double)b.data[i], (double)a->data[i]);
	}
	loom_free(b.data);
}

static void threads_and_chunks(const char *model)
{
	static const int threads[] = {1, 3, 5}, steps[] = {1, 7, 64};
	char what[128];
	for (int p = 0; p < 2; p++) {
		struct states base = run_alone(model, p, 2, 0);
		for (size_t i = 0; i < 3; i++) {
			snprintf(what, sizeof what, "%s, %d threads", model, threads[i]);
			same(what, &base, run_alone(model, p, threads[i], 0));
			snprintf(what, sizeof what, "%s, steps of %d", model, steps[i]);
			same(what, &base, run_alone(model, p, 2, steps[i]));
		}
		loom_free(base.data);
	}
}

/* The prompts as requests in one call, each with a capture of every state; change, if not NULL, makes of the p-th what a test wants. */
struct together {
	int32_t ids[N_PROMPT][256];
	struct loom_request q[N_PROMPT];
	struct loom_capture_spec spec[N_PROMPT];
	struct loom_answer a[N_PROMPT];
	int64_t positions[N_PROMPT][2];
};

static void run_together(const char *model, struct together *t, void (*change)(struct together *t, int p))
{
	struct loom_err err;
	size_t bad = 0;
	struct loom_engine *e = tiny_engine(2, 100);
	struct loom_resident *r = tiny_open(e, model);
	for (int p = 0; p < N_PROMPT; p++) {
		make_ids(t->ids[p], prompt_len[p], (uint32_t)p + 1);
		tiny_request(&t->q[p], &t->spec[p], tiny_causal(r), t->ids[p], prompt_len[p], 0);
		tiny_even(r, &t->spec[p]);
		t->q[p].task = tiny_task(r, p);
		if (change)
			change(t, p);
		loom_answer_init(&t->a[p]);
	}
	if (loom_engine_run_many(e, r, t->q, N_PROMPT, t->a, &bad, &err))
		fail_msg("%s: item %zu: %s", model, bad, err.message);
	loom_engine_release(e, r);
	loom_engine_free(e, 1000);
}

static void among_others(const char *model)
{
	static struct together t;
	run_together(model, &t, NULL);
	for (int p = 0; p < N_PROMPT; p++) {
		char what[128];
		struct states base = run_alone(model, p, 2, 0);
		snprintf(what, sizeof what, "%s, prompt %d among others", model, p);
		same(what, &base, take(&t.a[p]));
		loom_free(base.data);
		loom_answer_release(&t.a[p]);
	}
}

/* Generated tokens' states equal those of the same ids sent as a prompt; and asking for captures changes no token. */
static void prefill_or_decode(const char *model)
{
	int32_t ids[256];
	struct loom_request q;
	struct loom_capture_spec spec;
	struct loom_answer a, plain, whole;
	struct loom_engine *e = tiny_engine(2, 0);
	struct loom_resident *r = tiny_open(e, model);
	if (tiny_causal(r) && !strstr(model, "base")) {
		size_t n = 60;
		make_ids(ids, n, 9);
		tiny_request(&q, &spec, true, ids, n, 20);
	tiny_even(r, &spec);
		tiny_run(e, r, &q, &a);
		q.n_capture = 0;
		tiny_run(e, r, &q, &plain);
		assert_int_equal(plain.n_ids, a.n_ids);
		assert_memory_equal(plain.ids, a.ids, a.n_ids * sizeof(int32_t));
		/* these two rotary types look at the length, so only they differ (api.md, "Settled") */
		if (!strstr(model, "dynamic") && !strstr(model, "longrope")) {
			memcpy(ids + n, a.ids, a.n_ids * sizeof(int32_t));
			tiny_request(&q, &spec, true, ids, n + a.n_ids, 0);
	tiny_even(r, &spec);
			tiny_run(e, r, &q, &whole);
			struct states x = take(&a);
			same(model, &x, take(&whole));
			loom_free(x.data);
			loom_answer_release(&whole);
		}
		loom_answer_release(&a);
		loom_answer_release(&plain);
	}
	loom_engine_release(e, r);
	loom_engine_free(e, 1000);
}

static void two_rows(struct together *t, int p)
{
	static const int64_t last = -1, before = -2;
	bool uneven = t->spec[p].layer_select == LOOM_SELECT_SLICE; /* tiny_even */
	t->q[p].pooling = LOOM_POOL_CLS;
	t->positions[p][0] = 3 + p;
	t->positions[p][1] = (int64_t)prompt_len[p] - 2;
	t->spec[p].layer_select = t->spec[p].select = LOOM_SELECT_LIST;
	t->spec[p].layers = uneven ? &before : &last;
	t->spec[p].n_layer = 1;
	t->spec[p].positions = t->positions[p];
	t->spec[p].n_position = 2;
}

/* Behind the last block's keys only rows that somebody asked for are computed: two of each prompt are those of all rows. */
static void few_rows(const char *model)
{
	static struct together t;
	run_together(model, &t, two_rows);
	for (int p = 0; p < N_PROMPT; p++) {
		struct states base = run_alone(model, p, 2, 0);
		const struct loom_answer_tensor *c = &t.a[p].captures[0];
		size_t width = (size_t)c->shape[2], n = prompt_len[p];
		assert_int_equal(tiny_floats(c), 2 * width);
		for (size_t i = 0; i < 2; i++)
			assert_memory_equal((const float *)c->data + i * width, base.data + base.n - (n - (size_t)t.positions[p][i]) * width,
				width * sizeof(float));
		loom_free(base.data);
		loom_answer_release(&t.a[p]);
	}
}

/* The same of the probabilities of every block that has any; those of the last one also know how many keys there are. */
static void few_probabilities(const char *model)
{
	static const int64_t position = 11;
	int32_t ids[17];
	struct loom_request q;
	struct loom_capture_spec spec;
	struct loom_answer all, one;
	struct loom_err err;
	struct loom_engine *e = tiny_engine(2, 0);
	struct loom_resident *r = tiny_open(e, model);
	make_ids(ids, 17, 2);
	tiny_request(&q, &spec, tiny_causal(r), ids, 17, 0);
	tiny_even(r, &spec);
	q.pooling = LOOM_POOL_CLS;
	spec.site = LOOM_SITE_ATTN_PROBS;
	loom_answer_init(&all);
	if (loom_engine_run(e, r, &q, &all, &err)) { /* the model has no attention: refused for that and nothing else */
		assert_int_equal(err.status, LOOM_E_INVALID);
		assert_non_null(strstr(err.message, "attn_probs"));
		assert_non_null(strstr(model, "mamba"));
	} else {
		spec.select = LOOM_SELECT_LIST;
		spec.positions = &position;
		spec.n_position = 1;
		tiny_run(e, r, &q, &one);
		/* [layers, positions, heads, keys]; causal models' keys end at the last position asked for */
		size_t layers = (size_t)all.captures[0].shape[0], heads = (size_t)all.captures[0].shape[2], keys = (size_t)one.captures[0].shape[3];
		assert_int_equal(tiny_floats(&one.captures[0]), layers * heads * keys);
		for (size_t i = 0; i < layers * heads; i++)
			assert_memory_equal((const float *)one.captures[0].data + i * keys,
				(const float *)all.captures[0].data + ((i / heads * 17 + (size_t)position) * heads + i % heads) * 17, keys * sizeof(float));
		loom_answer_release(&one);
	}
	loom_answer_release(&all);
	loom_engine_release(e, r);
	loom_engine_free(e, 1000);
}

/* A prompt whose beginning another left in pages gives what it gives alone. */
static void shared_beginning(const char *model)
{
	int32_t ids[140];
	struct loom_request first, q;
	struct loom_capture_spec spec;
	struct loom_answer a, alone;
	struct loom_model_info info;
	struct loom_engine *e = tiny_engine(2, 50), *fresh = tiny_engine(2, 0);
	struct loom_resident *r = tiny_open(e, model), *other = tiny_open(fresh, model);
	make_ids(ids, 140, 5);
	tiny_request(&q, &spec, tiny_causal(r), ids, 140, 0);
	tiny_even(r, &spec);
	spec.select = LOOM_SELECT_SLICE;
	spec.slice = (struct loom_slice){.has_start = true, .start = 129, .step = 1};
	if (tiny_causal(r)) {
		first = q;
		first.n_ids = 130;
		first.n_capture = 0;
		tiny_run(e, r, &first, &a);
		loom_answer_release(&a);
		tiny_run(e, r, &q, &a);
		tiny_run(fresh, other, &q, &alone);
		struct states x = take(&alone);
		same(model, &x, take(&a));
		loom_free(x.data);
		loom_resident_info(r, &info);
		if (strcmp(model, MODEL_THAT_SHARES) == 0)
			assert_int_equal(info.n_found, 2 * LOOM_PAGE);
		loom_answer_release(&a);
		loom_answer_release(&alone);
	}
	loom_engine_release(e, r);
	loom_engine_release(fresh, other);
	loom_engine_free(e, 1000);
	loom_engine_free(fresh, 1000);
}

static int dump(const char *model, const char *path)
{
	FILE *f = fopen(path, "wb");
	if (!f)
		return 1;
	for (int p = 0; p < 2; p++) {
		struct states s = run_alone(model, p, 2, 0);
		fwrite(s.data, sizeof(float), s.n, f);
		loom_free(s.data);
	}
	return fclose(f) != 0;
}

/* What this program dumps of the model when LOOM_CPU is isa. Free with loom_free. */
static char *dump_under(char *isa, char *model, size_t *n)
{
	char path[] = "/tmp/loom-isa-XXXXXX", flag[] = "--dump";
	char *const argv[] = {self, flag, model, path, NULL};
	char *data = NULL;
	struct loom_err err;
	int fd = mkstemp(path), status = 0;
	pid_t pid;
	assert_true(fd >= 0);
	close(fd);
	setenv("LOOM_CPU", isa, 1);
	assert_int_equal(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
	unsetenv("LOOM_CPU");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	if (loom_file_slurp(path, path, (size_t)64 << 20, &data, n, &err))
		fail_msg("%s", err.message);
	unlink(path);
	return data;
}

static void every_isa(char *model)
{
	char isas[][8] = {"ref", "avx2", "avx512"};
	size_t n_first = 0, n = 0;
	char *first = dump_under(isas[0], model, &n_first);
	for (size_t i = 1; i < 3; i++) {
		char *data = dump_under(isas[i], model, &n);
		assert_int_equal(n, n_first);
		if (memcmp(first, data, n) != 0)
			fail_msg("%s: LOOM_CPU=%s gives other bits than ref", model, isas[i]);
		loom_free(data);
	}
	loom_free(first);
}

static void test_model(void **state)
{
	char *model = *state;
	threads_and_chunks(model);
	among_others(model);
	prefill_or_decode(model);
	few_rows(model);
	few_probabilities(model);
	shared_beginning(model);
	every_isa(model);
}

/* The named mode keeps the same promise. */
static int run_bf16(void)
{
	static char names[][16] = {"bert", "gpt2", "llama-odd", "qwen3"};
	struct CMUnitTest tests[4];
	for (size_t i = 0; i < 4; i++)
		tests[i] = (struct CMUnitTest){.name = names[i], .test_func = test_model, .initial_state = names[i]};
	setenv("TINY_COMPUTE", "bf16", 1);
	return _cmocka_run_group_tests("invariance, compute bf16", tests, 4, NULL, NULL);
}

int main(int argc, char **argv)
{
	self = argv[0];
	loom_json_setup();
	if (argc == 4 && strcmp(argv[1], "--dump") == 0)
		return dump(argv[2], argv[3]);
	return tiny_main("invariance", test_model) + run_bf16();
}
