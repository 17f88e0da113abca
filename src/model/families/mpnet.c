/* mpnet.c: MPNet (all-mpnet-base-v2): BERT with a bias for each bucket of distances, one table for all layers. */
#include "bert_like.h"

/* transformers has 32 buckets and 128 positions in its code, whatever the config says. */
static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"), ALWAYS(POS, "learned"),
	ALWAYS(POS_WHOLE, "true"), ALWAYS(POS_OFFSET, "2"), ALWAYS(REL, "buckets"), KEY(N_BUCKET, "relative_attention_num_buckets", "32"),
	ALWAYS(REL_MAX, "128"), ALWAYS(HEAD_ACT, "gelu"), ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {{"relative_attention_num_buckets", "32"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_mpnet = {
	.name = "mpnet",
	.types = "mpnet",
	.architectures = "MPNetModel|MPNetForMaskedLM|MPNetForSequenceClassification|MPNetForTokenClassification|MPNetForQuestionAnswering",
	.prefixes = "|mpnet.",
	.keys = keys,
	.ignored = BERT_IGNORED,
	.roles = {BERT_EMBED, BERT_MLP,
		[LOOM_ROLE_REL_BIAS] = {"encoder.relative_attention_bias", NULL},
		[LOOM_ROLE_Q] = {"encoder.layer.%d.attention.attn.q", NULL}, [LOOM_ROLE_K] = {"encoder.layer.%d.attention.attn.k", NULL},
		[LOOM_ROLE_V] = {"encoder.layer.%d.attention.attn.v", NULL}, [LOOM_ROLE_O] = {"encoder.layer.%d.attention.attn.o", NULL},
		[LOOM_ROLE_ATTN_NORM] = {"encoder.layer.%d.attention.LayerNorm", NULL},
		[LOOM_ROLE_MLP_NORM] = {"encoder.layer.%d.output.LayerNorm", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/lm_head.layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/lm_head", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/classifier.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier.out_proj", NULL}},
	.rules = rules,
	.blocks = blocks,
};
