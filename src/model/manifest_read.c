/* manifest_read.c: a loom.json manifest → struct loom_family in an arena. Messages name the line and the member. */
#include "manifest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jsonline.h"
#include "model.h"
#include "str.h"

#define MAX_ROWS 256    /* of each list */
#define MAX_STEPS 96
#define MAX_TEXT 4000   /* of each text; a list of names is one */

struct reader {
	const char *text, *where;
	size_t n;
	struct loom_arena *arena;
	struct loom_err *err;
};

static enum loom_status fail(const struct reader *r, const char *path, const char *fmt, ...) LOOM_PRINTF(3, 4);

/* "loom.json:17: blocks[0].steps[3]: …" */
static enum loom_status fail(const struct reader *r, const char *path, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return loom_err_set(r->err, LOOM_E_MODEL, "%s:%d: %s%s%s", r->where, loom_json_line(r->text, r->n, path), path, *path ? ": " : "", what);
}

static enum loom_status no_memory(const struct reader *r)
{
	return loom_err_nomem(r->err, "manifest", r->n);
}

/* Members of obj must be among those named; what near calls the nearest. */
static enum loom_status only(const struct reader *r, const json_t *obj, const char *path, const char *const *names)
{
	const char *key;
	const json_t *v;
	char full[256];

	if (!json_is_object(obj)) {
		return fail(r, path, "expected an object");
	}
	json_object_foreach((json_t *)obj, key, v)
	{
		const char *const *n = names;
		while (*n && strcmp(*n, key) != 0) {
			n++;
		}
		if (!*n) {
			const char *near = loom_str_nearest(key, names);
			(void)snprintf(full, sizeof(full), "%s%s%.60s", path, *path ? "." : "", key);
			return fail(r, full, "there is no such member%s%s%s", near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		}
	}
	return LOOM_OK;
}

/* A text without control characters; numbers and booleans count as their text. Absent: NULL. */
static enum loom_status text_of(const struct reader *r, const json_t *v, const char *path, const char **out)
{
	char number[40];
	const char *s = number;

	*out = NULL;
	if (!v) {
		return LOOM_OK;
	}
	if (json_is_string(v)) {
		s = json_string_value(v);
		if (strlen(s) != json_string_length(v) || strlen(s) > MAX_TEXT) {
			return fail(r, path, "the text holds a NUL or is longer than %d bytes", MAX_TEXT);
		}
	} else if (json_is_integer(v)) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		(void)snprintf(number, sizeof(number), "%.17g", json_real_value(v));
	} else if (json_is_boolean(v)) {
		s = json_is_true(v) ? "true" : "false";
	} else {
		return fail(r, path, "expected a text");
	}
	*out = loom_arena_strdup(r->arena, s);
	return *out ? LOOM_OK : no_memory(r);
}

/* A text, or a list of texts that become one with "|" between. Absent: NULL. */
static enum loom_status list_of(const struct reader *r, const json_t *v, const char *path, const char **out)
{
	struct loom_buf all;
	enum loom_status rc = LOOM_OK;
	size_t n = json_array_size(v), bytes = 0;

	if (!json_is_array(v)) {
		return text_of(r, v, path, out);
	}
	*out = NULL;
	if (n == 0) {
		return fail(r, path, "expected at least one entry");
	}
	loom_buf_init(&all, 2 * MAX_TEXT);
	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		const char *s = json_string_value(json_array_get(v, i));
		if (!s || strchr(s, '|') || strlen(s) != json_string_length(json_array_get(v, i))) {
			rc = fail(r, path, "entry %zu: expected a text without \"|\"", i);
		} else {
			bytes += strlen(s) + 1;
			rc = bytes > MAX_TEXT ? fail(r, path, "the entries are longer than %d bytes together", MAX_TEXT) : LOOM_OK;
			(void)loom_buf_printf(&all, "%s%s", i ? "|" : "", s);
		}
	}
	if (rc == LOOM_OK) {
		*out = all.failed ? NULL : loom_arena_strdup(r->arena, all.data ? all.data : "");
		rc = *out ? LOOM_OK : no_memory(r);
	}
	loom_buf_release(&all);
	return rc;
}

