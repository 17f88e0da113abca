/* cpu.h: the CPU backend's model and state, for the files of this folder. */
#ifndef LOOM_CPU_H
#define LOOM_CPU_H

#include "attn.h"
#include "loom_backend.h"
#include "matmul.h"
#include "mix.h"
#include "rows.h"
#include "threads.h"

#define LOOM_CPU_ITEM_FLOATS 16384 /* of row work handed to a thread at once */

#define LOOM_MAX_RUNS 4 /* of parts of one stored type in a quantized matrix */

struct loom_cpu_weight {
	/* MATRIX: a run of parts of one stored type each; their rows follow each other. Plain floats are always one. The first one's data
	 * is the start of all. */
	struct loom_packed packed[LOOM_MAX_RUNS];
	int n_packed;
	int32_t *g_idx[LOOM_MAX_RUNS]; /* [n_col] what a packed run's q.g_idx points to; NULL: none */
	void *table;               /* TABLE: rows [n_row, n_col] of dtype */
	float *vector;             /* VECTOR [n_row] */
	size_t bytes;              /* of whichever is set */
};

struct loom_device_model {
	const struct loom_plan *plan;
	struct loom_cpu_weight *weights; /* [plan->n_weight] */
	void *memory;                    /* of all weights that stay */
	size_t memory_bytes;
};

/* Room for the experts of a step: n = max_tok * n_used pairs of a row and an expert that it uses, in the order of the experts. */
struct loom_cpu_moe {
	float *x;                    /* [n, n_embd] the rows, then what the experts make of them */
	float *h;                    /* [n, 2 n_ffn] */
	char *bytes;                 /* compute "int8": x or h in bytes (int8.h), [n] rows */
	int32_t *row;                /* [n] row of each pair */
	int32_t *pair;               /* [max_tok, n_used] pair of each row's choice */
	int32_t *first;              /* [n_expert + 1] first pair of each expert */
	struct loom_product *products; /* [n_expert * LOOM_MAX_RUNS] */
};

struct loom_device_state {
	const struct loom_device_model *model;
	const struct loom_plan *plan;
	struct loom_state_opts opts;
	enum loom_isa isa;
	const struct loom_rows *rows;
	const struct loom_attn *attn;
	const struct loom_mix *mix;
	struct loom_pool *pool;
	float *slots[LOOM_MAX_SLOT]; /* [max_tok or max_out, width] */
	float *kv;                   /* pages: [n_page][layers with a KV_STORE][n_head_kv] of keys [d][64] and values [64][dv] */
	size_t page_floats;
	size_t *layer_at;            /* [n_layer] where a layer begins in a page; floats */
	float *matmul_scratch;       /* [n_thread] loom_matmul_scratch() */
	uint16_t *rounded;           /* compute "bf16": rows of a product, rounded; "int8": in bytes (int8.h) */
	float *score_bias;           /* [n_head][bias_stride] cpu_bias.c; NULL: the plan has none */
	int32_t bias_stride;
	float *cos, *sin;            /* [n_rope][max_tok][rope_width] of the step */
	float *freq;                 /* [rope_width] scratch of length-dependent types */
	int32_t rope_width;
	struct loom_cpu_moe moe;
	float *states;               /* [n_state][plan state_floats] */
	float *mix_work;             /* [n_thread][mix_floats] */
	size_t mix_floats;
	float *zeros;                /* [widest CONV] */
	int32_t *tile0;              /* [max_tok + 1] first attention tile of each sequence */
	void *memory;                /* all of the above but kv in one mapping */
	size_t memory_bytes, kv_bytes, states_bytes;
	/* cpu_narrow.c: from op narrow_at on (-1: never) a step has the rows that are wanted alone */
	int32_t narrow_at;
	bool live[LOOM_MAX_SLOT];    /* slots that are read behind it */
	struct loom_batch kept;
	struct loom_batch_seq *kept_seqs; /* [max_tok] */
	int32_t *kept_lo, *kept_hi;  /* [max_tok] rows of each sequence in the step as it was sent */
	int32_t *kept_keys;          /* [max_tok] keys that each sequence has */
	int32_t *kept_out;           /* [max_out] */
	/* the step that is running */
	const struct loom_batch *batch;
	struct loom_profile *profile; /* NULL: times are not wanted */
};

/* cpu_load_quant.c: parts whose codes and scales are in tensors of their own. The description of such a run; the bytes of its tensors;
 * and the part's rows into run `run` (-1: widened, into the float matrix from row dst0 on). */
bool loom_cpu_quant_layout(const struct loom_quant *q, struct loom_packed *out);
uint64_t loom_cpu_quant_bytes(const struct loom_quant *q);
enum loom_status loom_cpu_load_quant(struct loom_cpu_weight *cw, const struct loom_weight *w, int part, int run, int64_t dst0,
	const struct loom_store *store, struct loom_err *err) LOOM_MUST_CHECK;
