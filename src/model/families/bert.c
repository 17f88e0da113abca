/* bert.c: BERT's encoder: norms on the stream after each addition, every token sees every other, learned positions. Heads on top of it
 * (masked words, next sentence, classification) are not run. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES,
	KEY(N_CTX, "max_position_embeddings", "512"), KEY(N_TYPE, "type_vocab_size", "2"), KEY(NORM_EPS, "layer_norm_eps", "1e-12"),
	KEY(ACT, "hidden_act", "gelu"), ALWAYS(NORM, "layer"), ALWAYS(POS, "learned"), ALWAYS(EMBED_NORM, "true"),
	ALWAYS(ATTN_BIAS, "true"), ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true"), KEY(HEAD_ACT, "hidden_act", "gelu"),
	ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {{"position_embedding_type", "absolute"}, {"is_decoder", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_bert = {
	.name = "bert",
	.types = "bert",
	.architectures = "BertModel|BertForMaskedLM|BertForPreTraining|BertForSequenceClassification|BertForTokenClassification|"
		"BertForNextSentencePrediction|BertForQuestionAnswering",
	.prefixes = "|bert.",
	.keys = keys,
	.rules = rules,
	.ignored = "attention_probs_dropout_prob|hidden_dropout_prob",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.word_embeddings", "token_embd"},
		[LOOM_ROLE_EMBED_POSITION] = {"embeddings.position_embeddings", "position_embd"},
		[LOOM_ROLE_EMBED_TYPE] = {"embeddings.token_type_embeddings", "token_types"},
		[LOOM_ROLE_EMBED_NORM] = {"embeddings.LayerNorm", "token_embd_norm"},
		[LOOM_ROLE_Q] = {"encoder.layer.%d.attention.self.query", "blk.%d.attn_q"},
		[LOOM_ROLE_K] = {"encoder.layer.%d.attention.self.key", "blk.%d.attn_k"},
		[LOOM_ROLE_V] = {"encoder.layer.%d.attention.self.value", "blk.%d.attn_v"},
		[LOOM_ROLE_O] = {"encoder.layer.%d.attention.output.dense", "blk.%d.attn_output"},
		[LOOM_ROLE_ATTN_NORM] = {"encoder.layer.%d.attention.output.LayerNorm", "blk.%d.attn_output_norm"},
		[LOOM_ROLE_UP] = {"encoder.layer.%d.intermediate.dense", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"encoder.layer.%d.output.dense", "blk.%d.ffn_down"},
		[LOOM_ROLE_MLP_NORM] = {"encoder.layer.%d.output.LayerNorm", "blk.%d.layer_output_norm"},
		[LOOM_ROLE_HEAD_DENSE] = {"/cls.predictions.transform.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/cls.predictions.transform.LayerNorm", NULL},
		[LOOM_ROLE_HEAD] = {"/cls.predictions.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/cls.predictions", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"pooler.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL},
	},
	.blocks = blocks,
	.gguf = "bert",
};
