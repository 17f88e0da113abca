/* ernie.c: ERNIE: BERT with, in some models, an embedding of the task; texts are of the first task. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"), KEY(N_TYPE, "type_vocab_size", "2"),
	ALWAYS(POS, "learned"), {LOOM_F_N_TASK, "task_type_vocab_size", "3", NULL, "use_task_id"}, KEY(HEAD_ACT, "hidden_act", "gelu"),
	ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {BERT_RULES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_ernie = {
	.name = "ernie",
	.types = "ernie",
	.architectures = "ErnieModel|ErnieForMaskedLM|ErnieForPreTraining|ErnieForSequenceClassification|ErnieForTokenClassification|"
		"ErnieForQuestionAnswering",
	.prefixes = "|ernie.",
	.keys = keys,
	.ignored = BERT_IGNORED,
	.roles = {BERT_NAMES, [LOOM_ROLE_EMBED_TASK] = {"embeddings.task_type_embeddings", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/cls.predictions.transform.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/cls.predictions.transform.LayerNorm", NULL},
		[LOOM_ROLE_HEAD] = {"/cls.predictions.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/cls.predictions", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"pooler.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL}},
	.rules = rules,
	.blocks = blocks,
};
