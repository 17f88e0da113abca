/* test_packq.c: packed quantized matrices: every block type, kind of codes, instruction set, thread count and number of rows gives the
 * bits of the dequantized float32 matrix; rows come back as they went in. --bench: speed with one row and with many. */
#include "check.h"

#include <math.h>

#include "dequant.h"
#include "f16.h"
#include "int8.h"
#include "matmul.h"
#include "mem.h"

static const enum loom_dtype types[] = {LOOM_Q4_0, LOOM_Q4_1, LOOM_Q5_0, LOOM_Q5_1, LOOM_Q8_0, LOOM_Q2_K, LOOM_Q3_K, LOOM_Q4_K, LOOM_Q5_K,
	LOOM_Q6_K, LOOM_Q8_K, LOOM_IQ1_S, LOOM_IQ1_M, LOOM_IQ2_XXS, LOOM_IQ2_XS, LOOM_IQ2_S, LOOM_IQ3_XXS, LOOM_IQ3_S, LOOM_IQ4_NL, LOOM_IQ4_XS,
	LOOM_TQ1_0, LOOM_TQ2_0, LOOM_MXFP4};

struct matrix {
	struct loom_packed q, f; /* quantized; the same numbers in float32 */
	float *plain;            /* [n, k] */
	int32_t *g_idx;
};

/* Random blocks with scales near one. */
static unsigned char *random_blocks(enum loom_dtype t, size_t blocks, uint64_t *seed)
{
	static const int d_at[LOOM_N_DTYPE][2] = {[LOOM_Q2_K] = {80, 82}, [LOOM_Q3_K] = {108}, [LOOM_Q6_K] = {208}, [LOOM_TQ1_0] = {52},
		[LOOM_TQ2_0] = {64}, [LOOM_Q4_1] = {0, 2}, [LOOM_Q5_1] = {0, 2}, [LOOM_Q4_K] = {0, 2}, [LOOM_Q5_K] = {0, 2}};
	size_t bytes = loom_dtype_block_bytes(t);
	unsigned char *b = malloc(blocks * bytes);

	assert_non_null(b);
	for (size_t i = 0; i < blocks * bytes; i++) {
		b[i] = (unsigned char)check_random(seed);
	}
	for (size_t i = 0; i < blocks; i++) {
		uint16_t d = loom_f32_to_f16(check_float(seed) * 0.1f), m = loom_f32_to_f16(check_float(seed));
		float whole = 0.1f;
		if (t == LOOM_MXFP4) {
			b[i * bytes] = (unsigned char)(120 + check_random(seed) % 16);
		} else if (t == LOOM_Q8_K) {
			memcpy(b + i * bytes, &whole, 4);
		} else if (t == LOOM_IQ1_M) {
			b[i * bytes + 55] &= 0x3f;
		} else {
			memcpy(b + i * bytes + d_at[t][0], &d, 2);
			if (d_at[t][1]) {
				memcpy(b + i * bytes + d_at[t][1], &m, 2);
			}
		}
	}
	return b;
}

static void open_plain(struct matrix *x, int64_t n, int64_t k)
{
	x->plain = calloc((size_t)(n * k), sizeof(float));
	x->f = (struct loom_packed){.dtype = LOOM_F32, .n_row = n, .n_col = k, .data = loom_pages_alloc(loom_packed_bytes(LOOM_F32, false, n, k))};
	assert_true(x->plain && x->f.data);
}

static void open_blocks(struct matrix *x, enum loom_dtype t, int64_t n, int64_t k)
{
	size_t row = (size_t)k / loom_dtype_block(t) * loom_dtype_block_bytes(t);
	uint64_t seed = (uint64_t)(n * 31 + k) + t;
	unsigned char *b = random_blocks(t, (size_t)(n * k) / loom_dtype_block(t), &seed);

	*x = (struct matrix){.q = {.dtype = t, .n_row = n, .n_col = k}};
	open_plain(x, n, k);
	assert_true(loom_blocks_finite(t, b, (size_t)(n * k)));
	assert_true(loom_packq_of_blocks(&x->q.q, t, n, k));
	x->q.data = loom_pages_alloc(x->q.q.bytes);
	assert_non_null(x->q.data);
	loom_packq_put_blocks(&x->q, 0, n / 2, b);
	loom_packq_put_blocks(&x->q, n / 2, n - n / 2, b + (size_t)(n / 2) * row);
	loom_dequant(t, b, x->plain, (size_t)(n * k));
	loom_pack_rows(&x->f, 0, n, x->plain);
	free(b);
}

