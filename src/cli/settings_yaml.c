/* settings_yaml.c: the configuration file over the settings, through libyaml's events. A file is sections of plain values and lists of plain values;
 * anchors, aliases, tags and second documents are refused, so a small file can't become a large one. Every message begins with file:line. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "mem.h"
#include "settings.h"
#include "str.h"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool have_event;
	struct loom_settings *s;
	const char *name;
	size_t line;                 /* of the event, from 1 */
	bool seen[LOOM_MAX_SETTING]; /* keys of this file */
	bool seen_top[16];
	struct loom_err *err;
};

static enum loom_status LOOM_PRINTF(2, 3) bad(struct reader *r, const char *fmt, ...)
{
	char text[700];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return loom_err_set(r->err, LOOM_E_INVALID, "%s:%zu: %s", r->name, r->line, text);
}

/* The next event, after a look at what no event may have. */
static enum loom_status next(struct reader *r)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (r->have_event) {
		yaml_event_delete(&r->event);
	}
	r->have_event = yaml_parser_parse(&r->parser, &r->event) != 0;
	if (!r->have_event) {
		bool memory = r->parser.error == YAML_MEMORY_ERROR;
		r->line = r->parser.problem_mark.line + 1;
		return memory ? loom_err_nomem(r->err, "configuration file", 0) : bad(r, "not YAML: %s", r->parser.problem ? r->parser.problem : "?");
	}
	r->line = r->event.start_mark.line + 1;
	switch (r->event.type) {
	case YAML_ALIAS_EVENT:
		return bad(r, "aliases are not read: write the value itself");
	case YAML_SCALAR_EVENT:
		anchor = r->event.data.scalar.anchor;
		tag = r->event.data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = r->event.data.sequence_start.anchor;
		tag = r->event.data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = r->event.data.mapping_start.anchor;
		tag = r->event.data.mapping_start.tag;
		break;
	default:
		break;
	}
	return anchor || tag ? bad(r, "%s are not read: write the plain value", anchor ? "anchors" : "tags") : LOOM_OK;
}

/* The scalar of the event, copied. NULL: no memory, or a NUL inside. */
static const char *scalar(struct reader *r)
{
	const char *text = (const char *)r->event.data.scalar.value;

	return strlen(text) == r->event.data.scalar.length ? loom_arena_strndup(&r->s->arena, text, r->event.data.scalar.length) : NULL;
}

