/* manifest_rows.c: a manifest's rows of config, layers and rules. */
#include <stdio.h>
#include <string.h>

#include "manifest_internal.h"

/* Every value that a map may give. */
static enum loom_status check_map(const struct loom_manifest_reader *r, const struct loom_key *k, const char *path)
{
	char value[64];

	if (!k->map) {
		return LOOM_OK;
	}
	if (strcmp(k->map, "[]") == 0 || strcmp(k->map, "#") == 0) {
		return loom_field_type(k->field) <= LOOM_FIELD_LONG ? LOOM_OK : loom_manifest_fail(r, path, "\"[]\" and \"#\" give an integer");
	}
	if (k->map[0] == '@') {
		return loom_field_type(k->field) == LOOM_FIELD_NUM && k->map[1] >= '0' && k->map[1] <= '9' && k->map[2] == '\0'
			? LOOM_OK : loom_manifest_fail(r, path, "expected \"@\" and one digit, for a number");
	}
	if (k->map[0] == '~') {
		return loom_field_type(k->field) == LOOM_FIELD_BOOL && k->map[1] ? LOOM_OK : loom_manifest_fail(r, path, "\"~word\" gives true or false");
	}
	if (k->map[0] == '+' || k->map[0] == '/') {
		const char *p = k->map + (k->map[0] == '/' ? 2 : 0);
		bool divides = k->map[0] != '/' || (k->map[1] >= '1' && k->map[1] <= '9');
		bool adds = *p == '\0' || (*p == '+' && p[1] >= '0' && p[1] <= '9' && p[2] == '\0');
		return divides && adds && loom_field_type(k->field) <= LOOM_FIELD_LONG
			? LOOM_OK : loom_manifest_fail(r, path, "expected \"/2\", \"+1\" or \"/2+1\" with one digit each, for an integer");
	}
	for (const char *p = k->map; p; p = loom_words_next(p)) {
		size_t n = loom_word_len(p), eq = strcspn(p, "=");
		if (n == 1 && *p == '*') {
			continue;
		}
		if (eq >= n || n - eq > sizeof(value)) {
			return loom_manifest_fail(r, path, "expected \"config's value=field's value\", \"|\" between");
		}
		(void)snprintf(value, sizeof(value), "%.*s", (int)(n - eq - 1), p + eq + 1);
		if (!loom_field_text_ok(k->field, value)) {
			return loom_manifest_fail(r, path, "\"%s\" is no value of %s", value, loom_field_name(k->field));
		}
	}
	return LOOM_OK;
}

static enum loom_status read_key(const struct loom_manifest_reader *r, const json_t *v, const char *path, void *row)
{
	static const char *const names[] = {"field", "keys", "value", "map", "when", NULL};
	struct loom_key *k = row;
	const char *field;
	enum loom_status rc = loom_manifest_only(r, v, path, names);

	rc = rc ? rc : loom_manifest_text(r, json_object_get(v, "field"), path, &field);
	if (rc) {
		return rc;
	}
	k->field = field ? loom_field_find(field) : LOOM_N_FIELD;
	if (k->field == LOOM_N_FIELD) {
		return loom_manifest_fail(r, path, "\"%.60s\" is no field", field ? field : "");
	}
	rc = loom_manifest_list(r, json_object_get(v, "keys"), path, &k->keys);
	rc = rc ? rc : loom_manifest_text(r, json_object_get(v, "value"), path, &k->value);
	rc = rc ? rc : loom_manifest_text(r, json_object_get(v, "map"), path, &k->map);
	rc = rc ? rc : loom_manifest_text(r, json_object_get(v, "when"), path, &k->when);
	if (rc) {
		return rc;
	}
	if (!k->keys && !k->value) {
		return loom_manifest_fail(r, path, "neither \"keys\" nor \"value\" is there: nothing says what %s is", field);
	}
	if (k->value && !loom_field_text_ok(k->field, k->value)) {
		return loom_manifest_fail(r, path, "\"%.60s\" is no value of %s", k->value, field);
	}
	return check_map(r, k, path);
}

enum loom_status loom_manifest_keys(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f)
{
	static const enum loom_field needed[] = {LOOM_F_N_LAYER, LOOM_F_N_EMBD, LOOM_F_N_HEAD, LOOM_F_N_VOCAB};
	struct loom_key *keys = NULL;
	size_t n;
	enum loom_status rc = loom_manifest_each(r, root, "config", sizeof(*keys), read_key, &n, &keys);

