/* arena.h: memory with the lifetime of a model or a request, freed at once. Not thread-safe. */
#ifndef LOOM_ARENA_H
#define LOOM_ARENA_H

#include <stddef.h>

struct loom_arena_chunk;
struct loom_arena {
	struct loom_arena_chunk *head;
	size_t used_bytes; /* sum handed out */
};

void loom_arena_init(struct loom_arena *a);
void loom_arena_release(struct loom_arena *a);
/* 16-byte aligned, zeroed; NULL when out of memory or on overflow. */
void *loom_arena_alloc(struct loom_arena *a, size_t count, size_t size);
char *loom_arena_strndup(struct loom_arena *a, const char *s, size_t n);
char *loom_arena_strdup(struct loom_arena *a, const char *s);

#endif
