/* blocks.h: a block program is a small array of steps; a tap is a step like any other. plan.c unrolls it for each layer. Steps whose feature
 * a model lacks (q/k norm, rotation) give no op. No control flow: it must not become a language. */
#ifndef LOOM_BLOCKS_H
#define LOOM_BLOCKS_H

#include "loom_backend.h"

enum loom_step_kind {
	LOOM_STEP_END,
	LOOM_STEP_TAP,       /* site */
	LOOM_STEP_NORM_ATTN, /* x = norm(stream), what attention reads */
	LOOM_STEP_READ,      /* x = stream as it is (post-norm blocks): no op, later steps read the stream */
	LOOM_STEP_QKV, LOOM_STEP_QK_NORM, LOOM_STEP_ROTATE, LOOM_STEP_KV_STORE, LOOM_STEP_ATTEND,
	LOOM_STEP_PROJECT,   /* sub = heads Wo */
	LOOM_STEP_NORM_MLP, LOOM_STEP_FFN, LOOM_STEP_DOWN,
	LOOM_STEP_ADD,       /* stream += sub */
	LOOM_STEP_NORM_STREAM_ATTN, /* stream = norm(stream), after attention (post-norm) */
	LOOM_STEP_NORM_STREAM_MLP,
};
struct loom_step {
	enum loom_step_kind kind;
	enum loom_site site;
};
struct loom_block {
	const char *name;
	const struct loom_step *steps; /* up to LOOM_STEP_END */
};

extern const struct loom_block loom_block_pre_norm, loom_block_post_norm;

#endif
