/* hub_source.c: from an id to files on this machine, asking the hub only when the cache does not hold all of them.
 *
 * A snapshot that another program made may lack a file that changes what the model means (modules.json, generation_config.json). So it
 * counts as whole only when each small file is there or known to be absent: by a note in .no_exist, or by the list of the repo that
 * huggingface_hub keeps in trees/. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "clock.h"
#include "file.h"
#include "hub.h"
#include "hub_cache.h"
#include "hub_env.h"
#include "hub_list.h"
#include "jsonx.h"
#include "st_config.h"
#include "str.h"

#define FORGET_NS 30000000000ull /* a hub that could not be reached is left alone this long, where there is something to run anyway */

static atomic_ullong unreachable_since; /* monotonic nanoseconds; 0 never */

struct cached {
	struct loom_hub_id id;
	struct loom_hub_repo repo;
	char commit[LOOM_HUB_REPO_CAP];
	char dir[PATH_MAX];
	json_t *tree; /* trees/COMMIT.json's "files", NULL */
};

static bool has(const struct cached *c, const char *name)
{
	return loom_hub_repo_has(&c->repo, c->commit, name);
}

static bool known(const struct cached *c, const char *name)
{
	return has(c, name) || loom_hub_repo_known_absent(&c->repo, c->commit, name) || (c->tree && !json_object_get(c->tree, name));
}

/* A JSON file of the snapshot, or NULL: whoever loads the model says what is wrong with it. */
static json_t *load(const char *dir, const char *name)
{
	char path[PATH_MAX];
	json_t *root = NULL;
	struct loom_err ignored;

	return loom_path_join(path, sizeof(path), dir, name) && loom_json_load(path, name, LOOM_MAX_CONFIG_BYTES * 4, &root, &ignored) == LOOM_OK
		? root
		: NULL;
}

static bool shards_are_here(const struct cached *c)
{
	json_t *root = load(c->dir, "model.safetensors.index.json"), *map = json_object_get(root, "weight_map"), *file;
	const char *tensor, *last = "";
	bool all = json_is_object(map);

	json_object_foreach(map, tensor, file) {
		const char *name = json_string_value(file);
		if (name && strcmp(name, last) != 0) {
			all = all && loom_hub_valid_file(name, json_string_length(file)) && has(c, name);
			last = name;
		}
	}
	json_decref(root);
	return all;
}

/* A file of a module's folder: there, or known not to be. */
static bool module_file(const struct cached *c, const char *dir, const char *name)
{
	char path[1200];

	(void)snprintf(path, sizeof(path), "%.1000s/%s", dir, name);
	return known(c, path);
}

static bool modules_are_here(const struct cached *c)
{
	json_t *root = load(c->dir, "modules.json");
	bool all = true;

	for (size_t i = 0; i < json_array_size(root); i++) {
		const json_t *m = json_array_get(root, i);
		const char *dir = json_string_value(json_object_get(m, "path")), *type = json_string_value(json_object_get(m, "type"));
		if (dir && dir[0] && !(type && loom_str_ends(type, ".Normalize"))) {
			all = all && module_file(c, dir, "config.json") && (!(type && loom_str_ends(type, ".Dense")) || module_file(c, dir, "model.safetensors"));
		}
	}
	json_decref(root);
	return all;
}

/* A file of the folder that holds the transformer: inside the snapshot where modules.json says so. */
static bool body_has(const struct cached *c, const char *name)
{
	char body[256], path[600];
	bool fixed;

	loom_st_body(c->dir, body, sizeof(body), &fixed);
	(void)snprintf(path, sizeof(path), "%s%s%s", body, body[0] ? "/" : "", name);
	return has(c, path) || (fixed && strcmp(name, "config.json") == 0);
}

/* What the model is: a config, or a table of words, which needs none. */
static bool described(const struct cached *c)
{
	return body_has(c, "config.json") || has(c, "config.json");
}

static bool weights_are_here(const struct cached *c, bool is_gguf)
{
	return is_gguf || body_has(c, "model.safetensors") || has(c, "model.safetensors") || (has(c, "model.safetensors.index.json") && shards_are_here(c));
}

static bool small_are_known(const struct cached *c, bool is_gguf)
{
	for (const char *const *n = loom_hub_small_names; *n && !is_gguf; n++) {
		if (!known(c, *n)) {
			return false;
		}
	}
	return is_gguf || described(c) || has(c, "loom.json");
}

/* Fills c for an id that the cache holds something of. */
static bool look(struct cached *c, const char *id, const char *root)
{
	char trees[PATH_MAX], name[LOOM_HUB_REPO_CAP + 8];
	struct loom_err ignored;
	json_t *tree;

	memset(c, 0, sizeof(*c));
	if (!loom_hub_id_parse(id, &c->id) || loom_hub_repo_init(&c->repo, root, c->id.repo, &ignored) ||
		!loom_hub_repo_commit(&c->repo, c->id.rev, c->commit) || !loom_hub_repo_snapshot(&c->repo, c->commit, c->dir, sizeof(c->dir))) {
		return false;
	}
	(void)snprintf(name, sizeof(name), "%s.json", c->commit);
	tree = loom_path_join(trees, sizeof(trees), c->repo.dir, "trees") ? load(trees, name) : NULL;
	if (json_integer_value(json_object_get(tree, "format_version")) == 1 && json_is_object(json_object_get(tree, "files"))) {
		c->tree = json_incref(json_object_get(tree, "files"));
	}
	json_decref(tree);
	return true;
}

