/* xglm.c: XGLM: sinusoidal positions that start at 2 and are computed, embeddings scaled by the root of their width. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "num_layers|num_hidden_layers", NULL), KEY(N_EMBD, "d_model|hidden_size", NULL),
	KEY(N_HEAD, "attention_heads|num_attention_heads", NULL), KEY(N_VOCAB, "vocab_size", NULL), KEY(N_FFN, "ffn_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), ALWAYS(POS_OFFSET, "2"), KEY(ACT, "activation_function", "gelu"),
	ALWAYS(EMBED_SCALE, "sqrt(n_embd)"), KEY(EMBED_SCALED, "scale_embedding", "true"), KEY(TIED, "tie_word_embeddings", "true"),
	ALWAYS(NORM, "layer"), ALWAYS(POS, "sinusoid"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), ALWAYS(ATTN_BIAS, "true"),
	ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_xglm = {
	.name = "xglm",
	.types = "xglm",
	.architectures = "XGLMForCausalLM|XGLMModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "dropout|activation_dropout|layerdrop|init_std",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embed_tokens", NULL}, [LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", NULL},
		[LOOM_ROLE_K] = {"layers.%d.self_attn.k_proj", NULL}, [LOOM_ROLE_V] = {"layers.%d.self_attn.v_proj", NULL},
		[LOOM_ROLE_O] = {"layers.%d.self_attn.out_proj", NULL}, [LOOM_ROLE_ATTN_NORM] = {"layers.%d.self_attn_layer_norm", NULL},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.final_layer_norm", NULL}, [LOOM_ROLE_UP] = {"layers.%d.fc1", NULL},
		[LOOM_ROLE_DOWN] = {"layers.%d.fc2", NULL}, [LOOM_ROLE_FINAL_NORM] = {"layer_norm", NULL}, [LOOM_ROLE_HEAD] = {"/lm_head", NULL},
	},
	.blocks = blocks,
};