static enum loom_status flag_of(const struct reader *r, const json_t *v, const char *path, bool *out)
{
	if (v && !json_is_boolean(v)) {
		return fail(r, path, "expected true or false");
	}
	*out = json_is_true(v);
	return LOOM_OK;
}

/* Room for the entries of an optional array, and one more. */
static enum loom_status rows(const struct reader *r, const json_t *v, const char *path, size_t size, size_t *n, void *out)
{
	void *p;

	*n = json_array_size(v);
	if (!json_is_array(v) || *n == 0 || *n > MAX_ROWS) {
		return fail(r, path, "expected a list of 1 to %d entries", MAX_ROWS);
	}
	p = loom_arena_alloc(r->arena, *n + 1, size);
	memcpy(out, &p, sizeof(p));
	return p ? LOOM_OK : no_memory(r);
}

/* Every value that a map may give. */
static enum loom_status check_map(const struct reader *r, const struct loom_key *k, const char *path)
{
	char value[64];

	if (!k->map) {
		return LOOM_OK;
	}
	if (strcmp(k->map, "[]") == 0 || strcmp(k->map, "#") == 0) {
		return loom_field_type(k->field) <= LOOM_FIELD_LONG ? LOOM_OK : fail(r, path, "\"[]\" and \"#\" give an integer");
	}
	if (k->map[0] == '@') {
		return loom_field_type(k->field) == LOOM_FIELD_NUM && k->map[1] >= '0' && k->map[1] <= '9' && k->map[2] == '\0'
			? LOOM_OK : fail(r, path, "expected \"@\" and one digit, for a number");
	}
	if (k->map[0] == '~') {
		return loom_field_type(k->field) == LOOM_FIELD_BOOL && k->map[1] ? LOOM_OK : fail(r, path, "\"~word\" gives true or false");
	}
	if (k->map[0] == '+' || k->map[0] == '/') {
		const char *p = k->map + (k->map[0] == '/' ? 2 : 0);
		bool divides = k->map[0] != '/' || (k->map[1] >= '1' && k->map[1] <= '9');
		bool adds = *p == '\0' || (*p == '+' && p[1] >= '0' && p[1] <= '9' && p[2] == '\0');
		return divides && adds && loom_field_type(k->field) <= LOOM_FIELD_LONG
			? LOOM_OK : fail(r, path, "expected \"/2\", \"+1\" or \"/2+1\" with one digit each, for an integer");
	}
	for (const char *p = k->map; p; p = loom_words_next(p)) {
		size_t n = loom_word_len(p), eq = strcspn(p, "=");
		if (n == 1 && *p == '*') {
			continue;
		}
		if (eq >= n || n - eq > sizeof(value)) {
			return fail(r, path, "expected \"config's value=field's value\", \"|\" between");
		}
		(void)snprintf(value, sizeof(value), "%.*s", (int)(n - eq - 1), p + eq + 1);
		if (!loom_field_text_ok(k->field, value)) {
			return fail(r, path, "\"%s\" is no value of %s", value, loom_field_name(k->field));
		}
	}
	return LOOM_OK;
}

static enum loom_status read_key(const struct reader *r, const json_t *v, const char *path, struct loom_key *k)
{
	static const char *const names[] = {"field", "keys", "value", "map", "when", NULL};
	const char *field;
	enum loom_status rc = only(r, v, path, names);

	rc = rc ? rc : text_of(r, json_object_get(v, "field"), path, &field);
	if (rc) {
		return rc;
	}
	k->field = field ? loom_field_find(field) : LOOM_N_FIELD;
	if (k->field == LOOM_N_FIELD) {
		return fail(r, path, "\"%.60s\" is no field", field ? field : "");
	}
	if ((rc = list_of(r, json_object_get(v, "keys"), path, &k->keys)) || (rc = text_of(r, json_object_get(v, "value"), path, &k->value)) ||
		(rc = text_of(r, json_object_get(v, "map"), path, &k->map)) || (rc = text_of(r, json_object_get(v, "when"), path, &k->when))) {
		return rc;
	}
	if (!k->keys && !k->value) {
		return fail(r, path, "neither \"keys\" nor \"value\" is there: nothing says what %s is", field);
	}
	if (k->value && !loom_field_text_ok(k->field, k->value)) {
		return fail(r, path, "\"%.60s\" is no value of %s", k->value, field);
	}
	return check_map(r, k, path);
}