static bool hub_is_away(const struct loom_err *err)
{
	return strcmp(err->code, "hub_unreachable") == 0 || strcmp(err->code, "hub_timeout") == 0 || strcmp(err->code, "hub_error") == 0 ||
		strcmp(err->code, "hub_rate_limited") == 0 || strcmp(err->code, "hub_tls") == 0 || strcmp(err->code, "not_cached_offline") == 0;
}

/* Is it no reason to refuse what is here? The hub is away, does not have it any more or not for us, or the cache cannot be written. */
static bool must_do(const struct loom_err *err)
{
	return hub_is_away(err) || err->status == LOOM_E_NOT_FOUND || err->status == LOOM_E_FORBIDDEN || err->status == LOOM_E_IO ||
		err->status == LOOM_E_DISK_FULL;
}

static bool was_away(void)
{
	unsigned long long since = atomic_load(&unreachable_since);

	return since && loom_clock_ns() - since < FORGET_NS;
}

/* Fetches what is missing; when that cannot be had and there is something to run, that must do. */
static enum loom_status complete(const char *id, const struct loom_hub_opts *o, const struct cached *c, bool here, bool runs,
	struct loom_source *out, struct loom_err *err)
{
	char pinned[LOOM_HUB_REPO_CAP + LOOM_HUB_REVISION_CAP];
	struct loom_source fetched;
	struct loom_err why = {0};
	enum loom_status rc;

	if (runs && was_away()) {
		return LOOM_OK;
	}
	/* What runs is completed, not replaced by a newer commit: that is for loom pull. */
	(void)snprintf(pinned, sizeof(pinned), "%s@%s", c->id.repo, c->commit);
	rc = loom_hub_pull(runs && loom_hub_valid_commit(c->commit) ? pinned : id, NULL, 0, o, &fetched, &why);
	if (rc == LOOM_OK) {
		atomic_store(&unreachable_since, 0);
	} else if (hub_is_away(&why)) {
		atomic_store(&unreachable_since, strcmp(why.code, "not_cached_offline") == 0 ? 0 : loom_clock_ns());
	}
	if (rc && runs && must_do(&why)) {
		return LOOM_OK;
	}
	if (rc) {
		*err = why;
		if (strcmp(why.code, "not_cached_offline") == 0) {
			return here ? loom_hub_err(err, rc, why.code, "model \"%.200s\" is not complete in the Hugging Face cache, and HF_HUB_OFFLINE is set: unset "
				"it, or fetch the model elsewhere with loom pull", id)
				    : loom_hub_err(err, rc, why.code, "no such model \"%.200s\" here: not a folder or GGUF file, not in the Hugging Face cache, and "
				"HF_HUB_OFFLINE is set: unset it, or fetch the model elsewhere with loom pull", id);
		}
		if (why.status == LOOM_E_HUB && hub_is_away(&why)) {
			(void)loom_err_prefix(err, "model \"%.200s\" is not %sin the Hugging Face cache and could not be fetched", id, here ? "complete " : "");
		}
		return rc;
	}
	(void)loom_str_copy(out->remote_weights, sizeof(out->remote_weights), fetched.remote_weights);
	return LOOM_OK;
}

enum loom_status loom_hub_source(const char *id, const struct loom_hub_opts *o, struct loom_source *out, struct loom_err *err)
{
	char root[PATH_MAX], remote[sizeof(out->remote_weights)];
	struct cached c;
	struct loom_err why = {0};
	struct loom_hub_id parsed;
	enum loom_status rc = loom_source_find(id, o->cache_dir, o->allow_local, out, &why);
	bool here = rc == LOOM_OK, runs = false, whole = false;

	if ((here && !out->cached) || !loom_hub_id_parse(id, &parsed) || !loom_hub_cache_root(o->cache_dir, root, sizeof(root))) {
		*err = why;
		return rc;
	}
	if (look(&c, id, root)) {
		bool weights = weights_are_here(&c, here && out->is_gguf), small = small_are_known(&c, here && out->is_gguf) && modules_are_here(&c);
		here = true;
		whole = small && (weights || o->need == LOOM_HUB_SMALL);
		runs = weights && (out->is_gguf || described(&c));
		if (!weights && whole) {
			(void)loom_str_copy(out->remote_weights, sizeof(out->remote_weights), "weights");
		}
	}
	rc = whole ? LOOM_OK : complete(id, o, &c, here, runs, out, err);
	(void)loom_str_copy(remote, sizeof(remote), out->remote_weights);
	json_decref(c.tree);
	rc = rc ? rc : loom_source_find(id, o->cache_dir, o->allow_local, out, err);
	if (rc == LOOM_OK) {
		(void)loom_str_copy(out->remote_weights, sizeof(out->remote_weights), remote);
	}
	return rc;
}
