/* dots1.c: dots.llm1: Qwen 3's attention, dense layers first, then experts chosen as DeepSeek-V3 chooses. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "32"), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), ALWAYS(QK_NORM, "head"), KEY(WINDOW, "sliding_window", "4096"), DEEPSEEK_ROUTER,
	KEY(N_FFN_EXPERT, "moe_intermediate_size", "1408"), KEY(N_SHARED, "n_shared_experts", "0"), KEY(ROUTER_NORM, "norm_topk_prob", "false"),
	END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL), RULE(LOOM_LAYER_WINDOW, FROM, "max_window_layers", NULL, "62"),
	{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "first_k_dense_replace|leading_dense_block_count", NULL, "0", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_GATING, END_KEYS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_MOE, &loom_block_pre_norm_moe}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_dots1 = {
	.name = "dots1",
	.types = "dots1",
	.architectures = "Dots1ForCausalLM|Dots1Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED,
	.roles = {LLAMA_NAMES, LLAMA_QK_NORM, MOE_ROUTER, MOE_CHOICE_BIAS, MOE_EXPERTS("mlp"), MOE_SHARED("shared_experts")},
	.blocks = blocks,
	.gguf = "dots1",
	.gguf_keys = gguf_keys,
};
