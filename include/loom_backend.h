/* loom_backend.h: what a backend executes, and the table of functions that it gives.
 *
 * A model is unrolled once, on load, into a flat list of ops over numbered slots (src/model/plan.h). The CPU and
 * CUDA backends run the same list. A slot is a float32 matrix [T, width], T being the rows of the step's batch.
 * Shape letters: T tokens, D model width, H heads, K kv heads, d head width, F ffn width, V vocabulary. */
#ifndef LOOM_BACKEND_H
#define LOOM_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "store.h"

#define LOOM_PAGE 64 /* positions in a KV page, and in a block of keys that attention walks */
#define LOOM_MAX_SLOT 32

/* ---- sites: where a tap can stand (api.md's capture table) ---- */
#define LOOM_SITE_LIST(X) \
	X(HIDDEN, "hidden") X(RESID_PRE, "resid_pre") X(RESID_MID, "resid_mid") X(RESID_POST, "resid_post") \
	X(ATTN_NORM, "attn_norm") X(MLP_NORM, "mlp_norm") X(ATTN_OUT, "attn_out") X(MLP_OUT, "mlp_out") \
	X(Q, "q") X(K, "k") X(V, "v") X(ATTN_HEADS, "attn_heads") X(ATTN_PROBS, "attn_probs") X(MLP_ACT, "mlp_act") \
	X(ROUTER, "router") X(FINAL_NORM, "final_norm") X(LOGITS, "logits")
enum loom_site {
#define X(id, name) LOOM_SITE_##id,
	LOOM_SITE_LIST(X)
#undef X
	LOOM_N_SITE
};

/* ---- weights ---- */
enum loom_weight_kind {
	LOOM_WEIGHT_MATRIX, /* y = x W^T; packed by the backend, kept in its stored float type */
	LOOM_WEIGHT_TABLE,  /* rows looked up by EMBED */
	LOOM_WEIGHT_VECTOR, /* norm weights, biases: float32 after loading */
	LOOM_WEIGHT_SPREAD, /* computed from other weights when all are loaded: struct loom_spread */
};
/* A matrix [n_row, n_col] whose file holds codes and scales in tensors of their own, or one that is quantized while it is read
 * (MAKE_*: codes is then the float tensor). shared/reference/quantization.md has the formats bit by bit; src/quant/module.c reads them. */
enum loom_quant_kind { LOOM_QUANT_GPTQ, LOOM_QUANT_AWQ_GEMM, LOOM_QUANT_AWQ_GEMV, LOOM_QUANT_AWQ_FAST, LOOM_QUANT_BNB4, LOOM_QUANT_BNB8,
	LOOM_QUANT_CT_PACKED, LOOM_QUANT_INT8, LOOM_QUANT_FP8, LOOM_QUANT_MXFP4, LOOM_QUANT_MAKE_NF4, LOOM_QUANT_MAKE_INT8 };
struct loom_quant {
	enum loom_quant_kind kind;
	int bits;
	int64_t n_row, n_col;
	int64_t n_plane, plane; /* the tensors hold n_plane such matrices, and this is one of them (experts); n_plane 0: they hold one */
	int64_t group;         /* k that share a scale; BNB4: elements of the flat matrix; MAKE_NF4 too */
	int64_t block_rows;    /* FP8: rows that share a scale; n_row for one scale */
	bool add_one;          /* GPTQ v1: zeros are stored one less */
	bool fp4;              /* BNB4: the FP4 table instead of NF4's */
	bool nested;           /* MAKE_NF4: scales are quantized too */
	bool transposed;       /* MAKE_*: stored [K, N] */
	float nested_offset;   /* BNB4 with nested scales */
	int64_t nested_group;
	const struct loom_tensor *codes, *scale, *zero, *g_idx, *map, *nested_scale, *nested_map; /* NULL where the kind has none */
};
/* One stored tensor of a weight, or a share of its rows. Parts are stacked along the output rows (q, k, v into one matrix). */
struct loom_weight_part {
	const struct loom_tensor *tensor;
	int64_t n_row;         /* output rows this part gives */
	int64_t row0;          /* first stored row taken from the tensor (a slice of a fused tensor, one matrix of several), usually 0 */
	int64_t group, stride; /* rows come in groups: output row r is the tensor's row row0 + r / group * stride + r % group (q, k and v
	                        * interleaved by head); group 0: one after the other. Never with `transposed` */
	bool transposed;       /* stored [K, N] (GPT-2's Conv1D) instead of [N, K] */
	int64_t n_side;        /* > 1: the tensor is so many matrices [n_row, n_col / n_side], which stand side by side in the weight */
	const struct loom_quant *quant; /* NULL: the tensor's type says it all; else tensor is quant->codes and rows are the matrix's */
	int rope_unpermute;    /* >0: rows are in GGUF's interleaved-rope order for this many heads: undo it to the
	                        * half-split order of transformers (row h*d + j + (d/2)*i  <-  h*d + 2*j + i) */
};
/* What rows of a table, one for each distance between a key and a query, give to scores: y = the table's rows, normed, times a matrix, each
 * where it is there; the weight [n_row, plan->distances.n] holds in column i the columns col .. col+n_row-1 of y's row distances.row[i]. */
