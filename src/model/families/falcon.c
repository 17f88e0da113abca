/* falcon.c: Falcon 7B (one kv head), 40B (two norms, grouped queries), RW (ALiBi, one sub-layer after the other). */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "num_hidden_layers|n_layer", NULL), KEY(N_EMBD, "hidden_size", NULL), KEY(N_HEAD, "num_attention_heads|n_head", NULL),
	KEY(N_VOCAB, "vocab_size", NULL), MAPPED(N_FFN, "ffn_hidden_size", "4*n_embd", "null=4*n_embd|*"),
	{LOOM_F_N_HEAD_KV, "num_kv_heads|n_head_kv", NULL, NULL, "new_decoder_architecture"},
	{LOOM_F_N_HEAD_KV, "multi_query", "1", "true=1|false=0", "!new_decoder_architecture"}, KEY(N_CTX, "max_position_embeddings", "2048"),
	KEY(TIED, "tie_word_embeddings", "true"), KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"), KEY(ACT, "activation", "gelu"),
	KEY(ROPE_THETA, "rope_theta", "10000"), ALWAYS(NORM, "layer"), ALWAYS(QKV, "grouped"),
	MAPPED(POS, "alibi", "rotary", "true=alibi_bf16|false=rotary"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"),
	KEY(ATTN_BIAS, "bias", "false"), KEY(ATTN_OUT_BIAS, "bias", "false"), KEY(MLP_BIAS, "bias", "false"),
	KEY(MLP_DOWN_BIAS, "bias", "false"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_PARALLEL, FLAG, "parallel_attn", NULL, "true"),
	RULE(LOOM_LAYER_TWO_NORMS, IS, "num_ln_in_parallel_attn", "2", NULL),
	RULE(LOOM_LAYER_TWO_NORMS, FLAG, "new_decoder_architecture|stored.attn_norm_2", NULL, "false"), END_LAYERS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_PARALLEL | LOOM_LAYER_TWO_NORMS, &loom_block_parallel_two_norms},
	{LOOM_LAYER_PARALLEL, &loom_block_parallel}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_falcon = {
	.name = "falcon",
	.types = "falcon",
	.architectures = "FalconForCausalLM|FalconModel",
	.prefixes = "transformer.|",
	.keys = keys,
	.layers = layers,
	.ignored = "hidden_dropout|num_kv_heads|n_head_kv",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"word_embeddings", "token_embd"},
		[LOOM_ROLE_ATTN_NORM] = {"h.%d.input_layernorm|h.%d.ln_attn", "blk.%d.attn_norm_2|blk.%d.attn_norm"},
		[LOOM_ROLE_QKV] = {"h.%d.self_attention.query_key_value", "blk.%d.attn_qkv"},
		[LOOM_ROLE_O] = {"h.%d.self_attention.dense", "blk.%d.attn_output"},
		[LOOM_ROLE_MLP_NORM] = {"h.%d.post_attention_layernorm|h.%d.ln_mlp", "blk.%d.attn_norm"},
		[LOOM_ROLE_UP] = {"h.%d.mlp.dense_h_to_4h", "blk.%d.ffn_up"}, [LOOM_ROLE_DOWN] = {"h.%d.mlp.dense_4h_to_h", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"ln_f", "output_norm"}, LLAMA_HEAD,
	},
	.blocks = blocks,
	.gguf = "falcon",
};
