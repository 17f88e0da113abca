/* packq.c: the layout of packed codes: descriptions, sizes, and the way from stored rows into it. See packq.h. */
#include "packq.h"

#include <math.h>
#include <string.h>

#include "dequant.h"
#include "f16.h"
#include "matmul.h"
#include "mem.h"

#define RAW_SPAN 256 /* every block size divides it */
#define MAP_BYTES (17 * 64) /* 257 floats */

const struct loom_packq_kernels *loom_packq_kernels_for(enum loom_isa isa)
{
	static const struct loom_packq_kernels *const tables[LOOM_N_ISA] = {&loom_packq_ref, &loom_packq_avx2, &loom_packq_avx512};

	return tables[isa];
}

/* ---- sizes ---- */

static size_t chunk_bytes(enum loom_codes codes)
{
	static const size_t bits[] = {[LOOM_CODES_2] = 2, [LOOM_CODES_3] = 3, [LOOM_CODES_4] = 4, [LOOM_CODES_5] = 5, [LOOM_CODES_6] = 6,
		[LOOM_CODES_8] = 8, [LOOM_CODES_FP8] = 8};

	return bits[codes] * LOOM_CHUNK * LOOM_PANEL / 8;
}

static bool place(size_t *total, size_t panels, size_t count, size_t size, size_t *at)
{
	size_t n;

	*at = *total;
	return loom_mul(panels * LOOM_PANEL, count, &n) && loom_mul(n, size, &n) && loom_add(n, 63, &n) && loom_add(*total, n / 64 * 64, total);
}

static size_t scale_size(enum loom_dtype t)
{
	return t == LOOM_F32 ? 4 : t == LOOM_F8_E8M0 || t == LOOM_U8 ? 1 : 2;
}

/* Where each array lies, once the rest of q is known. */
static bool lay_out(struct loom_packq *q, int64_t n_row, int64_t n_col)
{
	size_t panels = ((size_t)n_row + LOOM_PANEL - 1) / LOOM_PANEL, chunks = ((size_t)n_col + LOOM_CHUNK - 1) / LOOM_CHUNK;
	size_t groups = (size_t)q->n_group, supers = ((size_t)n_col + 255) / 256, codes_at, total = 0;
	bool ok;

	q->chunk_bytes = chunk_bytes(q->codes);
	ok = place(&total, panels, chunks, q->chunk_bytes / LOOM_PANEL, &codes_at);
	ok = ok && place(&total, panels, q->sub ? supers : groups, scale_size(q->scale), &q->a_at);
	if (q->combine == LOOM_COMBINE_ADD) {
		ok = ok && place(&total, panels, q->submin ? supers : groups, 2, &q->b_at);
	} else if (q->combine == LOOM_COMBINE_ZERO) {
		ok = ok && place(&total, panels, groups, 1, &q->b_at);
	}
	if (q->sub) {
		ok = ok && place(&total, panels, groups, 1, &q->sub_at);
	}
	if (q->submin && !q->nibbles) {
		ok = ok && place(&total, panels, groups, 1, &q->min_at);
	}
	if (q->scale == LOOM_U8) {
		ok = ok && place(&total, panels, 1 + (size_t)q->n_nest, sizeof(float), &q->nest_at);
		q->map_at = total;
		ok = ok && loom_add(total, MAP_BYTES, &total);
	}
	q->bytes = total;
	return ok;
}

static void set_table(struct loom_packq *q, int bits, int offset, const int8_t *values)
{
	for (int i = 0; i < 32; i++) {
		int code = i & ((1 << bits) - 1);
		q->table[i] = (float)(values ? values[code] : code - offset);
	}
}

/* The table of codes of up to 4 bits in bytes: whole numbers as they are, others in 127ths. */
static void set_bytes(struct loom_packq *q, int bits)
{
	bool whole = true;

	if (bits > 4) {
		q->unit = 1.0f;
		return;
	}

	for (int i = 0; i < 16; i++) {
		whole = whole && q->table[i] == rintf(q->table[i]);
	}
	for (int i = 0; i < 16; i++) {
		q->bytes8[i] = (int8_t)rintf(whole ? q->table[i] : q->table[i] * 127.0f);
	}
	for (int i = 0; i < 1 << bits; i++) {
		q->by_table = q->by_table || q->bytes8[i] != q->bytes8[0] + i;
	}
	q->unit = whole ? 1.0f : 1.0f / 127.0f;
}

