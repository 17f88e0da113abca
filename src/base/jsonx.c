/* jsonx.c: strict JSON through jansson. See jsonx.h. */
#include "jsonx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "file.h"
#include "mem.h"
#include "str.h"

/* jansson 2.14's lexer does not look whether the buffer of its token could grow (lex_save), and then reads and writes past it. So a
 * parse begins with a reserve for that buffer: when memory runs out, its requests (powers of two) come from there, everything else
 * fails, which jansson handles, and the parse is an error whatever came of it. */
static _Thread_local struct {
	bool starved;
	char *data;
	size_t used, cap;
} reserve;

static void *json_memory(size_t n)
{
	void *p = loom_malloc(n);
	if (p)
		return p;
	reserve.starved = true;
	if (n < 32 || (n & (n - 1)) != 0 || n > reserve.cap - reserve.used)
		return NULL;
	p = reserve.data + reserve.used;
	reserve.used += n;
	return p;
}

static void json_release(void *p)
{
	bool ours = reserve.data && (uintptr_t)p - (uintptr_t)reserve.data < reserve.cap;
	if (!ours)
		loom_free(p);
}

void loom_json_setup(void)
{
	json_set_alloc_funcs(json_memory, json_release);
}

/* json_loadb with the reserve. token: the longest token's bytes. */
static json_t *load_text(const char *text, size_t n, size_t token, size_t flags, json_error_t *e, bool *starved)
{
	memset(&reserve, 0, sizeof reserve);
	memset(e, 0, sizeof *e);
	*starved = false;
	if (!loom_mul(token + 2, 4, &reserve.cap) || !loom_add(reserve.cap, 4096, &reserve.cap) ||
		!(reserve.data = loom_malloc(reserve.cap))) {
		*starved = true;
		return NULL;
	}
	json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | flags, e);
	*starved = reserve.starved;
	if (*starved) { /* even a value that came back may lack a part */
		json_decref(v);
		v = NULL;
	}
	loom_free(reserve.data);
	memset(&reserve, 0, sizeof reserve);
	return v;
}

/* Deepest nesting of brackets outside strings (jansson's own limit is far above ours), and the longest token. */
static int depth_of(const char *text, size_t n, size_t *token)
{
	int depth = 0, deepest = 0;
	bool in_string = false;
	size_t start = 0; /* of the token, or of what may be one */
	*token = 0;
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		bool ends = true;
		if (in_string) {
			if (c == '\\')
				i++;
			ends = c == '"';
			in_string = !ends;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > deepest)
				deepest = depth;
		} else if (c == '}' || c == ']') {
			depth--;
		} else {
			ends = c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\t' || c == '\r';
		}
		if (ends || i + 1 >= n) {
			*token = i + 1 - start > *token ? i + 1 - start : *token;
			start = i;
		}
	}
	return deepest;
}

enum loom_status loom_json_parse(const char *text, size_t n, const char *where, enum loom_status bad, json_t **out,
	struct loom_err *err)
{
	json_error_t e;
	const char *sep = *where ? ": " : "";
	size_t valid = loom_utf8_valid_prefix(text, n);
	if (valid < n)
		return loom_err_set(err, bad, "%s%sinvalid UTF-8 at byte %zu", where, sep, valid);
	const char *nul = n ? memchr(text, 0, n) : NULL; /* jansson takes one behind a number for white space */
	if (nul)
		return loom_err_set(err, bad, "%s%snot valid JSON: NUL at byte %zu", where, sep, (size_t)(nul - text));
	bool starved;
	size_t token;
	int depth = depth_of(text, n, &token);
	if (depth > LOOM_MAX_JSON_DEPTH)
		return loom_err_set(err, bad, "%s%sJSON nested %d deep; at most %d", where, sep, depth, LOOM_MAX_JSON_DEPTH);
	*out = load_text(text, n, token, 0, &e, &starved);
	/* Integers beyond int64 (tokenizer_config.json's "no limit" is 1000000000000000019884624838656): all numbers as doubles. */
	if (!*out && !starved && json_error_code(&e) == json_error_numeric_overflow)
		*out = load_text(text, n, token, JSON_DECODE_INT_AS_REAL, &e, &starved);
	if (*out)
		return LOOM_OK;
	if (starved)
		return loom_err_nomem(err, *where ? where : "JSON", n);
	return loom_err_set(err, bad, "%s%snot valid JSON: %s (line %d, column %d)", where, sep, e.text, e.line, e.column);
}

