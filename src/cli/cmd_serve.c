/* cmd_serve.c: loom serve: settings, an engine, a server, and a wait for SIGTERM or SIGINT, which drains. loom config: the settings alone. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "log.h"
#include "server.h"
#include "str.h"

#define MAX_OPTION (LOOM_MAX_SETTING + 4)

/* ---- flags → settings ---- */

/* What the command line says, by row of the table. */
struct given {
	const char *text[LOOM_MAX_SETTING];
	struct loom_opt_list list[LOOM_MAX_SETTING];
	const char *config;
	const char *words[LOOM_MAX_WORDS]; /* models to load at start */
	size_t n_word;
	bool docs;
};

static bool is_list(size_t row)
{
	return loom_setting_table[row].kind == LOOM_SET_WORDS || loom_setting_table[row].kind == LOOM_SET_DEVICES;
}

static int read_arguments(int argc, char **argv, struct given *g, const char *usage, bool docs)
{
	struct loom_opt opts[MAX_OPTION] = {{"--config", 'c', LOOM_OPT_STRING, &g->config, 0, 0, "FILE", ""}};
	size_t n = 1;

	for (size_t i = 0; i < loom_n_setting; i++) {
		const struct loom_setting *t = &loom_setting_table[i];
		if (t->flag) {
			opts[n++] = (struct loom_opt){t->flag, t->letter, is_list(i) ? LOOM_OPT_LIST : LOOM_OPT_STRING,
				is_list(i) ? (void *)&g->list[i] : (void *)&g->text[i], 0, 0, t->arg, t->help};
		}
	}
	if (docs) {
		opts[n++] = (struct loom_opt){"--docs", 0, LOOM_OPT_FLAG, &g->docs, 0, 0, NULL, ""};
	}
	opts[n] = (struct loom_opt){NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL};
	return loom_options(argc, argv, opts, usage, "", g->words, LOOM_MAX_WORDS, &g->n_word);
}

/* A flag that is given again adds to its list; each may hold several, separated by commas. */
static enum loom_status set_list(struct loom_settings *s, size_t row, const struct loom_opt_list *l, const char *const *more, size_t n_more,
	struct loom_err *err)
{
	struct loom_words *target = (struct loom_words *)(void *)((char *)s + loom_setting_table[row].offset), all = {.n = 0};
	enum loom_status rc = LOOM_OK;

	for (size_t i = 0; rc == LOOM_OK && i < l->n; i++) {
		rc = loom_settings_set(s, row, loom_setting_table[row].flag, l->v[i], err);
		for (size_t k = 0; rc == LOOM_OK && k < target->n && all.n < LOOM_MAX_WORDS; k++) {
			all.v[all.n++] = target->v[k];
		}
	}
	for (size_t i = 0; i < n_more && all.n < LOOM_MAX_WORDS; i++) {
		all.v[all.n++] = more[i];
		s->origin[row] = "command line";
	}
	if (rc == LOOM_OK && all.n > 0) {
		*target = all;
	}
	return rc;
}

static enum loom_status apply(struct loom_settings *s, const struct given *g, struct loom_err *err)
{
	size_t preload = (size_t)loom_setting_find("models.preload");
	enum loom_status rc = loom_settings_load(s, g->config, err);

	for (size_t i = 0; rc == LOOM_OK && i < loom_n_setting; i++) {
		if (g->text[i]) {
			rc = loom_settings_set(s, i, loom_setting_table[i].flag, g->text[i], err);
		} else if (is_list(i)) {
			rc = set_list(s, i, &g->list[i], g->words, i == preload ? g->n_word : 0, err);
		}
	}
	return rc ? rc : loom_settings_check(s, err);
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			return true;
		}
	}
	return false;
}

static int print(void (*fill)(const struct loom_settings *s, struct loom_buf *out), const struct loom_settings *s)
{
	struct loom_buf out;
	int rc = LOOM_EXIT_OK;

	loom_buf_init(&out, 1u << 20);
	fill(s, &out);
	if (out.failed || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
		rc = LOOM_EXIT_FAILED;
	}
	loom_buf_release(&out);
	return rc;
}

static void fill_help(const struct loom_settings *s, struct loom_buf *out)
{
	(void)s;
	loom_settings_print_help(out);
}

static void fill_docs(const struct loom_settings *s, struct loom_buf *out)
{
	(void)s;
	loom_settings_print_docs(out);
}

/* ---- settings → engine and server ---- */

