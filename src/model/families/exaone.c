/* exaone.c: EXAONE 3, 3.5 and Deep: Llama in words of their own, or in Llama's. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "num_hidden_layers|num_layers", NULL), KEY(N_EMBD, "hidden_size", NULL), KEY(N_HEAD, "num_attention_heads", NULL),
	KEY(N_VOCAB, "vocab_size", NULL), KEY(N_FFN, "intermediate_size", NULL), LLAMA_FEATURES, KEY(NORM_EPS, "rms_norm_eps|layer_norm_epsilon", "1e-5"),
	KEY(ACT, "hidden_act|activation_function", "silu"), KEY(ROPE_THETA, "rope_theta", "500000"), KEY(N_HEAD_KV, "num_key_value_heads", "8"),
	KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "4096"), KEY(TIED, "tie_word_embeddings", "false"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"),
	KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_exaone = {
	.name = "exaone",
	.types = "exaone",
	.architectures = "ExaoneForCausalLM|ExaoneModel",
	.prefixes = "transformer.|model.|",
	.keys = keys,
	.ignored = "embed_dropout|pretraining_tp",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"wte|embed_tokens", "token_embd"},
		[LOOM_ROLE_Q] = {"h.%d.attn.attention.q_proj|layers.%d.self_attn.q_proj", "blk.%d.attn_q"},
		[LOOM_ROLE_K] = {"h.%d.attn.attention.k_proj|layers.%d.self_attn.k_proj", "blk.%d.attn_k"},
		[LOOM_ROLE_V] = {"h.%d.attn.attention.v_proj|layers.%d.self_attn.v_proj", "blk.%d.attn_v"},
		[LOOM_ROLE_O] = {"h.%d.attn.attention.out_proj|layers.%d.self_attn.o_proj", "blk.%d.attn_output"},
		[LOOM_ROLE_ATTN_NORM] = {"h.%d.ln_1|layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_MLP_NORM] = {"h.%d.ln_2|layers.%d.post_attention_layernorm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_GATE] = {"h.%d.mlp.c_fc_0|layers.%d.mlp.gate_proj", "blk.%d.ffn_gate"},
		[LOOM_ROLE_UP] = {"h.%d.mlp.c_fc_1|layers.%d.mlp.up_proj", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"h.%d.mlp.c_proj|layers.%d.mlp.down_proj", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"ln_f|norm", "output_norm"}, LLAMA_HEAD},
	.blocks = blocks,
	.gguf = "exaone",
};
