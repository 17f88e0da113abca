/* fuzz_safetensors.c: changed headers and whole changed files through the safetensors reader: an answer, no fault, nothing kept.
 * A fixed seed and a fixed count; what is accepted must be readable to its last byte. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "fuzz.h"
#include "jsonx.h"
#include "mem.h"
#include "safetensors.h"
#include "tempdir.h"

#define ROUNDS 12000

static size_t compose(unsigned char *out)
{
	static const char *const headers[] = {
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"I8\",\"shape\":[3,1],\"data_offsets\":[8,11]}}",
		"{\"__metadata__\":{\"format\":\"pt\"},\"x.y\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]}}   ",
		"{\"a\\u0062\":{\"dtype\":\"F16\",\"shape\":[0,4],\"data_offsets\":[0,0]},\"c\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}",
	};
	static const size_t data[] = {11, 2, 16};
	uint32_t k = fuzz_next(3);
	uint64_t len = strlen(headers[k]);
	memcpy(out, &len, 8);
	memcpy(out + 8, headers[k], len);
	memset(out + 8 + len, 1, data[k]);
	return 8 + (size_t)len + data[k];
}

static size_t mutate(unsigned char *p, size_t n, size_t cap)
{
	static const char *const words[] = {"[", "]", "{", "}", "-1", "9223372036854775807", "18446744073709551615", "1e9", "\"\"", "null", "\\u0000", "[[[[",
		",", "0", "\"F4\"", "__metadata__", "\xff"};
	for (uint32_t times = 1 + fuzz_next(4); times-- > 0 && n > 0;) {
		size_t at = fuzz_next((uint32_t)n);
		const char *w = words[fuzz_next(sizeof words / sizeof words[0])];
		size_t len = strlen(w);
		switch (fuzz_next(5)) {
		case 0: p[at] ^= (unsigned char)(1u << fuzz_next(8)); break;
		case 1: p[at] = (unsigned char)('0' + fuzz_next(10)); break;
		case 2:
			if (n + len <= cap) {
				memmove(p + at + len, p + at, n - at);
				memcpy(p + at, w, len);
				n += len;
			}
			break;
		case 3: /* and the length field follows, or not */
			if (n > at + 1) {
				memmove(p + at, p + at + 1, n - at - 1);
				n--;
			}
			break;
		default: n = fuzz_next(8) ? n : at;
		}
	}
	if (n >= 8 && fuzz_next(2)) {
		uint64_t len = n - 8 > 16 ? n - 8 - fuzz_next(17) : 0;
		memcpy(p, &len, 8);
	}
	return n;
}

int main(int argc, char **argv)
{
	long rounds = fuzz_begin(argc, argv, ROUNDS);
	static unsigned char bytes[4096];
	struct tempdir dir;
	int accepted = 0;
	loom_json_setup();
	tempdir_make(&dir);
	for (long round = 0; round < rounds; round++) {
		int64_t before = loom_mem_live();
		struct loom_store s;
		struct loom_err err = {0};
		size_t n = compose(bytes);
		n = round % 100 ? mutate(bytes, n, sizeof bytes) : n;
		loom_store_init(&s);
		enum loom_status rc = loom_safetensors_open(&s, tempdir_write(&dir, "f.st", bytes, n), "f.st", &err);
		for (size_t i = 0; rc == LOOM_OK && i < s.n_tensor; i++) {
			const struct loom_tensor *t = &s.tensors[i];
			char c;
			if (t->bytes > n || (t->bytes > 0 && loom_store_read(&s, t, t->bytes - 1, &c, 1, &err)))
				rc = LOOM_E_INTERNAL;
		}
		accepted += rc == LOOM_OK;
		loom_store_release(&s);
		if ((rc && rc != LOOM_E_MODEL) || (rc && !err.message[0]) || loom_mem_live() != before || (rc && round % 100 == 0)) {
			printf("fuzz_safetensors: round %ld: status %d, \"%s\"\n", round, (int)rc, err.message);
			return 1;
		}
	}
	tempdir_remove(&dir);
	printf("fuzz_safetensors: %ld files, %d accepted\n", rounds, accepted);
	return 0;
}
