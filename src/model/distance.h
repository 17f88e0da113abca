/* distance.h: which row of a table of relative positions each distance between a key and a query has. */
#ifndef LOOM_DISTANCE_H
#define LOOM_DISTANCE_H

#include "arena.h"
#include "config.h"

/* Fills d as cfg->rel says; its rows live in arena. Distances of sequences of at most cfg->n_ctx positions are told apart. */
enum loom_status loom_distances_make(struct loom_distances *d, const struct loom_config *cfg, struct loom_arena *arena, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Rows of the tables. */
int32_t loom_distance_rows(const struct loom_config *cfg);

#endif
