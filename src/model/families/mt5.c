/* mt5.c: mT5's encoder: T5 with a gated feed-forward where the config does not say. */
#include "t5_like.h"

static const struct loom_key keys[] = {T5_KEYS("true", "gelu_new"), END_KEYS};
static const struct loom_key_rule rules[] = {T5_RULES, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_T5, END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_mt5 = {
	.name = "mt5",
	.types = "mt5",
	.architectures = "MT5EncoderModel|MT5Model|MT5ForConditionalGeneration",
	.prefixes = "|transformer.",
	.keys = keys,
	.ignored = T5_IGNORED,
	.roles = {T5_NAMES, [LOOM_ROLE_REL_BIAS] = {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias", "enc.blk.0.attn_rel_b"}},
	.rules = rules,
	.blocks = blocks,
	.gguf = "t5encoder",
	.gguf_keys = gguf_keys,
};
