/* config_json.c: config.json → struct loom_config, through the family's table of keys. */
#include <string.h>

#include "bounds.h"
#include "config_internal.h"
#include "jsonx.h"
#include "rope.h"
#include "str.h"

static const struct loom_family *family_of_type(const char *model_type)
{
	for (size_t i = 0; loom_families[i]; i++) {
		if (loom_str_eq(loom_families[i]->name, model_type)) {
			return loom_families[i];
		}
	}
	return NULL;
}

static const struct loom_family *family_of_architecture(const char *arch)
{
	for (size_t i = 0; loom_families[i]; i++) {
		for (const char *const *a = loom_families[i]->architectures; *a; a++) {
			if (loom_str_eq(*a, arch)) {
				return loom_families[i];
			}
		}
	}
	return NULL;
}

static enum loom_status unknown(const char *where, const char *arch, struct loom_err *err)
{
	const char *names[64];
	const char *near;
	size_t n = 0;

	for (size_t i = 0; loom_families[i]; i++) {
		for (const char *const *a = loom_families[i]->architectures; *a && n < 63; a++) {
			names[n++] = *a;
		}
	}
	names[n] = NULL;
	near = loom_str_nearest(arch, names);
	return loom_err_set(err, LOOM_E_MODEL, "%s: architecture \"%.80s\" is not supported%s%s%s; supported families: llama, mistral, qwen2, "
		"qwen3, gpt2, bert", where, arch, near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
}

/* architectures[0], else the base model of model_type. */
static enum loom_status find_family(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const json_t *list = json_object_get(root, "architectures");
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	const struct loom_family *f;
	const char *arch = NULL, *type = NULL;
	enum loom_status rc = loom_json_str(&c, root, "model_type", &type, err);

	if (rc) {
		return rc;
	}
	if (json_is_array(list) && json_array_size(list) > 0) {
		arch = json_string_value(json_array_get(list, 0));
		if (!arch) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: architectures[0]: expected a string", where);
		}
	} else if (list && !json_is_null(list) && !json_is_array(list)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: architectures: expected a list of strings", where);
	}
	if (!arch && !type) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: neither \"architectures\" nor \"model_type\" is there: not a model's config", where);
	}
	f = arch ? family_of_architecture(arch) : family_of_type(type);
	if (!f) {
		return unknown(where, arch ? arch : type, err);
	}
	cfg->architecture = loom_arena_strdup(&cfg->arena, arch ? arch : f->architectures[0]);
	cfg->model_type = loom_arena_strdup(&cfg->arena, type ? type : f->name);
	if (!cfg->architecture || !cfg->model_type) {
		return loom_err_nomem(err, "config", 128);
	}
	loom_config_features(cfg, f);
	for (const char *const *s = f->head_suffixes; *s; s++) {
		cfg->has_head = cfg->has_head || loom_str_ends(cfg->architecture, *s);
	}
	return LOOM_OK;
}

static enum loom_status read_int32(const struct loom_json_ctx *c, const json_t *root, const char *key, int64_t max, bool required,
	int32_t *out, struct loom_err *err)
{
	int64_t v = *out;
	enum loom_status rc;

	if (!key) {
		return LOOM_OK;
	}
	if (required && !json_object_get(root, key)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: \"%s\" is missing", c->where, key);
	}
	rc = loom_json_int(c, root, key, 1, max, &v, err);
	*out = (int32_t)v;
	return rc;
}

static enum loom_status read_sizes(struct loom_config *cfg, const json_t *root, const struct loom_json_ctx *c, struct loom_err *err)
{
	const struct loom_family *f = cfg->family;
	const struct loom_config_keys *k = &f->keys;
	const struct {
		const char *key;
		int64_t max;
		bool required;
		int32_t *out;
	} ints[] = {
		{k->n_layer, LOOM_MAX_LAYER, true, &cfg->n_layer}, {k->n_embd, LOOM_MAX_EMBD, true, &cfg->n_embd},
		{k->n_head, LOOM_MAX_HEAD, true, &cfg->n_head}, {k->n_vocab, LOOM_MAX_VOCAB, true, &cfg->n_vocab},
		{k->n_head_kv, LOOM_MAX_HEAD, false, &cfg->n_head_kv}, {k->d_head, LOOM_MAX_EMBD, false, &cfg->d_head},
		{k->n_ffn, LOOM_MAX_EMBD * 8, false, &cfg->n_ffn}, {k->n_type, LOOM_MAX_VOCAB, false, &cfg->n_type},
	};
	enum loom_status rc;

