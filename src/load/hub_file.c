/* hub_file.c: the way of one file: lock, partial file, body, hash, rename, link. See hub_file.h.
 *
 * The bytes go to blobs/ETAG.incomplete, which a killed process leaves behind and the next one continues. Where locks do not hold (some
 * network file systems), two writers meet in it: both write the same bytes to the same places, and a file that must begin anew is
 * unlinked, never cut, so that neither can spoil what the other has finished. */
#include "hub_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "hub_hash.h"
#include "mem.h"
#include "str.h"

#define MAX_BREAKS 5                  /* broken connections in a row, each with little progress */
#define GOOD_PROGRESS (1u << 20)
#define MAX_HTTP_BYTES 50000000000ull /* larger files the hub gives out over its own protocol only */
#define TELL_EVERY_NS 100000000ull

void loom_hub_job_tell(struct loom_hub_job *j, int64_t bytes, const struct loom_hub_file *whole)
{
	uint64_t now = loom_clock_ns();

	(void)pthread_mutex_lock(&j->lock);
	j->progress.done_bytes = (uint64_t)((int64_t)j->progress.done_bytes + bytes);
	j->progress.n_done += whole != NULL;
	j->progress.file = whole ? whole->entry->name : NULL;
	j->progress.file_bytes = whole ? whole->size : 0;
	if (j->opts->progress && (whole || now - j->told_ns > TELL_EVERY_NS)) {
		j->told_ns = now;
		if (!j->opts->progress(j->opts->ctx, &j->progress)) {
			atomic_store(&j->cancel, true);
		}
	}
	(void)pthread_mutex_unlock(&j->lock);
}

/* ---- what the hub says of it ---- */

static enum loom_status strange(const struct loom_hub_job *j, const struct loom_hub_file *f, const char *what, struct loom_err *err)
{
	return loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "%s: %.200s: %s", j->env.host, f->entry->name, what);
}

static enum loom_status believe(struct loom_hub_job *j, struct loom_hub_file *f, const struct loom_hub_reply *r, struct loom_err *err)
{
	const struct loom_hub_entry *e = f->entry;
	int64_t size = r->linked_size >= 0 ? r->linked_size : loom_hub_reply_is_redirect(r) ? -1 : r->length;

	f->digits = loom_hub_etag(r->linked_etag[0] ? r->linked_etag : r->etag, f->etag);
	if (!f->digits) {
		return strange(j, f, "its ETag is not a SHA-256 or a git SHA-1 (is HF_ENDPOINT a hub?)", err);
	}
	if (strcmp(r->commit, j->list.commit) != 0) {
		return strange(j, f, r->commit[0] ? "X-Repo-Commit is another commit than the one listed" : "X-Repo-Commit is missing (is HF_ENDPOINT a hub?)",
			err);
	}
	size = size >= 0 ? size : e->size;
	if (size < 0) {
		return strange(j, f, "its size is not said", err);
	}
	if ((e->sha256 && strcmp(e->sha256, f->etag) != 0) || (!e->sha256 && e->blob && f->digits == 40 && strcmp(e->blob, f->etag) != 0) ||
		(e->size >= 0 && e->size != size)) {
		return strange(j, f, "its size or hash is not the one listed", err);
	}
	f->size = (uint64_t)size;
	return f->size <= MAX_HTTP_BYTES ? LOOM_OK
		: loom_hub_err(err, LOOM_E_HUB, "file_too_large", "%.200s has %.1f GB; over 50 GB the hub gives files out only over its Xet protocol, "
			"which Loom does not speak: fetch it with huggingface_hub and hf_xet into the same cache", e->name, (double)f->size / 1e9);
}

enum loom_status loom_hub_file_ask(struct loom_hub_job *j, struct loom_hub_client *c, struct loom_hub_file *f, struct loom_err *err)
{
	char url[LOOM_HUB_URL_CAP], blob[PATH_MAX];
	struct loom_hub_reply r;
	struct loom_hub_request req = {.url = url, .head = true, .seconds = j->env.meta_seconds};
	enum loom_status rc;

