/* mem.h: allocation with one seam, and checked arithmetic.
 *
 * Every allocation of Loom goes through here, so that tests can fail the N-th one
 * (loom_mem_fail_at) and count what is live. Libraries (jansson, …) are pointed here too. */
#ifndef LOOM_MEM_H
#define LOOM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL on failure or overflow; n == 0 gives a valid freeable pointer. */
void *loom_malloc(size_t n) __attribute__((malloc));
void *loom_calloc(size_t count, size_t size) __attribute__((malloc));
void *loom_realloc(void *p, size_t n);
/* realloc for arrays with overflow check. On failure the old block stays. */
void *loom_reallocarray(void *p, size_t count, size_t size);
void loom_free(void *p);
/* Copies n bytes and adds a NUL. */
char *loom_strndup(const char *s, size_t n);
char *loom_strdup(const char *s);

/* 64-byte aligned, zeroed pages for weights and KV (mmap for large sizes, huge pages advised).
 * Free with the same n. */
void *loom_pages_alloc(size_t n);
void loom_pages_free(void *p, size_t n);

/* A block that another allocator of base/ handed out (1) or took back (-1). False: the test seam wants this one to fail. */
bool loom_mem_count(int by);

/* *out = a*b (or a+b); false on overflow, *out then unspecified. */
static inline bool loom_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}
static inline bool loom_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

/* Test seam: the k-th allocation of this thread from now fails (1 = the next); sticky: all after it
 * too; k = 0 switches off. Thread-local. loom_mem_calls() counts this thread's calls since the last
 * loom_mem_fail_at. */
void loom_mem_fail_at(uint64_t k, bool sticky);
uint64_t loom_mem_calls(void);
/* Blocks live in the whole process. */
int64_t loom_mem_live(void);
/* Debug guard: while true on this thread, an allocation is a failed assertion (exec must not allocate). */
void loom_mem_forbid(bool forbid);

/* Gives free memory that the C library holds back to the system: after a crowd has left. Takes milliseconds. */
void loom_mem_trim(void);
/* Bytes of memory that the machine (or its cgroup) can still give without swapping; 0 when unknown.
 * LOOM_MEMORY_LIMIT_BYTES in the environment lowers it (tests). */
uint64_t loom_mem_available(void);
/* Resident bytes of this process. */
uint64_t loom_mem_resident(void);

#endif
