/* arena.c: chunks of memory freed at once. See arena.h. */
#include "arena.h"

#include <stdint.h>
#include <string.h>

#include "mem.h"

#define CHUNK_BYTES ((size_t)64 << 10)

struct loom_arena_chunk {
	struct loom_arena_chunk *next;
	size_t used, cap;
	_Alignas(16) unsigned char data[];
};

void loom_arena_init(struct loom_arena *a)
{
	memset(a, 0, sizeof *a);
}

void loom_arena_release(struct loom_arena *a)
{
	for (struct loom_arena_chunk *c = a->head, *next; c; c = next) {
		next = c->next;
		loom_free(c);
	}
	memset(a, 0, sizeof *a);
}

void *loom_arena_alloc(struct loom_arena *a, size_t count, size_t size)
{
	size_t n;
	if (!loom_mul(count, size, &n) || n > SIZE_MAX / 2)
		return NULL;
	n = (n + 15) & ~(size_t)15;
	struct loom_arena_chunk *c = a->head;
	if (!c || c->cap - c->used < n) {
		size_t cap = n > CHUNK_BYTES / 4 ? n : CHUNK_BYTES;
		c = loom_malloc(sizeof *c + cap);
		if (!c)
			return NULL;
		c->used = 0;
		c->cap = cap;
		if (a->head && cap == n) { /* a big block of its own goes behind the chunk in use */
			c->next = a->head->next;
			a->head->next = c;
		} else {
			c->next = a->head;
			a->head = c;
		}
	}
	void *p = c->data + c->used;
	c->used += n;
	a->used_bytes += n;
	memset(p, 0, n);
	return p;
}

char *loom_arena_strndup(struct loom_arena *a, const char *s, size_t n)
{
	char *p = n == SIZE_MAX ? NULL : loom_arena_alloc(a, n + 1, 1);
	if (p && n)
		memcpy(p, s, n);
	return p;
}

char *loom_arena_strdup(struct loom_arena *a, const char *s)
{
	return loom_arena_strndup(a, s, strlen(s));
}
