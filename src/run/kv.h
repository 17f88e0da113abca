/* kv.h: which of a device state's KV pages are whose. A page holds LOOM_PAGE positions of every layer; a sequence takes all the
 * pages it may need when it starts, so that it never stops half way. One worker owns it; no lock. */
#ifndef LOOM_KV_H
#define LOOM_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "loom_backend.h"

struct loom_kv {
	int32_t *stack;      /* [n_page] free pages at [0, n_free), the next to give last */
	int32_t n_page, n_free;
	int32_t n_touched;   /* pages that were given at least once: only those are in memory */
};

enum loom_status loom_kv_init(struct loom_kv *kv, int32_t n_page, struct loom_err *err) LOOM_MUST_CHECK;
void loom_kv_release(struct loom_kv *kv);
/* Pages of n_pos positions. */
int32_t loom_kv_need(int64_t n_pos);
/* Fills pages [n]; false, taking none, when fewer are free. Low numbers first, so that few are ever touched. */
bool loom_kv_take(struct loom_kv *kv, int32_t *pages, int32_t n);
void loom_kv_give(struct loom_kv *kv, const int32_t *pages, int32_t n);

#endif