/* Codes with scales of their own: what GPTQ, AWQ, bitsandbytes and FP8 files become. */
static void open_codes(struct matrix *x, int bits, bool fp8, enum loom_combine combine, enum loom_dtype scale, int64_t group, bool shuffled,
	int64_t n, int64_t k)
{
	int64_t groups = (k + group - 1) / group;
	uint64_t seed = (uint64_t)(n * 7 + k + bits);
	uint8_t *codes = calloc((size_t)k + 64, 1);
	float *a = calloc((size_t)groups, sizeof(float)), *b = calloc((size_t)groups, sizeof(float));

	*x = (struct matrix){.q = {.n_row = n, .n_col = k}, .g_idx = calloc((size_t)k, sizeof(int32_t))};
	open_plain(x, n, k);
	assert_true(codes && a && b && x->g_idx);
	for (int64_t i = 0; i < k; i++) {
		x->g_idx[i] = (int32_t)(shuffled ? check_random(&seed) % (uint32_t)groups : i / group);
	}
	assert_true(loom_packq_of_codes(&x->q.q, bits, fp8, combine, scale, group, shuffled ? x->g_idx : NULL, groups, NULL, n, k));
	x->q.q.factor = 0x1.020408p-7f;
	x->q.data = loom_pages_alloc(x->q.q.bytes);
	assert_non_null(x->q.data);
	for (int64_t r = 0; r < n; r++) {
		for (int64_t g = 0; g < groups; g++) {
			uint16_t h = loom_f32_to_bf16(check_float(&seed));
			a[g] = scale == LOOM_F32 ? check_float(&seed) : scale == LOOM_BF16 ? loom_bf16_to_f32(h) : loom_f16_to_f32(loom_f32_to_f16(check_float(&seed)));
			b[g] = (float)((int)(check_random(&seed) % 16) - (bits == 8 ? 8 : 0));
		}
		for (int64_t i = 0; i < k; i++) {
			codes[i] = (uint8_t)(check_random(&seed) & ((1u << bits) - 1));
			if (fp8 && (codes[i] & 127) == 127) {
				codes[i] = 0;
			}
			float v = fp8 ? ldexpf((float)((codes[i] & 7) | (codes[i] & 0x78 ? 8 : 0)), ((codes[i] >> 3 & 15) ? (codes[i] >> 3 & 15) : 1) - 10) *
				(codes[i] & 128 ? -1.0f : 1.0f) : bits == 8 ? (float)(int8_t)codes[i] : (float)codes[i];
			float s = a[x->g_idx[i]], z = b[x->g_idx[i]];
			x->plain[r * k + i] = combine == LOOM_COMBINE_ZERO ? (v - z) * s : combine == LOOM_COMBINE_TWO ? v * s * 0x1.020408p-7f
				: combine == LOOM_COMBINE_ADD ? v * s + z : v * s;
		}
		loom_packq_put_codes(&x->q, r, codes, a, b);
	}
	loom_pack_rows(&x->f, 0, n, x->plain);
	free(codes);
	free(a);
	free(b);
}

