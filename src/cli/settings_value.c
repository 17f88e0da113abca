/* settings_value.c: from the text of a setting to its value, with one message for what is wrong. See settings.h. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bounds.h"
#include "settings.h"
#include "str.h"

static void join_choices(const char *const *choices, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; choices[i]; i++) {
		n += loom_str_copy(out + n, cap - n, i == 0 ? "" : choices[i + 1] ? ", " : " or ");
		n += loom_str_copy(out + n, cap - n, choices[i]);
	}
}

void loom_setting_expected(const struct loom_setting *t, char *out, size_t cap)
{
	char names[256] = "";

	if (t->choices) {
		join_choices(t->choices, names, sizeof(names));
	}
	switch (t->kind) {
	case LOOM_SET_BOOL:
		(void)loom_str_copy(out, cap, "true or false");
		return;
	case LOOM_SET_INT:
		(void)snprintf(out, cap, "an integer %.0f..%.0f", t->min, t->max);
		return;
	case LOOM_SET_BYTES:
		(void)snprintf(out, cap, "a number of bytes %.0f..%.0f (KiB, MiB, GiB may follow)", t->min, t->max);
		return;
	case LOOM_SET_MODE:
		(void)loom_str_copy(out, cap, "an octal mode such as 0600");
		return;
	case LOOM_SET_NUMBER:
		(void)snprintf(out, cap, "a number %.10g..%.10g", t->min, t->max);
		return;
	case LOOM_SET_CHOICE:
		(void)loom_str_copy(out, cap, names);
		return;
	case LOOM_SET_DEVICE:
		(void)loom_str_copy(out, cap, "cpu or cuda:N");
		return;
	case LOOM_SET_DEVICES:
		(void)snprintf(out, cap, "a list of devices (cpu, cuda:N or N), at most %d", LOOM_MAX_WORDS);
		return;
	case LOOM_SET_LAYERS:
		(void)snprintf(out, cap, "a list of 1..%d layer indices, or all", LOOM_MAX_WORDS);
		return;
	case LOOM_SET_WORDS:
		if (t->choices) {
			(void)snprintf(out, cap, "a list of %s", names);
		} else {
			(void)snprintf(out, cap, "a list of at most %d strings", LOOM_MAX_WORDS);
		}
		return;
	case LOOM_SET_STRING:
	case LOOM_SET_SECRET:
		(void)loom_str_copy(out, cap, "a string");
		return;
	}
}

/* ---- text → value ---- */

/* Decimal, no leading zero (which elsewhere means octal), whole. */
static bool to_int(const char *text, int64_t *out)
{
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;

	if (!isdigit((unsigned char)digits[0]) || (digits[0] == '0' && isdigit((unsigned char)digits[1]))) {
		return false;
	}
	errno = 0;
	*out = strtoll(text, &end, 10);
	return !errno && *end == '\0';
}

static bool to_number(const char *text, double *out)
{
	char *end;

	if (strspn(text, "+-.0123456789eE") != strlen(text)) { /* no hexadecimals, infinities, blanks */
		return false;
	}
	errno = 0;
	*out = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*out);
}

static bool to_bytes(const char *text, int64_t *out)
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
	char number[32];
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n >= sizeof(number)) {
		return false;
	}
	(void)loom_str_copy(number, n + 1, text);
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		int64_t v;
		if (strcasecmp(text + n + strspn(text + n, " "), units[u]) == 0) {
			return to_int(number, &v) && !__builtin_mul_overflow(v, (int64_t)1 << (10 * u), out);
		}
	}
	return false;
}

static bool to_mode(const char *text, int64_t *out)
{
	size_t n = strlen(text);
	long long v = strtoll(text, NULL, 8);

	if (n < 3 || n > 4 || strspn(text, "01234567") != n || v > 0777) {
		return false;
	}
	*out = v;
	return true;
}

