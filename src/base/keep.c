/* keep.c: see keep.h. A small table under one lock, the oldest first; sizes are rounded up by at most an eighth, so that requests alike
 * find each other's pages. */
#include "keep.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "mem.h"

#define N_SLOT 64
#define LEAST ((size_t)4096)
#define HUGE_BYTES ((size_t)4 << 20)

struct pages {
	void *p;
	size_t bytes;
	uint64_t since_ns;
};

static struct {
	pthread_mutex_t lock;
	struct pages v[N_SLOT];
	size_t n, bytes;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The size that is mapped for n bytes; 0: no such size. */
static size_t rounded(size_t n)
{
	size_t step = LEAST;
	while (step < n / 16)
		step *= 2;
	return n > SIZE_MAX / 4 ? 0 : n ? (n + step - 1) / step * step : LEAST;
}

static struct pages take(size_t i)
{
	struct pages k = kept.v[i];
	kept.n--;
	kept.bytes -= k.bytes;
	memmove(kept.v + i, kept.v + i + 1, (kept.n - i) * sizeof k);
	return k;
}

/* The newest kept pages of that size, or NULL. */
static void *find(size_t bytes)
{
	struct pages k = {0};
	pthread_mutex_lock(&kept.lock);
	for (size_t i = kept.n; i-- > 0 && !k.p;) {
		if (kept.v[i].bytes == bytes)
			k = take(i);
	}
	pthread_mutex_unlock(&kept.lock);
#ifdef LOOM_DEBUG
	if (k.p)
		memset(k.p, 0xff, bytes); /* what is read before it is written is not a number */
#endif
	return k.p;
}

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (bytes >= HUGE_BYTES)
		madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void *loom_keep_alloc(size_t n)
{
	size_t bytes = rounded(n);
	if (!bytes || !loom_mem_count(1))
		return NULL;
	void *p = find(bytes);
	p = p ? p : map(bytes);
	if (!p) {
		loom_keep_sweep(0);
		p = map(bytes);
	}
	if (!p)
		(void)loom_mem_count(-1);
	return p;
}

/* Keeps k where there is room beside the others; *old: what had to go instead, perhaps k itself. */
static bool keep(const struct pages *k, struct pages *old)
{
	bool fits = k->bytes <= LOOM_KEEP_BYTES, room = kept.n < N_SLOT && kept.bytes + k->bytes <= LOOM_KEEP_BYTES;
	*old = !fits ? *k : room ? (struct pages){0} : take(0);
	if (fits && room) {
		kept.v[kept.n++] = *k;
		kept.bytes += k->bytes;
	}
	return !fits || room;
}

void loom_keep_free(void *p, size_t n)
{
	struct pages k = {.p = p, .bytes = rounded(n), .since_ns = loom_clock_ns()}, old;
	bool done = !p;
	while (!done) {
		pthread_mutex_lock(&kept.lock);
		done = keep(&k, &old);
		pthread_mutex_unlock(&kept.lock);
		if (old.p)
			munmap(old.p, old.bytes);
	}
	if (p)
		(void)loom_mem_count(-1);
}

size_t loom_keep_bytes(void)
{
	pthread_mutex_lock(&kept.lock);
	size_t bytes = kept.bytes;
	pthread_mutex_unlock(&kept.lock);
	return bytes;
}

void loom_keep_sweep(unsigned older_than_ms)
{
	uint64_t age = (uint64_t)older_than_ms * 1000000u;
	struct pages k;
	do {
		k = (struct pages){0};
		pthread_mutex_lock(&kept.lock);
		if (kept.n > 0 && loom_clock_ns() - kept.v[0].since_ns >= age)
			k = take(0);
		pthread_mutex_unlock(&kept.lock);
		if (k.p)
			munmap(k.p, k.bytes);
	} while (k.p);
}
