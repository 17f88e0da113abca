/* settings.h: everything about Loom that can be set, in one table (settings.c): where a value can come from, what it may be, what it
 * means. The flags of loom serve, the environment, the YAML file, the defaults, `loom config` and docs/configuration.md all follow from it.
 *
 * Order: flags, then environment, then the file, then defaults. A wrong value is an error with one line that names where it stands (file and line,
 * variable or flag), the key, what was expected and what was found. */
#ifndef LOOM_SETTINGS_H
#define LOOM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "engine.h"
#include "err.h"

#define LOOM_MAX_WORDS 64
#define LOOM_MAX_SETTING 64

struct loom_words {
	const char *v[LOOM_MAX_WORDS];
	size_t n;
};
struct loom_layer_list {
	int64_t v[LOOM_MAX_WORDS];
	size_t n;
	bool all;
};

/* The effective values. Strings live as long as the struct; NULL: not set. */
struct loom_settings {
	struct {
		const char *transport, *host, *unix_socket, *api_key;
		int64_t port, unix_mode, max_body_bytes, max_response_bytes, max_connections, max_requests_per_connection, max_batch_items, max_queue,
			stream_buffer_bytes, stream_stall_seconds, header_seconds, idle_seconds, keep_alive_seconds, drain_seconds;
		struct loom_words cors_origins, allowed_hosts;
	} server;
	struct {
		const char *default_device; /* "cpu" or "cuda:N" */
		struct loom_words devices;  /* empty: all there are */
		double memory_fraction;
		bool fallback;              /* no GPU: use the CPU */
	} gpu;
	struct {
		int64_t max_loaded, max_context;
		double auto_unload_minutes;
		const char *default_dtype, *compute, *cache_dir;
		struct loom_words preload, local_roots;
	} models;
	struct {
		struct loom_layer_list default_layers;
		const char *precision;
	} hidden_states;
	struct {
		struct loom_words fallback_order;
	} loaders;
	struct {
		const char *level, *file, *format;
	} logging;
	int64_t threads;
	struct loom_model_override overrides[LOOM_MAX_WORDS];
	size_t n_override;
	/* where each value comes from, by row of the table: "default", "config.yaml:3", "LOOM_PORT", "--port" */
	const char *origin[LOOM_MAX_SETTING];
	const char *file;            /* the configuration file that was read; NULL none */
	bool exposed;                /* it holds a secret and everybody may read it */
	struct loom_arena arena;
};

enum loom_setting_kind { LOOM_SET_BOOL, LOOM_SET_INT, LOOM_SET_BYTES, LOOM_SET_MODE, LOOM_SET_NUMBER, LOOM_SET_STRING, LOOM_SET_CHOICE, LOOM_SET_SECRET,
	LOOM_SET_DEVICE, LOOM_SET_WORDS, LOOM_SET_DEVICES, LOOM_SET_LAYERS };
struct loom_setting {
	const char *path;            /* "server.http_port"; its variable is LOOM_SERVER__HTTP_PORT */
	const char *env;             /* the seed's own variable; NULL none */
	const char *flag;            /* of loom serve; NULL none */
	char letter;
	enum loom_setting_kind kind;
	size_t offset;               /* in struct loom_settings */
	double min, max;
	const char *const *choices;  /* CHOICE, and what WORDS may hold */
	const char *fallback;        /* the default, as it would be written; "" none */
	const char *arg, *help;
};
extern const struct loom_setting loom_setting_table[];
extern const size_t loom_n_setting;

void loom_settings_init(struct loom_settings *s);
void loom_settings_release(struct loom_settings *s);

/* One value given as text (environment, flag): lists are split at commas, brackets and quotes are taken off. */
enum loom_status loom_settings_set(struct loom_settings *s, size_t row, const char *origin, const char *text, struct loom_err *err) LOOM_MUST_CHECK;
/* The same from words that are known to be one item each. is_list: written as a list. quoted: the text stood in quotes, so it is no number. */
enum loom_status loom_settings_set_items(struct loom_settings *s, size_t row, const char *origin, const char *const *items, size_t n, bool is_list,
	bool quoted, struct loom_err *err) LOOM_MUST_CHECK;
/* "cpu", "cuda", "cuda:N", N (-1 being the CPU, as The Loom counts) → "cpu" or "cuda:N", of the settings' memory; NULL: none of these. */
const char *loom_settings_device(struct loom_settings *s, const char *text);
/* Index of the row with this path, or -1. */
int loom_setting_find(const char *path);
/* What a value of the row may be, in words: "an integer 0..65535". */
void loom_setting_expected(const struct loom_setting *t, char *out, size_t cap);
/* "LOOM_SERVER__HTTP_PORT" */
void loom_setting_env(const struct loom_setting *t, char *out, size_t cap);

/* Defaults, then the file (path NULL: the first of the search list that is there), then the environment. Flags are set afterwards with
 * loom_settings_set. */
enum loom_status loom_settings_load(struct loom_settings *s, const char *path, struct loom_err *err) LOOM_MUST_CHECK;
/* After the last value: what has to agree does. */
enum loom_status loom_settings_check(struct loom_settings *s, struct loom_err *err) LOOM_MUST_CHECK;
/* settings_yaml.c: the text of a file over the values; name is what messages call it. */
enum loom_status loom_settings_yaml(struct loom_settings *s, const char *text, size_t n, const char *name, struct loom_err *err) LOOM_MUST_CHECK;

/* settings_print.c */
/* The value of a row as YAML writes it; secrets as "set" or "unset". */
void loom_setting_show(const struct loom_settings *s, size_t row, struct loom_buf *out);
void loom_settings_print(const struct loom_settings *s, struct loom_buf *out);      /* loom config */
void loom_settings_print_help(struct loom_buf *out);                                /* the options of loom serve */
void loom_settings_print_docs(struct loom_buf *out);                                /* docs/configuration.md */

#endif
