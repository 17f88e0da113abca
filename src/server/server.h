/* server.h: the HTTP server over an engine. listen.c, conn.c and call.c are the transport, routes.c is the table of the API, api_*.c are the
 * handlers. */
#ifndef LOOM_SERVER_H
#define LOOM_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "err.h"

struct loom_server;

enum loom_transport { LOOM_TRANSPORT_HTTP, LOOM_TRANSPORT_UNIX, LOOM_TRANSPORT_BOTH };

/* Strings are the caller's and outlive the server. */
struct loom_server_opts {
	enum loom_transport transport; /* HTTP */
	const char *host;          /* an address, or "localhost"; default "127.0.0.1" */
	int port;                  /* 0: any free one */
	const char *unix_socket;   /* "/tmp/loom.sock" */
	unsigned unix_mode;        /* of the socket file (0600) */
	const char *api_key;       /* NULL or "": none. Else every route but /health wants "Authorization: Bearer KEY" */
	const char *cors_origins;  /* NULL or "": no CORS headers. "*", or origins separated by spaces or commas */
	const char *allowed_hosts; /* names accepted in Host when listening on loopback only, separated by spaces; NULL: none beside localhost */
	const char *local_roots;   /* folders, separated by ':', below which a model may be a path when others than this machine can connect */
	size_t max_body_bytes;     /* 64 MiB */
	uint64_t max_response_bytes; /* 1 GiB: answers estimated larger are refused before any work */
	int max_connections;       /* LOOM_MAX_CONNECTIONS */
	int max_requests_per_connection; /* 0: no limit */
	int max_batch_items;       /* prompts or texts of a batch (100) */
	unsigned header_seconds;   /* a request's head must be here after this (15) */
	unsigned idle_seconds;     /* a silent body, or a reader that takes nothing, is given up after this (30) */
	unsigned keep_alive_seconds; /* an idle connection is closed after this (60) */
	unsigned drain_seconds;    /* what DELETE /models/{id} and the end of the server wait for requests in flight (10) */
	size_t stream_buffer_bytes; /* events that a stream's reader may be behind before its work is stopped (4 MiB) */
	unsigned stream_stall_seconds; /* a stream's reader that takes nothing is given up after this while its model is at work (5) */
	const int64_t *default_layers; /* [n_default_layer] hidden_state_layers when absent; NULL: the last */
	size_t n_default_layer;
	bool default_all_layers;   /* "all" when absent */
	enum loom_dtype default_dtype; /* hidden_state_dtype when absent; UNKNOWN: float32 */
};
void loom_server_opts_default(struct loom_server_opts *o);
/* Listens and answers until loom_server_stop. The engine stays the caller's and must outlive the server. */
enum loom_status loom_server_start(const struct loom_server_opts *o, struct loom_engine *e, struct loom_server **out, struct loom_err *err)
	LOOM_MUST_CHECK;
int loom_server_port(const struct loom_server *s);
/* No new work (503); waits for what is in flight, at most drain_seconds, then closes. Frees s. */
void loom_server_stop(struct loom_server *s);

#endif
