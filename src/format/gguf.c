/* gguf.c: GGUF v2 and v3 metadata and tensor table. See gguf.h.
 *
 * File: "GGUF", u32 version, u64 n_tensors, u64 n_kv, the key-value pairs, the tensor table, padding to the alignment, the data. All
 * little-endian. Every count and length is compared to the bytes left in the file before anything is allocated for it. */
#include "gguf.h"

#include <string.h>

#include "bounds.h"
#include "mem.h"

/* A window over the file's head: it grows as more is needed, so that a file of gigabytes costs only its metadata. */
struct reader {
	const struct loom_file *f;
	char *data;        /* [have] bytes from the file's start */
	uint64_t have, at;
	struct loom_err *err;
	enum loom_status rc; /* sticky */
};

#define FIRST_WINDOW ((uint64_t)1 << 20)

static enum loom_status fail(struct reader *r, const char *what)
{
	if (!r->rc)
		r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: %s (at byte %llu)", r->f->name, what, (unsigned long long)r->at);
	return r->rc;
}

/* Makes n more bytes readable at r->at. Values may point into the file only as offsets: the window moves. */
static bool need(struct reader *r, uint64_t n)
{
	if (r->rc)
		return false;
	if (n > r->f->size - r->at) {
		fail(r, "the file ends inside the metadata");
		return false;
	}
	if (r->at + n <= r->have)
		return true;
	uint64_t want = r->have ? r->have * 2 : FIRST_WINDOW;
	if (want < r->at + n)
		want = r->at + n;
	if (want > r->f->size)
		want = r->f->size;
	char *p = loom_realloc(r->data, (size_t)want);
	if (!p) {
		r->rc = loom_err_nomem(r->err, "GGUF metadata", want);
		return false;
	}
	r->data = p;
	r->rc = loom_file_read(r->f, r->have, p + r->have, (size_t)(want - r->have), r->err);
	r->have = r->rc ? r->have : want;
	return !r->rc;
}

static uint64_t read_le(struct reader *r, unsigned n)
{
	uint64_t v = 0;
	if (!need(r, n))
		return 0;
	for (unsigned i = n; i-- > 0;)
		v = v << 8 | (unsigned char)r->data[r->at + i];
	r->at += n;
	return v;
}

static const unsigned type_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
#define N_TYPE (sizeof type_bytes / sizeof type_bytes[0])

/* A string's place: copied into the arena, since the window moves. */
static bool read_string(struct reader *r, struct loom_arena *a, struct loom_gguf_str *out)
{
	uint64_t n = read_le(r, 8);
	if (r->rc)
		return false;
	if (n > LOOM_MAX_GGUF_STRING || n > r->f->size - r->at) {
		fail(r, "a string longer than the file");
		return false;
	}
	if (!need(r, n))
		return false;
	char *p = loom_arena_strndup(a, r->data + r->at, (size_t)n);
	if (!p) {
		r->rc = loom_err_nomem(r->err, "GGUF string", n);
		return false;
	}
	r->at += n;
	out->data = p;
	out->len = (size_t)n;
	return true;
}

static bool is_signed(enum loom_gguf_type t)
{
	return t == LOOM_GGUF_I8 || t == LOOM_GGUF_I16 || t == LOOM_GGUF_I32 || t == LOOM_GGUF_I64;
}

/* The n low bytes of u as two's complement. */
static int64_t sign_extend(uint64_t u, unsigned n)
{
	if (n < 8 && u >> (8 * n - 1))
		u |= ~(uint64_t)0 << (8 * n);
	return (int64_t)u;
}

