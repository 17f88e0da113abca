/* server_internal.h: what the transport's files share: the server, a connection, and a request on it.
 *
 * listen.c accepts, conn.c moves bytes under deadlines, call.c answers one request: may it be answered, which handler, the reply, the
 * log line. A thread a connection; work on a model is the engine's, whose workers never touch a socket. */
#ifndef LOOM_SERVER_INTERNAL_H
#define LOOM_SERVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "exchange.h"
#include "http_parse.h"
#include "metrics.h"
#include "server.h"

#define LOOM_READ_BYTES (32u << 10) /* more than the longest head */

struct loom_server {
	struct loom_server_opts opts;
	struct loom_engine *engine;
	struct loom_metrics metrics;
	bool loopback;              /* every address listened on is one of this machine alone */
	int port;
	int listeners[2];           /* TCP and unix socket; -1 none */
	struct stat unix_stat;      /* of the socket file, so that only our own is removed */
	int wake[2];                /* a pipe that ends the accepting thread */
	int reserve;                /* a descriptor to answer with when there are none left; -1 used up */
	uint64_t n_accepted;        /* the accepting thread's */
	pthread_t accepting;
	pthread_mutex_t lock;
	pthread_cond_t changed;     /* a connection ended */
	struct loom_conn *conns;
	int n_conn, most_conn; /* now, and at most since memory was last given back */
	atomic_bool stopping, aborting;
	atomic_int in_flight;       /* requests being answered */
	atomic_ullong next_id;
	uint64_t id_seed;
};

struct loom_conn {
	struct loom_server *server;
	struct loom_conn *next, *prev;
	int fd;
	bool unix_socket;
	uint64_t client;            /* who it is, for fairness: an address, on this machine a connection */
	bool idle;                  /* between requests; under the server's lock */
	bool half_closed_probed;    /* an interim answer was sent to see whether the client is still there */
	bool failed;                /* no byte can be sent any more */
	char *buf;                  /* [LOOM_READ_BYTES] */
	size_t at, n;               /* unread: buf[at..n) */
	size_t base;                /* buf[0..base) is the head of the request under way, whose strings are in use */
	uint64_t n_request;
};

/* ---- conn.c ---- */
void loom_conn_run(struct loom_conn *c);
/* Closes what is idle (its thread then ends); lock held. */
void loom_conn_wake(struct loom_conn *c);
/* All of it, or false: the client is gone, or takes nothing for idle_seconds. */
bool loom_conn_send(struct loom_conn *c, const struct loom_body_part *parts, size_t n);
bool loom_conn_send_within(struct loom_conn *c, const struct loom_body_part *parts, size_t n, unsigned idle_seconds);
/* Has the client left? A half-closed one has not. */
bool loom_conn_gone(struct loom_conn *c, int minor);

/* ---- call.c ---- */
struct loom_call {
	struct loom_conn *conn;
	struct loom_http_head head;
	const struct loom_route *route;
	struct loom_exchange x;
	struct loom_buf body;
	char id[132];               /* X-Request-Id */
	char path[512], rest[1024]; /* path as logged; rest: of the route, decoded */
	char allow[128];
	double started_ms;
	int status;                 /* sent; 0 none yet, 499 the client left */
	uint64_t bytes;             /* of bodies sent */
	bool close_after;           /* the connection ends with this answer */
	bool streaming;             /* the head of a stream was sent */
};
void loom_call_init(struct loom_call *k, struct loom_conn *c);
void loom_call_release(struct loom_call *k);
/* May it be answered, and by whom? Before its body is read. On failure the reply is loom_call_error's. */
enum loom_status loom_call_check(struct loom_call *k, struct loom_err *err) LOOM_MUST_CHECK;
/* Runs the handler and sends what it made. */
void loom_call_answer(struct loom_call *k);
void loom_call_error(struct loom_call *k, const struct loom_err *err);
/* Counts and logs it. */
void loom_call_done(struct loom_call *k);

/* ---- access.c: who may ask ---- */
enum loom_status loom_access_check(const struct loom_call *k, struct loom_err *err) LOOM_MUST_CHECK;
/* Appends the CORS headers that the request is due. */
void loom_access_cors(const struct loom_call *k, struct loom_buf *head);

/* ---- listen.c ---- */
enum loom_status loom_listen(struct loom_server *s, struct loom_err *err) LOOM_MUST_CHECK;
void loom_listen_close(struct loom_server *s);

#endif
