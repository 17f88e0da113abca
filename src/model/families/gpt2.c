/* gpt2.c: GPT-2: learned positions, layer norms, q|k|v in one matrix, matrices stored [in, out]. */
#include "family.h"

static const char *const architectures[] = {"GPT2LMHeadModel", "GPT2Model", NULL};
static const char *const prefixes[] = {"transformer.", "", NULL};
static const char *const head_suffixes[] = {"LMHeadModel", NULL};
static const struct loom_key_rule rules[] = {{"add_cross_attention", "false"}, {NULL, NULL}};

const struct loom_family loom_family_gpt2 = {
	.name = "gpt2",
	.architectures = architectures,
	.gguf = "gpt2",
	.prefixes = prefixes,
	.head_suffixes = head_suffixes,
	.rules = rules,
	.keys = {
		.n_layer = "n_layer", .n_embd = "n_embd", .n_head = "n_head", .n_ffn = "n_inner", .n_ctx = "n_positions",
		.n_vocab = "vocab_size", .eps = "layer_norm_epsilon", .act = "activation_function",
	},
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"wte", "token_embd"},
		[LOOM_ROLE_EMBED_POSITION] = {"wpe", "position_embd"},
		[LOOM_ROLE_ATTN_NORM] = {"h.%d.ln_1", "blk.%d.attn_norm"},
		[LOOM_ROLE_QKV] = {"h.%d.attn.c_attn", "blk.%d.attn_qkv"},
		[LOOM_ROLE_O] = {"h.%d.attn.c_proj", "blk.%d.attn_output"},
		[LOOM_ROLE_MLP_NORM] = {"h.%d.ln_2", "blk.%d.ffn_norm"},
		[LOOM_ROLE_UP] = {"h.%d.mlp.c_fc", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"h.%d.mlp.c_proj", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"ln_f", "output_norm"},
		[LOOM_ROLE_HEAD] = {"lm_head", "output"},
	},
	.block = &loom_block_pre_norm,
	.norm = LOOM_NORM_LAYER,
	.pos = LOOM_POS_LEARNED,
	.causal = true,
	.final_norm = true,
	.tied_default = true,
	.attn_bias = true,
	.attn_out_bias = true,
	.mlp_bias = true,
	.fused_qkv = true,
	.transposed = true,
	.scale_keys = true,
	.eps_default = 1e-5,
	.ffn_times = 4,
	.n_ctx_default = 1024,
	.act_default = "gelu_new",
};
