/* llama_like.h: rows that many tables share word for word: the sizes and names of decoders that were written after Llama. */
#ifndef LOOM_LLAMA_LIKE_H
#define LOOM_LLAMA_LIKE_H

#include "family.h"

#define END_KEYS {LOOM_N_FIELD, NULL, NULL, NULL, NULL}
#define END_LAYERS {0, LOOM_TEST_END, false, NULL, NULL, NULL, NULL}
#define END_RULES {NULL, NULL}
#define END_BLOCKS {0, NULL}
/* A feature that every model of the family has. */
#define ALWAYS(field, value) {LOOM_F_##field, NULL, value, NULL, NULL}
#define KEY(field, keys, value) {LOOM_F_##field, keys, value, NULL, NULL}
#define MAPPED(field, keys, value, map) {LOOM_F_##field, keys, value, map, NULL}

/* Rules: bits where the test holds, and where it does not. */
#define RULE(bits, test, key, word, value) {bits, LOOM_TEST_##test, false, key, word, value, NULL}
#define RULE_NOT(bits, test, key, word, value) {bits, LOOM_TEST_##test, true, key, word, value, NULL}
/* Layers of layer_types called "sliding_attention"; without that list all but every n-th. */
#define SLIDING(bits, keys, n) \
	RULE(bits, WORD, "layer_types", "sliding_attention", NULL), RULE_NOT(bits, EVERY, keys, NULL, n)
#define LAYER_TYPES {"layer_types", "full_attention|sliding_attention"}

/* Sizes in the names of most; the caller adds n_head_kv, n_ctx and what is particular. */
#define USUAL_SIZES \
	KEY(N_LAYER, "num_hidden_layers", NULL), KEY(N_EMBD, "hidden_size", NULL), KEY(N_HEAD, "num_attention_heads", NULL), \
	KEY(N_VOCAB, "vocab_size", NULL), KEY(N_FFN, "intermediate_size", NULL)
/* What a text_config in a larger model's config may leave out: transformers then takes its class's own. Before USUAL_SIZES. */
#define TOWER_KEY(field, key, value) {LOOM_F_##field, key, value, NULL, "vision_config|audio_config"}
#define TOWER_SIZES(layers, embd, heads, vocab, ffn) \
	TOWER_KEY(N_LAYER, "num_hidden_layers", layers), TOWER_KEY(N_EMBD, "hidden_size", embd), TOWER_KEY(N_HEAD, "num_attention_heads", heads), \
	TOWER_KEY(N_VOCAB, "vocab_size", vocab), TOWER_KEY(N_FFN, "intermediate_size", ffn)
/* A causal decoder with RMS norms, rotary positions and a gated feed-forward. */
#define LLAMA_FEATURES \
	ALWAYS(NORM, "rms"), ALWAYS(POS, "rotary"), ALWAYS(CAUSAL, "true"), ALWAYS(GATED_FFN, "true"), ALWAYS(FINAL_NORM, "true"), \
	KEY(NORM_EPS, "rms_norm_eps", "1e-6"), KEY(ACT, "hidden_act", "silu"), KEY(ROPE_THETA, "rope_theta", "10000")

#define LLAMA_EMBED [LOOM_ROLE_EMBED_TOKEN] = {"embed_tokens", "token_embd"}
#define LLAMA_QKV \
	[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", "blk.%d.attn_q"}, [LOOM_ROLE_K] = {"layers.%d.self_attn.k_proj", "blk.%d.attn_k"}, \
	[LOOM_ROLE_V] = {"layers.%d.self_attn.v_proj", "blk.%d.attn_v"}
#define LLAMA_O [LOOM_ROLE_O] = {"layers.%d.self_attn.o_proj", "blk.%d.attn_output"}
#define LLAMA_NORMS \
	[LOOM_ROLE_ATTN_NORM] = {"layers.%d.input_layernorm", "blk.%d.attn_norm"}, \
	[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_attention_layernorm", "blk.%d.ffn_norm"}, LLAMA_FINAL_NORM
#define LLAMA_FINAL_NORM [LOOM_ROLE_FINAL_NORM] = {"norm", "output_norm"}
#define LLAMA_QK_NORM \
	[LOOM_ROLE_Q_NORM] = {"layers.%d.self_attn.q_norm", "blk.%d.attn_q_norm"}, \
	[LOOM_ROLE_K_NORM] = {"layers.%d.self_attn.k_norm", "blk.%d.attn_k_norm"}
#define LLAMA_MLP \
	[LOOM_ROLE_GATE] = {"layers.%d.mlp.gate_proj", "blk.%d.ffn_gate"}, [LOOM_ROLE_UP] = {"layers.%d.mlp.up_proj", "blk.%d.ffn_up"}, \
	[LOOM_ROLE_DOWN] = {"layers.%d.mlp.down_proj", "blk.%d.ffn_down"}
#define LLAMA_HEAD [LOOM_ROLE_HEAD] = {"/lm_head", "output"}
/* All of Llama's weights. */
#define LLAMA_NAMES LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD

#endif