static enum loom_status read_keys(const struct reader *r, const json_t *root, struct loom_family *f)
{
	static const enum loom_field needed[] = {LOOM_F_N_LAYER, LOOM_F_N_EMBD, LOOM_F_N_HEAD, LOOM_F_N_VOCAB};
	const json_t *list = json_object_get(root, "config");
	struct loom_key *keys;
	char path[64];
	size_t n;
	enum loom_status rc = rows(r, list, "config", sizeof(*keys), &n, &keys);

	for (size_t i = 0; rc == LOOM_OK && i < n; i++) {
		(void)snprintf(path, sizeof(path), "config[%zu]", i);
		rc = read_key(r, json_array_get(list, i), path, &keys[i]);
	}
	for (size_t k = 0; rc == LOOM_OK && k < sizeof(needed) / sizeof(needed[0]); k++) {
		size_t i = 0;
		while (i < n && keys[i].field != needed[k]) {
			i++;
		}
		if (i == n) {
			rc = fail(r, "config", "no row for %s, which every model needs", loom_field_name(needed[k]));
		}
	}
	f->keys = keys;
	return rc;
}

static enum loom_status read_bits(const struct reader *r, const json_t *v, const char *path, uint32_t *out)
{
	*out = 0;
	if (!v) {
		return LOOM_OK;
	}
	if (!json_is_array(v)) {
		return fail(r, path, "expected a list of texts");
	}
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *word = json_string_value(json_array_get(v, i));
		uint32_t bit = word ? loom_layer_bit_find(word) : 0;
		if (!bit) {
			return fail(r, path, "\"%.60s\" is nothing that a layer can have", word ? word : "");
		}
		*out |= bit;
	}
	return LOOM_OK;
}

static enum loom_status read_layer(const struct reader *r, const json_t *v, const char *path, struct loom_layer_rule *l)
{
	static const char *const names[] = {"bits", "test", "not", "keys", "word", "value", "when", NULL};
	const char *test;
	json_t *parsed;
	enum loom_status rc = only(r, v, path, names);

	if (rc || (rc = read_bits(r, json_object_get(v, "bits"), path, &l->bits)) || (rc = text_of(r, json_object_get(v, "test"), path, &test)) ||
		(rc = flag_of(r, json_object_get(v, "not"), path, &l->negate)) || (rc = list_of(r, json_object_get(v, "keys"), path, &l->key)) ||
		(rc = text_of(r, json_object_get(v, "word"), path, &l->word)) || (rc = text_of(r, json_object_get(v, "value"), path, &l->value)) ||
		(rc = text_of(r, json_object_get(v, "when"), path, &l->when))) {
		return rc;
	}
	l->test = test ? loom_layer_test_find(test) : LOOM_TEST_END;
	if (l->test == LOOM_TEST_END || !l->bits) {
		return fail(r, path, l->bits ? "\"%.60s\" is no test" : "\"bits\" is missing", test ? test : "");
	}
	if ((l->test == LOOM_TEST_WORD || l->test == LOOM_TEST_IS || l->test == LOOM_TEST_PERIOD) && !l->word) {
		return fail(r, path, "the test \"%s\" needs a \"word\"", test);
	}
	if (!l->key && !l->value) {
		return fail(r, path, "neither \"keys\" nor \"value\" is there: nothing to test");
	}
	if (l->value) {
		parsed = json_loads(l->value, JSON_DECODE_ANY, NULL);
		bool ok = l->test == LOOM_TEST_FLAG ? json_is_boolean(parsed) : json_is_integer(parsed) && json_integer_value(parsed) >= 0;
		json_decref(parsed);
		if (!ok) {
			return fail(r, path, "\"value\": expected %s", l->test == LOOM_TEST_FLAG ? "true or false" : "an integer from 0");
		}
	}
	return LOOM_OK;
}

