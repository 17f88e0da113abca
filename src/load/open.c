/* open.c: a source → config, bound plan, tokenizer, pooling configuration. No weight is read here. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "custom.h"
#include "family.h"
#include "file.h"
#include "gguf_pooling.h"
#include "gguf_split.h"
#include "jsonx.h"
#include "mem.h"
#include "safetensors.h"
#include "shards.h"
#include "source.h"
#include "static_table.h"
#include "str.h"

void loom_opened_init(struct loom_opened *o)
{
	memset(o, 0, sizeof(*o));
	loom_st_config_init(&o->st);
	loom_class_head_init(&o->head);
}

void loom_opened_release(struct loom_opened *o)
{
	if (o->model) {
		loom_model_release(o->model);
		loom_free(o->model);
	}
	loom_tokenizer_free(o->tokenizer);
	loom_st_config_release(&o->st);
	loom_class_head_release(&o->head);
	loom_opened_init(o);
}

static enum loom_status load_json(const char *dir, const char *name, json_t **out, struct loom_err *err)
{
	char path[PATH_MAX];

	*out = NULL;
	if (!loom_path_join(path, sizeof(path), dir, name)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", name);
	}
	return loom_json_load(path, name, LOOM_MAX_CONFIG_BYTES, out, err);
}

/* For an architecture that nothing here knows, when its repository brings code of its own: what to do instead of running that. */
static void name_own_code(const json_t *root, struct loom_err *err)
{
	const char *arch = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));

	if (json_object_size(json_object_get(root, "auto_map")) > 0 && (!arch || !loom_family_of_architecture(arch))) {
		(void)loom_err_set(err, LOOM_E_MODEL, "config.json: architecture \"%.80s\" is not supported; its repository has Python code for it (auto_map), "
			"which upstream runs with trust_remote_code: Loom never runs a model's code. Describe the architecture in a loom.json manifest "
			"(docs/custom-models.md)", arch ? arch : "?");
	}
}

/* What older tools write beside config.json, when config.json says nothing of quantization. */
static enum loom_status read_quantize_config(struct loom_config *cfg, const char *dir, struct loom_err *err)
{
	static const char *const names[] = {"quantize_config.json", "quant_config.json", NULL};
	enum loom_status rc = LOOM_OK;

	for (const char *const *n = names; *n && rc == LOOM_OK && cfg->quant.method == LOOM_METHOD_NONE; n++) {
		struct loom_err why = {0};
		json_t *root = NULL;
		rc = load_json(dir, *n, &root, &why);
		if (rc == LOOM_OK) {
			rc = loom_quant_config_read(&cfg->quant, root, *n, err);
		} else if (rc == LOOM_E_NOT_FOUND) {
			rc = LOOM_OK;
		} else {
			*err = why;
		}
		json_decref(root);
	}
	return rc;
}

/* The weights: model.safetensors and its like; or the one file that quantize_config.json names, which older GPTQ tools wrote. */
static enum loom_status open_weights(struct loom_store *store, const struct loom_config *cfg, const char *dir, struct loom_err *err)
{
	char name[256], path[PATH_MAX];
	struct loom_err ignored;
	json_t *root = NULL;
	const char *base;
	enum loom_status rc = loom_shards_open(store, dir, err);

	if (rc != LOOM_E_NOT_FOUND || cfg->quant.method != LOOM_METHOD_GPTQ || load_json(dir, "quantize_config.json", &root, &ignored)) {
		return rc;
	}
	base = json_string_value(json_object_get(root, "model_file_base_name"));
	if (base && base[0] != '.' && !strchr(base, '/') && strlen(base) < 200) {
		(void)snprintf(name, sizeof(name), "%s.safetensors", base);
		if (loom_path_join(path, sizeof(path), dir, name) && loom_path_is_file(path)) {
			rc = loom_safetensors_open(store, path, name, err);
		}
	}
	json_decref(root);
	return rc;
}

/* config.json (custom: through loom.json), and generation_config.json when it is there. */
static enum loom_status read_config(struct loom_config *cfg, const char *dir, bool custom, struct loom_err *err)
{
	json_t *root = NULL, *gen = NULL;
	struct loom_err gen_err = {0};
	enum loom_status rc = custom ? loom_custom_config(cfg, dir, err) : load_json(dir, "config.json", &root, err);

