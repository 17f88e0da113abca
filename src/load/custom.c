/* custom.c: see custom.h. */
#include "custom.h"

#include <limits.h>

#include "bounds.h"
#include "file.h"
#include "jsonx.h"
#include "manifest.h"
#include "mem.h"

/* loom.json → the family, in cfg's arena. */
static enum loom_status read_manifest(struct loom_config *cfg, const char *dir, const struct loom_family **f, struct loom_err *err)
{
	char path[PATH_MAX], *text = NULL;
	size_t n = 0;
	enum loom_status rc;

	if (!loom_path_join(path, sizeof(path), dir, "loom.json")) {
		return loom_err_set(err, LOOM_E_MODEL, "loom.json: the path is too long");
	}
	rc = loom_file_slurp(path, "loom.json", LOOM_MAX_CONFIG_BYTES, &text, &n, err);
	rc = rc ? rc : loom_manifest_read(text, n, "loom.json", &cfg->arena, f, err);
	loom_free(text);
	return rc;
}

enum loom_status loom_custom_config(struct loom_config *cfg, const char *dir, struct loom_err *err)
{
	const struct loom_family *f = NULL;
	char path[PATH_MAX];
	json_t *root = NULL;
	enum loom_status rc = read_manifest(cfg, dir, &f, err);

	if (rc) {
		return rc;
	}
	rc = loom_path_join(path, sizeof(path), dir, "config.json") ? loom_json_load(path, "config.json", LOOM_MAX_CONFIG_BYTES, &root, err)
		: loom_err_set(err, LOOM_E_MODEL, "config.json: the path is too long");
	if (rc == LOOM_E_NOT_FOUND) {
		root = json_object();
		rc = root ? LOOM_OK : loom_err_nomem(err, "config", 64);
	}
	rc = rc ? rc : loom_config_of_family(cfg, f, root, "config.json", err);
	json_decref(root);
	return rc;
}