/* NF4 with nested statistics: rows that begin anywhere in a span of the flat matrix, and meet up to n_nest outer scales. */
static void open_nested(struct matrix *x, int64_t group, int64_t span, int n_nest, int64_t n, int64_t k)
{
	int64_t groups = (k + group - 1) / group;
	uint64_t seed = (uint64_t)(n * 5 + k);
	uint8_t *codes = calloc((size_t)k + 64, 1), *scale = calloc((size_t)groups, 1);
	float map[256], table[16], outer[8], *outers = calloc((size_t)(n * k / span) + 9, sizeof(float)), offset = 0.7f;

	*x = (struct matrix){.q = {.n_row = n, .n_col = k}};
	open_plain(x, n, k);
	assert_true(codes && scale && outers && n_nest <= 8);
	check_fill(map, 256, 3);
	for (int i = 0; i < 16; i++) {
		table[i] = sinf((float)(i - 8)); /* within 1, as NF4 is */
	}
	check_fill(outers, (size_t)(n * k / span) + 9, 5);
	assert_true(loom_packq_of_codes(&x->q.q, 4, false, LOOM_COMBINE_MUL, LOOM_F32, group, NULL, groups, table, n, k));
	size_t wide_scales = x->q.q.bytes;
	assert_true(loom_packq_nest(&x->q.q, span, n_nest, n, k));
	assert_true(x->q.q.bytes < wide_scales + 17 * 64 + (size_t)(n + LOOM_PANEL) * (size_t)(1 + n_nest) * 4);
	x->q.data = loom_pages_alloc(x->q.q.bytes);
	assert_non_null(x->q.data);
	loom_packq_put_map(&x->q, offset, map);
	for (int64_t r = 0; r < n; r++) {
		int64_t begin = r * k % span;
		for (int i = 0; i < n_nest; i++) {
			outer[i] = outers[r * k / span + i];
		}
		for (int64_t g = 0; g < groups; g++) {
			scale[g] = (uint8_t)check_random(&seed);
		}
		for (int64_t i = 0; i < k; i++) {
			float product = map[scale[i / group]] * outer[(begin + i / group * group) / span], a = product + offset;
			codes[i] = (uint8_t)(check_random(&seed) & 15);
			x->plain[r * k + i] = table[codes[i]] * a;
		}
		loom_packq_put_codes(&x->q, r, codes, NULL, NULL);
		loom_packq_put_nested(&x->q, r, scale, begin, outer);
	}
	loom_pack_rows(&x->f, 0, n, x->plain);
	free(codes);
	free(scale);
	free(outers);
}

static void close_matrix(struct matrix *x)
{
	loom_pages_free(x->q.data, x->q.q.bytes);
	loom_pages_free(x->f.data, loom_packed_bytes(LOOM_F32, false, x->f.n_row, x->f.n_col));
	free(x->plain);
	free(x->g_idx);
}

static void check_products(const struct matrix *w, const char *name)
{
	static const int64_t rows[] = {1, 2, 9};
	int64_t n = w->q.n_row, k = w->q.n_col;
	float *x = malloc((size_t)(9 * k) * sizeof(float)), *scratch = loom_pages_alloc(2 * loom_matmul_scratch() * sizeof(float));
	float *row = malloc((size_t)k * sizeof(float));

	assert_true(x && scratch && row);
	check_fill(x, (size_t)(9 * k), (uint64_t)k);
	for (int64_t r = 0; r < n; r += 7) {
		loom_packed_row(&w->q, r, row);
		if (memcmp(row, w->plain + r * k, (size_t)k * sizeof(float)) != 0) {
			fail_msg("%s: row %lld does not come back", name, (long long)r);
		}
	}
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		struct loom_pool *pool = loom_pool_new(2);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			size_t count = (size_t)(rows[i] * n);
			float *y = check_guarded(count), *want = check_guarded(count);
			loom_matmul(pool, (enum loom_isa)isa, &w->q, x, (size_t)k, rows[i], NULL, y, (size_t)n, scratch);
			loom_matmul(NULL, loom_isa_best(), &w->f, x, (size_t)k, rows[i], NULL, want, (size_t)n, scratch);
			if (memcmp(y, want, count * sizeof(float)) != 0) {
				fail_msg("%s: %s, %lld rows: other bits than the float32 matrix", name, loom_isa_name((enum loom_isa)isa), (long long)rows[i]);
			}
			check_canaries(y, count);
			check_guarded_free(y);
			check_guarded_free(want);
		}
		loom_pool_free(pool);
	}
	free(x);
	free(row);
	loom_pages_free(scratch, 2 * loom_matmul_scratch() * sizeof(float));
}

static void blocks_give_the_bits_of_float32(void **state)
{
	(void)state;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		int64_t k = loom_dtype_block(types[t]) == 256 ? 512 : 288;
		struct matrix w;
		open_blocks(&w, types[t], 101, k);
		check_products(&w, loom_dtype_name(types[t]));
		close_matrix(&w);
	}
}

