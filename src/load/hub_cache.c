/* hub_cache.c: paths, links, refs and locks of the cache. See hub_cache.h. */
#include "hub_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "str.h"

enum loom_status loom_hub_write_error(struct loom_err *err, const char *what)
{
	int e = errno;

	if (e == ENOSPC || e == EDQUOT || e == EFBIG) {
		return loom_err_set(err, LOOM_E_DISK_FULL, "%s: the disk of the Hugging Face cache is full (or a limit on file sizes is reached)", what);
	}
	return loom_err_set(err, LOOM_E_IO, "%s: cannot be written into the Hugging Face cache: %s", what,
		e == EACCES || e == EPERM ? "no permission" : e == EROFS ? "it is read-only" : "the file system refuses");
}

static enum loom_status too_long(struct loom_err *err)
{
	return loom_err_set(err, LOOM_E_IO, "a path in the Hugging Face cache is too long");
}

/* Every folder on the way to path, whose last part is a file's name. */
static enum loom_status make_parents(const char *path, struct loom_err *err)
{
	char dir[PATH_MAX];

	(void)loom_str_copy(dir, sizeof(dir), path);
	for (char *s = dir + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = '\0';
		if (mkdir(dir, 0777) != 0 && errno != EEXIST && !loom_path_is_dir(dir)) {
			return loom_hub_write_error(err, "a folder");
		}
	}
	return LOOM_OK;
}

/* A name beside path that nobody else uses: path.XXXXXXXX.suffix */
static bool beside(const char *path, const char *suffix, char *out, size_t cap)
{
	uint32_t r = 0;
	int n;

	if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r)) {
		r = (uint32_t)getpid();
	}
	n = snprintf(out, cap, "%s.%08x.%s", path, r, suffix);
	return n > 0 && (size_t)n < cap;
}

/* A small file, whole or not at all. Until it is whole it lies in the repo's own folder, under no name that means anything: a process that
 * is killed leaves nothing among the refs. */
static enum loom_status write_text(const struct loom_hub_repo *r, const char *path, const char *text, const char *what, struct loom_err *err)
{
	char tmp[PATH_MAX], name[PATH_MAX];
	size_t n = strlen(text);
	int fd;

	if (!loom_path_join(name, sizeof(name), r->dir, ".new") || !beside(name, "tmp", tmp, sizeof(tmp))) {
		return too_long(err);
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0) {
		return loom_hub_write_error(err, what);
	}
	bool ok = n == 0 || write(fd, text, n) == (ssize_t)n;
	ok = close(fd) == 0 && ok;
	ok = ok && rename(tmp, path) == 0;
	if (!ok) {
		enum loom_status rc = loom_hub_write_error(err, what);
		(void)unlink(tmp);
		return rc;
	}
	return LOOM_OK;
}

enum loom_status loom_hub_repo_init(struct loom_hub_repo *r, const char *root, const char *repo, struct loom_err *err)
{
	if (!root[0]) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "there is no Hugging Face cache: neither HF_HUB_CACHE, HF_HOME nor HOME is set");
	}
	if (loom_str_copy(r->root, sizeof(r->root), root) != strlen(root) || !loom_hub_folder(repo, r->folder, sizeof(r->folder)) ||
		!loom_path_join(r->dir, sizeof(r->dir), r->root, r->folder)) {
		return too_long(err);
	}
	return LOOM_OK;
}

enum loom_status loom_hub_repo_make(const struct loom_hub_repo *r, struct loom_err *err)
{
	static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
				  "# This file is a cache directory tag created by huggingface_hub.\n"
				  "# For information about cache directory tags, see:\n"
				  "#\thttps://bford.info/cachedir/\n";
	char path[PATH_MAX];
	enum loom_status rc;

	if (!loom_path_join(path, sizeof(path), r->dir, "blobs/x")) {
		return too_long(err);
	}
	rc = make_parents(path, err);
	if (rc == LOOM_OK && loom_path_join(path, sizeof(path), r->root, "CACHEDIR.TAG") && !loom_path_is_file(path)) {
		struct loom_err ignored; /* backup programs lose a hint, no more */
		(void)!write_text(r, path, tag, "CACHEDIR.TAG", &ignored);
	}
	return rc;
}

enum loom_status loom_hub_repo_make_snapshot(const struct loom_hub_repo *r, const char *commit, struct loom_err *err)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/snapshots/%s/x", r->dir, commit);

	return n > 0 && (size_t)n < sizeof(path) ? make_parents(path, err) : too_long(err);
}

/* ---- reading ---- */

bool loom_hub_repo_snapshot(const struct loom_hub_repo *r, const char *commit, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/snapshots/%s", r->dir, commit);

	return n > 0 && (size_t)n < cap && loom_path_is_dir(out);
}

bool loom_hub_repo_commit(const struct loom_hub_repo *r, const char *rev, char out[LOOM_HUB_REPO_CAP])
{
	char refs[PATH_MAX], path[PATH_MAX];
	char *text = NULL;
	size_t n = 0;
	bool ok = false;

	if (loom_path_join(refs, sizeof(refs), r->dir, "refs") && loom_path_join(path, sizeof(path), refs, rev) &&
		loom_file_slurp(path, "ref", LOOM_HUB_REPO_CAP - 1, &text, &n, NULL) == LOOM_OK) {
		text[strcspn(text, "\r\n \t")] = '\0';
		ok = loom_hub_valid_revision(text) && !strchr(text, '/') && loom_str_copy(out, LOOM_HUB_REPO_CAP, text) == strlen(text) &&
			loom_hub_repo_snapshot(r, out, path, sizeof(path));
	}
	loom_free(text);
	return ok || (!strchr(rev, '/') && loom_str_copy(out, LOOM_HUB_REPO_CAP, rev) == strlen(rev) &&
			     loom_hub_repo_snapshot(r, rev, path, sizeof(path)));
}

