/* qwen3_vl.c: the text tower of Qwen3-VL: Qwen 3. Its rotation has sections for pictures; of text all sections turn by the same positions. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("32", "4096", "32", "151936", "22016"), USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "32"),
	KEY(D_HEAD, "head_dim", "128"), KEY(N_CTX, "max_position_embeddings", "128000"), KEY(ROPE_THETA, "rope_theta", "500000"),
	KEY(TIED, "tie_word_embeddings", "false"), ALWAYS(QK_NORM, "head"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_qwen3_vl = {
	.name = "qwen3_vl",
	.types = "qwen3_vl_text|qwen3_vl",
	.architectures = "Qwen3VLForConditionalGeneration|Qwen3VLTextModel|Qwen3VLModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "vision_config|image_token_id|video_token_id|vision_start_token_id|vision_end_token_id",
	.roles = {LLAMA_NAMES, LLAMA_QK_NORM},
	.blocks = blocks,
};
