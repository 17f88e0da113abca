/* gpt_oss.c: gpt-oss: a sink for each head, a window in every other layer, experts with biases and a clamped gate. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(ROPE_THETA, "rope_theta", "150000"),
	KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim", "64"), KEY(N_CTX, "max_position_embeddings", "131072"),
	KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "true"), KEY(ATTN_OUT_BIAS, "attention_bias", "true"),
	KEY(WINDOW, "sliding_window", "128"), ALWAYS(SINKS, "true"), ALWAYS(ROUTER, "topk_softmax"), ALWAYS(ROUTER_BIAS, "true"),
	ALWAYS(EXPERT_BIAS, "true"), ALWAYS(EXPERTS_TURNED, "true"), ALWAYS(EXPERT_GLU, "clamped"), KEY(GLU_LIMIT, "swiglu_limit", "7"),
	KEY(GLU_ALPHA, "swiglu_alpha", "1.702"), KEY(N_EXPERT, "num_local_experts|num_experts", "128"),
	KEY(N_EXPERT_USED, "num_experts_per_tok|experts_per_token", "4"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_WINDOW, LOOM_TEST_WORD, false, "layer_types", "sliding_attention", NULL, NULL},
	{LOOM_LAYER_WINDOW, LOOM_TEST_EVERY, true, NULL, NULL, "2", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"layer_types", "full_attention|sliding_attention"}, END_RULES};
static const struct loom_key gguf_keys[] = {ALWAYS(EXPERT_GLU, "clamped_halves"), ALWAYS(YARN_TRUNCATE, "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_moe}, END_BLOCKS};

const struct loom_family loom_family_gpt_oss = {
	.name = "gpt_oss",
	.types = "gpt_oss",
	.architectures = "GptOssForCausalLM|GptOssModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.rope = "{\"rope_type\":\"yarn\",\"factor\":32.0,\"beta_fast\":32.0,\"beta_slow\":1.0,\"truncate\":false,"
		"\"original_max_position_embeddings\":4096}",
	.ignored = MOE_IGNORED "|initial_context_length",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_FINAL_NORM, LLAMA_HEAD,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"},
		[LOOM_ROLE_SINKS] = {"layers.%d.self_attn.sinks", "blk.%d.attn_sinks.weight"},
		[LOOM_ROLE_ROUTER] = {"layers.%d.mlp.router", "blk.%d.ffn_gate_inp"},
		[LOOM_ROLE_EXPERTS_GATE_UP] = {"layers.%d.mlp.experts.gate_up_proj", NULL},
		[LOOM_ROLE_EXPERTS_GATE] = {NULL, "blk.%d.ffn_gate_exps.weight"}, [LOOM_ROLE_EXPERTS_UP] = {NULL, "blk.%d.ffn_up_exps.weight"},
		[LOOM_ROLE_EXPERTS_DOWN] = {"layers.%d.mlp.experts.down_proj", "blk.%d.ffn_down_exps.weight"},
		[LOOM_ROLE_EXPERTS_GATE_UP_BIAS] = {"layers.%d.mlp.experts.gate_up_proj_bias", NULL},
		[LOOM_ROLE_EXPERTS_GATE_BIAS] = {NULL, "blk.%d.ffn_gate_exps.bias"}, [LOOM_ROLE_EXPERTS_UP_BIAS] = {NULL, "blk.%d.ffn_up_exps.bias"},
		[LOOM_ROLE_EXPERTS_DOWN_BIAS] = {"layers.%d.mlp.experts.down_proj_bias", "blk.%d.ffn_down_exps.bias"}},
	.blocks = blocks,
	.gguf = "gpt-oss",
	.gguf_keys = gguf_keys,
};
