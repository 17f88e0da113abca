/* cmd_serve.c: loom serve: an engine, a server, and a wait for SIGTERM or SIGINT, which drains. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "log.h"
#include "server.h"

struct serve {
	struct loom_run_options run;
	struct loom_server_opts http;
	int64_t port, max_models;
	double auto_unload;
	struct loom_opt_list preload;
};

/* Models named by --preload, before the first request. */
static int preload(struct loom_engine *e, const struct loom_opt_list *ids)
{
	for (size_t i = 0; i < ids->n; i++) {
		struct loom_load_spec spec = {.id = ids->v[i], .loader = -1};
		struct loom_resident *r;
		struct loom_err err = {0};
		if (loom_engine_acquire(e, &spec, &r, &err)) {
			return loom_fail(&err);
		}
		loom_engine_release(e, r);
	}
	return LOOM_EXIT_OK;
}

static int run(const struct serve *s, const struct loom_engine_opts *eo, const sigset_t *signals)
{
	struct loom_engine *e;
	struct loom_server *server = NULL;
	struct loom_err err = {0};
	int got = 0, rc;

	e = loom_engine_new(eo, &err);
	if (!e) {
		return loom_fail(&err);
	}
	rc = preload(e, &s->preload);
	if (rc == LOOM_EXIT_OK && loom_server_start(&s->http, e, &server, &err)) {
		rc = loom_fail(&err);
	}
	if (rc == LOOM_EXIT_OK) {
		bool six = strchr(s->http.host, ':') != NULL;
		(void)fprintf(stderr, "listening on http://%s%s%s:%d\n", six ? "[" : "", s->http.host, six ? "]" : "", loom_server_port(server));
		(void)sigwait(signals, &got);
		loom_log(LOOM_LOG_INFO, "%s: finishing what is in flight", got == SIGTERM ? "SIGTERM" : "SIGINT");
		loom_engine_stop_new(e);
		loom_server_stop(server);
	}
	loom_engine_free(e, 1000);
	return rc;
}

int loom_cmd_serve(int argc, char **argv)
{
	struct serve s = {.port = 8080, .max_models = 3, .auto_unload = 20};
	struct loom_engine_opts eo;
	sigset_t signals;
	size_t n;
	int rc;
	const char *word;

	loom_run_options_default(&s.run);
	loom_server_opts_default(&s.http);
	const struct loom_opt opts[] = {
		{"--host", 0, LOOM_OPT_STRING, &s.http.host, 0, 0, "LOOM_HOST LOOM_SERVER__HTTP_HOST", "ADDRESS", "address to listen on (default 127.0.0.1)"},
		{"--port", 'p', LOOM_OPT_INT, &s.port, 0, 65535, "LOOM_PORT LOOM_SERVER__HTTP_PORT", "N", "port (default 8080; 0: any free one)"},
		{"--preload", 0, LOOM_OPT_LIST, &s.preload, 0, 0, NULL, "MODEL", "load MODEL before listening (may be given again)"},
		{"--max-models", 0, LOOM_OPT_INT, &s.max_models, 1, 1024, "LOOM_MAX_MODELS LOOM_MODELS__MAX_LOADED", "N", "most models in memory (default 3)"},
		{"--auto-unload-minutes", 0, LOOM_OPT_NUMBER, &s.auto_unload, 0, 1e6, "LOOM_AUTO_UNLOAD_MINUTES LOOM_MODELS__AUTO_UNLOAD_MINUTES",
			"X", "unload a model idle this long (default 20; 0 never)"},
		{"--allowed-hosts", 0, LOOM_OPT_STRING, &s.http.allowed_hosts, 0, 0, "LOOM_SERVER__ALLOWED_HOSTS", "NAMES",
			"names accepted in Host beside localhost, separated by spaces"},
		LOOM_RUN_OPTIONS(s.run),
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL, NULL},
	};
	rc = loom_options(argc, argv, opts, "loom serve [options]", &word, 0, &n);
	if (rc >= 0) {
		return rc;
	}
	if (!loom_run_options_apply(&s.run, &eo)) {
		return LOOM_EXIT_USAGE;
	}
	s.http.port = (int)s.port;
	eo.max_models = (int)s.max_models;
	eo.auto_unload_minutes = s.auto_unload;
	eo.show_progress = true;
	/* Blocked in every thread made from here on; this one waits for them. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	return run(&s, &eo, &signals);
}
