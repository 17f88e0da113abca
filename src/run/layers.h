/* layers.h: the small layers of load/st_modules.h computed: one vector in, one out. Sums are float64 in the order of the inputs, rounded once. */
#ifndef LOOM_LAYERS_H
#define LOOM_LAYERS_H

#include "st_modules.h"

/* Most numbers that a vector of width n has on its way through the layers. */
int64_t loom_layers_room(const struct loom_layer_of *layers, int n_layer, int64_t width);
/* v [width] → v [*width], in place; v has room for loom_layers_room numbers. Widths that do not fit together are LOOM_E_INTERNAL. */
enum loom_status loom_layers_run(const struct loom_layer_of *layers, int n_layer, float *v, int64_t *width, struct loom_err *err)
	LOOM_MUST_CHECK;
float loom_layer_act(enum loom_layer_act act, float x);

#endif