static void codes_give_the_bits_of_float32(void **state)
{
	static const struct {
		const char *name;
		int bits;
		bool fp8;
		enum loom_combine combine;
		enum loom_dtype scale;
		int64_t group;
		bool shuffled;
		int64_t k;
	} cases[] = {
		{"2 bits, zeros", 2, false, LOOM_COMBINE_ZERO, LOOM_F16, 64, false, 320}, {"3 bits, zeros", 3, false, LOOM_COMBINE_ZERO, LOOM_F16, 32, false, 320},
		{"4 bits, zeros", 4, false, LOOM_COMBINE_ZERO, LOOM_BF16, 128, false, 320}, {"8 bits, zeros", 8, false, LOOM_COMBINE_ZERO, LOOM_F32, 128, false, 320},
		{"4 bits, shuffled groups", 4, false, LOOM_COMBINE_ZERO, LOOM_F16, 32, true, 264}, {"3 bits, shuffled groups", 3, false, LOOM_COMBINE_ZERO, LOOM_F16, 32, true, 320},
		{"4 bits, one group", 4, false, LOOM_COMBINE_MUL, LOOM_F32, 300, false, 300}, {"4 bits, groups of 12", 4, false, LOOM_COMBINE_MUL, LOOM_F32, 12, false, 84},
		{"4 bits, added", 4, false, LOOM_COMBINE_ADD, LOOM_F16, 64, false, 128}, {"int8 in two steps", 8, false, LOOM_COMBINE_TWO, LOOM_F32, 300, false, 300},
		{"fp8", 8, true, LOOM_COMBINE_MUL, LOOM_F32, 128, false, 300}, {"fp8, one scale", 8, true, LOOM_COMBINE_MUL, LOOM_F32, 77, false, 77},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct matrix w;
		open_codes(&w, cases[i].bits, cases[i].fp8, cases[i].combine, cases[i].scale, cases[i].group, cases[i].shuffled, 61, cases[i].k);
		check_products(&w, cases[i].name);
		close_matrix(&w);
	}
}

/* compute "int8": every instruction set has the bits of plain C, whatever stands beside a row; and it is near the exact product. */
static void check_int8(const struct matrix *w, const char *name)
{
	int64_t n = w->q.n_row, k = w->q.n_col, m = 41;
	size_t stride = loom_int8_stride(k), count = (size_t)(m * n);
	float *x = malloc((size_t)(m * k) * sizeof(float)), *exact = malloc(count * sizeof(float)), *first = malloc(count * sizeof(float));
	char *bytes = loom_pages_alloc((size_t)m * stride);
	double d = 0, top = 0;

	assert_true(x && exact && first && bytes && loom_int8_can(&w->q));
	for (int64_t i = 0; i < m * k; i++) {
		x[i] = sinf((float)(i * 37 % 1001)) * (float)(1 + i / k % 3);
	}
	memset(x, 0, (size_t)k * sizeof(float)); /* a row of zeros */
	loom_matmul(NULL, loom_isa_best(), &w->f, x, (size_t)k, m, NULL, exact, (size_t)n, NULL);
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		struct loom_pool *pool = loom_pool_new(2);
		float *y = check_guarded(count), *alone = check_guarded((size_t)n);
		loom_int8_rows(pool, (enum loom_isa)isa, x, (size_t)k, m, k, bytes);
		struct loom_product p = {.w = &w->q, .bytes = bytes, .y = y, .ldy = (size_t)n, .m = m};
		loom_matmul_many(pool, (enum loom_isa)isa, &p, 1, NULL);
		p = (struct loom_product){.w = &w->q, .bytes = bytes + 7 * stride, .y = alone, .ldy = (size_t)n, .m = 1};
		loom_matmul_many(NULL, (enum loom_isa)isa, &p, 1, NULL);
		assert_memory_equal(alone, y + 7 * n, (size_t)n * sizeof(float));
		if (isa == 0) {
			memcpy(first, y, count * sizeof(float));
		} else if (memcmp(y, first, count * sizeof(float)) != 0) {
			fail_msg("%s: compute int8: %s has other bits than plain C", name, loom_isa_name((enum loom_isa)isa));
		}
		check_canaries(y, count);
		check_guarded_free(y);
		check_guarded_free(alone);
		loom_pool_free(pool);
	}
	for (size_t i = 0; i < count; i++) {
		d += ((double)first[i] - (double)exact[i]) * ((double)first[i] - (double)exact[i]);
		top += (double)exact[i] * (double)exact[i];
	}
	if (!(sqrt(d / top) < 0.02)) {
		fail_msg("%s: compute int8 is off by %g", name, sqrt(d / top));
	}
	free(x);
	free(exact);
	free(first);
	loom_pages_free(bytes, (size_t)m * stride);
}

