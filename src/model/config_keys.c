/* config_keys.c: a family's rows over a config.json: which key gives which field, and which values other keys must have. */
#include <stdio.h>
#include <string.h>

#include "config_internal.h"
#include "str.h"

const json_t *loom_config_find(const json_t *root, const char *keys, char buf[64], const char **leaf)
{
	for (const char *p = keys; root && p; p = loom_words_next(p)) {
		size_t n = loom_word_len(p);
		const json_t *obj = root;
		char *name = buf, *dot;

		if (n == 0 || n >= 64) {
			continue;
		}
		memcpy(buf, p, n);
		buf[n] = '\0';
		while (obj && (dot = strchr(name, '.')) != NULL) {
			*dot = '\0';
			obj = json_object_get(obj, name);
			name = dot + 1;
		}
		if (obj && json_object_get(obj, name)) {
			*leaf = name;
			return obj;
		}
	}
	return NULL;
}

bool loom_config_text_is(const json_t *v, const char *text, size_t n)
{
	char shown[40] = "";
	const char *is = shown;
	size_t len;

	switch (json_typeof(v)) {
	case JSON_STRING:
		return json_string_length(v) == n && memcmp(json_string_value(v), text, n) == 0;
	case JSON_OBJECT: /* {"__float__": "Infinity"} is how transformers 5 writes it */
		is = json_string_value(json_object_get(v, "__float__"));
		is = is ? is : json_object_size(v) == 0 ? "{}" : "";
		break;
	case JSON_ARRAY:
		is = json_array_size(v) == 0 ? "[]" : "";
		break;
	case JSON_INTEGER:
		(void)snprintf(shown, sizeof(shown), "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		(void)snprintf(shown, sizeof(shown), "%.15g", json_real_value(v)); /* 1.0 is 1 */
		break;
	case JSON_TRUE:
		is = "true";
		break;
	case JSON_FALSE:
		is = "false";
		break;
	case JSON_NULL:
		is = "null";
		break;
	}
	len = strlen(is);
	return len == n && n > 0 && memcmp(is, text, n) == 0;
}

/* Are the words of a text "a|b" all among the values? */
static bool words_of(const json_t *v, const char *values)
{
	for (const char *p = json_string_value(v); p; p = loom_words_next(p)) {
		char word[64];
		size_t n = loom_word_len(p);
		if (n == 0 || n >= sizeof(word)) {
			return false;
		}
		memcpy(word, p, n);
		word[n] = '\0';
		if (!loom_words_have(values, word)) {
			return false;
		}
	}
	return json_is_string(v);
}

static bool one_of(const json_t *v, const char *values)
{
	if (values[0] == '~') {
		return json_is_string(v) && strspn(json_string_value(v), values + 1) == json_string_length(v);
	}
	if (json_is_string(v) && strchr(json_string_value(v), '|')) {
		return words_of(v, values);
	}
	for (const char *p = values; p; p = loom_words_next(p)) {
		if (loom_config_text_is(v, p, loom_word_len(p))) {
			return true;
		}
	}
	return false;
}

static enum loom_status refuse(const struct loom_config *cfg, const char *where, const char *key, const json_t *v, const char *values,
	struct loom_err *err)
{
	const json_t *method = json_is_object(v) ? json_object_get(v, "quant_method") : NULL;
	char shown[96];

	loom_json_show(method ? method : v, shown, sizeof(shown));
	return loom_err_set(err, LOOM_E_MODEL, "%s: %s%s %s, which is not supported for %s (supported: %s)", where, key,
		strchr(key, '[') ? ":" : " is", shown, cfg->family->name, values);
}

static enum loom_status check_rule(const struct loom_config *cfg, const struct loom_key_rule *r, const json_t *root, const char *where,
	struct loom_err *err)
{
	char buf[64], entry[96];
	const char *leaf;
	const json_t *obj = loom_config_find(root, r->key, buf, &leaf), *v = obj ? json_object_get(obj, leaf) : NULL;
	size_t n = json_array_size(v);

	if (!v || json_is_null(v) || one_of(v, r->values)) {
		return LOOM_OK;
	}
	if (n == 0) {
		return refuse(cfg, where, r->key, v, r->values, err);
	}
	for (size_t i = 0; i < n; i++) {
		if (!one_of(json_array_get(v, i), r->values)) {
			(void)snprintf(entry, sizeof(entry), "%.60s[%zu]", r->key, i);
			return refuse(cfg, where, entry, json_array_get(v, i), r->values, err);
		}
	}
	return LOOM_OK;
}

/* Does the family say itself which values a key may have? */
static bool has_rule(const struct loom_family *f, const char *key)
{
	for (const struct loom_key_rule *r = f->rules; r && r->key; r++) {
		if (strcmp(r->key, key) == 0) {
			return true;
		}
	}
	return false;
}

enum loom_status loom_config_rules(const struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	static const struct loom_key_rule common[] = {{"pruned_heads", "null|{}"},
		{"chunk_size_feed_forward", "null|0"}, {"is_encoder_decoder", "false"}, {"add_cross_attention", "false"}, {NULL, NULL}};
	const struct loom_key_rule *const tables[] = {common, cfg->family->rules};

	for (size_t t = 0; t < 2; t++) {
		for (const struct loom_key_rule *r = tables[t]; r && r->key; r++) {
			enum loom_status rc = t == 0 && has_rule(cfg->family, r->key) ? LOOM_OK : check_rule(cfg, r, root, where, err);
			if (rc) {
				return rc;
			}
		}
	}
	return LOOM_OK;
}

/* "true=grouped|false=split|*=stacked": what stands for v, or NULL. */
static const char *mapped(const json_t *v, const char *map, char out[64])
{
	for (const char *p = map; p; p = loom_words_next(p)) {
		size_t n = loom_word_len(p), key = strcspn(p, "=");
		if (key < n && n - key < 64 && ((key == 1 && *p == '*') || loom_config_text_is(v, p, key))) {
			memcpy(out, p + key + 1, n - key - 1);
			out[n - key - 1] = '\0';
			return out;
		}
	}
	return NULL;
}

/* "/2+1" or "+1" done to an integer; null and absent stay what they are. */
static enum loom_status take_changed(struct loom_config *cfg, const struct loom_key *k, const struct loom_json_ctx *c, const json_t *obj,
	const char *leaf, struct loom_err *err)
{
	int divide = k->map[0] == '/' ? k->map[1] - '0' : 1;
	const char *plus = strchr(k->map, '+');
	int64_t n = -1;
	char text[32];
	enum loom_status rc = loom_json_int(c, obj, leaf, 0, INT32_MAX - 16, &n, err);

	if (rc || n < 0) {
		return rc;
	}
	(void)snprintf(text, sizeof(text), "%lld", (long long)n / divide + (plus ? plus[1] - '0' : 0));
	return loom_field_set_text(cfg, k->field, text, c->where, err);
}

/* An integer, or a list that has the same one for each layer. */
static enum loom_status take_same(struct loom_config *cfg, const struct loom_key *k, const struct loom_json_ctx *c, const json_t *obj,
	const char *leaf, struct loom_err *err)
{
	const json_t *v = json_object_get(obj, leaf), *first = json_array_get(v, 0);
	char text[32];

	if (!json_is_array(v)) {
		return loom_field_set_json(cfg, k->field, c, obj, leaf, err);
	}
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *e = json_array_get(v, i);
		if (!json_is_integer(e) || json_integer_value(e) != json_integer_value(first)) {
			return refuse(cfg, c->where, leaf, v, "one number for all layers", err);
		}
	}
	(void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(first));
	return loom_field_set_text(cfg, k->field, text, c->where, err);
}

