/* bench_client.c: see bench_client.h. HTTP is libcurl's. */
#include "bench_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "str.h"

bool loom_times_add(struct loom_times *t, double ms)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 256;
		double *v = loom_reallocarray(t->v, cap, sizeof(*v));
		if (!v) {
			return false;
		}
		t->v = v;
		t->cap = cap;
	}
	t->v[t->n++] = ms;
	return true;
}

void loom_times_release(struct loom_times *t)
{
	loom_free(t->v);
	*t = (struct loom_times){NULL, 0, 0};
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double loom_times_percentile(struct loom_times *t, double share)
{
	if (t->n == 0) {
		return 0;
	}
	qsort(t->v, t->n, sizeof(*t->v), compare);
	return t->v[(size_t)(share * (double)(t->n - 1) + 0.5)];
}

/* A load is for a server of one's own. */
static bool is_loopback(const char *base)
{
	static const char *const hosts[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		size_t n = strlen(hosts[i]);
		if (strncmp(base, hosts[i], n) == 0 && (base[n] == '\0' || (base[n] == ':' && strspn(base + n + 1, "0123456789") == strlen(base + n + 1)))) {
			return true;
		}
	}
	return false;
}

enum loom_status loom_bench_client_init(struct loom_bench_client *c, const char *base, const char *key, struct loom_err *err)
{
	*c = (struct loom_bench_client){.base = base, .key = key};
	if (!is_loopback(base)) {
		return loom_err_set(err, LOOM_E_INVALID, "--load: expected http://127.0.0.1:PORT (or localhost, [::1]), found \"%.100s\"", base);
	}
	c->curl = curl_easy_init();
	return c->curl ? LOOM_OK : loom_err_nomem(err, "a client", sizeof(*c));
}

void loom_bench_client_release(struct loom_bench_client *c)
{
	curl_easy_cleanup(c->curl);
	loom_times_release(&c->whole);
	loom_times_release(&c->first);
	loom_times_release(&c->between);
}

/* A token has come. The first one's time counts from the request. */
static void note_token(struct loom_bench_client *c, double now)
{
	(void)loom_times_add(c->last > 0 ? &c->between : &c->first, now - (c->last > 0 ? c->last : c->sent));
	c->last = now;
	c->tokens++;
}

static void read_events(struct loom_bench_client *c, const char *data, size_t n)
{
	double now = loom_clock_ms();

	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n') {
			c->line[c->n_line] = '\0';
			if (strcmp(c->line, "event: token") == 0) {
				note_token(c, now);
			}
			c->n_line = 0;
		} else if (data[i] != '\r' && c->n_line + 1 < sizeof(c->line)) {
			c->line[c->n_line++] = data[i];
		}
	}
}

static size_t on_body(char *data, size_t one, size_t n, void *ctx)
{
	struct loom_bench_client *c = ctx;
	size_t keep = sizeof(c->head) - 1 - c->n_head < n ? sizeof(c->head) - 1 - c->n_head : n;

	(void)one;
	memcpy(c->head + c->n_head, data, keep);
	c->n_head += keep;
	c->head[c->n_head] = '\0';
	c->bytes += n;
	if (c->stream) {
		read_events(c, data, n);
	}
	return n;
}

/* The number after "token_count", also inside a safetensors header, where quotes are escaped. */
static uint64_t token_count(const char *head)
{
	const char *at = strstr(head, "token_count");

	at = at ? at + strcspn(at, "0123456789}") : NULL;
	return at ? strtoull(at, NULL, 10) : 0;
}

static void note_failure(struct loom_bench_client *c, const char *what, long status)
{
	if (c->n_failed++ == 0) {
		(void)snprintf(c->failure, sizeof(c->failure), "%s (status %ld): %.160s", what, status, c->head);
	}
}

bool loom_bench_client_post(struct loom_bench_client *c, const char *path, const char *body, size_t n, bool stream)
{
	char url[256], auth[300];
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json"), *more;
	long status = 0;
	CURLcode rc;

	c->n_head = c->n_line = 0;
	c->head[0] = '\0';
	c->last = 0;
	c->stream = stream;
	(void)snprintf(url, sizeof(url), "%.150s%.100s", c->base, path);
	more = curl_slist_append(headers, "Expect:"); /* no waiting for 100 Continue */
	headers = more ? more : headers;
	if (c->key) {
		(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %.256s", c->key);
		more = curl_slist_append(headers, auth);
		headers = more ? more : headers;
	}
	(void)curl_easy_setopt(c->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)n);
	(void)curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	(void)curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(c->curl, CURLOPT_TCP_NODELAY, 1L);
	(void)curl_easy_setopt(c->curl, CURLOPT_BUFFERSIZE, 512L << 10); /* answers of megabytes in few pieces: the server runs on the same cores */
	c->sent = loom_clock_ms();
	rc = curl_easy_perform(c->curl);
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (rc != CURLE_OK || status != 200) {
		note_failure(c, rc != CURLE_OK ? curl_easy_strerror(rc) : "refused", status);
		return false;
	}
	(void)loom_times_add(&c->whole, loom_clock_ms() - c->sent);
	c->tokens += stream ? 0 : token_count(c->head);
	c->n_ok++;
	return true;
}
