/* cpu_load_quant.c: matrices of other tools' quantized checkpoints (and those quantized on load) → packed codes, or float rows. One
 * module is in memory at a time for each thread. */
#include "cpu.h"
#include "f16.h"
#include "mem.h"
#include "module.h"

bool loom_cpu_quant_layout(const struct loom_quant *q, struct loom_packed *out)
{
	struct loom_module_form f;
	bool ok;

	loom_module_form(q, &f);
	/* The two enums of rules are one list: module.h cannot see the backend. */
	ok = loom_packq_of_codes(&out->q, f.bits, f.fp8, (enum loom_combine)f.rule, f.scale, f.group, NULL, f.n_group,
		f.bits <= 4 ? f.table : NULL, out->n_row, out->n_col);
	ok = ok && (f.scale != LOOM_U8 || loom_packq_nest(&out->q, f.nest_span, f.n_nest, out->n_row, out->n_col));
	out->dtype = LOOM_DTYPE_UNKNOWN;
	out->q.factor = f.factor;
	out->q.unit = f.rule == LOOM_RULE_TWO ? f.factor : out->q.unit;
	return ok;
}

uint64_t loom_cpu_quant_bytes(const struct loom_quant *q)
{
	uint64_t all = q->codes->bytes + (q->scale ? q->scale->bytes : 0) + (q->zero ? q->zero->bytes : 0);

	return q->n_plane > 0 ? all / (uint64_t)q->n_plane : all;
}

/* Row `row` of the part in its module. */
static int64_t module_row(const struct loom_weight_part *p, int64_t row)
{
	return p->row0 + (p->group > 0 ? row / p->group * p->stride + row % p->group : row);
}

/* Codes [n_col up to a chunk and more], scales and second numbers of a row, then the row as float32 and as it is kept. */
struct rows {
	uint8_t *codes;
	float *a, *b, *wide;
	uint16_t *narrow;
	void *scratch;
};

static bool rows_open(struct rows *r, const struct loom_module *m)
{
	size_t k = (size_t)m->q->n_col, g = (size_t)m->form.n_group;

	*r = (struct rows){.codes = loom_calloc(k + 2 * LOOM_CHUNK, 1), .a = loom_reallocarray(NULL, g, sizeof(float)),
		.b = loom_reallocarray(NULL, g, sizeof(float)), .wide = loom_reallocarray(NULL, k, sizeof(float)),
		.narrow = loom_reallocarray(NULL, k, sizeof(uint16_t)), .scratch = loom_malloc(loom_module_scratch(&m->form, m->q->n_col))};
	return r->codes && r->a && r->b && r->wide && r->narrow && r->scratch;
}

static void rows_close(struct rows *r)
{
	loom_free(r->codes);
	loom_free(r->a);
	loom_free(r->b);
	loom_free(r->wide);
	loom_free(r->narrow);
	loom_free(r->scratch);
}

/* A row of a run that is kept as codes. */
static void put_packed(const struct loom_packed *p, int64_t row, const struct loom_module *m, int64_t from, struct rows *r)
{
	loom_module_codes(m, from, r->codes, r->a, r->b);
	loom_packq_put_codes(p, row, r->codes, r->a, r->b);
	if (m->form.scale == LOOM_U8) {
		int64_t begin;
		float outer[LOOM_MAX_NEST];
		loom_module_nested(m, from, r->scratch, &begin, outer);
		loom_packq_put_nested(p, row, r->scratch, begin, outer);
	}
}

static void put_wide(const struct loom_packed *p, int64_t row, const struct rows *r)
{
	const void *src = r->wide;

	if (p->dtype != LOOM_F32) {
		(p->dtype == LOOM_F16 ? loom_f32_to_f16_n : loom_f32_to_bf16_n)(r->wide, r->narrow, (size_t)p->n_col);
		src = r->narrow;
	}
	loom_pack_rows(p, row, 1, src);
}

enum loom_status loom_cpu_load_quant(struct loom_cpu_weight *cw, const struct loom_weight *w, int part, int run, int64_t dst0,
	const struct loom_store *store, struct loom_err *err)
{
	const struct loom_weight_part *p = &w->part[part];
	struct loom_packed *to = &cw->packed[run < 0 ? 0 : run];
	struct loom_module m;
	struct rows r = {0};
	enum loom_status rc = loom_module_open(&m, p->quant, store, err);

	if (rc == LOOM_OK && !rows_open(&r, &m)) {
		rc = loom_err_nomem(err, p->tensor->name, (unsigned long long)m.q->n_col * 16);
	}
	if (rc == LOOM_OK && run >= 0 && m.form.indexed) {
		cw->g_idx[run] = m.g_idx;
		to->q.g_idx = m.g_idx;
		to->q.per_k = true;
		m.g_idx = NULL;
	}
	if (rc == LOOM_OK && run >= 0 && m.form.scale == LOOM_U8) {
		loom_packq_put_map(to, m.nest_offset, m.nest_map);
	}
	for (int64_t i = 0; rc == LOOM_OK && i < p->n_row; i++) {
		if (run >= 0) {
			put_packed(to, i, &m, module_row(p, i), &r);
		} else {
			loom_module_row(&m, module_row(p, i), r.wide, r.scratch);
			put_wide(to, dst0 + i, &r);
		}
	}
	rows_close(&r);
	loom_module_release(&m);
	return rc;
}