static enum loom_codes codes_of(int bits)
{
	return bits == 2 ? LOOM_CODES_2 : bits == 3 ? LOOM_CODES_3 : bits == 4 ? LOOM_CODES_4 : bits == 5 ? LOOM_CODES_5
		: bits == 6 ? LOOM_CODES_6 : LOOM_CODES_8;
}

bool loom_packq_of_blocks(struct loom_packq *q, enum loom_dtype t, int64_t n_row, int64_t n_col)
{
	const struct loom_block_form *f = loom_block_form(t);
	uint64_t bytes;

	*q = (struct loom_packq){.codes = LOOM_CODES_RAW, .raw = t};
	if (!f) {
		if (!loom_dtype_bytes(t, (uint64_t)n_col, &bytes) || !loom_mul((size_t)bytes, (size_t)n_row, &q->bytes)) {
			return false;
		}
		return true;
	}
	q->codes = codes_of(f->bits);
	q->combine = f->rule == LOOM_SCALE_DM || f->rule == LOOM_SCALE_SUBM ? LOOM_COMBINE_ADD : LOOM_COMBINE_MUL;
	q->scale = f->rule == LOOM_SCALE_E8 ? LOOM_F8_E8M0 : LOOM_F16;
	q->group = f->group;
	q->n_group = n_col / f->group;
	q->sub = f->rule == LOOM_SCALE_SUB || f->rule == LOOM_SCALE_SUBM;
	q->submin = f->rule == LOOM_SCALE_SUBM;
	q->nibbles = q->submin && f->bits == 2;
	q->offset = f->offset;
	if (f->bits <= 5) {
		set_table(q, f->bits, f->offset, f->table);
	}
	set_bytes(q, f->bits);
	return lay_out(q, n_row, n_col);
}

bool loom_packq_of_codes(struct loom_packq *q, int bits, bool fp8, enum loom_combine combine, enum loom_dtype scale, int64_t group,
	const int32_t *g_idx, int64_t n_group, const float *table, int64_t n_row, int64_t n_col)
{
	*q = (struct loom_packq){.codes = fp8 ? LOOM_CODES_FP8 : codes_of(bits), .combine = combine, .scale = scale, .group = group,
		.g_idx = g_idx, .n_group = n_group, .per_k = g_idx || (group % 8 != 0 && n_group > 1)};
	if (table) {
		memcpy(q->table, table, 16 * sizeof(float));
		memcpy(q->table + 16, table, 16 * sizeof(float));
	} else if (bits <= 4) {
		set_table(q, bits, 0, NULL);
	}
	set_bytes(q, fp8 ? 8 : bits);
	return lay_out(q, n_row, n_col);
}

bool loom_packq_nest(struct loom_packq *q, int64_t span, int n_nest, int64_t n_row, int64_t n_col)
{
	q->scale = LOOM_U8;
	q->nest_span = span;
	q->n_nest = n_nest;
	return lay_out(q, n_row, n_col);
}

/* ---- into it ---- */

static uint32_t four(const uint8_t *codes)
{
	uint32_t u;

	memcpy(&u, codes, 4);
	return u;
}

/* 32 codes of one row → its words of the chunk; w is the row's first word, rows are next to each other. */
static void put_chunk(enum loom_codes codes, const uint8_t *c, uint32_t *w)
{
	uint32_t u[8], one = 0, two[2] = {0, 0};

	for (int i = 0; i < 8; i++) {
		u[i] = four(c + 4 * i);
	}
	switch (codes) {
	case LOOM_CODES_8:
	case LOOM_CODES_FP8:
		for (int i = 0; i < 8; i++) {
			w[i * LOOM_PANEL] = u[i];
		}
		return;
	case LOOM_CODES_2:
	case LOOM_CODES_3:
		for (int i = 0; i < 8; i++) {
			two[i / 4] |= (u[i] & 0x03030303u) << 2 * (i % 4);
			one |= (u[i] >> 2 & 0x01010101u) << i;
		}
		w[0] = two[0];
		w[LOOM_PANEL] = two[1];
		if (codes == LOOM_CODES_3) {
			w[2 * LOOM_PANEL] = one;
		}
		return;
	default:
		for (int i = 0; i < 8; i++) {
			two[i / 4] |= (u[i] >> 4 & 0x03030303u) << 2 * (i % 4);
			one |= (u[i] >> 4 & 0x01010101u) << i;
		}
		for (int i = 0; i < 4; i++) {
			w[i * LOOM_PANEL] = (u[2 * i] & 0x0f0f0f0fu) | (u[2 * i + 1] & 0x0f0f0f0fu) << 4;
		}
		if (codes == LOOM_CODES_5) {
			w[4 * LOOM_PANEL] = one;
		} else if (codes == LOOM_CODES_6) {
			w[4 * LOOM_PANEL] = two[0];
			w[5 * LOOM_PANEL] = two[1];
		}
	}
}

