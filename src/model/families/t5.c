/* t5.c: T5's encoder (FLAN-T5, sentence-T5, GTR, Instructor): the first layer's table of distances serves all. */
#include "t5_like.h"

static const struct loom_key keys[] = {T5_KEYS("false", "relu"), END_KEYS};
static const struct loom_key_rule rules[] = {T5_RULES, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_T5, END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_t5 = {
	.name = "t5",
	.types = "t5",
	.architectures = "T5EncoderModel|T5Model|T5ForConditionalGeneration|T5WithLMHeadModel",
	.prefixes = "|transformer.",
	.keys = keys,
	.ignored = T5_IGNORED,
	.roles = {T5_NAMES, [LOOM_ROLE_REL_BIAS] = {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias", "enc.blk.%d.attn_rel_b|enc.blk.0.attn_rel_b"}},
	.rules = rules,
	.blocks = blocks,
	.gguf = "t5encoder|t5",
	.gguf_keys = gguf_keys,
};
