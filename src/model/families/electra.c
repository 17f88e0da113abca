/* electra.c: ELECTRA: BERT whose embeddings may be narrower than its stream. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"), KEY(N_TYPE, "type_vocab_size", "2"),
	ALWAYS(POS, "learned"), KEY(D_EMBED, "embedding_size", "128"), ALWAYS(EMBED_NARROW, "true"), ALWAYS(HEAD_ACT, "gelu"),
	ALWAYS(CLASS_ACT, "gelu"), END_KEYS};
static const struct loom_key_rule rules[] = {BERT_RULES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_electra = {
	.name = "electra",
	.types = "electra",
	.architectures = "ElectraModel|ElectraForPreTraining|ElectraForMaskedLM|ElectraForSequenceClassification|"
		"ElectraForTokenClassification|ElectraForQuestionAnswering",
	.prefixes = "|electra.",
	.keys = keys,
	.ignored = BERT_IGNORED,
	.roles = {BERT_NAMES, [LOOM_ROLE_EMBED_IN] = {"embeddings_project", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/generator_predictions.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/generator_predictions.LayerNorm", NULL},
		[LOOM_ROLE_HEAD] = {"/generator_lm_head", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/generator_lm_head", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/classifier.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier.out_proj", NULL}},
	.rules = rules,
	.blocks = blocks,
};
