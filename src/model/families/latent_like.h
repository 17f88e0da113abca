/* latent_like.h: rows that tables of latent attention share. */
#ifndef LOOM_LATENT_LIKE_H
#define LOOM_LATENT_LIKE_H

#include "moe_like.h"

#define LATENT \
	USUAL_SIZES, LLAMA_FEATURES, KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"), \
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(Q_RANK, "q_lora_rank", "1536"), KEY(KV_RANK, "kv_lora_rank", "512"), \
	KEY(D_NOPE, "qk_nope_head_dim", "128"), KEY(D_ROPE, "qk_rope_head_dim", "64"), KEY(D_VALUE, "v_head_dim", "128")
#define LATENT_NAMES \
	[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", NULL}, [LOOM_ROLE_Q_A] = {"layers.%d.self_attn.q_a_proj", NULL}, \
	[LOOM_ROLE_Q_A_NORM] = {"layers.%d.self_attn.q_a_layernorm", NULL}, [LOOM_ROLE_Q_B] = {"layers.%d.self_attn.q_b_proj", NULL}, \
	[LOOM_ROLE_KV_A] = {"layers.%d.self_attn.kv_a_proj_with_mqa", NULL}, \
	[LOOM_ROLE_KV_A_NORM] = {"layers.%d.self_attn.kv_a_layernorm", NULL}, [LOOM_ROLE_KV_B] = {"layers.%d.self_attn.kv_b_proj", NULL}

#endif
