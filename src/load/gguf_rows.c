/* gguf_rows.c: see gguf_rows.h. */
#include "gguf_rows.h"

#include <string.h>

#include "dequant.h"
#include "f16.h"
#include "mem.h"
#include "str.h"

#define SPAN (1 << 20) /* elements in memory at once, at least one row */

static bool is_float(enum loom_dtype t)
{
	return t == LOOM_F32 || t == LOOM_F16 || t == LOOM_BF16;
}

enum loom_status loom_gguf_type_check(enum loom_dtype want, struct loom_err *err)
{
	if (is_float(want) || loom_quantize_supported(want)) {
		return LOOM_OK;
	}
	return loom_err_set(err, LOOM_E_INVALID, "%s cannot be made (q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, f16, bf16 and f32 can)",
		loom_dtype_name(want));
}

/* Matrices that rows are multiplied with: not tables of small numbers, which llama.cpp wants in float32. */
static bool is_matrix(const char *name)
{
	static const char *const kinds[] = {".attn_", ".ffn_", ".ssm_in.", ".ssm_out.", ".shortconv.in_proj.", ".shortconv.out_proj."};
	static const char *const others[] = {"norm", "_inp", "attn_rel_b", "sinks"};
	bool any = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		any = any || strstr(name, kinds[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		any = any && !strstr(name, others[i]);
	}
	return any && loom_str_ends(name, ".weight");
}

enum loom_dtype loom_gguf_type(const char *name, int n_dim, int64_t row, enum loom_dtype is, enum loom_dtype want)
{
	bool table = loom_str_eq(name, "token_embd.weight") || loom_str_eq(name, "output.weight");

	if (n_dim < 2 || (!table && !is_matrix(name))) {
		return is;
	}
	if (is_float(want)) {
		return want;
	}
	if (table) {
		want = want == LOOM_Q8_0 ? LOOM_Q8_0 : LOOM_Q6_K;
	}
	if (row % (int64_t)loom_dtype_block(want) != 0) {
		want = want == LOOM_Q4_K ? LOOM_Q5_0 : want == LOOM_Q5_K ? LOOM_Q5_1 : LOOM_Q8_0;
	}
	return row % (int64_t)loom_dtype_block(want) == 0 ? want : is;
}

void loom_gguf_out_file_type(struct loom_gguf_out *o, enum loom_dtype want)
{
	static const uint32_t types[LOOM_N_DTYPE] = {[LOOM_F32] = 0, [LOOM_F16] = 1, [LOOM_Q4_0] = 2, [LOOM_Q4_1] = 3, [LOOM_Q8_0] = 7, [LOOM_Q5_0] = 8,
		[LOOM_Q5_1] = 9, [LOOM_Q4_K] = 14, [LOOM_Q5_K] = 16, [LOOM_Q6_K] = 18, [LOOM_BF16] = 32}; /* llama.cpp's numbers */

	loom_gguf_out_u32(o, "general.file_type", types[want]);
	loom_gguf_out_u32(o, "general.quantization_version", 2);
}

int64_t loom_rows_step(const struct loom_rows *r)
{
	int64_t n = r->n_col > 0 && r->n_col < SPAN ? SPAN / r->n_col : 1;

	return n < r->n_row ? n : r->n_row;
}

/* false when a number fits no block. */
static bool narrow(enum loom_dtype to, const float *wide, void *out, size_t n)
{
	if (to == LOOM_F16) {
		loom_f32_to_f16_n(wide, out, n);
	} else if (to == LOOM_BF16) {
		loom_f32_to_bf16_n(wide, out, n);
	} else {
		return loom_quantize_blocks(to, wide, out, n);
	}
	return true;
}

enum loom_status loom_gguf_out_rows(struct loom_gguf_out *o, enum loom_dtype to, const struct loom_rows *r, struct loom_err *err)
{
	int64_t step = loom_rows_step(r);
	size_t most = (size_t)step * (size_t)r->n_col;
	uint64_t bytes = 0;
	enum loom_status rc = LOOM_OK;

	(void)loom_dtype_bytes(to, most, &bytes);
	float *wide = loom_reallocarray(NULL, most + 1, sizeof(float));
	char *packed = loom_malloc((size_t)bytes + 1);
	if (!wide || !packed) {
		rc = loom_err_nomem(err, r->name, most * sizeof(float) + bytes);
	}
	for (int64_t row = 0; rc == LOOM_OK && row < r->n_row; row += step) {
		int64_t n = r->n_row - row < step ? r->n_row - row : step;
		size_t elements = (size_t)n * (size_t)r->n_col;
		rc = r->read(r->ctx, row, n, wide, err);
		if (rc == LOOM_OK && to == LOOM_F32) {
			loom_gguf_out_data(o, wide, elements * sizeof(float));
		} else if (rc == LOOM_OK && !narrow(to, wide, packed, elements)) {
			rc = loom_err_set(err, LOOM_E_MODEL, "tensor %s, rows %lld..%lld: a number that is not finite, or too large for %s", r->name, (long long)row,
				(long long)(row + n - 1), loom_dtype_name(to));
		} else if (rc == LOOM_OK) {
			(void)loom_dtype_bytes(to, elements, &bytes);
			loom_gguf_out_data(o, packed, (size_t)bytes);
		}
	}
	loom_free(wide);
	loom_free(packed);
	return rc;
}
