/* t5_like.h: rows that the tables of T5's encoders share word for word. */
#ifndef LOOM_T5_LIKE_H
#define LOOM_T5_LIKE_H

#include "llama_like.h"

/* RMS norms, no biases, scores without a scale, a bias for each bucket of distances. */
#define T5_KEYS(gated, act) \
	KEY(N_LAYER, "num_layers|num_hidden_layers", NULL), KEY(N_EMBD, "d_model|hidden_size", NULL), KEY(N_HEAD, "num_heads|num_attention_heads", NULL), \
	KEY(N_VOCAB, "vocab_size", NULL), KEY(N_FFN, "d_ff", NULL), KEY(D_HEAD, "d_kv|head_dim", "64"), KEY(N_CTX, "n_positions", "2048"), \
	ALWAYS(NORM, "rms"), KEY(NORM_EPS, "layer_norm_epsilon", "1e-6"), ALWAYS(FINAL_NORM, "true"), ALWAYS(ATTN_SCALED, "false"), \
	ALWAYS(REL, "buckets"), KEY(N_BUCKET, "relative_attention_num_buckets", "32"), KEY(REL_MAX, "relative_attention_max_distance", "128"), \
	MAPPED(GATED_FFN, "feed_forward_proj", gated, \
		"gated-gelu=true|gated-silu=true|gated-relu=true|gated-gelu_new=true|relu=false|gelu=false|silu=false|gelu_new=false"), \
	MAPPED(ACT, "feed_forward_proj", act, "gated-gelu=gelu_new|gated-silu=silu|gated-relu=relu|gated-gelu_new=gelu_new|*"), \
	KEY(GATED_FFN, "is_gated_act", NULL), KEY(ACT, "dense_act_fn", NULL)
/* Both halves may be in the files: this is the first. */
#define T5_RULES {"is_encoder_decoder", "true|false"}, {"is_decoder", "false"}
#define T5_IGNORED \
	"dropout_rate|classifier_dropout|initializer_factor|num_decoder_layers|scale_decoder_outputs|output_past|tokenizer_class|" \
	"forced_decoder_ids|model_parallel|max_new_tokens"
/* GGUF files say by their tensors whether the feed-forward is gated, and whether each layer has a table of distances. */
#define GGUF_T5 \
	KEY(N_BUCKET, "attention.relative_buckets_count", NULL), MAPPED(GATED_FFN, "stored.ffn_gate", "false", "true=true"), \
	MAPPED(ACT, "stored.ffn_gate", "relu", "true=gelu_new"), MAPPED(REL_EACH, "later.attn_rel_b", "false", "true=true"), \
	KEY(D_HEAD, "attention.key_length", NULL)
#define T5_NAMES \
	[LOOM_ROLE_EMBED_TOKEN] = {"shared|encoder.embed_tokens", "token_embd"}, \
	[LOOM_ROLE_Q] = {"encoder.block.%d.layer.0.SelfAttention.q", "enc.blk.%d.attn_q"}, \
	[LOOM_ROLE_K] = {"encoder.block.%d.layer.0.SelfAttention.k", "enc.blk.%d.attn_k"}, \
	[LOOM_ROLE_V] = {"encoder.block.%d.layer.0.SelfAttention.v", "enc.blk.%d.attn_v"}, \
	[LOOM_ROLE_O] = {"encoder.block.%d.layer.0.SelfAttention.o", "enc.blk.%d.attn_o"}, \
	[LOOM_ROLE_ATTN_NORM] = {"encoder.block.%d.layer.0.layer_norm", "enc.blk.%d.attn_norm"}, \
	[LOOM_ROLE_GATE] = {"encoder.block.%d.layer.1.DenseReluDense.wi_0", "enc.blk.%d.ffn_gate"}, \
	[LOOM_ROLE_UP] = {"encoder.block.%d.layer.1.DenseReluDense.wi_1|encoder.block.%d.layer.1.DenseReluDense.wi", "enc.blk.%d.ffn_up"}, \
	[LOOM_ROLE_DOWN] = {"encoder.block.%d.layer.1.DenseReluDense.wo", "enc.blk.%d.ffn_down"}, \
	[LOOM_ROLE_MLP_NORM] = {"encoder.block.%d.layer.1.layer_norm", "enc.blk.%d.ffn_norm"}, \
	[LOOM_ROLE_FINAL_NORM] = {"encoder.final_layer_norm", "enc.output_norm"}

#endif
