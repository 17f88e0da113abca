/* options.c: flags by a table, --help from the same table, and one clear line for what is wrong. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "log.h"
#include "str.h"

#define HELP_COLUMN 33 /* where the texts of --help begin, and where they end */
#define HELP_WIDTH 100

int loom_fail(const struct loom_err *err)
{
	(void)fprintf(stderr, "loom: %s\n", err->message);
	return LOOM_EXIT_FAILED;
}

int loom_fail_usage(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "loom: %s\n", text);
	return LOOM_EXIT_USAGE;
}

/* false when text is not a value of the option's kind. */
static bool assign(const struct loom_opt *o, const char *text)
{
	char *end;

	errno = 0;
	if (o->kind == LOOM_OPT_STRING) {
		*(const char **)o->out = text;
	} else if (o->kind == LOOM_OPT_LIST) {
		struct loom_opt_list *l = o->out;
		if (l->n == sizeof(l->v) / sizeof(l->v[0])) {
			return false;
		}
		l->v[l->n++] = text;
	} else if (o->kind == LOOM_OPT_INT) {
		long long v = strtoll(text, &end, 10);
		if (errno || end == text || *end || (double)v < o->min || (double)v > o->max) {
			return false;
		}
		*(int64_t *)o->out = v;
	} else if (o->kind == LOOM_OPT_NUMBER) {
		double v = strtod(text, &end);
		if (errno || end == text || *end || !isfinite(v) || v < o->min || v > o->max) {
			return false;
		}
		*(double *)o->out = v;
	}
	return true;
}

static int bad_value(const struct loom_opt *o, const char *text)
{
	if (o->kind == LOOM_OPT_INT) {
		return loom_fail_usage("%s: expected an integer %.0f..%.0f, found \"%s\"", o->name, o->min, o->max, text);
	}
	if (o->kind == LOOM_OPT_NUMBER) {
		return loom_fail_usage("%s: expected a number %g..%g, found \"%s\"", o->name, o->min, o->max, text);
	}
	return loom_fail_usage("%s: given too often", o->name);
}

/* Characters of UTF-8 text [n]. */
static size_t width_of(const char *text, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++) {
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	}
	return width;
}

void loom_help_row(struct loom_buf *out, const char *left, const char *text)
{
	size_t column = HELP_COLUMN, n;

	(void)loom_buf_printf(out, "  %s%*s", left, (int)(HELP_COLUMN - 2 - width_of(left, strlen(left))), "");
	for (; *text; text += n + strspn(text + n, " ")) {
		n = strcspn(text, " ");
		if (column > HELP_COLUMN && column + 1 + width_of(text, n) > HELP_WIDTH) {
			(void)loom_buf_printf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			(void)loom_buf_putc(out, ' ');
			column++;
		}
		(void)loom_buf_append(out, text, n);
		column += width_of(text, n);
	}
	(void)loom_buf_putc(out, '\n');
}

