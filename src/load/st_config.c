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
	c->pooling = c->pools[0] = LOOM_POOL_MEAN;
	c->n_pool = 1;
	c->include_prompt = true;
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

/* "pooling_mode": a word, or a list of them. */
static enum loom_status read_modes(struct loom_st_config *c, const json_t *v, const char *where, struct loom_err *err)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 1;

	c->n_pool = 0;
	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
		int p = loom_pooling_parse(word ? word : "");
		if (p < 0 || p == LOOM_POOL_NONE || c->n_pool == LOOM_N_POOL) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: pooling_mode \"%.40s\" is not supported", where, word ? word : "(not a word)");
		}
		c->pools[c->n_pool++] = (enum loom_pooling)p;
	}
	return n > 0 ? LOOM_OK : loom_err_set(err, LOOM_E_MODEL, "%s: pooling_mode is empty", where);
}

/* 1_Pooling/config.json: "pooling_mode", or the older booleans, whose modes stand in this order whatever their order in the file. */
static enum loom_status read_pooling(struct loom_st_config *c, const json_t *root, const char *where, struct loom_err *err)
{
	static const struct {
		const char *key;
		enum loom_pooling pooling;
	} flags[] = {
		{"pooling_mode_cls_token", LOOM_POOL_CLS}, {"pooling_mode_max_tokens", LOOM_POOL_MAX}, {"pooling_mode_mean_tokens", LOOM_POOL_MEAN},
		{"pooling_mode_mean_sqrt_len_tokens", LOOM_POOL_MEAN_SQRT_LEN}, {"pooling_mode_weightedmean_tokens", LOOM_POOL_WEIGHTED_MEAN},
		{"pooling_mode_lasttoken", LOOM_POOL_LAST},
	};
	const struct loom_json_ctx ctx = {where, LOOM_E_MODEL};
	const json_t *modes = json_object_get(root, "pooling_mode");
	enum loom_pooling found[sizeof(flags) / sizeof(flags[0])];
	int n = 0;
	enum loom_status rc = loom_json_bool(&ctx, root, "include_prompt", &c->include_prompt, err);

	if (rc == LOOM_OK && (json_is_string(modes) || json_is_array(modes))) {
		rc = read_modes(c, modes, where, err);
	} else {
		for (size_t i = 0; rc == LOOM_OK && i < sizeof(flags) / sizeof(flags[0]); i++) {
			bool on = false;
			rc = loom_json_bool(&ctx, root, flags[i].key, &on, err);
			if (on) {
				found[n++] = flags[i].pooling;
			}
		}
		if (rc == LOOM_OK && n > 0) {
			memcpy(c->pools, found, (size_t)n * sizeof(found[0]));
			c->n_pool = n;
		}
	}
	c->pooling = c->pools[0];
	return rc;
}

/* A folder's name as modules.json gives it: inside the model's folder, one level deep. */
static bool plain(const char *path)
{
	return !strchr(path, '/') && !loom_str_eq(path, "..") && strlen(path) <= 200;
}

static enum loom_status read_pooling_module(struct loom_st_config *c, const char *dir, const char *path, struct loom_err *err)
{
	char name[512];
	json_t *root = NULL;
	enum loom_status rc;

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

/* SpladePooling's config.json. */
static enum loom_status read_splade(struct loom_st_config *c, const char *dir, const char *path, struct loom_err *err)
{
	char name[512];
	const char *strategy = "max", *act = "relu";
	json_t *root = NULL;
	enum loom_status rc;

	(void)snprintf(name, sizeof(name), "%s%sconfig.json", path, path[0] ? "/" : "");
	const struct loom_json_ctx ctx = {name, LOOM_E_MODEL};
	rc = load(dir, name, &root, err);
	rc = rc ? rc : loom_json_str(&ctx, root, "pooling_strategy", &strategy, err);
	rc = rc ? rc : loom_json_str(&ctx, root, "activation_function", &act, err);
	c->sparse = true;
	c->sparse_sum = loom_str_eq(strategy, "sum");
	c->sparse_twice = loom_str_eq(act, "log1p_relu");
	if (rc == LOOM_OK && !c->sparse_sum && !loom_str_eq(strategy, "max")) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: pooling_strategy \"%.40s\" is not supported (max and sum are)", name, strategy);
	}
	if (rc == LOOM_OK && !c->sparse_twice && !loom_str_eq(act, "relu")) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: activation_function \"%.40s\" is not supported (relu and log1p_relu are)", name, act);
	}
	json_decref(root);
	return rc;
}

static enum loom_status read_layer(struct loom_st_config *c, const char *type, const char *dir, const char *path, struct loom_err *err)
{
	struct loom_layer_of *l = &c->layers[c->n_layer++];
	char full[PATH_MAX];

	if (loom_str_eq(type, "Dropout")) { /* of training */
		c->n_layer--;
		return LOOM_OK;
	}
	if (loom_str_eq(type, "Normalize")) {
		*l = (struct loom_layer_of){.kind = LOOM_SMALL_UNIT};
		return LOOM_OK;
	}
	if (!loom_path_join(full, sizeof(full), dir, path)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", path);
	}
	return loom_layer_load(l, type, full, path, &c->arena, err);
}