static const char *join(struct loom_settings *s, const struct loom_words *w, char between)
{
	struct loom_buf b;
	const char *text = NULL;

	loom_buf_init(&b, 1u << 20);
	for (size_t i = 0; i < w->n; i++) {
		if (i > 0) {
			(void)loom_buf_putc(&b, between);
		}
		(void)loom_buf_puts(&b, w->v[i]);
	}
	if (!b.failed && b.len > 0) {
		text = loom_arena_strdup(&s->arena, b.data);
	}
	loom_buf_release(&b);
	return text;
}

static struct loom_server_opts server_options(struct loom_settings *s)
{
	struct loom_server_opts o;

	loom_server_opts_default(&o);
	o.transport = strcmp(s->server.transport, "unix") == 0 ? LOOM_TRANSPORT_UNIX : strcmp(s->server.transport, "both") == 0
		? LOOM_TRANSPORT_BOTH : LOOM_TRANSPORT_HTTP;
	o.host = s->server.host;
	o.port = (int)s->server.port;
	o.unix_socket = s->server.unix_socket;
	o.unix_mode = (unsigned)s->server.unix_mode;
	o.api_key = s->server.api_key;
	o.cors_origins = join(s, &s->server.cors_origins, ' ');
	o.allowed_hosts = join(s, &s->server.allowed_hosts, ' ');
	o.local_roots = join(s, &s->models.local_roots, ':');
	o.max_body_bytes = (size_t)s->server.max_body_bytes;
	o.max_response_bytes = (uint64_t)s->server.max_response_bytes;
	o.max_connections = (int)s->server.max_connections;
	o.max_requests_per_connection = (int)s->server.max_requests_per_connection;
	o.max_batch_items = (int)s->server.max_batch_items;
	o.header_seconds = (unsigned)s->server.header_seconds;
	o.idle_seconds = (unsigned)s->server.idle_seconds;
	o.keep_alive_seconds = (unsigned)s->server.keep_alive_seconds;
	o.drain_seconds = (unsigned)s->server.drain_seconds;
	o.stream_buffer_bytes = (size_t)s->server.stream_buffer_bytes;
	o.stream_stall_seconds = (unsigned)s->server.stream_stall_seconds;
	o.default_layers = s->hidden_states.default_layers.v;
	o.n_default_layer = s->hidden_states.default_layers.n;
	o.default_all_layers = s->hidden_states.default_layers.all;
	o.default_dtype = loom_dtype_from_torch(s->hidden_states.precision);
	return o;
}

void loom_settings_engine(const struct loom_settings *s, struct loom_engine_opts *o)
{
	loom_engine_opts_default(o);
	o->n_thread = (int)s->threads;
	o->max_models = (int)s->models.max_loaded;
	o->auto_unload_minutes = s->models.auto_unload_minutes;
	o->memory_fraction = s->gpu.memory_fraction;
	o->max_queue = (int)s->server.max_queue;
	o->max_context = s->models.max_context;
	o->cache_dir = s->models.cache_dir;
	o->device = s->gpu.default_device;
	o->devices = s->gpu.devices.v;
	o->n_device = s->gpu.devices.n;
	o->fallback = s->gpu.fallback;
	o->dtype = strcmp(s->models.default_dtype, "auto") == 0 ? LOOM_DTYPE_UNKNOWN : loom_dtype_from_torch(s->models.default_dtype);
	o->compute = (enum loom_compute)loom_compute_parse(s->models.compute);
	for (size_t i = 0; i < s->loaders.fallback_order.n; i++) {
		int l = loom_loader_parse(s->loaders.fallback_order.v[i]);
		if (l >= 0 && o->loaders.n < LOOM_N_LOADER) {
			o->loaders.v[o->loaders.n++] = (enum loom_loader)l;
		}
	}
	o->overrides = s->overrides;
	o->n_override = s->n_override;
	o->allow_local = true;
}

/* ---- serving ---- */

/* Models to have in memory before the first request, in order. What fails is logged and tried again when it is asked for. */
static void preload(struct loom_engine *e, const struct loom_words *ids)
{
	for (size_t i = 0; i < ids->n; i++) {
		struct loom_load_spec spec = {.id = ids->v[i], .loader = -1};
		struct loom_resident *r;
		struct loom_err err = {0};
		if (loom_engine_acquire(e, &spec, &r, &err)) {
			loom_log(LOOM_LOG_ERROR, "preload %s: %s", ids->v[i], err.message);
		} else {
			loom_engine_release(e, r);
		}
	}
}

static void on_second_signal(int signal)
{
	(void)signal;
	_exit(LOOM_EXIT_OK);
}

