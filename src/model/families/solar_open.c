/* solar_open.c: Solar Open: Llama's attention, experts chosen as DeepSeek-V3 chooses in every layer. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "131072"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ROPE_THETA, "rope_theta", "1000000"), KEY(ROTARY_PART, "partial_rotary_factor|rope_parameters.partial_rotary_factor", "1"),
	DEEPSEEK_ROUTER, KEY(N_FFN_EXPERT, "moe_intermediate_size", "1280"), KEY(N_EXPERT, "n_routed_experts|num_local_experts", "128"),
	KEY(N_FFN, "intermediate_size", "n_ffn_expert"), END_KEYS};
static const struct loom_key_rule rules[] = {{"first_k_dense_replace", "0"}, {"use_qk_norm", "false"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_GATING, END_KEYS};
static const struct loom_layer_rule layers[] = {{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "leading_dense_block_count", NULL, "0", NULL}, END_LAYERS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_moe}, END_BLOCKS};

const struct loom_family loom_family_solar_open = {
	.name = "solar_open",
	.types = "solar_open",
	.architectures = "SolarOpenForCausalLM|SolarOpenModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED "|num_nextn_predict_layers|num_mtp_layers",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_FINAL_NORM, LLAMA_HEAD, MOE_ROUTER, MOE_CHOICE_BIAS, MOE_EXPERTS("mlp"),
		MOE_SHARED("shared_experts"), [LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"}},
	.blocks = blocks,
	.gguf = "glm4moe",
	.gguf_keys = gguf_keys,
};