static void read_scalar(struct reader *r, struct loom_gguf_value *v)
{
	uint64_t u = read_le(r, type_bytes[v->type]);
	switch (v->type) {
	case LOOM_GGUF_I8: case LOOM_GGUF_I16: case LOOM_GGUF_I32: case LOOM_GGUF_I64:
		v->num.i = sign_extend(u, type_bytes[v->type]);
		break;
	case LOOM_GGUF_F32: {
		uint32_t w = (uint32_t)u;
		float f;
		memcpy(&f, &w, 4);
		v->num.f = (double)f;
		break;
	}
	case LOOM_GGUF_F64: memcpy(&v->num.f, &u, 8); break;
	default: v->num.u = u;
	}
	if (v->type == LOOM_GGUF_BOOL && u > 1)
		fail(r, "a bool that is neither 0 nor 1");
}

static void read_array(struct reader *r, struct loom_gguf *g, struct loom_gguf_value *v)
{
	uint64_t type = read_le(r, 4), n = read_le(r, 8);
	if (r->rc)
		return;
	if (type >= N_TYPE || type == LOOM_GGUF_ARRAY) {
		fail(r, type == LOOM_GGUF_ARRAY ? "an array of arrays" : "an array of an unknown type");
		return;
	}
	v->elem_type = (enum loom_gguf_type)type;
	v->n = n;
	unsigned each = type == LOOM_GGUF_STRING ? 8 : type_bytes[type];
	if (n > LOOM_MAX_GGUF_ARRAY || n > (r->f->size - r->at) / each) {
		fail(r, "an array longer than the file");
		return;
	}
	if (type == LOOM_GGUF_STRING) {
		v->str = loom_arena_alloc(&g->arena, (size_t)n + 1, sizeof *v->str);
		if (!v->str)
			r->rc = loom_err_nomem(r->err, "GGUF array", n * sizeof *v->str);
		for (uint64_t i = 0; i < n && !r->rc; i++)
			read_string(r, &g->arena, &v->str[i]);
		return;
	}
	if (!need(r, n * each))
		return;
	char *copy = loom_arena_strndup(&g->arena, r->data + r->at, (size_t)(n * each));
	if (!copy)
		r->rc = loom_err_nomem(r->err, "GGUF array", n * each);
	v->raw = copy;
	r->at += n * each;
}

static void read_value(struct reader *r, struct loom_gguf *g, struct loom_gguf_value *v)
{
	struct loom_gguf_str key;
	if (!read_string(r, &g->arena, &key))
		return;
	if (key.len == 0 || strlen(key.data) != key.len) {
		fail(r, "an empty key or one with NUL");
		return;
	}
	v->key = key.data;
	uint64_t type = read_le(r, 4);
	if (!r->rc && type >= N_TYPE) {
		fail(r, "a value of an unknown type");
		return;
	}
	v->type = (enum loom_gguf_type)type;
	v->n = 1;
	if (r->rc)
		return;
	if (v->type == LOOM_GGUF_ARRAY) {
		read_array(r, g, v);
	} else if (v->type == LOOM_GGUF_STRING) {
		v->str = loom_arena_alloc(&g->arena, 1, sizeof *v->str);
		if (!v->str)
			r->rc = loom_err_nomem(r->err, "GGUF string", sizeof *v->str);
		else
			read_string(r, &g->arena, v->str);
	} else {
		read_scalar(r, v);
	}
	if (!r->rc && loom_table_get(&g->by_key, key.data, key.len, -1) >= 0)
		r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: key %.100s is there twice", r->f->name, key.data);
	if (!r->rc && !loom_table_put(&g->by_key, key.data, key.len, (int64_t)(v - g->values)))
		r->rc = loom_err_nomem(r->err, "GGUF keys", key.len);
}

