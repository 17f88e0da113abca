/* capture_rows.c: the rows of a capture: memory for them, the copies that a step makes, and what is left of them at the end.
 *
 * Stands between the step and the answer. What a spec means is decided in capture.c; the backend does the copying. A row is
 * written once (or, for a rolling capture, over and over) and is never read before the sequence is finished. */
#include "capture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "keep.h"
#include "mem.h"

/* ---- memory ---- */

enum loom_status loom_capture_begin(struct loom_capture *c, struct loom_arena *arena, struct loom_err *err)
{
	uint64_t bytes = loom_capture_work_bytes(c);
	int32_t keys = !c->keyed ? 1 : c->roll || !c->causal ? c->n_limit : c->lo + c->n_row;
	c->row_floats = (size_t)c->width * (size_t)keys;
	c->plane_floats = c->row_floats * (size_t)c->n_row;
	if (bytes == 0)
		return LOOM_OK;
	if (bytes > SIZE_MAX / 2)
		return loom_err_nomem(err, "rows of a capture", bytes);
	if (c->keyed) {
		c->n_key = loom_arena_alloc(arena, (size_t)c->n_row, sizeof *c->n_key);
		if (!c->n_key)
			return loom_err_nomem(err, "keys of a capture", (size_t)c->n_row * sizeof *c->n_key);
	}
	c->data = loom_keep_alloc((size_t)bytes);
	if (!c->data)
		return loom_err_nomem(err, "rows of a capture", bytes);
	c->map_bytes = (size_t)bytes;
	return LOOM_OK;
}

void loom_capture_release(struct loom_capture *c)
{
	if (c->data)
		loom_keep_free(c->data, c->map_bytes);
	c->data = NULL;
	c->map_bytes = 0;
}

/* ---- copies of a step ---- */

bool loom_capture_wants(const struct loom_capture *c, int32_t pos, bool last)
{
	if (c->roll)
		return c->select == LOOM_SELECT_LAST ? last : !last && pos >= c->n_prompt - 1;
	return pos >= c->lo && pos < c->lo + c->n_row && c->want[pos];
}

static enum loom_status push(struct loom_copy_list *l, const struct loom_tap_copy *t, struct loom_err *err)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct loom_tap_copy *v = loom_reallocarray(l->v, cap, sizeof *v);
		if (!v)
			return loom_err_nomem(err, "copies of a step", (unsigned long long)cap * sizeof *v);
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = *t;
	return LOOM_OK;
}

/* Rows row .. row+n-1 of the step are positions pos .. pos+n-1. */
static enum loom_status copy_run(struct loom_capture *c, int32_t row, int32_t pos, int32_t n, struct loom_copy_list *l,
	struct loom_err *err)
{
	int32_t at = c->roll ? 0 : pos - c->lo, n_key = 0;
	if (c->keyed) {
		n_key = c->causal ? pos + n : c->n_prompt;
		for (int32_t i = 0; i < n; i++)
			c->n_key[at + i] = n_key;
	}
	for (size_t p = 0; p < c->n_plane; p++) {
		struct loom_tap_copy t = {.op = c->ops[p], .row0 = row, .n_row = n, .n_key = n_key, .stride = c->row_floats,
			.dst = c->data + p * c->plane_floats + (size_t)at * c->row_floats};
		enum loom_status st = push(l, &t, err);
		if (st)
			return st;
	}
	return LOOM_OK;
}

enum loom_status loom_capture_copies(struct loom_capture *c, const struct loom_capture_span *s, struct loom_copy_list *l,
	struct loom_err *err)
{
	int32_t n = c->out_rows ? s->n_out : s->n_row, first = c->out_rows ? s->out0 : s->row0;
	if (!c->data)
		return LOOM_OK;
	for (int32_t i = n - 1; c->roll && i >= 0; i--) {
		int32_t pos = c->out_rows ? s->out_pos[i] : s->pos0 + i;
		if (loom_capture_wants(c, pos, s->last))
			return copy_run(c, first + i, pos, 1, l, err);
	}
	for (int32_t i = 0; !c->roll && i < n;) {
		int32_t pos = c->out_rows ? s->out_pos[i] : s->pos0 + i, k = 0;
		while (i + k < n && (c->out_rows ? s->out_pos[i + k] : s->pos0 + i + k) == pos + k && loom_capture_wants(c, pos + k, s->last))
			k++;
		if (k > 0) {
			enum loom_status st = copy_run(c, first + i, pos, k, l, err);
			if (st)
				return st;
		}
		i += k > 0 ? k : 1;
	}
	return LOOM_OK;
}

void loom_copy_list_release(struct loom_copy_list *l)
{
	loom_free(l->v);
	*l = (struct loom_copy_list){0};
}

static int by_op(const void *a, const void *b)
{
	const struct loom_tap_copy *x = a, *y = b;
	if (x->op != y->op)
		return x->op < y->op ? -1 : 1;
	return x->row0 < y->row0 ? -1 : x->row0 > y->row0;
}

