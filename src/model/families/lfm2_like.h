/* lfm2_like.h: rows that the tables of LFM2 share word for word. */
#ifndef LOOM_LFM2_LIKE_H
#define LOOM_LFM2_LIKE_H

#include "moe_like.h"

#define LFM2_KEYS \
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "norm_eps", "1e-5"), KEY(ROPE_THETA, "rope_theta", "1e6"), \
	KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(N_CTX, "max_position_embeddings", "128000"), \
	KEY(TIED, "tie_word_embeddings|tie_embedding", "true"), ALWAYS(QK_NORM, "head"), ALWAYS(ACT, "silu"), KEY(N_TAP, "conv_L_cache", "3"), \
	KEY(CONV_BIAS, "conv_bias", "false"), KEY(MIXER_BIAS, "conv_bias", "false")
#define LFM2_NAMES \
	LLAMA_EMBED, LLAMA_QKV, [LOOM_ROLE_O] = {"layers.%d.self_attn.out_proj", "blk.%d.attn_output"}, \
	[LOOM_ROLE_Q_NORM] = {"layers.%d.self_attn.q_layernorm", "blk.%d.attn_q_norm"}, \
	[LOOM_ROLE_K_NORM] = {"layers.%d.self_attn.k_layernorm", "blk.%d.attn_k_norm"}, \
	[LOOM_ROLE_ATTN_NORM] = {"layers.%d.operator_norm", "blk.%d.attn_norm"}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.ffn_norm", "blk.%d.ffn_norm"}, \
	[LOOM_ROLE_MIX_IN] = {"layers.%d.conv.in_proj", "blk.%d.shortconv.in_proj"}, [LOOM_ROLE_MIX_CONV] = {"layers.%d.conv.conv", "blk.%d.shortconv.conv"}, \
	[LOOM_ROLE_MIX_OUT] = {"layers.%d.conv.out_proj", "blk.%d.shortconv.out_proj"}, [LOOM_ROLE_GATE] = {"layers.%d.feed_forward.w1", "blk.%d.ffn_gate"}, \
	[LOOM_ROLE_UP] = {"layers.%d.feed_forward.w3", "blk.%d.ffn_up"}, [LOOM_ROLE_DOWN] = {"layers.%d.feed_forward.w2", "blk.%d.ffn_down"}, \
	[LOOM_ROLE_FINAL_NORM] = {"embedding_norm", "token_embd_norm"}, LLAMA_HEAD

#endif
