/* gptj.c: GPT-J: attention and feed-forward read one norm; the first columns of each head are rotated in pairs side by side. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "n_layer|num_hidden_layers", NULL), KEY(N_EMBD, "n_embd|hidden_size", NULL),
	KEY(N_HEAD, "n_head|num_attention_heads", NULL), KEY(N_VOCAB, "vocab_size", NULL),
	MAPPED(N_FFN, "n_inner", "4*n_embd", "null=4*n_embd|*"), KEY(N_CTX, "n_positions|max_position_embeddings", "2048"),
	KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"), KEY(ACT, "activation_function", "gelu_new"), KEY(TIED, "tie_word_embeddings", "false"),
	KEY(ROTARY_DIM, "rotary_dim", "64"), ALWAYS(NORM, "layer"), ALWAYS(POS, "rotary"), ALWAYS(ROPE_INTERLEAVED, "true"),
	ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true"),
	ALWAYS(HEAD_BIAS, "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_parallel}, END_BLOCKS};

const struct loom_family loom_family_gptj = {
	.name = "gptj",
	.types = "gptj",
	.architectures = "GPTJForCausalLM|GPTJModel",
	.prefixes = "transformer.|",
	.keys = keys,
	.ignored = "resid_pdrop|embd_pdrop|attn_pdrop|summary_activation|summary_first_dropout|summary_proj_to_labels|summary_type|"
		"summary_use_proj|n_ctx|scale_attn_weights|rotary|gradient_checkpointing",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"wte", NULL}, [LOOM_ROLE_ATTN_NORM] = {"h.%d.ln_1", NULL}, [LOOM_ROLE_Q] = {"h.%d.attn.q_proj", NULL},
		[LOOM_ROLE_K] = {"h.%d.attn.k_proj", NULL}, [LOOM_ROLE_V] = {"h.%d.attn.v_proj", NULL},
		[LOOM_ROLE_O] = {"h.%d.attn.out_proj", NULL}, [LOOM_ROLE_UP] = {"h.%d.mlp.fc_in", NULL},
		[LOOM_ROLE_DOWN] = {"h.%d.mlp.fc_out", NULL}, [LOOM_ROLE_FINAL_NORM] = {"ln_f", NULL}, [LOOM_ROLE_HEAD] = {"/lm_head", NULL},
	},
	.blocks = blocks,
};
