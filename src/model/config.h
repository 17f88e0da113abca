/* config.h: what a model is, as numbers and features: config.json (transformers 4 and 5 spelling) or GGUF metadata
 * read through a family's table. Shared code tests these features, never family names. */
#ifndef LOOM_CONFIG_H
#define LOOM_CONFIG_H

#include <jansson.h>

#include "arena.h"
#include "gguf.h"
#include "loom_backend.h"

struct loom_family;

enum loom_pos_kind { LOOM_POS_NONE, LOOM_POS_ROTARY, LOOM_POS_LEARNED };

struct loom_config {
	struct loom_arena arena;      /* owns strings and arrays below */
	const struct loom_family *family;
	const char *architecture;     /* "LlamaForCausalLM" */
	const char *model_type;       /* "llama" */
	int32_t n_layer, n_embd, n_head, n_head_kv, d_head, n_ffn, n_vocab;
	int64_t n_ctx;                /* max_position_embeddings */
	int32_t n_type;               /* token types; 0 none */
	double norm_eps;
	enum loom_norm_kind norm;
	enum loom_act_kind act;
	enum loom_pos_kind pos;
	bool causal, gated_ffn, tied, attn_bias, attn_out_bias, mlp_bias, qk_norm;
	bool embed_norm;              /* BERT: LayerNorm after the embeddings */
	bool final_norm;              /* a norm after the last block */
	bool has_head;                /* a language-model head is wanted and can be bound */
	int32_t window;               /* sliding window; 0 none */
	uint8_t *layer_windowed;      /* [n_layer] 1 where the window applies (layer_types); NULL: all */
	float embed_scale, attn_scale; /* attn_scale: multiplies q.k */
	bool attn_scale_by_layer;     /* and is divided by the layer's number, from 1 (GPT-2's option) */
	struct loom_rope rope;        /* when pos is ROTARY */
	enum loom_dtype dtype;        /* as the checkpoint says; LOOM_DTYPE_UNKNOWN when it does not */
	int32_t bos_id;               /* -1 none */
	int32_t eos_ids[16];
	int32_t n_eos;                /* from config.json, overridden by generation_config.json (a list too) */
};

/* From a parsed config.json (json_t object). Unknown architecture: LOOM_E_MODEL with its name and what is supported.
 * Every key that the family's table does not know to be harmless and that changes the computation must have a value Loom
 * implements, else LOOM_E_MODEL names key and value. cfg is released by the caller also after failure. */
enum loom_status loom_config_from_json(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
	LOOM_MUST_CHECK;
/* From GGUF metadata (general.architecture …). */
enum loom_status loom_config_from_gguf(struct loom_config *cfg, const struct loom_gguf *g, const struct loom_store *s,
	struct loom_err *err) LOOM_MUST_CHECK;
/* generation_config.json's eos_token_id / bos_token_id over those of config.json. root may be NULL. */
enum loom_status loom_config_generation(struct loom_config *cfg, const json_t *root, struct loom_err *err) LOOM_MUST_CHECK;
void loom_config_init(struct loom_config *cfg);
void loom_config_release(struct loom_config *cfg);

#endif
