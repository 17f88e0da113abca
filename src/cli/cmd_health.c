/* cmd_health.c: loom health: asks the server that these settings describe how it is, as a container's health check does. Exit status 0:
 * it answers and is well. */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "str.h"

static size_t swallow(char *data, size_t one, size_t n, void *ctx)
{
	(void)data, (void)ctx;
	return one * n;
}

/* The address to ask: a server that listens everywhere is asked on the loopback. */
static void address(const struct loom_settings *s, char *out, size_t cap)
{
	const char *host = s->server.host;

	if (loom_str_eq(host, "0.0.0.0") || loom_str_eq(host, "")) {
		host = "127.0.0.1";
	} else if (loom_str_eq(host, "::")) {
		host = "::1";
	}
	(void)snprintf(out, cap, strchr(host, ':') ? "http://[%s]:%d/health" : "http://%s:%d/health", host, (int)s->server.port);
}

static int ask(const struct loom_settings *s, int64_t seconds)
{
	bool by_socket = loom_str_eq(s->server.transport, "unix");
	char url[400];
	long status = 0;
	CURLcode code;
	CURL *h;

	address(s, url, sizeof(url));
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(h = curl_easy_init())) {
		(void)fprintf(stderr, "loom: out of memory\n");
		return LOOM_EXIT_FAILED;
	}
	(void)curl_easy_setopt(h, CURLOPT_URL, by_socket ? "http://localhost/health" : url);
	(void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http");
	(void)curl_easy_setopt(h, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)seconds);
	(void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, swallow);
	if (by_socket) {
		(void)curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, s->server.unix_socket);
	}
	code = curl_easy_perform(h);
	(void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(h);
	curl_global_cleanup();
	if (code) {
		(void)fprintf(stderr, "loom: %s: %s\n", by_socket ? s->server.unix_socket : url, curl_easy_strerror(code));
	} else if (status != 200) {
		(void)fprintf(stderr, "loom: %s answers %ld: unhealthy\n", by_socket ? s->server.unix_socket : url, status);
	} else {
		(void)printf("healthy\n");
	}
	return code == CURLE_OK && status == 200 ? LOOM_EXIT_OK : LOOM_EXIT_FAILED;
}

int loom_cmd_health(int argc, char **argv)
{
	const char *config = NULL, *word;
	int64_t seconds = 5;
	const struct loom_opt opts[] = {
		{"--config", 'c', LOOM_OPT_STRING, &config, 0, 0, "FILE", "the server's configuration file"},
		{"--timeout", 0, LOOM_OPT_INT, &seconds, 1, 3600, "SECONDS", "how long to wait for the answer (default 5)"},
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL},
	};
	struct loom_settings s;
	struct loom_err err = {0};
	size_t n;
	int rc = loom_options(argc, argv, opts, "loom health [options]",
		"Asks the server that the settings describe (LOOM_HOST, LOOM_PORT, … as for loom serve) how it is. Exit status 0: well.", &word, 0, &n);

	if (rc >= 0) {
		return rc;
	}
	loom_settings_init(&s);
	enum loom_status st = loom_settings_load(&s, config, &err);
	st = st ? st : loom_settings_check(&s, &err);
	if (st) {
		(void)loom_fail(&err);
		rc = LOOM_EXIT_USAGE;
	} else {
		rc = ask(&s, seconds);
	}
	loom_settings_release(&s);
	return rc;
}