static enum loom_status read_layers(const struct reader *r, const json_t *root, struct loom_family *f)
{
	const json_t *list = json_object_get(root, "layers");
	struct loom_layer_rule *rules;
	char path[64];
	size_t n;
	enum loom_status rc;

	if (!list) {
		return LOOM_OK;
	}
	rc = rows(r, list, "layers", sizeof(*rules), &n, &rules);
	for (size_t i = 0; rc == LOOM_OK && i < n; i++) {
		(void)snprintf(path, sizeof(path), "layers[%zu]", i);
		rc = read_layer(r, json_array_get(list, i), path, &rules[i]);
	}
	f->layers = rules;
	return rc;
}

static enum loom_status read_rules(const struct reader *r, const json_t *root, struct loom_family *f)
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
	if (!json_is_object(obj) || json_object_size(obj) > MAX_ROWS) {
		return fail(r, "rules", "expected an object of at most %d members", MAX_ROWS);
	}
	rules = loom_arena_alloc(r->arena, json_object_size(obj) + 1, sizeof(*rules));
	if (!rules) {
		return no_memory(r);
	}
	json_object_foreach((json_t *)obj, key, v)
	{
		(void)snprintf(path, sizeof(path), "rules.%.100s", key);
		rules[n].key = loom_arena_strdup(r->arena, key);
		rc = rc ? rc : list_of(r, v, path, &rules[n].values);
		if (rc == LOOM_OK && !rules[n].key) {
			rc = no_memory(r);
		}
		n++;
	}
	f->rules = rules;
	return rc;
}

/* Names hold "%" only as "%d" and "%h". */
static bool name_ok(const char *names)
{
	for (const char *p = names; names && (p = strchr(p, '%')) != NULL; p += 2) {
		if (p[1] != 'd' && p[1] != 'h') {
			return false;
		}
	}
	return true;
}

static enum loom_status read_roles(const struct reader *r, const json_t *root, struct loom_family *f)
{
	static const char *const names[] = {"safetensors", "gguf", NULL};
	const json_t *obj = json_object_get(root, "weights"), *v;
	const char *key;
	char path[128];

	if (!json_is_object(obj)) {
		return fail(r, "weights", "expected an object");
	}
	json_object_foreach((json_t *)obj, key, v)
	{
		enum loom_role role = loom_role_find(key);
		enum loom_status rc;
		(void)snprintf(path, sizeof(path), "weights.%.100s", key);
		if (role == LOOM_N_ROLE) {
			return fail(r, path, "there is no weight of this name");
		}
		if (json_is_string(v) || json_is_array(v)) {
			rc = list_of(r, v, path, &f->roles[role].hf);
		} else {
			rc = only(r, v, path, names);
			rc = rc ? rc : list_of(r, json_object_get(v, "safetensors"), path, &f->roles[role].hf);
			rc = rc ? rc : list_of(r, json_object_get(v, "gguf"), path, &f->roles[role].gguf);
		}
		if (rc) {
			return rc;
		}
		if (!name_ok(f->roles[role].hf) || !name_ok(f->roles[role].gguf)) {
			return fail(r, path, "\"%%\" in a name is \"%%d\" for the layer or \"%%h\" for the head");
		}
	}
	return f->roles[LOOM_ROLE_EMBED_TOKEN].hf ? LOOM_OK : fail(r, "weights", "no name for embed_tokens, which every model needs");
}

/* The next word of a step; NULL at the end. */
static const char *next_word(const char **p, char out[64])
{
	size_t n;

	*p += strspn(*p, " ");
	n = strcspn(*p, " ");
	if (n == 0 || n >= 64) {
		return NULL;
	}
	memcpy(out, *p, n);
	out[n] = '\0';
	*p += n;
	return out;
}

static enum loom_slot slot_find(const char *word)
{
	for (int i = 0; word && i < LOOM_N_SLOT; i++) {
		if (loom_str_eq(loom_slot_name((enum loom_slot)i), word)) {
			return (enum loom_slot)i;
		}
	}
	return LOOM_SLOT_NONE;
}

