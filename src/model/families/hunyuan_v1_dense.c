/* hunyuan_v1_dense.c: Hunyuan dense: norms on each head of q and k, after rotation. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"),
	ALWAYS(QK_NORM, "head"), ALWAYS(ROPE_ALPHA, "true"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), END_KEYS};
static const struct loom_key_rule rules[] = {{"use_qk_norm", "true"}, {"tie_word_embeddings", "true|false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_rotate_first}, END_BLOCKS};

const struct loom_family loom_family_hunyuan_v1_dense = {
	.name = "hunyuan_v1_dense",
	.types = "hunyuan_v1_dense",
	.architectures = "HunYuanDenseV1ForCausalLM|HunYuanDenseV1Model",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.ignored = "eod_token_id|pretraining_tp|im_end_id|im_newline_id|im_start_id|org_vocab_size|text_end_id|text_start_id|"
		"attention_head_dim|add_classification_head|class_num|pool_type|norm_type|mask_init_id|use_cla|cla_share_factor",
	.roles = {
		LLAMA_NAMES, [LOOM_ROLE_Q_NORM] = {"layers.%d.self_attn.query_layernorm", "blk.%d.attn_q_norm"},
		[LOOM_ROLE_K_NORM] = {"layers.%d.self_attn.key_layernorm", "blk.%d.attn_k_norm"},
	},
	.blocks = blocks,
	.gguf = "hunyuan-dense",
};
