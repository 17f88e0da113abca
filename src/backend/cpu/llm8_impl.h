/* llm8_impl.h: compute "llm.int8" (int8.h) over sixteen outputs at a time. Included by int8_ref.c, int8_avx2.c and int8_vnni.c behind int8_impl.h. */
#include "f16.h"

#define LLM_SCALE 6.200124e-05f /* bitsandbytes' 1/127^2 */
#define LLM_ROWS 4 /* rows of x that share loaded weights */

/* Behind a row's bytes. */
struct llm_row {
	float scale;
	int32_t sum, n_outlier, unused;
	struct {
		int32_t k;
		float x;
	} outlier[]; /* [n_outlier] k ascending */
};

static const struct llm_row *llm_of(const char *x, int64_t n_col)
{
	return (const struct llm_row *)(const void *)(x + (n_col + LOOM_CHUNK - 1) / LOOM_CHUNK * LOOM_CHUNK);
}

static void llm_row(const float *x, int64_t n_col, float threshold, void *dst)
{
	int64_t room = (n_col + LOOM_CHUNK - 1) / LOOM_CHUNK * LOOM_CHUNK;
	struct llm_row *r = (struct llm_row *)(void *)((char *)dst + room);
	int8_t *q = dst;
	float top = 0;
	bool finite = true;

	*r = (struct llm_row){.scale = 0};
	for (int64_t k = 0; k < n_col; k++) {
		float h = fabsf(loom_f16_to_f32(loom_f32_to_f16(x[k])));
		if (threshold > 0 && h >= threshold) {
			r->outlier[r->n_outlier].k = (int32_t)k;
			r->outlier[r->n_outlier++].x = x[k];
		} else {
			top = h > top ? h : top;
			finite = finite && isfinite(h);
		}
	}
	float up = finite && top > 0 ? 1.0f / top * 127.0f : 0.0f;
	memset(q, 0, (size_t)room);
	for (int64_t k = 0; k < n_col; k++) {
		float h = loom_f16_to_f32(loom_f32_to_f16(x[k]));
		bool out = threshold > 0 && fabsf(h) >= threshold;
		q[k] = (int8_t)(out || up == 0.0f ? 0.0f : rintf(h * up));
		r->sum += q[k];
	}
	r->scale = finite ? top : NAN;
}

/* Row r's part of a code column, as the exact mode has the weight. */
PACKQ_INLINE vec16 llm_weight(const struct loom_packed *p, const char *codes, int64_t k, int64_t v, vec16 scb)
{
	const uint32_t *at = (const uint32_t *)(const void *)(codes + (size_t)(k / LOOM_CHUNK) * p->q.chunk_bytes) + k % LOOM_CHUNK / 4 * LOOM_PANEL + v;
	int shift = 8 * (int)(k % 4);
	uint32_t bytes[16];
	float f[16];

	memcpy(bytes, at, sizeof(bytes));
	for (int i = 0; i < 16; i++) {
		f[i] = (float)(int8_t)(bytes[i] >> shift & 255);
	}
	return vec_mul(vec_mul(vec_load(f), scb), vec_set1(p->q.factor));
}

/* n rows (a constant) times a panel, to tile [n, 48]. */
PACKQ_INLINE void llm_tile(const struct loom_packed *p, int64_t panel, const char *x, int n, float *tile)
{
	int64_t n_chunk = (p->n_col + LOOM_CHUNK - 1) / LOOM_CHUNK;
	size_t stride = loom_llm8_stride(p->n_col);
	const char *codes = (const char *)p->data + (size_t)(panel * n_chunk) * p->q.chunk_bytes;
	const float *scb = (const float *)(const void *)((const char *)p->data + p->q.a_at) + panel * LOOM_PANEL;

	for (int64_t v = 0; v < LOOM_PANEL; v += 16) {
		word16 t[LLM_ROWS];
		for (int r = 0; r < n; r++) {
			t[r] = word_set1(OFFSET_BYTES ? -128 * llm_of(x + (size_t)r * stride, p->n_col)->sum : 0);
		}
		for (int64_t ch = 0; ch < n_chunk; ch++) {
			const uint32_t *chunk = (const uint32_t *)(const void *)(codes + (size_t)ch * p->q.chunk_bytes) + v;
			PACKQ_UNROLL
			for (int j = 0; j < 8; j++) {
				word16 w = unpack(LOOM_CODES_8, false, &p->q, chunk, j);
				for (int r = 0; r < n; r++) {
					t[r] = bytes_dot(t[r], w, (const int8_t *)x + (size_t)r * stride + ch * LOOM_CHUNK + 4 * j);
				}
			}
		}
		vec16 a = vec_load(scb + v);
		for (int r = 0; r < n; r++) {
			const struct llm_row *row_of = llm_of(x + (size_t)r * stride, p->n_col);
			vec16 y = vec_mul(vec_mul(word_float(t[r]), vec_mul(vec_set1(row_of->scale), a)), vec_set1(LLM_SCALE));
			for (int32_t i = 0; i < row_of->n_outlier; i++) {
				y = vec_fma(vec_set1(row_of->outlier[i].x), llm_weight(p, codes, row_of->outlier[i].k, v, a), y);
			}
			vec_store(tile + r * LOOM_PANEL + v, y);
		}
	}
}

static void llm_dot(const struct loom_packed *p, int64_t panel, const void *x, int64_t rows, float *y, size_t ldy, int64_t width)
{
	size_t stride = loom_llm8_stride(p->n_col);
	float tile[LLM_ROWS * LOOM_PANEL];

	for (int64_t r0 = 0, n; r0 < rows; r0 += n) {
		const char *from = (const char *)x + (size_t)r0 * stride;
		n = rows - r0 < LLM_ROWS ? 1 : LLM_ROWS;
		if (n == 1) {
			llm_tile(p, panel, from, 1, tile);
		} else {
			llm_tile(p, panel, from, LLM_ROWS, tile);
		}
		for (int64_t r = 0; r < n; r++) {
			memcpy(y + (size_t)(r0 + r) * ldy, tile + r * LOOM_PANEL, (size_t)width * sizeof(float));
		}
	}
}
