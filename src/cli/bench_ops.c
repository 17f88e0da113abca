/* bench_ops.c: loom bench --ops: for each kind of op of the plan its flops, its bytes, the shortest time measured, and which share of
 * the machine's roof that is; the roofs are measured in the same run. For a prompt of 512 tokens, for a single row, and for a step of 32 streams. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "mem.h"
#include "plan.h"
#include "roof.h"
#include "str.h"

#define MAX_LINE 48
#define SINGLE_AT 64 /* position of the single row, where the model has as many: the keys that it sees */
#define SINGLES 16
#define LARGEST_STEP 512 /* rows that one step takes */
#define STREAMS 32
#define STREAM_PROMPT 16 /* LARGEST_STEP / STREAMS: so that all prompts are one step */

/* All ops of one name. */
struct line {
	char name[64];
	int n_op;
	double flops, bytes, seconds;
};

struct table {
	struct line v[MAX_LINE];
	size_t n;
	double flops, bytes, seconds;
};

/* "attn.qkv" of "layers.3.attn.qkv.weight", or the op's own name. */
static void name_of(const struct loom_plan *p, const struct loom_op *op, char out[static 64])
{
	const char *s = op->w >= 0 && op->kind == LOOM_OP_LINEAR ? p->weights[op->w].name : loom_op_name(op->kind), *dot;

	if (strncmp(s, "layers.", 7) == 0 && (dot = strchr(s + 7, '.')) != NULL) {
		s = dot + 1;
	}
	loom_str_copy(out, 64, s);
	if (strlen(out) > 7 && strcmp(out + strlen(out) - 7, ".weight") == 0) {
		out[strlen(out) - 7] = '\0';
	}
}

/* The rows of a step: those of one text from position pos0 on, or (apart) one row at pos0 of each of many. */
struct shape {
	int32_t pos0, rows;
	bool apart;
};

/* Keys seen by the rows together. */
static double keys_seen(const struct loom_op *op, const struct shape *s)
{
	double sum = 0;

	for (int32_t i = 0; i < s->rows; i++) {
		int32_t seen = s->apart ? s->pos0 + 1 : op->causal ? s->pos0 + i + 1 : s->pos0 + s->rows;
		sum += op->window > 0 && seen > op->window ? op->window : seen;
	}
	return sum;
}

/* What the op cannot do without: each number read and written once. */
static void cost_of(const struct loom_plan *p, const struct loom_op *op, const struct shape *s, double *flops, double *bytes)
{
	double m = op->out_rows && !s->apart ? 1 : s->rows, a = op->a.slot < 0 ? 0 : op->a.width, b = op->b.slot < 0 ? 0 : op->b.width;
	double y = op->out.slot < 0 ? 0 : op->out.width;

	*flops = 0;
	*bytes = 4 * m * (a + b + y);
	if (op->kind == LOOM_OP_LINEAR) {
		const struct loom_weight *w = &p->weights[op->w];
		double n = (double)w->n_row * (double)w->n_col;
		*flops = 2 * m * n;
		*bytes += n * (w->dtype == LOOM_F32 ? 4 : 2);
	} else if (op->kind == LOOM_OP_ATTEND) {
		*flops = 4 * keys_seen(op, s) * op->d_head * op->n_head;
		*bytes += 8.0 * (s->apart ? (double)s->rows * s->pos0 : s->pos0 + s->rows) * op->d_head * op->n_head_kv;
	} else if (op->kind == LOOM_OP_ROTATE || op->kind == LOOM_OP_KV_STORE) {
		*bytes *= 2;
	}
}

static void add(struct table *t, const struct loom_plan *p, const struct loom_profile *times, const struct shape *s)
{
	*t = (struct table){.n = 0};
	for (int32_t i = 0; i < p->n_op; i++) {
		const struct loom_op *op = &p->ops[i];
		char name[64];
		double flops, bytes;
		size_t k = 0;
		if (op->kind == LOOM_OP_TAP || times->best_ns[i] == 0) {
			continue;
		}
		name_of(p, op, name);
		while (k < t->n && strcmp(t->v[k].name, name) != 0) {
			k++;
		}
		if (k == MAX_LINE) {
			continue;
		}
		if (k == t->n) {
			t->v[t->n] = (struct line){.n_op = 0};
			loom_str_copy(t->v[t->n++].name, sizeof(t->v[k].name), name);
		}
		cost_of(p, op, s, &flops, &bytes);
		t->v[k].n_op++;
		t->v[k].flops += flops;
		t->v[k].bytes += bytes;
		t->v[k].seconds += (double)times->best_ns[i] * 1e-9;
		t->flops += flops;
		t->bytes += bytes;
		t->seconds += (double)times->best_ns[i] * 1e-9;
	}
}

/* The least time that the roofs allow. */
static double least(const struct loom_roof *roof, double flops, double bytes)
{
	double x = flops / roof->flops, y = bytes / roof->read_bytes;

	return x > y ? x : y;
}

static void print_line(const struct loom_roof *roof, const char *name, int n_op, double flops, double bytes, double seconds, double all)
{
	(void)printf("%-22s %5d %10.3f %10.3f %10.3f %6.1f %9.1f %9.1f %8.0f\n", name, n_op, flops * 1e-9, bytes * 1e-6, seconds * 1e3,
		100 * seconds / all, flops / seconds * 1e-9, bytes / seconds * 1e-9, 100 * least(roof, flops, bytes) / seconds);
}

