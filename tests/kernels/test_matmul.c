/* test_matmul.c: the matrix product: every instruction set, type, thread count and number of rows gives the bits of plain C, writes
 * nothing beside its output, and packs what it was given. --bench: GFLOP/s and bytes/s. */
#include "check.h"

#include <math.h>

#include "f16.h"
#include "matmul.h"
#include "mem.h"

static const enum loom_dtype types[] = {LOOM_F32, LOOM_F16, LOOM_BF16};

struct product {
	struct loom_packed w;
	size_t bytes;
	float *plain; /* [n, k] the weights as float32 */
	float *x, *bias, *scratch;
	int64_t m;
};

static void open_product(struct product *p, enum loom_dtype t, int64_t m, int64_t n, int64_t k, int threads)
{
	size_t count = (size_t)(n * k);
	uint16_t *half = malloc(count * 2);

	p->m = m;
	p->bytes = loom_packed_bytes(t, false, n, k);
	p->w = (struct loom_packed){.dtype = t, .n_row = n, .n_col = k, .data = loom_pages_alloc(p->bytes)};
	p->plain = malloc(count * sizeof(float));
	p->x = malloc((size_t)(m * k) * sizeof(float));
	p->bias = malloc((size_t)n * sizeof(float));
	p->scratch = loom_pages_alloc((size_t)threads * loom_matmul_scratch() * sizeof(float));
	assert_true(p->w.data && half && p->plain && p->x && p->bias && p->scratch);
	check_fill(p->plain, count, (uint64_t)(n * 7919 + k));
	check_fill(p->x, (size_t)(m * k), (uint64_t)(m * 31 + k));
	check_fill(p->bias, (size_t)n, (uint64_t)n);
	if (t == LOOM_F32) {
		loom_pack_rows(&p->w, 0, n, p->plain);
	} else {
		(t == LOOM_F16 ? loom_f32_to_f16_n : loom_f32_to_bf16_n)(p->plain, half, count);
		(t == LOOM_F16 ? loom_f16_to_f32_n : loom_bf16_to_f32_n)(half, p->plain, count);
		loom_pack_rows(&p->w, 0, n, half);
	}
	free(half);
}

static void close_product(struct product *p, int threads)
{
	loom_pages_free(p->w.data, p->bytes);
	loom_pages_free(p->scratch, (size_t)threads * loom_matmul_scratch() * sizeof(float));
	free(p->plain);
	free(p->x);
	free(p->bias);
}

/* The definition, from the numbers themselves. */
static float defined(const struct product *p, int64_t m, int64_t n, bool bias)
{
	int64_t k_n = p->w.n_col;
	float y = 0;

	for (int64_t k0 = 0; k0 < k_n; k0 += LOOM_KBLOCK) {
		float sum = 0;
		for (int64_t k = k0; k < k_n && k < k0 + LOOM_KBLOCK; k++) {
			sum = fmaf(p->x[m * k_n + k], p->plain[n * k_n + k], sum);
		}
		y = k0 == 0 ? sum : y + sum;
	}
	return bias ? y + p->bias[n] : y;
}

static void check_shape(enum loom_dtype t, int64_t m, int64_t n, int64_t k, bool bias)
{
	size_t ldy = (size_t)n + 3, count = (size_t)m * ldy;
	struct product p;

	open_product(&p, t, m, n, k, 3);
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		for (int threads = 1; threads <= 3; threads += 2) {
			struct loom_pool *pool = loom_pool_new(threads);
			float *y = check_guarded(count);
			loom_matmul(pool, (enum loom_isa)isa, &p.w, p.x, (size_t)k, m, bias ? p.bias : NULL, y, ldy, p.scratch);
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
	close_product(&p, 3);
}

static void odd_shapes_give_the_defined_bits(void **state)
{
	static const int64_t shapes[][3] = {{1, 1, 1}, {1, 47, 5}, {2, 48, 255}, {3, 49, 256}, {4, 95, 257}, {5, 96, 40}, {7, 97, 513},
		{8, 144, 64}, {9, 50, 300}, {17, 145, 33}, {131, 61, 70}};

	(void)state;
	for (size_t t = 0; t < 3; t++) {
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			check_shape(types[t], shapes[i][0], shapes[i][1], shapes[i][2], i % 2 == 0);
		}
	}
}

