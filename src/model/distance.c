/* distance.c: see distance.h. The formulas, and where they round to float32, are those of transformers' T5 and DeBERTa-v2. */
#include "distance.h"

#include <math.h>
#include <stdlib.h>

#include "bounds.h"

/* Half of the buckets are for keys behind the query. Of each half, half are for one distance each, the rest for ever more, up to rel_max. */
static int32_t bucket(const struct loom_config *c, int32_t distance)
{
	int32_t half = c->n_bucket / 2, exact = half / 2, far = abs(distance), row = far;

	if (far >= exact) {
		float share = logf((float)far / (float)exact) / (float)log((double)c->rel_max / exact);
		row = exact + (int32_t)(share * (float)(half - exact));
		row = row < half ? row : half - 1;
	}
	return row + (distance > 0 ? half : 0);
}

/* Buckets at most: rel_max without any, else distances beyond half of them share some. */
static int32_t span(const struct loom_config *c)
{
	return c->n_bucket > 0 ? c->n_bucket : c->rel_max;
}

static int32_t disentangled(const struct loom_config *c, int32_t distance)
{
	int32_t middle = c->n_bucket / 2, far = abs(distance), row = far, most = 2 * span(c) - 1;

	if (c->n_bucket > 0 && far > middle) {
		float share = logf((float)far / (float)middle) / logf((float)((double)(c->rel_max - 1) / middle));
		row = (int32_t)fminf(ceilf(share * (float)(middle - 1)) + (float)middle, (float)most);
	}
	row = span(c) + (distance > 0 ? -row : row);
	return row < 0 ? 0 : row > most ? most : row;
}

static int32_t row_of(const struct loom_config *c, int32_t distance)
{
	return c->rel == LOOM_REL_BUCKETS ? bucket(c, distance) : disentangled(c, distance);
}

int32_t loom_distance_rows(const struct loom_config *c)
{
	return c->rel == LOOM_REL_BUCKETS ? c->n_bucket : 2 * span(c);
}

enum loom_status loom_distances_make(struct loom_distances *d, const struct loom_config *cfg, struct loom_arena *arena, struct loom_err *err)
{
	int32_t far = (int32_t)(cfg->n_ctx < LOOM_MAX_RELATIVE ? cfg->n_ctx : LOOM_MAX_RELATIVE);

	/* Rows are monotonic in the distance: beyond the last change there is nothing to tell apart. */
	while (far > 1 && row_of(cfg, far - 1) == row_of(cfg, far) && row_of(cfg, 1 - far) == row_of(cfg, -far)) {
		far--;
	}
	d->zero = far + LOOM_FAR - 1;
	d->n = 2 * d->zero + 1;
	d->row = loom_arena_alloc(arena, (size_t)d->n, sizeof(*d->row));
	if (!d->row) {
		return loom_err_nomem(err, "distances", (size_t)d->n * sizeof(*d->row));
	}
	for (int32_t i = 0; i < d->n; i++) {
		int32_t distance = i - d->zero;
		d->row[i] = row_of(cfg, distance < -far ? -far : distance > far ? far : distance);
	}
	return LOOM_OK;
}
