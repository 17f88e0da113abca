/* qwen2_vl.c: the text tower of Qwen2-VL and 2.5-VL. Its rotation has sections for pictures; of text all sections turn by the same positions. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("80", "8192", "64", "152064", "29568"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "32768"),
	KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(ROPE_THETA, "rope_theta", "1000000"),
	KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(ATTN_BIAS, "true"),
	KEY(WINDOW, "sliding_window", "4096"), KEY(USE_WINDOW, "use_sliding_window", "false"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_WINDOW, WORD, "layer_types", "sliding_attention", NULL),
	RULE(LOOM_LAYER_WINDOW, FROM, "max_window_layers", NULL, "80"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_qwen2_vl = {
	.name = "qwen2_vl",
	.types = "qwen2_vl_text|qwen2_5_vl_text|qwen2_vl|qwen2_5_vl",
	.architectures = "Qwen2VLForConditionalGeneration|Qwen2_5_VLForConditionalGeneration|Qwen2VLModel|Qwen2_5_VLModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = "vision_config|image_token_id|video_token_id|vision_start_token_id|vision_end_token_id|vision_token_id",
	.roles = {LLAMA_NAMES},
	.blocks = blocks,
};
