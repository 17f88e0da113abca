/* manifest_values.c: texts, lists and flags of a manifest, and its lists of rows. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jsonline.h"
#include "manifest_internal.h"
#include "str.h"

enum loom_status loom_manifest_fail(const struct loom_manifest_reader *r, const char *path, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return loom_err_set(r->err, LOOM_E_MODEL, "%s:%d: %s%s%s", r->where, loom_json_line(r->text, r->n, path), path, *path ? ": " : "", what);
}

enum loom_status loom_manifest_no_memory(const struct loom_manifest_reader *r)
{
	return loom_err_nomem(r->err, "manifest", r->n);
}

enum loom_status loom_manifest_only(const struct loom_manifest_reader *r, const json_t *obj, const char *path, const char *const *names)
{
	const char *key;
	const json_t *v;
	char full[256];

	if (!json_is_object(obj)) {
		return loom_manifest_fail(r, path, "expected an object");
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
			return loom_manifest_fail(r, full, "there is no such member%s%s%s", near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		}
	}
	return LOOM_OK;
}

enum loom_status loom_manifest_text(const struct loom_manifest_reader *r, const json_t *v, const char *path, const char **out)
{
	char number[40];
	const char *s = number;

	*out = NULL;
	if (!v) {
		return LOOM_OK;
	}
	if (json_is_string(v)) {
		s = json_string_value(v);
		if (strlen(s) != json_string_length(v) || strlen(s) > LOOM_MANIFEST_TEXT) {
			return loom_manifest_fail(r, path, "the text holds a NUL or is longer than %d bytes", LOOM_MANIFEST_TEXT);
		}
	} else if (json_is_integer(v)) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		(void)snprintf(number, sizeof(number), "%.17g", json_real_value(v));
	} else if (json_is_boolean(v)) {
		s = json_is_true(v) ? "true" : "false";
	} else {
		return loom_manifest_fail(r, path, "expected a text");
	}
	*out = loom_arena_strdup(r->arena, s);
	return *out ? LOOM_OK : loom_manifest_no_memory(r);
}

enum loom_status loom_manifest_list(const struct loom_manifest_reader *r, const json_t *v, const char *path, const char **out)
{
	struct loom_buf all;
	enum loom_status rc = LOOM_OK;
	size_t n = json_array_size(v), bytes = 0;

	if (!json_is_array(v)) {
		return loom_manifest_text(r, v, path, out);
	}
	*out = NULL;
	if (n == 0) {
		return loom_manifest_fail(r, path, "expected at least one entry");
	}
	loom_buf_init(&all, 2 * LOOM_MANIFEST_TEXT);
	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		const char *s = json_string_value(json_array_get(v, i));
		if (!s || strchr(s, '|') || strlen(s) != json_string_length(json_array_get(v, i))) {
			rc = loom_manifest_fail(r, path, "entry %zu: expected a text without \"|\"", i);
		} else {
			bytes += strlen(s) + 1;
			rc = bytes > LOOM_MANIFEST_TEXT ? loom_manifest_fail(r, path, "the entries are longer than %d bytes together", LOOM_MANIFEST_TEXT) : LOOM_OK;
			(void)loom_buf_printf(&all, "%s%s", i ? "|" : "", s);
		}
	}
	if (rc == LOOM_OK) {
		*out = all.failed ? NULL : loom_arena_strdup(r->arena, all.data ? all.data : "");
		rc = *out ? LOOM_OK : loom_manifest_no_memory(r);
	}
	loom_buf_release(&all);
	return rc;
}

enum loom_status loom_manifest_flag(const struct loom_manifest_reader *r, const json_t *v, const char *path, bool *out)
{
	if (v && !json_is_boolean(v)) {
		return loom_manifest_fail(r, path, "expected true or false");
	}
	*out = json_is_true(v);
	return LOOM_OK;
}

enum loom_status loom_manifest_bits(const struct loom_manifest_reader *r, const json_t *v, const char *path, uint32_t *out)
{
	*out = 0;
	if (!v) {
		return LOOM_OK;
	}
	if (!json_is_array(v)) {
		return loom_manifest_fail(r, path, "expected a list of texts");
	}
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *word = json_string_value(json_array_get(v, i));
		uint32_t bit = word ? loom_layer_bit_find(word) : 0;
		if (!bit) {
			return loom_manifest_fail(r, path, "\"%.60s\" is nothing that a layer can have", word ? word : "");
		}
		*out |= bit;
	}
	return LOOM_OK;
}

enum loom_status loom_manifest_each(const struct loom_manifest_reader *r, const json_t *root, const char *member, size_t size,
	enum loom_status (*read)(const struct loom_manifest_reader *r, const json_t *v, const char *path, void *row), size_t *n, void *out)
{
	const json_t *list = json_object_get(root, member);
	char path[64], *row;
	enum loom_status rc = LOOM_OK;

	*n = json_array_size(list);
	if (!json_is_array(list) || *n == 0 || *n > LOOM_MANIFEST_ROWS) {
		return loom_manifest_fail(r, member, "expected a list of 1 to %d entries", LOOM_MANIFEST_ROWS);
	}
	row = loom_arena_alloc(r->arena, *n + 1, size);
	memcpy(out, &row, sizeof(row));
	for (size_t i = 0; row && rc == LOOM_OK && i < *n; i++) {
		(void)snprintf(path, sizeof(path), "%.40s[%zu]", member, i);
		rc = read(r, json_array_get(list, i), path, row + i * size);
	}
	return row ? rc : loom_manifest_no_memory(r);
}