/* "norm attn_norm resid x" */
static enum loom_status read_step(const struct reader *r, const char *text, const char *path, struct loom_step *s)
{
	char word[64];
	const char *p = text, *w = next_word(&p, word);

	*s = (struct loom_step){.a = LOOM_SLOT_NONE, .b = LOOM_SLOT_NONE, .out = LOOM_SLOT_NONE};
	for (int k = LOOM_STEP_END + 1; w && k < LOOM_N_STEP; k++) {
		s->kind = loom_str_eq(loom_step_name((enum loom_step_kind)k), w) ? (enum loom_step_kind)k : s->kind;
	}
	if (s->kind == LOOM_STEP_END) {
		return fail(r, path, "\"%.60s\" is no step", w ? w : "");
	}
	for (const char *o = loom_step_operands(s->kind); *o; o++) {
		enum loom_slot *slot = *o == 'a' ? &s->a : *o == 'b' ? &s->b : &s->out;
		w = next_word(&p, word);
		if (*o == 'r') {
			s->role = w ? loom_role_find(w) : LOOM_N_ROLE;
			if (s->role == LOOM_N_ROLE) {
				return fail(r, path, "\"%.60s\" is no weight", w ? w : "");
			}
		} else if (*o == 's') {
			int site = w ? loom_site_parse(w) : -1;
			if (site < 0) {
				return fail(r, path, "\"%.60s\" is no site", w ? w : "");
			}
			s->site = (enum loom_site)site;
		} else if (w) {
			*slot = slot_find(w);
			if (*slot == LOOM_SLOT_NONE) {
				return fail(r, path, "\"%.60s\" is no buffer", w);
			}
		} else if (s->kind != LOOM_STEP_TAP) {
			return fail(r, path, "%s needs more words", loom_step_name(s->kind));
		}
	}
	return next_word(&p, word) ? fail(r, path, "\"%.60s\" is one word too many", word) : LOOM_OK;
}

static enum loom_status read_block(const struct reader *r, const json_t *v, const char *path, struct loom_block_choice *choice)
{
	static const char *const names[] = {"name", "bits", "steps", NULL};
	struct loom_block *block = loom_arena_alloc(r->arena, 1, sizeof(*block));
	const json_t *list = json_object_get(v, "steps");
	struct loom_step *steps;
	size_t n = json_array_size(list), at;
	char full[128];
	const char *fault;
	enum loom_status rc = block ? only(r, v, path, names) : no_memory(r);

	if (rc || (rc = text_of(r, json_object_get(v, "name"), path, &block->name)) ||
		(rc = read_bits(r, json_object_get(v, "bits"), path, &choice->bits))) {
		return rc;
	}
	if (!block->name || n == 0 || n > MAX_STEPS) {
		return fail(r, path, "expected a \"name\" and 1 to %d \"steps\"", MAX_STEPS);
	}
	steps = loom_arena_alloc(r->arena, n + 1, sizeof(*steps));
	if (!steps) {
		return no_memory(r);
	}
	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		(void)snprintf(full, sizeof(full), "%s.steps[%zu]", path, i);
		rc = text ? read_step(r, text, full, &steps[i]) : fail(r, full, "expected a text");
	}
	block->steps = steps;
	choice->block = block;
	if (rc == LOOM_OK && (fault = loom_block_fault(block, &at)) != NULL) {
		(void)snprintf(full, sizeof(full), "%s.steps[%zu]", path, at);
		return fail(r, full, "\"%.60s\": %s", json_string_value(json_array_get(list, at)), fault);
	}
	return rc;
}

static enum loom_status read_blocks(const struct reader *r, const json_t *root, struct loom_family *f)
{
	const json_t *list = json_object_get(root, "blocks");
	struct loom_block_choice *blocks;
	char path[64];
	size_t n;
	enum loom_status rc = rows(r, list, "blocks", sizeof(*blocks), &n, &blocks);

