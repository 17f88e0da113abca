/* bench.h: what the files of `loom bench` share. cmd_bench.c measures whole requests, bench_ops.c the ops of the plan. */
#ifndef LOOM_BENCH_H
#define LOOM_BENCH_H

#include "cli.h"

#define LOOM_BENCH_PROMPT 512
#define LOOM_BENCH_DECODE 64
#define LOOM_BENCH_MAX_ROUNDS 101

struct loom_bench {
	struct loom_engine *e;
	struct loom_resident *r;
	struct loom_model_info info;
	int rounds;
	struct loom_err err;
};

/* One request, timed; < 0 on failure with b->err set. */
double loom_bench_run_ms(struct loom_bench *b, const struct loom_request *q);
/* A greedy continuation of ids. */
struct loom_request loom_bench_generate(const int32_t *ids, size_t n, int64_t max_tokens);
/* LOOM_BENCH_PROMPT, or what the model takes and leaves room for a token. */
size_t loom_bench_prompt_length(const struct loom_bench *b);
/* Token numbers that are always the same. */
void loom_bench_prompt(const struct loom_bench *b, int32_t *ids, size_t n);
/* The roofline page. */
int loom_bench_ops(struct loom_bench *b, bool json, int n_thread);

#endif
