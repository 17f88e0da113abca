/* bench_client.h: one client of a running server, for loom bench --load: posts bodies over one kept connection and notes when what came. */
#ifndef LOOM_BENCH_CLIENT_H
#define LOOM_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Milliseconds, in the order in which they were noted. */
struct loom_times {
	double *v;              /* [n] */
	size_t n, cap;
};
bool loom_times_add(struct loom_times *t, double ms);
void loom_times_release(struct loom_times *t);
/* Sorts. share 0..1; 0 when there is none. */
double loom_times_percentile(struct loom_times *t, double share);

struct loom_bench_client {
	void *curl;
	const char *base;       /* "http://127.0.0.1:8080" */
	const char *key;        /* sent as a bearer token; NULL none */
	/* over all requests */
	struct loom_times whole, first, between; /* answers, first tokens (streams: the first event), gaps between tokens */
	uint64_t bytes, tokens; /* of answers */
	size_t n_ok, n_failed;
	char failure[256];      /* the first one */
	/* the request under way */
	double sent, last;
	bool stream;
	char head[4096];        /* of the answer, for token_count and error messages */
	size_t n_head;
	char line[64];          /* of the stream, cut */
	size_t n_line;
};
/* base must be a loopback address: LOOM_E_INVALID else. */
enum loom_status loom_bench_client_init(struct loom_bench_client *c, const char *base, const char *key, struct loom_err *err) LOOM_MUST_CHECK;
void loom_bench_client_release(struct loom_bench_client *c);
/* One request, its outcome noted; true when it was answered with 200. A stream's token events are timed one by one. */
bool loom_bench_client_post(struct loom_bench_client *c, const char *path, const char *body, size_t n, bool stream);

#endif
