/* input_fields.c: bodies by table. See input_fields.h. */
#include "input_fields.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "jsonx.h"
#include "str.h"

#define MAX_FIELDS 64

static const struct loom_json_ctx body = {"", LOOM_E_INVALID};

enum loom_status loom_input_wrong(const char *name, const char *expected, const json_t *found, struct loom_err *err)
{
	char shown[64];

	if (!found) {
		return loom_err_param(err, LOOM_E_INVALID, name, "%s: required: expected %s", name, expected);
	}
	loom_json_show(found, shown, sizeof(shown));
	return loom_err_param(err, LOOM_E_INVALID, name, "%s: expected %s, found %s", name, expected, shown);
}

enum loom_status loom_check_fields(const json_t *root, const char *const *fields, struct loom_err *err)
{
	const char *key, *near;
	json_t *value;

	if (!json_is_object(root)) {
		char shown[64];
		loom_json_show(root, shown, sizeof(shown));
		return loom_err_set(err, LOOM_E_INVALID, "body: expected a JSON object, found %s", shown);
	}
	json_object_foreach((json_t *)(uintptr_t)root, key, value) {
		const char *const *f = fields;
		while (*f && strcmp(*f, key) != 0) {
			f++;
		}
		if (!*f) {
			near = loom_str_nearest(key, fields);
			return loom_err_param(err, LOOM_E_INVALID, key, "unknown field \"%.60s\"%s%s%s", key, near ? " (did you mean \"" : "",
				near ? near : "", near ? "\"?)" : "");
		}
	}
	return LOOM_OK;
}

/* "a", "b" or "c" */
static void list_words(const struct loom_input_word *w, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (; w->name && n + 1 < cap; w++) {
		n += loom_str_copy(out + n, cap - n, n == 0 ? "\"" : w[1].name ? ", \"" : " or \"");
		n += loom_str_copy(out + n, cap - n, w->name);
		n += loom_str_copy(out + n, cap - n, "\"");
	}
}

static enum loom_status parse_word(const struct loom_input_field *f, int *out, const json_t *v, struct loom_err *err)
{
	char expected[400];

	for (const struct loom_input_word *w = f->words; w->name; w++) {
		if (json_is_string(v) && loom_str_eq(json_string_value(v), w->name) && json_string_length(v) == strlen(w->name)) {
			*out = w->value;
			return LOOM_OK;
		}
	}
	list_words(f->words, expected, sizeof(expected));
	return loom_input_wrong(f->name, expected, v, err);
}

static const char *expected_of(const struct loom_input_field *f)
{
	static const char *const kinds[] = {[LOOM_INPUT_BOOL] = "true or false", [LOOM_INPUT_INT] = "an integer", [LOOM_INPUT_NUM] = "a number",
		[LOOM_INPUT_STR] = "a string", [LOOM_INPUT_WORD] = "a word"};

	return f->kind == LOOM_INPUT_OTHER ? f->expected : kinds[f->kind];
}

static enum loom_status parse_one(const struct loom_input_field *f, void *target, const json_t *root, struct loom_err *err)
{
	const json_t *v = json_object_get(root, f->name);
	char *at = (char *)target + f->offset;
	enum loom_status rc;

	if (!v || json_is_null(v)) {
		return f->required ? loom_input_wrong(f->name, expected_of(f), NULL, err) : LOOM_OK;
	}
	switch (f->kind) {
	case LOOM_INPUT_BOOL:
		return loom_json_bool(&body, root, f->name, (bool *)(void *)at, err);
	case LOOM_INPUT_INT:
		return loom_json_int(&body, root, f->name, f->min <= -0x1p63 ? INT64_MIN : (int64_t)f->min,
			f->max >= 0x1p63 ? INT64_MAX : (int64_t)f->max, (int64_t *)(void *)at, err);
	case LOOM_INPUT_NUM:
		rc = loom_json_num(&body, root, f->name, f->min, f->max, (double *)(void *)at, err);
		if (rc == LOOM_OK && f->above && *(double *)(void *)at <= f->min) {
			char expected[80];
			(void)snprintf(expected, sizeof(expected), "a number above %.9g and at most %.9g", f->min, f->max);
			rc = loom_input_wrong(f->name, expected, v, err);
		}
		return rc;
	case LOOM_INPUT_STR:
		if (!json_is_string(v)) {
			return loom_input_wrong(f->name, "a string", v, err);
		}
		return loom_json_str(&body, root, f->name, (const char **)(void *)at, err);
	case LOOM_INPUT_WORD:
		return parse_word(f, (int *)(void *)at, v, err);
	case LOOM_INPUT_OTHER:
		break;
	}
	return f->parse(target, f->name, v, err);
}

