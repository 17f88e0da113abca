/* threads.h: the compute pool. Its size never changes a number: work items are independent and each is
 * computed whole by one thread. Each thread but the caller keeps to its share of the cores (cores.h). */
#ifndef LOOM_THREADS_H
#define LOOM_THREADS_H

#include <stddef.h>

struct loom_pool;

/* n >= 1 threads, the caller being one of them. NULL: out of memory or no threads to be had. */
struct loom_pool *loom_pool_new(int n);
void loom_pool_free(struct loom_pool *p);
int loom_pool_size(const struct loom_pool *p);

/* Calls fn(ctx, item, thread) for each item in 0..n_item-1, items handed out dynamically in order, and
 * returns when all are done. Only one caller at a time per pool. thread is 0..size-1. Workers spin
 * briefly between calls, then sleep. p NULL: runs all on the caller. */
void loom_pool_run(struct loom_pool *p, size_t n_item, void (*fn)(void *ctx, size_t item, int thread), void *ctx);

#endif
