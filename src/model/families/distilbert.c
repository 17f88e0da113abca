/* distilbert.c: DistilBERT: BERT without token types, in words of its own. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "n_layers", "6"), KEY(N_EMBD, "dim", "768"), KEY(N_HEAD, "n_heads", "12"), KEY(N_VOCAB, "vocab_size", "30522"),
	KEY(N_FFN, "hidden_dim", "3072"), BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(ACT, "activation", "gelu"), KEY(N_CTX, "max_position_embeddings", "512"),
	ALWAYS(POS, "learned"), KEY(HEAD_ACT, "activation", "gelu"),
	ALWAYS(CLASS_ACT, "relu"), END_KEYS};
static const struct loom_key_rule rules[] = { END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_distilbert = {
	.name = "distilbert",
	.types = "distilbert",
	.architectures = "DistilBertModel|DistilBertForMaskedLM|DistilBertForSequenceClassification|DistilBertForTokenClassification|"
		"DistilBertForQuestionAnswering",
	.prefixes = "|distilbert.",
	.keys = keys,
	/* positions that were made of sinuses are stored like learned ones */
	.ignored = BERT_IGNORED "|dropout|attention_dropout|qa_dropout|seq_classif_dropout|sinusoidal_pos_embds|tie_weights_",
	.roles = {
		BERT_EMBED,
		[LOOM_ROLE_Q] = {"transformer.layer.%d.attention.q_lin", "blk.%d.attn_q"},
		[LOOM_ROLE_K] = {"transformer.layer.%d.attention.k_lin", "blk.%d.attn_k"},
		[LOOM_ROLE_V] = {"transformer.layer.%d.attention.v_lin", "blk.%d.attn_v"},
		[LOOM_ROLE_O] = {"transformer.layer.%d.attention.out_lin", "blk.%d.attn_output"},
		[LOOM_ROLE_ATTN_NORM] = {"transformer.layer.%d.sa_layer_norm", "blk.%d.attn_output_norm"},
		[LOOM_ROLE_UP] = {"transformer.layer.%d.ffn.lin1", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"transformer.layer.%d.ffn.lin2", "blk.%d.ffn_down"},
		[LOOM_ROLE_MLP_NORM] = {"transformer.layer.%d.output_layer_norm", "blk.%d.layer_output_norm"},
		[LOOM_ROLE_HEAD_DENSE] = {"/vocab_transform", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/vocab_layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/vocab_projector", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/vocab_projector", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/pre_classifier", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL},
	},
	.rules = rules,
	.blocks = blocks,
	.gguf = "bert",
};