static void print_help(const struct loom_opt *opts, const char *usage, const char *about)
{
	struct loom_buf out;

	loom_buf_init(&out, 1 << 20);
	(void)loom_buf_printf(&out, "usage: %s\n\n%s\n\noptions:\n", usage, about);
	for (const struct loom_opt *o = opts; o->name; o++) {
		char left[64];
		(void)snprintf(left, sizeof(left), "%s%c%s%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			o->arg ? " " : "", o->arg ? o->arg : "");
		loom_help_row(&out, left, o->help);
	}
	(void)fwrite(out.data, 1, out.len, stdout);
	loom_buf_release(&out);
}

static const struct loom_opt *find(const struct loom_opt *opts, const char *word, size_t n)
{
	for (const struct loom_opt *o = opts; o->name; o++) {
		if ((strlen(o->name) == n && memcmp(o->name, word, n) == 0) || (n == 2 && word[0] == '-' && o->letter && word[1] == o->letter)) {
			return o;
		}
	}
	return NULL;
}

static int unknown(const struct loom_opt *opts, const char *word)
{
	const char *names[64], *near;
	size_t n = 0;

	for (const struct loom_opt *o = opts; o->name && n < 62; o++) {
		names[n++] = o->name;
	}
	names[n++] = "--help";
	names[n] = NULL;
	near = loom_str_nearest(word, names);
	return loom_fail_usage("unknown option %s%s%s%s", word, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

int loom_options(int argc, char **argv, const struct loom_opt *opts, const char *usage, const char *about, const char **rest, size_t n_rest, size_t *n_found)
{
	bool only_words = false;

	*n_found = 0;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *equals = strchr(word, '='), *value = NULL;
		const struct loom_opt *o;
		if (only_words || word[0] != '-' || word[1] == '\0') {
			if (*n_found == n_rest) {
				return loom_fail_usage("unexpected \"%s\": usage: %s", word, usage);
			}
			rest[(*n_found)++] = word;
			continue;
		}
		if (strcmp(word, "--") == 0) {
			only_words = true;
			continue;
		}
		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			print_help(opts, usage, about);
			return LOOM_EXIT_OK;
		}
		o = find(opts, word, equals ? (size_t)(equals - word) : strlen(word));
		if (!o) {
			return unknown(opts, word);
		}
		if (o->kind == LOOM_OPT_FLAG) {
			if (equals) {
				return loom_fail_usage("%s takes no value", o->name);
			}
			*(bool *)o->out = true;
			continue;
		}
		value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
		if (!value) {
			return loom_fail_usage("%s needs a value (%s)", o->name, o->arg);
		}
		if (!assign(o, value)) {
			return bad_value(o, value);
		}
	}
	return -1;
}

bool loom_read_line(FILE *f, struct loom_buf *line)
{
	bool any = false;
	int c;

	loom_buf_reset(line);
	while ((c = getc_unlocked(f)) != EOF && c != '\n') {
		any = true;
		(void)loom_buf_putc(line, (char)c);
	}
	if (line->len > 0 && line->data[line->len - 1] == '\r') {
		line->len--;
	}
	return !line->failed && (any || c != EOF);
}

enum loom_status loom_run_settings(const struct loom_run_options *o, struct loom_settings *s, struct loom_err *err)
{
	const struct {
		const char *path, *flag, *text;
	} flags[] = {{"gpu.default_device", "--device", o->device}, {"models.default_dtype", "--dtype", o->dtype},
		{"models.compute", "--compute", o->compute}, {"threads", "--threads", o->threads},
		{"models.cache_dir", "--cache-dir", o->cache_dir}, {"gpu.memory_fraction", "--memory-fraction", o->memory_fraction},
		{"logging.level", "--log-level", o->log_level}};
	enum loom_status rc;

	loom_settings_init(s);
	rc = loom_settings_load(s, o->config, err);
	for (size_t i = 0; rc == LOOM_OK && i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (flags[i].text) {
			rc = loom_settings_set(s, (size_t)loom_setting_find(flags[i].path), flags[i].flag, flags[i].text, err);
		}
	}
	return rc ? rc : loom_settings_check(s, err);
}

int loom_open_settings(const struct loom_run_options *o, struct loom_settings *s)
{
	struct loom_err err = {0};

	if (loom_run_settings(o, s, &err)) {
		loom_settings_release(s);
		return loom_fail_usage("%s", err.message);
	}
	return LOOM_EXIT_OK;
}

int loom_open_one(const struct loom_run_options *o, const char *model, struct loom_engine **e, struct loom_resident **r)
{
	struct loom_engine_opts opts;
	struct loom_load_spec spec = {.id = model, .loader = -1, .quantization = o->quantization};
	struct loom_settings s;
	struct loom_err err = {0};
	int rc = LOOM_EXIT_OK;

	*e = NULL;
	*r = NULL;
	if (loom_open_settings(o, &s)) {
		return LOOM_EXIT_USAGE;
	}
	/* What a server would log is no concern of a command, unless it asks. */
	loom_log_set_level(o->log_level ? (enum loom_log_level)loom_log_parse_level(s.logging.level) : LOOM_LOG_ERROR);
	loom_settings_engine(&s, &opts);
	opts.show_progress = true;
	opts.auto_unload_minutes = 0;
	*e = loom_engine_new(&opts, &err);
	if (!*e || loom_engine_acquire(*e, &spec, r, &err)) {
		loom_engine_free(*e, 0);
		*e = NULL;
		rc = loom_fail(&err);
	}
	loom_settings_release(&s);
	return rc;
}

void loom_close_one(struct loom_engine *e, struct loom_resident *r)
{
	loom_engine_release(e, r);
	loom_engine_free(e, 0);
}
