/* int8.c: what the instruction sets share of compute "int8". See int8.h. */
#include "int8.h"

#include "matmul.h"

#define LLM_COLUMNS 131072 /* whose sum of products of bytes fits 32 bits */
#define ROW_FLOATS 16384 /* quantized by a thread at once */

struct row_job {
	const struct loom_int8 *kern;
	bool llm;
	float threshold;
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
		const float *x = j->x + (size_t)r * j->ldx;
		if (j->llm) {
			j->kern->llm_row(x, j->n_col, j->threshold, j->dst + (size_t)r * j->stride);
		} else {
			j->kern->row(x, j->n_col, j->dst + (size_t)r * j->stride);
		}
	}
}

static void all_rows(struct loom_pool *pool, struct row_job *j)
{
	size_t n;

	j->per_item = ROW_FLOATS / j->n_col > 0 ? ROW_FLOATS / j->n_col : 1;
	n = (size_t)((j->m + j->per_item - 1) / j->per_item);
	loom_pool_run(n > 1 ? pool : NULL, n, row_item, j);
}

void loom_int8_rows(struct loom_pool *pool, enum loom_isa isa, const float *x, size_t ldx, int64_t m, int64_t n_col, void *dst)
{
	struct row_job j = {.kern = loom_int8_for(isa), .x = x, .dst = dst, .ldx = ldx, .stride = loom_int8_stride(n_col), .n_col = n_col, .m = m};

	all_rows(pool, &j);
}

size_t loom_llm8_stride(int64_t n_col)
{
	size_t chunks = ((size_t)n_col + LOOM_CHUNK - 1) / LOOM_CHUNK;

	return (chunks * LOOM_CHUNK + 16 + (size_t)n_col * 8 + 63) / 64 * 64 + 64;
}

bool loom_llm8_can(const struct loom_packed *w)
{
	const struct loom_packq *q = &w->q;

	return q->codes == LOOM_CODES_8 && q->combine == LOOM_COMBINE_TWO && q->scale == LOOM_F32 && !q->per_k && q->group >= w->n_col &&
		w->n_col <= LLM_COLUMNS;
}

void loom_llm8_rows(struct loom_pool *pool, enum loom_isa isa, const float *x, size_t ldx, int64_t m, int64_t n_col, float threshold, void *dst)
{
	struct row_job j = {.kern = loom_int8_for(isa), .llm = true, .threshold = threshold, .x = x, .dst = dst, .ldx = ldx,
		.stride = loom_llm8_stride(n_col), .n_col = n_col, .m = m};

	all_rows(pool, &j);
}