	if (!custom && rc == LOOM_OK && (rc = loom_config_from_json(cfg, root, "config.json", err)) == LOOM_E_MODEL) {
		name_own_code(root, err);
	}
	if (rc == LOOM_OK) {
		enum loom_status there = load_json(dir, "generation_config.json", &gen, &gen_err);
		if (there && there != LOOM_E_NOT_FOUND) {
			*err = gen_err;
			rc = there;
		} else {
			rc = loom_config_generation(cfg, gen, err);
		}
	}
	json_decref(root);
	json_decref(gen);
	return rc ? rc : read_quantize_config(cfg, dir, err);
}

/* Does transformers give the model token types? As model_input_names says, else as the tokenizer's class does: the general one does not. */
static bool gives_types(const json_t *root)
{
	const json_t *names = json_object_get(root, "model_input_names"), *name;
	const char *class = json_string_value(json_object_get(root, "tokenizer_class"));
	size_t i;

	json_array_foreach(names, i, name) {
		if (loom_str_eq(json_string_value(name), "token_type_ids")) {
			return true;
		}
	}
	return !names && class && !loom_str_eq(class, "PreTrainedTokenizerFast") && !loom_str_eq(class, "TokenizersBackend");
}

/* tokenizer_config.json's model_max_length, when it is a real length; else 0. */
static enum loom_status tokenizer_limit(const char *dir, int64_t *out, bool *types, struct loom_err *err)
{
	json_t *root = NULL;
	const json_t *v;
	struct loom_err why = {0};
	enum loom_status rc = load_json(dir, "tokenizer_config.json", &root, &why);

	*out = 0;
	if (rc && rc != LOOM_E_NOT_FOUND) {
		*err = why;
		return rc;
	}
	*types = gives_types(root);
	v = json_object_get(root, "model_max_length");
	if (json_is_number(v) && json_number_value(v) >= 1 && json_number_value(v) < LOOM_MAX_CONTEXT) {
		*out = (int64_t)json_number_value(v);
	}
	json_decref(root);
	return LOOM_OK;
}

static enum loom_status new_model(struct loom_model **out, struct loom_err *err)
{
	*out = loom_malloc(sizeof(**out));
	if (!*out) {
		return loom_err_nomem(err, "model", sizeof(**out));
	}
	loom_model_init(*out);
	return LOOM_OK;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* GGUF: config and tensors from the one file; tokenizer too when asked for, and what it says of pooling into o. */
static enum loom_status open_gguf(const struct loom_source *s, enum loom_dtype keep, const char *asked, struct loom_model **model,
	struct loom_tokenizer **tokenizer, struct loom_opened *o, struct loom_err *err)
{
	const char *name = file_name(s->path);
	struct loom_gguf g = {0};
	struct loom_store store;
	struct loom_config cfg;
	enum loom_status rc;

	loom_store_init(&store);
	loom_config_init(&cfg);
	rc = loom_gguf_split_open(&g, model ? &store : NULL, s->path, err);
	if (rc == LOOM_OK && model) {
		rc = loom_config_from_gguf(&cfg, &g, &store, err);
		rc = rc ? rc : loom_quant_config_ask(&cfg.quant, asked, true, err);
		rc = rc ? rc : new_model(model, err);
		rc = rc ? rc : loom_model_build(*model, &cfg, &store, true, keep, err);
		rc = rc || !o ? rc : loom_gguf_pooling(&g, *model, &o->st, &o->head, err);
		if (rc) {
			(void)loom_err_prefix(err, "%s", name);
		}
	}
	if (rc == LOOM_OK && tokenizer) {
		rc = loom_tokenizer_open_gguf(&g, tokenizer, err);
		if (rc) {
			(void)loom_err_prefix(err, "%s", name);
		}
	}
	loom_config_release(&cfg);
	loom_store_release(&store);
	loom_gguf_release(&g);
	return rc;
}

static enum loom_status read_class_head(struct loom_opened *o, const char *dir, struct loom_err *err)
{
	json_t *root = NULL;
	enum loom_status rc = load_json(dir, "config.json", &root, err);

	rc = rc ? rc : loom_class_head_read(&o->head, o->model, root, o->st.score_act, err);
	json_decref(root);
	return rc;
}

static enum loom_status open_folder(const struct loom_source *s, enum loom_dtype keep, const char *asked, struct loom_opened *o,
	struct loom_err *err)
{
	struct loom_config cfg;
	struct loom_store store;
	char dir[PATH_MAX];
	int64_t limit = 0;
	enum loom_status rc = LOOM_OK;

