/* bench_load.c: loom bench MODEL --load URL: N clients at a running server, each sending the next request as soon as its last one is answered;
 * rates and percentiles of what they saw. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "bench_client.h"
#include "clock.h"
#include "json_out.h"
#include "mem.h"
#include "str.h"

#define MAX_CLIENTS 1024

enum kind { KIND_GENERATE, KIND_STREAM, KIND_EMBED };

struct load {
	const struct loom_load_options *o;
	const char *model;
	enum kind kind;
	atomic_llong next;      /* number of the next request */
};

struct one {
	struct load *load;
	struct loom_bench_client client;
	pthread_t thread;
	bool started;
};

/* ---- requests ---- */

static uint32_t mix(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

/* Token numbers that every vocabulary has, different in each request, so that no beginning is shared. */
static void put_prompt(const struct load *l, uint32_t seed, struct loom_buf *b)
{
	(void)loom_buf_puts(b, "\"prompt\":[");
	for (int64_t i = 0; i < l->o->prompt_tokens; i++) {
		(void)loom_buf_printf(b, "%s%u", i ? "," : "", 3 + mix(seed * 2654435761u + (uint32_t)i) % 190);
	}
	(void)loom_buf_putc(b, ']');
}

/* Eight to 127 words, or as many as were asked for. */
static void put_text(const struct load *l, uint32_t seed, struct loom_buf *b)
{
	static const char *const words[] = {"water", "stone", "light", "never", "under", "seven", "dance", "machine", "quiet", "river", "because", "theory",
		"of", "mind", "and", "the", "is", "open", "small"};
	uint32_t n = l->o->words > 0 ? (uint32_t)l->o->words : 8 + mix(seed) % 120;

	(void)loom_buf_puts(b, "\"text\":\"");
	for (uint32_t i = 0; i < n; i++) {
		(void)loom_buf_printf(b, "%s%s", i ? " " : "", words[mix(seed * 977u + i) % (sizeof(words) / sizeof(words[0]))]);
	}
	(void)loom_buf_putc(b, '"');
}

static bool put_body(const struct load *l, uint32_t seed, struct loom_buf *b)
{
	struct loom_json_out j;

	loom_buf_reset(b);
	loom_json_out_init(&j, b);
	loom_json_open(&j, '{');
	loom_json_key(&j, "model");
	loom_json_put_str(&j, l->model);
	(void)loom_buf_putc(b, ',');
	if (l->kind == KIND_EMBED) {
		put_text(l, seed, b);
	} else {
		put_prompt(l, seed, b);
		(void)loom_buf_printf(b, ",\"max_tokens\":%lld,\"temperature\":0,\"return_hidden_states\":%s", (long long)l->o->max_tokens,
			l->o->format ? "true" : "false");
		if (l->o->format) {
			(void)loom_buf_printf(b, ",\"hidden_state_format\":\"%s\"", l->o->format);
		}
	}
	if (l->o->capture) {
		(void)loom_buf_printf(b, ",\"capture\":%s", l->o->capture);
	}
	return loom_buf_putc(b, '}');
}

static void *run_client(void *ctx)
{
	static const char *const paths[] = {"/generate", "/generate/stream", "/embed"};
	struct one *c = ctx;
	struct load *l = c->load;
	struct loom_buf body;
	long long i;

	loom_buf_init(&body, 16u << 20);
	while ((i = atomic_fetch_add(&l->next, 1)) < l->o->requests && put_body(l, (uint32_t)i + 1, &body)) {
		(void)loom_bench_client_post(&c->client, paths[l->kind], body.data, body.len, l->kind == KIND_STREAM);
	}
	loom_buf_release(&body);
	return NULL;
}

/* ---- the report ---- */

static void gather(struct loom_times *to, const struct loom_times *from)
{
	for (size_t i = 0; i < from->n; i++) {
		(void)loom_times_add(to, from->v[i]);
	}
}

static void print_times(const char *name, struct loom_times *t, bool json)
{
	double p50 = loom_times_percentile(t, 0.5), p90 = loom_times_percentile(t, 0.9), p99 = loom_times_percentile(t, 0.99);
	double top = loom_times_percentile(t, 1);

	if (json) {
		(void)printf(", \"%s_ms\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, p50, p90, p99, top);
	} else if (t->n > 0) {
		(void)printf("%-16s p50 %9.2f ms   p90 %9.2f ms   p99 %9.2f ms   max %9.2f ms\n", name, p50, p90, p99, top);
	}
}

static int report(struct one *clients, int64_t n, double seconds, bool json)
{
	struct loom_bench_client all = {.base = NULL};

	for (int64_t i = 0; i < n; i++) {
		const struct loom_bench_client *c = &clients[i].client;
		gather(&all.whole, &c->whole);
		gather(&all.first, &c->first);
		gather(&all.between, &c->between);
		all.bytes += c->bytes;
		all.tokens += c->tokens;
		all.n_ok += c->n_ok;
		all.n_failed += c->n_failed;
		if (c->failure[0] && !all.failure[0]) {
			(void)loom_str_copy(all.failure, sizeof(all.failure), c->failure);
		}
	}
	if (json) {
		(void)printf("{\"clients\": %lld, \"answered\": %zu, \"failed\": %zu, \"seconds\": %.3f, \"requests_per_second\": %.3f, "
			"\"tokens_per_second\": %.3f, \"bytes_per_second\": %.0f", (long long)n, all.n_ok, all.n_failed, seconds, (double)all.n_ok / seconds,
			(double)all.tokens / seconds, (double)all.bytes / seconds);
	} else {
		(void)printf("%lld clients, %zu answered, %zu failed in %.2f s: %.2f requests/s, %.1f tokens/s, %.1f MB/s\n", (long long)n, all.n_ok,
			all.n_failed, seconds, (double)all.n_ok / seconds, (double)all.tokens / seconds, (double)all.bytes / seconds * 1e-6);
	}
	print_times("answer", &all.whole, json);
	print_times("first_token", &all.first, json);
	print_times("between_tokens", &all.between, json);
	(void)printf("%s", json ? "}\n" : "");
	if (all.n_failed > 0) {
		(void)fprintf(stderr, "loom: %zu requests failed, the first: %s\n", all.n_failed, all.failure);
	}
	loom_times_release(&all.whole);
	loom_times_release(&all.first);
	loom_times_release(&all.between);
	return all.n_failed > 0 ? LOOM_EXIT_FAILED : LOOM_EXIT_OK;
}

/* The model is in memory and warm before the clock runs. */
static bool warm_up(struct one *c, struct loom_err *err)
{
	struct loom_buf body;
	bool ok;

	loom_buf_init(&body, 16u << 20);
	ok = put_body(c->load, 0, &body) && loom_bench_client_post(&c->client, c->load->kind == KIND_EMBED ? "/embed" : "/generate", body.data, body.len,
		false);
	loom_buf_release(&body);
	if (!ok) {
		(void)loom_err_set(err, LOOM_E_UNAVAILABLE, "%s: %s", c->client.base, c->client.failure);
		return false;
	}
	loom_times_release(&c->client.whole);
	c->client.n_ok = 0;
	c->client.bytes = c->client.tokens = 0;
	return true;
}

static int drive(struct load *l, struct one *clients, bool json)
{
	int64_t n = l->o->clients;
	struct loom_err err;
	double t0;

	for (int64_t i = 0; i < n; i++) {
		clients[i].load = l;
		if (loom_bench_client_init(&clients[i].client, l->o->url, l->o->key, &err)) {
			return loom_fail(&err);
		}
	}
	if (!warm_up(&clients[0], &err)) {
		return loom_fail(&err);
	}
	t0 = loom_clock_ms();
	for (int64_t i = 0; i < n; i++) {
		clients[i].started = pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) == 0;
	}
	for (int64_t i = 0; i < n; i++) {
		if (clients[i].started) {
			(void)pthread_join(clients[i].thread, NULL);
		}
	}
	return report(clients, n, (loom_clock_ms() - t0) * 1e-3, json);
}

int loom_bench_load(const struct loom_load_options *o, const char *model, bool json)
{
	static const char *const kinds[] = {"generate", "stream", "embed", NULL};
	struct load l = {.o = o, .model = model};
	struct one *clients = loom_calloc((size_t)o->clients, sizeof(*clients));
	struct loom_err err;
	int rc;

	if (!clients) {
		(void)loom_err_nomem(&err, "clients", (size_t)o->clients * sizeof(*clients));
		return loom_fail(&err);
	}
	while (kinds[l.kind] && strcmp(kinds[l.kind], o->kind) != 0) {
		l.kind++;
	}
	if (!kinds[l.kind]) {
		loom_free(clients);
		return loom_fail_usage("--kind: expected generate, stream or embed, found \"%s\"", o->kind);
	}
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	rc = drive(&l, clients, json);
	for (int64_t i = 0; i < o->clients; i++) {
		loom_bench_client_release(&clients[i].client);
	}
	curl_global_cleanup();
	loom_free(clients);
	return rc;
}
