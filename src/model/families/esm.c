/* esm.c: ESM-1b and ESM-2, models of proteins: pre-norm, rotary or learned positions. Texts with mask tokens, which rescale the others, are refused. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(ACT, "gelu"), KEY(N_CTX, "max_position_embeddings", "1026"), ALWAYS(FINAL_NORM, "true"),
	MAPPED(POS, "position_embedding_type", "learned", "rotary=rotary|absolute=learned"), ALWAYS(POS_WHOLE, "true"),
	MAPPED(POS_OFFSET, "pad_token_id", "2", "+1"), KEY(EMBED_NORM, "emb_layer_norm_before", "false"),
	MAPPED(EMBED_SCALE, "token_dropout", "1", "true=0.88|false=1"), {LOOM_F_MASK_ID, "mask_token_id", NULL, NULL, "token_dropout"},
	KEY(ROPE_THETA, "rope_theta", "10000"), ALWAYS(HEAD_ACT, "gelu"), END_KEYS};
static const struct loom_key_rule rules[] = {{"is_decoder", "false"}, {"is_folding_model", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_esm = {
	.name = "esm",
	.types = "esm",
	.architectures = "EsmModel|EsmForMaskedLM|EsmForSequenceClassification|EsmForTokenClassification",
	.prefixes = "|esm.",
	.keys = keys,
	.ignored = BERT_IGNORED "|esmfold_config|vocab_list|mask_token_id|hidden_act",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.word_embeddings", NULL},
		[LOOM_ROLE_EMBED_POSITION] = {"embeddings.position_embeddings", NULL},
		[LOOM_ROLE_EMBED_NORM] = {"embeddings.layer_norm", NULL},
		BERT_ATTENTION, BERT_MLP,
		[LOOM_ROLE_ATTN_NORM] = {"encoder.layer.%d.attention.LayerNorm", NULL},
		[LOOM_ROLE_MLP_NORM] = {"encoder.layer.%d.LayerNorm", NULL},
		[LOOM_ROLE_FINAL_NORM] = {"encoder.emb_layer_norm_after", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/lm_head.layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/lm_head", NULL},
	},
	.rules = rules,
	.blocks = blocks,
};
