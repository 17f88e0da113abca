/* kv.h: which of a device state's KV pages are whose. A page holds LOOM_PAGE positions of every layer.
 *
 * A page is free, or held by one or more sequences, or kept: full of known ids, held by nobody, and found again by a sequence that
 * starts with the same ids. What a page holds follows from its ids and those before them alone, so a page that is found again has the
 * bits that running it anew would give. Kept pages are given away, the least recently used first, when no free one is left or when there
 * are more of them than `keep`. One worker owns it; no lock. */
#ifndef LOOM_KV_H
#define LOOM_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "loom_backend.h"

/* What a page holds, named by a serial that is never used twice. */
struct loom_kv_page {
	uint64_t serial;             /* 0: not known (free, or still being filled) */
	uint64_t parent;             /* serial of the page before it; 0: it is the first */
	int32_t n_ref;
	int32_t chain;               /* next page in the same bucket, -1 ends */
	int32_t older, newer;        /* neighbours among the kept ones, -1 ends */
	int32_t ids[LOOM_PAGE];
};

struct loom_kv {
	struct loom_kv_page *pages;  /* [n_page] */
	int32_t *bucket;             /* [n_bucket] first page of each hash, -1 none; n_bucket a power of two */
	int32_t *stack;              /* [n_page] free pages at [0, n_free), the next to give last */
	uint32_t n_bucket;
	int32_t n_page, n_free;
	int32_t oldest, newest;      /* ends of the list of kept pages */
	int32_t n_kept, keep;
	int32_t n_touched;           /* pages that were given at least once: only those are in memory */
	uint64_t last_serial;
};

/* keep: most pages that are kept when nobody holds them; 0: none are ever shared. */
enum loom_status loom_kv_init(struct loom_kv *kv, int32_t n_page, int32_t keep, struct loom_err *err) LOOM_MUST_CHECK;
void loom_kv_release(struct loom_kv *kv);
/* Pages of n_pos positions. */
int32_t loom_kv_need(int64_t n_pos);
/* Pages that loom_kv_take could give now. */
int32_t loom_kv_available(const struct loom_kv *kv);
/* Fills pages [n], each then held once and not known; false, taking none, when fewer are available. Low numbers first, so that few are
 * ever touched. */
bool loom_kv_take(struct loom_kv *kv, int32_t *pages, int32_t n);
/* Lets go of pages [n] of one sequence, in order of position. */
void loom_kv_give(struct loom_kv *kv, const int32_t *pages, int32_t n);
/* The page that holds ids [LOOM_PAGE] behind the page called parent, held once more; -1 when there is none. */
int32_t loom_kv_find(struct loom_kv *kv, uint64_t parent, const int32_t *ids, uint64_t *serial);
/* The page, held once by the caller, is full: it holds ids behind the page called parent. Returns what it is called from now on; when another
 * page holds the same, that one's name, the page itself staying unknown. */
uint64_t loom_kv_publish(struct loom_kv *kv, int32_t page, uint64_t parent, const int32_t *ids);

#endif
