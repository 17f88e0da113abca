/* config.h: what a model is, as numbers and features: config.json (transformers 4 and 5 spelling) or GGUF metadata
 * read through a family's table. Shared code tests these features, never family names. */
#ifndef LOOM_CONFIG_H
#define LOOM_CONFIG_H

#include <jansson.h>

#include "arena.h"
#include "config_quant.h"
#include "gguf.h"
#include "loom_backend.h"

struct loom_family;
struct loom_block;
struct loom_rope_spec;

#define LOOM_MAX_ROPE 2

enum loom_pos_kind { LOOM_POS_NONE, LOOM_POS_ROTARY, LOOM_POS_LEARNED, LOOM_POS_SINUSOID, LOOM_POS_ALIBI, LOOM_POS_ALIBI_BF16 };
/* Norms of queries and keys: of each head with one weight for all heads; of the whole width; of each head with a weight a head (in one
 * tensor, or in one a head). */
enum loom_qk_norm { LOOM_QK_NONE, LOOM_QK_HEAD, LOOM_QK_WHOLE, LOOM_QK_EACH_HEAD, LOOM_QK_HEAD_TENSORS };
/* Positions by the distance of key and query: a bias a head for each bucket of distances (T5); rows that queries and keys are multiplied with
 * (DeBERTa, https://arxiv.org/abs/2006.03654). */
enum loom_rel_kind { LOOM_REL_NONE, LOOM_REL_BUCKETS, LOOM_REL_DISENTANGLED };
/* Norms of a selective scan's dt, B and C. */
enum loom_scan_norm { LOOM_SCAN_PLAIN, LOOM_SCAN_RMS, LOOM_SCAN_RMS_WEIGHTS };
/* How q, k and v are stored: three tensors; one with q|k|v; one with q..q|k|v for each kv head; one with q|v|k for each of qkv_blocks
 * parts. */
enum loom_qkv_layout { LOOM_QKV_SPLIT, LOOM_QKV_STACKED, LOOM_QKV_GROUPED, LOOM_QKV_BLOCKED_QVK };

/* What is particular to a layer: decided by a family's layer rules; block programs are chosen by it. */
enum loom_layer_bit {
	LOOM_LAYER_WINDOW = 1,      /* the sliding window applies */
	LOOM_LAYER_ROPE = 2,        /* queries and keys are rotated */
	LOOM_LAYER_LOCAL_ROPE = 4,  /* ... by the second rope */
	LOOM_LAYER_PARALLEL = 8,    /* attention and feed-forward read the same stream */
	LOOM_LAYER_TWO_NORMS = 16,  /* ... through a norm each */
	LOOM_LAYER_POST_NORM = 32,  /* norms stand after the additions */
	LOOM_LAYER_NORM_RESID = 64, /* what is added to is the normed stream (BLOOM's option) */
	LOOM_LAYER_MOE = 128,       /* experts instead of one feed-forward */
	LOOM_LAYER_DENSE = 512,     /* one feed-forward although the layer would have experts */
	LOOM_LAYER_MIXER = 256,     /* another mixer instead of attention (convolution, state space, delta net) */
	LOOM_LAYER_LATE = 1 << 18,  /* behind the last layer that has experts */
	LOOM_LAYER_WHOLE = 1 << 17, /* no window although the layer would have one */
	LOOM_LAYER_BARE = 1 << 16,  /* attention reads the stream as it is (ModernBERT's first layer) */
};
struct loom_layer {
	uint32_t bits;
	int32_t window;             /* 0 none */
	int32_t rope;               /* index into ropes; -1 none */
	const struct loom_block *block;
};

