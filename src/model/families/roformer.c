/* roformer.c: RoFormer: BERT with rotary positions in pairs side by side; its embeddings may be narrower than its stream. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "1536"), KEY(N_TYPE, "type_vocab_size", "2"),
	KEY(D_EMBED, "embedding_size", NULL), ALWAYS(EMBED_NARROW, "true"), ALWAYS(POS, "rotary"), ALWAYS(ROPE_INTERLEAVED, "true"),
	KEY(HEAD_ACT, "hidden_act", "gelu"), KEY(CLASS_ACT, "hidden_act", "gelu"), END_KEYS};
static const struct loom_key_rule rules[] = {{"is_decoder", "false"}, {"rotary_value", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_roformer = {
	.name = "roformer",
	.types = "roformer",
	.architectures = "RoFormerModel|RoFormerForMaskedLM|RoFormerForSequenceClassification|RoFormerForTokenClassification|"
		"RoFormerForQuestionAnswering",
	.prefixes = "|roformer.",
	.keys = keys,
	.rules = rules,
	.ignored = BERT_IGNORED "|use_bias",
	.roles = {BERT_NAMES, [LOOM_ROLE_EMBED_IN] = {"embeddings_project", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/cls.predictions.transform.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/cls.predictions.transform.LayerNorm", NULL},
		[LOOM_ROLE_HEAD] = {"/cls.predictions.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/cls.predictions", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/classifier.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier.out_proj", NULL}},
	.blocks = blocks,
};
