/* int8.c: what the instruction sets share of compute "int8". See int8.h. */
#include "int8.h"

#include "matmul.h"

#define ROW_FLOATS 16384 /* quantized by a thread at once */

struct row_job {
	void (*row)(const float *x, int64_t n_col, void *dst);
	const float *x;
	char *dst;
	size_t ldx, stride;
	int64_t n_col, m, per_item;
};

size_t loom_int8_stride(int64_t n_col)
{
	size_t blocks = ((size_t)n_col + LOOM_CHUNK - 1) / LOOM_CHUNK;

	return (blocks * (LOOM_CHUNK + 8 * sizeof(float)) + 63) / 64 * 64 + 64;
}

bool loom_int8_can(const struct loom_packed *w)
{
	const struct loom_packq *q = &w->q;

	return q->codes != LOOM_CODES_NONE && q->codes != LOOM_CODES_RAW && q->codes != LOOM_CODES_FP8 && !q->per_k &&
		(q->group == 16 || q->group % LOOM_CHUNK == 0 || q->group >= w->n_col);
}

static void row_item(void *ctx, size_t item, int thread)
{
	const struct row_job *j = ctx;
	int64_t first = (int64_t)item * j->per_item, end = first + j->per_item < j->m ? first + j->per_item : j->m;

	(void)thread;
	for (int64_t r = first; r < end; r++) {
		j->row(j->x + (size_t)r * j->ldx, j->n_col, j->dst + (size_t)r * j->stride);
	}
}

void loom_int8_rows(struct loom_pool *pool, enum loom_isa isa, const float *x, size_t ldx, int64_t m, int64_t n_col, void *dst)
{
	struct row_job j = {.row = loom_int8_for(isa)->row, .x = x, .dst = dst, .ldx = ldx, .stride = loom_int8_stride(n_col), .n_col = n_col,
		.m = m, .per_item = ROW_FLOATS / n_col > 0 ? ROW_FLOATS / n_col : 1};
	size_t n = (size_t)((m + j.per_item - 1) / j.per_item);

	loom_pool_run(n > 1 ? pool : NULL, n, row_item, &j);
}
