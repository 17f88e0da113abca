/* albert.c: ALBERT: BERT whose layers share their weights and whose embeddings are narrow. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(ACT, "hidden_act", "gelu_new"), KEY(N_CTX, "max_position_embeddings", "512"),
	KEY(N_TYPE, "type_vocab_size", "2"), ALWAYS(POS, "learned"), KEY(D_EMBED, "embedding_size", "128"), ALWAYS(EMBED_NARROW, "true"),
	ALWAYS(EMBED_PROJECTED, "true"), KEY(N_GROUP, "num_hidden_groups", "1"), KEY(HEAD_ACT, "hidden_act", "gelu_new"),
	ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {BERT_RULES, {"inner_group_num", "1"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_albert = {
	.name = "albert",
	.types = "albert",
	.architectures = "AlbertModel|AlbertForMaskedLM|AlbertForPreTraining|AlbertForSequenceClassification|AlbertForTokenClassification|"
		"AlbertForQuestionAnswering",
	.prefixes = "|albert.",
	.keys = keys,
	.ignored = BERT_IGNORED "|classifier_dropout_prob|down_scale_factor|gap_size|net_structure_type|num_memory_blocks",
	.roles = {
		BERT_EMBED,
		[LOOM_ROLE_EMBED_IN] = {"encoder.embedding_hidden_mapping_in", NULL},
		[LOOM_ROLE_Q] = {"encoder.albert_layer_groups.%d.albert_layers.0.attention.query", NULL},
		[LOOM_ROLE_K] = {"encoder.albert_layer_groups.%d.albert_layers.0.attention.key", NULL},
		[LOOM_ROLE_V] = {"encoder.albert_layer_groups.%d.albert_layers.0.attention.value", NULL},
		[LOOM_ROLE_O] = {"encoder.albert_layer_groups.%d.albert_layers.0.attention.dense", NULL},
		[LOOM_ROLE_ATTN_NORM] = {"encoder.albert_layer_groups.%d.albert_layers.0.attention.LayerNorm", NULL},
		[LOOM_ROLE_UP] = {"encoder.albert_layer_groups.%d.albert_layers.0.ffn", NULL},
		[LOOM_ROLE_DOWN] = {"encoder.albert_layer_groups.%d.albert_layers.0.ffn_output", NULL},
		[LOOM_ROLE_MLP_NORM] = {"encoder.albert_layer_groups.%d.albert_layers.0.full_layer_layer_norm", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/predictions.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/predictions.LayerNorm", NULL},
		[LOOM_ROLE_HEAD] = {"/predictions.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/predictions", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"pooler", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL},
	},
	.rules = rules,
	.blocks = blocks,
};
