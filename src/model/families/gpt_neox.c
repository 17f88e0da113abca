/* gpt_neox.c: GPT-NeoX and Pythia: attention and feed-forward in parallel through a norm each, q, k and v of each head together. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, ALWAYS(NORM, "layer"), ALWAYS(POS, "rotary"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), ALWAYS(QKV, "grouped"),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(NORM_EPS, "layer_norm_eps", "1e-5"),
	KEY(ACT, "hidden_act", "gelu"), KEY(ROPE_THETA, "rope_theta|rotary_emb_base", "10000"),
	KEY(ROTARY_PART, "partial_rotary_factor|rotary_pct", "0.25"),
	KEY(ATTN_BIAS, "attention_bias", "true"), KEY(ATTN_OUT_BIAS, "attention_bias", "true"),
	ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_PARALLEL, FLAG, "use_parallel_residual", NULL, "true"), END_LAYERS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_PARALLEL, &loom_block_parallel_two_norms}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_gpt_neox = {
	.name = "gpt_neox",
	.types = "gpt_neox",
	.architectures = "GPTNeoXForCausalLM|GPTNeoXModel",
	.prefixes = "gpt_neox.|",
	.keys = keys,
	.layers = layers,
	.ignored = "hidden_dropout|is_decoder|num_key_value_heads|head_dim",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embed_in", "token_embd"},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_QKV] = {"layers.%d.attention.query_key_value", "blk.%d.attn_qkv"},
		[LOOM_ROLE_O] = {"layers.%d.attention.dense", "blk.%d.attn_output"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_UP] = {"layers.%d.mlp.dense_h_to_4h", "blk.%d.ffn_up"}, [LOOM_ROLE_DOWN] = {"layers.%d.mlp.dense_4h_to_h", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"final_layer_norm", "output_norm"}, [LOOM_ROLE_HEAD] = {"/embed_out", "output"},
	},
	.blocks = blocks,
	.gguf = "gptneox",
	.gguf_head = true,
};