struct loom_spread {
	int32_t table;           /* weight: a TABLE */
	int32_t norm, norm_bias; /* weights of a layer norm; -1 none */
	float eps;
	int32_t matrix, bias;    /* -1 none */
	int32_t col;
};
struct loom_weight {
	char name[96];         /* role with layer, e.g. "layers.3.attn.qkv"; messages use the tensors' own names */
	enum loom_weight_kind kind;
	bool lookup;           /* a MATRIX that EMBED also reads (tied embeddings) */
	float add;             /* VECTOR: added on load (Gemma's 1 + weight); 0 otherwise */
	bool neg_exp;          /* VECTOR, TABLE: kept as -exp(w) (the A of state spaces) */
	int64_t n_row, n_col;  /* MATRIX [N, K], TABLE [rows, D], VECTOR [n_row] with n_col 1 */
	int n_part;            /* 0: weight not bound (plan printed without weights), or constant */
	struct loom_weight_part *part; /* [n_part] */
	const float *constant; /* [n_row, n_col] values computed instead of stored (sinusoidal positions); NULL: stored */
	const struct loom_spread *spread; /* SPREAD */
	bool passing;          /* read by SPREADs only, and not kept after them */
	bool packed;           /* MATRIX: quantized parts (quant or a block type) stay as they are stored */
	enum loom_dtype dtype; /* how the backend keeps the rest: F32, F16 or BF16 (VECTOR always F32); TABLE: maybe a block type */
};

/* ---- ops ---- */
/* Columns [col, col+width) of a slot. */
struct loom_view {
	int16_t slot;
	int32_t col, width;
};

