/* module.h: matrices that other tools quantized (GPTQ, AWQ, bitsandbytes, compressed-tensors, FP8, MXFP4), and those that are
 * quantized while they are read: rows of codes and scales, and the float32 numbers that they stand for. One reading of each format:
 * the packed layouts (backend/cpu/packq.h) take codes and scales from here, everything else takes rows of float32. */
#ifndef LOOM_QUANT_MODULE_H
#define LOOM_QUANT_MODULE_H

#include <stdint.h>

#include "err.h"
#include "loom_backend.h"

/* How codes become numbers: v is the code's value (table, signed byte, or FP8 E4M3), a the group's scale, b its second number. */
enum loom_module_rule {
	LOOM_RULE_MUL,  /* v * a */
	LOOM_RULE_ADD,  /* v * a + b */
	LOOM_RULE_ZERO, /* (v - b) * a */
	LOOM_RULE_TWO,  /* (v * a) * factor */
};
struct loom_module_form {
	int bits;              /* of a code: 2, 3, 4; 8: int8 */
	bool fp8;              /* 8 bits that are FP8 E4M3 */
	enum loom_module_rule rule;
	enum loom_dtype scale; /* the type that holds every a: F16, BF16, F32; F8_E8M0: 2^(byte - 128); U8: nested, see loom_module_nested */
	int64_t nest_span;     /* nested: elements of the flat matrix that share an outer scale */
	int n_nest;            /* nested: outer scales that a row can meet */
	int64_t group, n_group;
	bool indexed;          /* k's group is g_idx[k], not k / group */
	float factor;
	float table[16];       /* of 2, 3 and 4 bits */
};
#define LOOM_MAX_NEST 4      /* n_nest; more: scales are kept undone */
/* From the description alone; nothing is read. */
void loom_module_form(const struct loom_quant *q, struct loom_module_form *f);

struct loom_module {
	const struct loom_quant *q;
	struct loom_module_form form;
	char *codes, *scale, *zero;   /* the tensors' bytes */
	int32_t *g_idx;               /* [n_col] when form.indexed */
	float *absmax;                /* BNB4: [blocks] with nesting undone; MAKE_*: of the rows or blocks */
	float *outer, *nest_map;      /* nested: [ceil(blocks / nested_group)], [256]; scale has a code for each block */
	float nest_offset;
	float *wide;                  /* MAKE_*: the matrix as float32 [n_row, n_col] */
};
/* Reads the tensors of q and checks what its shapes cannot say: g_idx in range, scales finite, no NaN among FP8 codes. m is released by the
 * caller also after failure. */
enum loom_status loom_module_open(struct loom_module *m, const struct loom_quant *q, const struct loom_store *store, struct loom_err *err)
	LOOM_MUST_CHECK;
void loom_module_release(struct loom_module *m);
/* Row n: codes [n_col], a [n_group], b [n_group] (ADD, ZERO). */
void loom_module_codes(const struct loom_module *m, int64_t row, uint8_t *codes, float *a, float *b);
/* Of a row whose form.scale is U8: codes of its scales [n_group], where it begins in its span, and the outer scales from there on [n_nest]. A group's
 * scale is nest_map[code] * outer[(begin + k) / nest_span] + nest_offset, k being the group's first: a rounded product, then a rounded sum. */
void loom_module_nested(const struct loom_module *m, int64_t row, uint8_t *scale, int64_t *begin, float *outer);
/* Row n as float32, dst [n_col]. scratch: what loom_module_scratch says, in bytes. */
void loom_module_row(const struct loom_module *m, int64_t row, float *dst, void *scratch);
size_t loom_module_scratch(const struct loom_module_form *f, int64_t n_col);

/* The parts of it that are tables and rules of their own. */
extern const float loom_nf4_values[16], loom_fp4_values[16];
float loom_e4m3(uint8_t code);
/* Codes of n <= 64 numbers by bitsandbytes' rule; returns the block's scale. */
float loom_nf4_block(const float *w, size_t n, bool whole, uint8_t *codes);
/* Row of n numbers → int8 by bitsandbytes' rule (through float16; half to even); returns the row's absmax, infinity when it does not fit float16. */
float loom_int8_row(const float *w, size_t n, uint8_t *codes);
/* Nested scales by our rule: x = absmax - offset, 8-bit code of x / max|x| of each LOOM_NEST_GROUP. Rewrites absmax [n] with what the codes
 * stand for, and gives the codes [n], the largest of each group [ceil(n / LOOM_NEST_GROUP)] and what codes stand for, map [256]; returns the offset. */
#define LOOM_NEST_GROUP 256
float loom_nest_scales(float *absmax, size_t n, uint8_t *codes, float *outer, float map[256]);

#endif
