/* roof.c: measures roof.h's numbers: each thread runs the same loop, the best of several turns counts. */
#include "roof.h"

#include "clock.h"
#include "mem.h"
#include "threads.h"

#define TURNS 8
#define ROUNDS 1000000u
#define READ_BYTES ((size_t)256 << 20) /* beyond any cache */

struct turn {
	const struct loom_roof_kernels *kern;
	const float *data; /* NULL: multiply */
	size_t n_float;    /* a thread's share */
	_Atomic float sink;
};

static void one_share(void *ctx, size_t item, int thread)
{
	struct turn *t = ctx;

	(void)thread;
	t->sink = t->data ? t->kern->read(t->data + item * t->n_float, t->n_float) : t->kern->multiply(ROUNDS / t->kern->chains);
}

static double best_seconds(struct loom_pool *pool, struct turn *t)
{
	double best = 1e9;

	for (int i = 0; i < TURNS; i++) {
		double t0 = loom_clock_ms(), s;
		loom_pool_run(pool, (size_t)loom_pool_size(pool), one_share, t);
		s = (loom_clock_ms() - t0) * 1e-3;
		best = s < best ? s : best;
	}
	return best;
}

enum loom_status loom_cpu_roof(int n_thread, struct loom_roof *out, struct loom_err *err)
{
	static const struct loom_roof_kernels *const tables[LOOM_N_ISA] = {&loom_roof_ref, &loom_roof_avx2, &loom_roof_avx512};
	struct loom_pool *pool = loom_pool_new(n_thread > 0 ? n_thread : 1);
	float *data = loom_pages_alloc(READ_BYTES);
	enum loom_status rc = LOOM_OK;

	*out = (struct loom_roof){0};
	if (!pool || !data) {
		rc = loom_err_nomem(err, "measuring memory", READ_BYTES);
	} else {
		size_t threads = (size_t)loom_pool_size(pool);
		struct turn t = {.kern = tables[loom_isa_chosen()]};
		size_t vectors = ROUNDS / t.kern->chains * t.kern->chains; /* whole rounds */
		out->flops = (double)threads * 2 * 16 * (double)vectors / best_seconds(pool, &t);
		for (size_t i = 0; i < READ_BYTES / sizeof(float); i += 512) { /* real pages */
			data[i] = 1;
		}
		t.data = data;
		t.n_float = READ_BYTES / sizeof(float) / threads / 64 * 64;
		out->read_bytes = (double)(threads * t.n_float * sizeof(float)) / best_seconds(pool, &t);
	}
	loom_pages_free(data, READ_BYTES);
	loom_pool_free(pool);
	return rc;
}
