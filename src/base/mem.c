/* mem.c: the one seam of allocation. See mem.h. */
#include "mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Thread_local uint64_t fail_at, calls;
static _Thread_local bool fail_sticky, forbidden;
static atomic_int_fast64_t live;

/* Counts a call; true when it must fail. */
static bool injected(void)
{
	calls++;
#ifdef LOOM_DEBUG
	if (forbidden)
		abort();
#endif
	return fail_at && (calls == fail_at || (fail_sticky && calls > fail_at));
}

void *loom_malloc(size_t n)
{
	void *p = injected() ? NULL : malloc(n ? n : 1);
	if (p)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return p;
}

void *loom_calloc(size_t count, size_t size)
{
	size_t n;
	if (!loom_mul(count, size, &n) || injected())
		return NULL;
	void *p = calloc(n ? n : 1, 1);
	if (p)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return p;
}

void *loom_realloc(void *p, size_t n)
{
	if (injected())
		return NULL;
	void *q = realloc(p, n ? n : 1);
	if (q && !p)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return q;
}

void *loom_reallocarray(void *p, size_t count, size_t size)
{
	size_t n;
	return loom_mul(count, size, &n) ? loom_realloc(p, n) : NULL;
}

void loom_free(void *p)
{
	if (p)
		atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
	free(p);
}

bool loom_mem_count(int by)
{
	if (by > 0 && injected())
		return false;
	atomic_fetch_add_explicit(&live, by, memory_order_relaxed);
	return true;
}

char *loom_strndup(const char *s, size_t n)
{
	char *p = n == SIZE_MAX ? NULL : loom_malloc(n + 1);
	if (p) {
		memcpy(p, s, n);
		p[n] = '\0';
	}
	return p;
}

char *loom_strdup(const char *s)
{
	return loom_strndup(s, strlen(s));
}

static size_t page_round(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return n > SIZE_MAX - page ? 0 : (n + page - 1) / page * page;
}

void *loom_pages_alloc(size_t n)
{
	size_t bytes = page_round(n ? n : 1);
	if (!bytes || injected())
		return NULL;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (bytes >= (size_t)4 << 20)
		madvise(p, bytes, MADV_HUGEPAGE); /* fewer TLB misses over weights; refused is fine */
	atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return p;
}

void loom_pages_free(void *p, size_t n)
{
	if (!p)
		return;
	munmap(p, page_round(n ? n : 1));
	atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
}

void loom_mem_fail_at(uint64_t k, bool sticky)
{
	fail_at = k;
	fail_sticky = sticky;
	calls = 0;
}

uint64_t loom_mem_calls(void)
{
	return calls;
}

int64_t loom_mem_live(void)
{
	return atomic_load(&live);
}

void loom_mem_forbid(bool forbid)
{
	forbidden = forbid;
}

void loom_mem_trim(void)
{
	malloc_trim(0);
}

/* The number after key in a text file of "key value" lines (or the whole file's number when key is ""). */
static bool read_number(const char *path, const char *key, uint64_t *out)
{
	char line[256];
	bool found = false;
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof line, f)) {
		if (strncmp(line, key, strlen(key)) == 0) {
			char *end, *at = line + strlen(key);
			unsigned long long v = strtoull(at, &end, 10);
			found = end != at;
			*out = v;
		}
	}
	fclose(f);
	return found;
}

/* limit - used of a cgroup, into *least when smaller. The file cache, which counts as used, is given back under pressure: a weight
 * file that was just read would look like memory in use. */
static void cgroup(const char *limit_path, const char *used_path, const char *stat_path, const char *cache, uint64_t *least)
{
	uint64_t limit, used, cached = 0;
	if (!read_number(limit_path, "", &limit) || !read_number(used_path, "", &used))
		return;
	if (read_number(stat_path, cache, &cached))
		used -= cached < used ? cached : used;
	uint64_t room = limit > used ? limit - used : 0;
	if (room < *least)
		*least = room;
}

uint64_t loom_mem_available(void)
{
	uint64_t kib, least = UINT64_MAX;
	if (read_number("/proc/meminfo", "MemAvailable:", &kib))
		least = kib * 1024;
	cgroup("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file ", &least);
	cgroup("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
		"/sys/fs/cgroup/memory/memory.stat", "total_inactive_file ", &least);
	const char *env = getenv("LOOM_MEMORY_LIMIT_BYTES");
	if (env) {
		uint64_t v = strtoull(env, NULL, 10);
		if (v < least)
			least = v;
	}
	return least == UINT64_MAX ? 0 : least;
}

uint64_t loom_mem_resident(void)
{
	uint64_t kib = 0;
	return read_number("/proc/self/status", "VmRSS:", &kib) ? kib * 1024 : 0;
}
