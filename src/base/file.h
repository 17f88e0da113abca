/* file.h: reading regular files with pread. Opening never blocks (FIFOs, devices are refused). */
#ifndef LOOM_FILE_H
#define LOOM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct loom_file {
	int fd;
	uint64_t size;
	char name[256]; /* for messages: relative to the model's folder */
};

/* Opens a regular file read-only; `name` is what messages call it. Missing: LOOM_E_NOT_FOUND; not a
 * regular file or unreadable: LOOM_E_MODEL. On failure f->fd is -1. */
enum loom_status loom_file_open(struct loom_file *f, const char *path, const char *name, struct loom_err *err)
	LOOM_MUST_CHECK;
void loom_file_close(struct loom_file *f);
/* Exactly n bytes at off, or an error that names the file, the range and its size. EINTR and short reads
 * are handled. */
enum loom_status loom_file_read(const struct loom_file *f, uint64_t off, void *dst, size_t n, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Whole file, NUL-terminated, at most max bytes (else LOOM_E_MODEL). Free with loom_free. */
enum loom_status loom_file_slurp(const char *path, const char *name, size_t max, char **data, size_t *n,
	struct loom_err *err) LOOM_MUST_CHECK;

bool loom_path_is_dir(const char *path);
bool loom_path_is_file(const char *path);
/* "dir/name" into out; false when it does not fit. */
bool loom_path_join(char *out, size_t cap, const char *dir, const char *name);

/* Does path, links resolved, lie in or below one of the folders (separated by ':'; NULL or "": none)? */
bool loom_path_below(const char *path, const char *roots);

#endif
