/* megatron_bert.c: Megatron-BERT: BERT with norms before the sub-layers and after the last block, none after the embeddings. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, KEY(N_CTX, "max_position_embeddings", "512"), KEY(N_TYPE, "type_vocab_size", "2"), ALWAYS(POS, "learned"),
	ALWAYS(FINAL_NORM, "true"), KEY(HEAD_ACT, "hidden_act", "gelu"), ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {BERT_RULES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_megatron_bert = {
	.name = "megatron_bert",
	.types = "megatron-bert",
	.architectures = "MegatronBertModel|MegatronBertForMaskedLM|MegatronBertForPreTraining|MegatronBertForSequenceClassification|"
		"MegatronBertForTokenClassification|MegatronBertForQuestionAnswering",
	.prefixes = "|bert.",
	.keys = keys,
	.rules = rules,
	.ignored = BERT_IGNORED,
	.roles = {BERT_EMBED, BERT_ATTENTION, BERT_MLP,
		[LOOM_ROLE_ATTN_NORM] = {"encoder.layer.%d.attention.ln", NULL}, [LOOM_ROLE_MLP_NORM] = {"encoder.layer.%d.ln", NULL},
		[LOOM_ROLE_FINAL_NORM] = {"encoder.ln", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/cls.predictions.transform.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/cls.predictions.transform.LayerNorm", NULL},
		[LOOM_ROLE_HEAD] = {"/cls.predictions.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/cls.predictions", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"pooler.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL}},
	.blocks = blocks,
};
