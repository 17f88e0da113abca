/* modernbert.c: ModernBERT: pre-norm, rotary, gated; every few layers see all, the others a window to both sides, with a rope of their own. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, KEY(N_CTX, "max_position_embeddings", "8192"), KEY(NORM_EPS, "norm_eps", "1e-5"), KEY(NORM_BIAS, "norm_bias", "false"),
	KEY(ACT, "hidden_activation", "gelu"), ALWAYS(NORM, "layer"), ALWAYS(EMBED_NORM, "true"), ALWAYS(FINAL_NORM, "true"),
	ALWAYS(POS, "rotary"), ALWAYS(GATED_FFN, "true"), ALWAYS(FUSED_GATE, "true"), ALWAYS(QKV, "stacked"),
	KEY(ATTN_BIAS, "attention_bias", "false"), KEY(ATTN_OUT_BIAS, "attention_bias", "false"),
	KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"),
	KEY(ROPE_THETA, "global_rope_theta", "160000"), KEY(ROPE_LOCAL_THETA, "local_rope_theta", "10000"),
	MAPPED(WINDOW, "local_attention", "65", "/2+1"), KEY(HEAD_ACT, "classifier_activation", "gelu"),
	KEY(CLASS_ACT, "classifier_activation", "gelu"), MAPPED(CLASS_MEAN, "classifier_pooling", "false", "cls=false|mean=true"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_WINDOW | LOOM_LAYER_LOCAL_ROPE, LOOM_TEST_WORD, false, "layer_types", "sliding_attention", NULL, NULL},
	{LOOM_LAYER_WINDOW | LOOM_LAYER_LOCAL_ROPE, LOOM_TEST_MULTIPLE, true, "global_attn_every_n_layers", NULL, "3", NULL},
	{LOOM_LAYER_BARE, LOOM_TEST_BELOW, false, NULL, NULL, "1", NULL}, END_LAYERS};
static const struct loom_key_rule rules[] = {{"layer_types", "full_attention|sliding_attention"}, END_RULES};
static const struct loom_key gguf_keys[] = {MAPPED(WINDOW, "attention.sliding_window", NULL, "/2+1"), END_KEYS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_BARE, &loom_block_pre_norm_bare}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_modernbert = {
	.name = "modernbert",
	.types = "modernbert",
	.architectures = "ModernBertModel|ModernBertForMaskedLM|ModernBertForSequenceClassification|ModernBertForTokenClassification|"
		"ModernBertForQuestionAnswering",
	.prefixes = "|model.",
	.keys = keys,
	.ignored = "attention_dropout|embedding_dropout|mlp_dropout|classifier_dropout|classifier_bias|"
		"decoder_bias|deterministic_flash_attn|sparse_prediction|sparse_pred_ignore_index|"
		"initializer_cutoff_factor|reference_compile|repad_logits_with_grad|gradient_checkpointing|layer_norm_eps|"
		"position_embedding_type|cls_token_id|sep_token_id|causal_mask",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.tok_embeddings", "token_embd"},
		[LOOM_ROLE_EMBED_NORM] = {"embeddings.norm", "token_embd_norm"},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.attn_norm", "blk.%d.attn_norm"},
		[LOOM_ROLE_QKV] = {"layers.%d.attn.Wqkv", "blk.%d.attn_qkv"},
		[LOOM_ROLE_O] = {"layers.%d.attn.Wo", "blk.%d.attn_output"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.mlp_norm", "blk.%d.ffn_norm"},
		[LOOM_ROLE_GATE_UP] = {"layers.%d.mlp.Wi", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.Wo", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"final_norm", "output_norm"},
		[LOOM_ROLE_HEAD_DENSE] = {"/head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/head.norm", NULL},
		[LOOM_ROLE_HEAD] = {"/decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/decoder", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/head.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL}, [LOOM_ROLE_CLASS_NORM] = {"/head.norm", NULL},
	},
	.layers = layers,
	.rules = rules,
	.blocks = blocks,
	.gguf = "modern-bert",
	.gguf_keys = gguf_keys,
};
