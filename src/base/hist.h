/* hist.h: a histogram of seconds that many threads add to, in the buckets of Prometheus. No lock. */
#ifndef LOOM_HIST_H
#define LOOM_HIST_H

#include <stdatomic.h>

#define LOOM_N_HIST 16

struct loom_hist {
	atomic_ullong buckets[LOOM_N_HIST + 1]; /* not cumulative; the last: beyond every bound */
	atomic_ullong nanoseconds;              /* sum */
};
/* Upper bounds in seconds, 0.0005 … 120. */
extern const double loom_hist_bounds[LOOM_N_HIST];
void loom_hist_add(struct loom_hist *h, double seconds);

#endif
