/* server.c: a server's beginning and its end. */
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bounds.h"
#include "clock.h"
#include "mem.h"
#include "server_internal.h"

void loom_server_opts_default(struct loom_server_opts *o)
{
	*o = (struct loom_server_opts){.transport = LOOM_TRANSPORT_HTTP, .host = "127.0.0.1", .port = 8080, .unix_socket = "/tmp/loom.sock",
		.unix_mode = 0600, .max_body_bytes = LOOM_MAX_BODY_BYTES, .max_response_bytes = LOOM_MAX_RESPONSE_BYTES,
		.max_connections = LOOM_MAX_CONNECTIONS, .max_batch_items = LOOM_MAX_BATCH_ITEMS, .header_seconds = 15, .idle_seconds = 30,
		.keep_alive_seconds = 60, .drain_seconds = 10, .stream_buffer_bytes = (size_t)4 << 20,
		.stream_stall_seconds = 5};
}

static bool init_locks(struct loom_server *s)
{
	pthread_condattr_t attr;
	bool ok;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ok = pthread_mutex_init(&s->lock, NULL) == 0 && pthread_cond_init(&s->changed, &attr) == 0;
	(void)pthread_condattr_destroy(&attr);
	return ok;
}

static void free_server(struct loom_server *s)
{
	loom_metrics_release(&s->metrics);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	loom_free(s);
}

enum loom_status loom_server_start(const struct loom_server_opts *o, struct loom_engine *e, struct loom_server **out, struct loom_err *err)
{
	struct loom_server *s = loom_calloc(1, sizeof(*s));
	enum loom_status rc;

	*out = NULL;
	if (!s || !init_locks(s) || !loom_metrics_init(&s->metrics)) {
		loom_free(s);
		return loom_err_nomem(err, "server", sizeof(*s));
	}
	s->opts = *o;
	s->engine = e;
	s->id_seed = loom_clock_ns();
	rc = loom_listen(s, err);
	if (rc) {
		free_server(s);
		return rc;
	}
	*out = s;
	return LOOM_OK;
}

int loom_server_port(const struct loom_server *s)
{
	return s->port;
}

/* Waits until no connection is left; false when that takes longer than ms. */
static bool wait_closed(struct loom_server *s, unsigned ms)
{
	struct timespec until;
	int rc = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	(void)pthread_mutex_lock(&s->lock);
	while (s->n_conn > 0 && rc == 0) {
		rc = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
	rc = s->n_conn;
	(void)pthread_mutex_unlock(&s->lock);
	return rc == 0;
}

static void each_conn(struct loom_server *s, bool all)
{
	(void)pthread_mutex_lock(&s->lock);
	for (struct loom_conn *c = s->conns; c; c = c->next) {
		if (all) {
			(void)shutdown(c->fd, SHUT_RDWR);
		} else {
			loom_conn_wake(c);
		}
	}
	(void)pthread_mutex_unlock(&s->lock);
}

void loom_server_stop(struct loom_server *s)
{
	double deadline = loom_clock_ms() + s->opts.drain_seconds * 1e3;

	(void)pthread_mutex_lock(&s->lock);
	atomic_store(&s->stopping, true);
	(void)pthread_mutex_unlock(&s->lock);
	loom_listen_close(s);
	each_conn(s, false);
	while (atomic_load(&s->in_flight) > 0 && loom_clock_ms() < deadline) {
		loom_sleep_ms(10);
	}
	atomic_store(&s->aborting, true); /* what still runs ends with an error */
	if (!wait_closed(s, 2000)) {
		each_conn(s, true);
	}
	if (wait_closed(s, 2000)) {
		free_server(s);
	} /* else a thread still uses it: the process ends soon */
}