/* Chunk `chunk` of row `row`: its first word. */
static uint32_t *words(const struct loom_packed *p, int64_t row, int64_t chunk)
{
	int64_t n_chunk = (p->n_col + LOOM_CHUNK - 1) / LOOM_CHUNK;
	char *at = (char *)p->data + (size_t)(row / LOOM_PANEL * n_chunk + chunk) * p->q.chunk_bytes;

	return (uint32_t *)(void *)at + row % LOOM_PANEL;
}

/* Element `index` of row `row` in an array [panel][count][48]. */
static size_t slot(int64_t row, int64_t count, int64_t index)
{
	return (size_t)((row / LOOM_PANEL * count + index) * LOOM_PANEL + row % LOOM_PANEL);
}

static void put_block(const struct loom_packed *p, const struct loom_block_form *f, int64_t row, int64_t k, const struct loom_block_parts *b)
{
	const struct loom_packq *q = &p->q;
	char *data = p->data;
	int64_t n = (int64_t)loom_dtype_block(p->dtype), g0 = k / q->group, n_super = (p->n_col + 255) / 256;
	size_t at = q->sub ? slot(row, n_super, k / 256) : slot(row, q->n_group, g0);

	for (int64_t i = 0; i < n; i += LOOM_CHUNK) {
		put_chunk(q->codes, b->code + i, words(p, row, (k + i) / LOOM_CHUNK));
	}
	if (q->scale == LOOM_F8_E8M0) {
		((uint8_t *)data + q->a_at)[at] = (uint8_t)b->d;
	} else {
		((uint16_t *)(void *)(data + q->a_at))[at] = b->d;
	}
	if (q->combine == LOOM_COMBINE_ADD) {
		((uint16_t *)(void *)(data + q->b_at))[at] = b->m;
	}
	for (int64_t g = 0; q->sub && g < n / f->group; g++) {
		((int8_t *)data + q->sub_at)[slot(row, q->n_group, g0 + g)] = (int8_t)(b->scale[g] | (q->nibbles ? b->min[g] << 4 : 0));
		if (q->submin && !q->nibbles) {
			((uint8_t *)data + q->min_at)[slot(row, q->n_group, g0 + g)] = b->min[g];
		}
	}
}

void loom_packq_put_blocks(const struct loom_packed *p, int64_t row0, int64_t n, const void *blocks)
{
	const struct loom_block_form *f = loom_block_form(p->dtype);
	int64_t block = (int64_t)loom_dtype_block(p->dtype), per_row = p->n_col / block;
	size_t bytes = loom_dtype_block_bytes(p->dtype);
	const uint8_t *src = blocks;
	struct loom_block_parts parts;

	if (p->q.codes == LOOM_CODES_RAW) {
		size_t row_bytes = (size_t)per_row * bytes;
		memcpy((char *)p->data + (size_t)row0 * row_bytes, blocks, (size_t)n * row_bytes);
		return;
	}
	for (int64_t r = row0; r < row0 + n; r++) {
		for (int64_t i = 0; i < per_row; i++, src += bytes) {
			f->split(src, &parts);
			put_block(p, f, r, i * block, &parts);
		}
	}
}

/* The byte of which loom_e8_scale makes f. */
static uint8_t e8_of(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, 4);
	return (uint8_t)(bits >> 23 ? (bits >> 23) + 1 : bits >> 22);
}

