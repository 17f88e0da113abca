/* shards.c: the weight files of a model folder. See shards.h. */
#include "shards.h"

#include <limits.h>
#include <string.h>

#include "bounds.h"
#include "jsonx.h"
#include "safetensors.h"
#include "str.h"

#define SINGLE "model.safetensors"
#define INDEX "model.safetensors.index.json"

/* A plain file name that ends in .safetensors: an index is hostile until it is read. */
static bool plain_name(const char *s, size_t n)
{
	return n > 0 && n < 200 && strlen(s) == n && s[0] != '.' && !strchr(s, '/') && !strchr(s, '\\') && loom_str_ends(s, ".safetensors");
}

static enum loom_status open_shards(struct loom_store *s, const char *dir, const json_t *map, struct loom_err *err)
{
	const char *tensor;
	json_t *file;
	struct loom_table opened; /* shard name → file index; keys live in the JSON */
	enum loom_status rc = LOOM_OK;
	if (!loom_table_init(&opened, 16))
		return loom_err_nomem(err, "shard table", 16);
	json_object_foreach((json_t *)(uintptr_t)map, tensor, file) {
		const char *name = json_string_value(file);
		char path[PATH_MAX];
		if (!name || !plain_name(name, json_string_length(file))) {
			rc = loom_err_set(err, LOOM_E_MODEL, INDEX ": weight_map: %.80s: expected the name of a .safetensors file in the folder", tensor);
			break;
		}
		int64_t at = loom_table_get(&opened, name, strlen(name), -1);
		if (at < 0) {
			at = s->n_file;
			if ((size_t)at >= LOOM_MAX_SHARDS) {
				rc = loom_err_set(err, LOOM_E_MODEL, INDEX ": more than %u shards", LOOM_MAX_SHARDS);
				break;
			}
			if (!loom_path_join(path, sizeof path, dir, name) || !loom_table_put(&opened, name, strlen(name), at)) {
				rc = loom_err_nomem(err, "shard path", strlen(name));
				break;
			}
			rc = loom_safetensors_open(s, path, name, err);
			if (rc == LOOM_E_NOT_FOUND)
				rc = loom_err_set(err, LOOM_E_MODEL, INDEX " names %s, which is not in the folder", name);
			if (rc)
				break;
		}
	}
	/* second pass: every indexed tensor lies in the shard that the index says */
	if (!rc) {
		json_object_foreach((json_t *)(uintptr_t)map, tensor, file) {
			const struct loom_tensor *t = loom_store_find(s, tensor);
			const char *name = json_string_value(file);
			if (!t || t->file != loom_table_get(&opened, name, strlen(name), -1)) {
				rc = loom_err_set(err, LOOM_E_MODEL, INDEX ": tensor %.120s is not in %s", tensor, name);
				break;
			}
		}
	}
	loom_table_release(&opened);
	return rc;
}

static enum loom_status open_index(struct loom_store *s, const char *dir, const char *path, struct loom_err *err)
{
	json_t *root = NULL;
	enum loom_status rc = loom_json_load(path, INDEX, LOOM_MAX_CONFIG_BYTES * 4, &root, err);
	if (rc)
		return rc;
	const json_t *map = json_object_get(root, "weight_map");
	if (!json_is_object(map) || json_object_size(map) == 0)
		rc = loom_err_set(err, LOOM_E_MODEL, INDEX ": weight_map: expected an object of tensor names and files");
	else
		rc = open_shards(s, dir, map, err);
	json_decref(root);
	return rc;
}

enum loom_status loom_shards_open(struct loom_store *s, const char *dir, struct loom_err *err)
{
	static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack",
		"model.onnx", "consolidated.00.pth", NULL};
	char path[PATH_MAX];
	if (loom_path_join(path, sizeof path, dir, SINGLE) && loom_path_is_file(path))
		return loom_safetensors_open(s, path, SINGLE, err);
	if (loom_path_join(path, sizeof path, dir, INDEX) && loom_path_is_file(path))
		return open_index(s, dir, path, err);
	for (const char *const *o = others; *o; o++) {
		if (loom_path_join(path, sizeof path, dir, *o) && loom_path_is_file(path))
			return loom_err_set(err, LOOM_E_MODEL, "weights are only there as %s; convert to safetensors (save_pretrained does)", *o);
	}
	return loom_err_set(err, LOOM_E_NOT_FOUND, "no weights: neither " SINGLE " nor " INDEX " is in the model's folder");
}
