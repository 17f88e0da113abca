/* kv.c: the page allocator over a device state: a stack of free page numbers. The pages themselves are the backend's. */
#include "kv.h"

#include "mem.h"

enum loom_status loom_kv_init(struct loom_kv *kv, int32_t n_page, struct loom_err *err)
{
	*kv = (struct loom_kv){.n_page = n_page, .n_free = n_page};
	kv->stack = loom_calloc((size_t)n_page, sizeof *kv->stack);
	if (!kv->stack)
		return loom_err_nomem(err, "KV page numbers", (unsigned long long)n_page * sizeof *kv->stack);
	for (int32_t i = 0; i < n_page; i++)
		kv->stack[i] = n_page - 1 - i;
	return LOOM_OK;
}

void loom_kv_release(struct loom_kv *kv)
{
	loom_free(kv->stack);
	*kv = (struct loom_kv){0};
}

int32_t loom_kv_need(int64_t n_pos)
{
	int64_t n = (n_pos + LOOM_PAGE - 1) / LOOM_PAGE;
	return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

bool loom_kv_take(struct loom_kv *kv, int32_t *pages, int32_t n)
{
	if (n > kv->n_free)
		return false;
	for (int32_t i = 0; i < n; i++) {
		pages[i] = kv->stack[--kv->n_free];
		if (pages[i] >= kv->n_touched)
			kv->n_touched = pages[i] + 1;
	}
	return true;
}

void loom_kv_give(struct loom_kv *kv, const int32_t *pages, int32_t n)
{
	for (int32_t i = n; i-- > 0;)
		kv->stack[kv->n_free++] = pages[i];
}
