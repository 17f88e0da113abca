/* store.c: the tensors of a model, whatever files they lie in. See store.h. */
#include "store.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

void loom_store_init(struct loom_store *s)
{
	memset(s, 0, sizeof *s);
	loom_arena_init(&s->arena);
}

void loom_store_release(struct loom_store *s)
{
	for (int i = 0; i < s->n_file; i++)
		loom_file_close(&s->files[i]);
	loom_free(s->files);
	loom_free(s->tensors);
	loom_table_release(&s->by_name);
	loom_arena_release(&s->arena);
	loom_store_init(s);
}

const struct loom_tensor *loom_store_find(const struct loom_store *s, const char *name)
{
	int64_t i = loom_table_get(&s->by_name, name, strlen(name), -1);
	return i < 0 ? NULL : &s->tensors[i];
}

enum loom_status loom_store_read(const struct loom_store *s, const struct loom_tensor *t, uint64_t off, void *dst, size_t n,
	struct loom_err *err)
{
	if (off > t->bytes || n > t->bytes - off)
		return loom_err_set(err, LOOM_E_INTERNAL, "%s: read past the tensor's end", t->name);
	return loom_file_read(&s->files[t->file], t->offset + off, dst, n, err);
}

enum loom_status loom_store_take_file(struct loom_store *s, const struct loom_file *f, struct loom_err *err)
{
	struct loom_file *files = loom_reallocarray(s->files, (size_t)s->n_file + 1, sizeof *files);
	if (!files)
		return loom_err_nomem(err, "file table", sizeof *files);
	s->files = files;
	s->files[s->n_file++] = *f;
	return LOOM_OK;
}

enum loom_status loom_store_reserve(struct loom_store *s, size_t n, struct loom_err *err)
{
	size_t total;
	if (!loom_add(s->n_tensor, n, &total))
		return loom_err_nomem(err, "tensor table", n);
	struct loom_tensor *tensors = loom_reallocarray(s->tensors, total ? total : 1, sizeof *tensors);
	if (!tensors)
		return loom_err_nomem(err, "tensor table", total * sizeof *tensors);
	s->tensors = tensors;
	if (!s->by_name.cap && !loom_table_init(&s->by_name, total))
		return loom_err_nomem(err, "tensor names", total);
	return LOOM_OK;
}

enum loom_status loom_store_add(struct loom_store *s, const struct loom_tensor *t, struct loom_err *err)
{
	const char *file = s->files[t->file].name;
	size_t len = strlen(t->name);
	int64_t old = loom_table_get(&s->by_name, t->name, len, -1);
	if (old >= 0)
		return loom_err_set(err, LOOM_E_MODEL, "%s: tensor %s is there already, in %s", file, t->name, s->files[s->tensors[old].file].name);
	if (!loom_table_put(&s->by_name, t->name, len, (int64_t)s->n_tensor))
		return loom_err_nomem(err, "tensor names", len);
	s->tensors[s->n_tensor++] = *t;
	return LOOM_OK;
}

void loom_shape_show(int n_dim, const int64_t *shape, char *out, size_t cap)
{
	size_t at = 0;
	for (int i = 0; i < n_dim && at < cap; i++) {
		int n = snprintf(out + at, cap - at, "%s%lld", i ? "," : "[", (long long)shape[i]);
		at += n > 0 ? (size_t)n : 0;
	}
	if (at < cap)
		snprintf(out + at, cap - at, "%s", n_dim ? "]" : "[]");
}
