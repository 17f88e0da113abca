/* hist.c: see hist.h. */
#include "hist.h"

const double loom_hist_bounds[LOOM_N_HIST] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 120};

void loom_hist_add(struct loom_hist *h, double seconds)
{
	int i = 0;
	seconds = seconds > 0 ? seconds : 0; /* not a number: 0 */
	seconds = seconds < 1e9 ? seconds : 1e9;
	while (i < LOOM_N_HIST && seconds > loom_hist_bounds[i])
		i++;
	atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->nanoseconds, (unsigned long long)(seconds * 1e9), memory_order_relaxed);
}
