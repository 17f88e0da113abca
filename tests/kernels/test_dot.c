/* test_dot.c: the bfloat16 product of compute "bf16": every table, number of rows and threads gives the bits of dot_ref.c, which are those of
 * the definition, among denormals too; nothing is written beside the output. --bench: GFLOP/s. */
#include "check.h"

#include <math.h>

#include "dot.h"
#include "f16.h"
#include "matmul.h"
#include "mem.h"

struct product {
	struct loom_packed w;
	size_t bytes;
	uint16_t *plain; /* [n, k] */
	float *x, *bias;
	uint16_t *rounded;
	int64_t m;
};

static void open_product(struct product *p, int64_t m, int64_t n, int64_t k, float scale)
{
	size_t count = (size_t)(n * k), rows = (size_t)(m * k);
	float *wide = malloc(count * sizeof(float));

	p->m = m;
	p->bytes = loom_packed_bytes(LOOM_BF16, true, n, k);
	p->w = (struct loom_packed){.dtype = LOOM_BF16, .n_row = n, .n_col = k, .data = loom_pages_alloc(p->bytes), .paired = true};
	p->plain = malloc(count * sizeof(*p->plain));
	p->x = malloc(rows * sizeof(float));
	p->bias = malloc((size_t)n * sizeof(float));
	p->rounded = malloc((size_t)m * loom_round_stride(k) * sizeof(*p->rounded));
	assert_true(p->w.data && wide && p->plain && p->x && p->bias && p->rounded);
	check_fill(wide, count, (uint64_t)(n * 7919 + k));
	check_fill(p->x, rows, (uint64_t)(m * 31 + k));
	check_fill(p->bias, (size_t)n, (uint64_t)n);
	for (size_t i = 0; i < rows; i++) {
		p->x[i] *= scale;
	}
	for (size_t i = 0; i < count; i++) {
		wide[i] *= scale;
	}
	loom_f32_to_bf16_n(wide, p->plain, count);
	loom_pack_rows(&p->w, 0, n, p->plain);
	free(wide);
}

static void close_product(struct product *p)
{
	loom_pages_free(p->w.data, p->bytes);
	free(p->plain);
	free(p->x);
	free(p->bias);
	free(p->rounded);
}

static float flushed(float x)
{
	return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

/* Scaled up, the sum is rounded as if exponents had no end: that says what is tiny. */
static float step(float sum, float x, float w)
{
	float r = fmaf(flushed(x), flushed(w), sum);

	return fabsf(fmaf(flushed(x) * 0x1p64f, flushed(w), sum * 0x1p64f)) < 0x1p-62f ? copysignf(0, r) : r;
}

static float defined(const struct product *p, int64_t m, int64_t n, bool bias)
{
	int64_t k_n = p->w.n_col;
	const float *x = p->x + m * k_n;
	const uint16_t *w = p->plain + n * k_n;
	float y = 0;

	for (int64_t k0 = 0; k0 < k_n; k0 += LOOM_KBLOCK) {
		float sum = 0;
		for (int64_t k = k0; k < k_n && k < k0 + LOOM_KBLOCK; k += 2) {
			if (k + 1 < k_n) {
				sum = step(sum, loom_bf16_to_f32(loom_f32_to_bf16(x[k + 1])), loom_bf16_to_f32(w[k + 1]));
			}
			sum = step(sum, loom_bf16_to_f32(loom_f32_to_bf16(x[k])), loom_bf16_to_f32(w[k]));
		}
		y = k0 == 0 ? sum : y + sum;
	}
	return bias ? y + p->bias[n] : y;
}

static void check_shape(int64_t m, int64_t n, int64_t k, float scale, bool bias)
{
	size_t ldy = (size_t)n + 3, count = (size_t)m * ldy;
	struct product p;

	open_product(&p, m, n, k, scale);
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		for (int threads = 1; threads <= 3; threads += 2) {
			struct loom_pool *pool = loom_pool_new(threads);
			float *y = check_guarded(count);
			loom_matmul_round(pool, p.x, (size_t)k, m, k, p.rounded);
			loom_matmul_dot(pool, (enum loom_isa)isa, &p.w, p.rounded, m, bias ? p.bias : NULL, y, ldy);
			for (int64_t r = 0; r < m; r++) {
				for (int64_t c = 0; c < n; c++) {
					float want = defined(&p, r, c, bias);
					assert_memory_equal(&y[(size_t)r * ldy + (size_t)c], &want, sizeof(float));
				}
				for (size_t c = (size_t)n; c < ldy && r + 1 < m; c++) { /* between rows */
					assert_int_equal(*(uint32_t *)(void *)&y[(size_t)r * ldy + c], 0xa5a5a5a5u);
				}
			}
			check_canaries(y, count);
			check_guarded_free(y);
			loom_pool_free(pool);
		}
	}
	close_product(&p);
}

static void odd_shapes_give_the_defined_bits(void **state)
{
	static const int64_t shapes[][3] = {{1, 1, 1}, {1, 47, 5}, {2, 48, 255}, {3, 49, 256}, {4, 95, 257}, {5, 96, 40}, {6, 10, 30}, {7, 97, 513},
		{8, 144, 64}, {9, 50, 300}, {17, 61, 33}};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		check_shape(shapes[i][0], shapes[i][1], shapes[i][2], 1, i % 2 == 0);
	}
}

