/* gpt_neo.c: GPT-Neo: learned positions, scores without a scale, a window on every other layer. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "num_layers|num_hidden_layers", NULL), KEY(N_EMBD, "hidden_size", NULL),
	KEY(N_HEAD, "num_heads|num_attention_heads", NULL), KEY(N_VOCAB, "vocab_size", NULL),
	MAPPED(N_FFN, "intermediate_size", "4*n_embd", "null=4*n_embd|*"), KEY(N_CTX, "max_position_embeddings", "2048"),
	KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"), KEY(WINDOW, "window_size", "256"), KEY(ACT, "activation_function", "gelu_new"),
	KEY(TIED, "tie_word_embeddings", "true"), ALWAYS(ATTN_SCALED, "false"), ALWAYS(NORM, "layer"), ALWAYS(POS, "learned"),
	ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"),
	ALWAYS(MLP_DOWN_BIAS, "true"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_WINDOW, WORD, "attention_layers", "local", NULL), RULE(LOOM_LAYER_WINDOW, WORD, "attention_types", "local", NULL),
	RULE(LOOM_LAYER_WINDOW, EVERY, NULL, NULL, "2"), END_LAYERS};
static const struct loom_key_rule rules[] = {{"attention_layers", "global|local"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_gpt_neo = {
	.name = "gpt_neo",
	.types = "gpt_neo",
	.architectures = "GPTNeoForCausalLM|GPTNeoModel",
	.prefixes = "transformer.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = "resid_dropout|embed_dropout|summary_activation|summary_first_dropout|summary_proj_to_labels|summary_type|"
		"summary_use_proj|gradient_checkpointing",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"wte", NULL}, [LOOM_ROLE_EMBED_POSITION] = {"wpe", NULL}, [LOOM_ROLE_ATTN_NORM] = {"h.%d.ln_1", NULL},
		[LOOM_ROLE_Q] = {"h.%d.attn.attention.q_proj", NULL}, [LOOM_ROLE_K] = {"h.%d.attn.attention.k_proj", NULL},
		[LOOM_ROLE_V] = {"h.%d.attn.attention.v_proj", NULL}, [LOOM_ROLE_O] = {"h.%d.attn.attention.out_proj", NULL},
		[LOOM_ROLE_MLP_NORM] = {"h.%d.ln_2", NULL}, [LOOM_ROLE_UP] = {"h.%d.mlp.c_fc", NULL},
		[LOOM_ROLE_DOWN] = {"h.%d.mlp.c_proj", NULL}, [LOOM_ROLE_FINAL_NORM] = {"ln_f", NULL}, [LOOM_ROLE_HEAD] = {"/lm_head", NULL},
	},
	.blocks = blocks,
};
