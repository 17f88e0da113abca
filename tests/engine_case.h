/* engine_case.h: one engine with two tiny models, and requests as a client makes them: shared by the tests of the engine. */
#ifndef LOOM_TESTS_ENGINE_CASE_H
#define LOOM_TESTS_ENGINE_CASE_H

#include "tiny.h"

#define MODEL "llama-gqa"
#define TEXT "Hello, hidden states!"

static struct loom_engine *engine;
static struct loom_resident *llama, *bert;

static inline int open_all(void **state)
{
	(void)state;
	engine = tiny_engine(2, 0);
	llama = tiny_open(engine, MODEL);
	bert = tiny_open(engine, "bert");
	return 0;
}

static inline int close_all(void **state)
{
	(void)state;
	loom_engine_release(engine, llama);
	loom_engine_release(engine, bert);
	loom_engine_free(engine, 1000);
	return 0;
}

static inline struct loom_request generate(const char *text, int64_t n)
{
	struct loom_request q = {.kind = LOOM_REQUEST_GENERATE, .text = text, .n_text = strlen(text), .max_tokens = n, .pooling = -1,
		.normalize = -1, .layer = -1, .add_special_tokens = true};
	loom_sampling_default(&q.sampling);
	q.sampling.temperature = 0;
	return q;
}

static inline struct loom_capture_spec all_states(void)
{
	struct loom_capture_spec s = {.name = "all", .site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_ALL,
		.dtype = LOOM_F32};
	return s;
}

#endif
