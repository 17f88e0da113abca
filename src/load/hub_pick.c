/* hub_pick.c: which files of a repo a model needs: small ones by name, the folders of modules.json, and one set of weights, safetensors
 * before GGUF, pickles never. */
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "file.h"
#include "hub_list.h"
#include "jsonx.h"
#include "mem.h"
#include "str.h"

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"

const char *const loom_hub_small_names[] = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
	"special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model",
	"sentencepiece.bpe.model", "tekken.json", "chat_template.jinja", "chat_template.json", "modules.json", "sentence_bert_config.json",
	"config_sentence_transformers.json", "quantize_config.json", "quant_config.json", "loom.json", INDEX, NULL};

void loom_hub_set_release(struct loom_hub_set *s)
{
	loom_free(s->v);
	memset(s, 0, sizeof(*s));
}

static enum loom_status add(struct loom_hub_set *s, struct loom_hub_entry *e, struct loom_err *err)
{
	if (e->chosen) {
		return LOOM_OK;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap * 2 + 16;
		struct loom_hub_entry **v = loom_reallocarray(s->v, cap, sizeof(void *));
		if (!v) {
			return loom_err_nomem(err, "files to fetch", cap * sizeof(void *));
		}
		s->v = v;
		s->cap = cap;
	}
	e->chosen = true;
	s->v[s->n++] = e;
	return LOOM_OK;
}

/* dir/name when it is listed; dir "" is the repo itself. */
static enum loom_status add_named(struct loom_hub_list *l, const char *dir, const char *name, struct loom_hub_set *s, struct loom_err *err)
{
	char path[1100];
	struct loom_hub_entry *e;

	(void)snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] ? "/" : "", name);
	e = loom_hub_list_find(l, path);
	return e ? add(s, e, err) : LOOM_OK;
}

static enum loom_status add_small(struct loom_hub_list *l, const char *dir, struct loom_hub_set *s, struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;

	for (const char *const *n = loom_hub_small_names; *n && rc == LOOM_OK; n++) {
		rc = add_named(l, dir, *n, s, err);
	}
	return rc;
}

enum loom_status loom_hub_pick_small(struct loom_hub_list *l, struct loom_hub_set *s, struct loom_err *err)
{
	return add_small(l, "", s, err);
}

enum loom_status loom_hub_pick_file(struct loom_hub_list *l, const struct loom_hub_id *id, const char *name, struct loom_hub_set *s,
	struct loom_err *err)
{
	struct loom_hub_entry *e = loom_hub_list_find(l, name);

	return e ? add(s, e, err)
		: loom_hub_err(err, LOOM_E_NOT_FOUND, "entry_not_found", "model \"%s\" has no file %.200s at revision \"%s\"", id->repo, name, id->rev);
}

/* A JSON file of the snapshot; not there: *out NULL. */
static enum loom_status load(const struct loom_hub_list *l, const struct loom_hub_repo *r, const char *name, json_t **out,
	struct loom_err *err)
{
	char dir[PATH_MAX], path[PATH_MAX];

	*out = NULL;
	if (!loom_hub_repo_has(r, l->commit, name)) {
		return LOOM_OK;
	}
	if (!loom_hub_repo_snapshot(r, l->commit, dir, sizeof(dir)) || !loom_path_join(path, sizeof(path), dir, name)) {
		return loom_err_set(err, LOOM_E_IO, "%s: the path is too long", name);
	}
	return loom_json_load(path, name, LOOM_MAX_CONFIG_BYTES * 4, out, err);
}

/* A file that a module may have and this one has not: noted, so that nobody asks for it again. */
static void note_absent(const struct loom_hub_list *l, const struct loom_hub_repo *r, const char *dir, const char *name)
{
	char path[1100];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!loom_hub_list_find(l, path)) {
		loom_hub_repo_note_absent(r, l->commit, path);
	}
}

enum loom_status loom_hub_pick_modules(struct loom_hub_list *l, const struct loom_hub_repo *r, bool weights, struct loom_hub_set *s,
	struct loom_err *err)
{
	json_t *root = NULL;
	enum loom_status rc = load(l, r, "modules.json", &root, err);

	for (size_t i = 0; rc == LOOM_OK && i < json_array_size(root) && i < 64; i++) {
		const json_t *path = json_object_get(json_array_get(root, i), "path");
		const char *dir = json_string_value(path);
		if (!dir || !dir[0]) {
			continue;
		}
		if (!loom_hub_valid_file(dir, json_string_length(path))) {
			rc = loom_err_set(err, LOOM_E_MODEL, "modules.json: [%zu].path: expected a folder inside the repo", i);
			break;
		}
		note_absent(l, r, dir, "config.json");
		note_absent(l, r, dir, SINGLE);
		rc = add_small(l, dir, s, err);
		if (rc == LOOM_OK && weights) {
			rc = add_named(l, dir, SINGLE, s, err);
		}
	}
	json_decref(root);
	return rc;
}

static enum loom_status add_shards(struct loom_hub_list *l, const json_t *root, struct loom_hub_set *s, struct loom_err *err)
{
	json_t *map = json_object_get(root, "weight_map"), *file;
	const char *tensor;
	enum loom_status rc = LOOM_OK;

