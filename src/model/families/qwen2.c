/* qwen2.c: Qwen2 and 2.5: biases on q, k and v; a sliding window on the upper layers where the config switches it on. */
#include "family.h"

static const char *const architectures[] = {"Qwen2ForCausalLM", "Qwen2Model", NULL};
static const char *const prefixes[] = {"model.", "", NULL};
static const char *const head_suffixes[] = {"ForCausalLM", NULL};
static const struct loom_key_rule rules[] = {{NULL, NULL}};

const struct loom_family loom_family_qwen2 = {
	.name = "qwen2",
	.architectures = architectures,
	.gguf = "qwen2",
	.prefixes = prefixes,
	.head_suffixes = head_suffixes,
	.rules = rules,
	.keys = {
		.n_layer = "num_hidden_layers", .n_embd = "hidden_size", .n_head = "num_attention_heads", .n_head_kv = "num_key_value_heads",
		.d_head = "head_dim", .n_ffn = "intermediate_size", .n_ctx = "max_position_embeddings", .n_vocab = "vocab_size",
		.eps = "rms_norm_eps", .act = "hidden_act",
		.window = "sliding_window",
	},
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embed_tokens", "token_embd"},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", "blk.%d.attn_q"},
		[LOOM_ROLE_K] = {"layers.%d.self_attn.k_proj", "blk.%d.attn_k"},
		[LOOM_ROLE_V] = {"layers.%d.self_attn.v_proj", "blk.%d.attn_v"},
		[LOOM_ROLE_O] = {"layers.%d.self_attn.o_proj", "blk.%d.attn_output"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_GATE] = {"layers.%d.mlp.gate_proj", "blk.%d.ffn_gate"},
		[LOOM_ROLE_UP] = {"layers.%d.mlp.up_proj", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.down_proj", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"norm", "output_norm"},
		[LOOM_ROLE_HEAD] = {"lm_head", "output"},
	},
	.block = &loom_block_pre_norm,
	.norm = LOOM_NORM_RMS,
	.pos = LOOM_POS_ROTARY,
	.causal = true,
	.gated_ffn = true,
	.final_norm = true,
	.eps_default = 1e-6,
	.rope_theta_default = 10000.0,
	.act_default = "silu",
	.attn_bias = true,
	.window_by_layer = true,
	.n_ctx_default = 32768,
	.window_default = 4096,
	.window_layers_default = 28,
	.n_head_kv_default = 32,
};