enum loom_status loom_input_parse(const struct loom_input_field *const *tables, void *target, const json_t *root, bool strict, struct loom_err *err)
{
	const char *names[MAX_FIELDS + 1];
	size_t n = 0;
	enum loom_status rc;

	for (const struct loom_input_field *const *t = tables; *t; t++) {
		for (const struct loom_input_field *f = *t; f->name && n < MAX_FIELDS; f++) {
			names[n++] = f->name;
		}
	}
	names[n] = NULL;
	if ((strict || !json_is_object(root)) && (rc = loom_check_fields(root, names, err))) {
		return rc;
	}
	for (const struct loom_input_field *const *t = tables; *t; t++) {
		for (const struct loom_input_field *f = *t; f->name; f++) {
			if ((rc = parse_one(f, target, root, err))) {
				return rc;
			}
		}
	}
	return LOOM_OK;
}

/* ---- as a schema ---- */

static void raw(struct loom_json_out *j, const char *key, const char *json)
{
	loom_json_key(j, key);
	loom_json_raw(j);
	(void)loom_buf_puts(j->b, json);
}

static void put_type(const struct loom_input_field *f, struct loom_json_out *j)
{
	static const char *const types[] = {[LOOM_INPUT_BOOL] = "boolean", [LOOM_INPUT_INT] = "integer", [LOOM_INPUT_NUM] = "number",
		[LOOM_INPUT_STR] = "string", [LOOM_INPUT_WORD] = "string"};

	loom_json_key(j, "type");
	if (f->required) {
		loom_json_put_str(j, types[f->kind]);
		return;
	}
	loom_json_open(j, '[');
	loom_json_put_str(j, types[f->kind]);
	loom_json_put_str(j, "null");
	loom_json_close(j, ']');
}

static void put_range(const struct loom_input_field *f, struct loom_json_out *j)
{
	bool whole = f->kind == LOOM_INPUT_INT;

	if (f->min > -0x1p53) {
		loom_json_key(j, f->above ? "exclusiveMinimum" : "minimum");
		if (whole) {
			loom_json_put_int(j, (int64_t)f->min);
		} else {
			loom_json_put_num(j, f->min);
		}
	}
	if (f->max < 0x1p53) {
		loom_json_key(j, "maximum");
		if (whole) {
			loom_json_put_int(j, (int64_t)f->max);
		} else {
			loom_json_put_num(j, f->max);
		}
	}
}

static void put_words(const struct loom_input_field *f, struct loom_json_out *j)
{
	loom_json_key(j, "enum");
	loom_json_open(j, '[');
	for (const struct loom_input_word *w = f->words; w->name; w++) {
		loom_json_put_str(j, w->name);
	}
	if (!f->required) {
		loom_json_put_null(j);
	}
	loom_json_close(j, ']');
}

static void put_field(const struct loom_input_field *f, struct loom_json_out *j)
{
	loom_json_key(j, f->name);
	loom_json_open(j, '{');
	loom_json_key(j, "description");
	loom_json_put_str(j, f->help);
	if (f->kind == LOOM_INPUT_OTHER) {
		raw(j, f->required ? "allOf" : "anyOf", "[");
		(void)loom_buf_puts(j->b, f->schema);
		(void)loom_buf_puts(j->b, f->required ? "]" : ",{\"type\":\"null\"}]");
	} else {
		put_type(f, j);
	}
	if (f->kind == LOOM_INPUT_INT || f->kind == LOOM_INPUT_NUM) {
		put_range(f, j);
	} else if (f->kind == LOOM_INPUT_WORD) {
		put_words(f, j);
	}
	if (f->fallback) {
		raw(j, "default", f->fallback);
	}
	loom_json_close(j, '}');
}

void loom_input_schema(const struct loom_input_field *const *tables, bool strict, struct loom_json_out *j)
{
	loom_json_open(j, '{');
	loom_json_key(j, "type");
	loom_json_put_str(j, "object");
	loom_json_key(j, "properties");
	loom_json_open(j, '{');
	for (const struct loom_input_field *const *t = tables; *t; t++) {
		for (const struct loom_input_field *f = *t; f->name; f++) {
			put_field(f, j);
		}
	}
	loom_json_close(j, '}');
	loom_json_key(j, "required");
	loom_json_open(j, '[');
	for (const struct loom_input_field *const *t = tables; *t; t++) {
		for (const struct loom_input_field *f = *t; f->name; f++) {
			if (f->required) {
				loom_json_put_str(j, f->name);
			}
		}
	}
	loom_json_close(j, ']');
	loom_json_key(j, "additionalProperties");
	loom_json_put_bool(j, !strict);
	loom_json_close(j, '}');
}
