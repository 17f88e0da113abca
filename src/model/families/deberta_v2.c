/* deberta_v2.c: DeBERTa v2 and v3: BERT whose queries and keys also meet rows of a table of distances. The convolution beside the first layer
 * of v2's largest models is refused. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, KEY(NORM_EPS, "layer_norm_eps", "1e-7"), ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"),
	KEY(N_TYPE, "type_vocab_size", "0"), KEY(D_EMBED, "embedding_size", NULL), KEY(D_HEAD, "attention_head_size", NULL),
	MAPPED(POS, "position_biased_input", "learned", "true=learned|false=none"),
	MAPPED(REL, "relative_attention", "none", "true=disentangled|false=none"),
	MAPPED(REL_MAX, "max_relative_positions", "0", "-1=0|*"), MAPPED(N_BUCKET, "position_buckets", "0", "-1=0|*"),
	MAPPED(REL_KEY, "pos_att_type", "false", "~c2p"), MAPPED(REL_QUERY, "pos_att_type", "false", "~p2c"),
	KEY(REL_SHARED, "share_att_key", "false"), MAPPED(REL_NORM, "norm_rel_ebd", "false", "layer_norm=true|none=false"),
	ALWAYS(HEAD_ACT, "gelu"), KEY(HEAD_ACT, "hidden_act", NULL), KEY(CLASS_ACT, "pooler_hidden_act", "gelu"), END_KEYS};
static const struct loom_key_rule rules[] = {{"pos_att_type", "c2p|p2c|[]"}, {"conv_kernel_size", "0"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_deberta_v2 = {
	.name = "deberta_v2",
	.types = "deberta-v2",
	.architectures = "DebertaV2Model|DebertaV2ForMaskedLM|DebertaV2ForSequenceClassification|DebertaV2ForTokenClassification|"
		"DebertaV2ForQuestionAnswering",
	.prefixes = "|deberta.",
	.keys = keys,
	.ignored = "attention_probs_dropout_prob|hidden_dropout_prob|pooler_dropout|pooler_hidden_size|legacy|padding_idx|cls_dropout|conv_act|"
		"conv_groups",
	.roles = {BERT_EMBED, BERT_MLP, BERT_NORMS, [LOOM_ROLE_EMBED_IN] = {"embeddings.embed_proj", NULL},
		[LOOM_ROLE_REL_EMBED] = {"encoder.rel_embeddings", NULL}, [LOOM_ROLE_REL_NORM] = {"encoder.LayerNorm", NULL},
		[LOOM_ROLE_REL_KEY] = {"encoder.layer.%d.attention.self.pos_key_proj", NULL},
		[LOOM_ROLE_REL_QUERY] = {"encoder.layer.%d.attention.self.pos_query_proj", NULL},
		[LOOM_ROLE_Q] = {"encoder.layer.%d.attention.self.query_proj", NULL}, [LOOM_ROLE_K] = {"encoder.layer.%d.attention.self.key_proj", NULL},
		[LOOM_ROLE_V] = {"encoder.layer.%d.attention.self.value_proj", NULL}, [LOOM_ROLE_O] = {"encoder.layer.%d.attention.output.dense", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/cls.predictions.transform.dense|/lm_predictions.lm_head.dense", NULL},
		[LOOM_ROLE_HEAD_NORM] = {"/cls.predictions.transform.LayerNorm|/lm_predictions.lm_head.LayerNorm", NULL},
		[LOOM_ROLE_HEAD] = {"/cls.predictions.decoder", NULL},
		[LOOM_ROLE_HEAD_BIAS] = {"/cls.predictions|/lm_predictions.lm_head|/cls.predictions.decoder", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/pooler.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL}},
	.rules = rules,
	.blocks = blocks,
};
