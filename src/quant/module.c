/* module.c: see module.h. Each reader is a few lines: where the bits of a code, a scale and a zero lie. */
#include "module.h"

#include <math.h>
#include <string.h>

#include "dequant.h"
#include "f16.h"
#include "mem.h"

#define NEST_SPAN (1 << 23) /* so that places in it are exact in float32 */
#define INT8_FACTOR 0.007874015718698502f /* 1/127 as bitsandbytes has it */

/* ---- form ---- */

static int64_t gcd(int64_t a, int64_t b)
{
	while (b) {
		int64_t t = a % b;
		a = b;
		b = t;
	}
	return a;
}

static void plain_table(struct loom_module_form *f, int offset)
{
	for (int i = 0; i < 16; i++)
		f->table[i] = (float)((i & ((1 << f->bits) - 1)) - offset);
}

static enum loom_dtype scale_type(const struct loom_tensor *t)
{
	return t && (t->dtype == LOOM_F16 || t->dtype == LOOM_BF16) ? t->dtype : LOOM_F32;
}

/* Nested statistics stay so where a row meets few outer scales. */
static void nested_form(const struct loom_quant *q, struct loom_module_form *f)
{
	int64_t span = q->group * (q->kind == LOOM_QUANT_BNB4 ? q->nested_group : LOOM_NEST_GROUP), most = (q->n_col - 1 + span - 1) / span + 1;
	if (span % q->n_col == 0 || q->n_col % span == 0) /* rows begin where spans do */
		most = (q->n_col + span - 1) / span;
	if (span > NEST_SPAN || q->n_col > NEST_SPAN || most > LOOM_MAX_NEST)
		return;
	f->scale = LOOM_U8;
	f->nest_span = span;
	f->n_nest = (int)most;
}

void loom_module_form(const struct loom_quant *q, struct loom_module_form *f)
{
	static const float mxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, -0.0f, -1, -2, -3, -4, -6, -8, -12}; /* halves: the scale is halved too */
	*f = (struct loom_module_form){.bits = q->bits, .rule = LOOM_RULE_ZERO, .scale = scale_type(q->scale), .group = q->group};
	switch (q->kind) {
	case LOOM_QUANT_GPTQ:
		f->indexed = q->g_idx != NULL;
		plain_table(f, 0);
		break;
	case LOOM_QUANT_AWQ_GEMM: case LOOM_QUANT_AWQ_GEMV:
		plain_table(f, 0);
		break;
	case LOOM_QUANT_AWQ_FAST:
		f->rule = LOOM_RULE_ADD;
		plain_table(f, 0);
		break;
	case LOOM_QUANT_CT_PACKED:
		f->indexed = q->g_idx != NULL;
		f->rule = q->zero ? LOOM_RULE_ZERO : LOOM_RULE_MUL;
		plain_table(f, q->zero ? 0 : 1 << (q->bits - 1));
		break;
	case LOOM_QUANT_INT8:
		f->rule = q->zero ? LOOM_RULE_ZERO : LOOM_RULE_MUL;
		break;
	case LOOM_QUANT_BNB8: case LOOM_QUANT_MAKE_INT8:
		f->bits = 8;
		f->rule = LOOM_RULE_TWO;
		f->scale = LOOM_F32;
		f->factor = INT8_FACTOR;
		f->group = q->n_col;
		break;
	case LOOM_QUANT_BNB4: case LOOM_QUANT_MAKE_NF4:
		f->bits = 4;
		f->rule = LOOM_RULE_MUL;
		f->scale = LOOM_F32;
		f->group = gcd(q->group, q->n_col); /* blocks of the flat matrix cross rows */
		memcpy(f->table, q->fp4 ? loom_fp4_values : loom_nf4_values, sizeof f->table);
		if (q->nested || q->nested_scale)
			nested_form(q, f);
		break;
	case LOOM_QUANT_FP8:
		f->rule = LOOM_RULE_MUL;
		f->fp8 = true;
		break;
	case LOOM_QUANT_MXFP4:
		f->rule = LOOM_RULE_MUL;
		f->scale = LOOM_F8_E8M0;
		memcpy(f->table, mxfp4, sizeof mxfp4);
		break;
	}
	f->n_group = (q->n_col + f->group - 1) / f->group;
}

