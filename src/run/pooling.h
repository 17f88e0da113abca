/* pooling.h: from the rows of a text's tokens to its vector, as sentence-transformers pools them. There are no pads, so every row
 * counts. Sums are float64 in the order of the tokens, rounded once: the same rows give the same bits. */
#ifndef LOOM_POOLING_H
#define LOOM_POOLING_H

#include <stdint.h>

#include "err.h"
#include "st_config.h"

/* rows [n_row, width], n_row > 0 → out [width]; NONE copies all rows to out [n_row, width]. before: tokens of the text that stand before the rows
 * and are not pooled (a prompt); only weighted means count them. */
enum loom_status loom_pool_rows(enum loom_pooling how, const float *rows, int64_t n_row, int64_t width, int64_t before, float *out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* v / max(|v|, 1e-12), as torch's F.normalize. */
void loom_l2_normalize(float *v, int64_t width);

#endif