	loom_config_init(&cfg);
	loom_store_init(&store);
	if (o->loader == LOOM_LOADER_SENTENCE_TRANSFORMERS ||
		(o->loader == LOOM_LOADER_CUSTOM && loom_loader_marked(LOOM_LOADER_SENTENCE_TRANSFORMERS, s))) {
		rc = loom_st_config_load(&o->st, s->path, err);
	}
	if (rc == LOOM_OK && !loom_path_join(dir, sizeof(dir), s->path, o->st.body)) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", o->st.body);
	}
	if (!o->st.fixed) {
		rc = rc ? rc : read_config(&cfg, dir, o->loader == LOOM_LOADER_CUSTOM, err);
	}
	rc = rc ? rc : loom_quant_config_ask(&cfg.quant, asked, false, err);
	rc = rc ? rc : open_weights(&store, &cfg, dir, err);
	if (o->st.fixed) {
		rc = rc ? rc : loom_static_table_read(&cfg, &store, &o->st, err);
	}
	rc = rc ? rc : new_model(&o->model, err);
	rc = rc ? rc : loom_model_build(o->model, &cfg, &store, false, keep, err);
	loom_config_release(&cfg);
	loom_store_release(&store);
	if (rc == LOOM_OK && o->model->cfg.classifies) {
		rc = read_class_head(o, dir, err);
	}
	rc = rc ? rc : o->st.fixed ? loom_tokenizer_open_bare(dir, &o->tokenizer, err) : loom_tokenizer_open(dir, &o->tokenizer, err);
	if (rc == LOOM_OK && o->st.do_lower_case > 0 && !o->st.fixed) {
		rc = loom_tokenizer_lower(o->tokenizer, err);
	}
	rc = rc ? rc : tokenizer_limit(dir, &limit, &o->types, err);
	if (rc) {
		return rc;
	}
	o->max_seq = o->model->cfg.n_ctx;
	if (o->st.fixed) { /* it reads the tokenizer's file as it is, where transformers has limits of its own */
		o->max_seq = loom_tokenizer_max_length(o->tokenizer) > 0 ? (int64_t)loom_tokenizer_max_length(o->tokenizer) : o->max_seq;
		return LOOM_OK;
	}
	if (limit > 0 && limit < o->max_seq) {
		o->max_seq = limit;
	}
	if (o->st.present && o->st.max_seq_length > 0) { /* its word counts, but the model has no more positions than it has */
		o->max_seq = o->st.max_seq_length < o->model->cfg.n_ctx ? o->st.max_seq_length : o->model->cfg.n_ctx;
	}
	return LOOM_OK;
}

static enum loom_status open_with(const struct loom_source *s, enum loom_loader loader, enum loom_dtype keep, const char *quantization,
	struct loom_opened *out, struct loom_err *err)
{
	enum loom_status rc;

	out->loader = loader;
	if ((loader == LOOM_LOADER_GGUF) != s->is_gguf) {
		return loom_err_set(err, LOOM_E_MODEL, "loader \"%s\" cannot open model \"%.200s\": it is %s", loom_loader_name(loader), s->id,
			s->is_gguf ? "a GGUF file" : "a folder");
	}
	if (loader == LOOM_LOADER_SENTENCE_TRANSFORMERS && !loom_loader_marked(loader, s)) {
		return loom_err_set(err, LOOM_E_MODEL, "loader \"sentence_transformers\" needs modules.json, which model \"%.200s\" lacks", s->id);
	}
	if (loader == LOOM_LOADER_CUSTOM && !loom_loader_marked(loader, s)) {
		return loom_err_set(err, LOOM_E_MODEL, "loader \"custom\" needs a loom.json manifest, which model \"%.200s\" lacks", s->id);
	}
	if (!s->is_gguf) {
		return open_folder(s, keep, quantization, out, err);
	}
	rc = open_gguf(s, keep, quantization, &out->model, &out->tokenizer, out, err);
	if (rc == LOOM_OK) {
		out->max_seq = out->model->cfg.n_ctx;
	}
	return rc;
}