/* ---- bits ---- */

static uint32_t word_at(const char *p, int64_t i)
{
	uint32_t w;
	memcpy(&w, p + i * 4, 4);
	return w;
}

/* Value i of a stream of b-bit values in 32-bit words that lie `stride` words apart, the first at `first`. */
static uint32_t stream(const char *p, int64_t first, int64_t stride, int64_t i, int b)
{
	int64_t bit = i * b, w = bit / 32;
	int at = (int)(bit % 32);
	uint64_t v = word_at(p, first + w * stride);
	if (at + b > 32)
		v |= (uint64_t)word_at(p, first + (w + 1) * stride) << 32;
	return (uint32_t)(v >> at) & ((1u << b) - 1);
}

static float float_at(const char *p, enum loom_dtype t, int64_t i)
{
	uint16_t h;
	float f;
	switch (t) {
	case LOOM_F16: case LOOM_BF16:
		memcpy(&h, p + i * 2, 2);
		return t == LOOM_F16 ? loom_f16_to_f32(h) : loom_bf16_to_f32(h);
	case LOOM_U8: case LOOM_F8_E8M0:
		return ldexpf(1.0f, (uint8_t)p[i] - 127);
	default:
		memcpy(&f, p + i * 4, 4);
		return f;
	}
}

float loom_e4m3(uint8_t code)
{
	int e = code >> 3 & 15, m = code & 7;
	float v = e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);
	if ((code & 127) == 127)
		return NAN;
	return code & 128 ? -v : v;
}

/* ---- rows ---- */

static void gptq_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a, float *b)
{
	static const uint32_t ones[9] = {[2] = 0x55555555u, [4] = 0x11111111u, [8] = 0x01010101u};
	const struct loom_quant *q = m->q;
	int signed_byte = q->bits == 8 ? 128 : 0;
	int64_t words = q->n_row * q->bits / 32;
	for (int64_t k = 0; k < q->n_col; k++)
		codes[k] = (uint8_t)(stream(m->codes, row, q->n_row, k, q->bits) ^ (unsigned)signed_byte);
	for (int64_t g = 0; g < m->form.n_group; g++) {
		uint32_t z;
		if (q->bits == 3) {
			z = stream(m->zero, g * words, 1, row, 3);
			z = q->add_one ? (z + 1) & 7 : z;
		} else { /* version 1 took one from every field by a subtraction of whole words, borrows included: added back the same way */
			uint32_t w = word_at(m->zero, g * words + row * q->bits / 32) + (q->add_one ? ones[q->bits] : 0);
			z = w >> row * q->bits % 32 & ((1u << q->bits) - 1);
		}
		a[g] = float_at(m->scale, q->scale->dtype, g * q->n_row + row);
		b[g] = (float)((int)z - signed_byte);
	}
}

static void awq_gemm_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a, float *b)
{
	static const int place[8] = {0, 4, 1, 5, 2, 6, 3, 7};
	const struct loom_quant *q = m->q;
	int64_t words = q->n_row / 8;
	int shift = 4 * place[row % 8];
	for (int64_t k = 0; k < q->n_col; k++)
		codes[k] = word_at(m->codes, k * words + row / 8) >> shift & 15;
	for (int64_t g = 0; g < m->form.n_group; g++) {
		a[g] = float_at(m->scale, q->scale->dtype, g * q->n_row + row);
		b[g] = (float)(word_at(m->zero, g * words + row / 8) >> shift & 15);
	}
}

