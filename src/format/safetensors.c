/* safetensors.c: one file's header into a store, by every rule of the reference parser. See safetensors.h.
 *
 * File: u64 N little-endian, N bytes of JSON object, then the data. Each entry: dtype, shape, data_offsets [begin, end) into the
 * data. Offsets tile the data exactly: no hole, no overlap, nothing after. */
#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "jsonx.h"
#include "mem.h"

struct entry {
	struct loom_tensor tensor;
	uint64_t begin, end;
};

static int by_begin(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

static enum loom_status bad(struct loom_err *err, const char *file, const char *tensor, const char *what)
{
	return loom_err_set(err, LOOM_E_MODEL, "%s: tensor %s: %s", file, tensor, what);
}

/* shape → n_dim, shape, n_elem. */
static enum loom_status read_shape(struct loom_tensor *t, const json_t *shape, const char *file, struct loom_err *err)
{
	size_t n = json_array_size(shape);
	if (!json_is_array(shape))
		return bad(err, file, t->name, "shape: expected a list of integers");
	if (n > LOOM_MAX_DIM)
		return loom_err_set(err, LOOM_E_MODEL, "%s: tensor %s: %zu dimensions; at most %d are read", file, t->name, n, LOOM_MAX_DIM);
	t->n_dim = (int)n;
	t->n_elem = 1;
	for (size_t i = 0; i < n; i++) {
		const json_t *d = json_array_get(shape, i);
		if (!json_is_integer(d) || json_integer_value(d) < 0)
			return bad(err, file, t->name, "shape: expected integers of 0 or more");
		t->shape[i] = json_integer_value(d);
		if (__builtin_mul_overflow(t->n_elem, (uint64_t)t->shape[i], &t->n_elem))
			return bad(err, file, t->name, "shape: the number of elements overflows 64 bits");
	}
	return LOOM_OK;
}

static enum loom_status read_entry(struct entry *e, const json_t *v, uint64_t data_bytes, const char *file, struct loom_err *err)
{
	struct loom_tensor *t = &e->tensor;
	if (!json_is_object(v))
		return bad(err, file, t->name, "expected an object with dtype, shape, data_offsets");
	const char *dtype = json_string_value(json_object_get(v, "dtype"));
	if (!dtype)
		return bad(err, file, t->name, "dtype: expected a string");
	t->dtype = loom_dtype_from_safetensors(dtype);
	if (t->dtype == LOOM_DTYPE_UNKNOWN)
		return loom_err_set(err, LOOM_E_MODEL, "%s: tensor %s: dtype %.20s is not one of the format", file, t->name, dtype);
	enum loom_status rc = read_shape(t, json_object_get(v, "shape"), file, err);
	if (rc)
		return rc;
	const json_t *offsets = json_object_get(v, "data_offsets"), *b = json_array_get(offsets, 0), *z = json_array_get(offsets, 1);
	if (json_array_size(offsets) != 2 || !json_is_integer(b) || !json_is_integer(z) || json_integer_value(b) < 0 ||
		json_integer_value(z) < json_integer_value(b))
		return bad(err, file, t->name, "data_offsets: expected [begin, end] with 0 <= begin <= end");
	e->begin = (uint64_t)json_integer_value(b);
	e->end = (uint64_t)json_integer_value(z);
	if (e->end > data_bytes)
		return loom_err_set(err, LOOM_E_MODEL, "%s: tensor %s: data_offsets end at %llu, the file holds %llu bytes of data", file, t->name,
			(unsigned long long)e->end, (unsigned long long)data_bytes);
	if (!loom_dtype_bytes(t->dtype, t->n_elem, &t->bytes))
		return bad(err, file, t->name, "its size overflows or is no whole number of bytes");
	if (t->bytes != e->end - e->begin) {
		char shape[128];
		loom_shape_show(t->n_dim, t->shape, shape, sizeof shape);
		return loom_err_set(err, LOOM_E_MODEL, "%s: tensor %s: shape %s of %s takes %llu bytes, data_offsets give %llu", file, t->name, shape,
			dtype, (unsigned long long)t->bytes, (unsigned long long)(e->end - e->begin));
	}
	return LOOM_OK;
}

static enum loom_status check_metadata(const json_t *v, const char *file, struct loom_err *err)
{
	const char *key;
	json_t *member;
	if (!json_is_object(v))
		return loom_err_set(err, LOOM_E_MODEL, "%s: __metadata__: expected an object of strings", file);
	json_object_foreach((json_t *)(uintptr_t)v, key, member) {
		if (!json_is_string(member))
			return loom_err_set(err, LOOM_E_MODEL, "%s: __metadata__: %.40s: expected a string", file, key);
	}
	return LOOM_OK;
}

/* All entries of the header, sorted by offset and checked to tile the data. */
static enum loom_status read_entries(struct loom_store *s, const json_t *header, uint64_t data_bytes, const char *file,
	struct entry *entries, size_t *count, struct loom_err *err)
{
	const char *key;
	size_t len, n = 0;
	json_t *v;
	enum loom_status rc;
	json_object_keylen_foreach((json_t *)(uintptr_t)header, key, len, v) {
		if (len == 12 && memcmp(key, "__metadata__", 12) == 0) {
			rc = check_metadata(v, file, err);
			if (rc)
				return rc;
			continue;
		}
		if (len > LOOM_MAX_TENSOR_NAME || memchr(key, '\0', len))
			return loom_err_set(err, LOOM_E_MODEL, "%s: a tensor name of %zu bytes or with NUL; at most %u bytes are read", file, len,
				LOOM_MAX_TENSOR_NAME);
		struct entry *e = &entries[n++];
		e->tensor.name = loom_arena_strndup(&s->arena, key, len);
		if (!e->tensor.name)
			return loom_err_nomem(err, "tensor name", len);
		rc = read_entry(e, v, data_bytes, file, err);
		if (rc)
			return rc;
	}
	qsort(entries, n, sizeof *entries, by_begin);
	uint64_t at = 0;
	for (size_t i = 0; i < n; i++) {
		if (entries[i].begin != at)
			return loom_err_set(err, LOOM_E_MODEL, "%s: tensor %s: begins at byte %llu of the data, expected %llu (%s)", file,
				entries[i].tensor.name, (unsigned long long)entries[i].begin, (unsigned long long)at,
				entries[i].begin < at ? "tensors overlap" : "a hole");
		at = entries[i].end;
	}
	if (at != data_bytes)
		return loom_err_set(err, LOOM_E_MODEL, "%s: tensors end at byte %llu of the data, the file holds %llu", file,
			(unsigned long long)at, (unsigned long long)data_bytes);
	*count = n;
	return LOOM_OK;
}

static enum loom_status read_header(const struct loom_file *f, json_t **header, uint64_t *data_start, struct loom_err *err)
{
	unsigned char raw[8];
	uint64_t n = 0;
	if (f->size < 8)
		return loom_err_set(err, LOOM_E_MODEL, "%s: %llu bytes; a safetensors file has at least 8", f->name, (unsigned long long)f->size);
	enum loom_status rc = loom_file_read(f, 0, raw, 8, err);
	if (rc)
		return rc;
	for (int i = 7; i >= 0; i--)
		n = n << 8 | raw[i];
	if (n > LOOM_MAX_ST_HEADER_BYTES)
		return loom_err_set(err, LOOM_E_MODEL, "%s: a header of %llu bytes; at most %u", f->name, (unsigned long long)n,
			LOOM_MAX_ST_HEADER_BYTES);
	if (n > f->size - 8)
		return loom_err_set(err, LOOM_E_MODEL, "%s: a header of %llu bytes in a file of %llu", f->name, (unsigned long long)n,
			(unsigned long long)f->size);
	char *text = loom_malloc((size_t)n + 1);
	if (!text)
		return loom_err_nomem(err, "safetensors header", n);
	rc = loom_file_read(f, 8, text, (size_t)n, err);
	if (!rc)
		rc = loom_json_parse(text, (size_t)n, f->name, LOOM_E_MODEL, header, err);
	loom_free(text);
	if (!rc && !json_is_object(*header)) {
		json_decref(*header);
		*header = NULL;
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: the header is not a JSON object", f->name);
	}
	*data_start = 8 + n;
	return rc;
}

enum loom_status loom_safetensors_open(struct loom_store *s, const char *path, const char *name, struct loom_err *err)
{
	struct loom_file f;
	json_t *header = NULL;
	struct entry *entries = NULL;
	uint64_t start = 0;
	size_t n = 0;
	enum loom_status rc = loom_file_open(&f, path, name, err);
	if (rc)
		return rc;
	rc = read_header(&f, &header, &start, err);
	if (rc)
		goto out;
	n = json_object_size(header);
	if (n > LOOM_MAX_TENSORS) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: %zu tensors; at most %u", f.name, n, LOOM_MAX_TENSORS);
		goto out;
	}
	entries = loom_calloc(n ? n : 1, sizeof *entries);
	if (!entries) {
		rc = loom_err_nomem(err, "safetensors entries", n * sizeof *entries);
		goto out;
	}
	rc = read_entries(s, header, f.size - start, f.name, entries, &n, err);
	if (!rc)
		rc = loom_store_reserve(s, n, err);
	if (!rc)
		rc = loom_store_take_file(s, &f, err);
	if (rc)
		goto out;
	f.fd = -1; /* the store's now */
	for (size_t i = 0; i < n && !rc; i++) {
		entries[i].tensor.offset = start + entries[i].begin;
		entries[i].tensor.file = s->n_file - 1;
		rc = loom_store_add(s, &entries[i].tensor, err);
	}
out:
	loom_file_close(&f);
	loom_free(entries);
	json_decref(header);
	return rc;
}
