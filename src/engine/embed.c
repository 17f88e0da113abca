/* embed.c: the rows of a text's tokens to its vector: pooling, normalizing, dimensions, in the order of sentence-transformers: the
 * model's own normalizing stands before the cut to `dimensions`, the one that a client asks for after it. */
#include "engine_internal.h"

#include <string.h>

#include "pooling.h"

enum loom_status loom_job_embedding(struct loom_job *j, struct loom_capture *c, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	struct loom_answer *a = j->answer;
	struct loom_capture_shape s;
	int64_t *positions = NULL;
	enum loom_status st = loom_capture_finish(c, j->seq.n_id, &a->arena, &s, &positions, err);
	if (st)
		return st;
	int64_t width = s.width, keep = q->dimensions > 0 ? q->dimensions : width;
	bool own = q->normalize < 0 && j->r->opened.st.present && j->r->opened.st.normalize, after = q->normalize > 0;
	a->n_row = j->pooling == LOOM_POOL_NONE ? s.n_position : 1;
	a->width = keep;
	a->pooling = j->pooling;
	a->normalized = after || (own && keep == width);
	a->embedding = loom_arena_alloc(&a->arena, (size_t)(a->n_row * width), sizeof *a->embedding);
	if (!a->embedding)
		return loom_err_nomem(err, "an embedding", (unsigned long long)(a->n_row * width) * sizeof *a->embedding);
	st = loom_pool_rows(j->pooling, c->data, s.n_position, width, a->embedding, err);
	if (st)
		return st;
	for (int64_t i = 0; i < a->n_row; i++) {
		float *row = a->embedding + i * keep;
		if (own)
			loom_l2_normalize(a->embedding + i * width, width);
		memmove(row, a->embedding + i * width, (size_t)keep * sizeof *row);
		if (after)
			loom_l2_normalize(row, keep);
	}
	return LOOM_OK;
}
