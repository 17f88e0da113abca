/* file.c: reading regular files with pread. See file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "str.h"

enum loom_status loom_file_open(struct loom_file *f, const char *path, const char *name, struct loom_err *err)
{
	struct stat st;
	memset(f, 0, sizeof *f);
	loom_str_copy(f->name, sizeof f->name, name);
	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not block us */
	if (f->fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return loom_err_set(err, LOOM_E_NOT_FOUND, "%s: no such file", f->name);
		if (errno == EMFILE || errno == ENFILE)
			return loom_err_set(err, LOOM_E_UNAVAILABLE, "%s: too many open files", f->name);
		return loom_err_set(err, LOOM_E_MODEL, "%s: cannot be opened for reading", f->name);
	}
	if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		loom_file_close(f);
		return loom_err_set(err, LOOM_E_MODEL, "%s: not a regular file", f->name);
	}
	f->size = (uint64_t)st.st_size;
	return LOOM_OK;
}

void loom_file_close(struct loom_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

enum loom_status loom_file_read(const struct loom_file *f, uint64_t off, void *dst, size_t n, struct loom_err *err)
{
	unsigned char *p = dst;
	size_t left = n;
	if (off > f->size || n > f->size - off)
		return loom_err_set(err, LOOM_E_MODEL, "%s: bytes %llu..%llu wanted, the file has %llu", f->name, (unsigned long long)off,
			(unsigned long long)off + n, (unsigned long long)f->size);
	while (left > 0) {
		size_t chunk = left < ((size_t)1 << 30) ? left : (size_t)1 << 30;
		ssize_t got = pread(f->fd, p, chunk, (off_t)off);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return loom_err_set(err, LOOM_E_IO, "%s: reading failed at byte %llu", f->name, (unsigned long long)off);
		if (got == 0)
			return loom_err_set(err, LOOM_E_MODEL, "%s: ends at byte %llu, the file had %llu when it was opened", f->name,
				(unsigned long long)off, (unsigned long long)f->size);
		p += got;
		off += (uint64_t)got;
		left -= (size_t)got;
	}
	return LOOM_OK;
}

enum loom_status loom_file_slurp(const char *path, const char *name, size_t max, char **data, size_t *n, struct loom_err *err)
{
	struct loom_file f;
	enum loom_status rc = loom_file_open(&f, path, name, err);
	if (rc)
		return rc;
	if (f.size > max) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: %llu bytes, at most %zu are read", f.name, (unsigned long long)f.size, max);
		goto out;
	}
	char *p = loom_malloc((size_t)f.size + 1);
	if (!p) {
		rc = loom_err_nomem(err, f.name, f.size);
		goto out;
	}
	rc = loom_file_read(&f, 0, p, (size_t)f.size, err);
	if (rc) {
		loom_free(p);
		goto out;
	}
	p[f.size] = '\0';
	*data = p;
	*n = (size_t)f.size;
out:
	loom_file_close(&f);
	return rc;
}

bool loom_path_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool loom_path_is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool loom_path_join(char *out, size_t cap, const char *dir, const char *name)
{
	int n = snprintf(out, cap, "%s/%s", dir, name);
	return n >= 0 && (size_t)n < cap;
}

bool loom_path_below(const char *path, const char *roots)
{
	char real[PATH_MAX], root[PATH_MAX], folder[PATH_MAX];
	if (!roots || !realpath(path, real))
		return false;
	while (*roots) {
		size_t n = strcspn(roots, ":"), len;
		if (n > 0 && n < sizeof root) {
			memcpy(root, roots, n);
			root[n] = 0;
			len = realpath(root, folder) ? strlen(folder) : 0;
			if (len == 1 || (len > 0 && strncmp(real, folder, len) == 0 && (real[len] == '/' || real[len] == 0)))
				return true;
		}
		roots += n + (roots[n] == ':');
	}
	return false;
}
