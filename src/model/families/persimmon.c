/* persimmon.c: Persimmon and Fuyu: layer norms, also on each head of q and k, squared relu, half of each head rotated. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, ALWAYS(NORM, "layer"), KEY(NORM_EPS, "layer_norm_eps", "1e-5"), KEY(ACT, "hidden_act", "relu2"),
	ALWAYS(ATTN_BIAS, "true"), ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true"),
	KEY(N_CTX, "max_position_embeddings", "16384"), KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(QKV, "grouped"),
	ALWAYS(POS, "rotary"), KEY(ROPE_THETA, "rope_theta", "10000"), KEY(ROTARY_PART, "partial_rotary_factor", "0.5"),
	ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), MAPPED(QK_NORM, "qk_layernorm", "head", "true=head|false=none"),
	KEY(QK_NORM_BIAS, "qk_layernorm", "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_persimmon = {
	.name = "persimmon",
	.types = "persimmon",
	.architectures = "PersimmonForCausalLM|PersimmonModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "num_key_value_heads|hidden_dropout",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embed_tokens", NULL}, [LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", NULL},
		[LOOM_ROLE_QKV] = {"layers.%d.self_attn.query_key_value", NULL}, [LOOM_ROLE_O] = {"layers.%d.self_attn.dense", NULL},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", NULL}, [LOOM_ROLE_UP] = {"layers.%d.mlp.dense_h_to_4h", NULL},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.dense_4h_to_h", NULL}, [LOOM_ROLE_Q_NORM] = {"layers.%d.self_attn.q_layernorm", NULL},
		[LOOM_ROLE_K_NORM] = {"layers.%d.self_attn.k_layernorm", NULL}, [LOOM_ROLE_FINAL_NORM] = {"final_layernorm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head", NULL},
	},
	.blocks = blocks,
};
