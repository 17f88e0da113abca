/* module_open.c: a quantized matrix's tensors into memory, checked; nested scales undone; matrices that are quantized here made wide. */
#include <math.h>
#include <string.h>

#include "dequant.h"
#include "mem.h"
#include "module.h"

static enum loom_status read_tensor(const struct loom_store *s, const struct loom_tensor *t, char **out, struct loom_err *err)
{
	*out = loom_malloc((size_t)t->bytes);
	if (!*out)
		return loom_err_nomem(err, t->name, t->bytes);
	return loom_store_read(s, t, 0, *out, (size_t)t->bytes, err);
}

/* The matrix's share of n numbers of a tensor that may hold several matrices. */
static uint64_t share(const struct loom_quant *q, uint64_t n)
{
	return q->n_plane > 0 ? n / (uint64_t)q->n_plane : n;
}

static enum loom_status read_share(const struct loom_quant *q, const struct loom_store *s, const struct loom_tensor *t, char **out,
	struct loom_err *err)
{
	uint64_t bytes = share(q, t->bytes);
	*out = loom_malloc((size_t)bytes);
	if (!*out)
		return loom_err_nomem(err, t->name, bytes);
	return loom_store_read(s, t, (uint64_t)q->plane * bytes, *out, (size_t)bytes, err);
}

/* The numbers of a float tensor; each must be finite. */
static enum loom_status read_floats(const struct loom_store *s, const struct loom_tensor *t, float **out, struct loom_err *err)
{
	char *raw = NULL;
	enum loom_status rc = read_tensor(s, t, &raw, err);
	*out = rc ? NULL : loom_malloc((size_t)t->n_elem * sizeof(float));
	if (!rc && !*out)
		rc = loom_err_nomem(err, t->name, t->n_elem * sizeof(float));
	if (!rc)
		loom_dequant(t->dtype, raw, *out, (size_t)t->n_elem);
	loom_free(raw);
	for (uint64_t i = 0; !rc && i < t->n_elem; i++) {
		if (!isfinite((*out)[i]))
			rc = loom_err_set(err, LOOM_E_MODEL, "%s[%llu]: a scale that is not a finite number", t->name, (unsigned long long)i);
	}
	return rc;
}

static enum loom_status check_scales(const struct loom_quant *q, const struct loom_tensor *t, const char *raw, struct loom_err *err)
{
	for (uint64_t i = 0; i < share(q, t->n_elem); i++) {
		uint32_t word;
		uint16_t half;
		bool bad;
		switch (t->dtype) {
		case LOOM_F16:
			memcpy(&half, raw + i * 2, 2);
			bad = (half & 0x7c00) == 0x7c00;
			break;
		case LOOM_BF16:
			memcpy(&half, raw + i * 2, 2);
			bad = (half & 0x7f80) == 0x7f80;
			break;
		case LOOM_F32:
			memcpy(&word, raw + i * 4, 4);
			bad = (word & 0x7f800000u) == 0x7f800000u;
			break;
		default:
			bad = (uint8_t)raw[i] == 255;
			break;
		}
		if (bad) {
			unsigned long long at = i + (uint64_t)q->plane * share(q, t->n_elem);
			return loom_err_set(err, LOOM_E_MODEL, "%s[%llu]: a scale that is not a finite number", t->name, at);
		}
	}
	return LOOM_OK;
}

static enum loom_status read_index(struct loom_module *m, const struct loom_store *s, struct loom_err *err)
{
	const struct loom_tensor *t = m->q->g_idx;
	char *raw = NULL;
	enum loom_status rc = read_tensor(s, t, &raw, err);
	m->g_idx = (int32_t *)(void *)raw;
	for (int64_t k = 0; !rc && k < m->q->n_col; k++) {
		if (m->g_idx[k] < 0 || m->g_idx[k] >= m->form.n_group)
			rc = loom_err_set(err, LOOM_E_MODEL, "%s[%lld] is %d, expected a group 0..%lld", t->name, (long long)k, m->g_idx[k],
				(long long)m->form.n_group - 1);
	}
	bool in_order = !rc;
	for (int64_t k = 0; in_order && k < m->q->n_col; k++)
		in_order = m->g_idx[k] == k / m->form.group;
	if (in_order)
		m->form.indexed = false;
	return rc;
}

/* absmax of bitsandbytes' blocks, nested or not. */
static enum loom_status read_absmax(struct loom_module *m, const struct loom_store *s, struct loom_err *err)
{
	const struct loom_quant *q = m->q;
	uint64_t n = q->scale->n_elem;
	if (!q->nested_scale)
		return read_floats(s, q->scale, &m->absmax, err);
	enum loom_status rc = read_tensor(s, q->scale, &m->scale, err);
	rc = rc ? rc : read_floats(s, q->nested_scale, &m->outer, err);
	rc = rc ? rc : read_floats(s, q->nested_map, &m->nest_map, err);
	m->nest_offset = q->nested_offset;
	if (!rc && !(m->absmax = loom_malloc((size_t)n * sizeof(float))))
		rc = loom_err_nomem(err, q->scale->name, n * sizeof(float));
	for (uint64_t i = 0; !rc && i < n; i++) {
		float product = m->nest_map[(uint8_t)m->scale[i]] * m->outer[i / (uint64_t)q->nested_group];
		m->absmax[i] = product + q->nested_offset;
		if (!isfinite(m->absmax[i]))
			rc = loom_err_set(err, LOOM_E_MODEL, "%s[%llu]: a scale that is not a finite number", q->scale->name, (unsigned long long)i);
	}
	return rc;
}

