/* gemma3.c: Gemma 3, its text tower, and EmbeddingGemma: norms on q and k, five layers with a window and a rope of their own for one without. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("26", "2304", "8", "262208", "9216"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", "4"), KEY(D_HEAD, "head_dim", "256"), KEY(N_CTX, "max_position_embeddings", "131072"),
	KEY(TIED, "tie_word_embeddings", "true"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(ACT, "hidden_activation", "gelu_pytorch_tanh"), ALWAYS(NORM_ADD, "1"), ALWAYS(EMBED_SCALE, "sqrt(n_embd)"), ALWAYS(QK_NORM, "head"),
	KEY(QUERY_SCALAR, "query_pre_attn_scalar", "256"), KEY(WINDOW, "sliding_window", "4096"),
	KEY(ROPE_THETA, "rope_theta", "1000000"), KEY(ROPE_LOCAL_THETA, "rope_local_base_freq", "10000"),
	KEY(ATTN_SOFTCAP, "attn_logit_softcapping", NULL), KEY(LOGIT_SOFTCAP, "final_logit_softcapping", NULL),
	MAPPED(CAUSAL, "use_bidirectional_attention", "true", "true=false|false=true"),
	/* read in both directions, the window is half to each side */
	{LOOM_F_WINDOW, "sliding_window", NULL, "/2+1", "use_bidirectional_attention"}, END_KEYS};
static const struct loom_layer_rule layers[] = {
	SLIDING(LOOM_LAYER_WINDOW | LOOM_LAYER_LOCAL_ROPE, "sliding_window_pattern|_sliding_window_pattern|attention.sliding_window_pattern", "6"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_key gguf_keys[] = {
	/* Not in the file: the width of a head, but for the 27B model (62 layers). */
	MAPPED(QUERY_SCALAR, "block_count", NULL, "62=168|*=0"), MAPPED(CAUSAL, "gemma-embedding", NULL, "true=false"),
	{LOOM_F_WINDOW, "attention.sliding_window", NULL, "/2+1", "gemma-embedding"}, END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_sandwich}, END_BLOCKS};

const struct loom_family loom_family_gemma3 = {
	.name = "gemma3",
	.types = "gemma3_text|gemma3",
	.architectures = "Gemma3ForCausalLM|Gemma3TextModel|Gemma3ForConditionalGeneration|Gemma3Model",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = "hidden_act|cache_implementation",
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM, LLAMA_QK_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"},
		[LOOM_ROLE_ATTN_POST_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.post_attention_norm"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.pre_feedforward_layernorm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_MLP_POST_NORM] = {"layers.%d.post_feedforward_layernorm", "blk.%d.post_ffw_norm"},
	},
	.blocks = blocks,
	.gguf = "gemma3|gemma-embedding",
	.gguf_keys = gguf_keys,
};
