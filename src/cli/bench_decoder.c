/* bench_decoder.c: loom bench of a model that generates: a prompt, its first token, one stream and several together, and what captures add. */
#include <stdio.h>
#include <string.h>

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
		/* of a model so small that a busy moment is longer than its prompt, the whole time */
		rate[i] = (double)(b->n_token - n) * 1e3 / (ms > first_ms ? ms - first_ms : ms);
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
	double prefill_ms, first_ms, one, eight, many, capture; /* 0: not measured */
};

static const char *const parts[] = {"prefill", "first", "decode", "streams", "capture", NULL};

static bool measure_part(struct loom_bench *b, const char *part, int32_t *ids, struct result *r)
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
	if (strcmp(part, "prefill") == 0) {
		r->prefill_ms = loom_bench_median_ms(b, &prefill, 1, ids, r->n_prompt);
	} else if (strcmp(part, "first") == 0) {
		r->first_ms = loom_bench_median_ms(b, &first, 1, ids, r->n_prompt);
	} else if (strcmp(part, "decode") == 0) {
		r->one = decode_rate(b, 1);
	} else if (strcmp(part, "streams") == 0) {
		r->eight = decode_rate(b, 8);
		r->many = decode_rate(b, MAX_STREAMS);
	} else {
		r->capture = overhead(b, &prefill, &with, ids, r->n_prompt);
	}
	return b->err.status == LOOM_OK;
}

static void print_text(const struct loom_bench *b, const struct result *r)
{
	(void)printf("%s weights, compute %s, %s; loaded in %.2f s\n", b->info.dtype, b->info.compute, loom_cpu_isa(), b->info.load_seconds);
	if (r->prefill_ms > 0) {
		(void)printf("prompt of %zu tokens            %9.1f ms  %9.1f tokens/s\n", r->n_prompt, r->prefill_ms, (double)r->n_prompt * 1e3 / r->prefill_ms);
	}
	if (r->first_ms > 0) {
		(void)printf("first token after it            %9.1f ms\n", r->first_ms);
	}
	if (r->one > 0) {
		(void)printf("1 stream                        %9.1f ms  %9.1f tokens/s\n", 1e3 / r->one, r->one);
	}
	if (r->many > 0) {
		(void)printf("8 streams together              %9.1f ms  %9.1f tokens/s\n", 8e3 / r->eight, r->eight);
		(void)printf("%d streams together             %9.1f ms  %9.1f tokens/s\n", MAX_STREAMS, MAX_STREAMS * 1e3 / r->many, r->many);
	}
	if (r->capture != 0) {
		(void)printf("all hidden states of the prompt %+9.1f %%\n", r->capture);
	}
}

static void print_json(const struct loom_bench *b, const struct result *r)
{
	(void)printf("{\"dtype\": \"%s\", \"compute\": \"%s\", \"isa\": \"%s\", \"load_seconds\": %.3f, \"memory_bytes\": %llu", b->info.dtype,
		b->info.compute, loom_cpu_isa(), b->info.load_seconds, (unsigned long long)b->info.memory_bytes);
	if (r->prefill_ms > 0) {
		(void)printf(", \"prefill\": {\"%zu\": {\"ms\": %.3f, \"tokens_per_second\": %.2f}}", r->n_prompt, r->prefill_ms,
			(double)r->n_prompt * 1e3 / r->prefill_ms);
	}
	if (r->first_ms > 0) {
		(void)printf(", \"first_token_ms\": %.3f", r->first_ms);
	}
	if (r->one > 0) {
		(void)printf(", \"decode\": {\"tokens_per_second\": %.2f, \"between_tokens_ms\": %.3f}", r->one, 1e3 / r->one);
	}
	if (r->many > 0) {
		(void)printf(", \"streams\": {\"8\": %.2f, \"%d\": %.2f}", r->eight, MAX_STREAMS, r->many);
	}
	if (r->capture != 0) {
		(void)printf(", \"capture\": {\"overhead_percent\": %.2f}", r->capture);
	}
	(void)printf("}\n");
}

int loom_bench_decoder(struct loom_bench *b, const char *only, bool json)
{
	struct result r = {.n_prompt = loom_bench_prompt_length(b)};
	int32_t *ids = loom_calloc(r.n_prompt, sizeof(*ids));
	bool any = false, ok = ids != NULL;

	if (!ids) {
		(void)loom_err_nomem(&b->err, "a prompt", r.n_prompt * sizeof(*ids));
	}
	for (size_t i = 0; ok && parts[i]; i++) {
		if (!only || strcmp(only, parts[i]) == 0) {
			any = true;
			ok = measure_part(b, parts[i], ids, &r);
		}
	}
	loom_free(ids);
	if (!ok) {
		return loom_fail(&b->err);
	}
	if (!any) {
		return loom_fail_usage("--only: expected prefill, first, decode, streams or capture, found \"%s\"", only);
	}
	(json ? print_json : print_text)(b, &r);
	return LOOM_EXIT_OK;
}
