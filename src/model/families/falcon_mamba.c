/* falcon_mamba.c: Falcon-Mamba: Mamba with norms on dt, B and C. */
#include "mamba_like.h"

static const struct loom_key keys[] = {MAMBA_KEYS("layer_norm_epsilon"), ALWAYS(SCAN_NORM, "rms"),
	KEY(SCAN_EPS, "mixer_rms_eps", "1e-6"), END_KEYS};
static const struct loom_key_rule rules[] = {MAMBA_RULES, END_RULES};
static const struct loom_key gguf_keys[] = {MAPPED(SCAN_NORM, "ssm.dt_b_c_rms", NULL, "true=rms|false=plain"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_scan}, END_BLOCKS};

const struct loom_family loom_family_falcon_mamba = {
	.name = "falcon_mamba",
	.types = "falcon_mamba",
	.architectures = "FalconMambaForCausalLM|FalconMambaModel",
	.prefixes = "backbone.|",
	.keys = keys,
	.rules = rules,
	.ignored = MAMBA_IGNORED,
	.roles = {MAMBA_NAMES},
	.blocks = blocks,
	.gguf = "mamba:ssm.dt_b_c_rms",
	.gguf_keys = gguf_keys,
};
