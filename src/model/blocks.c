/* blocks.c: the block programs. See blocks.h. */
#include "blocks.h"

#define TAP(s) {LOOM_STEP_TAP, LOOM_SITE_##s}
#define STEP(s) {LOOM_STEP_##s, LOOM_SITE_HIDDEN}
/* From queries, keys and values to what attention adds: the same in every shape. */
#define ATTENTION \
	STEP(QKV), STEP(QK_NORM), STEP(ROTATE), TAP(Q), TAP(K), TAP(V), STEP(KV_STORE), STEP(ATTEND), TAP(ATTN_HEADS), \
	TAP(ATTN_PROBS), STEP(PROJECT), TAP(ATTN_OUT)
#define MLP STEP(FFN), TAP(MLP_ACT), STEP(DOWN), TAP(MLP_OUT)

/* Llama, Mistral, Qwen, GPT-2. */
static const struct loom_step pre_norm[] = {
	TAP(RESID_PRE), STEP(NORM_ATTN), TAP(ATTN_NORM), ATTENTION, STEP(ADD), TAP(RESID_MID),
	STEP(NORM_MLP), TAP(MLP_NORM), MLP, STEP(ADD), TAP(RESID_POST), STEP(END)};

/* BERT: the norm stands on the stream, after each addition. */
static const struct loom_step post_norm[] = {
	TAP(RESID_PRE), STEP(READ), ATTENTION, STEP(ADD), STEP(NORM_STREAM_ATTN), TAP(RESID_MID),
	STEP(READ), MLP, STEP(ADD), STEP(NORM_STREAM_MLP), TAP(RESID_POST), STEP(END)};

const struct loom_block loom_block_pre_norm = {"pre_norm", pre_norm};
const struct loom_block loom_block_post_norm = {"post_norm", post_norm};
