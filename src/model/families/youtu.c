/* youtu.c: Youtu-LLM: DeepSeek-V3's latent attention, dense feed-forwards. */
#include "latent_like.h"

static const struct loom_key keys[] = {
	LATENT, KEY(N_CTX, "max_position_embeddings", "131072"), KEY(TIED, "tie_word_embeddings", "true"),
	KEY(ROPE_INTERLEAVED, "rope_interleave", "true"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), END_KEYS};
/* of GGUF files only: all layers are dense */
static const struct loom_layer_rule layers[] = {RULE(LOOM_LAYER_MOE, FROM, "leading_dense_block_count", NULL, NULL), END_LAYERS};
static const struct loom_key gguf_keys[] = {GGUF_LATENT, END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_latent}, END_BLOCKS};

const struct loom_family loom_family_youtu = {
	.name = "youtu",
	.types = "youtu|youtu_llm",
	.architectures = "YoutuForCausalLM|YoutuModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.ignored = "pretraining_tp|num_key_value_heads|head_dim|qk_head_dim|embedding_initializer_range",
	.roles = {LLAMA_EMBED, LATENT_NAMES, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD},
	.blocks = blocks,
	.gguf = "deepseek2",
	.gguf_keys = gguf_keys,
};
