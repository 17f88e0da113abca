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
	X(GATE, "gate")     /* of the heads' results, H d */ \
	X(Q_LOW, "q_low") X(KV_LOW, "kv_low") X(K_NOPE, "k_nope") /* latent attention: ranks, and keys without positions */ \
	X(MIX_IN, "mix_in") X(MIX_GATES, "mix_gates") X(MIX_A, "mix_a") X(MIX_B, "mix_b") X(MIX_DT, "mix_dt") /* other mixers */ \
	X(ROUTER, "router") X(CHOSEN, "chosen") X(MIX, "mix") /* logits, then probabilities; experts and weights; a shared expert's gate */ \
	X(EMBED, "embed")   /* embeddings narrower than the stream */ \
	X(ADAPT_LOW, "adapt_low") X(ADAPT, "adapt") /* low-rank adapters: between their two matrices, and what they add */ \
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
	X(QK_NORM, "qk_norm", "") X(ROTATE, "rotate", "") X(TEMPER, "temper", "") X(KV_STORE, "kv_store", "") X(ATTEND, "attend", "") \
	X(PROJECT, "project", "o")       /* out = heads Wo */ \
	X(FFN, "ffn", "a")               /* act = activation(a Wup), or gate(a Wgate) * a Wup */ \
	X(DOWN, "down", "o")             /* out = act Wdown */ \
	X(LATENT, "latent", "a")         /* qkv of latent attention, rotated, by way of the low ranks */ \
	X(GATE_HEADS, "gate_heads", "a") /* heads *= sigmoid(a Wgate) */ \
	X(SHORT_CONV, "short_conv", "ao") X(SCAN, "scan", "ao") X(SCAN_HEADS, "scan_heads", "ao") X(DELTA, "delta", "ao") /* out = another mixer of a */ \
	X(ROUTE, "route", "a")           /* which experts a uses, and their weights */ \
	X(EXPERTS, "experts", "ao")      /* out = what the chosen experts make of a */ \
	X(SHARED, "shared", "ao")        /* out += what the shared experts make of a */ \
	X(SCALE, "scale_residual", "a")  /* a *= residual_scale */ \
	X(SCALE_IN, "scale_attn_in", "a") X(SCALE_OUT, "scale_attn_out", "a") X(SCALE_SCAN, "scale_scan_out", "a") /* a *= those */ \
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

extern const struct loom_block loom_block_pre_norm, loom_block_pre_norm_rotate_first, loom_block_pre_norm_on_norm, loom_block_latent,
	loom_block_latent_moe, loom_block_short_conv, loom_block_short_conv_moe, loom_block_scan, loom_block_delta, loom_block_delta_moe,
	loom_block_gated, loom_block_gated_moe, loom_block_pre_norm_moe, loom_block_pre_norm_moe_clip_last, loom_block_post_norm,
	loom_block_parallel, loom_block_parallel_two_norms, loom_block_sandwich, loom_block_post_sublayer, loom_block_gated_sandwich,
	loom_block_gated_sandwich_moe, loom_block_pre_norm_inner, loom_block_scan_beside, loom_block_pre_norm_bare,
	loom_block_pre_norm_rotate_first_moe, loom_block_post_sublayer_moe, loom_block_scan_heads, loom_block_scan_heads_ffn,
	loom_block_scan_heads_moe, loom_block_scan_ffn, loom_block_scan_moe, loom_block_attend_only, loom_block_ffn_only, loom_block_moe_only;

#endif
