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

#include "dtype.h"
#include "err.h"
#include "loom_backend.h"

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

#endif
