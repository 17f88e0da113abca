/* bench_decoder.c: loom bench of a model that generates: a prompt, its first token, one stream and several together, and what captures add. */
#include <stdio.h>

#include "bench.h"
#include "mem.h"

#define DECODE 64      /* tokens of each stream */
#define STREAM_PROMPT 32
#define MAX_STREAMS 32

/* Tokens a second of n streams together, prompts not counted; < 0 on failure. A stream may end early: what came is counted. */
static double decode_rate(struct loom_bench *b, size_t n)
{
	static int32_t ids[MAX_STREAMS * STREAM_PROMPT];
	struct loom_request first[MAX_STREAMS], all[MAX_STREAMS];
	double rate[LOOM_BENCH_MAX_ROUNDS], first_ms;

	for (size_t i = 0; i < n; i++) {
		first[i] = loom_bench_generate(ids + i * STREAM_PROMPT, STREAM_PROMPT, 1);
		all[i] = loom_bench_generate(ids + i * STREAM_PROMPT, STREAM_PROMPT, 1 + DECODE);
	}
	first_ms = loom_bench_median_ms(b, first, n, ids, n * STREAM_PROMPT);
	for (int i = 0; i < b->rounds; i++) {
		loom_bench_prompt(b, ids, n * STREAM_PROMPT);
		double ms = first_ms < 0 ? -1 : loom_bench_many_ms(b, all, n);
		if (ms < 0) {
			return -1;
		}
		rate[i] = (double)(b->n_token - n) * 1e3 / (ms - first_ms);
	}
	return loom_bench_median(rate, b->rounds);
}

/* Median of the ratio with/without in percent, measured in turns, so that a slow moment of the machine hits both. */
static double overhead(struct loom_bench *b, const struct loom_request *plain, const struct loom_request *with, int32_t *ids, size_t n)
{
	double ratio[LOOM_BENCH_MAX_ROUNDS];

	for (int i = -1; i < b->rounds; i++) {
		double x, y;
		loom_bench_prompt(b, ids, n);
		x = loom_bench_run_ms(b, plain);
		loom_bench_prompt(b, ids, n);
		y = x < 0 ? -1 : loom_bench_run_ms(b, with);
		if (y < 0) {
			return -1;
		}
		if (i >= 0) {
			ratio[i] = y / x;
		}
	}
	return (loom_bench_median(ratio, b->rounds) - 1) * 100;
}

struct result {
	size_t n_prompt;
	double prefill_ms, first_ms, one, eight, many, capture;
};

static bool measure(struct loom_bench *b, int32_t *ids, struct result *r)
{
	static const int64_t last = -1;
	struct loom_capture_spec spec = {.name = "h", .site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_ALL,
		.dtype = LOOM_F32};
	struct loom_request prefill = loom_bench_generate(ids, r->n_prompt, 0), first = loom_bench_generate(ids, r->n_prompt, 1), with;

	prefill.return_hidden_states = true; /* of the last token: what an answer always holds */
	prefill.hidden_layers = &last;
	prefill.n_hidden_layer = 1;
	with = prefill;
	with.captures = &spec;
	with.n_capture = 1;
	return (r->prefill_ms = loom_bench_median_ms(b, &prefill, 1, ids, r->n_prompt)) >= 0 &&
		(r->first_ms = loom_bench_median_ms(b, &first, 1, ids, r->n_prompt)) >= 0 && (r->one = decode_rate(b, 1)) >= 0 &&
		(r->eight = decode_rate(b, 8)) >= 0 && (r->many = decode_rate(b, MAX_STREAMS)) >= 0 &&
		((r->capture = overhead(b, &prefill, &with, ids, r->n_prompt)) >= 0 || b->err.status == LOOM_OK);
}

static void print(const struct loom_bench *b, const struct result *r, bool json)
{
	double rate = (double)r->n_prompt * 1e3 / r->prefill_ms;

	if (json) {
		(void)printf("{\"prefill\": {\"%zu\": {\"ms\": %.3f, \"tokens_per_second\": %.2f}}, \"first_token_ms\": %.3f, \"decode\": "
			"{\"tokens_per_second\": %.2f, \"between_tokens_ms\": %.3f, \"streams_8\": %.2f, \"streams_32\": %.2f}, \"capture\": "
			"{\"overhead_percent\": %.2f}, \"load_seconds\": %.3f, \"memory_bytes\": %llu, \"compute\": \"%s\", \"dtype\": \"%s\", \"isa\": \"%s\"}\n",
			r->n_prompt, r->prefill_ms, rate, r->first_ms, r->one, 1e3 / r->one, r->eight, r->many, r->capture, b->info.load_seconds,
			(unsigned long long)b->info.memory_bytes, b->info.compute, b->info.dtype, loom_cpu_isa());
		return;
	}
	(void)printf("%s weights, compute %s, %s; loaded in %.2f s\n", b->info.dtype, b->info.compute, loom_cpu_isa(), b->info.load_seconds);
	(void)printf("prompt of %zu tokens            %9.1f ms  %9.1f tokens/s\n", r->n_prompt, r->prefill_ms, rate);
	(void)printf("first token after it            %9.1f ms\n", r->first_ms);
	(void)printf("1 stream                        %9.1f ms  %9.1f tokens/s\n", 1e3 / r->one, r->one);
	(void)printf("8 streams together              %9.1f ms  %9.1f tokens/s  %.1fx one\n", 8e3 / r->eight, r->eight, r->eight / r->one);
	(void)printf("%d streams together             %9.1f ms  %9.1f tokens/s  %.1fx one\n", MAX_STREAMS, MAX_STREAMS * 1e3 / r->many, r->many,
		r->many / r->one);
	(void)printf("all hidden states of the prompt %+9.1f %%\n", r->capture);
}

int loom_bench_decoder(struct loom_bench *b, bool json)
{
	struct result r = {.n_prompt = loom_bench_prompt_length(b)};
	int32_t *ids = loom_calloc(r.n_prompt, sizeof(*ids));
	int rc = LOOM_EXIT_OK;

	if (!ids) {
		(void)loom_err_nomem(&b->err, "a prompt", r.n_prompt * sizeof(*ids));
	}
	if (!ids || !measure(b, ids, &r)) {
		rc = loom_fail(&b->err);
	} else {
		print(b, &r, json);
	}
	loom_free(ids);
	return rc;
}
