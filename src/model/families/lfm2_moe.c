/* lfm2_moe.c: LFM2 with experts behind the first layers, chosen by sigmoids. */
#include "lfm2_like.h"

static const struct loom_key keys[] = {
	LFM2_KEYS, ALWAYS(ROUTER, "sigmoid"), KEY(CHOICE_BIAS, "use_expert_bias", "true"), KEY(ROUTER_NORM, "norm_topk_prob", "true"),
	ALWAYS(ROUTER_NORM_ADD, "1e-6"), KEY(ROUTER_SCALE, "routed_scaling_factor", "1"), KEY(N_FFN_EXPERT, "moe_intermediate_size", "1792"),
	KEY(N_EXPERT, "num_experts", "32"), KEY(N_EXPERT_USED, "num_experts_per_tok", "4"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_WORD, false, "layer_types", "conv", NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_FLAGS, true, "attention.head_count_kv", NULL, NULL, NULL},
	{LOOM_LAYER_MOE, LOOM_TEST_FROM, false, "num_dense_layers|leading_dense_block_count", NULL, "2", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"layer_types", "full_attention|conv"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_GATING, END_KEYS};
static const struct loom_block_choice blocks[] = {
	{LOOM_LAYER_MIXER | LOOM_LAYER_MOE, &loom_block_short_conv_moe}, {LOOM_LAYER_MIXER, &loom_block_short_conv},
	{LOOM_LAYER_MOE, &loom_block_pre_norm_moe}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_lfm2_moe = {
	.name = "lfm2_moe",
	.types = "lfm2_moe",
	.architectures = "Lfm2MoeForCausalLM|Lfm2MoeModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = MOE_IGNORED,
	.roles = {LFM2_NAMES, [LOOM_ROLE_ROUTER] = {"layers.%d.feed_forward.gate", "blk.%d.ffn_gate_inp"},
		[LOOM_ROLE_CHOICE_BIAS] = {"layers.%d.feed_forward.expert_bias", "blk.%d.exp_probs_b.bias"},
		[LOOM_ROLE_EXPERT_GATE] = {"layers.%d.feed_forward.experts.%h.w1", NULL},
		[LOOM_ROLE_EXPERT_UP] = {"layers.%d.feed_forward.experts.%h.w3", NULL},
		[LOOM_ROLE_EXPERT_DOWN] = {"layers.%d.feed_forward.experts.%h.w2", NULL},
		[LOOM_ROLE_EXPERTS_GATE_UP] = {"layers.%d.feed_forward.experts.gate_up_proj", NULL},
		[LOOM_ROLE_EXPERTS_GATE] = {NULL, "blk.%d.ffn_gate_exps.weight"}, [LOOM_ROLE_EXPERTS_UP] = {NULL, "blk.%d.ffn_up_exps.weight"},
		[LOOM_ROLE_EXPERTS_DOWN] = {"layers.%d.feed_forward.experts.down_proj", "blk.%d.ffn_down_exps.weight"}},
	.blocks = blocks,
	.gguf = "lfm2moe",
	.gguf_keys = gguf_keys,
};
