/* capture.h: what to copy out at which tap, from a client's words to rows in the answer's own buffer.
 *
 * A spec is what was asked; a plan of it against a model names ops and rows. Positions count over prompt (P) and generated (N)
 * tokens; how many there will be is known only at the end, so a spec that counts from the end keeps every row it may need and
 * selects when the sequence is finished. */
#ifndef LOOM_CAPTURE_H
#define LOOM_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "dtype.h"
#include "err.h"
#include "loom_backend.h"
#include "model.h"

enum loom_reduce { LOOM_REDUCE_NONE, LOOM_REDUCE_MEAN, LOOM_REDUCE_MAX, LOOM_REDUCE_SUM };
enum loom_select {
	LOOM_SELECT_LAST, LOOM_SELECT_PROMPT, LOOM_SELECT_GENERATED, LOOM_SELECT_ALL, LOOM_SELECT_LIST, LOOM_SELECT_SLICE,
	LOOM_SELECT_PREDICTORS,     /* P-1 .. P+N-2 (P-1 when N = 0): the states that predicted the generated tokens */
	LOOM_SELECT_LAST_PREDICTOR, /* P+N-2, or P-1 when N = 0 */
};
/* Python's start:stop:step, parts absent or given; steps > 0 only. */
struct loom_slice {
	bool has_start, has_stop;
	int64_t start, stop, step;
};
struct loom_capture_spec {
	char name[64];
	enum loom_site site;
	enum loom_select layer_select; /* ALL, LIST or SLICE */
	const int64_t *layers;         /* [n_layer] as written, LIST */
	size_t n_layer;
	struct loom_slice layer_slice;
	enum loom_select select;       /* positions */
	const int64_t *positions;      /* [n_position] as written, LIST */
	size_t n_position;
	struct loom_slice slice;
	enum loom_reduce reduce;
	enum loom_dtype dtype;         /* on the wire */
};

/* A spec against a model and a prompt: which ops, which positions, and the rows kept so far. P prompt tokens, at most `n_limit`
 * positions in all. Rows lie [n_plane, n_row, row_floats]; memory is touched only where rows were written. */
struct loom_capture {
	const struct loom_capture_spec *spec;
	enum loom_select select;       /* the spec's, [-1] read as LAST */
	int32_t n_prompt, n_limit;
	int32_t *layers;               /* [n_layer] resolved; n_layer 0 also for a site without layers */
	size_t n_layer;
	int32_t *ops;                  /* [n_plane] TAP ops, one a layer (one in all for a site without) */
	size_t n_plane;
	int32_t width;                 /* floats in a row; ATTN_PROBS: heads */
	bool layered, causal;
	bool keyed;                    /* ATTN_PROBS: a row is [width, keys] */
	bool out_rows;                 /* the ops run on gathered rows */
	bool roll;                     /* one row, overwritten: LAST and LAST_PREDICTOR while their position is unknown */
	int32_t lo, n_row;             /* kept positions lo .. lo+n_row-1 */
	uint8_t *want;                 /* [n_limit] may this position be selected at the end? NULL when roll */
	int32_t *n_key;                /* [n_row] keys in the row as written; NULL unless keyed */
	size_t row_floats, plane_floats;
	float *data;
	size_t map_bytes;
};

/* The rows of a finished capture, contiguous. */
struct loom_capture_shape {
	int64_t n_plane, n_position, width; /* width: floats in a row at the end, heads*keys for ATTN_PROBS */
	int64_t n_key;                 /* ATTN_PROBS, else 0 */
	uint64_t n_float;              /* n_plane * max(n_position, 1 when reduced) * width; UINT64_MAX on overflow */
};

/* Checks site, layers and positions: LOOM_E_INVALID with the valid range; layers_param names the field at fault when it is not
 * "capture.layers". Positions that no length of the answer can have are refused here. Memory from arena; c holds no rows yet. */
enum loom_status loom_capture_resolve(struct loom_capture *c, const struct loom_capture_spec *spec, const struct loom_model *m,
	int32_t n_prompt, int32_t n_limit, const char *layers_param, struct loom_arena *arena, struct loom_err *err) LOOM_MUST_CHECK;
/* Bytes of the rows kept while running; UINT64_MAX on overflow. */
uint64_t loom_capture_work_bytes(const struct loom_capture *c);
/* Maps memory for the rows. loom_capture_release frees it. */
enum loom_status loom_capture_begin(struct loom_capture *c, struct loom_arena *arena, struct loom_err *err) LOOM_MUST_CHECK;
void loom_capture_release(struct loom_capture *c);

/* The positions chosen when P+N is total: *n of them, written to out (NULL: only counted). A single index outside: LOOM_E_INVALID. */
enum loom_status loom_capture_positions(const struct loom_capture *c, int32_t total, int64_t *out, size_t *n, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Is position total-1 among them? Then it must be run although no token follows. */
bool loom_capture_needs_last(const struct loom_capture *c, int32_t total);
/* Is the row of pos to be kept? last: pos is P+N-1 with N > 0, the step that only captures ask for. */
bool loom_capture_wants(const struct loom_capture *c, int32_t pos, bool last);
enum loom_status loom_capture_shape(const struct loom_capture *c, int32_t total, struct loom_capture_shape *s, struct loom_err *err)
	LOOM_MUST_CHECK;

/* Where a sequence's rows are in the step. out0: index of its first gathered row; out_pos [n_out] their positions. */
struct loom_capture_span {
	int32_t pos0, row0, n_row, out0, n_out;
	const int32_t *out_pos;
	bool last;
};
struct loom_copy_list {
	struct loom_tap_copy *v;       /* [n] */
	size_t n, cap;
};
/* Appends the copies that c wants of a span. On failure the list keeps what it has. */
enum loom_status loom_capture_copies(struct loom_capture *c, const struct loom_capture_span *s, struct loom_copy_list *l,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_copy_list_release(struct loom_copy_list *l);
void loom_copy_list_sort(struct loom_copy_list *l);

/* Selects, compacts and reduces: then c->data is [n_plane, n_position, width] or, reduced, [n_plane, width]. positions (arena) are the
 * chosen ones. Sums and means are float64 sums in the order of the positions, rounded once. The caller may take c->data with
 * c->map_bytes (setting data NULL); NULL when there is no row. */
enum loom_status loom_capture_finish(struct loom_capture *c, int32_t total, struct loom_arena *arena, struct loom_capture_shape *s,
	int64_t **positions, struct loom_err *err) LOOM_MUST_CHECK;

#endif
