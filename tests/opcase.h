/* opcase.h: ops of the CPU backend run by themselves: a plan made by hand, its weights filled with random numbers, its rows looked up
 * from a table (so that ids choose the inputs), its result taken at one tap. */
#ifndef LOOM_TESTS_OPCASE_H
#define LOOM_TESTS_OPCASE_H

#include "cpu.h"
#include "kernels/check.h"
#include "mem.h"

#define OPCASE_TOK 200
#define OPCASE_WEIGHT 64

struct opcase {
	struct loom_plan plan;
	struct loom_op ops[24];
	struct loom_weight weights[OPCASE_WEIGHT];
	struct loom_device_model model;
	struct loom_cpu_weight packed[OPCASE_WEIGHT];
	float *plain[OPCASE_WEIGHT]; /* the numbers of each weight, row by row */
};

static inline struct loom_op *opcase_op(struct opcase *c, enum loom_op_kind kind)
{
	struct loom_op *op = &c->ops[c->plan.n_op++];

	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->w = op->bias = op->w2 = op->bias2 = op->rope = op->router = op->sinks = op->rel_bias = op->rel_key = op->rel_query = -1;
	op->scale = 1.0f;
	op->n_group = 1;
	op->a.slot = op->b.slot = op->c.slot = op->out.slot = -1;
	return op;
}

static inline int32_t opcase_weight(struct opcase *c, enum loom_weight_kind kind, int64_t n_row, int64_t n_col)
{
	int32_t i = c->plan.n_weight++;
	struct loom_weight *w = &c->weights[i];
	struct loom_cpu_weight *cw = &c->packed[i];
	size_t n = (size_t)(n_row * n_col);

	assert_true(i < OPCASE_WEIGHT);
	w->kind = kind;
	w->n_row = n_row;
	w->n_col = n_col;
	w->dtype = LOOM_F32;
	c->plain[i] = malloc(n * sizeof(float));
	assert_non_null(c->plain[i]);
	check_fill(c->plain[i], n, (uint64_t)(i + 1) * 977);
	cw->bytes = loom_cpu_weight_bytes(&c->plan, w);
	void *p = loom_pages_alloc(cw->bytes);
	assert_non_null(p);
	if (kind == LOOM_WEIGHT_MATRIX) {
		cw->packed[0] = (struct loom_packed){.dtype = LOOM_F32, .n_row = n_row, .n_col = n_col, .data = p};
		cw->n_packed = 1;
		loom_pack_rows(&cw->packed[0], 0, n_row, c->plain[i]);
	} else {
		memcpy(p, c->plain[i], n * sizeof(float));
		*(kind == LOOM_WEIGHT_TABLE ? &cw->table : (void **)&cw->vector) = p;
	}
	return i;
}

/* A plan of one layer whose slot 0 [T, width] is looked up by token from a table of OPCASE_TOK rows (weight 0). */
static inline void opcase_open(struct opcase *c, int32_t width)
{
	memset(c, 0, sizeof(*c));
	c->plan = (struct loom_plan){.n_layer = 1, .n_ctx = OPCASE_TOK, .causal = true, .ops = c->ops, .weights = c->weights};
	c->plan.slot_width[c->plan.n_slot++] = width;
	c->model = (struct loom_device_model){.plan = &c->plan, .weights = c->packed};
	struct loom_op *op = opcase_op(c, LOOM_OP_EMBED);
	op->w = opcase_weight(c, LOOM_WEIGHT_TABLE, OPCASE_TOK, width);
	op->out = (struct loom_view){0, 0, width};
}

static inline void opcase_close(struct opcase *c)
{
	for (int32_t i = 0; i < c->plan.n_weight; i++) {
		struct loom_cpu_weight *w = &c->packed[i];
		loom_pages_free(w->packed[0].data ? w->packed[0].data : w->table ? w->table : w->vector, w->bytes);
		free(c->plain[i]);
	}
}

/* Row r of what slot 0 holds when token r is looked up. */
static inline const float *opcase_input(const struct opcase *c, int32_t id)
{
	return c->plain[0] + (size_t)id * (size_t)c->plan.slot_width[0];
}

/* Runs ids 0 .. n-1 as one sequence in steps of at most `step` rows beside a second sequence of other ids, under an instruction set and
 * a number of threads; rows of the tap at op `tap` go to out, [n][stride]. */
static inline void opcase_run(struct opcase *c, int32_t n, int32_t step, const char *isa, int threads, int32_t tap, float *out,
	size_t stride)
{
	int32_t ids[2 * OPCASE_TOK], pos[2 * OPCASE_TOK], pages[2][OPCASE_TOK / LOOM_PAGE + 1], n_page = OPCASE_TOK / LOOM_PAGE + 1;
	struct loom_state_opts o = {.max_tok = 2 * OPCASE_TOK, .max_out = 1, .n_page = 2 * n_page, .n_state = 2, .n_thread = threads};
	struct loom_device_state *s = NULL;
	const float *logits;
	struct loom_err err;

	setenv("LOOM_CPU", isa, 1);
	assert_int_equal(loom_backend_cpu.state_new(&c->model, &o, &s, &err), LOOM_OK);
	unsetenv("LOOM_CPU");
	for (int32_t i = 0; i < n_page; i++) {
		pages[0][i] = 2 * (n_page - 1 - i);
		pages[1][i] = 2 * i + 1;
	}
	for (int32_t p0 = 0; p0 < n; p0 += step) {
		int32_t m = n - p0 < step ? n - p0 : step;
		struct loom_batch_seq seqs[2] = {{.row0 = 0, .n_row = m, .pos0 = p0, .rope_len = n, .pages = pages[1], .state = 1},
			{.row0 = m, .n_row = m, .pos0 = p0, .rope_len = n, .pages = pages[0], .state = 0}};
		struct loom_batch b = {.n_tok = 2 * m, .n_seq = 2, .ids = ids, .pos = pos, .seqs = seqs};
		struct loom_tap_copy copy = {.op = tap, .row0 = m, .n_row = m, .n_key = n, .dst = out + (size_t)p0 * stride, .stride = stride};
		for (int32_t i = 0; i < m; i++) {
			ids[i] = (p0 + i + 71) % OPCASE_TOK;
			ids[m + i] = p0 + i;
			pos[i] = pos[m + i] = p0 + i;
		}
		for (int again = 0; again <= (p0 == 0); again++) { /* position 0 begins anew, whatever is there */
			assert_int_equal(loom_backend_cpu.exec(s, &b, &copy, 1, &logits, &err), LOOM_OK);
		}
	}
	loom_backend_cpu.state_free(s);
}

/* The same bits in each cut, instruction set and number of threads; the result is left in out. whole: the plan is not causal, so that
 * only whole sequences are run. */
static inline void opcase_invariant(struct opcase *c, int32_t n, int32_t tap, float *out, size_t stride, bool whole)
{
	static const char *const isas[] = {"ref", "avx2", "avx512"};
	static const int32_t steps[] = {1, 7, 64};
	size_t bytes = (size_t)n * stride * sizeof(float);
	float *got = malloc(bytes);

	assert_non_null(got);
	opcase_run(c, n, n, "ref", 1, tap, out, stride);
	for (int i = 0; i < 3; i++) {
		memset(got, 0xee, bytes);
		opcase_run(c, n, n, isas[i], 2 + i, tap, got, stride);
		assert_memory_equal(got, out, bytes);
		if (!whole) {
			opcase_run(c, n, steps[i], isas[2 - i], 2, tap, got, stride);
			assert_memory_equal(got, out, bytes);
		}
	}
	free(got);
}

#endif