enum loom_op_kind {
	LOOM_OP_EMBED,     /* out (+)= scale * table[index] */
	LOOM_OP_NORM,      /* out = norm(a) * w (+ bias), over each run of a.width/n_group columns */
	LOOM_OP_LINEAR,    /* out = a W^T (+ bias) */
	LOOM_OP_ROTATE,    /* rotary embedding in place on out = n_group heads; a unused */
	LOOM_OP_KV_STORE,  /* append a (keys) and b (values) to the layer's pages */
	LOOM_OP_ATTEND,    /* out = softmax(scale * a K^T + mask) V over the layer's pages; a = queries */
	LOOM_OP_ACT,       /* out = act(a); XIELU: with w [4] = its alphas before softplus, beta and eps */
	LOOM_OP_GATE,      /* out = act(a) * b; an a of width 1 counts for every column (shared experts) */
	LOOM_OP_CONV,      /* out[t] = sum over j < n_tap of w[j] * a[t - n_tap + 1 + j], for each column by itself (+ bias); a of positions
	                    * before 0 is 0. w TABLE [n_tap, C] in float32. State: the last n_tap - 1 rows of a. out is not a */
	LOOM_OP_SCAN,      /* Mamba's selective scan (https://arxiv.org/abs/2312.00752): a = x [C], b = dt [C], c = B|C [2 d_state], w = A TABLE
	                    * [d_state, C], bias = D [C]: dt' = softplus(dt), h[n] = exp(A[n] dt') h[n] + (dt' B[n]) x, out = sum over n of
	                    * h[n] C[n] + D x. State: h [d_state, C] */
	LOOM_OP_SCAN_HEADS, /* Mamba 2's (https://arxiv.org/abs/2405.21060): n_head heads of d_value columns; a = x [H d_value], b = dt [H],
	                    * c = B|C [2 n_group d_state], w = A, bias = D, bias2 = what is added to dt [H]: dt' = softplus(dt + bias2);
	                    * h[n] = exp(A dt') h[n] + (dt' B[n]) x, out = sum over n of h[n] C[n] + D x, with the B and C of the head's group.
	                    * State: h [H][d_state, d_value] */
	LOOM_OP_DELTA,     /* the gated delta rule (https://arxiv.org/abs/2412.06464): a = q|k|v (n_head_kv heads of d_head, of d_head, n_head of
	                    * d_value), b = write|decay [2 n_head], w = A [n_head], bias = what is added to decay [n_head]. Of each head
	                    * of v, q and k being l2-normalized, q times scale:
	                    * S = exp(A softplus(decay + bias)) S; S += k (sigmoid(write) (v - k S)); out = q S. State: S [d_head, d_value] */
	LOOM_OP_ROUTE,     /* a = router logits [n_expert] become probabilities in place; b [2 n_used] = the chosen experts' numbers in
	                    * ascending order, then their weights (struct loom_router) */
	LOOM_OP_EXPERTS,   /* out = sum over the chosen experts e of b, ascending, of weight * (glu(a Wup_e^T + bias) Wdown_e^T + bias) */
	LOOM_OP_ADD,       /* out = a + b */
	LOOM_OP_JOIN,      /* out = for each of n_head heads: its columns of a, then all of b (latent attention's keys) */
	LOOM_OP_SCALE,     /* out = scale * a */
	LOOM_OP_TEMPER,    /* out = (1 + scale * log(1 + floor((position + index_add) / every))) * a: queries far into a text are sharper */
	LOOM_OP_SOFTCAP,   /* out = scale * tanh(a / scale) */
	LOOM_OP_CLIP,      /* out = a clamped to [-scale, scale] */
	LOOM_OP_ADAPT,     /* in place on out, n_group runs of columns: the run of the row's adapter times scale, the others 0 */
	LOOM_OP_GATHER,    /* out[i] = a[out_rows[i]]: from here on rows are the batch's n_out rows */
	LOOM_OP_TAP,       /* a is the site's value at this layer; captures copy rows out here */
	LOOM_N_OP
};
enum loom_norm_kind { LOOM_NORM_LAYER, LOOM_NORM_RMS };
enum loom_act_kind { LOOM_ACT_SILU, LOOM_ACT_GELU_ERF, LOOM_ACT_GELU_TANH, LOOM_ACT_RELU, LOOM_ACT_RELU2, LOOM_ACT_QUICK_GELU,
	LOOM_ACT_TANH, LOOM_ACT_SIGMOID, LOOM_ACT_NONE, LOOM_ACT_XIELU, LOOM_N_ACT };
/* What stands between an expert's two products: act(up) [F]; act(gate) * up of gate|up [2F]; gpt-oss's (up' + 1) gate' sigmoid(1.702 gate') of
 * gate and up that alternate [2F], gate' = min(gate, 7), up' = up clamped to [-7, 7] (op fields limit and alpha); the same of gate|up. */
enum loom_glu_kind { LOOM_GLU_NONE, LOOM_GLU_HALVES, LOOM_GLU_CLAMPED, LOOM_GLU_CLAMPED_HALVES };
/* How a router chooses. The probabilities of the router site are the softmax; the sigmoids; for TOPK_SOFTMAX the softmax over the chosen,
 * for SPARSEMIXER the multipliers (https://arxiv.org/abs/2409.12136, as Phi-3.5-MoE runs it), 0 elsewhere. Equal choices: the lower number. */
