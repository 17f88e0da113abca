/* source.c: a model id → a folder or a .gguf file on this machine. */
#include "source.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "gguf_split.h"
#include "hub_cache.h"
#include "hub_env.h"
#include "mem.h"
#include "str.h"

static enum loom_status find_in_cache(const char *id, const char *cache_dir, struct loom_source *out, struct loom_err *err)
{
	struct loom_hub_id parsed;
	struct loom_hub_repo repo;
	char root[PATH_MAX], commit[LOOM_HUB_REPO_CAP];

	if (!loom_hub_id_parse(id, &parsed)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "no such model \"%.200s\": not a folder or GGUF file, nor an id of the form org/name", id);
	}
	if (!loom_hub_cache_root(cache_dir, root, sizeof(root)) || loom_hub_repo_init(&repo, root, parsed.repo, err) ||
		!loom_path_is_dir(repo.dir)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "no such model \"%.200s\": not a folder or GGUF file, and not in the Hugging Face cache",
			id);
	}
	if (!loom_hub_repo_commit(&repo, parsed.rev, commit) || !loom_hub_repo_snapshot(&repo, commit, out->path, sizeof(out->path))) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%s\" is in the Hugging Face cache, but its revision \"%.100s\" is not", parsed.repo,
			parsed.rev);
	}
	out->cached = true;
	return LOOM_OK;
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
		/* Of a model in several files the first stands for all. */
		if (loom_str_ends(e->d_name, ".gguf") && (!loom_gguf_split_name(e->d_name) || loom_gguf_split_first(e->d_name))) {
			n++;
			(void)loom_str_copy(found, sizeof(found), e->d_name);
		}
	}
	if (d) {
		(void)closedir(d);
	}
	if (n > 1) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\" holds %d GGUF files: name one of them by its path", s->id, n);
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