/* A signal before there is anything in flight, and the second one while draining, end the process at once. */
static void leave_on_signal(const sigset_t *signals)
{
	struct sigaction now = {.sa_handler = on_second_signal};

	(void)sigaction(SIGTERM, &now, NULL);
	(void)sigaction(SIGINT, &now, NULL);
	(void)pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static bool open_to_others(const struct loom_settings *s, const struct loom_server_opts *o)
{
	return !s->server.api_key && o->transport != LOOM_TRANSPORT_UNIX && strcmp(o->host, "localhost") != 0 && strcmp(o->host, "::1") != 0 &&
		!loom_str_starts(o->host, "127.");
}

static void say_where(const struct loom_server_opts *o, int port)
{
	bool six = strchr(o->host, ':') != NULL;

	if (o->transport != LOOM_TRANSPORT_HTTP) {
		(void)fprintf(stderr, "listening on unix:%s\n", o->unix_socket);
	}
	if (o->transport != LOOM_TRANSPORT_UNIX) {
		(void)fprintf(stderr, "listening on http://%s%s%s:%d\n", six ? "[" : "", o->host, six ? "]" : "", port);
	}
}

static int serve(struct loom_settings *s)
{
	struct loom_server_opts so = server_options(s);
	struct loom_engine_opts eo;
	struct loom_engine *e;
	struct loom_server *server = NULL;
	struct loom_err err = {0};
	sigset_t signals;
	int got = 0, rc = LOOM_EXIT_OK;

	loom_settings_engine(s, &eo);
	eo.show_progress = true;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	leave_on_signal(&signals);
	e = loom_engine_new(&eo, &err);
	if (!e) {
		return loom_fail(&err);
	}
	preload(e, &s->models.preload);
	/* Blocked in every thread made from here on; this one waits for them. */
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (loom_server_start(&so, e, &server, &err)) {
		rc = loom_fail(&err);
	} else {
		say_where(&so, loom_server_port(server));
		if (open_to_others(s, &so)) {
			loom_log(LOOM_LOG_WARNING, "everybody who reaches port %d may use this server: --host 127.0.0.1 keeps other machines out, "
				"server.api_key asks for a key", loom_server_port(server));
		}
		(void)sigwait(&signals, &got);
		loom_log(LOOM_LOG_INFO, "%s: finishing what is in flight", got == SIGTERM ? "SIGTERM" : "SIGINT");
		leave_on_signal(&signals);
		loom_engine_stop_new(e);
		loom_server_stop(server);
	}
	loom_engine_free(e, 1000);
	return rc;
}

int loom_cmd_serve(int argc, char **argv)
{
	static const char usage[] = "loom serve [options] [MODEL...]";
	struct loom_settings s;
	struct given g = {.config = NULL};
	struct loom_err err = {0};
	int rc;

	if (wants_help(argc, argv)) {
		return print(fill_help, NULL);
	}
	rc = read_arguments(argc, argv, &g, usage, false);
	if (rc >= 0) {
		return rc;
	}
	loom_settings_init(&s);
	if (apply(&s, &g, &err)) {
		rc = loom_fail_usage("%s", err.message);
	} else if (s.logging.file && loom_log_open(s.logging.file, &err)) {
		rc = loom_fail(&err);
	} else {
		loom_log_set_level((enum loom_log_level)loom_log_parse_level(s.logging.level));
		loom_log_set_json(strcmp(s.logging.format, "json") == 0);
		if (s.exposed) {
			loom_log(LOOM_LOG_WARNING, "%s holds the API key and everybody may read it: chmod o-r", s.file);
		}
		rc = serve(&s);
	}
	loom_settings_release(&s);
	return rc;
}

int loom_cmd_config(int argc, char **argv)
{
	static const char usage[] = "loom config [--docs] [options of loom serve]";
	struct loom_settings s;
	struct given g = {.config = NULL};
	struct loom_err err = {0};
	int rc;

	if (wants_help(argc, argv)) {
		(void)printf("usage: %s\n\nPrints the settings in force as YAML, and where each comes from (secrets as set or unset). --docs prints\n"
			"docs/configuration.md instead. `loom serve --help` lists the options.\n", usage);
		return LOOM_EXIT_OK;
	}
	rc = read_arguments(argc, argv, &g, usage, true);
	if (rc >= 0) {
		return rc;
	}
	if (g.docs) {
		return print(fill_docs, NULL);
	}
	loom_settings_init(&s);
	rc = apply(&s, &g, &err) ? loom_fail_usage("%s", err.message) : print(loom_settings_print, &s);
	loom_settings_release(&s);
	return rc;
}