enum loom_router_kind { LOOM_ROUTER_SOFTMAX, LOOM_ROUTER_SIGMOID, LOOM_ROUTER_TOPK_SOFTMAX, LOOM_ROUTER_SPARSEMIXER };
struct loom_router {
	enum loom_router_kind kind;
	int32_t n_expert, n_used;
	int32_t n_group, n_group_used; /* experts come in n_group runs, of which the n_group_used best may give experts; n_group 1: no limit */
	int32_t n_group_best;    /* a group is worth the sum of its so many best (DeepSeek-V2: 1, -V3: 2) */
	bool normalize;          /* weights are divided by max(sum, norm_min) + norm_add */
	float norm_add, norm_min;
	float scale;             /* and then multiplied by this (routed_scaling_factor) */
	float jitter;            /* SPARSEMIXER: router_jitter_noise */
};
/* What ATTEND adds to the score of key k for the query at q, besides the product. */
enum loom_score_bias {
	LOOM_SCORE_PLAIN,
	LOOM_SCORE_ALIBI,      /* -slope * |q - k|: softmax does not see the constant by which this differs from the slope * k of BLOOM and
	                        * from MPT's slope * (k - n + 1) */
	LOOM_SCORE_ALIBI_BF16, /* Falcon: the slope and slope * k rounded to bfloat16, scaled as the product is */
};
enum loom_index_kind { LOOM_INDEX_TOKEN, LOOM_INDEX_POSITION, LOOM_INDEX_COUNTED, LOOM_INDEX_TYPE, LOOM_INDEX_ZERO };

struct loom_op {
	enum loom_op_kind kind;
	int16_t layer;           /* 0..L-1, -1 outside the blocks; HIDDEN taps: index 0..L of hidden_states */
	bool out_rows;           /* runs on the n_out gathered rows instead of the T rows */
	bool accumulate;         /* EMBED: add to out instead of replacing it */
	struct loom_view a, b, c, out;
	int32_t w, bias;         /* indices into plan weights; -1 none */
	float scale, eps;        /* ATTEND's score scale; EMBED's scale; NORM's epsilon */
	enum loom_norm_kind norm;
	enum loom_act_kind act;
	enum loom_index_kind index;
	int32_t index_add;       /* EMBED by position: added to the position (OPT, RoBERTa); TEMPER */
	int32_t every;           /* TEMPER */
	int32_t n_group;         /* NORM: groups (heads) a row; ROTATE: heads */
	int32_t n_head, n_head_kv, d_head; /* query head h reads kv head h / (n_head / n_head_kv) */
	int32_t d_value;         /* KV_STORE, ATTEND: width of a value head; d_head is that of queries and keys */
	float softcap;           /* ATTEND: scores become softcap * tanh(score / softcap) before the mask (Gemma 2); 0 = not */
	int32_t window;          /* ATTEND: keys with |q - k| >= window are masked (k > q only where not causal); 0 = none */
	bool chunked;            /* ATTEND: window is the length of a chunk instead: keys outside of q's own chunk are masked (Llama 4) */
	bool causal;
	int32_t sinks;           /* ATTEND: weight [H], a score for each head that takes its share of the softmax without a value
	                          * (gpt-oss); -1 none. ATTN_PROBS leave it out, so that a row sums to less than 1 */
	enum loom_score_bias score_bias;
	int32_t rel_bias;        /* ATTEND: weight [H, distances], added to scores by the distance of key and query; -1 none */
	int32_t rel_key, rel_query; /* ATTEND: weights [H d, distances]: q . rel_key + k . rel_query of the distance is added to q . k before the
	                          * scale; -1 none */
	int32_t n_tap, d_state;  /* CONV; SCAN */
	int64_t state_at;        /* CONV, SCAN, SCAN_HEADS, DELTA: where the op's floats begin in a sequence's state */
	int32_t rope;            /* ROTATE: index into plan ropes */
	int32_t router;          /* ROUTE: index into plan routers; its bias: added to the probabilities for the choice only; -1 none */
	int32_t n_expert, n_used, n_ffn; /* EXPERTS; weights w .. w+n_expert-1 [F or 2F, D], w2 .. [D, F], biases bias .., bias2 .. or -1 */
	int32_t w2, bias2;
	enum loom_glu_kind glu;
	float limit, alpha;      /* GLU_CLAMPED */
	enum loom_site site;     /* TAP */
};