static void awq_gemv_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a, float *b)
{
	const struct loom_quant *q = m->q;
	int64_t words = q->zero->shape[1];
	for (int64_t k = 0; k < q->n_col; k++)
		codes[k] = (uint8_t)stream(m->codes, row * (q->n_col / 8), 1, k, 4);
	for (int64_t g = 0; g < m->form.n_group; g++) {
		a[g] = float_at(m->scale, q->scale->dtype, row * 8 * words + g);
		b[g] = (float)stream(m->zero, row * words, 1, g, 4);
	}
}

/* Four rows by 64 k, in an order made for tensor cores, four nibbles a 16-bit word. */
static void awq_fast_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a, float *b)
{
	const struct loom_quant *q = m->q;
	for (int64_t k = 0; k < q->n_col; k++) {
		/* (4,4,2) with the first two swapped, then (4,2) swapped in each 8 */
		int64_t i = k % 32 / 2, swapped = (i % 4) * 8 + i / 4 * 2 + k % 2;
		int64_t x = swapped / 8 * 8, y = swapped % 8, at = k / 32 % 2 * 32 + x + (y % 2) * 4 + y / 2;
		int64_t value = (row % 4) * 64 + at, word = row / 4 * q->n_col + k / 64 * 64 + value / 4;
		uint16_t h;
		memcpy(&h, m->codes + word * 2, 2);
		codes[k] = h >> 4 * (value % 4) & 15;
	}
	for (int64_t g = 0; g < m->form.n_group; g++) {
		a[g] = float_at(m->scale, LOOM_F16, g * q->n_row + row);
		b[g] = float_at(m->zero, LOOM_F16, g * q->n_row + row);
	}
}

static void bnb4_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a)
{
	const struct loom_quant *q = m->q;
	int64_t first = row * q->n_col;
	for (int64_t k = 0; k < q->n_col; k++) {
		int64_t i = first + k;
		codes[k] = (uint8_t)m->codes[i / 2] >> (i % 2 ? 0 : 4) & 15;
	}
	for (int64_t g = 0; g < m->form.n_group; g++)
		a[g] = m->absmax[(first + g * m->form.group) / q->group];
}

static void ct_packed_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a, float *b)
{
	const struct loom_quant *q = m->q;
	int64_t words = q->codes->shape[1], groups = m->form.n_group;
	unsigned flip = q->bits == 8 ? 128 : 0; /* stored with 128 added; ours are signed */
	for (int64_t k = 0; k < q->n_col; k++)
		codes[k] = (uint8_t)(stream(m->codes, row * words, 1, k, q->bits) ^ flip);
	for (int64_t g = 0; g < groups; g++) {
		a[g] = float_at(m->scale, q->scale->dtype, row * groups + g);
		if (q->zero) {
			int z = (int)stream(m->zero, g, groups, row, q->bits);
			b[g] = (float)(z - (int)flip);
		}
	}
}

/* Rows of bytes with scales by row and block: int8 and FP8. */
static void bytes_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a, float *b)
{
	const struct loom_quant *q = m->q;
	memcpy(codes, m->codes + row * q->n_col, (size_t)q->n_col);
	for (int64_t g = 0; g < m->form.n_group; g++) {
		int64_t at = row / q->block_rows * m->form.n_group + g;
		a[g] = float_at(m->scale, q->scale->dtype, at);
		if (q->zero)
			b[g] = (float)(int8_t)m->zero[at];
	}
}

static void mxfp4_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a)
{
	const struct loom_quant *q = m->q;
	for (int64_t k = 0; k < q->n_col; k++)
		codes[k] = (uint8_t)m->codes[(row * q->n_col + k) / 2] >> (k % 2 ? 4 : 0) & 15;
	for (int64_t g = 0; g < m->form.n_group; g++)
		a[g] = ldexpf(1.0f, (uint8_t)m->scale[row * m->form.n_group + g] - 128);
}

