/* tiny.h: the tiny models of tests/models, run through the engine: shared by the parity and the invariance tests. */
#ifndef LOOM_TESTS_TINY_H
#define LOOM_TESTS_TINY_H

#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine.h"
#include "jsonx.h"
#include "mem.h"
#include "safetensors.h"

/* Bounds of the issue and of docs/numerics.md: largest difference over largest magnitude, of a layer and of a row. */
#define TINY_LAYER_BOUND 2e-5
#define TINY_ROW_BOUND 1e-4
#define TINY_MARGIN 1e-3 /* greedy choices closer than this may differ */

#define TINY_MAX 400

struct tiny_list {
	char names[TINY_MAX][64];
	int n;
};

static int tiny_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static inline void tiny_models(struct tiny_list *l)
{
	DIR *d = opendir(LOOM_TEST_DIR "/models");
	l->n = 0;
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] != '.' && strlen(e->d_name) < 64 && l->n < TINY_MAX)
			memcpy(l->names[l->n++], e->d_name, strlen(e->d_name) + 1);
	}
	closedir(d);
	qsort(l->names, (size_t)l->n, sizeof l->names[0], tiny_compare);
	assert_true(l->n > 0);
}

static inline struct loom_engine *tiny_engine(int n_thread, int step_tokens)
{
	struct loom_engine_opts o;
	struct loom_err err;
	loom_engine_opts_default(&o);
	o.n_thread = n_thread;
	o.step_tokens = step_tokens;
	o.device = "cpu";
	o.allow_local = true;
	if (getenv("TINY_COMPUTE")) /* the environment, so that a process of its own has it too */
		o.compute = (enum loom_compute)loom_compute_parse(getenv("TINY_COMPUTE"));
	struct loom_engine *e = loom_engine_new(&o, &err);
	if (!e)
		fail_msg("engine: %s", err.message);
	return e;
}

static inline struct loom_resident *tiny_open(struct loom_engine *e, const char *name)
{
	char path[512];
	struct loom_resident *r = NULL;
	struct loom_err err;
	snprintf(path, sizeof path, "%s/models/%s", LOOM_TEST_DIR, name);
	struct loom_load_spec spec = {.id = path, .loader = -1};
	if (loom_engine_acquire(e, &spec, &r, &err))
		fail_msg("%s: %s", name, err.message);
	return r;
}

static inline bool tiny_causal(const struct loom_resident *r)
{
	struct loom_model_info i;
	loom_resident_info(r, &i);
	return i.causal;
}

/* One of the model's tasks, where it has any: i runs through them, and through none. */
static inline const char *tiny_task(const struct loom_resident *r, int32_t i)
{
	int32_t n = loom_resident_plan(r)->n_adapter;
	return loom_resident_task(r, i % (n + 1));
}

/* A request for ids with every hidden state at every position captured. Greedy, n tokens. */
static inline void tiny_request(struct loom_request *q, struct loom_capture_spec *spec, bool causal, const int32_t *ids, size_t n_ids,
	int64_t n)
{
	memset(q, 0, sizeof *q);
	memset(spec, 0, sizeof *spec);
	q->kind = causal ? LOOM_REQUEST_GENERATE : LOOM_REQUEST_EMBED;
	q->ids = ids;
	q->n_ids = n_ids;
	q->max_tokens = n;
	loom_sampling_default(&q->sampling);
	q->sampling.temperature = 0;
	q->pooling = -1;
	q->normalize = -1;
	q->layer = -1;
	q->captures = spec;
	q->n_capture = 1;
	memcpy(spec->name, "h", 2);
	spec->site = LOOM_SITE_HIDDEN;
	spec->layer_select = LOOM_SELECT_ALL;
	spec->select = LOOM_SELECT_ALL;
	spec->dtype = LOOM_F32;
}

/* Of a model whose last state has another width than the others: without it. */
static inline void tiny_even(const struct loom_resident *r, struct loom_capture_spec *spec)
{
	const struct loom_plan *p = loom_resident_plan(r);
	int32_t first = loom_plan_tap(p, LOOM_SITE_HIDDEN, 0), last = loom_plan_tap(p, LOOM_SITE_HIDDEN, p->n_layer);
	if (first >= 0 && last >= 0 && p->ops[first].a.width != p->ops[last].a.width) {
		spec->layer_select = LOOM_SELECT_SLICE;
		spec->layer_slice = (struct loom_slice){.has_stop = true, .stop = -1, .step = 1};
	}
}

static inline void tiny_run(struct loom_engine *e, struct loom_resident *r, const struct loom_request *q, struct loom_answer *a)
{
	struct loom_err err;
	loom_answer_init(a);
	if (loom_engine_run(e, r, q, a, &err))
		fail_msg("run: %s", err.message);
}

static inline size_t tiny_floats(const struct loom_answer_tensor *t)
{
	size_t n = 1;
	for (int i = 0; i < t->n_dim; i++)
		n *= (size_t)t->shape[i];
	return n;
}

/* One test for each model, named after it; TINY_ONLY=TEXT: of those whose name holds the text. */
static inline int tiny_main(const char *group, CMUnitTestFunction fn)
{
	static struct tiny_list list;
	static struct CMUnitTest tests[TINY_MAX];
	const char *only = getenv("TINY_ONLY");
	size_t n = 0;
	loom_json_setup();
	tiny_models(&list);
	for (int i = 0; i < list.n; i++) {
		if (!only || strstr(list.names[i], only))
			tests[n++] = (struct CMUnitTest){.name = list.names[i], .test_func = fn, .initial_state = list.names[i]};
	}
	return _cmocka_run_group_tests(group, tests, n, NULL, NULL);
}

#endif
