/* mamba.c: Mamba and Falcon-Mamba: a selective scan in each layer and nothing else; Falcon's has norms on dt, B and C. */
#include "moe_like.h"

#define MAMBA_KEYS(eps) \
	KEY(N_LAYER, "num_hidden_layers|n_layer", NULL), KEY(N_EMBD, "hidden_size|d_model", NULL), KEY(N_VOCAB, "vocab_size", NULL), \
	ALWAYS(N_HEAD, "1"), ALWAYS(N_CTX, "1048576"), ALWAYS(NORM, "rms"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), \
	ALWAYS(HIDDEN_AFTER, "true"), \
	KEY(NORM_EPS, eps, "1e-5"), KEY(ACT, "hidden_act", "silu"), KEY(TIED, "tie_word_embeddings", "true"), \
	KEY(D_STATE, "state_size", "16"), KEY(EXPAND, "expand", "2"), KEY(D_INNER, "intermediate_size", NULL), \
	KEY(N_FFN, "intermediate_size", "2*n_embd"), KEY(N_TAP, "conv_kernel", "4"), KEY(CONV_BIAS, "use_conv_bias", "true"), \
	KEY(MIXER_BIAS, "use_bias", "false"), MAPPED(DT_RANK, "time_step_rank", NULL, "auto=0|*")
#define MAMBA_NAMES \
	[LOOM_ROLE_EMBED_TOKEN] = {"embeddings|embedding", NULL}, [LOOM_ROLE_ATTN_NORM] = {"layers.%d.norm", NULL}, \
	[LOOM_ROLE_MIX_IN] = {"layers.%d.mixer.in_proj", NULL}, [LOOM_ROLE_MIX_CONV] = {"layers.%d.mixer.conv1d", NULL}, \
	[LOOM_ROLE_MIX_X] = {"layers.%d.mixer.x_proj", NULL}, [LOOM_ROLE_MIX_DT] = {"layers.%d.mixer.dt_proj", NULL}, \
	[LOOM_ROLE_MIX_A] = {"layers.%d.mixer.A_log", NULL}, [LOOM_ROLE_MIX_D] = {"layers.%d.mixer.D", NULL}, \
	[LOOM_ROLE_MIX_OUT] = {"layers.%d.mixer.out_proj", NULL}, [LOOM_ROLE_FINAL_NORM] = {"norm_f", NULL}, LLAMA_HEAD

#define MAMBA_IGNORED \
	"residual_in_fp32|rescale_prenorm_residual|time_step_scale|time_step_min|time_step_max|time_step_init_scheme|time_step_floor|" \
	"max_position_embeddings|num_attention_heads|num_key_value_heads|use_mambapy|use_associative_scan|use_falcon_mambapy|ssm_cfg|fused_add_norm|pad_vocab_size_multiple|rms_norm|layer_types"

static const struct loom_key keys[] = {MAMBA_KEYS("layer_norm_epsilon"), END_KEYS};
static const struct loom_key falcon_keys[] = {MAMBA_KEYS("layer_norm_epsilon"), ALWAYS(SCAN_NORM, "rms"),
	KEY(SCAN_EPS, "mixer_rms_eps", "1e-6"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_scan}, END_BLOCKS};

const struct loom_family loom_family_mamba = {
	.name = "mamba",
	.types = "mamba",
	.architectures = "MambaForCausalLM|MambaModel",
	.prefixes = "backbone.|",
	.keys = keys,
	.ignored = MAMBA_IGNORED,
	.roles = {MAMBA_NAMES},
	.blocks = blocks,
};
const struct loom_family loom_family_falcon_mamba = {
	.name = "falcon_mamba",
	.types = "falcon_mamba",
	.architectures = "FalconMambaForCausalLM|FalconMambaModel",
	.prefixes = "backbone.|",
	.keys = falcon_keys,
	.ignored = MAMBA_IGNORED,
	.roles = {MAMBA_NAMES},
	.blocks = blocks,
};