/* Products of several sizes in one run, as the experts of a layer are. */
static void many_at_once_are_each_alone(void **state)
{
	static const int64_t shapes[][3] = {{1, 96, 40}, {130, 50, 257}, {9, 1, 5}, {17, 145, 33}};
	struct product p[4];
	struct loom_product many[4];
	float *y[4];
	struct loom_pool *pool = loom_pool_new(3);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		open_product(&p[i], types[i % 3], shapes[i][0], shapes[i][1], shapes[i][2], 3);
		y[i] = check_guarded((size_t)(shapes[i][0] * shapes[i][1]));
	}
	for (int isa = 0; isa <= (int)loom_isa_best(); isa++) {
		for (size_t i = 0; i < 4; i++) {
			many[i] = (struct loom_product){.w = &p[i].w, .x = p[i].x, .bias = i % 2 ? p[i].bias : NULL, .y = y[i],
				.ldx = (size_t)shapes[i][2], .ldy = (size_t)shapes[i][1], .m = shapes[i][0]};
		}
		loom_matmul_many(pool, (enum loom_isa)isa, many, 4, p[0].scratch);
		for (size_t i = 0; i < 4; i++) {
			size_t n = (size_t)shapes[i][1];
			for (size_t at = 0; at < (size_t)shapes[i][0] * n; at++) {
				float want = defined(&p[i], (int64_t)(at / n), (int64_t)(at % n), i % 2 == 1);
				assert_memory_equal(&y[i][at], &want, sizeof(float));
			}
			check_canaries(y[i], (size_t)(shapes[i][0] * shapes[i][1]));
		}
	}
	for (size_t i = 0; i < 4; i++) {
		close_product(&p[i], 3);
		check_guarded_free(y[i]);
	}
	loom_pool_free(pool);
}

static void packed_rows_come_back(void **state)
{
	struct product p;
	float row[70];

	(void)state;
	for (size_t t = 0; t < 3; t++) {
		open_product(&p, types[t], 1, 101, 70, 1);
		for (int64_t r = 0; r < 101; r++) {
			loom_packed_row(&p.w, r, row);
			assert_memory_equal(row, p.plain + r * 70, sizeof(row));
		}
		close_product(&p, 1);
	}
}

static void columns_pack_as_rows_do(void **state)
{
	struct product p;
	size_t n = 101, k = 70;
	float *turned = malloc(n * k * sizeof(float));

	(void)state;
	open_product(&p, LOOM_F32, 1, (int64_t)n, (int64_t)k, 1);
	for (size_t r = 0; r < n; r++) {
		for (size_t c = 0; c < k; c++) {
			turned[c * n + r] = p.plain[r * k + c];
		}
	}
	struct loom_packed other = p.w;
	other.data = loom_pages_alloc(p.bytes);
	assert_non_null(other.data);
	/* In two strips of columns, the way a loader's pieces come. */
	loom_pack_columns(&other, 0, (int64_t)n, 0, 33, turned);
	loom_pack_columns(&other, 0, (int64_t)n, 33, (int64_t)k - 33, turned + 33 * n);
	assert_memory_equal(other.data, p.w.data, p.bytes);
	loom_pages_free(other.data, p.bytes);
	free(turned);
	close_product(&p, 1);
}

/* What the machine's multiply-add units can do, in registers. */
static double peak_gflops(void)
{
#if defined(__x86_64__)
	/* The tile on a block that stays in the first-level cache: 8 rows, k 32. */
	struct product p;
	open_product(&p, LOOM_F32, 8, 48, 32, 1);
	float y[8 * 48];
	double best = 0;
	for (int rep = 0; rep < 20; rep++) {
		double t0 = check_now();
		for (int i = 0; i < 20000; i++) {
			loom_matmul(NULL, loom_isa_best(), &p.w, p.x, 32, 8, NULL, y, 48, p.scratch);
		}
		double g = 20000.0 * 2 * 8 * 48 * 32 / (check_now() - t0) * 1e-9;
		best = g > best ? g : best;
	}
	close_product(&p, 1);
	return best;
#else
	return 0;
#endif
}

static void bench(void)
{
	static const int64_t shapes[][3] = {{1, 1536, 576}, {1, 49152, 576}, {8, 1536, 576}, {64, 1536, 576}, {128, 3072, 576}, {512, 3072, 576},
		{512, 576, 1536}, {512, 4096, 4096}};

	printf("small block in cache, one thread: %.0f GFLOP/s (%s)\n", peak_gflops(), loom_isa_name(loom_isa_best()));
	for (int threads = 1; threads <= 2; threads++) {
		struct loom_pool *pool = loom_pool_new(threads);
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			for (size_t t = 0; t < 3; t += 2) {
				struct product p;
				int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
				open_product(&p, types[t], m, n, k, threads);
				float *y = malloc((size_t)(m * n) * sizeof(float));
				double best = 1e9;
				for (int rep = 0; rep < 15; rep++) {
					double t0 = check_now();
					loom_matmul(pool, loom_isa_best(), &p.w, p.x, (size_t)k, m, NULL, y, (size_t)n, p.scratch);
					double dt = check_now() - t0;
					best = dt < best ? dt : best;
				}
				printf("threads %d  %-8s M %4lld N %5lld K %4lld: %7.1f GFLOP/s  %6.1f GB/s of weights\n", threads,
					loom_dtype_name(types[t]), (long long)m, (long long)n, (long long)k,
					2.0 * (double)(m * n * k) / best * 1e-9, (double)p.bytes / best * 1e-9);
				free(y);
				close_product(&p, threads);
			}
		}
		loom_pool_free(pool);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(odd_shapes_give_the_defined_bits), cmocka_unit_test(packed_rows_come_back),
		cmocka_unit_test(many_at_once_are_each_alone),
		cmocka_unit_test(columns_pack_as_rows_do)};

	if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
		bench();
		return 0;
	}
	return cmocka_run_group_tests_name("matmul", tests, NULL, NULL);
}
