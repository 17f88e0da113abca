/* deberta.c: DeBERTa v1: queries, keys and values of each head together in one matrix, biases of queries and values alone, and products of both
 * with rows of a table that has one for each distance. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, KEY(NORM_EPS, "layer_norm_eps", "1e-7"), ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"),
	KEY(N_TYPE, "type_vocab_size", "0"), KEY(D_EMBED, "embedding_size", NULL), ALWAYS(QKV, "grouped"), ALWAYS(ATTN_BIAS, "false"),
	MAPPED(POS, "position_biased_input", "learned", "true=learned|false=none"),
	MAPPED(REL, "relative_attention", "none", "true=disentangled|false=none"), MAPPED(REL_MAX, "max_relative_positions", "0", "-1=0|*"),
	MAPPED(REL_KEY, "pos_att_type", "false", "~c2p"), MAPPED(REL_QUERY, "pos_att_type", "false", "~p2c"), ALWAYS(HEAD_ACT, "gelu"),
	KEY(HEAD_ACT, "hidden_act", NULL), KEY(CLASS_ACT, "pooler_hidden_act", "gelu"), END_KEYS};
static const struct loom_key_rule rules[] = {{"pos_att_type", "c2p|p2c|[]"}, {"talking_head", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_deberta = {
	.name = "deberta",
	.types = "deberta",
	.architectures = "DebertaModel|DebertaForMaskedLM|DebertaForSequenceClassification|DebertaForTokenClassification|DebertaForQuestionAnswering",
	.prefixes = "|deberta.",
	.keys = keys,
	.ignored = "attention_probs_dropout_prob|hidden_dropout_prob|pooler_dropout|pooler_hidden_size|legacy|padding_idx|cls_dropout",
	.roles = {BERT_EMBED, BERT_MLP, BERT_NORMS, [LOOM_ROLE_EMBED_IN] = {"embeddings.embed_proj", NULL},
		[LOOM_ROLE_REL_EMBED] = {"encoder.rel_embeddings", NULL},
		[LOOM_ROLE_REL_KEY] = {"encoder.layer.%d.attention.self.pos_proj", NULL},
		[LOOM_ROLE_REL_QUERY] = {"encoder.layer.%d.attention.self.pos_q_proj", NULL},
		[LOOM_ROLE_QKV] = {"encoder.layer.%d.attention.self.in_proj", NULL}, [LOOM_ROLE_Q_BIAS] = {"encoder.layer.%d.attention.self.q_bias", NULL},
		[LOOM_ROLE_V_BIAS] = {"encoder.layer.%d.attention.self.v_bias", NULL}, [LOOM_ROLE_O] = {"encoder.layer.%d.attention.output.dense", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/cls.predictions.transform.dense|/lm_predictions.lm_head.dense", NULL},
		[LOOM_ROLE_HEAD_NORM] = {"/cls.predictions.transform.LayerNorm|/lm_predictions.lm_head.LayerNorm", NULL},
		[LOOM_ROLE_HEAD] = {"/cls.predictions.decoder", NULL},
		[LOOM_ROLE_HEAD_BIAS] = {"/cls.predictions|/lm_predictions.lm_head|/cls.predictions.decoder", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/pooler.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL}},
	.rules = rules,
	.blocks = blocks,
};
