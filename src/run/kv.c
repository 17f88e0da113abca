/* kv.c: the page allocator over a device state: a stack of free page numbers, a hash of the pages whose content is known, and a list of
 * those that are kept. The pages themselves are the backend's. */
#include "kv.h"

#include <string.h>

#include "mem.h"

enum loom_status loom_kv_init(struct loom_kv *kv, int32_t n_page, int32_t keep, struct loom_err *err)
{
	*kv = (struct loom_kv){.n_page = n_page, .n_free = n_page, .keep = keep, .oldest = -1, .newest = -1, .n_bucket = 64};
	while (kv->n_bucket < (uint32_t)n_page)
		kv->n_bucket *= 2;
	kv->stack = loom_calloc((size_t)n_page, sizeof *kv->stack);
	kv->pages = loom_calloc((size_t)n_page, sizeof *kv->pages);
	kv->bucket = loom_calloc(kv->n_bucket, sizeof *kv->bucket);
	if (!kv->stack || !kv->pages || !kv->bucket) {
		loom_kv_release(kv);
		return loom_err_nomem(err, "KV page numbers", (unsigned long long)n_page * sizeof *kv->pages);
	}
	for (int32_t i = 0; i < n_page; i++)
		kv->stack[i] = n_page - 1 - i;
	memset(kv->bucket, 0xff, kv->n_bucket * sizeof *kv->bucket);
	return LOOM_OK;
}

void loom_kv_release(struct loom_kv *kv)
{
	loom_free(kv->stack);
	loom_free(kv->pages);
	loom_free(kv->bucket);
	*kv = (struct loom_kv){0};
}

int32_t loom_kv_need(int64_t n_pos)
{
	int64_t n = (n_pos + LOOM_PAGE - 1) / LOOM_PAGE;
	return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

int32_t loom_kv_available(const struct loom_kv *kv)
{
	return kv->n_free + kv->n_kept;
}

/* ---- known pages ---- */

/* FNV-1a over 64-bit words: the ids are compared afterwards, so that a collision costs time, never a wrong page. */
static uint32_t bucket_of(const struct loom_kv *kv, uint64_t parent, const int32_t *ids)
{
	uint64_t h = (1469598103934665603u ^ parent) * 1099511628211u;
	for (int i = 0; i < LOOM_PAGE; i++)
		h = (h ^ (uint32_t)ids[i]) * 1099511628211u;
	return (uint32_t)(h >> 32) & (kv->n_bucket - 1);
}

static int32_t lookup(const struct loom_kv *kv, uint32_t bucket, uint64_t parent, const int32_t *ids)
{
	for (int32_t p = kv->bucket[bucket]; p >= 0; p = kv->pages[p].chain) {
		if (kv->pages[p].parent == parent && memcmp(kv->pages[p].ids, ids, sizeof kv->pages[p].ids) == 0)
			return p;
	}
	return -1;
}

static void forget(struct loom_kv *kv, int32_t page)
{
	struct loom_kv_page *p = &kv->pages[page];
	int32_t *at = &kv->bucket[bucket_of(kv, p->parent, p->ids)];
	while (*at != page)
		at = &kv->pages[*at].chain;
	*at = p->chain;
	p->serial = 0;
}

/* ---- kept pages ---- */

static void unlink_kept(struct loom_kv *kv, int32_t page)
{
	const struct loom_kv_page *p = &kv->pages[page];
	*(p->older >= 0 ? &kv->pages[p->older].newer : &kv->oldest) = p->newer;
	*(p->newer >= 0 ? &kv->pages[p->newer].older : &kv->newest) = p->older;
	kv->n_kept--;
}

static void link_kept(struct loom_kv *kv, int32_t page)
{
	struct loom_kv_page *p = &kv->pages[page];
	p->older = kv->newest;
	p->newer = -1;
	*(kv->newest >= 0 ? &kv->pages[kv->newest].newer : &kv->oldest) = page;
	kv->newest = page;
	kv->n_kept++;
}

static void evict(struct loom_kv *kv)
{
	int32_t page = kv->oldest;
	unlink_kept(kv, page);
	forget(kv, page);
	kv->stack[kv->n_free++] = page;
}

bool loom_kv_take(struct loom_kv *kv, int32_t *pages, int32_t n)
{
	if (n > loom_kv_available(kv))
		return false;
	for (int32_t i = 0; i < n; i++) {
		if (kv->n_free == 0)
			evict(kv);
		pages[i] = kv->stack[--kv->n_free];
		kv->pages[pages[i]].n_ref = 1;
		if (pages[i] >= kv->n_touched)
			kv->n_touched = pages[i] + 1;
	}
	return true;
}

void loom_kv_give(struct loom_kv *kv, const int32_t *pages, int32_t n)
{
	/* From the last, so that a page becomes older than the one it hangs on. */
	for (int32_t i = n; i-- > 0;) {
		struct loom_kv_page *p = &kv->pages[pages[i]];
		if (--p->n_ref > 0)
			continue;
		if (p->serial)
			link_kept(kv, pages[i]);
		else
			kv->stack[kv->n_free++] = pages[i];
	}
	while (kv->n_kept > kv->keep)
		evict(kv);
}

int32_t loom_kv_find(struct loom_kv *kv, uint64_t parent, const int32_t *ids, uint64_t *serial)
{
	if (kv->keep == 0)
		return -1;
	int32_t page = lookup(kv, bucket_of(kv, parent, ids), parent, ids);
	if (page < 0)
		return -1;
	if (kv->pages[page].n_ref++ == 0)
		unlink_kept(kv, page);
	*serial = kv->pages[page].serial;
	return page;
}

uint64_t loom_kv_publish(struct loom_kv *kv, int32_t page, uint64_t parent, const int32_t *ids)
{
	struct loom_kv_page *p = &kv->pages[page];
	uint32_t bucket = bucket_of(kv, parent, ids);
	int32_t same = lookup(kv, bucket, parent, ids);
	if (same >= 0)
		return kv->pages[same].serial;
	p->serial = ++kv->last_serial;
	p->parent = parent;
	memcpy(p->ids, ids, sizeof p->ids);
	p->chain = kv->bucket[bucket];
	kv->bucket[bucket] = page;
	return p->serial;
}
