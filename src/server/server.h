/* server.h: the HTTP server over an engine. http.c is the glue to libmicrohttpd, routes.c the table of the API, api_*.c the handlers. */
#ifndef LOOM_SERVER_H
#define LOOM_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine.h"
#include "err.h"

struct loom_server;

struct loom_server_opts {
	const char *host;          /* an address, or "localhost"; default "127.0.0.1" */
	int port;                  /* 0: any free one */
	size_t max_body_bytes;     /* 64 MiB */
	uint64_t max_response_bytes; /* 1 GiB: answers estimated larger are refused before any work */
	int max_connections;       /* LOOM_MAX_CONNECTIONS */
	unsigned idle_seconds;     /* a silent connection is closed after this (30) */
	unsigned drain_seconds;    /* what DELETE /models/{id} and the end of the server wait for requests in flight (10) */
	const char *allowed_hosts; /* names accepted in Host when listening on loopback only, separated by spaces; NULL: none beside localhost */
};
void loom_server_opts_default(struct loom_server_opts *o);
/* Listens and answers until loom_server_stop. The engine stays the caller's and must outlive the server. */
enum loom_status loom_server_start(const struct loom_server_opts *o, struct loom_engine *e, struct loom_server **out, struct loom_err *err)
	LOOM_MUST_CHECK;
int loom_server_port(const struct loom_server *s);
/* No new work (503); waits for what is in flight, at most drain_seconds, then closes. Frees s. */
void loom_server_stop(struct loom_server *s);

#endif