/* Number by number: the same bits but for the sign of zero. */
static bool same_table(const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!(a[i] == b[i]))
			return false;
	}
	return true;
}

/* The code table that the file carries must be the one its name says. */
static enum loom_status check_map(const struct loom_module *m, const struct loom_store *s, struct loom_err *err)
{
	const struct loom_tensor *t = m->q->map;
	float *map = NULL;
	enum loom_status rc = t ? read_floats(s, t, &map, err) : LOOM_OK;
	if (!rc && t && !same_table(map, m->form.table, sizeof m->form.table / sizeof *m->form.table))
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: not the table of %s", t->name, m->q->fp4 ? "FP4" : "NF4");
	loom_free(map);
	return rc;
}

static enum loom_status check_fp8(const struct loom_module *m, struct loom_err *err)
{
	const struct loom_tensor *t = m->q->codes;
	for (uint64_t i = 0; i < t->n_elem; i++) {
		if ((m->codes[i] & 127) == 127)
			return loom_err_set(err, LOOM_E_MODEL, "%s[%llu] is not a number", t->name, (unsigned long long)i);
	}
	return LOOM_OK;
}

/* The float tensor as float32 [n_row, n_col], and its blocks' or rows' scales. */
static enum loom_status make_wide(struct loom_module *m, const struct loom_store *s, struct loom_err *err)
{
	const struct loom_quant *q = m->q;
	const struct loom_tensor *t = q->codes;
	size_t total = (size_t)share(q, t->n_elem), blocks = (total + (size_t)q->group - 1) / (size_t)q->group;
	uint8_t codes[64];
	char *raw = NULL;
	enum loom_status rc = read_share(q, s, t, &raw, err);
	m->wide = rc ? NULL : loom_malloc(total * sizeof(float));
	if (!rc && !m->wide)
		rc = loom_err_nomem(err, t->name, total * sizeof(float));
	if (!rc && !q->transposed)
		loom_dequant(t->dtype, raw, m->wide, total);
	size_t size = (size_t)(t->bytes / t->n_elem);
	for (int64_t k = 0; !rc && q->transposed && k < q->n_col; k++) {
		for (int64_t n = 0; n < q->n_row; n++)
			loom_dequant(t->dtype, raw + (size_t)(k * q->n_row + n) * size, &m->wide[n * q->n_col + k], 1);
	}
	loom_free(raw);
	for (size_t i = 0; !rc && i < total; i++) {
		bool small = q->kind != LOOM_QUANT_MAKE_INT8 || fabsf(m->wide[i]) < 65520.0f;
		if (!isfinite(m->wide[i]) || !small)
			rc = loom_err_set(err, LOOM_E_MODEL, "%s[%zu] is %g: cannot be quantized to %s", t->name, i, (double)m->wide[i],
				small ? "anything" : "8 bits, which go through float16");
	}
	if (rc || q->kind != LOOM_QUANT_MAKE_NF4)
		return rc;
	m->absmax = loom_malloc(blocks * sizeof(float));
	if (!m->absmax)
		return loom_err_nomem(err, t->name, blocks * sizeof(float));
	for (size_t b = 0; b < blocks; b++) {
		size_t at = b * (size_t)q->group, n = total - at < (size_t)q->group ? total - at : (size_t)q->group;
		m->absmax[b] = loom_nf4_block(m->wide + at, n, n == (size_t)q->group, codes);
	}
	if (!q->nested)
		return LOOM_OK;
	m->scale = loom_malloc(blocks);
	m->outer = loom_malloc((blocks + LOOM_NEST_GROUP - 1) / LOOM_NEST_GROUP * sizeof(float));
	m->nest_map = loom_malloc(256 * sizeof(float));
	if (!m->scale || !m->outer || !m->nest_map)
		return loom_err_nomem(err, t->name, blocks);
	m->nest_offset = loom_nest_scales(m->absmax, blocks, (uint8_t *)m->scale, m->outer, m->nest_map);
	return LOOM_OK;
}

enum loom_status loom_module_open(struct loom_module *m, const struct loom_quant *q, const struct loom_store *store, struct loom_err *err)
{
	memset(m, 0, sizeof *m);
	m->q = q;
	loom_module_form(q, &m->form);
	if (q->kind == LOOM_QUANT_MAKE_NF4 || q->kind == LOOM_QUANT_MAKE_INT8)
		return make_wide(m, store, err);
	enum loom_status rc = read_share(q, store, q->codes, &m->codes, err);
	if (!rc && q->kind == LOOM_QUANT_BNB4) {
		rc = check_map(m, store, err);
		return rc ? rc : read_absmax(m, store, err);
	}
	rc = rc ? rc : read_share(q, store, q->scale, &m->scale, err);
	rc = rc ? rc : check_scales(q, q->scale, m->scale, err);
	if (!rc && q->zero)
		rc = read_tensor(store, q->zero, &m->zero, err);
	if (!rc && q->kind == LOOM_QUANT_AWQ_FAST)
		rc = check_scales(q, q->zero, m->zero, err);
	if (!rc && m->form.indexed)
		rc = read_index(m, store, err);
	if (!rc && q->kind == LOOM_QUANT_FP8)
		rc = check_fp8(m, err);
	return rc;
}

void loom_module_release(struct loom_module *m)
{
	loom_free(m->codes);
	loom_free(m->scale);
	loom_free(m->zero);
	loom_free(m->g_idx);
	loom_free(m->absmax);
	loom_free(m->outer);
	loom_free(m->nest_map);
	loom_free(m->wide);
	memset(m, 0, sizeof *m);
}