static enum loom_status read_module(struct loom_st_config *c, const char *dir, const json_t *m, size_t index, struct loom_err *err)
{
	const struct loom_json_ctx ctx = {"modules.json", LOOM_E_MODEL};
	const char *type = NULL, *path = "", *last;
	enum loom_status rc;

	if (!json_is_object(m)) {
		return loom_err_set(err, LOOM_E_MODEL, "modules.json: [%zu]: expected an object", index);
	}
	if ((rc = loom_json_str(&ctx, m, "type", &type, err)) || (rc = loom_json_str(&ctx, m, "path", &path, err))) {
		return rc;
	}
	last = type ? strrchr(type, '.') : NULL;
	last = last ? last + 1 : type;
	path = loom_str_eq(path, ".") ? "" : path;
	if (!plain(path)) {
		return loom_err_set(err, LOOM_E_MODEL, "modules.json: [%zu].path: expected a folder's plain name", index);
	}
	if ((loom_str_eq(last, "Transformer") || loom_str_eq(last, "MLMTransformer")) && index == 0) {
		(void)loom_str_copy(c->body, sizeof(c->body), path);
		return LOOM_OK;
	}
	if (loom_str_eq(last, "StaticEmbedding") && index == 0) {
		c->fixed = true;
		(void)loom_str_copy(c->body, sizeof(c->body), path);
		return LOOM_OK;
	}
	if (loom_str_eq(last, "Pooling") && index == 1) {
		return read_pooling_module(c, dir, path, err);
	}
	if (loom_str_eq(last, "SpladePooling") && index == 1) {
		return read_splade(c, dir, path, err);
	}
	if (index > !c->fixed && (loom_str_eq(last, "Dense") || loom_str_eq(last, "LayerNorm") || loom_str_eq(last, "Normalize") ||
		loom_str_eq(last, "Dropout"))) {
		return read_layer(c, last, dir, path, err);
	}
	return loom_err_set(err, LOOM_E_MODEL, "modules.json: [%zu]: module \"%.80s\" is not supported here (Transformer and Pooling, or "
		"StaticEmbedding, then any of Dense, LayerNorm, Normalize and Dropout)", index, type ? type : "null");
}

/* sentence_bert_config.json: how long, and whether to lower-case. */
static enum loom_status read_limits(struct loom_st_config *c, const char *dir, struct loom_err *err)
{
	const struct loom_json_ctx ctx = {"sentence_bert_config.json", LOOM_E_MODEL};
	bool lower = false;
	char body[PATH_MAX];
	json_t *root = NULL;
	enum loom_status rc;

	if (!loom_path_join(body, sizeof(body), dir, c->body)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", c->body);
	}
	rc = load(body, ctx.where, &root, err);
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
	const char *fallback = NULL, *act = NULL, *name;
	json_t *root = NULL, *prompts, *text;
	enum loom_status rc = load(dir, ctx.where, &root, err);

	if (rc || !root) {
		return rc;
	}
	prompts = json_object_get(root, "prompts");
	rc = loom_json_str(&ctx, root, "default_prompt_name", &fallback, err);
	rc = rc ? rc : loom_json_str(&ctx, root, "activation_fn", &act, err);
	if (rc == LOOM_OK && act && !(c->score_act = loom_arena_strdup(&c->arena, act))) {
		rc = loom_err_nomem(err, "prompts", 64);
	}
	if (rc == LOOM_OK && json_is_object(prompts)) {
		c->prompts = loom_arena_alloc(&c->arena, json_object_size(prompts) + 1, sizeof(*c->prompts));
		rc = c->prompts ? LOOM_OK : loom_err_nomem(err, "prompts", 64);
	}
	if (rc == LOOM_OK && c->prompts) {
		json_object_foreach(prompts, name, text) {
			struct loom_st_prompt *p = &c->prompts[c->n_prompt];
			if (json_is_null(text)) {
				continue;
			}
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

void loom_st_body(const char *dir, char *out, size_t cap, bool *fixed)
{
	struct loom_st_config c;
	struct loom_err ignored = {0};
	json_t *root = NULL;

	loom_st_config_init(&c);
	if (load(dir, "modules.json", &root, &ignored) == LOOM_OK && json_array_size(root) > 0 &&
		read_module(&c, dir, json_array_get(root, 0), 0, &ignored) != LOOM_OK) {
		c.body[0] = 0;
	}
	*fixed = c.fixed;
	(void)loom_str_copy(out, cap, c.body);
	json_decref(root);
	loom_st_config_release(&c);
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
	if (rc == LOOM_OK) {
		c->layers = loom_arena_alloc(&c->arena, json_array_size(root), sizeof(*c->layers));
		rc = c->layers ? LOOM_OK : loom_err_nomem(err, "modules", 64);
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