	if (!json_is_object(map) || json_object_size(map) == 0 || json_object_size(map) > LOOM_MAX_TENSORS) {
		return loom_err_set(err, LOOM_E_MODEL, INDEX ": weight_map: expected an object of tensor names and files");
	}
	json_object_foreach(map, tensor, file) {
		const char *name = json_string_value(file);
		struct loom_hub_entry *e;
		if (s->n > 0 && name && strcmp(s->v[s->n - 1]->name, name) == 0) {
			continue; /* most neighbours share a shard */
		}
		if (!name || !loom_hub_valid_file(name, json_string_length(file)) || !loom_str_ends(name, ".safetensors")) {
			rc = loom_err_set(err, LOOM_E_MODEL, INDEX ": weight_map: %.80s: expected the name of a .safetensors file", tensor);
		} else if (!(e = loom_hub_list_find(l, name))) {
			rc = loom_err_set(err, LOOM_E_MODEL, INDEX " names %.200s, which the repo does not hold", name);
		} else {
			rc = add(s, e, err);
		}
		if (rc == LOOM_OK && s->n > LOOM_MAX_SHARDS) {
			rc = loom_err_set(err, LOOM_E_MODEL, INDEX ": more than %u shards", LOOM_MAX_SHARDS);
		}
		if (rc) {
			break;
		}
	}
	return rc;
}

static bool top_level(const char *name, const char *suffix)
{
	return !strchr(name, '/') && loom_str_ends(name, suffix);
}

/* The only GGUF of the repo, how many there are in *n. */
static struct loom_hub_entry *only_gguf(const struct loom_hub_list *l, size_t *n)
{
	struct loom_hub_entry *found = NULL;

	*n = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (top_level(l->e[i].name, ".gguf")) {
			found = &l->e[i];
			(*n)++;
		}
	}
	return found;
}

/* No weights that Loom reads: say what is there instead. */
static enum loom_status no_weights(const struct loom_hub_list *l, const struct loom_hub_id *id, struct loom_err *err)
{
	static const char *const pickles[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}, *const others[] = {".h5", ".msgpack", ".onnx", ".nemo"};
	const char *other = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const char *name = l->e[i].name;
		for (size_t k = 0; k < sizeof(pickles) / sizeof(pickles[0]); k++) {
			if (top_level(name, pickles[k]) && strcmp(name, "training_args.bin") != 0) {
				return loom_hub_err(err, LOOM_E_MODEL, "unsupported_weights", "model \"%s\" has its weights only as a pickle (%.100s), which can run code "
					"when it is read, so Loom never fetches it: look for a revision or a repo with safetensors (the hub's conversion bot offers one "
					"as a pull request, id@refs/pr/N), or convert it with save_pretrained", id->repo, name);
			}
		}
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			other = !other && top_level(name, others[k]) ? name : other;
		}
		if (!other && top_level(name, ".safetensors")) {
			other = name;
		}
	}
	if (other && strcmp(other, "adapter_model.safetensors") == 0) {
		return loom_hub_err(err, LOOM_E_MODEL, "unsupported_weights", "model \"%s\" is an adapter: merge it into its base model and save that",
			id->repo);
	}
	return loom_hub_err(err, LOOM_E_MODEL, "unsupported_weights", "model \"%s\" has no " SINGLE ", no " INDEX " and no GGUF file%s%.100s", id->repo,
		other ? "; what it has is " : "", other ? other : "");
}

/* The weights of a transformer that lies in a folder of its own, as older sentence-transformers repos have it ("0_Transformer/"). */
static struct loom_hub_entry *weights_inside(const struct loom_hub_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *name = l->e[i].name, *slash = strchr(name, '/');
		if (strncmp(name, "0_", 2) == 0 && slash && strcmp(slash + 1, SINGLE) == 0) {
			return &l->e[i];
		}
	}
	return NULL;
}

enum loom_status loom_hub_pick_weights(struct loom_hub_list *l, const struct loom_hub_repo *r, const struct loom_hub_id *id,
	struct loom_hub_set *s, struct loom_err *err)
{
	struct loom_hub_entry *e = loom_hub_list_find(l, SINGLE);
	json_t *index = NULL;
	size_t n = 0;
	enum loom_status rc;

	if (e) {
		return add(s, e, err);
	}
	rc = load(l, r, INDEX, &index, err);
	if (rc || index) {
		rc = rc ? rc : add_shards(l, index, s, err);
		json_decref(index);
		return rc;
	}
	e = weights_inside(l);
	if (e) {
		return add(s, e, err);
	}
	e = only_gguf(l, &n);
	if (n > 1) {
		return loom_hub_err(err, LOOM_E_MODEL, "unsupported_weights", "model \"%s\" holds %zu GGUF files: choose one, as `loom pull %s %.100s`, then "
			"name it by the path which that prints", id->repo, n, id->repo, e->name);
	}
	return e ? add(s, e, err) : no_weights(l, id, err);
}

void loom_hub_weights_seen(const struct loom_hub_list *l, char *out, size_t cap, uint64_t *bytes)
{
	const struct loom_hub_entry *e = loom_hub_list_find(l, SINGLE);
	size_t n = 0;

	out[0] = '\0';
	*bytes = 0;
	if (!e && !loom_hub_list_find(l, INDEX) && !(e = weights_inside(l)) && (!(e = only_gguf(l, &n)) || n != 1)) {
		return;
	}
	if (e) {
		*bytes = e->size > 0 ? (uint64_t)e->size : 0;
		(void)loom_str_copy(out, cap, e->name);
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (top_level(l->e[i].name, ".safetensors") && strncmp(l->e[i].name, "model-", 6) == 0) {
			n++;
			*bytes += l->e[i].size > 0 ? (uint64_t)l->e[i].size : 0;
		}
	}
	(void)snprintf(out, cap, "%zu shards", n);
}
