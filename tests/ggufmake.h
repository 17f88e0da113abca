/* ggufmake.h: writes GGUF bytes piece by piece, so that a test can write any piece wrong. */
#ifndef LOOM_TESTS_GGUFMAKE_H
#define LOOM_TESTS_GGUFMAKE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct gguf_bytes {
	unsigned char data[8192];
	size_t n;
};

static inline void put(struct gguf_bytes *b, const void *p, size_t n)
{
	if (n > sizeof b->data - b->n)
		abort();
	memcpy(b->data + b->n, p, n);
	b->n += n;
}

static inline void put_u(struct gguf_bytes *b, uint64_t v, size_t n) /* n low bytes, little-endian */
{
	for (; n-- > 0; v >>= 8)
		put(b, &(unsigned char){(unsigned char)v}, 1);
}

static inline void put_str(struct gguf_bytes *b, const char *s)
{
	put_u(b, strlen(s), 8);
	put(b, s, strlen(s));
}

static inline void put_head(struct gguf_bytes *b, uint32_t version, uint64_t n_tensor, uint64_t n_kv)
{
	b->n = 0;
	put(b, "GGUF", 4);
	put_u(b, version, 4);
	put_u(b, n_tensor, 8);
	put_u(b, n_kv, 8);
}

static inline void put_key(struct gguf_bytes *b, const char *key, uint32_t type)
{
	put_str(b, key);
	put_u(b, type, 4);
}

/* dims innermost first, as the file has them. */
static inline void put_tensor(struct gguf_bytes *b, const char *name, const uint64_t *dims, uint32_t n_dim, uint32_t type, uint64_t offset)
{
	put_str(b, name);
	put_u(b, n_dim, 4);
	for (uint32_t i = 0; i < n_dim; i++)
		put_u(b, dims[i], 8);
	put_u(b, type, 4);
	put_u(b, offset, 8);
}

static inline void put_pad(struct gguf_bytes *b, size_t align)
{
	while (b->n % align)
		put_u(b, 0, 1);
}

#endif