static void nested_scales_give_the_bits_of_float32(void **state)
{
	static const struct {
		int64_t group, span, k;
		int n_nest;
	} cases[] = {{64, 16384, 576, 2}, {64, 256, 640, 4}, {64, 1280, 320, 1}, {4, 256, 84, 2}, {32, 64, 64, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct matrix w;
		open_nested(&w, cases[i].group, cases[i].span, cases[i].n_nest, 61, cases[i].k);
		check_products(&w, "nested scales");
		if (loom_int8_can(&w.q)) {
			check_int8(&w, "nested scales");
		}
		close_matrix(&w);
	}
}

/* int8.h's definition of "llm.int8", one number after the other. */
static float llm_by_definition(const struct matrix *w, const int8_t *codes, float scb, const float *x, float threshold)
{
	int64_t k = w->q.n_col;
	float s = 0, y;
	int32_t t = 0;

	for (int64_t i = 0; i < k; i++) {
		float h = fabsf(loom_f16_to_f32(loom_f32_to_f16(x[i])));
		s = h < threshold && h > s ? h : s;
	}
	for (int64_t i = 0; i < k; i++) {
		float h = loom_f16_to_f32(loom_f32_to_f16(x[i]));
		t += fabsf(h) >= threshold || s == 0 ? 0 : (int32_t)rintf(h * (1.0f / s * 127.0f)) * codes[i];
	}
	y = (float)t * (s * scb) * 6.200124e-05f;
	for (int64_t i = 0; i < k; i++) {
		if (fabsf(loom_f16_to_f32(loom_f32_to_f16(x[i]))) >= threshold) {
			y = fmaf(x[i], (float)codes[i] * scb * w->q.q.factor, y);
		}
	}
	return y;
}

static void llm_int8_is_its_definition_in_any_batch(void **state)
{
	static const int64_t columns[] = {32, 61, 300};
	enum { N = 61, M = 11 };

	(void)state;
	for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
		int64_t k = columns[c];
		size_t stride = loom_llm8_stride(k);
		struct matrix w;
		uint64_t seed = (uint64_t)k;
		int8_t *codes = malloc((size_t)(N * k));
		float *x = malloc((size_t)(M * k) * sizeof(float)), scb[N];
		char *bytes = loom_pages_alloc(M * stride);
		open_codes(&w, 8, false, LOOM_COMBINE_TWO, LOOM_F32, k, false, N, k);
		assert_true(codes && x && bytes && loom_llm8_can(&w.q));
		for (int64_t r = 0; r < N; r++) {
			uint8_t padded[400] = {0};
			for (int64_t i = 0; i < k; i++) {
				codes[r * k + i] = (int8_t)(int)(check_random(&seed) % 255 - 127);
				padded[i] = (uint8_t)codes[r * k + i];
			}
			scb[r] = 0.1f + fabsf(check_float(&seed));
			loom_packq_put_codes(&w.q, r, padded, &scb[r], NULL);
		}
		for (int64_t i = 0; i < M * k; i++) {
			x[i] = sinf((float)(i * 37 % 1001)) * (i % 29 == 3 && i / k % 3 ? 9.0f : 2.0f);
		}
		memset(x, 0, (size_t)k * sizeof(float)); /* a row of zeros */
		for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
			float *y = check_guarded(M * N), alone[N];
			loom_llm8_rows(NULL, (enum loom_isa)isa, x, (size_t)k, M, k, 6.0f, bytes);
			struct loom_product p = {.w = &w.q, .bytes = bytes, .llm = true, .y = y, .ldy = N, .m = M};
			loom_matmul_many(NULL, (enum loom_isa)isa, &p, 1, NULL);
			for (int64_t r = 0; r < M; r++) {
				for (int64_t n = 0; n < N; n++) {
					float want = llm_by_definition(&w, codes + n * k, scb[n], x + r * k, 6.0f);
					assert_memory_equal(&y[r * N + n], &want, sizeof(float));
				}
			}
			p = (struct loom_product){.w = &w.q, .bytes = bytes + 7 * stride, .llm = true, .y = alone, .ldy = N, .m = 1};
			loom_matmul_many(NULL, (enum loom_isa)isa, &p, 1, NULL);
			assert_memory_equal(alone, y + 7 * N, sizeof(alone));
			check_canaries(y, M * N);
			check_guarded_free(y);
		}
		close_matrix(&w);
		free(codes);
		free(x);
		loom_pages_free(bytes, M * stride);
	}
}

