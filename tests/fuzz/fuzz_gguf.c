/* fuzz_gguf.c: changed GGUF files through the reader: an answer, no fault, nothing kept. A fixed seed and a fixed count; what is
 * accepted must be readable to its last byte. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "gguf.h"
#include "ggufmake.h"
#include "mem.h"
#include "tempdir.h"

#define ROUNDS 20000

static void compose(struct gguf_bytes *b)
{
	put_head(b, 2 + fuzz_next(2), 2, 5);
	put_key(b, "general.architecture", LOOM_GGUF_STRING);
	put_str(b, "llama");
	put_key(b, "general.alignment", LOOM_GGUF_U32);
	put_u(b, 32, 4);
	put_key(b, "scores", LOOM_GGUF_ARRAY);
	put_u(b, LOOM_GGUF_F32, 4);
	put_u(b, 3, 8);
	put_u(b, 0, 8);
	put_u(b, 0, 4);
	put_key(b, "tokens", LOOM_GGUF_ARRAY);
	put_u(b, LOOM_GGUF_STRING, 4);
	put_u(b, 2, 8);
	put_str(b, "ab");
	put_str(b, "c");
	put_key(b, "add", LOOM_GGUF_BOOL);
	put_u(b, 1, 1);
	put_tensor(b, "a", (const uint64_t[]){3, 2}, 2, 0, 0);
	put_tensor(b, "q", (const uint64_t[]){32, 2}, 2, 8, 32);
	put_pad(b, 32);
	for (int i = 0; i < 32 + 68; i++)
		put_u(b, (unsigned)i, 1);
}

static void mutate(struct gguf_bytes *b)
{
	static const uint64_t odd[] = {0, 1, 0x7f, 0x80, 0xff, 1ull << 31, 0xffffffff, 1ull << 32, 1ull << 40, 1ull << 62, 1ull << 63, UINT64_MAX,
		0x7fffffffffffffc0ull};
	for (uint32_t times = 1 + fuzz_next(3); times-- > 0 && b->n > 8;) {
		size_t at = fuzz_next(fuzz_next(2) ? 64 : (uint32_t)b->n) % b->n;
		uint64_t v = odd[fuzz_next(sizeof odd / sizeof odd[0])];
		size_t n = (size_t)1 << fuzz_next(4);
		switch (fuzz_next(4)) {
		case 0: b->data[at] ^= (unsigned char)(1u << fuzz_next(8)); break;
		case 1: b->data[at] = (unsigned char)fuzz_next(40); break;
		case 2:
			for (size_t i = 0; i < n && at + i < b->n; i++, v >>= 8)
				b->data[at + i] = (unsigned char)v;
			break;
		default: b->n = fuzz_next(6) ? b->n : at;
		}
	}
}

static void look(const struct loom_gguf *g)
{
	int64_t i;
	double x;
	bool t;
	for (size_t k = 0; k < g->n_value; k++) {
		const struct loom_gguf_value *v = &g->values[k];
		(void)loom_gguf_int(g, v->key, &i);
		(void)loom_gguf_num(g, v->key, &x);
		(void)loom_gguf_bool(g, v->key, &t);
		(void)loom_gguf_string(g, v->key);
		for (uint64_t e = 0; v->type == LOOM_GGUF_ARRAY && e < v->n; e++) {
			if (v->elem_type != LOOM_GGUF_STRING)
				(void)(loom_gguf_array_num(v, e) + (double)loom_gguf_array_int(v, e));
			else
				(void)strlen(v->str[e].data);
		}
	}
}

int main(int argc, char **argv)
{
	long rounds = fuzz_begin(argc, argv, ROUNDS);
	static struct gguf_bytes b;
	struct tempdir dir;
	int accepted = 0;
	tempdir_make(&dir);
	for (long round = 0; round < rounds; round++) {
		int64_t before = loom_mem_live();
		struct loom_gguf g;
		struct loom_store s;
		struct loom_err err = {0};
		compose(&b);
		if (round % 100)
			mutate(&b);
		loom_store_init(&s);
		enum loom_status rc = loom_gguf_open(&g, &s, tempdir_write(&dir, "f.gguf", b.data, b.n), "f.gguf", &err);
		for (size_t i = 0; rc == LOOM_OK && i < s.n_tensor; i++) {
			const struct loom_tensor *t = &s.tensors[i];
			char c;
			if (t->bytes > b.n || (t->bytes > 0 && loom_store_read(&s, t, t->bytes - 1, &c, 1, &err)))
				rc = LOOM_E_INTERNAL;
		}
		if (rc == LOOM_OK)
			look(&g);
		accepted += rc == LOOM_OK;
		loom_gguf_release(&g);
		loom_store_release(&s);
		if ((rc && rc != LOOM_E_MODEL) || (rc && !err.message[0]) || loom_mem_live() != before || (rc && round % 100 == 0)) {
			printf("fuzz_gguf: round %ld: status %d, \"%s\"\n", round, (int)rc, err.message);
			return 1;
		}
	}
	tempdir_remove(&dir);
	printf("fuzz_gguf: %ld files, %d accepted\n", rounds, accepted);
	return 0;
}