/* Python writes infinite floats as Infinity, which is no JSON: outside of strings they become 1e308. Was there any? */
static bool finite_floats(char *text, size_t n)
{
	static const char word[] = "Infinity", number[] = "1e308   ";
	bool in_string = false, any = false;

	for (size_t i = 0; i < n; i++) {
		if (in_string && text[i] == '\\') {
			i++;
		} else if (text[i] == '"') {
			in_string = !in_string;
		} else if (!in_string && n - i >= sizeof word - 1 && memcmp(text + i, word, sizeof word - 1) == 0) {
			memcpy(text + i, number, sizeof word - 1);
			any = true;
		}
	}
	return any;
}

enum loom_status loom_json_load(const char *path, const char *where, size_t max, json_t **out, struct loom_err *err)
{
	char *text = NULL;
	size_t n = 0;
	enum loom_status rc = loom_file_slurp(path, where, max, &text, &n, err);
	if (rc)
		return rc;
	rc = loom_json_parse(text, n, where, LOOM_E_MODEL, out, err);
	if (rc && finite_floats(text, n))
		rc = loom_json_parse(text, n, where, LOOM_E_MODEL, out, err);
	loom_free(text);
	return rc;
}

void loom_json_show(const json_t *v, char *out, size_t cap)
{
	switch (json_typeof(v)) {
	case JSON_STRING: {
		char text[41];
		loom_str_copy(text, sizeof text, json_string_value(v));
		snprintf(out, cap, "\"%s\"%s", text, strlen(text) < json_string_length(v) ? "…" : "");
		break;
	}
	case JSON_INTEGER:
		snprintf(out, cap, "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		snprintf(out, cap, "%.9g", json_real_value(v));
		break;
	default: {
		static const char *const words[] = {[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_TRUE] = "true",
			[JSON_FALSE] = "false", [JSON_NULL] = "null"};
		snprintf(out, cap, "%s", words[json_typeof(v)]);
	}
	}
}

/* "where: key: expected …, found …" with the key as param. */
static enum loom_status wrong(const struct loom_json_ctx *c, const char *key, const json_t *v, const char *expected, struct loom_err *err)
{
	char found[64];
	loom_json_show(v, found, sizeof found);
	return loom_err_param(err, c->bad, key, "%s%s%s: expected %s, found %s", c->where, *c->where ? ": " : "", key, expected, found);
}

/* The member, or NULL when absent or null. */
static const json_t *member(const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);
	return v && !json_is_null(v) ? v : NULL;
}

/* Integers, and reals that are one (1e3, or any number of a text with integers beyond int64). */
static bool whole(const json_t *v, int64_t *out)
{
	double x = json_is_real(v) ? json_real_value(v) : NAN;
	if (json_is_integer(v))
		*out = json_integer_value(v);
	else if (x >= -9007199254740992.0 && x <= 9007199254740992.0 && x == floor(x))
		*out = (int64_t)x;
	else
		return false;
	return true;
}

enum loom_status loom_json_int(const struct loom_json_ctx *c, const json_t *obj, const char *key, int64_t min, int64_t max,
	int64_t *out, struct loom_err *err)
{
	const json_t *v = member(obj, key);
	if (!v)
		return LOOM_OK;
	int64_t n;
	if (!whole(v, &n) || n < min || n > max) {
		char expected[96];
		snprintf(expected, sizeof expected, "an integer %lld..%lld", (long long)min, (long long)max);
		return wrong(c, key, v, expected, err);
	}
	*out = n;
	return LOOM_OK;
}

enum loom_status loom_json_num(const struct loom_json_ctx *c, const json_t *obj, const char *key, double min, double max,
	double *out, struct loom_err *err)
{
	const json_t *v = member(obj, key);
	if (!v)
		return LOOM_OK;
	double x = json_is_number(v) ? json_number_value(v) : NAN;
	if (!(x >= min && x <= max)) {
		char expected[96];
		snprintf(expected, sizeof expected, "a number %.9g..%.9g", min, max);
		return wrong(c, key, v, expected, err);
	}
	*out = x;
	return LOOM_OK;
}

enum loom_status loom_json_bool(const struct loom_json_ctx *c, const json_t *obj, const char *key, bool *out, struct loom_err *err)
{
	const json_t *v = member(obj, key);
	if (!v)
		return LOOM_OK;
	if (!json_is_boolean(v))
		return wrong(c, key, v, "true or false", err);
	*out = json_is_true(v);
	return LOOM_OK;
}

enum loom_status loom_json_str(const struct loom_json_ctx *c, const json_t *obj, const char *key, const char **out, struct loom_err *err)
{
	const json_t *v = member(obj, key);
	if (!v)
		return LOOM_OK;
	if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
		return wrong(c, key, v, "a string without NUL", err);
	*out = json_string_value(v);
	return LOOM_OK;
}