	for (size_t k = 0; rc == LOOM_OK && k < sizeof(needed) / sizeof(needed[0]); k++) {
		size_t i = 0;
		while (i < n && keys[i].field != needed[k]) {
			i++;
		}
		if (i == n) {
			rc = loom_manifest_fail(r, "config", "no row for %s, which every model needs", loom_field_name(needed[k]));
		}
	}
	f->keys = keys;
	return rc;
}

static enum loom_status read_layer(const struct loom_manifest_reader *r, const json_t *v, const char *path, void *row)
{
	static const char *const names[] = {"bits", "test", "not", "keys", "word", "value", "when", NULL};
	struct loom_layer_rule *l = row;
	const char *test;
	json_t *parsed;
	enum loom_status rc = loom_manifest_only(r, v, path, names);

	rc = rc ? rc : loom_manifest_bits(r, json_object_get(v, "bits"), path, &l->bits);
	rc = rc ? rc : loom_manifest_text(r, json_object_get(v, "test"), path, &test);
	rc = rc ? rc : loom_manifest_flag(r, json_object_get(v, "not"), path, &l->negate);
	rc = rc ? rc : loom_manifest_list(r, json_object_get(v, "keys"), path, &l->key);
	rc = rc ? rc : loom_manifest_text(r, json_object_get(v, "word"), path, &l->word);
	rc = rc ? rc : loom_manifest_text(r, json_object_get(v, "value"), path, &l->value);
	rc = rc ? rc : loom_manifest_text(r, json_object_get(v, "when"), path, &l->when);
	if (rc) {
		return rc;
	}
	l->test = test ? loom_layer_test_find(test) : LOOM_TEST_END;
	if (l->test == LOOM_TEST_END || !l->bits) {
		return loom_manifest_fail(r, path, l->bits ? "\"%.60s\" is no test" : "\"bits\" is missing", test ? test : "");
	}
	if ((l->test == LOOM_TEST_WORD || l->test == LOOM_TEST_IS || l->test == LOOM_TEST_PERIOD) && !l->word) {
		return loom_manifest_fail(r, path, "the test \"%s\" needs a \"word\"", test);
	}
	if (!l->key && !l->value) {
		return loom_manifest_fail(r, path, "neither \"keys\" nor \"value\" is there: nothing to test");
	}
	if (l->value) {
		parsed = json_loads(l->value, JSON_DECODE_ANY, NULL);
		bool ok = l->test == LOOM_TEST_FLAG ? json_is_boolean(parsed) : json_is_integer(parsed) && json_integer_value(parsed) >= 0;
		json_decref(parsed);
		if (!ok) {
			return loom_manifest_fail(r, path, "\"value\": expected %s", l->test == LOOM_TEST_FLAG ? "true or false" : "an integer from 0");
		}
	}
	return LOOM_OK;
}

enum loom_status loom_manifest_layers(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f)
{
	size_t n;

	return json_object_get(root, "layers") ? loom_manifest_each(r, root, "layers", sizeof(*f->layers), read_layer, &n, &f->layers) : LOOM_OK;
}

enum loom_status loom_manifest_rules(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f)
{
	const json_t *obj = json_object_get(root, "rules"), *v;
	struct loom_key_rule *rules;
	const char *key;
	char path[128];
	size_t n = 0;
	enum loom_status rc = LOOM_OK;

	if (!obj) {
		return LOOM_OK;
	}
	if (!json_is_object(obj) || json_object_size(obj) > LOOM_MANIFEST_ROWS) {
		return loom_manifest_fail(r, "rules", "expected an object of at most %d members", LOOM_MANIFEST_ROWS);
	}
	rules = loom_arena_alloc(r->arena, json_object_size(obj) + 1, sizeof(*rules));
	if (!rules) {
		return loom_manifest_no_memory(r);
	}
	json_object_foreach((json_t *)obj, key, v)
	{
		(void)snprintf(path, sizeof(path), "rules.%.100s", key);
		rules[n].key = loom_arena_strdup(r->arena, key);
		rc = rc ? rc : loom_manifest_list(r, v, path, &rules[n].values);
		if (rc == LOOM_OK && !rules[n].key) {
			rc = loom_manifest_no_memory(r);
		}
		n++;
	}
	f->rules = rules;
	return rc;
}