static bool inside(const struct loom_hub_repo *r, const char *part, const char *commit, const char *name, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/%s/%s/%s", r->dir, part, commit, name);

	return n > 0 && (size_t)n < cap;
}

bool loom_hub_repo_has(const struct loom_hub_repo *r, const char *commit, const char *name)
{
	char path[PATH_MAX];

	return inside(r, "snapshots", commit, name, path, sizeof(path)) && loom_path_is_file(path);
}

bool loom_hub_repo_known_absent(const struct loom_hub_repo *r, const char *commit, const char *name)
{
	char path[PATH_MAX];

	return inside(r, ".no_exist", commit, name, path, sizeof(path)) && loom_path_is_file(path);
}

bool loom_hub_repo_blob(const struct loom_hub_repo *r, const char *etag, const char *suffix, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/blobs/%s%s", r->dir, etag, suffix);

	return n > 0 && (size_t)n < cap;
}

/* ---- writing ---- */

enum loom_status loom_hub_repo_link(const struct loom_hub_repo *r, const char *commit, const char *name, const char *etag,
	struct loom_err *err)
{
	char path[PATH_MAX], blob[PATH_MAX], tmp[PATH_MAX], target[2048] = "../../";
	enum loom_status rc;

	if (!inside(r, "snapshots", commit, name, path, sizeof(path)) || !loom_hub_repo_blob(r, etag, "", blob, sizeof(blob)) ||
		!beside(blob, "tmp", tmp, sizeof(tmp))) {
		return too_long(err);
	}
	size_t n = strlen(target);
	for (const char *s = name; (s = strchr(s, '/')) && n + 100 < sizeof(target); s++) {
		n += (size_t)snprintf(target + n, sizeof(target) - n, "../");
	}
	(void)snprintf(target + n, sizeof(target) - n, "blobs/%s", etag);
	rc = make_parents(path, err);
	if (rc || symlink(target, path) == 0) {
		return rc;
	}
	if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS) {
		return loom_err_set(err, LOOM_E_IO, "%s: the file system of the Hugging Face cache has no symbolic links", name);
	}
	/* Something is there already: the same link made by another, or one that leads nowhere. */
	if (errno != EEXIST || symlink(target, tmp) != 0) {
		return loom_hub_write_error(err, name);
	}
	if (rename(tmp, path) != 0) {
		rc = loom_hub_write_error(err, name);
		(void)unlink(tmp);
	}
	return rc;
}

enum loom_status loom_hub_repo_ref(const struct loom_hub_repo *r, const char *rev, const char *commit, struct loom_err *err)
{
	char path[PATH_MAX];
	char *now = NULL;
	size_t n = 0;
	int len;
	enum loom_status rc;

	if (strcmp(rev, commit) == 0) {
		return LOOM_OK;
	}
	len = snprintf(path, sizeof(path), "%s/refs/%s", r->dir, rev);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		return too_long(err);
	}
	bool same = loom_file_slurp(path, "ref", 256, &now, &n, NULL) == LOOM_OK && strcmp(now, commit) == 0;
	loom_free(now);
	if (same) {
		return LOOM_OK;
	}
	rc = make_parents(path, err);
	return rc ? rc : write_text(r, path, commit, "the ref", err);
}

void loom_hub_repo_note_absent(const struct loom_hub_repo *r, const char *commit, const char *name)
{
	char path[PATH_MAX];
	struct loom_err ignored;
	int fd;

	if (loom_hub_repo_known_absent(r, commit, name) || !inside(r, ".no_exist", commit, name, path, sizeof(path)) || make_parents(path, &ignored)) {
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd >= 0) {
		(void)close(fd);
	}
}

enum loom_status loom_hub_repo_lock(const struct loom_hub_repo *r, const struct loom_hub_client *c, const char *etag, int *fd,
	struct loom_err *err)
{
	char path[PATH_MAX];
	struct stat here, there;
	enum loom_status rc;
	int n = snprintf(path, sizeof(path), "%s/.locks/%s/%s.lock", r->root, r->folder, etag);

	*fd = -1;
	if (n < 0 || (size_t)n >= sizeof(path)) {
		return too_long(err);
	}
	if ((rc = make_parents(path, err))) {
		return rc;
	}
	for (;;) {
		if (*fd < 0 && (*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0664)) >= 0) {
			(void)fchmod(*fd, 0664); /* whatever the umask: the group's other users wait for it too */
		} else if (*fd < 0) {
			*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		}
		if (*fd < 0 && errno == ENOENT) { /* removed between the two */
			continue;
		}
		if (*fd < 0) {
			return loom_hub_write_error(err, "a lock");
		}
		if (flock(*fd, LOCK_EX | LOCK_NB) == 0) {
			/* some versions of the Python package remove the file when they give the lock back */
			if (fstat(*fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino) {
				return LOOM_OK;
			}
			(void)close(*fd);
			*fd = -1;
			continue;
		}
		if (errno != EWOULDBLOCK && errno != EACCES && errno != EINTR) {
			(void)close(*fd);
			*fd = -1;
			return LOOM_OK;
		}
		if ((rc = loom_hub_wait(c, 50, err))) {
			(void)close(*fd);
			*fd = -1;
			return rc;
		}
	}
}

uint64_t loom_hub_repo_free_bytes(const struct loom_hub_repo *r)
{
	const char *limit = getenv("LOOM_DISK_FREE_BYTES");
	struct statvfs v;
	uint64_t n = statvfs(r->dir, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : UINT64_MAX;
	uint64_t low = limit && limit[0] ? strtoull(limit, NULL, 10) : UINT64_MAX;

	return low < n ? low : n;
}
