/* gguf_split.c: see gguf_split.h. The names are those of llama.cpp's splitter: "-%05d-of-%05d.gguf". */
#include "gguf_split.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "str.h"

#define TAIL 20 /* "-00001-of-00003.gguf" */

bool loom_gguf_split_name(const char *name)
{
	const char *t = name + strlen(name) - (strlen(name) > TAIL ? TAIL : 0);

	if (t == name || t[0] != '-' || strncmp(t + 6, "-of-", 4) != 0 || strcmp(t + 15, ".gguf") != 0) {
		return false;
	}
	return strspn(t + 1, "0123456789") == 5 && strspn(t + 10, "0123456789") == 5;
}

bool loom_gguf_split_first(const char *name)
{
	return loom_gguf_split_name(name) && strncmp(name + strlen(name) - TAIL, "-00001-", 7) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Part number n of count, beside the first. */
static enum loom_status open_part(struct loom_store *s, const char *first, int n, int count, struct loom_err *err)
{
	char path[PATH_MAX];
	struct loom_gguf g = {0};
	int64_t no = -1;
	enum loom_status rc;

	if (snprintf(path, sizeof(path), "%.*s-%05d-of-%05d.gguf", (int)(strlen(first) - TAIL), first, n, count) >= (int)sizeof(path)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", base_name(first));
	}
	rc = loom_gguf_open(&g, s, path, base_name(path), err);
	if (rc == LOOM_E_NOT_FOUND) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: part %d of %d is not there (%.200s)", base_name(first), n, count, base_name(path));
	}
	if (rc == LOOM_OK && (!loom_gguf_int(&g, "split.no", &no) || no != n - 1)) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: split.no is %lld, expected %d", base_name(path), (long long)no, n - 1);
	}
	loom_gguf_release(&g);
	return rc;
}

enum loom_status loom_gguf_split_open(struct loom_gguf *g, struct loom_store *s, const char *path, struct loom_err *err)
{
	int64_t count = 1, no = 0;
	const char *name = base_name(path);
	enum loom_status rc = loom_gguf_open(g, s, path, name, err);

	if (rc || !s || !loom_gguf_int(g, "split.count", &count) || count <= 1) {
		return rc;
	}
	if (count > LOOM_MAX_SHARDS || !loom_gguf_split_first(name) || (loom_gguf_int(g, "split.no", &no) && no != 0)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: a part of a model in %lld files: name the first, …-00001-of-%05lld.gguf", name,
			(long long)count, (long long)count);
	}
	for (int n = 2; rc == LOOM_OK && n <= (int)count; n++) {
		rc = open_part(s, path, n, (int)count, err);
	}
	return rc;
}
