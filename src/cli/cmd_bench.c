/* cmd_bench.c: loom bench: what a model does on this machine, through the engine as a request goes, without HTTP; or what a running server does
 * (--load). Medians. */
#include <stdlib.h>

#include "bench.h"
#include "clock.h"
#include "mem.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double loom_bench_median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double loom_bench_many_ms(struct loom_bench *b, const struct loom_request *q, size_t n)
{
	struct loom_answer *a = loom_calloc(n, sizeof(*a));
	size_t bad = 0;
	double t0, ms = -1;

	if (!a) {
		(void)loom_err_nomem(&b->err, "answers", n * sizeof(*a));
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		loom_answer_init(&a[i]);
	}
	t0 = loom_clock_ms();
	if (loom_engine_run_many(b->e, b->r, q, n, a, &bad, &b->err) == LOOM_OK) {
		ms = loom_clock_ms() - t0;
	}
	b->n_token = 0;
	for (size_t i = 0; i < n; i++) {
		b->n_token += a[i].n_ids;
		loom_answer_release(&a[i]);
	}
	loom_free(a);
	return ms;
}

double loom_bench_run_ms(struct loom_bench *b, const struct loom_request *q)
{
	return loom_bench_many_ms(b, q, 1);
}

double loom_bench_median_ms(struct loom_bench *b, const struct loom_request *q, size_t n, int32_t *ids, size_t n_ids)
{
	double v[LOOM_BENCH_MAX_ROUNDS];

	for (int i = -1; i < b->rounds; i++) { /* first touch of memory is not what is measured */
		loom_bench_prompt(b, ids, n_ids);
		double ms = loom_bench_many_ms(b, q, n);
		if (ms < 0) {
			return -1;
		}
		if (i >= 0) {
			v[i] = ms;
		}
	}
	return loom_bench_median(v, b->rounds);
}

struct loom_request loom_bench_generate(const int32_t *ids, size_t n, int64_t max_tokens)
{
	struct loom_request q = {.kind = LOOM_REQUEST_GENERATE, .ids = ids, .n_ids = n, .max_tokens = max_tokens, .pooling = -1, .normalize = -1,
		.layer = -1};

	loom_sampling_default(&q.sampling);
	q.sampling.temperature = 0;
	return q;
}

size_t loom_bench_prompt_length(const struct loom_bench *b)
{
	int64_t most = b->info.max_seq > 0 && b->info.max_seq < b->info.n_ctx ? b->info.max_seq : b->info.n_ctx;

	most -= b->info.causal;
	return (size_t)(most < 1 ? 1 : most < b->prompt ? most : b->prompt);
}

void loom_bench_prompt(struct loom_bench *b, int32_t *ids, size_t n)
{
	b->turn++;
	for (size_t i = 0; i < n; i++) {
		uint32_t x = b->turn * 0x9e3779b9u + (uint32_t)i * 2654435761u;
		x = (x ^ x >> 16) * 0x7feb352du;
		ids[i] = (int32_t)((x ^ x >> 15) % (uint32_t)b->info.n_vocab);
	}
}

int loom_cmd_bench(int argc, char **argv)
{
	struct loom_run_options run = {.config = NULL};
	struct loom_load_options load = {.kind = "generate", .clients = 8, .requests = 64, .prompt_tokens = 64, .max_tokens = 32};
	struct loom_bench b = {.rounds = 0};
	const char *model = NULL, *texts = NULL, *only = NULL;
	bool json = false, ops = false;
	int64_t rounds = 5, prompt = 512;
	const struct loom_opt opts[] = {
		{"--json", 0, LOOM_OPT_FLAG, &json, 0, 0, NULL, "print JSON"},
		{"--rounds", 0, LOOM_OPT_INT, &rounds, 1, LOOM_BENCH_MAX_ROUNDS, "N",
			"measurements of each number; the median is printed (default 5)"},
		{"--prompt", 0, LOOM_OPT_INT, &prompt, 1, 1e6, "N", "tokens of the prompt that is measured (default 512)"},
		{"--only", 0, LOOM_OPT_STRING, &only, 0, 0, "PART", "prefill, first, decode, streams or capture alone"},
		{"--ops", 0, LOOM_OPT_FLAG, &ops, 0, 0, NULL, "bytes, flops and time of each op of the plan, beside the machine's roofs"},
		{"--texts", 0, LOOM_OPT_STRING, &texts, 0, 0, "FILE", "texts to embed, one a line (encoders)"},
		{"--load", 0, LOOM_OPT_STRING, &load.url, 0, 0, "URL", "clients at a running server on this machine instead, http://127.0.0.1:PORT"},
		{"--kind", 0, LOOM_OPT_STRING, &load.kind, 0, 0, "KIND", "--load: generate (default), stream or embed"},
		{"--clients", 0, LOOM_OPT_INT, &load.clients, 1, 1024, "N", "--load: clients at once (default 8)"},
		{"--requests", 0, LOOM_OPT_INT, &load.requests, 1, 1e9, "N", "--load: requests of all clients together (default 64)"},
		{"--prompt-tokens", 0, LOOM_OPT_INT, &load.prompt_tokens, 1, 1e6, "N", "--load: tokens of each prompt (default 64)"},
		{"--max-tokens", 0, LOOM_OPT_INT, &load.max_tokens, 0, 1e6, "N", "--load: tokens to generate (default 32)"},
		{"--words", 0, LOOM_OPT_INT, &load.words, 1, 1e6, "N", "--load: words of each text to embed (default: 8 to 127)"},
		{"--format", 0, LOOM_OPT_STRING, &load.format, 0, 0, "NAME", "--load: also ask for hidden states, as list, base64 or safetensors"},
		{"--capture", 0, LOOM_OPT_STRING, &load.capture, 0, 0, "JSON", "--load: capture object of each request"},
		{"--key", 0, LOOM_OPT_STRING, &load.key, 0, 0, "KEY", "--load: the server's API key"},
		LOOM_RUN_OPTIONS(run),
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL},
	};
	size_t n;
	int rc = loom_options(argc, argv, opts, "loom bench MODEL [options]",
		"Measures a model on this machine: prompts, tokens, streams together, captures, or texts to embed.\n"
		"With --load: the times that clients of a running server see.", &model, 1, &n);

	if (rc >= 0) {
		return rc;
	}
	if (n == 0) {
		return loom_fail_usage("which model? usage: loom bench MODEL [options]");
	}
	if (load.url) {
		return loom_bench_load(&load, model, json);
	}
	rc = loom_open_one(&run, model, &b.e, &b.r);
	if (rc) {
		return rc;
	}
	b.rounds = (int)rounds;
	b.prompt = prompt;
	loom_resident_info(b.r, &b.info);
	if (ops) {
		struct loom_engine_opts o;
		loom_engine_opts_get(b.e, &o);
		rc = loom_bench_ops(&b, json, o.n_thread);
	} else {
		rc = b.info.causal ? loom_bench_decoder(&b, only, json) : loom_bench_encoder(&b, texts, json);
	}
	loom_close_one(b.e, b.r);
	return rc;
}