enum loom_status loom_source_open(const struct loom_source *s, int loader, const struct loom_loader_order *order, enum loom_dtype keep,
	const char *quantization, struct loom_opened *out, struct loom_err *err)
{
	int first = loader < 0 ? loom_loader_detect(s, order) : loader;
	enum loom_status rc;

	if (first == LOOM_LOADER_TRANSFORMERS && loader < 0 && !loom_loader_marked(LOOM_LOADER_TRANSFORMERS, s)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\": its folder holds no model: expected config.json (with safetensors weights), "
			"modules.json, loom.json or a .gguf file", s->id);
	}
	if (first < 0) {
		return loom_err_set(err, LOOM_E_MODEL, "model \"%.200s\" is %s, which none of the loaders in loaders.fallback_order opens", s->id,
			s->is_gguf ? "a GGUF file" : "a folder");
	}
	rc = open_with(s, (enum loom_loader)first, keep, quantization, out, err);
	order = loom_loader_order(order);
	for (int i = 0; loader < 0 && rc == LOOM_E_MODEL && i < order->n; i++) {
		struct loom_err other = {0};
		if ((int)order->v[i] == first || !loom_loader_marked(order->v[i], s)) {
			continue;
		}
		loom_opened_release(out);
		if (open_with(s, order->v[i], keep, quantization, out, &other) == LOOM_OK) {
			(void)snprintf(out->note, sizeof(out->note), "opened by %s, since %s cannot: %.100s", loom_loader_name(order->v[i]),
				loom_loader_name((enum loom_loader)first), err->message);
			rc = LOOM_OK;
		}
	}
	return rc;
}

enum loom_status loom_source_plan(const struct loom_source *s, struct loom_model **out, struct loom_err *err)
{
	return loom_source_plan_as(s, loom_loader_marked(LOOM_LOADER_CUSTOM, s), out, err);
}

/* A table of words has its config in its weights. */
static enum loom_status read_table_config(struct loom_config *cfg, const char *dir, struct loom_err *err)
{
	struct loom_st_config st;
	struct loom_store store;
	enum loom_status rc;

	loom_st_config_init(&st);
	loom_store_init(&store);
	rc = loom_shards_open(&store, dir, err);
	rc = rc ? rc : loom_static_table_read(cfg, &store, &st, err);
	loom_store_release(&store);
	loom_st_config_release(&st);
	return rc;
}

/* Where the transformer's files lie: the folder itself, or the one that modules.json names first. */
static enum loom_status body_of(const struct loom_source *s, char *dir, size_t cap, bool *fixed, struct loom_err *err)
{
	char body[256];

	loom_st_body(s->path, body, sizeof(body), fixed);
	return loom_path_join(dir, cap, s->path, body) ? LOOM_OK : loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", body);
}

enum loom_status loom_source_plan_as(const struct loom_source *s, bool custom, struct loom_model **out, struct loom_err *err)
{
	struct loom_config cfg;
	char dir[PATH_MAX];
	bool fixed;
	enum loom_status rc;

	*out = NULL;
	if (s->is_gguf) {
		rc = open_gguf(s, LOOM_DTYPE_UNKNOWN, NULL, out, NULL, NULL, err);
	} else {
		loom_config_init(&cfg);
		rc = body_of(s, dir, sizeof(dir), &fixed, err);
		rc = rc ? rc : fixed && !custom ? read_table_config(&cfg, dir, err) : read_config(&cfg, dir, custom, err);
		rc = rc ? rc : new_model(out, err);
		rc = rc ? rc : loom_model_plan_only(*out, &cfg, err);
		loom_config_release(&cfg);
	}
	if (rc && *out) {
		loom_model_release(*out);
		loom_free(*out);
		*out = NULL;
	}
	return rc;
}

enum loom_status loom_source_tokenizer(const struct loom_source *s, struct loom_tokenizer **out, struct loom_err *err)
{
	char dir[PATH_MAX];
	bool fixed;
	enum loom_status rc;

	*out = NULL;
	if (s->is_gguf) {
		return open_gguf(s, LOOM_DTYPE_UNKNOWN, NULL, NULL, out, NULL, err);
	}
	rc = body_of(s, dir, sizeof(dir), &fixed, err);
	return rc ? rc : fixed ? loom_tokenizer_open_bare(dir, out, err) : loom_tokenizer_open(dir, out, err);
}