static void print_text(const struct loom_roof *roof, const struct table *t, const char *what)
{
	(void)printf("\n%s\n%-22s %5s %10s %10s %10s %6s %9s %9s %8s\n", what, "op", "count", "GFLOP", "MB", "ms", "time %", "GFLOP/s", "GB/s", "roof %");
	for (size_t i = 0; i < t->n; i++) {
		print_line(roof, t->v[i].name, t->v[i].n_op, t->v[i].flops, t->v[i].bytes, t->v[i].seconds, t->seconds);
	}
	print_line(roof, "all", 0, t->flops, t->bytes, t->seconds, t->seconds);
}

static void print_json(const struct loom_roof *roof, const struct table *t, const char *what)
{
	(void)printf(", \"%s\": [", what);
	for (size_t i = 0; i < t->n; i++) {
		const struct line *l = &t->v[i];
		(void)printf("%s{\"op\": \"%s\", \"count\": %d, \"flops\": %.0f, \"bytes\": %.0f, \"seconds\": %.9f, \"roof_share\": %.4f}",
			i ? ", " : "", l->name, l->n_op, l->flops, l->bytes, l->seconds, least(roof, l->flops, l->bytes) / l->seconds);
	}
	(void)printf("]");
}

/* Runs the n requests together often enough, with the times of steps of n_tok rows; 0 or an exit status. */
static int measure(struct loom_bench *b, const struct loom_request *q, size_t n, int32_t *ids, int32_t n_tok, struct loom_profile *times)
{
	const struct loom_plan *p = loom_resident_plan(b->r);

	times->n_tok = n_tok;
	times->n_step = 0;
	memset(times->best_ns, 0, (size_t)p->n_op * sizeof(*times->best_ns));
	if (!loom_resident_profile(b->r, times)) {
		return loom_fail_usage("--ops: the backend of %s does not time its ops", b->info.device);
	}
	for (int i = 0; i < b->rounds; i++) {
		loom_bench_prompt(b, ids, n * q->n_ids);
		if (loom_bench_many_ms(b, q, n) < 0) {
			(void)loom_resident_profile(b->r, NULL);
			return loom_fail(&b->err);
		}
	}
	(void)loom_resident_profile(b->r, NULL);
	return LOOM_EXIT_OK;
}

int loom_bench_ops(struct loom_bench *b, bool json, int n_thread)
{
	const struct loom_plan *p = loom_resident_plan(b->r);
	static int32_t ids[LARGEST_STEP];
	static const int64_t last = -1;
	static const struct loom_capture_spec all = {.name = "h", .site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_LIST, .layers = &last,
		.n_layer = 1, .select = LOOM_SELECT_ALL, .dtype = LOOM_F32};
	struct loom_profile times = {.best_ns = loom_calloc((size_t)p->n_op, sizeof(*times.best_ns))};
	struct loom_roof roof;
	struct loom_request q, streams[STREAMS];
	static struct table many, single, together;
	size_t most = loom_bench_prompt_length(b);
	int32_t n = (int32_t)(most < LARGEST_STEP ? most : LARGEST_STEP), single_at = n > 2 * SINGLE_AT ? SINGLE_AT : n / 2;
	int rc = LOOM_EXIT_OK;

	if (!times.best_ns || loom_cpu_roof(n_thread, &roof, &b->err)) {
		loom_free(times.best_ns);
		return loom_fail(&b->err);
	}
	q = loom_bench_generate(ids, (size_t)n, b->info.causal ? 1 : 0);
	q.captures = &all; /* so that the last block, too, has all rows */
	q.n_capture = 1;
	if (!b->info.causal) {
		q.kind = LOOM_REQUEST_EMBED;
	}
	rc = measure(b, &q, 1, ids, n, &times);
	add(&many, p, &times, &(struct shape){.rows = n});
	if (rc == LOOM_EXIT_OK && b->info.causal) {
		q = loom_bench_generate(ids, (size_t)single_at, single_at < SINGLES ? single_at : SINGLES);
		rc = measure(b, &q, 1, ids, 1, &times);
		add(&single, p, &times, &(struct shape){.pos0 = single_at, .rows = 1});
	}
	if (rc == LOOM_EXIT_OK && b->info.causal && n > 2 * STREAM_PROMPT) {
		for (size_t i = 0; i < STREAMS; i++) {
			streams[i] = loom_bench_generate(ids + i * STREAM_PROMPT, STREAM_PROMPT, SINGLES);
		}
		rc = measure(b, streams, STREAMS, ids, STREAMS, &times);
		add(&together, p, &times, &(struct shape){.pos0 = STREAM_PROMPT, .rows = STREAMS, .apart = true});
	}
	loom_free(times.best_ns);
	if (rc) {
		return rc;
	}
	if (json) {
		(void)printf("{\"isa\": \"%s\", \"roof\": {\"flops\": %.0f, \"read_bytes\": %.0f}", loom_cpu_isa(), roof.flops, roof.read_bytes);
		print_json(&roof, &many, "prefill");
		print_json(&roof, &single, "single_row");
		print_json(&roof, &together, "streams_32");
		(void)printf("}\n");
		return LOOM_EXIT_OK;
	}
	(void)printf("roofs: %.1f GFLOP/s in float32, %.1f GB/s read (%s)\n", roof.flops * 1e-9, roof.read_bytes * 1e-9, loom_cpu_isa());
	print_text(&roof, &many, b->info.causal ? "prompt in one step" : "one text");
	if (b->info.causal) {
		print_text(&roof, &single, "a single row");
	}
	if (together.n > 0) {
		print_text(&roof, &together, "a row of each of 32 streams");
	}
	return LOOM_EXIT_OK;
}