static void int8_is_one_definition_and_near(void **state)
{
	(void)state;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		struct matrix w;
		open_blocks(&w, types[t], 101, loom_dtype_block(types[t]) == 256 ? 512 : 288);
		if (loom_int8_can(&w.q)) {
			check_int8(&w, loom_dtype_name(types[t]));
		}
		close_matrix(&w);
	}
	for (int i = 0; i < 5; i++) {
		static const int bits[] = {2, 3, 4, 8, 8};
		struct matrix w;
		bool two = i == 4;
		open_codes(&w, bits[i], false, two ? LOOM_COMBINE_TWO : LOOM_COMBINE_ZERO, two ? LOOM_F32 : LOOM_F16, two ? 300 : 64, false, 61, two ? 300 : 320);
		w.q.q.unit = two ? w.q.q.factor : w.q.q.unit;
		check_int8(&w, "codes");
		close_matrix(&w);
	}
}

static void they_are_about_as_large_as_in_their_files(void **state)
{
	(void)state;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		struct loom_packq q;
		double stored = 4800.0 * 4096 / (double)loom_dtype_block(types[t]) * (double)loom_dtype_block_bytes(types[t]);
		assert_true(loom_packq_of_blocks(&q, types[t], 4800, 4096));
		assert_true((double)q.bytes <= 1.08 * stored);
	}
}

static void bench(void)
{
	static const int64_t shapes[][3] = {{1, 1536, 576}, {1, 49152, 576}, {4, 1536, 576}, {512, 3072, 576}, {512, 576, 1536}};
	static const enum loom_dtype some[] = {LOOM_Q4_0, LOOM_Q4_1, LOOM_Q8_0, LOOM_Q4_K, LOOM_Q5_K, LOOM_Q6_K, LOOM_Q3_K, LOOM_Q2_K, LOOM_IQ3_S};
	struct loom_pool *pool = loom_pool_new(2);
	float *scratch = loom_pages_alloc(2 * loom_matmul_scratch() * sizeof(float));

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2] == 576 ? 768 : 1536;
		float *x = malloc((size_t)(m * k) * sizeof(float)), *y = malloc((size_t)(m * n) * sizeof(float));
		char *bytes = loom_pages_alloc((size_t)m * loom_int8_stride(k));
		assert_true(x && y && bytes);
		check_fill(x, (size_t)(m * k), 1);
		for (size_t t = 0; t < sizeof(some) / sizeof(some[0]); t++) {
			struct matrix w;
			double best[3] = {1e9, 1e9, 1e9};
			open_blocks(&w, some[t], n, k);
			for (int which = 0; which < 3; which++) {
				for (int rep = 0; rep < 7; rep++) {
					double t0 = check_now(), dt;
					if (which == 2 && loom_int8_can(&w.q)) {
						struct loom_product p = {.w = &w.q, .bytes = bytes, .y = y, .ldy = (size_t)n, .m = m};
						loom_int8_rows(pool, loom_isa_best(), x, (size_t)k, m, k, bytes);
						loom_matmul_many(pool, loom_isa_best(), &p, 1, scratch);
					} else {
						loom_matmul(pool, loom_isa_best(), which ? &w.f : &w.q, x, (size_t)k, m, NULL, y, (size_t)n, scratch);
					}
					dt = check_now() - t0;
					best[which] = dt < best[which] ? dt : best[which];
				}
			}
			printf("%-8s M %4lld N %5lld K %4lld: %8.1f GFLOP/s %6.1f GB/s of weights; float32 %8.1f, int8 %8.1f GFLOP/s\n", loom_dtype_name(some[t]),
				(long long)m, (long long)n, (long long)k, 2.0 * (double)(m * n * k) / best[0] * 1e-9, (double)w.q.q.bytes / best[0] * 1e-9,
				2.0 * (double)(m * n * k) / best[1] * 1e-9, 2.0 * (double)(m * n * k) / best[2] * 1e-9);
			close_matrix(&w);
		}
		free(x);
		free(y);
		loom_pages_free(bytes, (size_t)m * loom_int8_stride(k));
	}
	loom_pool_free(pool);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_give_the_bits_of_float32), cmocka_unit_test(codes_give_the_bits_of_float32),
		cmocka_unit_test(nested_scales_give_the_bits_of_float32), cmocka_unit_test(int8_is_one_definition_and_near), cmocka_unit_test(llm_int8_is_its_definition_in_any_batch),
		cmocka_unit_test(they_are_about_as_large_as_in_their_files)};

	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		bench();
		return 0;
	}
	return cmocka_run_group_tests_name("packq", tests, NULL, NULL);
}
