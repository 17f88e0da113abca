/* source.c: a model id → a folder or a .gguf file on this machine. */
#include "source.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "mem.h"
#include "str.h"

static const char *const loader_names[LOOM_N_LOADER] = {"transformers", "sentence_transformers", "custom", "gguf"};

const char *loom_loader_name(enum loom_loader l)
{
	return (unsigned)l < LOOM_N_LOADER ? loader_names[l] : "?";
}

int loom_loader_parse(const char *name)
{
	for (int i = 0; i < LOOM_N_LOADER; i++) {
		if (loom_str_eq(name, loader_names[i])) {
			return i;
		}
	}
	return -1;
}

/* Where huggingface_hub keeps its cache. false when no directory is known or the path is too long. */
static bool cache_root(const char *given, char *out, size_t cap)
{
	const char *env;

	if (given && given[0]) {
		return loom_str_copy(out, cap, given) == strlen(given);
	}
	if ((env = getenv("HF_HUB_CACHE")) && env[0]) {
		return loom_str_copy(out, cap, env) == strlen(env);
	}
	if ((env = getenv("HF_HOME")) && env[0]) {
		return loom_path_join(out, cap, env, "hub");
	}
	if ((env = getenv("XDG_CACHE_HOME")) && env[0]) {
		return loom_path_join(out, cap, env, "huggingface/hub");
	}
	return (env = getenv("HOME")) && env[0] && loom_path_join(out, cap, env, ".cache/huggingface/hub");
}

static bool repo_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* "name" or "org/name", as the hub allows them; n bytes. No "--": it stands for the slash in the cache's folder names. */
static bool valid_repo(const char *id, size_t n)
{
	size_t slashes = 0;

	if (n == 0 || n > 192) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		bool edge = i == 0 || i + 1 == n || id[i - 1] == '/' || id[i + 1] == '/';
		slashes += id[i] == '/';
		if ((id[i] != '/' && !repo_char(id[i])) || ((id[i] == '.' || id[i] == '-' || id[i] == '/') && edge && id[i] != '/') ||
			(id[i] == '/' && (i == 0 || i + 1 == n)) || (i + 1 < n && id[i] == id[i + 1] && (id[i] == '.' || id[i] == '-'))) {
			return false;
		}
	}
	return slashes <= 1;
}

/* A branch, tag or commit; '/' inside is allowed, leaving the folder is not. */
static bool valid_revision(const char *rev)
{
	size_t n = strlen(rev);

	if (n == 0 || n > 200 || rev[0] == '/' || rev[0] == '.' || rev[n - 1] == '/' || strstr(rev, "..") || strstr(rev, "//")) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!repo_char(rev[i]) && rev[i] != '/') {
			return false;
		}
	}
	return true;
}

/* The commit that a ref names, or the revision itself when it is a snapshot's name. */
static bool snapshot_of(const char *repo_dir, const char *rev, char *out, size_t cap)
{
	char path[PATH_MAX], snapshots[PATH_MAX];
	char *text = NULL;
	size_t n = 0;
	bool ok = false;

	if (!loom_path_join(snapshots, sizeof(snapshots), repo_dir, "snapshots")) {
		return false;
	}
	if (loom_path_join(path, sizeof(path), repo_dir, "refs") && loom_path_join(out, cap, path, rev) &&
		loom_file_slurp(out, "ref", 256, &text, &n, NULL) == LOOM_OK) {
		text[strcspn(text, "\r\n \t")] = '\0';
		ok = text[0] && valid_repo(text, strlen(text)) && !strchr(text, '/') && loom_path_join(out, cap, snapshots, text) &&
			loom_path_is_dir(out);
	}
	loom_free(text);
	return ok || (!strchr(rev, '/') && loom_path_join(out, cap, snapshots, rev) && loom_path_is_dir(out));
}

static enum loom_status find_in_cache(const char *id, const char *cache_dir, struct loom_source *out, struct loom_err *err)
{
	const char *at = strchr(id, '@'), *rev = at ? at + 1 : "main";
	size_t n = at ? (size_t)(at - id) : strlen(id);
	char root[PATH_MAX], folder[512] = "models--", dir[PATH_MAX];
	size_t len = strlen(folder);

	if (!valid_repo(id, n) || !valid_revision(rev)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "no such model \"%.200s\": not a folder or GGUF file, nor an id of the form org/name", id);
	}
	for (size_t i = 0; i < n; i++) {
		if (id[i] == '/') {
			folder[len++] = '-';
			folder[len++] = '-';
		} else {
			folder[len++] = id[i];
		}
	}
	folder[len] = '\0';
	if (!cache_root(cache_dir, root, sizeof(root)) || !loom_path_join(dir, sizeof(dir), root, folder) || !loom_path_is_dir(dir)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "no such model \"%.200s\": not a folder or GGUF file, and not in the Hugging Face cache",
			id);
	}
	if (!snapshot_of(dir, rev, out->path, sizeof(out->path))) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.*s\" is in the Hugging Face cache, but its revision \"%.100s\" is not", (int)n, id,
			rev);
	}
	return LOOM_OK;
}

static bool is_shard(const char *name)
{
	return strstr(name, "-of-") != NULL;
}

/* A folder whose only weights are GGUF: the file becomes the source. */
static enum loom_status prefer_gguf(struct loom_source *s, struct loom_err *err)
{
	char path[PATH_MAX], found[256] = "";
	struct dirent *e;
	int n = 0;
	DIR *d;

	if ((loom_path_join(path, sizeof(path), s->path, "model.safetensors") && loom_path_is_file(path)) ||
		(loom_path_join(path, sizeof(path), s->path, "model.safetensors.index.json") && loom_path_is_file(path))) {
		return LOOM_OK;
	}
	d = opendir(s->path);
	while (d && (e = readdir(d))) {
		if (loom_str_ends(e->d_name, ".gguf")) {
			n++;
			(void)loom_str_copy(found, sizeof(found), e->d_name);
		}
	}
	if (d) {
		(void)closedir(d);
	}
	if (n > 1) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\" holds %d GGUF files%s: name one of them by its path", s->id, n,
			is_shard(found) ? " (split ones are not supported)" : "");
	}
	if (n == 1) {
		if (!loom_path_join(path, sizeof(path), s->path, found)) {
			return loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\": the path is too long", s->id);
		}
		(void)loom_str_copy(s->path, sizeof(s->path), path);
		s->is_gguf = true;
	}
	return LOOM_OK;
}

enum loom_status loom_source_find(const char *id, const char *cache_dir, bool allow_local, struct loom_source *out,
	struct loom_err *err)
{
	enum loom_status rc;

	memset(out, 0, sizeof(*out));
	if (loom_str_copy(out->id, sizeof(out->id), id) != strlen(id)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model id is longer than %zu bytes", sizeof(out->id) - 1);
	}
	if (allow_local && (loom_path_is_dir(id) || (loom_str_ends(id, ".gguf") && loom_path_is_file(id)))) {
		(void)loom_str_copy(out->path, sizeof(out->path), id);
		out->is_gguf = !loom_path_is_dir(id);
	} else if ((rc = find_in_cache(id, cache_dir, out, err))) {
		return rc;
	}
	return out->is_gguf ? LOOM_OK : prefer_gguf(out, err);
}