/* ggml's type numbers; those that Loom does not read are kept as LOOM_GGML_OTHER and refused by name on binding. */
static enum loom_dtype ggml_type(uint64_t n)
{
	static const enum loom_dtype map[] = {[0] = LOOM_F32, [1] = LOOM_F16, [2] = LOOM_Q4_0, [3] = LOOM_Q4_1, [6] = LOOM_Q5_0,
		[7] = LOOM_Q5_1, [8] = LOOM_Q8_0, [9] = LOOM_Q8_1, [10] = LOOM_Q2_K, [11] = LOOM_Q3_K, [12] = LOOM_Q4_K, [13] = LOOM_Q5_K,
		[14] = LOOM_Q6_K, [15] = LOOM_Q8_K, [16] = LOOM_IQ2_XXS, [17] = LOOM_IQ2_XS, [18] = LOOM_IQ3_XXS, [19] = LOOM_IQ1_S,
		[20] = LOOM_IQ4_NL, [21] = LOOM_IQ3_S, [22] = LOOM_IQ2_S, [23] = LOOM_IQ4_XS, [24] = LOOM_I8, [25] = LOOM_I16, [26] = LOOM_I32,
		[27] = LOOM_I64, [28] = LOOM_F64, [29] = LOOM_IQ1_M, [30] = LOOM_BF16, [34] = LOOM_TQ1_0, [35] = LOOM_TQ2_0, [39] = LOOM_MXFP4,
		[40] = LOOM_GGML_OTHER, [41] = LOOM_GGML_OTHER, [42] = LOOM_GGML_OTHER};
	return n < sizeof map / sizeof map[0] ? map[n] : LOOM_DTYPE_UNKNOWN;
}

static void read_tensor(struct reader *r, struct loom_store *s, struct loom_tensor *t)
{
	struct loom_gguf_str name;
	if (!read_string(r, &s->arena, &name))
		return;
	if (name.len == 0 || name.len >= 64 || strlen(name.data) != name.len) {
		fail(r, "a tensor name that is empty, has NUL, or is 64 bytes or longer");
		return;
	}
	t->name = name.data;
	uint64_t n_dim = read_le(r, 4);
	if (!r->rc && (n_dim == 0 || n_dim > 4)) {
		r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: tensor %s: %llu dimensions, expected 1..4", r->f->name, t->name,
			(unsigned long long)n_dim);
		return;
	}
	t->n_dim = (int)n_dim;
	t->n_elem = 1;
	for (int i = t->n_dim; i-- > 0 && !r->rc;) {
		uint64_t d = read_le(r, 8); /* innermost first in the file */
		t->shape[i] = (int64_t)d;
		if (d > INT64_MAX || __builtin_mul_overflow(t->n_elem, d, &t->n_elem) || t->n_elem > INT64_MAX)
			r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: tensor %s: its number of elements overflows", r->f->name, t->name);
	}
	uint64_t type = read_le(r, 4);
	t->offset = read_le(r, 8);
	if (r->rc)
		return;
	t->dtype = ggml_type(type);
	if (t->dtype == LOOM_DTYPE_UNKNOWN || t->dtype == LOOM_GGML_OTHER) {
		r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: tensor %s: ggml type number %llu is %s", r->f->name, t->name,
			(unsigned long long)type, t->dtype == LOOM_GGML_OTHER ? "not supported" : "unknown");
		return;
	}
	size_t block = loom_dtype_block(t->dtype);
	if ((uint64_t)t->shape[t->n_dim - 1] % block != 0)
		r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: tensor %s: rows of %lld elements are no multiple of %s's block of %zu", r->f->name,
			t->name, (long long)t->shape[t->n_dim - 1], loom_dtype_name(t->dtype), block);
	else if (!loom_dtype_bytes(t->dtype, t->n_elem, &t->bytes))
		r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: tensor %s: its size in bytes overflows", r->f->name, t->name);
}

