/* granitemoehybrid.c: Granite 4: Granite with Mamba 2's scans in most layers; experts and a shared one, or that one alone. */
#include "scan_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(EMBED_SCALE, "embedding_multiplier", "1"),
	KEY(ATTN_SCALE, "attention_multiplier", "1"), KEY(RESIDUAL_SCALE, "residual_multiplier", "1"), KEY(LOGIT_DIVIDE, "logits_scaling", "1"),
	MAPPED(POS, "position_embedding_type", "none", "rope=rotary|nope=none|null=none"), KEY(N_FFN_EXPERT, "intermediate_size", "11008"),
	KEY(N_FFN, "shared_intermediate_size", "1024"), KEY(N_FFN_SHARED, "shared_intermediate_size", "1024"), ALWAYS(FUSED_GATE, "true"),
	ALWAYS(ROUTER, "topk_softmax"), MAPPED(N_EXPERT, "num_local_experts", "8", "0=0|*"), MAPPED(N_EXPERT_USED, "num_experts_per_tok", "2", "0=0|*"),
	BAMBA_SCAN("1", "256"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_WORD, false, "layer_types|layers_block_type", "linear_attention|mamba", NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_FLAGS, true, "attention.head_count_kv", NULL, NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_FROM, false, NULL, NULL, "0", NULL},
	{LOOM_LAYER_DENSE, LOOM_TEST_IS, false, "num_local_experts|expert_count", "0", NULL, NULL},
	{LOOM_LAYER_DENSE, LOOM_TEST_FROM, false, NULL, NULL, "0", "granitehybrid"}, END_LAYERS};
static const struct loom_key_rule rules[] = {SCAN_RULES, {"layer_types", "linear_attention|full_attention|mamba|attention"},
	{"normalization_function", "rmsnorm"}, END_RULES};
static const struct loom_key gguf_keys[] = {
	{LOOM_F_N_FFN_EXPERT, "feed_forward_length", NULL, NULL, "expert_count"}, GGUF_SCAN, KEY(LOGIT_DIVIDE, "logit_scale", NULL),
	KEY(ATTN_SCALE, "attention.scale", "0"), MAPPED(POS, "rope.scaling.finetuned", NULL, "true=rotary|false=none"), END_KEYS};
static const struct loom_block_choice blocks[] = {
	{LOOM_LAYER_MIXER | LOOM_LAYER_DENSE, &loom_block_scan_heads_ffn}, {LOOM_LAYER_MIXER, &loom_block_scan_heads_moe},
	{LOOM_LAYER_DENSE, &loom_block_pre_norm}, {0, &loom_block_pre_norm_moe}, END_BLOCKS};

const struct loom_family loom_family_granitemoehybrid = {
	.name = "granitemoehybrid",
	.types = "granitemoehybrid",
	.architectures = "GraniteMoeHybridForCausalLM|GraniteMoeHybridModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = SCAN_IGNORED "|" MOE_IGNORED "|init_method",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_HEAD, SCAN_NAMES("mamba"),
		[LOOM_ROLE_GATE_UP] = {"layers.%d.shared_mlp.input_linear", NULL}, [LOOM_ROLE_GATE] = {NULL, "blk.%d.ffn_gate"},
		[LOOM_ROLE_UP] = {NULL, "blk.%d.ffn_up"}, [LOOM_ROLE_DOWN] = {"layers.%d.shared_mlp.output_linear", "blk.%d.ffn_down"},
		[LOOM_ROLE_SHARED_GATE_UP] = {"layers.%d.shared_mlp.input_linear", NULL},
		[LOOM_ROLE_SHARED_GATE] = {NULL, "blk.%d.ffn_gate_shexp"}, [LOOM_ROLE_SHARED_UP] = {NULL, "blk.%d.ffn_up_shexp"},
		[LOOM_ROLE_SHARED_DOWN] = {"layers.%d.shared_mlp.output_linear", "blk.%d.ffn_down_shexp"},
		[LOOM_ROLE_ROUTER] = {"layers.%d.block_sparse_moe.router.layer|layers.%d.block_sparse_moe.router", "blk.%d.ffn_gate_inp"},
		[LOOM_ROLE_EXPERTS_GATE_UP] = {"layers.%d.block_sparse_moe.input_linear.weight|layers.%d.block_sparse_moe.experts.gate_up_proj", NULL},
		[LOOM_ROLE_EXPERTS_GATE] = {NULL, "blk.%d.ffn_gate_exps.weight"}, [LOOM_ROLE_EXPERTS_UP] = {NULL, "blk.%d.ffn_up_exps.weight"},
		[LOOM_ROLE_EXPERTS_DOWN] = {"layers.%d.block_sparse_moe.output_linear.weight|layers.%d.block_sparse_moe.experts.down_proj",
			"blk.%d.ffn_down_exps.weight"}},
	.blocks = blocks,
	.gguf = "granitehybrid",
	.gguf_keys = gguf_keys,
	.gguf_permuted = true,
};