	if (k->n_head_kv && !json_object_get(root, k->n_head_kv)) {
		cfg->n_head_kv = f->n_head_kv_default;
	}
	if (k->d_head && !json_object_get(root, k->d_head)) {
		cfg->d_head = f->d_head_default;
	}
	for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
		if ((rc = read_int32(c, root, ints[i].key, ints[i].max, ints[i].required, ints[i].out, err))) {
			return rc;
		}
	}
	/* Some checkpoints state a context "without end". */
	return loom_json_int(c, root, k->n_ctx, 1, INT32_MAX, &cfg->n_ctx, err);
}

static enum loom_status read_features(struct loom_config *cfg, const json_t *root, const struct loom_json_ctx *c, struct loom_err *err)
{
	const struct loom_family *f = cfg->family;
	const char *act = NULL, *dtype = NULL;
	bool out_follows = f->attn_bias_covers_out, scaled = true;
	enum loom_status rc;

	if ((rc = loom_json_num(c, root, f->keys.eps, 0, 1, &cfg->norm_eps, err)) ||
		(rc = loom_json_str(c, root, f->keys.act, &act, err)) ||
		(rc = loom_json_bool(c, root, "tie_word_embeddings", &cfg->tied, err)) ||
		(f->keys.attn_bias && (rc = loom_json_bool(c, root, f->keys.attn_bias, &cfg->attn_bias, err))) ||
		(f->keys.mlp_bias && (rc = loom_json_bool(c, root, f->keys.mlp_bias, &cfg->mlp_bias, err))) ||
		(rc = loom_json_str(c, root, "torch_dtype", &dtype, err)) || (rc = loom_json_str(c, root, "dtype", &dtype, err))) {
		return rc;
	}
	if (act && !loom_act_parse(act, &cfg->act)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %s: activation \"%.40s\" is not supported", c->where, f->keys.act, act);
	}
	if (out_follows) {
		cfg->attn_out_bias = cfg->attn_bias;
	}
	cfg->dtype = dtype ? loom_dtype_from_torch(dtype) : LOOM_DTYPE_UNKNOWN;
	if (f->scale_keys) {
		if ((rc = loom_json_bool(c, root, "scale_attn_weights", &scaled, err)) ||
			(rc = loom_json_bool(c, root, "scale_attn_by_inverse_layer_idx", &cfg->attn_scale_by_layer, err))) {
			return rc;
		}
		cfg->attn_scale = scaled ? 0.0f : 1.0f;
	}
	return LOOM_OK;
}

/* Which layers have the window, when the config decides layer by layer (Qwen2, Qwen3). */
static enum loom_status read_layer_types(struct loom_config *cfg, const json_t *root, const struct loom_json_ctx *c, struct loom_err *err)
{
	const json_t *types = json_object_get(root, "layer_types");
	int64_t first = cfg->family->window_layers_default;
	enum loom_status rc = loom_json_int(c, root, "max_window_layers", 0, INT32_MAX, &first, err);

	if (rc) {
		return rc;
	}
	cfg->layer_windowed = loom_arena_alloc(&cfg->arena, (size_t)cfg->n_layer, 1);
	if (!cfg->layer_windowed) {
		return loom_err_nomem(err, "layer types", (unsigned long long)cfg->n_layer);
	}
	if (!json_is_array(types)) {
		for (int32_t l = 0; l < cfg->n_layer; l++) {
			cfg->layer_windowed[l] = l >= first;
		}
		return LOOM_OK;
	}
	if (json_array_size(types) != (size_t)cfg->n_layer) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: layer_types: expected %d entries, found %zu", c->where, cfg->n_layer,
			json_array_size(types));
	}
	for (int32_t l = 0; l < cfg->n_layer; l++) {
		const char *t = json_string_value(json_array_get(types, (size_t)l));
		bool windowed = loom_str_eq(t, "sliding_attention");
		if (!windowed && !loom_str_eq(t, "full_attention")) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: layer_types[%d]: \"%.40s\" is not supported (full_attention and "
				"sliding_attention are)", c->where, l, t ? t : "not a string");
		}
		cfg->layer_windowed[l] = windowed;
	}
	return LOOM_OK;
}

static enum loom_status read_window(struct loom_config *cfg, const json_t *root, const struct loom_json_ctx *c, struct loom_err *err)
{
	const char *key = cfg->family->keys.window;
	bool use = !cfg->family->window_by_layer;
	enum loom_status rc;