static void denormals_count_as_zero(void **state)
{
	(void)state;
	check_shape(5, 50, 70, 0x1p-62f, false);  /* products around the smallest normal number */
	check_shape(5, 50, 70, 0x1p-64f, false);
	check_shape(3, 50, 70, 0x1p-126f, false); /* operands around it */
}

/* Each table by itself: AVX-512 normally runs the instruction, other machines the AVX2 one. */
static void tables_agree(void **state)
{
	const struct loom_dot *tables[] = {&loom_dot_avx2, &loom_dot_bf16};
	static uint16_t w[64 * LOOM_PANEL], x[LOOM_TILE * 64];
	float want[LOOM_TILE * LOOM_PANEL], got[LOOM_TILE * LOOM_PANEL];
	uint64_t seed = 5;

	(void)state;
	for (int turn = 0; turn < 200; turn++) {
		for (size_t i = 0; i < sizeof(w) / 2; i++) {
			w[i] = (uint16_t)((check_random(&seed) & 0x87ffu) + 0x3c00u - (unsigned)(turn % 16) * 0x200u);
		}
		for (size_t i = 0; i < sizeof(x) / 2; i++) {
			x[i] = (uint16_t)((check_random(&seed) & 0x87ffu) + 0x3c00u - (unsigned)(turn % 16) * 0x200u);
		}
		for (size_t r = 0; r < LOOM_TILE; r++) {
			loom_dot_ref.tile[0](w, 64, x + r * 64, 64, want + r * LOOM_PANEL, LOOM_PANEL, true, NULL);
		}
		for (size_t t = 0; t < 2; t++) {
			if ((t == 0 && loom_isa_best() < LOOM_ISA_AVX2) || (t == 1 && !loom_dot_native())) {
				continue;
			}
			for (int rows = 1; rows <= tables[t]->max_rows; rows++) {
				tables[t]->tile[rows - 1](w, 64, x, 64, got, LOOM_PANEL, true, NULL);
				assert_memory_equal(got, want, (size_t)rows * LOOM_PANEL * sizeof(float));
			}
		}
	}
}

static void rounding_is_to_nearest_even(void **state)
{
	float x[100];
	uint16_t y[100];
	uint64_t seed = 11;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		uint32_t u = check_random(&seed) << 1 | (check_random(&seed) & 1);
		u = i % 5 == 0 ? (u & 0xffff0000u) | 0x8000u : u; /* halfway */
		memcpy(&x[i], &u, sizeof(u));
	}
	x[3] = INFINITY;
	x[4] = -INFINITY;
	x[6] = NAN;
	x[7] = 3.4e38f;
	loom_f32_to_bf16_n(x, y, 100);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(y[i], loom_f32_to_bf16(x[i]));
	}
}

/* Transposed sources, and rows read back, of the paired layout. */
static void packing_in_pairs(void **state)
{
	struct product p;
	int64_t n = 101, k = 71;
	uint16_t *turned = malloc((size_t)(n * k) * sizeof(*turned));
	float row[71];

	(void)state;
	open_product(&p, 1, n, k, 1);
	for (int64_t r = 0; r < n; r++) {
		loom_packed_row(&p.w, r, row);
		for (int64_t c = 0; c < k; c++) {
			turned[c * n + r] = p.plain[r * k + c];
			assert_true(row[c] == loom_bf16_to_f32(p.plain[r * k + c]));
		}
	}
	struct loom_packed other = p.w;
	other.data = loom_pages_alloc(p.bytes);
	assert_non_null(other.data);
	loom_pack_columns(&other, 0, n, 0, 33, turned);
	loom_pack_columns(&other, 0, n, 33, k - 33, turned + 33 * n);
	assert_memory_equal(other.data, p.w.data, p.bytes);
	loom_pages_free(other.data, p.bytes);
	free(turned);
	close_product(&p);
}

static void bench(void)
{
	static const int64_t shapes[][3] = {{1, 49152, 576}, {8, 1536, 576}, {64, 1536, 576}, {512, 3072, 576}, {512, 576, 1536}, {512, 4096, 4096}};

	printf("instruction: %s\n", loom_dot_native() ? "yes" : "no");
	for (int threads = 1; threads <= 2; threads++) {
		struct loom_pool *pool = loom_pool_new(threads);
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			struct product p;
			int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
			open_product(&p, m, n, k, 1);
			float *y = malloc((size_t)(m * n) * sizeof(float));
			double best = 1e9;
			for (int rep = 0; rep < 15; rep++) {
				double t0 = check_now();
				loom_matmul_round(pool, p.x, (size_t)k, m, k, p.rounded);
				loom_matmul_dot(pool, loom_isa_best(), &p.w, p.rounded, m, NULL, y, (size_t)n);
				double dt = check_now() - t0;
				best = dt < best ? dt : best;
			}
			printf("threads %d  M %4lld N %5lld K %4lld: %7.1f GFLOP/s  %6.1f GB/s of weights\n", threads, (long long)m, (long long)n,
				(long long)k, 2.0 * (double)(m * n * k) / best * 1e-9, (double)p.bytes / best * 1e-9);
			free(y);
			close_product(&p);
		}
		loom_pool_free(pool);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(odd_shapes_give_the_defined_bits), cmocka_unit_test(denormals_count_as_zero),
		cmocka_unit_test(tables_agree), cmocka_unit_test(rounding_is_to_nearest_even), cmocka_unit_test(packing_in_pairs)};

	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		bench();
		return 0;
	}
	return cmocka_run_group_tests_name("dot", tests, NULL, NULL);
}
