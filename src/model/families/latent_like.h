/* latent_like.h: rows that tables of latent attention share. */
#ifndef LOOM_LATENT_LIKE_H
#define LOOM_LATENT_LIKE_H

#include "moe_like.h"

#define LATENT \
	USUAL_SIZES, LLAMA_FEATURES, KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"), \
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(Q_RANK, "q_lora_rank", "1536"), KEY(KV_RANK, "kv_lora_rank", "512"), \
	KEY(D_NOPE, "qk_nope_head_dim", "128"), KEY(D_ROPE, "qk_rope_head_dim", "64"), KEY(D_VALUE, "v_head_dim", "128")
/* GGUF files hold the last matrix whole, or (newer ones) head by head, its keys' part turned. */
#define LATENT_NAMES \
	[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", "blk.%d.attn_q"}, [LOOM_ROLE_Q_A] = {"layers.%d.self_attn.q_a_proj", "blk.%d.attn_q_a"}, \
	[LOOM_ROLE_Q_A_NORM] = {"layers.%d.self_attn.q_a_layernorm", "blk.%d.attn_q_a_norm"}, \
	[LOOM_ROLE_Q_B] = {"layers.%d.self_attn.q_b_proj", "blk.%d.attn_q_b"}, \
	[LOOM_ROLE_KV_A] = {"layers.%d.self_attn.kv_a_proj_with_mqa", "blk.%d.attn_kv_a_mqa"}, \
	[LOOM_ROLE_KV_A_NORM] = {"layers.%d.self_attn.kv_a_layernorm", "blk.%d.attn_kv_a_norm"}, \
	[LOOM_ROLE_KV_B] = {"layers.%d.self_attn.kv_b_proj", "blk.%d.attn_kv_b"}, \
	[LOOM_ROLE_K_B] = {NULL, "blk.%d.attn_k_b"}, [LOOM_ROLE_V_B] = {NULL, "blk.%d.attn_v_b"}
/* One architecture stands for all of them: what tells them apart is how the router chooses. */
#define GGUF_LATENT \
	KEY(Q_RANK, "attention.q_lora_rank", "0"), KEY(KV_RANK, "attention.kv_lora_rank", NULL), ALWAYS(D_NOPE, "0"), \
	KEY(D_ROPE, "rope.dimension_count", NULL), KEY(D_HEAD, "attention.key_length_mla|attention.key_length", NULL), \
	KEY(D_VALUE, "attention.value_length_mla|attention.value_length", NULL), \
	MAPPED(ROUTER, "expert_gating_func", "softmax", "1=softmax|2=sigmoid"), MAPPED(CHOICE_BIAS, "stored.exp_probs_b", "false", "true=true"), \
	MAPPED(N_GROUP_BEST, "expert_gating_func", "1", "1=1|2=2"), MAPPED(ROUTER_NORM_ADD, "expert_gating_func", "0", "1=0|2=1e-20"), \
	KEY(ROUTER_NORM, "expert_weights_norm", "false"), KEY(N_EXPERT_GROUP, "expert_group_count", "0"), \
	KEY(N_EXPERT_GROUP_USED, "expert_group_used_count", "0"), ALWAYS(GROUP_LIMIT, "true"), MAPPED(N_SHARED, "expert_shared_count", "0", "0=0|*"), \
	MAPPED(N_EXPERT, "expert_count", "0", "0=0|*")

#endif
