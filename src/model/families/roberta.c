/* roberta.c: RoBERTa, XLM-RoBERTa, CamemBERT, data2vec for text: BERT whose positions start behind the padding token's id. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"), KEY(N_TYPE, "type_vocab_size", "2"),
	ALWAYS(POS, "learned"), ALWAYS(POS_WHOLE, "true"), MAPPED(POS_OFFSET, "pad_token_id", "2", "+1"), ALWAYS(HEAD_ACT, "gelu"),
	ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {BERT_RULES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_roberta = {
	.name = "roberta",
	.types = "roberta|xlm-roberta|camembert|data2vec-text",
	.architectures = "RobertaModel|RobertaForMaskedLM|RobertaForSequenceClassification|RobertaForTokenClassification|"
		"RobertaForQuestionAnswering|XLMRobertaModel|XLMRobertaForMaskedLM|XLMRobertaForSequenceClassification|"
		"XLMRobertaForTokenClassification|XLMRobertaForQuestionAnswering|CamembertModel|CamembertForMaskedLM|"
		"CamembertForSequenceClassification|CamembertForTokenClassification|CamembertForQuestionAnswering|Data2VecTextModel|"
		"Data2VecTextForMaskedLM|Data2VecTextForSequenceClassification|Data2VecTextForTokenClassification|Data2VecTextForQuestionAnswering",
	.prefixes = "|roberta.|camembert.|data2vec_text.",
	.keys = keys,
	.ignored = BERT_IGNORED,
	.roles = {BERT_NAMES,
		[LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/lm_head.layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/lm_head", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/classifier.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier.out_proj", NULL}},
	.rules = rules,
	.blocks = blocks,
};
