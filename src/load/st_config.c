/* st_config.c: reads a sentence-transformers folder's modules.json and what it points to. */
#include "st_config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "file.h"
#include "jsonx.h"
#include "str.h"

static const char *const pool_names[LOOM_N_POOL] = {"cls", "mean", "max", "last_token", "weightedmean", "mean_sqrt_len_tokens", "none"};

int loom_pooling_parse(const char *name)
{
	if (loom_str_eq(name, "first_token")) {
		return LOOM_POOL_CLS;
	}
	for (int i = 0; i < LOOM_N_POOL; i++) {
		if (loom_str_eq(name, pool_names[i])) {
			return i;
		}
	}
	return loom_str_eq(name, "lasttoken") ? LOOM_POOL_LAST : -1;
}

const char *loom_pooling_name(enum loom_pooling p)
{
	return (unsigned)p < LOOM_N_POOL ? pool_names[p] : "?";
}

void loom_st_config_init(struct loom_st_config *c)
{
	memset(c, 0, sizeof(*c));
	loom_arena_init(&c->arena);
	c->pooling = LOOM_POOL_MEAN;
	c->do_lower_case = -1;
}

void loom_st_config_release(struct loom_st_config *c)
{
	loom_arena_release(&c->arena);
	loom_st_config_init(c);
}

/* A JSON object of the folder; absent: *out NULL. */
static enum loom_status load(const char *dir, const char *name, json_t **out, struct loom_err *err)
{
	char path[PATH_MAX];
	enum loom_status rc;

	*out = NULL;
	if (!loom_path_join(path, sizeof(path), dir, name)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", name);
	}
	if (!loom_path_is_file(path)) {
		return LOOM_OK;
	}
	rc = loom_json_load(path, name, LOOM_MAX_CONFIG_BYTES, out, err);
	return rc;
}

/* 1_Pooling/config.json: "pooling_mode", or the older booleans; one mode only. */
static enum loom_status read_pooling(struct loom_st_config *c, const json_t *root, const char *where, struct loom_err *err)
{
	static const struct {
		const char *key;
		enum loom_pooling pooling;
	} flags[] = {
		{"pooling_mode_cls_token", LOOM_POOL_CLS}, {"pooling_mode_mean_tokens", LOOM_POOL_MEAN}, {"pooling_mode_max_tokens", LOOM_POOL_MAX},
		{"pooling_mode_mean_sqrt_len_tokens", LOOM_POOL_MEAN_SQRT_LEN}, {"pooling_mode_weightedmean_tokens", LOOM_POOL_WEIGHTED_MEAN},
		{"pooling_mode_lasttoken", LOOM_POOL_LAST},
	};
	const struct loom_json_ctx ctx = {where, LOOM_E_MODEL};
	const char *mode = NULL;
	bool include_prompt = true;
	int n = 0;
	enum loom_status rc;

	if (json_is_string(json_object_get(root, "pooling_mode"))) {
		if ((rc = loom_json_str(&ctx, root, "pooling_mode", &mode, err))) {
			return rc;
		}
		int p = loom_pooling_parse(mode);
		if (p < 0 || p == LOOM_POOL_NONE) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: pooling_mode \"%.40s\" is not supported", where, mode);
		}
		c->pooling = (enum loom_pooling)p;
		n = 1;
	}
	for (size_t i = 0; !mode && i < sizeof(flags) / sizeof(flags[0]); i++) {
		bool on = false;
		if ((rc = loom_json_bool(&ctx, root, flags[i].key, &on, err))) {
			return rc;
		}
		if (on) {
			c->pooling = flags[i].pooling;
			n++;
		}
	}
	if (n > 1) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d pooling modes at once are not supported", where, n);
	}
	if ((rc = loom_json_bool(&ctx, root, "include_prompt", &include_prompt, err))) {
		return rc;
	}
	return include_prompt ? LOOM_OK
		: loom_err_set(err, LOOM_E_MODEL, "%s: include_prompt false is not supported", where);
}

static enum loom_status read_module(struct loom_st_config *c, const char *dir, const json_t *m, size_t index, struct loom_err *err)
{
	const struct loom_json_ctx ctx = {"modules.json", LOOM_E_MODEL};
	const char *type = NULL, *path = "", *last;
	char name[512];
	json_t *root = NULL;
	enum loom_status rc;

