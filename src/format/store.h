/* store.h: the tensors of a model, whatever files they lie in. safetensors, sharded safetensors and
 * GGUF all end here: names, shapes (outermost first, as PyTorch prints them), and where the bytes are. */
#ifndef LOOM_STORE_H
#define LOOM_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "dtype.h"
#include "err.h"
#include "file.h"
#include "table.h"

#define LOOM_MAX_DIM 8

struct loom_tensor {
	const char *name;
	enum loom_dtype dtype;
	int n_dim;
	int64_t shape[LOOM_MAX_DIM]; /* [n_dim], outermost first; GGUF's order is reversed on reading */
	uint64_t n_elem, offset, bytes; /* offset from the start of its file */
	int file;                    /* index into store.files */
};

struct loom_store {
	struct loom_arena arena; /* owns names and tensors */
	struct loom_file *files; /* [n_file] */
	int n_file;
	struct loom_tensor *tensors; /* [n_tensor] */
	size_t n_tensor;
	struct loom_table by_name; /* → index into tensors */
};

void loom_store_init(struct loom_store *s);
/* Closes the files and frees everything; s may be an initialised empty one. */
void loom_store_release(struct loom_store *s);
const struct loom_tensor *loom_store_find(const struct loom_store *s, const char *name);
/* Reads bytes [off, off+n) of the tensor's data. Thread-safe. */
enum loom_status loom_store_read(const struct loom_store *s, const struct loom_tensor *t, uint64_t off, void *dst, size_t n,
	struct loom_err *err) LOOM_MUST_CHECK;
/* For the readers of this folder: hands an open file to the store; makes room for n more tensors; adds one (its name and file must be
 * the store's already; a name that is there is LOOM_E_MODEL). */
enum loom_status loom_store_take_file(struct loom_store *s, const struct loom_file *f, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_store_reserve(struct loom_store *s, size_t n, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_store_add(struct loom_store *s, const struct loom_tensor *t, struct loom_err *err) LOOM_MUST_CHECK;
/* "[2,3]" for messages. */
void loom_shape_show(int n_dim, const int64_t *shape, char *out, size_t cap);

#endif
