/* attn.h: softmax attention of a few query rows over one kv head's pages. Online softmax by blocks of LOOM_PAGE keys from position 0
 * (docs/numerics.md): a row's bits depend on its own query and the keys it sees, on nothing else. No T x T matrix is formed. */
#ifndef LOOM_ATTN_H
#define LOOM_ATTN_H

#include <stddef.h>
#include <stdint.h>

#include "cpu_isa.h"

#define LOOM_ATTN_ROWS 16 /* rows in one call, so that a page is read from memory once for all of them */

/* One kv head: page p's keys are at base + pages[p] * page_stride, [d][LOOM_PAGE]; its values follow at v_offset, [LOOM_PAGE][dv]. */
struct loom_attn_kv {
	const float *base;
	const int32_t *pages;
	size_t page_stride, v_offset; /* floats */
	int32_t d, dv;                /* width of a key, of a value */
	float scale, softcap;         /* score = scale * q.k, then softcap * tanh(score / softcap) unless softcap is 0 */
	/* NULL, or [d][rel_stride]: q . column of rel_key + key . column of rel_query is added to q.k; the column is the row's for the key */
	const float *rel_key, *rel_query;
	size_t rel_stride;
};
struct loom_attn_row {
	const float *q;    /* [d] */
	float *out;        /* [dv] */
	int32_t lo, hi;    /* sees keys lo .. hi-1; hi > lo */
	/* The column of key k, in the bias below and in kv's rel_ tables: that of the first key of its sixteen, plus its place among them. The first
	 * one's is k + at, but at least 0 and at most last; tables have 16 columns from there on, or as many as there are keys. */
	int32_t at, last;
	const float *bias; /* NULL, or: bias[column] - bias_base is added to the score */
	float bias_base;
	const float *sink; /* NULL, or a score that takes its share of the softmax and gives no value */
};
struct loom_attn {
	void (*attend)(const struct loom_attn_kv *kv, const struct loom_attn_row *rows, int n);
	/* out [n_key]: the row's probabilities, 0 where it does not see; without the sink's, so that they sum to less than 1 beside one. */
	void (*probs)(const struct loom_attn_kv *kv, const struct loom_attn_row *row, int32_t n_key, float *out);
};

extern const struct loom_attn loom_attn_ref, loom_attn_avx2, loom_attn_avx512;
const struct loom_attn *loom_attn_for(enum loom_isa isa);

#endif