/* "@2": that entry of a list of numbers. */
static enum loom_status take_entry(struct loom_config *cfg, const struct loom_key *k, const struct loom_json_ctx *c, const json_t *v,
	const char *leaf, struct loom_err *err)
{
	const json_t *e = json_array_get(v, (size_t)(k->map[1] - '0'));
	char text[40];

	if (!json_is_number(e)) {
		return json_is_null(v) ? LOOM_OK : refuse(cfg, c->where, leaf, v, "a list of numbers", err);
	}
	(void)snprintf(text, sizeof(text), "%.17g", json_number_value(e));
	return loom_field_set_text(cfg, k->field, text, c->where, err);
}

/* Is the word among those of a list, or of a text "a|b"? */
static bool has_word(const json_t *v, const char *word)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		if (loom_str_eq(json_string_value(json_array_get(v, i)), word)) {
			return true;
		}
	}
	return json_is_string(v) && loom_words_have(json_string_value(v), word);
}

/* The row's value in the config: the member leaf of obj. */
static enum loom_status take(struct loom_config *cfg, const struct loom_key *k, const struct loom_json_ctx *c, const json_t *obj,
	const char *leaf, struct loom_err *err)
{
	const json_t *v = json_object_get(obj, leaf);
	char text[64];

	if (!k->map) {
		return loom_field_set_json(cfg, k->field, c, obj, leaf, err);
	}
	if (k->map[0] == '+' || k->map[0] == '/') {
		return take_changed(cfg, k, c, obj, leaf, err);
	}
	if (k->map[0] == '#') {
		(void)snprintf(text, sizeof(text), "%zu", json_is_string(v) ? json_string_length(v) : json_array_size(v));
		return json_is_string(v) || json_is_array(v) ? loom_field_set_text(cfg, k->field, text, c->where, err)
			: json_is_null(v) ? LOOM_OK : refuse(cfg, c->where, leaf, v, "a list", err);
	}
	if (k->map[0] == '@') {
		return take_entry(cfg, k, c, v, leaf, err);
	}
	if (k->map[0] == '[') {
		return take_same(cfg, k, c, obj, leaf, err);
	}
	if (k->map[0] == '~') {
		return loom_field_set_text(cfg, k->field, has_word(v, k->map + 1) ? "true" : "false", c->where, err);
	}
	if (!mapped(v, k->map, text)) {
		if (loom_words_have(k->map, "*")) {
			return loom_field_set_json(cfg, k->field, c, obj, leaf, err);
		}
		return json_is_null(v) ? LOOM_OK : refuse(cfg, c->where, leaf, v, k->map, err);
	}
	return loom_field_set_text(cfg, k->field, text, c->where, err);
}