struct loom_config {
	struct loom_arena arena;      /* owns strings and arrays below */
	const struct loom_family *family;
	const char *architecture;     /* "LlamaForCausalLM" */
	const char *model_type;       /* "llama" */
	/* fields.h: set through the family's table */
	int32_t n_layer, n_embd, n_head, n_head_kv, d_head, n_ffn, n_vocab;
	int64_t n_ctx;                /* max_position_embeddings */
	int32_t n_type;               /* token types; 0 none */
	int32_t d_embed;              /* width of the embedding table where a projection stands between it and the stream; else 0 */
	int32_t pos_offset;           /* added to positions when they are looked up */
	bool pos_whole;               /* the config's n_ctx counts the rows of the table, offset included (RoBERTa) */
	bool embed_narrow;            /* types, positions and norm at width d_embed, then the projection, with a bias (ELECTRA, ALBERT) */
	bool embed_projected;         /* a projection even where d_embed is n_embd */
	int32_t n_task;               /* task types, all tokens being of the first (ERNIE); 0 none */
	int32_t n_group;              /* layers share the weights of so many groups (ALBERT); 0: each has its own */
	int32_t mask_id;              /* a token whose presence rescales the others (ESM): refused in texts; 0 none */
	double norm_eps, norm_add;    /* norm_add: added to norm weights (Gemma: 1) */
	enum loom_norm_kind norm;
	bool norm_bias, norm_weight;  /* of layer norms */
	enum loom_qk_norm qk_norm;
	bool qk_norm_bias;
	enum loom_act_kind act, head_act, class_act; /* of the feed-forward; of the dense layer in a masked-word head, and in a classifier's */
	enum loom_act_kind mixer_act; /* of mixers; that of the feed-forward unless mixer_acts */
	bool mixer_acts;
	bool class_mean;              /* a classifier reads the mean of the rows, not the first (encoders) or last (decoders) */
	enum loom_pos_kind pos;
	enum loom_qkv_layout qkv;
	int32_t qkv_blocks;
	bool fused_gate;              /* gate and up in one tensor */
	bool up_first;                /* ... up before gate */
	bool transposed;              /* matrices stored [in, out] */
	bool causal, gated_ffn, tied, attn_bias, attn_out_bias, mlp_bias, mlp_down_bias, head_bias;
	bool embed_norm;              /* a norm after the embeddings */
	bool final_norm;              /* a norm after the last block */
	bool hidden_after;            /* hidden_states[k] is what block k leaves, from 0; the embeddings are not among them (Mamba) */
	int32_t window;               /* sliding window of the layers that have LOOM_LAYER_WINDOW; 0 none */
	bool use_window;
	double embed_scale, attn_scale; /* attn_scale: multiplies q.k */
	bool embed_scaled, attn_scaled; /* false: the scale is 1 after all */
	double query_scalar;          /* attn_scale is its inverse square root; 0: not given */
	bool attn_scale_by_layer;     /* and is divided by the layer's number, from 1 (GPT-2's option) */
	double attn_softcap, logit_softcap; /* 0 none */
	double temper;                /* queries at p grow by 1 + temper * log(1 + floor((p + temper_add) / temper_every)); 0 not */
	int32_t temper_every, temper_add;
	double clip_qkv;              /* q, k and v are clamped to [-clip, clip]; 0 not */
	double residual_scale;        /* of what is added to the stream */
	double depth_scale;           /* that is this divided by the root of n_layer; 0: not */
	int32_t logit_width;          /* logits are divided by n_embd / logit_width; 0 not */
	double logit_scale, logit_divide;
	double alibi_max;
	double rope_theta, rope_local_theta; /* rope_local_theta: of the second rope; 0: there is none */
	double rotary_part;           /* share of a head that is rotated */
	int32_t rotary_dim;           /* the same in columns; 0: by rotary_part */
	bool rope_interleaved, rope_reversed; /* reversed: the other way round */
	enum loom_rel_kind rel;       /* beside pos */
	int32_t n_bucket, rel_max;    /* 0: DISENTANGLED has a row for each distance; rel_max: the distance from which on all are one */
	bool rel_each;                /* BUCKETS: each layer has a table of its own */
	bool rel_key, rel_query;      /* DISENTANGLED: queries meet rows, keys meet rows */
	bool rel_shared;              /* ... made by the layer's own matrices of keys and queries */
	bool rel_norm;                /* ... after a norm */
	bool rope_alpha;              /* a dynamic rope's "alpha" stretches theta once and for all */
	bool yarn_truncate;           /* YaRN's bounds are whole columns; of GGUF files, which do not say (config.json says it in its rope) */
	int32_t d_value;              /* width of a value head; d_head but for latent attention */
	bool attn_gate;               /* the heads' results times sigmoids, of a matrix of their own or of the rows behind each head's query */
	/* latent attention: keys and values from kv_rank numbers a token; a head's key is d_nope columns and d_rope that are rotated */
	int32_t q_rank, kv_rank, d_nope, d_rope;
	/* other mixers, of layers that have LOOM_LAYER_MIXER */
	int32_t n_tap;                /* of the short convolution */
	bool conv_bias, mixer_bias;   /* mixer_bias: of the products into and out of the mixer */
	int32_t d_inner, d_state, dt_rank; /* selective scan: columns, states a column, rank of dt */
	int32_t d_scan;               /* d_inner is n_scan times this, where it is given */
	int32_t n_scan, n_scan_group; /* scan by heads: d_inner columns in n_scan of them, which share B and C by groups; 0: each column by itself */
	bool gate_norm, gate_last;    /* SCAN_HEADS: a norm beside the gate; the gate behind it */
	/* multipliers of what a scan reads, of parts of the products of it, and of what it gives; of what attention reads and gives and of its keys;
	 * of the feed-forward's gate before the activation, and of what it gives */
	double scan_in_scale, scan_z_scale, scan_x_scale, scan_b_scale, scan_c_scale, scan_dt_scale, scan_out_scale;
	double attn_in_scale, attn_out_scale, key_scale, gate_scale, down_scale;
	double expand;                /* d_inner where it is not given: this times n_embd */
	enum loom_scan_norm scan_norm;
	double scan_eps;              /* of those norms; 0: norm_eps */
	int32_t n_delta_key, n_delta, d_delta_key, d_delta; /* delta rule: heads of keys and of values, and their widths */
	/* n_ffn as LFM2 adjusts it: two thirds of it, times ffn_times, rounded up to ffn_multiple */
	bool ffn_adjust;
	double ffn_times;
	int32_t ffn_multiple;
	/* experts, of the layers whose block has them */
	int32_t n_expert, n_expert_used; /* n_expert 0: there are none */
	int32_t n_ffn_expert;         /* F of one expert */
	int32_t n_shared, n_ffn_shared; /* experts that every token uses; their width together */
	bool shared_gate;             /* ... times the sigmoid of a product of its own */
	bool expert_bias, experts_turned; /* experts have biases; experts in one tensor are stored [experts, in, out] */
	enum loom_glu_kind expert_glu;
	double glu_limit, glu_alpha;  /* of a clamped one */
	enum loom_router_kind router;
	bool sinks;                   /* ATTEND's, one a head */
	bool router_bias, choice_bias; /* of the product; of the choice alone */
	bool router_norm;             /* the chosen weights are normalized */
	double router_norm_add, router_norm_min, router_scale, router_jitter;
	bool group_limit;             /* of n_expert_group groups only the n_expert_group_used best may give experts */
	int32_t n_expert_group, n_expert_group_used, n_group_best;
	/* low-rank adapters beside the matrices and tables, one a task: a text of task i is computed with W + adapter_alpha / adapter_rank * B_i A_i */
	int32_t n_adapter, adapter_rank;
	double adapter_alpha;
	const char **adapter_names;   /* [n_adapter] */
	const char **adapter_prompts; /* [n_adapter] what stands before a text of the task; "" nothing */
	/* derived */
	bool has_head;                /* a language-model head is wanted and can be bound */
	bool tower;                   /* the text part of a larger model */
	bool classifies;              /* a head that gives texts their scores; read by load/class_head.h, not in the plan */
	bool masked_head;             /* a dense layer and a norm stand before it, as where masked words are guessed */
	struct loom_layer *layers;    /* [n_layer] */
	struct loom_rope ropes[LOOM_MAX_ROPE];
	int32_t n_rope;
	const struct loom_rope_spec *rope_specs[LOOM_MAX_ROPE]; /* what config.json says of each; NULL: the config is not from there */
	enum loom_dtype dtype;        /* as the checkpoint says; LOOM_DTYPE_UNKNOWN when it does not */
	char gguf_file_type[16];      /* general.file_type as llama.cpp names it ("Q4_K_M"); "" when unknown */
	struct loom_quant_config quant; /* how the files are quantized, or what a request wants made of them */
	int32_t bos_id;               /* -1 none */
	int32_t eos_ids[16];
	int32_t n_eos;                /* from config.json, overridden by generation_config.json (a list too) */
};

/* From a parsed config.json (json_t object). Unknown architecture: LOOM_E_MODEL with its name and what is supported.
 * Every key that the family's table does not know to be harmless and that changes the computation must have a value Loom
 * implements, else LOOM_E_MODEL names key and value. cfg is released by the caller also after failure. */
enum loom_status loom_config_from_json(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
	LOOM_MUST_CHECK;
/* The same through a given family, whatever architectures and model_type say (manifests). */
enum loom_status loom_config_of_family(struct loom_config *cfg, const struct loom_family *f, const json_t *root, const char *where,
	struct loom_err *err) LOOM_MUST_CHECK;
/* From GGUF metadata (general.architecture …). */
enum loom_status loom_config_from_gguf(struct loom_config *cfg, const struct loom_gguf *g, const struct loom_store *s,
	struct loom_err *err) LOOM_MUST_CHECK;
/* generation_config.json's eos_token_id / bos_token_id over those of config.json. root may be NULL. */
enum loom_status loom_config_generation(struct loom_config *cfg, const json_t *root, struct loom_err *err) LOOM_MUST_CHECK;
void loom_config_init(struct loom_config *cfg);
void loom_config_release(struct loom_config *cfg);

#endif
