/* xlm_roberta_xl.c: XLM-RoBERTa XL and XXL: RoBERTa with norms before the sub-layers and after the last block, none after the embeddings. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, KEY(NORM_EPS, "layer_norm_eps", "1e-5"), ALWAYS(EMBED_NORM, "false"), KEY(N_CTX, "max_position_embeddings", "514"),
	KEY(N_TYPE, "type_vocab_size", "1"), ALWAYS(POS, "learned"), ALWAYS(POS_WHOLE, "true"), MAPPED(POS_OFFSET, "pad_token_id", "2", "+1"),
	ALWAYS(FINAL_NORM, "true"), ALWAYS(HEAD_ACT, "gelu"), ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {BERT_RULES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_xlm_roberta_xl = {
	.name = "xlm_roberta_xl",
	.types = "xlm-roberta-xl",
	.architectures = "XLMRobertaXLModel|XLMRobertaXLForMaskedLM|XLMRobertaXLForSequenceClassification|XLMRobertaXLForTokenClassification|"
		"XLMRobertaXLForQuestionAnswering",
	.prefixes = "|roberta.",
	.keys = keys,
	.rules = rules,
	.ignored = BERT_IGNORED,
	.roles = {BERT_EMBED, BERT_ATTENTION, BERT_MLP,
		[LOOM_ROLE_ATTN_NORM] = {"encoder.layer.%d.attention.self_attn_layer_norm", NULL},
		[LOOM_ROLE_MLP_NORM] = {"encoder.layer.%d.LayerNorm", NULL}, [LOOM_ROLE_FINAL_NORM] = {"encoder.LayerNorm", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/lm_head.layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/lm_head", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/classifier.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier.out_proj", NULL}},
	.blocks = blocks,
};
