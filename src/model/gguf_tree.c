/* gguf_tree.c: see gguf_tree.h. */
#include "gguf_tree.h"

#include <math.h>
#include <string.h>

#include "str.h"

#define MOST_NUMBERS 4096
#define MOST_NAME 128

static json_t *number(double v)
{
	return v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *value_of(const struct loom_gguf_value *v)
{
	json_t *list;

	if (v->type == LOOM_GGUF_STRING) {
		return json_stringn(v->str->data, v->str->len);
	}
	if (v->type == LOOM_GGUF_BOOL) {
		return json_boolean(v->num.u != 0);
	}
	if (v->type == LOOM_GGUF_F32 || v->type == LOOM_GGUF_F64) {
		return isfinite(v->num.f) ? json_real(v->num.f) : json_null();
	}
	if (v->type != LOOM_GGUF_ARRAY) {
		bool has_sign = v->type == LOOM_GGUF_I8 || v->type == LOOM_GGUF_I16 || v->type == LOOM_GGUF_I32 || v->type == LOOM_GGUF_I64;
		return has_sign || v->num.u <= INT64_MAX ? json_integer((json_int_t)v->num.i) : json_null();
	}
	list = v->elem_type == LOOM_GGUF_STRING || v->n > MOST_NUMBERS ? NULL : json_array();
	for (uint64_t i = 0; list && i < v->n; i++) {
		double e = loom_gguf_array_num(v, i);
		if (json_array_append_new(list, isfinite(e) ? number(e) : json_null())) {
			json_decref(list);
			return NULL;
		}
	}
	return list ? list : json_null();
}

/* Puts v (stolen) at "a.b.c". Where a shorter key stands in the way, that stays. */
static bool put(json_t *root, const char *key, json_t *v)
{
	char name[MOST_NAME];
	const char *dot;

	while (v && (dot = strchr(key, '.')) != NULL) {
		json_t *inner;
		if ((size_t)(dot - key) >= sizeof(name)) {
			json_decref(v);
			return true;
		}
		memcpy(name, key, (size_t)(dot - key));
		name[dot - key] = '\0';
		inner = json_object_get(root, name);
		if (!inner && (json_object_set_new(root, name, json_object()) || !(inner = json_object_get(root, name)))) {
			json_decref(v);
			return false;
		}
		if (!json_is_object(inner)) {
			json_decref(v);
			return true;
		}
		root = inner;
		key = dot + 1;
	}
	if (!v) {
		return false;
	}
	if (!*key || json_object_get(root, key)) {
		json_decref(v);
		return true;
	}
	return json_object_set_new(root, key, v) == 0;
}

static bool put_stored(json_t *root, const struct loom_store *s)
{
	json_t *stored = json_object(), *later = json_object();
	char name[MOST_NAME];

	if (json_object_set_new(root, "stored", stored) || json_object_set_new(root, "later", later)) {
		return false;
	}
	for (size_t i = 0; i < s->n_tensor; i++) {
		const char *t = s->tensors[i].name;
		size_t n = strlen(t);
		t += loom_str_starts(t, "enc.") ? 4 : 0;
		const char *own = loom_str_starts(t, "blk.") ? strchr(t + 4, '.') : NULL, *end = strrchr(t, '.');
		if (!own || end <= own || (!loom_str_eq(end, ".weight") && !loom_str_eq(end, ".bias")) || (size_t)(end - own) > sizeof(name)) {
			continue;
		}
		n = (size_t)(end - own) - 1;
		memcpy(name, own + 1, n);
		name[n] = '\0';
		for (char *p = name; (p = strchr(p, '.')) != NULL;) {
			*p = '_';
		}
		if (json_object_set_new(stored, name, json_true()) || (!loom_str_starts(t, "blk.0.") && json_object_set_new(later, name, json_true()))) {
			return false;
		}
	}
	return true;
}

json_t *loom_gguf_tree(const struct loom_gguf *g, const struct loom_store *s, const char *arch)
{
	json_t *root = json_object();
	size_t n = strlen(arch);
	bool ok = root && put_stored(root, s) && json_object_set_new(root, arch, json_true()) == 0;

	for (size_t i = 0; ok && i < g->n_value; i++) {
		const struct loom_gguf_value *v = &g->values[i];
		if (strncmp(v->key, arch, n) == 0 && v->key[n] == '.' && loom_utf8_valid(v->key, strlen(v->key)) &&
			(v->type != LOOM_GGUF_STRING || loom_utf8_valid(v->str->data, v->str->len))) {
			ok = put(root, v->key + n + 1, value_of(v));
		}
	}
	if (!ok) {
		json_decref(root);
		return NULL;
	}
	return root;
}
