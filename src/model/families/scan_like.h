/* scan_like.h: rows that tables with Mamba 2's scan by heads share. */
#ifndef LOOM_SCAN_LIKE_H
#define LOOM_SCAN_LIKE_H

#include "moe_like.h"

/* No limit to the steps of time, as every checkpoint has it. */
#define SCAN_RULES {"time_step_limit", "0|1e+308|Infinity"}
#define SCAN_IGNORED \
	"residual_in_fp32|rescale_prenorm_residual|time_step_min|time_step_max|time_step_floor|time_step_rank|chunk_size|mamba_chunk_size|" \
	"norm_before_gate|rms_norm|use_mamba_kernels"
#define SCAN_NAMES(in) \
	[LOOM_ROLE_MIX_IN] = {"layers.%d." in ".in_proj", "blk.%d.ssm_in"}, [LOOM_ROLE_MIX_CONV] = {"layers.%d." in ".conv1d", "blk.%d.ssm_conv1d"}, \
	[LOOM_ROLE_MIX_A] = {"layers.%d." in ".A_log", "blk.%d.ssm_a"}, [LOOM_ROLE_MIX_D] = {"layers.%d." in ".D", "blk.%d.ssm_d"}, \
	[LOOM_ROLE_MIX_DT_BIAS] = {"layers.%d." in ".dt_bias", "blk.%d.ssm_dt.bias"}, [LOOM_ROLE_MIX_NORM] = {"layers.%d." in ".norm", "blk.%d.ssm_norm"}, \
	[LOOM_ROLE_MIX_OUT] = {"layers.%d." in ".out_proj", "blk.%d.ssm_out"}
/* Its sizes in GGUF files: the heads are called the rank of dt; their width is what is left of the inner size. */
#define GGUF_SCAN KEY(N_SCAN, "ssm.time_step_rank", NULL), KEY(N_SCAN_GROUP, "ssm.group_count", NULL), ALWAYS(D_SCAN, "0")
/* The sizes in Bamba's names. */
#define BAMBA_SCAN(groups, state) \
	KEY(N_SCAN, "mamba_n_heads", "128"), MAPPED(D_SCAN, "mamba_d_head", NULL, "auto=0|*"), KEY(N_SCAN_GROUP, "mamba_n_groups", groups), \
	KEY(D_STATE, "mamba_d_state", state), KEY(N_TAP, "mamba_d_conv", "4"), KEY(EXPAND, "mamba_expand", "2"), \
	KEY(CONV_BIAS, "mamba_conv_bias", "true"), KEY(MIXER_BIAS, "mamba_proj_bias", "false")

#endif
