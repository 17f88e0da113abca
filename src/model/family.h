/* family.h: a model family as data. One const table a family, in families/; no functions, no branching on names elsewhere.
 *
 * A table says: the names it answers to, how its config.json and GGUF spell each size, its features and their defaults, the name
 * of each weight, and which block program it runs (blocks.h). */
#ifndef LOOM_FAMILY_H
#define LOOM_FAMILY_H

#include "blocks.h"
#include "config.h"

/* Weights by role. "%d" in a name is the layer. Each has ".weight", and ".bias" where the features say so. */
enum loom_role {
	LOOM_ROLE_EMBED_TOKEN, LOOM_ROLE_EMBED_POSITION, LOOM_ROLE_EMBED_TYPE, LOOM_ROLE_EMBED_NORM,
	LOOM_ROLE_ATTN_NORM, LOOM_ROLE_Q, LOOM_ROLE_K, LOOM_ROLE_V, LOOM_ROLE_QKV, LOOM_ROLE_O, LOOM_ROLE_Q_NORM, LOOM_ROLE_K_NORM,
	LOOM_ROLE_MLP_NORM, LOOM_ROLE_GATE, LOOM_ROLE_UP, LOOM_ROLE_DOWN, LOOM_ROLE_FINAL_NORM, LOOM_ROLE_HEAD, LOOM_N_ROLE
};

struct loom_role_name {
	const char *hf;   /* without the prefix and ".weight"; NULL: the family has no such weight */
	const char *gguf;
};

/* How config.json spells the sizes. NULL: the family has no such key. */
struct loom_config_keys {
	const char *n_layer, *n_embd, *n_head, *n_head_kv, *d_head, *n_ffn, *n_ctx, *n_vocab, *n_type, *eps, *act, *window;
	const char *attn_bias, *mlp_bias; /* booleans */
};

/* A key that must have one of the values (JSON text, "|" between) when it is there; anything else is refused by name. */
struct loom_key_rule {
	const char *key, *values;
};

struct loom_family {
	const char *name;                 /* model_type */
	const char *const *architectures; /* NULL-terminated */
	const char *gguf;                 /* general.architecture; NULL: none */
	const char *const *prefixes;      /* what may stand before weight names, most usual first; NULL-terminated */
	struct loom_config_keys keys;
	const struct loom_key_rule *rules; /* up to a NULL key */
	struct loom_role_name roles[LOOM_N_ROLE];
	const struct loom_block *block;
	/* features */
	enum loom_norm_kind norm;
	enum loom_pos_kind pos;
	bool causal, gated_ffn, tied_default, qk_norm, embed_norm, final_norm;
	bool attn_bias, attn_out_bias, mlp_bias; /* biases that are always there, or the keys' defaults */
	bool attn_bias_covers_out;        /* the attn_bias key switches the output projection's bias too */
	bool fused_qkv, transposed;       /* one matrix for q|k|v; matrices stored [in, out] */
	bool window_by_layer;             /* use_sliding_window, max_window_layers, layer_types decide where the window is */
	bool scale_keys;                  /* scale_attn_weights, scale_attn_by_inverse_layer_idx */
	bool gguf_permuted;               /* GGUF stores q and k in interleaved-rope order */
	double eps_default, rope_theta_default;
	int32_t ffn_times;                /* n_ffn when its key is absent or null: this times n_embd; 0: required */
	int32_t n_ctx_default;
	int32_t window_default, window_layers_default; /* of sliding_window and max_window_layers when the keys are absent (not null) */
	int32_t n_head_kv_default, d_head_default;     /* when the keys are absent; 0: n_head, n_embd / n_head */
	const char *act_default;
	/* architectures that end without a language-model head are those that don't end in one of these; NULL-terminated */
	const char *const *head_suffixes;
};

/* All families, NULL-terminated (families/index.c). */
extern const struct loom_family *const loom_families[];

#endif
