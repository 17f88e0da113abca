/* roberta_prelayernorm.c: RoBERTa with norms before the sub-layers and after the last block. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"),
	KEY(N_TYPE, "type_vocab_size", "2"), ALWAYS(POS, "learned"), ALWAYS(POS_WHOLE, "true"), MAPPED(POS_OFFSET, "pad_token_id", "2", "+1"),
	ALWAYS(FINAL_NORM, "true"), ALWAYS(HEAD_ACT, "gelu"), ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {BERT_RULES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_roberta_prelayernorm = {
	.name = "roberta_prelayernorm",
	.types = "roberta-prelayernorm",
	.architectures = "RobertaPreLayerNormModel|RobertaPreLayerNormForMaskedLM|RobertaPreLayerNormForSequenceClassification|"
		"RobertaPreLayerNormForTokenClassification|"
		"RobertaPreLayerNormForQuestionAnswering",
	.prefixes = "|roberta_prelayernorm.",
	.keys = keys,
	.rules = rules,
	.ignored = BERT_IGNORED,
	.roles = {BERT_EMBED, BERT_ATTENTION, BERT_MLP,
		[LOOM_ROLE_ATTN_NORM] = {"encoder.layer.%d.attention.LayerNorm", NULL},
		[LOOM_ROLE_MLP_NORM] = {"encoder.layer.%d.intermediate.LayerNorm", NULL}, [LOOM_ROLE_FINAL_NORM] = {"LayerNorm", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/lm_head.layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/lm_head", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/classifier.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier.out_proj", NULL}},
	.blocks = blocks,
};
