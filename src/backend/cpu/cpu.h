/* cpu.h: the CPU backend's model and state, for the files of this folder. */
#ifndef LOOM_CPU_H
#define LOOM_CPU_H

#include "attn.h"
#include "loom_backend.h"
#include "matmul.h"
#include "rows.h"
#include "threads.h"

struct loom_cpu_weight {
	struct loom_packed packed; /* MATRIX: packed.data */
	void *table;               /* TABLE: rows [n_row, n_col] of dtype */
	float *vector;             /* VECTOR [n_row] */
	size_t bytes;              /* of whichever is set */
};

struct loom_device_model {
	const struct loom_plan *plan;
	struct loom_cpu_weight *weights; /* [plan->n_weight] */
};

struct loom_device_state {
	const struct loom_device_model *model;
	const struct loom_plan *plan;
	struct loom_state_opts opts;
	enum loom_isa isa;
	const struct loom_rows *rows;
	const struct loom_attn *attn;
	struct loom_pool *pool;
	float *slots[LOOM_MAX_SLOT]; /* [max_tok or max_out, width] */
	float *kv;                   /* pages: [n_page][layers with a KV_STORE][n_head_kv] of keys [d][64] and values [64][dv] */
	size_t page_floats;
	size_t *layer_at;            /* [n_layer] where a layer begins in a page; floats */
	float *matmul_scratch;       /* [n_thread] loom_matmul_scratch() */
	float *attn_work;            /* [n_thread] LOOM_ATTN_ROWS * d_value */
	int32_t d_value;             /* widest value head */
	float *score_bias;           /* [n_head][bias_stride] cpu_bias.c; NULL: the plan has none */
	int32_t bias_stride;
	float *cos, *sin;            /* [n_rope][max_tok][rope_width] of the step */
	float *freq;                 /* [rope_width] scratch of length-dependent types */
	int32_t rope_width;
	int32_t *tile0;              /* [max_tok + 1] first attention tile of each sequence */
	void *memory;                /* all of the above but kv in one mapping */
	size_t memory_bytes, kv_bytes;
	/* the step that is running */
	const struct loom_batch *batch;
	struct loom_profile *profile; /* NULL: times are not wanted */
};

/* Bytes of a weight as kept; 0 on overflow. cpu_load.c */
size_t loom_cpu_weight_bytes(const struct loom_weight *w);
enum loom_status loom_cpu_model_new(const struct loom_plan *plan, const struct loom_store *store, const struct loom_load_opts *o,
	struct loom_device_model **out, struct loom_err *err) LOOM_MUST_CHECK;
void loom_cpu_model_free(struct loom_device_model *m);
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

extern const struct loom_backend loom_backend_cpu;

#endif
