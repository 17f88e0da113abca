/* cmd_bench.c: loom bench: medians of prefill, decode and captures for a decoder, of embedding for an encoder; through the engine, as
 * a request goes, without HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "clock.h"
#include "file.h"
#include "mem.h"
#include "str.h"
#include "threads.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double loom_bench_run_ms(struct loom_bench *b, const struct loom_request *q)
{
	struct loom_answer a;
	double t0 = loom_clock_ms(), ms;
	enum loom_status rc;

	loom_answer_init(&a);
	rc = loom_engine_run(b->e, b->r, q, &a, &b->err);
	ms = loom_clock_ms() - t0;
	loom_answer_release(&a);
	return rc ? -1 : ms;
}

static double median_ms(struct loom_bench *b, const struct loom_request *q)
{
	double v[LOOM_BENCH_MAX_ROUNDS];

	if (loom_bench_run_ms(b, q) < 0) { /* first touch of memory is not what is measured */
		return -1;
	}
	for (int i = 0; i < b->rounds; i++) {
		v[i] = loom_bench_run_ms(b, q);
		if (v[i] < 0) {
			return -1;
		}
	}
	return median(v, b->rounds);
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
	return most < LOOM_BENCH_PROMPT ? (size_t)(most > 1 ? most : 1) : LOOM_BENCH_PROMPT;
}

void loom_bench_prompt(const struct loom_bench *b, int32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ids[i] = (int32_t)((uint32_t)(i * 2654435761u) % (uint32_t)b->info.n_vocab);
	}
}

/* Median of the ratio with/without, measured in turns, so that a slow moment of the machine hits both. */
static double capture_overhead(struct loom_bench *b, const struct loom_request *plain, const struct loom_request *with)
{
	double ratio[LOOM_BENCH_MAX_ROUNDS];

	for (int i = -1; i < b->rounds; i++) {
		double x = loom_bench_run_ms(b, plain), y = loom_bench_run_ms(b, with);
		if (x < 0 || y < 0) {
			return -1;
		}
		if (i >= 0) {
			ratio[i] = y / x;
		}
	}
	return (median(ratio, b->rounds) - 1) * 100;
}

static int bench_decoder(struct loom_bench *b, bool json)
{
	static int32_t ids[LOOM_BENCH_PROMPT];
	struct loom_capture_spec spec = {.name = "h", .site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_ALL, .dtype = LOOM_F32};
	struct loom_request prefill, one, many, with;
	double prefill_ms, one_ms, many_ms, overhead;

	loom_bench_prompt(b, ids, LOOM_BENCH_PROMPT);
	prefill = loom_bench_generate(ids, LOOM_BENCH_PROMPT, 0);
	prefill.return_hidden_states = true; /* of the last token: what an answer always holds */
	static const int64_t last = -1;
	prefill.hidden_layers = &last;
	prefill.n_hidden_layer = 1;
	one = loom_bench_generate(ids, 32, 1);
	many = loom_bench_generate(ids, 32, 1 + LOOM_BENCH_DECODE);
	with = prefill;
	with.captures = &spec;
	with.n_capture = 1;
	prefill_ms = median_ms(b, &prefill);
	one_ms = prefill_ms < 0 ? -1 : median_ms(b, &one);
	many_ms = one_ms < 0 ? -1 : median_ms(b, &many);
	overhead = many_ms < 0 ? -1 : capture_overhead(b, &prefill, &with);
	if (b->err.status) {
		return loom_fail(&b->err);
	}
	double tokens = LOOM_BENCH_PROMPT * 1e3 / prefill_ms, decode = LOOM_BENCH_DECODE * 1e3 / (many_ms - one_ms);
	if (json) {
		(void)printf("{\"prefill\": {\"%d\": {\"ms\": %.3f, \"tokens_per_second\": %.2f}}, \"decode\": {\"tokens_per_second\": %.2f}, "
			"\"capture\": {\"overhead_percent\": %.2f}, \"isa\": \"%s\"}\n", LOOM_BENCH_PROMPT, prefill_ms, tokens, decode, overhead, loom_cpu_isa());
	} else {
		(void)printf("prefill of %d tokens            %8.1f ms  %8.1f tokens/s\ndecode                            %20.1f tokens/s\n"
			"all hidden states of %d tokens  %+7.1f %%\n", LOOM_BENCH_PROMPT, prefill_ms, tokens, decode, LOOM_BENCH_PROMPT, overhead);
	}
	return LOOM_EXIT_OK;
}

/* The lines of a text file; *n of them. The text stays the caller's to free. */
static char **split_lines(char *text, size_t *n)
{
	size_t cap = 0;
	char **lines = NULL, *save = NULL;

	*n = 0;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (*n == cap) {
			char **more = loom_reallocarray(lines, cap ? cap * 2 : 64, sizeof(*lines));
			if (!more) {
				loom_free(lines);
				return NULL;
			}
			lines = more;
			cap = cap ? cap * 2 : 64;
		}
		lines[(*n)++] = l;
	}
	return lines;
}

