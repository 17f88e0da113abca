/* hub_list.c: reading the hub's list of a repo. See hub_list.h. */
#include "hub_list.h"

#include <string.h>

#include "jsonx.h"
#include "mem.h"
#include "str.h"

#define MAX_FILES 100000

void loom_hub_list_init(struct loom_hub_list *l)
{
	memset(l, 0, sizeof(*l));
	loom_arena_init(&l->arena);
}

void loom_hub_list_release(struct loom_hub_list *l)
{
	loom_table_release(&l->by_name);
	loom_arena_release(&l->arena);
	loom_hub_list_init(l);
}

static enum loom_status bad(struct loom_err *err, const char *what)
{
	return loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "the hub's list of files: %s", what);
}

/* A string of hex digits of that length, copied; NULL when v is none. */
static const char *hex(struct loom_hub_list *l, const json_t *v, size_t digits)
{
	char etag[LOOM_HUB_ETAG_CAP];

	return json_is_string(v) && loom_hub_etag(json_string_value(v), etag) == digits ? loom_arena_strdup(&l->arena, etag) : NULL;
}

static int64_t size_of(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : -1;
}

static enum loom_status read_entry(struct loom_hub_list *l, const json_t *item, struct loom_err *err)
{
	struct loom_hub_entry *e = &l->e[l->n];
	const json_t *name = json_object_get(item, "rfilename"), *lfs = json_object_get(item, "lfs");

	if (!json_is_string(name) || !loom_hub_valid_file(json_string_value(name), json_string_length(name))) {
		return bad(err, "a name that may not be a file's path inside the repo");
	}
	e->name = loom_arena_strdup(&l->arena, json_string_value(name));
	if (!e->name) {
		return loom_err_nomem(err, "the hub's list of files", json_string_length(name));
	}
	if (loom_table_get(&l->by_name, e->name, strlen(e->name), -1) >= 0) {
		return bad(err, "the same name twice");
	}
	if (!loom_table_put(&l->by_name, e->name, strlen(e->name), (int64_t)l->n)) {
		return loom_err_nomem(err, "the hub's list of files", 64);
	}
	e->size = size_of(json_object_get(item, "size"));
	e->blob = hex(l, json_object_get(item, "blobId"), 40);
	if (json_is_object(lfs)) {
		e->sha256 = hex(l, json_object_get(lfs, "sha256"), 64);
		e->size = size_of(json_object_get(lfs, "size"));
	}
	l->n++;
	return LOOM_OK;
}

enum loom_status loom_hub_list_parse(struct loom_hub_list *l, const char *text, size_t n, struct loom_err *err)
{
	json_t *root = NULL;
	const json_t *sha, *files;
	struct loom_err why = {0};
	enum loom_status rc = loom_json_parse(text, n, "the hub's answer", LOOM_E_HUB, &root, &why);

	if (rc) {
		return rc == LOOM_E_HUB ? loom_hub_err(err, rc, "hub_invalid_response", "%s", why.message) : loom_err_set(err, rc, "%s", why.message);
	}
	sha = json_object_get(root, "sha");
	files = json_object_get(root, "siblings");
	if (!json_is_string(sha) || !loom_hub_valid_commit(json_string_value(sha))) {
		rc = bad(err, "\"sha\" is not a commit");
	} else if (!json_is_array(files) || json_array_size(files) > MAX_FILES) {
		rc = bad(err, "\"siblings\" is not a list of at most 100000 files");
	} else if (!(l->e = loom_arena_alloc(&l->arena, json_array_size(files) + 1, sizeof(*l->e))) ||
		!loom_table_init(&l->by_name, json_array_size(files) + 1)) {
		rc = loom_err_nomem(err, "the hub's list of files", json_array_size(files));
	}
	for (size_t i = 0; rc == LOOM_OK && i < json_array_size(files); i++) {
		rc = read_entry(l, json_array_get(files, i), err);
	}
	if (rc == LOOM_OK) {
		(void)loom_str_copy(l->commit, sizeof(l->commit), json_string_value(sha));
	}
	json_decref(root);
	return rc;
}

struct loom_hub_entry *loom_hub_list_find(const struct loom_hub_list *l, const char *name)
{
	int64_t at = l->n ? loom_table_get(&l->by_name, name, strlen(name), -1) : -1;

	return at < 0 ? NULL : &l->e[at];
}