bool loom_config_when(const struct loom_config *cfg, const json_t *root, const char *when)
{
	char buf[64];
	const char *leaf;
	const json_t *obj, *v;

	if (!when) {
		return true;
	}
	if (*when == '@') {
		return loom_field_given(cfg, loom_field_find(when + 1));
	}
	obj = loom_config_find(root, when + (*when == '!'), buf, &leaf);
	v = obj ? json_object_get(obj, leaf) : NULL;
	return (v && !json_is_null(v) && !json_is_false(v)) != (*when == '!');
}

enum loom_status loom_config_rows(struct loom_config *cfg, const struct loom_key *rows, const json_t *root, const char *where,
	struct loom_err *err)
{
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	bool found[LOOM_N_FIELD] = {false}, set[LOOM_N_FIELD] = {false};

	for (const struct loom_key *k = rows; k->keys || k->value; k++) {
		char buf[64];
		const char *leaf = NULL;
		const json_t *obj = loom_config_find(root, k->keys, buf, &leaf);
		enum loom_status rc = LOOM_OK;

		if (!loom_config_when(cfg, root, k->when)) {
			continue;
		}
		if (obj) {
			rc = take(cfg, k, &c, obj, leaf, err);
			found[k->field] = set[k->field] = true;
		} else if (k->value && (!k->keys || !found[k->field])) {
			rc = loom_field_set_text(cfg, k->field, k->value, cfg->family->name, err);
			set[k->field] = true;
		} else if (root && !k->value && loom_field_required(k->field) && !set[k->field]) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: \"%.*s\" is missing", where, (int)loom_word_len(k->keys), k->keys);
		}
		if (rc) {
			return rc;
		}
	}
	return LOOM_OK;
}