/* Quantized here: the row's blocks may begin in the row before, so each is coded whole. */
static void make_nf4_row(const struct loom_module *m, int64_t row, uint8_t *codes, float *a)
{
	const struct loom_quant *q = m->q;
	int64_t first = row * q->n_col, total = q->n_row * q->n_col;
	uint8_t block[64];
	for (int64_t i = first - first % q->group; i < first + q->n_col; i += q->group) {
		int64_t n = total - i < q->group ? total - i : q->group;
		(void)loom_nf4_block(m->wide + i, (size_t)n, n == q->group, block);
		for (int64_t k = 0; k < n; k++) {
			if (i + k >= first && i + k < first + q->n_col)
				codes[i + k - first] = block[k];
		}
	}
	for (int64_t g = 0; g < m->form.n_group; g++)
		a[g] = m->absmax[(first + g * m->form.group) / q->group];
}

void loom_module_codes(const struct loom_module *m, int64_t row, uint8_t *codes, float *a, float *b)
{
	switch (m->q->kind) {
	case LOOM_QUANT_GPTQ: gptq_row(m, row, codes, a, b); break;
	case LOOM_QUANT_AWQ_GEMM: awq_gemm_row(m, row, codes, a, b); break;
	case LOOM_QUANT_AWQ_GEMV: awq_gemv_row(m, row, codes, a, b); break;
	case LOOM_QUANT_AWQ_FAST: awq_fast_row(m, row, codes, a, b); break;
	case LOOM_QUANT_CT_PACKED: ct_packed_row(m, row, codes, a, b); break;
	case LOOM_QUANT_INT8: case LOOM_QUANT_FP8: bytes_row(m, row, codes, a, b); break;
	case LOOM_QUANT_BNB4: bnb4_row(m, row, codes, a); break;
	case LOOM_QUANT_MXFP4: mxfp4_row(m, row, codes, a); break;
	case LOOM_QUANT_BNB8:
		memcpy(codes, m->codes + row * m->q->n_col, (size_t)m->q->n_col);
		a[0] = float_at(m->scale, LOOM_F32, row);
		break;
	case LOOM_QUANT_MAKE_INT8:
		a[0] = loom_int8_row(m->wide + row * m->q->n_col, (size_t)m->q->n_col, codes);
		break;
	case LOOM_QUANT_MAKE_NF4: make_nf4_row(m, row, codes, a); break;
	}
}

void loom_module_nested(const struct loom_module *m, int64_t row, uint8_t *scale, int64_t *begin, float *outer)
{
	const struct loom_module_form *f = &m->form;
	int64_t first = row * m->q->n_col, last = (m->q->n_row * m->q->n_col - 1) / f->nest_span;
	for (int64_t g = 0; g < f->n_group; g++)
		scale[g] = (uint8_t)m->scale[(first + g * f->group) / m->q->group];
	*begin = first % f->nest_span;
	for (int i = 0; i < f->n_nest; i++)
		outer[i] = m->outer[first / f->nest_span + i < last ? first / f->nest_span + i : last];
}

size_t loom_module_scratch(const struct loom_module_form *f, int64_t n_col)
{
	return ((size_t)n_col + 63) / 32 * 32 + 2 * (size_t)f->n_group * sizeof(float);
}

void loom_module_row(const struct loom_module *m, int64_t row, float *dst, void *scratch)
{
	const struct loom_module_form *f = &m->form;
	float *a = scratch, *b = a + f->n_group;
	uint8_t *codes = (uint8_t *)(b + f->n_group);
	loom_module_codes(m, row, codes, a, b);
	for (int64_t k = 0; k < m->q->n_col; k++) {
		int64_t g = f->indexed ? m->g_idx[k] : k / f->group;
		float v = f->fp8 ? loom_e4m3(codes[k]) : f->bits == 8 ? (float)(int8_t)codes[k] : f->table[codes[k]];
		switch (f->rule) {
		case LOOM_RULE_MUL: dst[k] = v * a[g]; break;
		case LOOM_RULE_ADD: dst[k] = v * a[g] + b[g]; break;
		case LOOM_RULE_ZERO: dst[k] = (v - b[g]) * a[g]; break;
		case LOOM_RULE_TWO: dst[k] = v * a[g] * f->factor; break;
		}
	}
}
