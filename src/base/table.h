/* table.h: hash map from byte strings to int64. Keys are not copied: the caller keeps them alive.
 * Seeded hashing, so that hostile keys can't collide on purpose. */
#ifndef LOOM_TABLE_H
#define LOOM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loom_table_slot;
struct loom_table {
	struct loom_table_slot *slots;
	size_t n, cap;
	uint64_t seed;
};

/* Room for expected entries; grows. false: out of memory. */
bool loom_table_init(struct loom_table *t, size_t expected);
void loom_table_release(struct loom_table *t);
/* Inserts or replaces. false: out of memory. */
bool loom_table_put(struct loom_table *t, const char *key, size_t len, int64_t value);
/* Look-ups in steps, for many of them one behind the other: each asks for the memory that the next will touch. The hash of a key, valid while the
 * table is not released; the slot; the key in it; what loom_table_get gives. */
uint64_t loom_table_hash(const struct loom_table *t, const char *key, size_t len);
void loom_table_prefetch(const struct loom_table *t, uint64_t hash);
void loom_table_prefetch_key(const struct loom_table *t, uint64_t hash);
int64_t loom_table_get_hashed(const struct loom_table *t, uint64_t hash, const char *key, size_t len, int64_t missing);
/* Value, or missing. */
int64_t loom_table_get(const struct loom_table *t, const char *key, size_t len, int64_t missing);

#endif
