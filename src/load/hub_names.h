/* hub_names.h: what names from a client or from the hub may look like: repo ids, revisions, commits, etags, file names. Everything that
 * becomes a part of a path or a URL goes through here first. */
#ifndef LOOM_HUB_NAMES_H
#define LOOM_HUB_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define LOOM_HUB_REPO_CAP 200
#define LOOM_HUB_REVISION_CAP 208
#define LOOM_HUB_ETAG_CAP 65     /* 64 hex digits */
#define LOOM_HUB_COMMIT_CAP 41   /* 40 hex digits */

struct loom_hub_id {
	char repo[LOOM_HUB_REPO_CAP];    /* "org/name" or "name" */
	char rev[LOOM_HUB_REVISION_CAP]; /* "main" when the id names none */
};
/* "org/name", "name", each with "@revision" or not. An id is never a URL or a path. */
bool loom_hub_id_parse(const char *id, struct loom_hub_id *out);
/* A branch, tag or commit; '/' inside is allowed, leaving the folder is not. */
bool loom_hub_valid_revision(const char *rev);
/* 40 lower-case hex digits. */
bool loom_hub_valid_commit(const char *s);
/* A file's path inside a repo: relative, no "..", no empty part, no backslash, drive or control character, valid UTF-8. n bytes. */
bool loom_hub_valid_file(const char *name, size_t n);
/* An ETag header without W/ and quotes. Only a git SHA-1 or a SHA-256 in lower-case hex will do; returns 40 or 64, else 0. */
size_t loom_hub_etag(const char *header, char out[LOOM_HUB_ETAG_CAP]);
/* "models--org--name". */
bool loom_hub_folder(const char *repo, char *out, size_t cap);

/* loom_err_set with a code of its own ("gated_model"). */
enum loom_status loom_hub_err(struct loom_err *err, enum loom_status status, const char *code, const char *fmt, ...) LOOM_PRINTF(4, 5);

#endif