/* ---- rotary embedding ---- */
enum loom_rope_type { LOOM_ROPE_DEFAULT, LOOM_ROPE_LINEAR, LOOM_ROPE_DYNAMIC, LOOM_ROPE_YARN, LOOM_ROPE_LONGROPE, LOOM_ROPE_LLAMA3 };
struct loom_rope {
	enum loom_rope_type type;
	bool interleaved;        /* pairs (2i, 2i+1) instead of (i, i + dim/2) */
	int32_t dim;             /* rotated columns of each head */
	int32_t n_freq;          /* dim / 2 */
	float *inv_freq;         /* [n_freq] rounded as transformers rounds them */
	float attn_factor;       /* multiplies cos and sin */
	/* length-dependent types: frequencies come from loom_rope_at */
	double base, factor;
	int64_t max_position, original_max;
	float *short_freq, *long_freq; /* [n_freq] longrope */
	float short_factor_scale, long_factor_scale; /* attention factor of each (equal unless the config says) */
};
/* Frequencies and attention factor for a sequence of len positions (max(position)+1). Types that do not look at the
 * length return r->inv_freq. Otherwise fills scratch [n_freq] (or returns short/long). src/model/rope.c. */
const float *loom_rope_at(const struct loom_rope *r, int64_t len, float *scratch, float *attn_factor);

/* ---- the plan ---- */
/* How matrix products are computed. FLOAT32 is exact mode; BF16 keeps matrices in bfloat16 and rounds the rows that meet them
 * (docs/numerics.md). */
enum loom_compute { LOOM_COMPUTE_FLOAT32, LOOM_COMPUTE_BF16, LOOM_COMPUTE_INT8, LOOM_COMPUTE_LLM_INT8, LOOM_N_COMPUTE };
/* Distances key - query, from -zero to n - 1 - zero, and which row of the tables each has. The first and last LOOM_FAR have one row, which is
 * that of all that lie beyond. */
#define LOOM_FAR 16
struct loom_distances {
	int32_t n, zero;             /* n 0: none are told apart */
	int32_t *row;                /* [n] */
};
struct loom_plan {
	int32_t n_layer, n_embd, n_head, n_head_kv, d_head, n_vocab; /* n_vocab: rows of the embedding table */
	int32_t n_ctx;               /* positions that a sequence may have, at most */
	int32_t n_logit;             /* V of the head; 0: no head (encoders) */
	bool causal;                 /* false: every token of a sequence must be in one step */
	int32_t skip_id;             /* >= 0: a token that LOOM_INDEX_COUNTED does not count (RoBERTa's padding) */
	enum loom_compute compute;
	float outlier_threshold;     /* of LLM_INT8; 0: no number is an outlier */
	int32_t n_slot;
	int32_t slot_width[LOOM_MAX_SLOT];  /* slot is [T, width] */
	bool slot_out_rows[LOOM_MAX_SLOT];  /* slot has n_out rows instead of T */
	struct loom_op *ops;         /* [n_op] */
	int32_t n_op;
	struct loom_weight *weights; /* [n_weight] */
	int32_t n_weight;
	struct loom_rope *ropes;     /* [n_rope] */
	int32_t n_rope;
	int64_t state_floats;        /* of a sequence beside its pages (CONV, SCAN, DELTA): 0 at position 0, then what the last row left */
	struct loom_router *routers;   /* [n_router] */
	int32_t n_router;
	float *alibi;                /* [n_head] slopes of score_bias; NULL: none. src/model/alibi.c */
	struct loom_distances distances; /* src/model/distance.c */
	int32_t n_adapter;           /* low-rank adapters that a sequence may choose from; 0: none */
};