/* The products of a matrix's runs, all of x and y as in whole; out [LOOM_MAX_RUNS]. Their number. cpu_exec.c */
size_t loom_cpu_products(const struct loom_cpu_weight *w, const struct loom_product *whole, struct loom_product *out);
/* Are rows rounded to bytes for some run of the matrix? Then: rows x [m, n_col] into dst, and the bytes from one to the next. cpu_exec.c */
bool loom_cpu_in_bytes(const struct loom_plan *p, const struct loom_cpu_weight *w);
size_t loom_cpu_bytes_stride(const struct loom_plan *p, int64_t n_col);
void loom_cpu_bytes(const struct loom_device_state *s, const float *x, size_t ldx, int64_t m, int64_t n_col, void *dst);
/* cpu_weights.c. Is the weight laid out for bfloat16 dot products? */
bool loom_cpu_paired(const struct loom_plan *p, const struct loom_weight *w);
/* Does a new run begin with part k > 0? Codes and scales in tensors of their own are always runs of their own. */
bool loom_cpu_new_run(const struct loom_weight *w, int k);
/* Are the parts kept as they are stored? Not when they make too many runs: then all are widened. The type that part k is kept in. */
bool loom_cpu_as_stored(const struct loom_weight *w);
enum loom_dtype loom_cpu_part_type(const struct loom_weight *w, int k);
/* Bytes of a weight as kept; 0 on overflow. */
size_t loom_cpu_weight_bytes(const struct loom_plan *p, const struct loom_weight *w);
/* Memory of all weights, zeroed but for constants. All that stay lie in one mapping, which has huge pages whatever the size of each: a row's
 * product reads at 28 GB/s a core from them, at 18 from small ones. */
enum loom_status loom_cpu_allocate(struct loom_device_model *m, struct loom_err *err) LOOM_MUST_CHECK;
void loom_cpu_model_free(struct loom_device_model *m);
/* cpu_load.c */
enum loom_status loom_cpu_model_new(const struct loom_plan *plan, const struct loom_store *store, const struct loom_load_opts *o,
	struct loom_device_model **out, struct loom_err *err) LOOM_MUST_CHECK;
/* cpu_spread.c: computes the SPREAD weights, all others being there, and drops those that nothing else reads. */
enum loom_status loom_cpu_spread_all(struct loom_device_model *m, int n_thread, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_cpu_exec(struct loom_device_state *s, const struct loom_batch *b, const struct loom_tap_copy *copies, size_t n_copy,
	const float **logits, struct loom_err *err) LOOM_MUST_CHECK;
/* cpu_bias.c: what is added to scores, made once a state. Columns of s->score_bias (0: none) for sequences of at most n positions;
 * filling it; a row's part of it. */
int32_t loom_cpu_bias_stride(const struct loom_plan *p, int32_t n);
void loom_cpu_bias_fill(struct loom_device_state *s);
void loom_cpu_bias_row(const struct loom_device_state *s, const struct loom_op *op, int32_t head, int32_t pos, struct loom_attn_row *row);
/* cpu_attend.c: the ops that touch pages. */
void loom_cpu_kv_store(struct loom_device_state *s, const struct loom_op *op);
void loom_cpu_attend(struct loom_device_state *s, const struct loom_op *op);
/* The probabilities of a copy's rows. */
void loom_cpu_attn_probs(struct loom_device_state *s, const struct loom_op *op, const struct loom_tap_copy *c);

/* cpu_narrow.c: the last op that stores keys, -1 where a later one wants all rows; live: the slots that are read behind it. */
int32_t loom_cpu_narrow_at(const struct loom_plan *p, bool live[static LOOM_MAX_SLOT]);
/* s->batch becomes the rows that are wanted; copies: those of later ops. */
void loom_cpu_narrow(struct loom_device_state *s, const struct loom_tap_copy *copies, size_t n_copy);
/* Where a row of the step as it was sent is now; it is one of the wanted. */
int32_t loom_cpu_row_now(const struct loom_device_state *s, int32_t row);
/* Keys that a sequence of s->batch has. */
int32_t loom_cpu_keys(const struct loom_device_state *s, const struct loom_batch_seq *q);
/* cpu_mix.c: the ops that keep a state. */
void loom_cpu_conv(struct loom_device_state *s, const struct loom_op *op);
void loom_cpu_scan(struct loom_device_state *s, const struct loom_op *op);
void loom_cpu_scan_heads(struct loom_device_state *s, const struct loom_op *op);
void loom_cpu_delta(struct loom_device_state *s, const struct loom_op *op);
/* cpu_moe.c: one row's choice of experts; the experts of a step. */
void loom_cpu_route_row(const struct loom_device_state *s, const struct loom_op *op, int32_t row);
void loom_cpu_experts(struct loom_device_state *s, const struct loom_op *op, int32_t n_row);
/* The sequence of s->batch that a row belongs to. */
static inline int32_t loom_cpu_seq_at(const struct loom_device_state *s, int32_t row)
{
	int32_t lo = 0, hi = s->batch->n_seq;

	while (hi - lo > 1) {
		int32_t mid = lo + (hi - lo) / 2;
		if (s->batch->seqs[mid].row0 <= row) {
			lo = mid;
		} else {
			hi = mid;
		}
	}
	return lo;
}

/* The value of a view at a row. */
static inline float *loom_cpu_at(const struct loom_device_state *s, const struct loom_view *v, int32_t row)
{
	return s->slots[v->slot] + (size_t)row * (size_t)s->plan->slot_width[v->slot] + (size_t)v->col;
}

extern const struct loom_backend loom_backend_cpu;

#endif
