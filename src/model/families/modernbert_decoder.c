/* modernbert_decoder.c: ModernBERT that reads from left to right (Ettin's decoders): its own matrices for q, k and v, and a dense layer before the
 * head. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, KEY(N_CTX, "max_position_embeddings", "8192"), KEY(NORM_EPS, "norm_eps", "1e-5"), KEY(NORM_BIAS, "norm_bias", "false"),
	KEY(ACT, "hidden_activation", "gelu"), ALWAYS(NORM, "layer"), ALWAYS(EMBED_NORM, "true"), ALWAYS(FINAL_NORM, "true"), ALWAYS(CAUSAL, "true"),
	ALWAYS(POS, "rotary"), ALWAYS(GATED_FFN, "true"), ALWAYS(FUSED_GATE, "true"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"),
	KEY(TIED, "tie_word_embeddings", "true"), KEY(ROPE_THETA, "global_rope_theta", "160000"), KEY(ROPE_LOCAL_THETA, "local_rope_theta", "10000"),
	MAPPED(WINDOW, "local_attention", "64", "/2"), KEY(WINDOW, "sliding_window", NULL), KEY(HEAD_ACT, "classifier_activation", "gelu"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_WINDOW | LOOM_LAYER_LOCAL_ROPE, LOOM_TEST_WORD, false, "layer_types", "sliding_attention", NULL, NULL},
	{LOOM_LAYER_WINDOW | LOOM_LAYER_LOCAL_ROPE, LOOM_TEST_MULTIPLE, true, "global_attn_every_n_layers", NULL, "3", NULL},
	{LOOM_LAYER_BARE, LOOM_TEST_BELOW, false, NULL, NULL, "1", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {LAYER_TYPES, END_RULES};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_BARE, &loom_block_pre_norm_bare}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_modernbert_decoder = {
	.name = "modernbert_decoder",
	.types = "modernbert-decoder",
	.architectures = "ModernBertDecoderForCausalLM|ModernBertDecoderModel",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = "attention_dropout|embedding_dropout|mlp_dropout|classifier_dropout|classifier_bias|decoder_bias|initializer_cutoff_factor|"
		"cls_token_id|sep_token_id|reference_compile|position_embedding_type|layer_norm_eps|sparse_prediction|"
		"sparse_pred_ignore_index|repad_logits_with_grad|deterministic_flash_attn|classifier_pooling|causal_mask|gradient_checkpointing",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.tok_embeddings", NULL}, [LOOM_ROLE_EMBED_NORM] = {"embeddings.norm", NULL},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.attn_norm", NULL}, [LOOM_ROLE_Q] = {"layers.%d.attn.q_proj", NULL},
		[LOOM_ROLE_K] = {"layers.%d.attn.k_proj", NULL}, [LOOM_ROLE_V] = {"layers.%d.attn.v_proj", NULL},
		[LOOM_ROLE_O] = {"layers.%d.attn.Wo", NULL}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.mlp_norm", NULL},
		[LOOM_ROLE_GATE_UP] = {"layers.%d.mlp.Wi", NULL}, [LOOM_ROLE_DOWN] = {"layers.%d.mlp.Wo", NULL},
		[LOOM_ROLE_FINAL_NORM] = {"final_norm", NULL}, [LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL},
		[LOOM_ROLE_HEAD_NORM] = {"/lm_head.norm", NULL}, [LOOM_ROLE_HEAD] = {"/decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/decoder", NULL}},
	.blocks = blocks,
};