static bool to_bool(const char *text, bool *out)
{
	static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};

	for (size_t i = 0; i < 4; i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*out = strcasecmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static const char *to_choice(const struct loom_setting *t, const char *text)
{
	for (size_t i = 0; t->choices[i]; i++) {
		if (strcasecmp(t->choices[i], text) == 0) {
			return t->choices[i];
		}
	}
	/* The Loom's own files may hold a Python format string here. */
	return strcmp(t->path, "logging.format") == 0 && strstr(text, "%(") ? "text" : NULL;
}

/* "cpu", "cuda", "cuda:N", and as The Loom counts them N, -1 being the CPU. NULL: none of these, or no memory. */
const char *loom_settings_device(struct loom_settings *s, const char *text)
{
	int64_t n = 0;
	char name[32];

	if (strcasecmp(text, "cpu") == 0 || strcmp(text, "-1") == 0) {
		return "cpu";
	}
	if (strcasecmp(text, "cuda") == 0) {
		return "cuda:0";
	}
	if (strncasecmp(text, "cuda:", 5) == 0) {
		text += 5;
	}
	if (!isdigit((unsigned char)text[0]) || !to_int(text, &n) || n > 1023) {
		return NULL;
	}
	(void)snprintf(name, sizeof(name), "cuda:%d", (int)n);
	return loom_arena_strdup(&s->arena, name);
}

static bool set_scalar(struct loom_settings *s, const struct loom_setting *t, const char *text)
{
	void *at = (char *)s + t->offset;
	const char *word = NULL;
	int64_t v = 0;
	double x = 0;

	switch (t->kind) {
	case LOOM_SET_BOOL:
		return to_bool(text, at);
	case LOOM_SET_INT:
	case LOOM_SET_BYTES:
		if (!(t->kind == LOOM_SET_INT ? to_int(text, &v) : to_bytes(text, &v)) || (double)v < t->min || (double)v > t->max) {
			return false;
		}
		*(int64_t *)at = v;
		return true;
	case LOOM_SET_MODE:
		return to_mode(text, at);
	case LOOM_SET_NUMBER:
		if (!to_number(text, &x) || x < t->min || x > t->max) {
			return false;
		}
		*(double *)at = x;
		return true;
	case LOOM_SET_CHOICE:
		word = to_choice(t, text);
		break;
	case LOOM_SET_DEVICE:
		word = loom_settings_device(s, text);
		break;
	default:
		word = loom_utf8_valid(text, strlen(text)) ? loom_arena_strdup(&s->arena, text) : NULL;
	}
	if (word) {
		*(const char **)at = word[0] ? word : NULL;
	}
	return word != NULL;
}

static bool set_words(struct loom_settings *s, const struct loom_setting *t, const char *const *items, size_t n)
{
	struct loom_words words = {.n = 0};

	for (size_t i = 0; i < n; i++) {
		const char *w = t->kind == LOOM_SET_DEVICES ? loom_settings_device(s, items[i]) : t->choices ? to_choice(t, items[i])
			: items[i][0] && loom_utf8_valid(items[i], strlen(items[i])) ? loom_arena_strdup(&s->arena, items[i]) : NULL;
		if (!w || words.n == LOOM_MAX_WORDS) {
			return false;
		}
		words.v[words.n++] = w;
	}
	if (t->choices && n == 0) {
		return false;
	}
	memcpy((char *)s + t->offset, &words, sizeof(words));
	return true;
}

static bool set_layers(struct loom_settings *s, const struct loom_setting *t, const char *const *items, size_t n, bool is_list)
{
	struct loom_layer_list layers = {.n = 0};

	if (!is_list && n == 1 && strcasecmp(items[0], "all") == 0) {
		layers.all = true;
	} else if (n == 0 || n > LOOM_MAX_WORDS) {
		return false;
	}
	for (size_t i = 0; !layers.all && i < n; i++) {
		if (!to_int(items[i], &layers.v[i]) || layers.v[i] < -LOOM_MAX_LAYER - 1 || layers.v[i] > LOOM_MAX_LAYER) {
			return false;
		}
		layers.n++;
	}
	memcpy((char *)s + t->offset, &layers, sizeof(layers));
	return true;
}

static bool is_listed(enum loom_setting_kind k)
{
	return k == LOOM_SET_WORDS || k == LOOM_SET_DEVICES || k == LOOM_SET_LAYERS;
}

static void show_items(const char *const *items, size_t n, bool is_list, char *out, size_t cap)
{
	size_t used = 0;

	if (!is_list && n == 1) {
		(void)snprintf(out, cap, "\"%.80s\"", items[0]);
		return;
	}
	used += loom_str_copy(out, cap, "[");
	for (size_t i = 0; i < n && used + 60 < cap; i++) {
		used += (size_t)snprintf(out + used, cap - used, "%s%.40s", i ? ", " : "", items[i]);
	}
	(void)loom_str_copy(out + used, cap - used, "]");
}

enum loom_status loom_settings_set_items(struct loom_settings *s, size_t row, const char *origin, const char *const *items, size_t n, bool is_list,
	bool quoted, struct loom_err *err)
{
	const struct loom_setting *t = &loom_setting_table[row];
	bool text_kind = t->kind == LOOM_SET_STRING || t->kind == LOOM_SET_SECRET || t->kind == LOOM_SET_CHOICE || t->kind == LOOM_SET_DEVICE;
	bool ok;

	if (is_listed(t->kind)) {
		ok = t->kind == LOOM_SET_LAYERS ? set_layers(s, t, items, n, is_list) : set_words(s, t, items, n);
	} else {
		ok = !is_list && n == 1 && (text_kind || !quoted) && set_scalar(s, t, items[0]);
	}
	if (!ok) {
		char expected[320], found[200], key[96];
		loom_setting_expected(t, expected, sizeof(expected));
		show_items(items, n, is_list, found, sizeof(found));
		/* A flag says which setting it is; file and variable need the key. */
		(void)snprintf(key, sizeof(key), "%s: ", t->path);
		return loom_err_set(err, LOOM_E_INVALID, "%s: %sexpected %s, found %s", origin, origin[0] == '-' ? "" : key, expected,
			t->kind == LOOM_SET_SECRET ? "something else" : found);
	}
	s->origin[row] = loom_arena_strdup(&s->arena, origin);
	return s->origin[row] ? LOOM_OK : loom_err_nomem(err, "settings", strlen(origin));
}

/* "[a, 'b,c']" or "a, b" → items, which point into p. An item with a comma in it stands in quotes. */
static size_t split(char *p, const char **items, size_t cap)
{
	size_t n = 0, len = strlen(p);

	while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t')) {
		p[--len] = '\0';
	}
	p += strspn(p, " \t");
	if (p[0] == '[' && p[strlen(p) - 1] == ']') {
		p[strlen(p) - 1] = '\0';
		p++;
	}
	while (n < cap && *(p += strspn(p, " \t,"))) {
		bool quoted = *p == '"' || *p == '\'';
		char *end = quoted ? strchr(p + 1, *p) : NULL;
		items[n++] = quoted && end ? p + 1 : p;
		p = end ? end : p + strcspn(p, ",");
		for (end = p; end > items[n - 1] && !quoted && (end[-1] == ' ' || end[-1] == '\t'); end--) {
			*end = '\0';
		}
		p += *p != '\0';
		*end = '\0';
	}
	return n;
}

enum loom_status loom_settings_set(struct loom_settings *s, size_t row, const char *origin, const char *text, struct loom_err *err)
{
	const char *items[LOOM_MAX_WORDS + 1];
	char *copy;

	if (!is_listed(loom_setting_table[row].kind)) {
		return loom_settings_set_items(s, row, origin, &text, 1, false, false, err);
	}
	copy = loom_arena_strdup(&s->arena, text);
	if (!copy) {
		return loom_err_nomem(err, "settings", strlen(text));
	}
	bool brackets = text[strspn(text, " \t")] == '[';
	size_t n = split(copy, items, LOOM_MAX_WORDS + 1);
	return loom_settings_set_items(s, row, origin, items, n, brackets || n != 1, false, err);
}