	if (!key) {
		return LOOM_OK;
	}
	cfg->window = json_object_get(root, key) ? 0 : cfg->family->window_default;
	if ((rc = read_int32(c, root, key, INT32_MAX, false, &cfg->window, err)) ||
		(cfg->family->window_by_layer && (rc = loom_json_bool(c, root, "use_sliding_window", &use, err)))) {
		return rc;
	}
	if (!use) {
		cfg->window = 0;
	}
	return cfg->window && cfg->family->window_by_layer ? read_layer_types(cfg, root, c, err) : LOOM_OK;
}

/* Is the JSON text of v one of the alternatives? */
static bool allowed(const json_t *v, const char *values)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	size_t n = text ? strlen(text) : 0;
	bool ok = false;

	for (const char *p = values; text && p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL) {
		size_t len = strcspn(p, "|");
		ok = ok || (len == n && memcmp(p, text, n) == 0);
	}
	json_free_t release;
	json_get_alloc_funcs(NULL, &release);
	release(text);
	return ok;
}

static enum loom_status check_rules(const struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	static const struct loom_key_rule common[] = {{"quantization_config", "null|{}"}, {"pruned_heads", "null|{}"},
		{"chunk_size_feed_forward", "null|0"}, {NULL, NULL}};
	const struct loom_key_rule *const tables[] = {common, cfg->family->rules};

	for (size_t t = 0; t < 2; t++) {
		for (const struct loom_key_rule *r = tables[t]; r->key; r++) {
			const json_t *v = json_object_get(root, r->key);
			char shown[96];
			if (!v || json_is_null(v) || allowed(v, r->values)) {
				continue;
			}
			loom_json_show(json_is_object(v) && json_object_get(v, "quant_method") ? json_object_get(v, "quant_method") : v, shown,
				sizeof(shown));
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s is %s, which is not supported for %s (supported: %s)", where, r->key, shown,
				cfg->family->name, r->values);
		}
	}
	return LOOM_OK;
}

/* A number or a list of them; null gives none. */
static enum loom_status read_eos(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const json_t *v = json_object_get(root, "eos_token_id");
	size_t n = json_is_array(v) ? json_array_size(v) : 1;
	size_t cap = sizeof(cfg->eos_ids) / sizeof(cfg->eos_ids[0]);

	if (!v || json_is_null(v)) {
		return LOOM_OK;
	}
	if (n > cap) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: eos_token_id: more than %zu ids", where, cap);
	}
	cfg->n_eos = 0;
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_is_array(v) ? json_array_get(v, i) : v;
		if (!json_is_integer(e) || json_integer_value(e) < -1 || json_integer_value(e) > LOOM_MAX_VOCAB) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: eos_token_id: expected a token id or a list of them", where);
		}
		if (json_integer_value(e) >= 0) {
			cfg->eos_ids[cfg->n_eos++] = (int32_t)json_integer_value(e);
		}
	}
	return LOOM_OK;
}

static enum loom_status read_ids(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	int64_t bos = cfg->bos_id;
	enum loom_status rc = loom_json_int(&c, root, "bos_token_id", -1, LOOM_MAX_VOCAB, &bos, err);

	cfg->bos_id = (int32_t)bos;
	return rc ? rc : read_eos(cfg, root, where, err);
}

enum loom_status loom_config_from_json(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	enum loom_status rc;

	if (!json_is_object(root)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: expected an object", where);
	}
	if ((rc = find_family(cfg, root, where, err)) || (rc = check_rules(cfg, root, where, err)) ||
		(rc = read_sizes(cfg, root, &c, err)) || (rc = read_features(cfg, root, &c, err)) ||
		(rc = loom_config_finish(cfg, where, err)) || (rc = read_window(cfg, root, &c, err)) ||
		(rc = read_ids(cfg, root, where, err))) {
		return rc;
	}
	if (cfg->pos == LOOM_POS_ROTARY) {
		return loom_rope_from_json(&cfg->rope, root, where, cfg->d_head, cfg->n_ctx, cfg->family->rope_theta_default, &cfg->arena,
			err);
	}
	return LOOM_OK;
}

enum loom_status loom_config_generation(struct loom_config *cfg, const json_t *root, struct loom_err *err)
{
	return root ? read_ids(cfg, root, "generation_config.json", err) : LOOM_OK;
}
