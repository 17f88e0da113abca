/* vaultgemma.c: VaultGemma: Gemma 2 without the norms after the sub-layers. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", "4"), KEY(D_HEAD, "head_dim", "256"),
	KEY(N_CTX, "max_position_embeddings", "8192"), KEY(TIED, "tie_word_embeddings", "true"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(ACT, "hidden_activation", "gelu_pytorch_tanh"), ALWAYS(NORM_ADD, "1"), ALWAYS(EMBED_SCALE, "sqrt(n_embd)"),
	KEY(QUERY_SCALAR, "query_pre_attn_scalar", "256"), KEY(WINDOW, "sliding_window", "4096"),
	KEY(ATTN_SOFTCAP, "attn_logit_softcapping", "50"), KEY(LOGIT_SOFTCAP, "final_logit_softcapping", "30"), END_KEYS};
static const struct loom_layer_rule layers[] = {SLIDING(LOOM_LAYER_WINDOW, NULL, "2"), END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_vaultgemma = {
	.name = "vaultgemma",
	.types = "vaultgemma",
	.architectures = "VaultGemmaForCausalLM|VaultGemmaModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.roles = {
		LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_MLP, LLAMA_HEAD, LLAMA_FINAL_NORM,
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", NULL},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.pre_feedforward_layernorm", NULL},
	},
	.blocks = blocks,
};