/* ---- one step ---- */
struct loom_batch_seq {
	int32_t row0, n_row;     /* its rows in the batch */
	int32_t pos0;            /* position of row0; earlier positions are in the pages already */
	int32_t rope_len;        /* length that length-dependent rotary types see */
	int32_t state;           /* number of its state; read only when pos0 > 0. Plans without state_floats: unused */
	int32_t adapter;         /* of its rows, from 1; 0 none */
	const int32_t *pages;    /* page numbers covering positions 0 .. pos0+n_row-1; [ceil((pos0+n_row)/LOOM_PAGE)] */
};
struct loom_batch {
	int32_t n_tok, n_seq, n_out;
	const int32_t *ids;      /* [n_tok] */
	const int32_t *pos;      /* [n_tok] */
	const int32_t *counted;  /* [n_tok] place among the sequence's tokens that are not plan->skip_id, from 0; -1 for that token itself. NULL
	                          * when skip_id < 0 */
	const int32_t *types;    /* [n_tok] token types; NULL: all 0 */
	const struct loom_batch_seq *seqs; /* [n_seq] in row order, covering all rows */
	const int32_t *out_rows; /* [n_out] ascending rows whose logits are wanted */
};

/* Copy n_row rows of the value at TAP op `op` to dst, row i to dst + i*stride (floats). For rows gathered
 * (op.out_rows) row0 counts in the n_out rows. Rows of ATTN_PROBS are [H, n_key]: dst row = H*n_key floats, keys beyond the position 0;
 * all rows of one copy belong to one sequence. */
struct loom_tap_copy {
	int32_t op, row0, n_row;
	int32_t n_key;           /* ATTN_PROBS */
	float *dst;
	size_t stride;
};

/* ---- the vtable ---- */
struct loom_device_model; /* packed weights, immutable after load: the backend's own */
struct loom_device_state; /* workspace and KV pages: owned by one worker */

struct loom_load_opts {
	int n_thread;
	/* called from the loading thread with bytes read so far and in all; NULL: none */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
};
struct loom_state_opts {
	int32_t max_tok;         /* most rows in a step */
	int32_t max_out;         /* most gathered rows in a step */
	int32_t n_page;          /* KV pages */
	int32_t n_state;         /* sequences that have a state at the same time; 0 where the plan has no state_floats */
	int n_thread;
};

/* Where a step's time goes: the shortest time seen of each op, over the steps of n_tok rows. */
struct loom_profile {
	int32_t n_tok;
	uint64_t n_step;
	uint64_t *best_ns;       /* [n_op] */
};

struct loom_backend {
	const char *name;        /* "cpu" */
	/* Bytes that model_new will allocate, before anything is read; for the budget. */
	uint64_t (*model_bytes)(const struct loom_plan *plan);
	uint64_t (*state_bytes)(const struct loom_plan *plan, const struct loom_state_opts *o);
	/* Reads every bound weight from the store and packs it. The plan must outlive the model; the store may be
	 * released afterwards. */
	enum loom_status (*model_new)(const struct loom_plan *plan, const struct loom_store *store,
		const struct loom_load_opts *o, struct loom_device_model **out, struct loom_err *err);
	void (*model_free)(struct loom_device_model *m);
	enum loom_status (*state_new)(struct loom_device_model *m, const struct loom_state_opts *o,
		struct loom_device_state **out, struct loom_err *err);
	void (*state_free)(struct loom_device_state *s);
	/* Runs the plan on the batch; allocates nothing. logits (when n_out > 0 and the plan has a head): *logits
	 * points at [n_out, n_logit], valid until the next step. Copies are sorted by op. The same bits whatever else is in the
	 * batch, however the sequence is cut into steps, whatever n_thread and the instruction set. */
	enum loom_status (*exec)(struct loom_device_state *s, const struct loom_batch *b, const struct loom_tap_copy *copies,
		size_t n_copy, const float **logits, struct loom_err *err);
	/* Reads the next rows into the state without running: copies page src to page dst (prefix sharing). */
	void (*page_copy)(struct loom_device_state *s, int32_t src, int32_t dst);
	/* From now on exec fills p, which outlives that; NULL: no more. Between steps only. */
	void (*profile)(struct loom_device_state *s, struct loom_profile *p);
};

/* The backend for a device name ("cpu", "cuda:0"); NULL when there is none here. src/backend/backend.c */
const struct loom_backend *loom_backend_find(const char *device);
/* "avx512", "avx2" or "ref": chosen at first use from cpuid, or by LOOM_CPU. */
const char *loom_cpu_isa(void);

#endif
