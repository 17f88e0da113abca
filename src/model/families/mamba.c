/* mamba.c: Mamba: a selective scan in each layer and nothing else. */
#include "mamba_like.h"

static const struct loom_key keys[] = {MAMBA_KEYS("layer_norm_epsilon"), END_KEYS};
static const struct loom_key_rule rules[] = {MAMBA_RULES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_scan}, END_BLOCKS};

const struct loom_family loom_family_mamba = {
	.name = "mamba",
	.types = "mamba",
	.architectures = "MambaForCausalLM|MambaModel",
	.prefixes = "backbone.|",
	.keys = keys,
	.rules = rules,
	.ignored = MAMBA_IGNORED,
	.roles = {MAMBA_NAMES},
	.blocks = blocks,
	.gguf = "mamba",
};
