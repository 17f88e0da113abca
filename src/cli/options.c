/* options.c: environment and flags by a table, --help from the same table, and one clear line for what is wrong. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "dtype.h"
#include "log.h"
#include "str.h"

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

static int bad_value(const struct loom_opt *o, const char *name, const char *text)
{
	if (o->kind == LOOM_OPT_INT) {
		return loom_fail_usage("%s: expected an integer %.0f..%.0f, found \"%s\"", name, o->min, o->max, text);
	}
	if (o->kind == LOOM_OPT_NUMBER) {
		return loom_fail_usage("%s: expected a number %g..%g, found \"%s\"", name, o->min, o->max, text);
	}
	return loom_fail_usage("%s: given too often", name);
}

static int from_environment(const struct loom_opt *o)
{
	char names[256], *save = NULL;

	(void)loom_str_copy(names, sizeof(names), o->env ? o->env : "");
	for (char *n = strtok_r(names, " ", &save); n; n = strtok_r(NULL, " ", &save)) {
		const char *text = getenv(n);
		if (text && text[0]) {
			return assign(o, text) ? -1 : bad_value(o, n, text);
		}
	}
	return -1;
}

static void print_help(const struct loom_opt *opts, const char *usage)
{
	(void)printf("usage: %s\n\noptions:\n", usage);
	for (const struct loom_opt *o = opts; o->name; o++) {
		char left[64];
		(void)snprintf(left, sizeof(left), "%s%c%s%s%s%s", o->letter ? "-" : "", o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name,
			o->arg ? " " : "", o->arg ? o->arg : "");
		(void)printf("  %-30s %s\n", left, o->help);
		if (o->env) {
			(void)printf("  %-30s environment: %s\n", "", o->env);
		}
	}
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

int loom_options(int argc, char **argv, const struct loom_opt *opts, const char *usage, const char **rest, size_t n_rest, size_t *n_found)
{
	bool only_words = false;

	*n_found = 0;
	for (const struct loom_opt *o = opts; o->name; o++) {
		int rc = from_environment(o);
		if (rc >= 0) {
			return rc;
		}
	}
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
			print_help(opts, usage);
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
			return bad_value(o, o->name, value);
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

void loom_run_options_default(struct loom_run_options *o)
{
	*o = (struct loom_run_options){.memory_fraction = 0.9};
}

bool loom_run_options_apply(const struct loom_run_options *o, struct loom_engine_opts *e)
{
	loom_engine_opts_default(e);
	if (o->log_level) {
		int level = loom_log_parse_level(o->log_level);
		if (level < 0) {
			(void)loom_fail_usage("--log-level: expected debug, info, warning or error, found \"%s\"", o->log_level);
			return false;
		}
		loom_log_set_level((enum loom_log_level)level);
	}
	if (o->device && !loom_str_eq(o->device, "cpu") && !loom_str_starts(o->device, "cuda")) {
		(void)loom_fail_usage("--device: expected cpu or cuda:N, found \"%s\"", o->device);
		return false;
	}
	if (o->dtype && !loom_str_eq(o->dtype, "auto") && loom_dtype_from_torch(o->dtype) == LOOM_DTYPE_UNKNOWN) {
		(void)loom_fail_usage("--dtype: expected auto, float32, float16 or bfloat16, found \"%s\"", o->dtype);
		return false;
	}
	e->device = o->device ? o->device : e->device;
	e->cache_dir = o->cache_dir;
	e->n_thread = (int)o->threads;
	e->memory_fraction = o->memory_fraction;
	e->allow_local = true;
	return true;
}

int loom_open_one(const struct loom_run_options *o, const char *model, struct loom_engine **e, struct loom_resident **r)
{
	struct loom_engine_opts opts;
	struct loom_load_spec spec = {.id = model, .loader = -1};
	struct loom_err err = {0};

	*e = NULL;
	*r = NULL;
	loom_log_set_level(LOOM_LOG_ERROR);
	if (!loom_run_options_apply(o, &opts)) {
		return LOOM_EXIT_USAGE;
	}
	if (o->dtype && !loom_str_eq(o->dtype, "auto")) {
		spec.dtype = loom_dtype_from_torch(o->dtype);
	}
	opts.show_progress = true;
	opts.auto_unload_minutes = 0;
	*e = loom_engine_new(&opts, &err);
	if (!*e) {
		return loom_fail(&err);
	}
	if (loom_engine_acquire(*e, &spec, r, &err)) {
		loom_engine_free(*e, 0);
		*e = NULL;
		return loom_fail(&err);
	}
	return LOOM_EXIT_OK;
}

void loom_close_one(struct loom_engine *e, struct loom_resident *r)
{
	loom_engine_release(e, r);
	loom_engine_free(e, 0);
}