	for (size_t i = 0; rc == LOOM_OK && i < n; i++) {
		(void)snprintf(path, sizeof(path), "blocks[%zu]", i);
		rc = read_block(r, json_array_get(list, i), path, &blocks[i]);
	}
	f->blocks = blocks;
	return rc;
}

static enum loom_status read_names(const struct reader *r, const json_t *root, struct loom_family *f)
{
	static const char *const gguf_names[] = {"architecture", "permuted", NULL};
	const json_t *version = json_object_get(root, "loom"), *gguf = json_object_get(root, "gguf");
	enum loom_status rc;

	if (!json_is_integer(version) || json_integer_value(version) != LOOM_MANIFEST_VERSION) {
		return fail(r, "loom", "expected %d, the version of manifests that this program reads", LOOM_MANIFEST_VERSION);
	}
	if ((rc = text_of(r, json_object_get(root, "name"), "name", &f->name)) ||
		(rc = list_of(r, json_object_get(root, "model_type"), "model_type", &f->types)) ||
		(rc = list_of(r, json_object_get(root, "architectures"), "architectures", &f->architectures)) ||
		(rc = list_of(r, json_object_get(root, "prefixes"), "prefixes", &f->prefixes)) ||
		(rc = list_of(r, json_object_get(root, "ignored"), "ignored", &f->ignored)) ||
		(rc = text_of(r, json_object_get(root, "adapters"), "adapters", &f->adapters)) ||
		(rc = text_of(r, json_object_get(root, "adapter_prompts"), "adapter_prompts", &f->adapter_prompts))) {
		return rc;
	}
	f->name = f->name ? f->name : "custom";
	f->types = f->types ? f->types : f->name;
	f->architectures = f->architectures ? f->architectures : "CustomForCausalLM";
	f->prefixes = f->prefixes ? f->prefixes : "";
	if (gguf) {
		rc = only(r, gguf, "gguf", gguf_names);
		rc = rc ? rc : text_of(r, json_object_get(gguf, "architecture"), "gguf.architecture", &f->gguf);
		rc = rc ? rc : flag_of(r, json_object_get(gguf, "permuted"), "gguf.permuted", &f->gguf_permuted);
	}
	return rc;
}

static enum loom_status read_rope(const struct reader *r, const json_t *root, struct loom_family *f)
{
	const json_t *rope = json_object_get(root, "rope");
	json_free_t release;
	char *text;

	if (!rope) {
		return LOOM_OK;
	}
	if (!json_is_object(rope)) {
		return fail(r, "rope", "expected an object, as rope_parameters");
	}
	text = json_dumps(rope, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
	f->rope = text ? loom_arena_strdup(r->arena, text) : NULL;
	json_get_alloc_funcs(NULL, &release);
	if (text) {
		release(text);
	}
	return f->rope ? LOOM_OK : no_memory(r);
}

enum loom_status loom_manifest_read(const char *text, size_t n, const char *where, struct loom_arena *arena, const struct loom_family **out,
	struct loom_err *err)
{
	static const char *const names[] = {"loom", "name", "model_type", "architectures", "prefixes", "config", "layers", "rules", "ignored", "adapters",
		"adapter_prompts", "rope", "weights", "blocks", "gguf", NULL};
	const struct reader r = {text, where, n, arena, err};
	struct loom_family *f = loom_arena_alloc(arena, 1, sizeof(*f));
	json_t *root = NULL;
	enum loom_status rc = f ? loom_json_parse(text, n, where, LOOM_E_MODEL, &root, err) : loom_err_nomem(err, "manifest", sizeof(*f));

	rc = rc ? rc : only(&r, root, "", names);
	rc = rc ? rc : read_names(&r, root, f);
	rc = rc ? rc : read_keys(&r, root, f);
	rc = rc ? rc : read_layers(&r, root, f);
	rc = rc ? rc : read_rules(&r, root, f);
	rc = rc ? rc : read_rope(&r, root, f);
	rc = rc ? rc : read_roles(&r, root, f);
	rc = rc ? rc : read_blocks(&r, root, f);
	json_decref(root);
	*out = rc == LOOM_OK ? f : NULL;
	return rc;
}
