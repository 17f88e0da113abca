/* bloom.c: BLOOM: ALiBi, a norm after the embeddings, q, k and v of each head together. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "n_layer|num_hidden_layers", NULL), KEY(N_EMBD, "hidden_size|n_embed", NULL),
	KEY(N_HEAD, "n_head|num_attention_heads", NULL), KEY(N_VOCAB, "vocab_size", NULL), ALWAYS(N_FFN, "4*n_embd"),
	KEY(N_CTX, "seq_length", "2048"), KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"), ALWAYS(ACT, "gelu_new"),
	KEY(TIED, "tie_word_embeddings", "true"), ALWAYS(NORM, "layer"), ALWAYS(POS, "alibi"), ALWAYS(CAUSAL, "true"),
	ALWAYS(FINAL_NORM, "true"), ALWAYS(EMBED_NORM, "true"), ALWAYS(QKV, "grouped"), ALWAYS(ATTN_BIAS, "true"),
	ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_NORM_RESID, FLAG, "apply_residual_connection_post_layernorm", NULL, "false"), END_LAYERS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_NORM_RESID, &loom_block_pre_norm_on_norm}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_bloom = {
	.name = "bloom",
	.types = "bloom",
	.architectures = "BloomForCausalLM|BloomModel",
	.prefixes = "transformer.|",
	.keys = keys,
	.layers = layers,
	.ignored = "hidden_dropout|pretraining_tp|slow_but_exact|attention_softmax_in_fp32|masked_softmax_fusion|"
		"bias_dropout_fusion|offset_alibi|unk_token_id|skip_bias_add|skip_bias_add_qkv|n_inner",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"word_embeddings", "token_embd"},
		[LOOM_ROLE_EMBED_NORM] = {"word_embeddings_layernorm", "token_embd_norm"},
		[LOOM_ROLE_ATTN_NORM] = {"h.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_QKV] = {"h.%d.self_attention.query_key_value", "blk.%d.attn_qkv"},
		[LOOM_ROLE_O] = {"h.%d.self_attention.dense", "blk.%d.attn_output"},
		[LOOM_ROLE_MLP_NORM] = {"h.%d.post_attention_layernorm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_UP] = {"h.%d.mlp.dense_h_to_4h", "blk.%d.ffn_up"}, [LOOM_ROLE_DOWN] = {"h.%d.mlp.dense_4h_to_h", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"ln_f", "output_norm"}, LLAMA_HEAD,
	},
	.blocks = blocks,
	.gguf = "bloom",
};