	if (!json_is_object(m)) {
		return loom_err_set(err, LOOM_E_MODEL, "modules.json: [%zu]: expected an object", index);
	}
	if ((rc = loom_json_str(&ctx, m, "type", &type, err)) || (rc = loom_json_str(&ctx, m, "path", &path, err))) {
		return rc;
	}
	last = type ? strrchr(type, '.') : NULL;
	last = last ? last + 1 : type;
	if (loom_str_eq(last, "Transformer") && index == 0) {
		return path[0] == '\0' ? LOOM_OK
			: loom_err_set(err, LOOM_E_MODEL, "modules.json: [0].path: a Transformer in a folder of its own is not supported");
	}
	if (loom_str_eq(last, "Normalize") && index > 0) {
		c->normalize = true;
		return LOOM_OK;
	}
	if (!loom_str_eq(last, "Pooling") || index != 1) {
		return loom_err_set(err, LOOM_E_MODEL, "modules.json: [%zu]: module \"%.80s\" is not supported here (Transformer, Pooling, Normalize "
			"in this order are)", index, type ? type : "null");
	}
	if (strchr(path, '/') || loom_str_eq(path, "..") || strlen(path) > 200) {
		return loom_err_set(err, LOOM_E_MODEL, "modules.json: [%zu].path: expected a folder's plain name", index);
	}
	(void)snprintf(name, sizeof(name), "%s%sconfig.json", path, path[0] ? "/" : "");
	rc = load(dir, name, &root, err);
	if (rc == LOOM_OK && !root) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s is missing", name);
	}
	if (rc == LOOM_OK) {
		rc = read_pooling(c, root, name, err);
	}
	json_decref(root);
	return rc;
}

/* sentence_bert_config.json: how long, and whether to lower-case. */
static enum loom_status read_limits(struct loom_st_config *c, const char *dir, struct loom_err *err)
{
	const struct loom_json_ctx ctx = {"sentence_bert_config.json", LOOM_E_MODEL};
	bool lower = false;
	json_t *root = NULL;
	enum loom_status rc = load(dir, ctx.where, &root, err);

	if (rc || !root) {
		return rc;
	}
	rc = loom_json_int(&ctx, root, "max_seq_length", 1, INT32_MAX, &c->max_seq_length, err);
	rc = rc ? rc : loom_json_bool(&ctx, root, "do_lower_case", &lower, err);
	if (rc == LOOM_OK && json_object_get(root, "do_lower_case")) {
		c->do_lower_case = lower;
	}
	json_decref(root);
	return rc;
}

static enum loom_status read_prompts(struct loom_st_config *c, const char *dir, struct loom_err *err)
{
	const struct loom_json_ctx ctx = {"config_sentence_transformers.json", LOOM_E_MODEL};
	const char *fallback = NULL, *name;
	json_t *root = NULL, *prompts, *text;
	enum loom_status rc = load(dir, ctx.where, &root, err);

	if (rc || !root) {
		return rc;
	}
	prompts = json_object_get(root, "prompts");
	rc = loom_json_str(&ctx, root, "default_prompt_name", &fallback, err);
	if (rc == LOOM_OK && json_is_object(prompts)) {
		c->prompts = loom_arena_alloc(&c->arena, json_object_size(prompts) + 1, sizeof(*c->prompts));
		rc = c->prompts ? LOOM_OK : loom_err_nomem(err, "prompts", 64);
	}
	if (rc == LOOM_OK && c->prompts) {
		json_object_foreach(prompts, name, text) {
			struct loom_st_prompt *p = &c->prompts[c->n_prompt];
			if (!json_is_string(text)) {
				rc = loom_err_set(err, LOOM_E_MODEL, "%s: prompts.%.80s: expected a string", ctx.where, name);
				break;
			}
			p->name = loom_arena_strdup(&c->arena, name);
			p->text = loom_arena_strdup(&c->arena, json_string_value(text));
			if (!p->name || !p->text) {
				rc = loom_err_nomem(err, "prompts", 64);
				break;
			}
			if (loom_str_eq(name, fallback)) {
				c->default_prompt = p->name;
			}
			c->n_prompt++;
		}
	}
	if (rc == LOOM_OK && fallback && !c->default_prompt) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: default_prompt_name \"%.80s\" is not among the prompts", ctx.where, fallback);
	}
	json_decref(root);
	return rc;
}

enum loom_status loom_st_config_load(struct loom_st_config *c, const char *dir, struct loom_err *err)
{
	json_t *root = NULL;
	enum loom_status rc = load(dir, "modules.json", &root, err);

	if (rc || !root) {
		return rc;
	}
	if (!json_is_array(root) || json_array_size(root) == 0) {
		rc = loom_err_set(err, LOOM_E_MODEL, "modules.json: expected a list of modules");
	}
	for (size_t i = 0; rc == LOOM_OK && i < json_array_size(root); i++) {
		rc = read_module(c, dir, json_array_get(root, i), i, err);
	}
	json_decref(root);
	rc = rc ? rc : read_limits(c, dir, err);
	rc = rc ? rc : read_prompts(c, dir, err);
	c->present = rc == LOOM_OK;
	return rc;
}