/* Offsets follow each other, each padded to the alignment, and end inside the file. */
static void place_tensors(struct reader *r, struct loom_store *s, struct loom_tensor *tensors, uint64_t n, uint64_t start, uint32_t align)
{
	uint64_t expected = 0;
	for (uint64_t i = 0; i < n && !r->rc; i++) {
		struct loom_tensor *t = &tensors[i];
		uint64_t end, padded;
		if (t->offset != expected) {
			r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: tensor %s: offset %llu, expected %llu", r->f->name, t->name,
				(unsigned long long)t->offset, (unsigned long long)expected);
			return;
		}
		if (__builtin_add_overflow(start, t->offset, &t->offset) || __builtin_add_overflow(t->offset, t->bytes, &end) ||
			end > r->f->size) {
			r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: tensor %s: its %llu bytes reach past the file's end (%llu bytes)", r->f->name,
				t->name, (unsigned long long)t->bytes, (unsigned long long)r->f->size);
			return;
		}
		if (__builtin_add_overflow(t->bytes, (uint64_t)align - 1, &padded) ||
			__builtin_add_overflow(expected, padded / align * align, &expected)) {
			fail(r, "tensor offsets overflow");
			return;
		}
		t->file = s->n_file - 1;
		r->rc = loom_store_add(s, t, r->err);
	}
}

static void read_tensors(struct reader *r, struct loom_gguf *g, struct loom_store *s, uint64_t n)
{
	struct loom_tensor *tensors = loom_calloc((size_t)n + 1, sizeof *tensors);
	if (!tensors) {
		r->rc = loom_err_nomem(r->err, "GGUF tensors", n * sizeof *tensors);
		return;
	}
	for (uint64_t i = 0; i < n && !r->rc; i++)
		read_tensor(r, s, &tensors[i]);
	if (!r->rc)
		r->rc = loom_store_reserve(s, (size_t)n, r->err);
	if (!r->rc) {
		uint64_t start = (r->at + g->alignment - 1) / g->alignment * g->alignment;
		place_tensors(r, s, tensors, n, start, g->alignment);
	}
	loom_free(tensors);
}

static void read_all(struct reader *r, struct loom_gguf *g, struct loom_store *s)
{
	if (r->f->size < 24 || !need(r, 4) || memcmp(r->data, "GGUF", 4) != 0) {
		fail(r, "not a GGUF file (no magic \"GGUF\")");
		return;
	}
	r->at = 4;
	g->version = (uint32_t)read_le(r, 4);
	if (!r->rc && g->version != 2 && g->version != 3) {
		r->rc = loom_err_set(r->err, LOOM_E_MODEL, "%s: GGUF version %u; 2 and 3 are read", r->f->name, g->version);
		return;
	}
	uint64_t n_tensor = read_le(r, 8), n_kv = read_le(r, 8);
	/* a pair takes 13 bytes at least, a tensor 33 */
	if (!r->rc && (n_kv > r->f->size / 13 || n_tensor > r->f->size / 33 || n_tensor > LOOM_MAX_TENSORS))
		fail(r, "more keys or tensors than the file can hold");
	if (r->rc)
		return;
	g->values = loom_arena_alloc(&g->arena, (size_t)n_kv + 1, sizeof *g->values);
	if (!g->values || !loom_table_init(&g->by_key, (size_t)n_kv)) {
		r->rc = loom_err_nomem(r->err, "GGUF metadata", n_kv * sizeof *g->values);
		return;
	}
	for (uint64_t i = 0; i < n_kv && !r->rc; i++) {
		g->n_value = (size_t)i + 1;
		read_value(r, g, &g->values[i]);
	}
	if (r->rc)
		return;
	const struct loom_gguf_value *align = loom_gguf_find(g, "general.alignment");
	g->alignment = 32;
	if (align) {
		if (align->type != LOOM_GGUF_U32 || align->num.u == 0 || (align->num.u & (align->num.u - 1)) != 0 || align->num.u > 1u << 20) {
			fail(r, "general.alignment: expected a uint32 power of two up to 1048576");
			return;
		}
		g->alignment = (uint32_t)align->num.u;
	}
	if (s)
		read_tensors(r, g, s, n_tensor);
}

