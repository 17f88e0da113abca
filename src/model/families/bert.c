/* bert.c: BERT's encoder: norms on the stream after each addition, every token sees every other, learned positions. Heads on top of it
 * (masked words, next sentence, classification) are not run. */
#include "family.h"

static const char *const architectures[] = {"BertModel", "BertForMaskedLM", "BertForPreTraining", "BertForSequenceClassification",
	"BertForTokenClassification", "BertForNextSentencePrediction", "BertForQuestionAnswering", NULL};
static const char *const prefixes[] = {"", "bert.", NULL};
static const char *const head_suffixes[] = {NULL};
static const struct loom_key_rule rules[] = {{"position_embedding_type", "\"absolute\""}, {"is_decoder", "false"},
	{"add_cross_attention", "false"}, {NULL, NULL}};

const struct loom_family loom_family_bert = {
	.name = "bert",
	.architectures = architectures,
	.gguf = NULL, /* its WordPiece in GGUF form comes with that tokenizer */
	.prefixes = prefixes,
	.head_suffixes = head_suffixes,
	.rules = rules,
	.keys = {
		.n_layer = "num_hidden_layers", .n_embd = "hidden_size", .n_head = "num_attention_heads", .n_ffn = "intermediate_size",
		.n_ctx = "max_position_embeddings", .n_vocab = "vocab_size", .n_type = "type_vocab_size", .eps = "layer_norm_eps",
		.act = "hidden_act",
	},
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
	},
	.block = &loom_block_post_norm,
	.norm = LOOM_NORM_LAYER,
	.pos = LOOM_POS_LEARNED,
	.embed_norm = true,
	.attn_bias = true,
	.attn_out_bias = true,
	.mlp_bias = true,
	.eps_default = 1e-12,
	.ffn_times = 0,
	.n_ctx_default = 512,
	.act_default = "gelu",
};
