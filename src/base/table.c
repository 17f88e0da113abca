/* table.c: open addressing with linear probing; seeded 64-bit hashing. See table.h. */
#include "table.h"

#include <string.h>
#include <sys/random.h>

#include "mem.h"

struct loom_table_slot {
	const char *key; /* NULL: empty */
	size_t len;
	uint64_t hash;
	int64_t value;
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t p = (__uint128_t)a * b;
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t hash_of(uint64_t seed, const char *key, size_t len)
{
	uint64_t h = seed ^ len * 0x9e3779b97f4a7c15ull, word;
	for (; len >= 8; key += 8, len -= 8) {
		memcpy(&word, key, 8);
		h = mix(h ^ word, 0xe7037ed1a0b428dbull ^ seed);
	}
	word = 0;
	memcpy(&word, key, len);
	h = mix(h ^ word, 0x8ebc6af09c88c6e3ull);
	return mix(h, 0x589965cc75374cc3ull ^ seed);
}

bool loom_table_init(struct loom_table *t, size_t expected)
{
	size_t cap = 16;
	memset(t, 0, sizeof *t);
	if (expected > SIZE_MAX / 64)
		return false;
	while (cap * 2 < expected * 3)
		cap *= 2;
	if (getrandom(&t->seed, sizeof t->seed, GRND_NONBLOCK) != (ssize_t)sizeof t->seed)
		t->seed = (uint64_t)(uintptr_t)t * 0x9e3779b97f4a7c15ull;
	t->slots = loom_calloc(cap, sizeof *t->slots);
	t->cap = t->slots ? cap : 0;
	return t->slots != NULL;
}

void loom_table_release(struct loom_table *t)
{
	loom_free(t->slots);
	memset(t, 0, sizeof *t);
}

/* The slot of the key, or the empty one where it would go. */
static struct loom_table_slot *slot_of(struct loom_table_slot *slots, size_t cap, uint64_t hash, const char *key, size_t len)
{
	size_t i = (size_t)hash & (cap - 1);
	while (slots[i].key && !(slots[i].hash == hash && slots[i].len == len && memcmp(slots[i].key, key, len) == 0))
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static bool grow(struct loom_table *t)
{
	size_t cap = t->cap ? t->cap * 2 : 16;
	struct loom_table_slot *slots = loom_calloc(cap, sizeof *slots);
	if (!slots)
		return false;
	for (size_t i = 0; i < t->cap; i++) {
		struct loom_table_slot *s = &t->slots[i];
		if (s->key)
			*slot_of(slots, cap, s->hash, s->key, s->len) = *s;
	}
	loom_free(t->slots);
	t->slots = slots;
	t->cap = cap;
	return true;
}

bool loom_table_put(struct loom_table *t, const char *key, size_t len, int64_t value)
{
	if ((t->n + 1) * 3 > t->cap * 2 && !grow(t))
		return false;
	uint64_t hash = hash_of(t->seed, key, len);
	struct loom_table_slot *s = slot_of(t->slots, t->cap, hash, key, len);
	t->n += s->key == NULL;
	*s = (struct loom_table_slot){key, len, hash, value};
	return true;
}

uint64_t loom_table_hash(const struct loom_table *t, const char *key, size_t len)
{
	return hash_of(t->seed, key, len);
}

void loom_table_prefetch(const struct loom_table *t, uint64_t hash)
{
	if (t->cap)
		__builtin_prefetch(&t->slots[(size_t)hash & (t->cap - 1)]);
}

void loom_table_prefetch_key(const struct loom_table *t, uint64_t hash)
{
	if (!t->cap)
		return;
	size_t i = (size_t)hash & (t->cap - 1);
	while (t->slots[i].key && t->slots[i].hash != hash)
		i = (i + 1) & (t->cap - 1);
	__builtin_prefetch(t->slots[i].key);
}

int64_t loom_table_get_hashed(const struct loom_table *t, uint64_t hash, const char *key, size_t len, int64_t missing)
{
	if (!t->cap)
		return missing;
	const struct loom_table_slot *s = slot_of(t->slots, t->cap, hash, key, len);
	return s->key ? s->value : missing;
}

int64_t loom_table_get(const struct loom_table *t, const char *key, size_t len, int64_t missing)
{
	return loom_table_get_hashed(t, hash_of(t->seed, key, len), key, len, missing);
}