void loom_copy_list_sort(struct loom_copy_list *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof *l->v, by_op);
}

/* ---- the end ---- */

/* The kept row of a position as the answer has it: keyed rows are cut or filled to s->n_key keys a head. */
static const float *row_of(const struct loom_capture *c, const struct loom_capture_shape *s, size_t plane, int64_t pos, float *scratch)
{
	size_t at = c->roll ? 0 : (size_t)(pos - c->lo), to = (size_t)s->n_key;
	const float *row = c->data + plane * c->plane_floats + at * c->row_floats;
	if (!c->keyed)
		return row;
	size_t from = (size_t)c->n_key[at], n = from < to ? from : to;
	for (size_t h = 0; h < (size_t)c->width; h++) {
		memcpy(scratch + h * to, row + h * from, n * sizeof *row);
		memset(scratch + h * to + n, 0, (to - n) * sizeof *row);
	}
	return scratch;
}

static void reduce_column(float *dst, const double *sum, size_t width, int64_t n, enum loom_reduce how)
{
	for (size_t j = 0; j < width; j++)
		dst[j] = (float)(how == LOOM_REDUCE_MEAN ? sum[j] / (double)n : sum[j]);
}

/* One plane: sums in float64 in the order of the positions, rounded once. */
static void reduce_plane(const struct loom_capture *c, const struct loom_capture_shape *s, size_t plane, const int64_t *positions,
	float *dst, double *sum, float *scratch)
{
	enum loom_reduce how = c->spec->reduce;
	size_t width = (size_t)s->width;
	memset(sum, 0, width * sizeof *sum);
	for (int64_t i = 0; i < s->n_position; i++) {
		const float *row = row_of(c, s, plane, positions[i], scratch);
		for (size_t j = 0; j < width; j++) {
			if (how != LOOM_REDUCE_MAX)
				sum[j] += (double)row[j];
			else if (i == 0 || (double)row[j] > sum[j] || isnan(row[j]))
				sum[j] = row[j];
		}
	}
	reduce_column(dst, sum, width, s->n_position, how);
}

/* Rows move towards the start, in place: positions ascend, so a row never overwrites one that is still to be read. */
static void compact(struct loom_capture *c, const struct loom_capture_shape *s, const int64_t *positions)
{
	size_t width = (size_t)s->width;
	float *dst = c->data;
	for (size_t p = 0; p < c->n_plane; p++) {
		for (int64_t i = 0; i < s->n_position; i++, dst += width) {
			const float *row = row_of(c, s, p, positions[i], NULL);
			if (row != dst)
				memmove(dst, row, width * sizeof *dst);
		}
	}
}

/* The same into memory of its own: reduced, in the client's order, or with keys to cut. */
static enum loom_status rebuild(struct loom_capture *c, const struct loom_capture_shape *s, const int64_t *positions, struct loom_err *err)
{
	size_t width = (size_t)s->width, bytes = (size_t)s->n_float * sizeof(float);
	bool reduced = c->spec->reduce != LOOM_REDUCE_NONE;
	float *data = loom_keep_alloc(bytes), *scratch = loom_calloc(width, sizeof *scratch), *dst = data;
	double *sum = loom_calloc(width, sizeof *sum);
	enum loom_status st = LOOM_OK;
	if (!data || !scratch || !sum) {
		st = loom_err_nomem(err, "rows of a capture", bytes);
		goto out;
	}
	for (size_t p = 0; p < c->n_plane; p++) {
		if (reduced) {
			reduce_plane(c, s, p, positions, dst, sum, scratch);
			dst += width;
			continue;
		}
		for (int64_t i = 0; i < s->n_position; i++, dst += width)
			memcpy(dst, row_of(c, s, p, positions[i], scratch), width * sizeof *dst);
	}
	loom_capture_release(c);
	c->data = data;
	c->map_bytes = bytes;
	data = NULL;
out:
	loom_free(scratch);
	loom_free(sum);
	if (data)
		loom_keep_free(data, bytes);
	return st;
}

enum loom_status loom_capture_finish(struct loom_capture *c, int32_t total, struct loom_arena *arena, struct loom_capture_shape *s,
	int64_t **positions, struct loom_err *err)
{
	size_t n = 0;
	enum loom_status st = loom_capture_shape(c, total, s, err);
	if (st)
		return st;
	*positions = loom_arena_alloc(arena, (size_t)s->n_position, sizeof **positions);
	if (!*positions)
		return loom_err_nomem(err, "positions of a capture", (unsigned long long)s->n_position * sizeof **positions);
	st = loom_capture_positions(c, total, *positions, &n, err);
	if (st)
		return st;
	if (s->n_float == 0 || !c->data) {
		loom_capture_release(c);
		return LOOM_OK;
	}
	if (c->keyed || c->select == LOOM_SELECT_LIST || c->spec->reduce != LOOM_REDUCE_NONE)
		return rebuild(c, s, *positions, err);
	compact(c, s, *positions);
	return LOOM_OK;
}
