/* opt.c: OPT: learned positions that start at 2; the 350m model norms after the additions and has a narrower embedding, whose
 * width its last state has too. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "num_hidden_layers", NULL), KEY(N_EMBD, "hidden_size", NULL), KEY(N_HEAD, "num_attention_heads", NULL),
	KEY(N_VOCAB, "vocab_size", NULL), KEY(N_FFN, "ffn_dim", NULL), KEY(D_EMBED, "word_embed_proj_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), ALWAYS(POS_OFFSET, "2"), KEY(ACT, "activation_function", "relu"),
	KEY(TIED, "tie_word_embeddings", "true"), ALWAYS(NORM, "layer"), ALWAYS(POS, "learned"), ALWAYS(CAUSAL, "true"),
	KEY(NORM_WEIGHT, "layer_norm_elementwise_affine", "true"), KEY(FINAL_NORM, "do_layer_norm_before", "true"),
	{LOOM_F_FINAL_NORM, NULL, "false", NULL, "_remove_final_layer_norm"}, KEY(ATTN_BIAS, "enable_bias", "true"),
	KEY(ATTN_OUT_BIAS, "enable_bias", "true"), KEY(MLP_BIAS, "enable_bias", "true"), KEY(MLP_DOWN_BIAS, "enable_bias", "true"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE_NOT(LOOM_LAYER_POST_NORM, FLAG, "do_layer_norm_before", NULL, "true"), END_LAYERS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_POST_NORM, &loom_block_post_norm}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_opt = {
	.name = "opt",
	.types = "opt",
	.architectures = "OPTForCausalLM|OPTModel",
	.prefixes = "model.decoder.|decoder.|",
	.keys = keys,
	.layers = layers,
	.ignored = "dropout|layerdrop|init_std|activation_dropout",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embed_tokens", NULL}, [LOOM_ROLE_EMBED_POSITION] = {"embed_positions", NULL},
		[LOOM_ROLE_EMBED_IN] = {"project_in", NULL}, [LOOM_ROLE_EMBED_OUT] = {"project_out", NULL},
		[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", NULL}, [LOOM_ROLE_K] = {"layers.%d.self_attn.k_proj", NULL},
		[LOOM_ROLE_V] = {"layers.%d.self_attn.v_proj", NULL}, [LOOM_ROLE_O] = {"layers.%d.self_attn.out_proj", NULL},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.self_attn_layer_norm", NULL}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.final_layer_norm", NULL},
		[LOOM_ROLE_UP] = {"layers.%d.fc1", NULL}, [LOOM_ROLE_DOWN] = {"layers.%d.fc2", NULL},
		[LOOM_ROLE_FINAL_NORM] = {"final_layer_norm", NULL}, [LOOM_ROLE_HEAD] = {"/lm_head", NULL},
	},
	.blocks = blocks,
};