	if (loom_hub_repo_has(&j->repo, j->list.commit, f->entry->name)) {
		f->here = true;
		return LOOM_OK;
	}
	if (!loom_hub_url_file(url, sizeof(url), j->env.endpoint, j->id.repo, j->list.commit, f->entry->name)) {
		return strange(j, f, "its URL is too long", err);
	}
	rc = loom_hub_send(c, &req, &r, err);
	if (rc) {
		return rc;
	}
	if (r.status == 404 && strcmp(r.error_code, "EntryNotFound") == 0 && strcmp(r.commit, j->list.commit) == 0) {
		loom_hub_repo_note_absent(&j->repo, j->list.commit, f->entry->name);
		f->here = true; /* who needs it will say that it is missing */
		return LOOM_OK;
	}
	if (r.status / 100 != 2 && !loom_hub_reply_is_redirect(&r)) {
		return loom_hub_refusal(c, &r, &j->id, f->entry->name, err);
	}
	rc = believe(j, f, &r, err);
	if (rc == LOOM_OK && loom_hub_repo_blob(&j->repo, f->etag, "", blob, sizeof(blob)) && loom_path_is_file(blob)) {
		f->here = true;
		rc = loom_hub_repo_link(&j->repo, j->list.commit, f->entry->name, f->etag, err);
	}
	return rc;
}

uint64_t loom_hub_file_partial(const struct loom_hub_job *j, const struct loom_hub_file *f)
{
	char path[PATH_MAX];
	struct stat st;

	return loom_hub_repo_blob(&j->repo, f->etag, ".incomplete", path, sizeof(path)) && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
			(uint64_t)st.st_size <= f->size
		? (uint64_t)st.st_size
		: 0;
}

/* ---- its bytes ---- */

struct fetch {
	struct loom_hub_job *j;
	struct loom_hub_file *f;
	char path[PATH_MAX];    /* of the partial file */
	int fd;
	uint64_t at;            /* bytes written and hashed */
	struct loom_hub_hash hash;
	bool begun;             /* the body's first bytes were seen */
	bool anew;              /* what is here is of no use: begin with an empty file */
};

static enum loom_status no_hash(struct loom_err *err)
{
	return loom_err_nomem(err, "a hash", 64);
}

/* The partial file, alone: another process that holds it (its lock on the blob did not keep us out) leaves us a name of our own. */
static enum loom_status open_partial(struct fetch *x, struct loom_err *err)
{
	char suffix[64];

