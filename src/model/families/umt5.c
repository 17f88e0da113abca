/* umt5.c: the encoder of uMT5: T5 with a table of distances in each layer. */
#include "t5_like.h"

static const struct loom_key keys[] = {T5_KEYS("true", "gelu_new"), ALWAYS(REL_EACH, "true"), END_KEYS};
static const struct loom_key_rule rules[] = {T5_RULES, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_T5, END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_umt5 = {
	.name = "umt5",
	.types = "umt5",
	.architectures = "UMT5EncoderModel|UMT5Model|UMT5ForConditionalGeneration",
	.prefixes = "|transformer.",
	.keys = keys,
	.ignored = T5_IGNORED,
	.roles = {T5_NAMES, [LOOM_ROLE_REL_BIAS] = {"encoder.block.%d.layer.0.SelfAttention.relative_attention_bias", "enc.blk.%d.attn_rel_b"}},
	.rules = rules,
	.blocks = blocks,
	.gguf = "t5encoder",
	.gguf_keys = gguf_keys,
};