static bool is_plain(const struct reader *r)
{
	return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_null(const struct reader *r)
{
	const char *text = (const char *)r->event.data.scalar.value;

	return r->event.type == YAML_SCALAR_EVENT && is_plain(r) &&
		(!text[0] || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0);
}

static enum loom_status key_of(struct reader *r, const char **key)
{
	if (r->event.type != YAML_SCALAR_EVENT) {
		return bad(r, "expected a key, found a %s", r->event.type == YAML_SEQUENCE_START_EVENT ? "list" : "mapping");
	}
	*key = scalar(r);
	return *key ? LOOM_OK : bad(r, "expected a key, found a text that is none");
}

static enum loom_status not_this(struct reader *r, const char *where, const char *expected)
{
	const char *found = r->event.type == YAML_SEQUENCE_START_EVENT ? "a list" : "a mapping";
	char text[128];

	if (r->event.type == YAML_SCALAR_EVENT) {
		(void)snprintf(text, sizeof(text), "\"%.80s\"", (const char *)r->event.data.scalar.value);
		found = text;
	}
	return bad(r, "%s: expected %s, found %s", where, expected, found);
}

/* The event is the value of a setting: a scalar or a list of scalars. */
static enum loom_status read_value(struct reader *r, size_t row)
{
	const struct loom_setting *t = &loom_setting_table[row];
	const char *items[LOOM_MAX_WORDS + 1];
	char expected[320], origin[512];
	size_t n = 0, line = r->line;
	bool is_list = r->event.type == YAML_SEQUENCE_START_EVENT, quoted = false;
	enum loom_status rc = LOOM_OK;

	loom_setting_expected(t, expected, sizeof(expected));
	if (r->seen[row]) {
		return bad(r, "%s: given twice", t->path);
	}
	r->seen[row] = true;
	if (is_null(r)) {
		return LOOM_OK;
	}
	if (!is_list && r->event.type != YAML_SCALAR_EVENT) {
		return not_this(r, t->path, expected);
	}
	do {
		if (is_list && (rc = next(r))) {
			return rc;
		}
		if (r->event.type == YAML_SEQUENCE_END_EVENT) {
			break;
		}
		if (r->event.type != YAML_SCALAR_EVENT || n > LOOM_MAX_WORDS) {
			return not_this(r, t->path, expected);
		}
		quoted = quoted || !is_plain(r);
		items[n] = scalar(r);
		if (!items[n++]) {
			return not_this(r, t->path, expected);
		}
	} while (is_list);
	(void)snprintf(origin, sizeof(origin), "%.480s:%zu", r->name, line);
	return loom_settings_set_items(r->s, row, origin, items, n, is_list, quoted, r->err);
}

/* The nearest name among those of a section, for "did you mean". */
static const char *nearest(const char *section, const char *key)
{
	const char *names[LOOM_MAX_SETTING + 1];
	size_t n = 0, len = strlen(section);

	for (size_t i = 0; i < loom_n_setting; i++) {
		const char *path = loom_setting_table[i].path;
		if (len > 0 && strncmp(path, section, len) == 0 && path[len] == '.') {
			names[n++] = path + len + 1;
		}
	}
	names[n] = NULL;
	for (size_t i = 0; i < n; i++) { /* "port" for "http_port" */
		const char *at = strchr(names[i], '_');
		if (at && strcmp(at + 1, key) == 0) {
			return names[i];
		}
	}
	return loom_str_nearest(key, names);
}

/* A key that stands in the wrong section: the section that has it; NULL none. */
static const char *other_place(const char *key)
{
	for (size_t i = 0; i < loom_n_setting; i++) {
		const char *dot = strchr(loom_setting_table[i].path, '.');
		if (dot && strcmp(dot + 1, key) == 0) {
			return loom_setting_table[i].path;
		}
	}
	return NULL;
}

static enum loom_status unknown(struct reader *r, const char *section, const char *key, const char *near)
{
	const char *elsewhere = near ? NULL : other_place(key);

	near = near ? near : elsewhere;
	return bad(r, "%.60s%s%.60s: no such setting%s%s%s", section, section[0] ? "." : "", key, near ? " (did you mean " : "", near ? near : "",
		near ? "?)" : "");
}

static enum loom_status read_section(struct reader *r, const char *section)
{
	enum loom_status rc;

	if (is_null(r)) {
		return LOOM_OK;
	}
	if (r->event.type != YAML_MAPPING_START_EVENT) {
		return not_this(r, section, "a mapping of settings");
	}
	while (!(rc = next(r)) && r->event.type != YAML_MAPPING_END_EVENT) {
		const char *key = NULL;
		char path[256];
		rc = key_of(r, &key);
		if (rc) {
			return rc;
		}
		(void)snprintf(path, sizeof(path), "%.100s.%.100s", section, key);
		int row = loom_setting_find(path);
		if (row < 0) {
			return unknown(r, section, key, nearest(section, key));
		}
		rc = next(r);
		rc = rc ? rc : read_value(r, (size_t)row);
		if (rc) {
			return rc;
		}
	}
	return rc;
}

static const char *const modes[] = {"none", "4bit", "8bit", "gptq", "awq", NULL};
static const char *const override_names[] = {"loader", "dtype", "device", "quantization", NULL};

/* One of the names above, of model o. */
static enum loom_status read_override(struct reader *r, struct loom_model_override *o, const char *key)
{
	const char **const to[] = {&o->loader, &o->dtype, &o->device, &o->quantization};
	const char *const *const choices[] = {loom_setting_table[loom_setting_find("loaders.fallback_order")].choices,
		loom_setting_table[loom_setting_find("models.default_dtype")].choices, NULL, modes};
	static const char *const expected[] = {"transformers, sentence_transformers, custom or gguf", "auto, float32, float16 or bfloat16",
		"cpu or cuda:N", "none, 4bit, 8bit, gptq or awq"};
	char where[512];
	const char *text = NULL;
	enum loom_status rc;
	size_t i = 0;

	(void)snprintf(where, sizeof(where), "model_overrides.%.300s", o->id);
	while (override_names[i] && strcmp(override_names[i], key) != 0) {
		i++;
	}
	if (!override_names[i]) {
		return unknown(r, where, key, loom_str_nearest(key, override_names));
	}
	(void)snprintf(where, sizeof(where), "model_overrides.%.300s.%s", o->id, key);
	if (*to[i]) {
		return bad(r, "%s: given twice", where);
	}
	if ((rc = next(r)) || is_null(r)) {
		return rc;
	}
	text = r->event.type == YAML_SCALAR_EVENT ? scalar(r) : NULL;
	if (text && !choices[i]) {
		text = loom_settings_device(r->s, text);
	} else if (text) {
		const char *const *c = choices[i];
		while (*c && strcmp(*c, text) != 0) {
			c++;
		}
		text = *c;
	}
	*to[i] = text;
	return text ? LOOM_OK : not_this(r, where, expected[i]);
}

/* The settings of one model; the event is what follows its id. */
static enum loom_status read_model(struct reader *r, struct loom_model_override *o)
{
	enum loom_status rc;

	if (is_null(r)) {
		return LOOM_OK;
	}
	if (r->event.type != YAML_MAPPING_START_EVENT) {
		return not_this(r, o->id, "a mapping with loader, dtype, device or quantization");
	}
	while (!(rc = next(r)) && r->event.type != YAML_MAPPING_END_EVENT) {
		const char *key = NULL;
		if ((rc = key_of(r, &key)) || (rc = read_override(r, o, key))) {
			return rc;
		}
	}
	return rc;
}

static enum loom_status read_overrides(struct reader *r)
{
	struct loom_settings *s = r->s;
	enum loom_status rc;

	if (is_null(r)) {
		return LOOM_OK;
	}
	if (r->event.type != YAML_MAPPING_START_EVENT) {
		return not_this(r, "model_overrides", "a mapping from model ids");
	}
	while (!(rc = next(r)) && r->event.type != YAML_MAPPING_END_EVENT) {
		struct loom_model_override *o = &s->overrides[s->n_override];
		const char *key = NULL;
		rc = key_of(r, &key);
		if (rc) {
			return rc;
		}
		for (size_t i = 0; i < s->n_override; i++) {
			if (strcmp(s->overrides[i].id, key) == 0) {
				return bad(r, "model_overrides.%.300s: given twice", key);
			}
		}
		if (s->n_override == LOOM_MAX_WORDS) {
			return bad(r, "model_overrides: at most %d models", LOOM_MAX_WORDS);
		}
		*o = (struct loom_model_override){.id = key};
		s->n_override++;
		if ((rc = next(r)) || (rc = read_model(r, o))) {
			return rc;
		}
	}
	return rc;
}

/* What may stand at the top of a file; a test holds it against the table. */
static const char *const top_names[] = {"server", "gpu", "models", "hidden_states", "loaders", "logging", "model_overrides", "threads", NULL};

static enum loom_status read_top(struct reader *r)
{
	enum loom_status rc;

	while (!(rc = next(r)) && r->event.type != YAML_MAPPING_END_EVENT) {
		const char *key = NULL;
		int row;
		if ((rc = key_of(r, &key))) {
			return rc;
		}
		size_t i = 0;
		while (top_names[i] && strcmp(top_names[i], key) != 0) {
			i++;
		}
		if (!top_names[i]) {
			return unknown(r, "", key, loom_str_nearest(key, top_names));
		}
		row = loom_setting_find(key);
		if (r->seen_top[i]) {
			return bad(r, "%s: given twice", key);
		}
		r->seen_top[i] = true;
		if ((rc = next(r))) {
			return rc;
		}
		rc = row >= 0 ? read_value(r, (size_t)row) : strcmp(key, "model_overrides") == 0 ? read_overrides(r) : read_section(r, key);
		if (rc) {
			return rc;
		}
	}
	return rc;
}

static enum loom_status read_stream(struct reader *r)
{
	enum loom_status rc = next(r);

	if ((rc = rc ? rc : next(r)) || r->event.type == YAML_STREAM_END_EVENT) { /* an empty file is fine */
		return rc;
	}
	if ((rc = next(r))) {
		return rc;
	}
	if (!is_null(r)) {
		if (r->event.type != YAML_MAPPING_START_EVENT) {
			return not_this(r, "the file", "a mapping of sections");
		}
		if ((rc = read_top(r))) {
			return rc;
		}
	}
	rc = next(r);
	rc = rc ? rc : next(r);
	return rc || r->event.type == YAML_STREAM_END_EVENT ? rc : bad(r, "a second document: only one is read");
}

enum loom_status loom_settings_yaml(struct loom_settings *s, const char *text, size_t n, const char *name, struct loom_err *err)
{
	struct reader r = {.s = s, .name = name, .err = err, .line = 1};
	size_t good = loom_utf8_valid_prefix(text, n);
	enum loom_status rc;

	for (size_t i = 0; i < good; i++) {
		r.line += text[i] == '\n';
	}
	if (good < n) {
		return bad(&r, "invalid UTF-8");
	}
	if (!yaml_parser_initialize(&r.parser)) {
		return loom_err_nomem(err, "configuration file", n);
	}
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	rc = read_stream(&r);
	if (r.have_event) {
		yaml_event_delete(&r.event);
	}
	yaml_parser_delete(&r.parser);
	return rc;
}
