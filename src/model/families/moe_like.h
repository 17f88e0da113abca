/* moe_like.h: rows that tables of mixtures of experts share. */
#ifndef LOOM_MOE_LIKE_H
#define LOOM_MOE_LIKE_H

#include "llama_like.h"

/* Experts stored one by one (as transformers 4 wrote them) or all in one tensor (5, GGUF). */
#define MOE_EXPERTS(block) \
	[LOOM_ROLE_EXPERT_GATE] = {"layers.%d." block ".experts.%h.gate_proj", NULL}, \
	[LOOM_ROLE_EXPERT_UP] = {"layers.%d." block ".experts.%h.up_proj", NULL}, \
	[LOOM_ROLE_EXPERT_DOWN] = {"layers.%d." block ".experts.%h.down_proj", NULL}, \
	[LOOM_ROLE_EXPERTS_GATE_UP] = {"layers.%d." block ".experts.gate_up_proj", NULL}, \
	[LOOM_ROLE_EXPERTS_GATE] = {NULL, "blk.%d.ffn_gate_exps.weight"}, [LOOM_ROLE_EXPERTS_UP] = {NULL, "blk.%d.ffn_up_exps.weight"}, \
	[LOOM_ROLE_EXPERTS_DOWN] = {"layers.%d." block ".experts.down_proj", "blk.%d.ffn_down_exps.weight"}
/* Mixtral's names of the same. */
#define MIXTRAL_EXPERTS \
	[LOOM_ROLE_ROUTER] = {"layers.%d.block_sparse_moe.gate|layers.%d.mlp.gate|layers.%d.mlp.router", "blk.%d.ffn_gate_inp"}, \
	[LOOM_ROLE_EXPERT_GATE] = {"layers.%d.block_sparse_moe.experts.%h.w1|layers.%d.mlp.experts.%h.w1", NULL}, \
	[LOOM_ROLE_EXPERT_UP] = {"layers.%d.block_sparse_moe.experts.%h.w3|layers.%d.mlp.experts.%h.w3", NULL}, \
	[LOOM_ROLE_EXPERT_DOWN] = {"layers.%d.block_sparse_moe.experts.%h.w2|layers.%d.mlp.experts.%h.w2", NULL}, \
	[LOOM_ROLE_EXPERTS_GATE_UP] = {"layers.%d.mlp.experts.gate_up_proj|layers.%d.block_sparse_moe.experts.gate_up_proj", NULL}, \
	[LOOM_ROLE_EXPERTS_GATE] = {NULL, "blk.%d.ffn_gate_exps.weight"}, [LOOM_ROLE_EXPERTS_UP] = {NULL, "blk.%d.ffn_up_exps.weight"}, \
	[LOOM_ROLE_EXPERTS_DOWN] = {"layers.%d.mlp.experts.down_proj|layers.%d.block_sparse_moe.experts.down_proj", \
		"blk.%d.ffn_down_exps.weight"}
#define MOE_ROUTER [LOOM_ROLE_ROUTER] = {"layers.%d.mlp.gate", "blk.%d.ffn_gate_inp"}
#define MOE_CHOICE_BIAS [LOOM_ROLE_CHOICE_BIAS] = {"layers.%d.mlp.gate.e_score_correction_bias", "blk.%d.exp_probs_b.bias"}
#define MOE_SHARED(name) \
	[LOOM_ROLE_SHARED_GATE] = {"layers.%d.mlp." name ".gate_proj", "blk.%d.ffn_gate_shexp"}, \
	[LOOM_ROLE_SHARED_UP] = {"layers.%d.mlp." name ".up_proj", "blk.%d.ffn_up_shexp"}, \
	[LOOM_ROLE_SHARED_DOWN] = {"layers.%d.mlp." name ".down_proj", "blk.%d.ffn_down_shexp"}
/* How a GGUF file says which function makes probabilities of the router's numbers. */
#define GGUF_GATING MAPPED(ROUTER, "expert_gating_func", NULL, "1=softmax|2=sigmoid")
/* What the configuration classes of all of them have besides. */
#define MOE_IGNORED "output_router_logits|router_aux_loss_coef|router_jitter_noise"

/* Experts in each decoder_sparse_step-th layer that is not in mlp_only_layers. */
#define SPARSE_STEP_LAYERS \
	{LOOM_LAYER_MOE, LOOM_TEST_EVERY, false, "decoder_sparse_step", NULL, "1", NULL}, \
	{LOOM_LAYER_DENSE, LOOM_TEST_LISTED, false, "mlp_only_layers", NULL, NULL, NULL}
#define SPARSE_STEP_BLOCKS \
	{LOOM_LAYER_DENSE, &loom_block_pre_norm}, {LOOM_LAYER_MOE, &loom_block_pre_norm_moe}, {0, &loom_block_pre_norm}

/* DeepSeek-V3's router and those that follow it: sigmoids, a correction bias, groups worth their two best. */
#define DEEPSEEK_ROUTER \
	ALWAYS(ROUTER, "sigmoid"), ALWAYS(CHOICE_BIAS, "true"), ALWAYS(GROUP_LIMIT, "true"), ALWAYS(N_GROUP_BEST, "2"), \
	ALWAYS(ROUTER_NORM_ADD, "1e-20"), KEY(N_FFN_EXPERT, "moe_intermediate_size", NULL), KEY(N_EXPERT_USED, "num_experts_per_tok", "8"), \
	KEY(N_EXPERT, "n_routed_experts|num_local_experts|num_experts", NULL), KEY(N_SHARED, "n_shared_experts", "1"), \
	KEY(N_EXPERT_GROUP, "n_group", "1"), KEY(N_EXPERT_GROUP_USED, "topk_group", "1"), KEY(ROUTER_NORM, "norm_topk_prob", "true"), \
	KEY(ROUTER_SCALE, "routed_scaling_factor", "1")

#endif