static struct loom_request embed(const char *text)
{
	return (struct loom_request){.kind = LOOM_REQUEST_EMBED, .text = text, .n_text = strlen(text), .add_special_tokens = true, .pooling = -1,
		.normalize = -1, .truncate = true, .layer = -1};
}

/* All texts as one ragged batch. */
static double many_ms(struct loom_bench *b, char **lines, size_t n)
{
	struct loom_request *q = loom_calloc(n, sizeof(*q));
	struct loom_answer *a = loom_calloc(n, sizeof(*a));
	double v[LOOM_BENCH_MAX_ROUNDS], out = -1;
	size_t bad = 0;
	int done = 0;

	for (size_t i = 0; q && i < n; i++) {
		q[i] = embed(lines[i]);
	}
	for (int round = -1; q && a && round < b->rounds; round++) {
		double t0 = loom_clock_ms();
		for (size_t i = 0; i < n; i++) {
			loom_answer_init(&a[i]);
		}
		enum loom_status rc = loom_engine_run_many(b->e, b->r, q, n, a, &bad, &b->err);
		for (size_t i = 0; i < n; i++) {
			loom_answer_release(&a[i]);
		}
		if (rc) {
			break;
		}
		if (round >= 0) {
			v[done++] = loom_clock_ms() - t0;
		}
	}
	if (done == b->rounds) {
		out = median(v, done);
	}
	loom_free(q);
	loom_free(a);
	return out;
}

static int bench_encoder(struct loom_bench *b, const char *path, bool json)
{
	static char sample[] = "A happy person in the rain\nThe quick brown fox jumps over the lazy dog and does not look back at all.\n"
			       "Hidden states are the numbers that a model thinks in; a probe reads them, and a steering vector changes them.\n";
	struct loom_request one = embed("A happy person in the rain");
	char *text = NULL, **lines;
	size_t n = 0, bytes = 0;
	double short_ms, batch_ms = -1;

	if (path && loom_file_slurp(path, path, 64u << 20, &text, &bytes, &b->err)) {
		return loom_fail(&b->err);
	}
	lines = split_lines(text ? text : sample, &n);
	short_ms = median_ms(b, &one);
	if (lines && short_ms >= 0) {
		batch_ms = many_ms(b, lines, n);
	}
	loom_free(lines);
	loom_free(text);
	if (batch_ms < 0) {
		return loom_fail(&b->err);
	}
	if (json) {
		(void)printf("{\"embed\": {\"texts\": %zu, \"ms\": %.3f, \"texts_per_second\": %.2f, \"one_short_ms\": %.4f}, \"isa\": \"%s\"}\n", n,
			batch_ms, (double)n * 1e3 / batch_ms, short_ms, loom_cpu_isa());
	} else {
		(void)printf("%zu texts in one batch     %8.1f ms  %8.1f texts/s\none short text           %8.2f ms\n", n, batch_ms,
			(double)n * 1e3 / batch_ms, short_ms);
	}
	return LOOM_EXIT_OK;
}

int loom_cmd_bench(int argc, char **argv)
{
	struct loom_run_options run = {.config = NULL};
	const char *model = NULL, *texts = NULL;
	bool json = false, ops = false;
	int64_t rounds = 5;
	const struct loom_opt opts[] = {
		{"--json", 0, LOOM_OPT_FLAG, &json, 0, 0, NULL, NULL, "print JSON"},
		{"--rounds", 0, LOOM_OPT_INT, &rounds, 1, LOOM_BENCH_MAX_ROUNDS, NULL, "N",
			"measurements of each number; the median is printed (default 5)"},
		{"--ops", 0, LOOM_OPT_FLAG, &ops, 0, 0, NULL, NULL, "bytes, flops and time of each op of the plan, beside the machine's roofs"},
		{"--texts", 0, LOOM_OPT_STRING, &texts, 0, 0, NULL, "FILE", "texts to embed, one a line (encoders)"},
		LOOM_RUN_OPTIONS(run),
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL, NULL},
	};
	struct loom_bench b = {.rounds = 0};
	size_t n;
	int rc = loom_options(argc, argv, opts, "loom bench MODEL [options]", &model, 1, &n);

	if (rc >= 0) {
		return rc;
	}
	if (n == 0) {
		return loom_fail_usage("which model? usage: loom bench MODEL [options]");
	}
	rc = loom_open_one(&run, model, &b.e, &b.r);
	if (rc) {
		return rc;
	}
	b.rounds = (int)rounds;
	loom_resident_info(b.r, &b.info);
	if (ops) {
		struct loom_engine_opts o;
		loom_engine_opts_get(b.e, &o);
		rc = loom_bench_ops(&b, json, o.n_thread);
	} else {
		rc = b.info.causal ? bench_decoder(&b, json) : bench_encoder(&b, texts, json);
	}
	loom_close_one(b.e, b.r);
	return rc;
}