	if (!loom_hub_repo_blob(&x->j->repo, x->f->etag, ".incomplete", x->path, sizeof(x->path))) {
		return loom_err_set(err, LOOM_E_IO, "a path in the Hugging Face cache is too long");
	}
	x->fd = open(x->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
	if (x->fd >= 0 && flock(x->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		(void)close(x->fd);
		(void)snprintf(suffix, sizeof(suffix), ".%08x.incomplete", (unsigned)loom_clock_ns());
		if (!loom_hub_repo_blob(&x->j->repo, x->f->etag, suffix, x->path, sizeof(x->path))) {
			return loom_err_set(err, LOOM_E_IO, "a path in the Hugging Face cache is too long");
		}
		x->fd = open(x->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	}
	return x->fd >= 0 ? LOOM_OK : loom_hub_write_error(err, x->f->entry->name);
}

/* An empty file under the partial's name, a hash of nothing. */
static enum loom_status begin_anew(struct fetch *x, struct loom_err *err)
{
	loom_hub_job_tell(x->j, -(int64_t)x->at, NULL);
	x->at = 0;
	x->anew = false;
	(void)unlink(x->path);
	(void)close(x->fd);
	x->fd = -1;
	enum loom_status rc = open_partial(x, err);
	return rc ? rc : loom_hub_hash_start(&x->hash, x->f->digits, x->f->size) ? LOOM_OK : no_hash(err);
}

/* Hashes what an earlier try left; x->at is how much that is. */
static enum loom_status resume(struct fetch *x, struct loom_err *err)
{
	enum { CHUNK = 1 << 20 };
	struct stat st;
	enum loom_status rc = LOOM_OK;
	char *buf;
	ssize_t n;

	if (!loom_hub_hash_start(&x->hash, x->f->digits, x->f->size)) {
		return no_hash(err);
	}
	if (fstat(x->fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > x->f->size) {
		return begin_anew(x, err);
	}
	buf = loom_malloc(CHUNK);
	if (!buf) {
		return loom_err_nomem(err, "a partial file", CHUNK);
	}
	while (rc == LOOM_OK && x->at < (uint64_t)st.st_size && (n = pread(x->fd, buf, CHUNK, (off_t)x->at)) > 0) {
		rc = loom_hub_hash_add(&x->hash, buf, (size_t)n) ? LOOM_OK : no_hash(err);
		x->at += (uint64_t)n;
	}
	loom_free(buf);
	loom_hub_job_tell(x->j, (int64_t)x->at, NULL);
	return rc;
}

static enum loom_status on_bytes(void *ctx, const struct loom_hub_reply *r, const void *data, size_t n, struct loom_err *err)
{
	struct fetch *x = ctx;
	const char *p = data;

	if (!x->begun && r->status == 206 && x->at > 0 &&
		(r->range_start != (int64_t)x->at || (r->range_total >= 0 && (uint64_t)r->range_total != x->f->size))) {
		x->anew = true;
		return strange(x->j, x->f, "another range than the one asked for", err);
	}
	if (!x->begun && r->status == 200 && x->at > 0) { /* it sends the whole file instead of the rest */
		enum loom_status rc = begin_anew(x, err);
		if (rc) {
			return rc;
		}
	}
	x->begun = true;
	if (n > x->f->size - x->at) {
		x->anew = true;
		return loom_hub_err(err, LOOM_E_HUB, "size_mismatch", "%s: %.200s: more than the %llu bytes that it should have", x->j->env.host,
			x->f->entry->name, (unsigned long long)x->f->size);
	}
	if (!loom_hub_hash_add(&x->hash, data, n)) {
		return no_hash(err);
	}
	loom_hub_job_tell(x->j, (int64_t)n, NULL);
	while (n > 0) {
		ssize_t put = pwrite(x->fd, p, n, (off_t)x->at);
		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put <= 0) {
			return loom_hub_write_error(err, x->f->entry->name);
		}
		p += put;
		n -= (size_t)put;
		x->at += (uint64_t)put;
	}
	return LOOM_OK;
}

/* Requests until all bytes are here: each goes on where the last one broke off. */
static enum loom_status receive(struct fetch *x, struct loom_hub_client *c, struct loom_err *err)
{
	char url[LOOM_HUB_URL_CAP];
	struct loom_hub_reply r;
	enum loom_status rc = LOOM_OK;
	int breaks = 0;

	if (!loom_hub_url_file(url, sizeof(url), x->j->env.endpoint, x->j->id.repo, x->j->list.commit, x->f->entry->name)) {
		return strange(x->j, x->f, "its URL is too long", err);
	}
	while (x->at < x->f->size) {
		struct loom_hub_request req = {.url = url, .from = x->at, .body = on_bytes, .ctx = x};
		uint64_t before = x->at;
		x->begun = false;
		rc = loom_hub_send(c, &req, &r, err);
		if (rc == LOOM_OK && x->at == x->f->size) {
			break;
		}
		if (rc == LOOM_OK && r.status == 416) {
			x->anew = true; /* the partial file is of something else */
		} else if (rc == LOOM_OK && r.status / 100 != 2) {
			return loom_hub_refusal(c, &r, &x->j->id, x->f->entry->name, err);
		} else if (rc && !c->transient && !c->unreachable && !x->anew) {
			return rc;
		}
		breaks = x->at > before && x->at - before >= GOOD_PROGRESS ? 1 : breaks + (x->anew ? 3 : 1);
		if (breaks > MAX_BREAKS) {
			return rc ? rc : loom_hub_err(err, LOOM_E_HUB, "size_mismatch", "%s: %.200s: ends after %llu of %llu bytes, again and again",
				x->j->env.host, x->f->entry->name, (unsigned long long)x->at, (unsigned long long)x->f->size);
		}
		rc = x->anew ? begin_anew(x, err) : LOOM_OK;
		rc = rc ? rc : loom_hub_wait(c, loom_hub_backoff_ms(c, breaks - 1), err);
		if (rc) {
			return rc;
		}
	}
	return LOOM_OK;
}

static bool hash_is_right(struct fetch *x)
{
	char found[65];

	return loom_hub_hash_end(&x->hash, found) && strcmp(found, x->f->etag) == 0;
}

/* The whole file, checked. A wrong one is fetched once more from its beginning: the error may be in what lay here. */
static enum loom_status bring(struct fetch *x, struct loom_hub_client *c, struct loom_err *err)
{
	enum loom_status rc = resume(x, err);

	for (int n = 0; rc == LOOM_OK; n++) {
		rc = receive(x, c, err);
		if (rc || hash_is_right(x)) {
			break;
		}
		if (n == 1) {
			x->anew = true;
			rc = loom_hub_err(err, LOOM_E_HUB, "hash_mismatch", "%s: %.200s: its bytes have another hash than the hub says, twice: nothing of it is kept",
				x->j->env.host, x->f->entry->name);
			break;
		}
		rc = begin_anew(x, err);
	}
	if (rc == LOOM_E_HUB && strcmp(err->code, "size_mismatch") == 0) {
		x->anew = true;
	}
	return rc;
}

/* The blob's name for what the partial file holds. */
static enum loom_status finish(struct fetch *x, const char *blob, struct loom_err *err)
{
	if (fdatasync(x->fd) != 0) {
		return loom_hub_write_error(err, x->f->entry->name);
	}
	/* Another writer may have done it before us where locks do not hold. */
	return rename(x->path, blob) == 0 || loom_path_is_file(blob) ? LOOM_OK : loom_hub_write_error(err, x->f->entry->name);
}

enum loom_status loom_hub_file_fetch(struct loom_hub_job *j, struct loom_hub_client *c, struct loom_hub_file *f, struct loom_err *err)
{
	struct fetch x = {.j = j, .f = f, .fd = -1};
	char blob[PATH_MAX];
	int lock = -1;
	enum loom_status rc;

	if (!loom_hub_repo_blob(&j->repo, f->etag, "", blob, sizeof(blob))) {
		return loom_err_set(err, LOOM_E_IO, "a path in the Hugging Face cache is too long");
	}
	rc = loom_hub_repo_lock(&j->repo, c, f->etag, &lock, err);
	if (rc) {
		return rc;
	}
	if (!loom_path_is_file(blob)) { /* else somebody fetched it while we waited for the lock */
		rc = open_partial(&x, err);
		rc = rc ? rc : bring(&x, c, err);
		rc = rc ? rc : finish(&x, blob, err);
		/* Of a file that came wrong, or that the disk cannot hold, nothing stays; of one that broke off, what there is. */
		if (rc && x.fd >= 0 && (x.anew || x.at == 0 || rc == LOOM_E_DISK_FULL)) {
			(void)unlink(x.path);
		}
	} else {
		loom_hub_job_tell(j, (int64_t)f->size, NULL);
	}
	rc = rc ? rc : loom_hub_repo_link(&j->repo, j->list.commit, f->entry->name, f->etag, err);
	loom_hub_hash_release(&x.hash);
	if (x.fd >= 0) {
		(void)close(x.fd);
	}
	if (lock >= 0) {
		(void)close(lock);
	}
	if (rc == LOOM_OK) {
		f->here = true;
		loom_hub_job_tell(j, 0, f);
	}
	return rc;
}
