/* hub_cache.h: the cache on disk, as huggingface_hub lays it out, so that both may use one folder at the same time:
 *
 *     ROOT/CACHEDIR.TAG
 *     ROOT/.locks/models--org--name/ETAG.lock          flock()ed by whoever writes that blob
 *     ROOT/models--org--name/blobs/ETAG                the bytes, under their hash; ETAG.incomplete while they come
 *     ROOT/models--org--name/snapshots/COMMIT/a/b      a relative link to ../../../blobs/ETAG
 *     ROOT/models--org--name/refs/main                 the commit, 40 hex digits without a line's end
 *     ROOT/models--org--name/.no_exist/COMMIT/a        an empty file: the repo has no a at that commit
 *
 * A name appears only when what it stands for is whole: blobs, links and refs are made under another name and renamed. */
#ifndef LOOM_HUB_CACHE_H
#define LOOM_HUB_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "hub_http.h"
#include "hub_names.h"

struct loom_hub_repo {
	char root[PATH_MAX];   /* the cache */
	char folder[256];      /* models--org--name */
	char dir[PATH_MAX];    /* root/folder */
};
enum loom_status loom_hub_repo_init(struct loom_hub_repo *r, const char *root, const char *repo, struct loom_err *err) LOOM_MUST_CHECK;
/* Makes the folders that a download needs, and CACHEDIR.TAG. */
enum loom_status loom_hub_repo_make(const struct loom_hub_repo *r, struct loom_err *err) LOOM_MUST_CHECK;
/* snapshots/COMMIT, empty: a name for a repo of which nothing is here yet. */
enum loom_status loom_hub_repo_make_snapshot(const struct loom_hub_repo *r, const char *commit, struct loom_err *err) LOOM_MUST_CHECK;
/* The commit that a ref names on this machine, or rev itself when it is one. false: neither. */
bool loom_hub_repo_commit(const struct loom_hub_repo *r, const char *rev, char out[LOOM_HUB_REPO_CAP]);
bool loom_hub_repo_snapshot(const struct loom_hub_repo *r, const char *commit, char *out, size_t cap);
/* snapshots/COMMIT/NAME is there and leads to a file. */
bool loom_hub_repo_has(const struct loom_hub_repo *r, const char *commit, const char *name);
bool loom_hub_repo_known_absent(const struct loom_hub_repo *r, const char *commit, const char *name);
bool loom_hub_repo_blob(const struct loom_hub_repo *r, const char *etag, const char *suffix, char *out, size_t cap);
/* The link of name to a blob that is there. */
enum loom_status loom_hub_repo_link(const struct loom_hub_repo *r, const char *commit, const char *name, const char *etag,
	struct loom_err *err) LOOM_MUST_CHECK;
/* refs/rev = commit, unless it says so already or rev is the commit. */
enum loom_status loom_hub_repo_ref(const struct loom_hub_repo *r, const char *rev, const char *commit, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Best effort: a cache that cannot take the note is as good. */
void loom_hub_repo_note_absent(const struct loom_hub_repo *r, const char *commit, const char *name);
/* Waits for the lock of a blob, however long another process holds it, unless c is cancelled. Where flock does not work *fd is -1:
 * correctness does not depend on it. Close *fd to give it back. */
enum loom_status loom_hub_repo_lock(const struct loom_hub_repo *r, const struct loom_hub_client *c, const char *etag, int *fd,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Bytes that the cache's file system can still take. LOOM_DISK_FREE_BYTES in the environment lowers it (tests). */
uint64_t loom_hub_repo_free_bytes(const struct loom_hub_repo *r);
/* "cannot write …" for errno: LOOM_E_DISK_FULL or LOOM_E_IO. */
enum loom_status loom_hub_write_error(struct loom_err *err, const char *what);

#endif