enum loom_status loom_gguf_open(struct loom_gguf *g, struct loom_store *s, const char *path, const char *name, struct loom_err *err)
{
	struct loom_file f;
	memset(g, 0, sizeof *g);
	loom_arena_init(&g->arena);
	enum loom_status rc = loom_file_open(&f, path, name, err);
	if (rc)
		return rc;
	struct reader r = {.f = &f, .err = err};
	if (s) {
		rc = loom_store_take_file(s, &f, err);
		if (rc) {
			loom_file_close(&f);
			return rc;
		}
	}
	read_all(&r, g, s);
	loom_free(r.data);
	if (!s)
		loom_file_close(&f);
	return r.rc;
}

void loom_gguf_release(struct loom_gguf *g)
{
	loom_table_release(&g->by_key);
	loom_arena_release(&g->arena);
	memset(g, 0, sizeof *g);
}

const struct loom_gguf_value *loom_gguf_find(const struct loom_gguf *g, const char *key)
{
	int64_t i = loom_table_get(&g->by_key, key, strlen(key), -1);
	return i < 0 ? NULL : &g->values[i];
}

static bool is_unsigned(enum loom_gguf_type t)
{
	return t == LOOM_GGUF_U8 || t == LOOM_GGUF_U16 || t == LOOM_GGUF_U32 || t == LOOM_GGUF_U64;
}

bool loom_gguf_int(const struct loom_gguf *g, const char *key, int64_t *out)
{
	const struct loom_gguf_value *v = loom_gguf_find(g, key);
	if (v && is_signed(v->type))
		*out = v->num.i;
	else if (v && is_unsigned(v->type) && v->num.u <= INT64_MAX)
		*out = (int64_t)v->num.u;
	else
		return false;
	return true;
}

bool loom_gguf_num(const struct loom_gguf *g, const char *key, double *out)
{
	const struct loom_gguf_value *v = loom_gguf_find(g, key);
	int64_t i;
	if (v && (v->type == LOOM_GGUF_F32 || v->type == LOOM_GGUF_F64))
		*out = v->num.f;
	else if (loom_gguf_int(g, key, &i))
		*out = (double)i;
	else
		return false;
	return true;
}

bool loom_gguf_bool(const struct loom_gguf *g, const char *key, bool *out)
{
	const struct loom_gguf_value *v = loom_gguf_find(g, key);
	if (!v || v->type != LOOM_GGUF_BOOL)
		return false;
	*out = v->num.u != 0;
	return true;
}

const char *loom_gguf_string(const struct loom_gguf *g, const char *key)
{
	const struct loom_gguf_value *v = loom_gguf_find(g, key);
	return v && v->type == LOOM_GGUF_STRING ? v->str->data : NULL;
}

/* Element i of a number array as bits, sign-extended where signed. */
static uint64_t element(const struct loom_gguf_value *v, uint64_t i)
{
	unsigned n = type_bytes[v->elem_type];
	const unsigned char *p = (const unsigned char *)v->raw + i * n;
	uint64_t u = 0;
	for (unsigned k = n; k-- > 0;)
		u = u << 8 | p[k];
	return is_signed(v->elem_type) ? (uint64_t)sign_extend(u, n) : u;
}

double loom_gguf_array_num(const struct loom_gguf_value *v, uint64_t i)
{
	uint64_t u = element(v, i);
	if (v->elem_type == LOOM_GGUF_F32) {
		uint32_t w = (uint32_t)u;
		float f;
		memcpy(&f, &w, 4);
		return (double)f;
	}
	if (v->elem_type == LOOM_GGUF_F64) {
		double d;
		memcpy(&d, &u, 8);
		return d;
	}
	return is_signed(v->elem_type) ? (double)(int64_t)u : (double)u;
}

int64_t loom_gguf_array_int(const struct loom_gguf_value *v, uint64_t i)
{
	if (v->elem_type == LOOM_GGUF_F32 || v->elem_type == LOOM_GGUF_F64) {
		double x = loom_gguf_array_num(v, i);
		return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : 0; /* NaN and what does not fit */
	}
	return (int64_t)element(v, i);
}
