/* gemma2.c: Gemma 2: a norm before and after each sub-layer, capped scores and logits, a window on every other layer. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("26", "2304", "8", "256000", "9216"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", "4"), KEY(D_HEAD, "head_dim", "256"), KEY(N_CTX, "max_position_embeddings", "8192"),
	KEY(TIED, "tie_word_embeddings", "true"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(ACT, "hidden_activation", "gelu_pytorch_tanh"), ALWAYS(NORM_ADD, "1"), ALWAYS(EMBED_SCALE, "sqrt(n_embd)"),
	KEY(QUERY_SCALAR, "query_pre_attn_scalar", "256"), KEY(WINDOW, "sliding_window", "4096"),
	KEY(ATTN_SOFTCAP, "attn_logit_softcapping", "50"), KEY(LOGIT_SOFTCAP, "final_logit_softcapping", "30"),
	MAPPED(CAUSAL, "use_bidirectional_attention", "true", "true=false|false=true"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	SLIDING(LOOM_LAYER_WINDOW, NULL, "2"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_key gguf_keys[] = {
	/* Not in the file: the width of a head, but for the 27B model (46 layers). */
	MAPPED(QUERY_SCALAR, "block_count", NULL, "46=144|*=0"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_sandwich}, END_BLOCKS};

const struct loom_family loom_family_gemma2 = {
	.name = "gemma2",
	.types = "gemma2",
	.architectures = "Gemma2ForCausalLM|Gemma2Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = "hidden_act|cache_implementation",
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_ATTN_POST_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.pre_feedforward_layernorm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_MLP_POST_NORM] = {"layers.%d.post_feedforward_layernorm", "blk.%d.post_ffw_norm"},
	},
	.blocks = blocks,
	.gguf = "gemma2",
	.gguf_keys = gguf_keys,
};
