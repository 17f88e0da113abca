/* packq.h: a matrix of small codes, packed for products, at about the size it has in its file. A weight is the float32 number that
 * its format defines, made in registers from code and scales; it then enters the same chains of fused multiply-adds as a float32
 * weight (matmul.h), so that the result has the bits of the dequantized matrix.
 *
 * Layout. Panels of LOOM_PANEL output rows, as in matmul.h; inside a panel k goes in chunks of 32. Codes lie in planes of 32-bit words, one word a
 * row, the 48 rows' words side by side: a plane of b bits holds 32/b codes a word, code i of it at bit 8*(i%4) + b*(i/4), so
 * that four neighbouring k are the bytes of one masked word (what integer dot products want) and one k of 16 rows is a shift. Widths of 3, 5 and 6
 * bits are two planes (2+1, 4+1, 4+2). Scales follow in arrays [panel][group][48]. RAW keeps the file's blocks, row by row, for
 * the types that are no plain codes; they are slower with few rows. */
#ifndef LOOM_PACKQ_H
#define LOOM_PACKQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gguf_blocks.h"
#include "cpu_isa.h"
#include "dtype.h"

#define LOOM_CHUNK 32

enum loom_codes { LOOM_CODES_NONE, LOOM_CODES_RAW, LOOM_CODES_2, LOOM_CODES_3, LOOM_CODES_4, LOOM_CODES_5, LOOM_CODES_6, LOOM_CODES_8,
	LOOM_CODES_FP8 };
/* w of v (the code's value), the group's scale a and second number b. No step is contracted; MUL's and ADD's products are exact for
 * float16 scales, so that ADD may use a fused multiply-add. */
enum loom_combine {
	LOOM_COMBINE_MUL,  /* v * a */
	LOOM_COMBINE_ADD,  /* v * a + b */
	LOOM_COMBINE_ZERO, /* (v - b) * a */
	LOOM_COMBINE_TWO,  /* (v * a) * factor */
};

struct loom_packq {
	enum loom_codes codes;     /* NONE: the matrix is plain floats */
	enum loom_combine combine;
	enum loom_dtype raw;       /* RAW: the block type */
	enum loom_dtype scale;     /* of a: F16, BF16, F32; F8_E8M0 for ggml's MXFP4 exponents; U8: a = map[code] * outer + offset, nested */
	int64_t group;             /* k that share a scale (a multiple of 8, or per_k) */
	bool sub;                  /* a = f16 of 256 k, times the group's int8 */
	bool submin;               /* b = -(f16 of 256 k times the group's uint8) */
	bool nibbles;              /* both of those in one byte, the scale low (Q2_K) */
	bool per_k;                /* groups are g_idx[k] or not multiples of 8: scales are looked up for each k */
	const int32_t *g_idx;      /* [n_col], or NULL: k / group */
	int64_t n_group;           /* of a row */
	float factor;
	int offset;                /* v = code - offset for 5 and 6 bits */
	int8_t bytes8[16];         /* compute "int8": the table of up to 4 bits in bytes, */
	bool by_table;             /* which do not simply count from the first on, */
	float unit;                /* times this: 1, 1/127 where it is no table of integers, or TWO's factor */
	float table[32];           /* v of a code of up to 5 bits (repeated where the code has fewer) */
	int64_t nest_span;         /* nested: an outer scale holds for so many elements of the flat matrix, */
	int n_nest;                /* of which a row meets so many. [panel][1 + n_nest][48]: where the row begins in its span, its outer scales */
	size_t a_at, b_at, sub_at, min_at, nest_at, map_at; /* bytes from data to each array of scales; map: offset, then 256 numbers */
	size_t chunk_bytes, bytes;
};

struct loom_packed;

/* The description of a matrix of GGUF blocks (any type loom_dequant reads but plain floats). false on overflow. */
bool loom_packq_of_blocks(struct loom_packq *q, enum loom_dtype t, int64_t n_row, int64_t n_col);
/* The description of a matrix of codes given row by row: bits 2, 3, 4 or 8 (int8), or FP8 (fp8); scale is how a is kept. table: 16 values,
 * NULL: the code itself. per_k wants g_idx or any group. false on overflow. */
bool loom_packq_of_codes(struct loom_packq *q, int bits, bool fp8, enum loom_combine combine, enum loom_dtype scale, int64_t group,
	const int32_t *g_idx, int64_t n_group, const float *table, int64_t n_row, int64_t n_col);
/* Afterwards: the scales are nested, as module.h has them. false on overflow. */
bool loom_packq_nest(struct loom_packq *q, int64_t span, int n_nest, int64_t n_row, int64_t n_col);
/* Stored rows of blocks → their places. Safe from several threads for rows of different panels. */
void loom_packq_put_blocks(const struct loom_packed *p, int64_t row0, int64_t n, const void *blocks);
/* One row of codes [n_col rounded up to chunks, zeros behind], scales [n_group], and b [n_group] or NULL. The same rule for threads. */
void loom_packq_put_codes(const struct loom_packed *p, int64_t row, const uint8_t *codes, const float *scale, const float *b);
/* The scales of a nested matrix, which put_codes leaves alone: a row's codes [n_group], begin and outer scales [n_nest]; and what all rows share. */
void loom_packq_put_nested(const struct loom_packed *p, int64_t row, const uint8_t *scale, int64_t begin, const float *outer);
void loom_packq_put_map(const struct loom_packed *p, float offset, const float map[256]);
/* dst [n_col] = row `row` as float32. */
void loom_packq_row(const struct loom_packed *p, int64_t row, float *dst);

struct loom_packq_kernels {
	/* dst [kn, 48] = the panel's weights k0 .. k0+kn-1; k0 a multiple of LOOM_CHUNK. Writes whole groups of eight k. */
	void (*widen)(const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn, float *dst);
	/* y[0..47] = (first ? 0 : y) + chain over k of x[k] * w[k][0..47], as loom_tile_fn for one row. */
	void (*dot)(const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn, const float *x, float *y, bool first);
};
extern const struct loom_packq_kernels loom_packq_ref, loom_packq_avx2, loom_packq_avx512;
const struct loom_packq_kernels *loom_packq_kernels_for(enum loom_isa isa);
/* RAW's widen, for every instruction set. */
void loom_packq_widen_raw(const struct loom_packed *p, int64_t panel, int64_t k0, int64_t kn, float *dst);

#endif
