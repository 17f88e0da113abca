/* bert_like.h: rows that tables of BERT's descendants share word for word. */
#ifndef LOOM_BERT_LIKE_H
#define LOOM_BERT_LIKE_H

#include "llama_like.h"

/* Layer norms on the stream, biases everywhere, every token seeing every other. */
#define BERT_FEATURES \
	KEY(NORM_EPS, "layer_norm_eps", "1e-12"), KEY(ACT, "hidden_act", "gelu"), ALWAYS(NORM, "layer"), \
	ALWAYS(ATTN_BIAS, "true"), ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"), ALWAYS(MLP_DOWN_BIAS, "true")
#define BERT_RULES {"position_embedding_type", "absolute"}, {"is_decoder", "false"}
#define BERT_IGNORED \
	"attention_probs_dropout_prob|hidden_dropout_prob|classifier_dropout|embedding_size|summary_type|summary_use_proj|" \
	"summary_activation|summary_last_dropout|gradient_checkpointing"

#define BERT_EMBED \
	[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.word_embeddings", "token_embd"}, \
	[LOOM_ROLE_EMBED_POSITION] = {"embeddings.position_embeddings", "position_embd"}, \
	[LOOM_ROLE_EMBED_TYPE] = {"embeddings.token_type_embeddings", "token_types"}, \
	[LOOM_ROLE_EMBED_NORM] = {"embeddings.LayerNorm", "token_embd_norm"}
#define BERT_ATTENTION \
	[LOOM_ROLE_Q] = {"encoder.layer.%d.attention.self.query", "blk.%d.attn_q"}, \
	[LOOM_ROLE_K] = {"encoder.layer.%d.attention.self.key", "blk.%d.attn_k"}, \
	[LOOM_ROLE_V] = {"encoder.layer.%d.attention.self.value", "blk.%d.attn_v"}, \
	[LOOM_ROLE_O] = {"encoder.layer.%d.attention.output.dense", "blk.%d.attn_output"}
#define BERT_MLP \
	[LOOM_ROLE_UP] = {"encoder.layer.%d.intermediate.dense", "blk.%d.ffn_up"}, \
	[LOOM_ROLE_DOWN] = {"encoder.layer.%d.output.dense", "blk.%d.ffn_down"}
#define BERT_NORMS \
	[LOOM_ROLE_ATTN_NORM] = {"encoder.layer.%d.attention.output.LayerNorm", "blk.%d.attn_output_norm"}, \
	[LOOM_ROLE_MLP_NORM] = {"encoder.layer.%d.output.LayerNorm", "blk.%d.layer_output_norm"}
/* All of BERT's weights. */
#define BERT_NAMES BERT_EMBED, BERT_ATTENTION, BERT_MLP, BERT_NORMS

#endif
