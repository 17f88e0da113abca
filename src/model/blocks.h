/* blocks.h: a block program is a small array of steps; a tap is a step like any other. plan.c unrolls it for each layer. Steps whose feature
 * a layer lacks (q/k norm, rotation, clipping) give no op. No control flow: it must not become a language. */
#ifndef LOOM_BLOCKS_H
#define LOOM_BLOCKS_H

#include "loom_backend.h"
#include "roles.h"

/* Buffers of a step, [T, width] each. */
#define LOOM_SLOT_LIST(X) \
	X(RESID, "resid")   /* the stream, D */ \
	X(X, "x")           /* the stream through a norm, D */ \
	X(QKV, "qkv")       /* queries, keys, values */ \
	X(HEADS, "heads")   /* what the heads give, H d */ \
	X(SUB, "sub")       /* what a sub-layer adds, D */ \
	X(SUB2, "sub2")     /* the same of a parallel block's feed-forward */ \
	X(FFN, "ffn")       /* gate and up */ \
	X(ACT, "act")       /* after the activation, F */ \
	X(EMBED, "embed")   /* embeddings narrower than the stream */ \
	X(GATHERED, "gathered") X(NARROW, "narrow") X(LOGITS, "logits") /* rows whose logits are wanted */
enum loom_slot {
#define X(id, word) LOOM_SLOT_##id,
	LOOM_SLOT_LIST(X)
#undef X
	LOOM_N_SLOT,
	LOOM_SLOT_NONE = -1,
};

/* X(id, word, operands): r role, s site, then slots. */
#define LOOM_STEP_LIST(X) \
	X(TAP, "tap", "sa")              /* site, and where its value is when not in the usual place */ \
	X(NORM, "norm", "rao")           /* out = norm(a) with the role's weight */ \
	X(QKV, "qkv", "a")               /* qkv = a Wqkv */ \
	X(CLIP, "clip", "")              /* clip_qkv */ \
	X(QK_NORM, "qk_norm", "") X(ROTATE, "rotate", "") X(KV_STORE, "kv_store", "") X(ATTEND, "attend", "") \
	X(PROJECT, "project", "o")       /* out = heads Wo */ \
	X(FFN, "ffn", "a")               /* act = activation(a Wup), or gate(a Wgate) * a Wup */ \
	X(DOWN, "down", "o")             /* out = act Wdown */ \
	X(SCALE, "scale_residual", "a")  /* a *= residual_scale */ \
	X(ADD, "add", "abo")             /* out = a + b */
enum loom_step_kind {
	LOOM_STEP_END,
#define X(id, word, operands) LOOM_STEP_##id,
	LOOM_STEP_LIST(X)
#undef X
	LOOM_N_STEP
};
struct loom_step {
	enum loom_step_kind kind;
	enum loom_site site;
	enum loom_role role;
	enum loom_slot a, b, out; /* LOOM_SLOT_NONE: the usual place */
};
struct loom_block {
	const char *name;
	const struct loom_step *steps; /* up to LOOM_STEP_END */
};

/* Words of steps and their operands, for manifests. */
const char *loom_slot_name(enum loom_slot s);
const char *loom_step_name(enum loom_step_kind k);
const char *loom_step_operands(enum loom_step_kind k);

extern const struct loom_block loom_block_pre_norm, loom_block_pre_norm_rotate_first, loom_block_pre_norm_on_norm,
	loom_block_post_norm, loom_block_parallel, loom_block_parallel_two_norms, loom_block_sandwich, loom_block_post_sublayer;

#endif
