/* mamba_like.h: rows that tables of selective scans share. */
#ifndef LOOM_MAMBA_LIKE_H
#define LOOM_MAMBA_LIKE_H

#include "llama_like.h"

#define MAMBA_KEYS(eps) \
	KEY(N_LAYER, "num_hidden_layers|n_layer", NULL), KEY(N_EMBD, "hidden_size|d_model", NULL), KEY(N_VOCAB, "vocab_size", NULL), \
	ALWAYS(N_HEAD, "1"), ALWAYS(N_CTX, "1048576"), ALWAYS(NORM, "rms"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), \
	ALWAYS(HIDDEN_AFTER, "true"), \
	KEY(NORM_EPS, eps, "1e-5"), KEY(ACT, "hidden_act", "silu"), KEY(TIED, "tie_word_embeddings", "true"), \
	KEY(D_STATE, "state_size", "16"), KEY(EXPAND, "expand", "2"), KEY(D_INNER, "intermediate_size", NULL), \
	KEY(N_FFN, "intermediate_size", "2*n_embd"), KEY(N_TAP, "conv_kernel", "4"), KEY(CONV_BIAS, "use_conv_bias", "true"), \
	KEY(MIXER_BIAS, "use_bias", "false"), MAPPED(DT_RANK, "time_step_rank", NULL, "auto=0|*")
#define MAMBA_NAMES \
	[LOOM_ROLE_EMBED_TOKEN] = {"embeddings|embedding", "token_embd"}, [LOOM_ROLE_ATTN_NORM] = {"layers.%d.norm", "blk.%d.attn_norm"}, \
	[LOOM_ROLE_MIX_IN] = {"layers.%d.mixer.in_proj", "blk.%d.ssm_in"}, [LOOM_ROLE_MIX_CONV] = {"layers.%d.mixer.conv1d", "blk.%d.ssm_conv1d"}, \
	[LOOM_ROLE_MIX_X] = {"layers.%d.mixer.x_proj", "blk.%d.ssm_x"}, [LOOM_ROLE_MIX_DT] = {"layers.%d.mixer.dt_proj", "blk.%d.ssm_dt"}, \
	[LOOM_ROLE_MIX_A] = {"layers.%d.mixer.A_log", "blk.%d.ssm_a"}, [LOOM_ROLE_MIX_D] = {"layers.%d.mixer.D", "blk.%d.ssm_d"}, \
	[LOOM_ROLE_MIX_OUT] = {"layers.%d.mixer.out_proj", "blk.%d.ssm_out"}, [LOOM_ROLE_FINAL_NORM] = {"norm_f", "output_norm"}, LLAMA_HEAD

/* transformers 5 divides loaded weights where rescale_prenorm_residual is set, which is of training: refused. */
#define MAMBA_RULES {"rescale_prenorm_residual", "false"}
#define MAMBA_IGNORED \
	"residual_in_fp32|time_step_scale|time_step_min|time_step_max|time_step_init_scheme|time_step_floor|" \
	"max_position_embeddings|num_attention_heads|num_key_value_heads|use_mambapy|use_associative_scan|use_falcon_mambapy|" \
	"ssm_cfg|fused_add_norm|pad_vocab_size_multiple|rms_norm|layer_types"

#endif
