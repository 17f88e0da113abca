/* biogpt.c: BioGPT: learned positions that start at 2, embeddings scaled by the root of their width. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, KEY(N_CTX, "max_position_embeddings", "1024"), ALWAYS(POS_OFFSET, "2"), KEY(ACT, "hidden_act", "gelu"),
	ALWAYS(EMBED_SCALE, "sqrt(n_embd)"), KEY(EMBED_SCALED, "scale_embedding", "true"), KEY(TIED, "tie_word_embeddings", "true"),
	ALWAYS(NORM, "layer"), ALWAYS(POS, "learned"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), ALWAYS(ATTN_BIAS, "true"),
	ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_biogpt = {
	.name = "biogpt",
	.types = "biogpt",
	.architectures = "BioGptForCausalLM|BioGptModel",
	.prefixes = "biogpt.|",
	.keys = keys,
	.ignored = "num_key_value_heads|hidden_dropout_prob|attention_probs_dropout_prob|layer_norm_eps|layerdrop|activation_dropout|is_decoder",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embed_tokens", NULL}, [LOOM_ROLE_EMBED_POSITION] = {"embed_positions", NULL},
		[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", NULL}, [LOOM_ROLE_K] = {"layers.%d.self_attn.k_proj", NULL},
		[LOOM_ROLE_V] = {"layers.%d.self_attn.v_proj", NULL}, [LOOM_ROLE_O] = {"layers.%d.self_attn.out_proj", NULL},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.self_attn_layer_norm", NULL}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.final_layer_norm", NULL},
		[LOOM_ROLE_UP] = {"layers.%d.fc1", NULL}, [LOOM_ROLE_DOWN] = {"layers.%d.fc2", NULL},
		[LOOM_ROLE_FINAL_NORM] = {"layer_norm", NULL}, [LOOM_ROLE_HEAD] = {"/output_projection", NULL},
	},
	.blocks = blocks,
};