void loom_packq_put_codes(const struct loom_packed *p, int64_t row, const uint8_t *codes, const float *scale, const float *b)
{
	const struct loom_packq *q = &p->q;
	char *a_at = (char *)p->data + q->a_at, *b_at = (char *)p->data + q->b_at;

	for (int64_t c = 0; c * LOOM_CHUNK < p->n_col; c++) {
		put_chunk(q->codes, codes + c * LOOM_CHUNK, words(p, row, c));
	}
	for (int64_t g = 0; g < q->n_group; g++) {
		size_t at = slot(row, q->n_group, g);
		if (q->scale == LOOM_F32) {
			((float *)(void *)a_at)[at] = scale[g];
		} else if (q->scale == LOOM_U8) {
			continue; /* put_nested */
		} else if (q->scale == LOOM_F8_E8M0) {
			((uint8_t *)a_at)[at] = e8_of(scale[g]);
		} else {
			((uint16_t *)(void *)a_at)[at] = q->scale == LOOM_F16 ? loom_f32_to_f16(scale[g]) : loom_f32_to_bf16(scale[g]);
		}
		if (q->combine == LOOM_COMBINE_ZERO) {
			((int8_t *)b_at)[at] = (int8_t)b[g];
		} else if (q->combine == LOOM_COMBINE_ADD) {
			((uint16_t *)(void *)b_at)[at] = loom_f32_to_f16(b[g]);
		}
	}
}

void loom_packq_put_nested(const struct loom_packed *p, int64_t row, const uint8_t *scale, int64_t begin, const float *outer)
{
	const struct loom_packq *q = &p->q;
	float *nest = (float *)(void *)((char *)p->data + q->nest_at);

	for (int64_t g = 0; g < q->n_group; g++) {
		((uint8_t *)p->data + q->a_at)[slot(row, q->n_group, g)] = scale[g];
	}
	nest[slot(row, 1 + q->n_nest, 0)] = (float)begin;
	for (int i = 0; i < q->n_nest; i++) {
		nest[slot(row, 1 + q->n_nest, 1 + i)] = outer[i];
	}
}

void loom_packq_put_map(const struct loom_packed *p, float offset, const float map[256])
{
	float *to = (float *)(void *)((char *)p->data + p->q.map_at);

	to[0] = offset;
	memcpy(to + 1, map, 256 * sizeof(float));
}

/* ---- and back ---- */

void loom_packq_widen_raw(const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn, float *dst)
{
	int64_t block = (int64_t)loom_dtype_block(p->dtype), row0 = panel * LOOM_PANEL;
	size_t bytes = loom_dtype_block_bytes(p->dtype), row_bytes = (size_t)(p->n_col / block) * bytes;
	float row[RAW_SPAN];

	for (int64_t r = 0; r < LOOM_PANEL; r++) {
		bool there = row0 + r < p->n_row;
		for (int64_t k = 0; k < kn; k += RAW_SPAN) {
			int64_t n = kn - k < RAW_SPAN ? kn - k : RAW_SPAN;
			if (there) {
				const char *src = (const char *)p->data + (size_t)(row0 + r) * row_bytes + (size_t)((k0 + k) / block) * bytes;
				loom_dequant(p->dtype, src, row, (size_t)n);
			}
			for (int64_t i = 0; i < n; i++) {
				dst[(k + i) * LOOM_PANEL + r] = there ? row[i] : 0.0f;
			}
		}
	}
}

void loom_packq_row(const struct loom_packed *p, int64_t row, float *dst)
{
	if (p->q.codes == LOOM_CODES_RAW) {
		int64_t block = (int64_t)loom_dtype_block(p->dtype);
		size_t row_bytes = (size_t)(p->n_col / block) * loom_dtype_block_bytes(p->dtype);
		loom_dequant(p->dtype, (const char *)p->data + (size_t)row * row_bytes, dst, (size_t)p->n_col);
		return;
	}
	for (int64_t k = 0; k < p->n_col; k += LOOM_CHUNK) {
		int64_t n = p->n_col - k < LOOM_CHUNK ? p->n_col - k : LOOM_CHUNK;
		float block[LOOM_CHUNK * LOOM_PANEL];
		loom_packq_kernels_for(loom_isa_chosen())->widen(p, row / LOOM_PANEL, k, n, block);
		for (int64_t i = 0; i < n; i++) {
			dst[k + i] = block[i * LOOM_PANEL + row % LOOM_PANEL];
		}
	}
}
