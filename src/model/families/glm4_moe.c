/* glm4_moe.c: GLM-4.5: dense layers first, then experts chosen as DeepSeek-V3 chooses; half of each head is rotated. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_HEAD_KV, "num_key_value_heads", "8"),
	KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "131072"), KEY(TIED, "tie_word_embeddings", "false"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ROTARY_PART, "partial_rotary_factor|rope_parameters.partial_rotary_factor", "0.5"),
	MAPPED(QK_NORM, "use_qk_norm", "none", "true=head|false=none"), DEEPSEEK_ROUTER, END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "first_k_dense_replace|leading_dense_block_count", NULL, "1", NULL}, END_LAYERS};
static const struct loom_key gguf_keys[] = {MAPPED(QK_NORM, "stored.attn_q_norm", NULL, "true=head"), GGUF_GATING, END_KEYS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MOE, &loom_block_pre_norm_moe}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_glm4_moe = {
	.name = "glm4_moe",
	.types = "glm4_moe",
	.architectures = "Glm4MoeForCausalLM|Glm4MoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.ignored = MOE_IGNORED "|num_nextn_predict_layers|num_mtp_layers",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM, LLAMA_QK_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"},
		 MOE_ROUTER, MOE_CHOICE_BIAS, MOE_EXPERTS("mlp"), MOE_SHARED("shared_experts")},
	.blocks = blocks,
	.gguf = "glm4moe",
	.gguf_keys = gguf_keys,
};
