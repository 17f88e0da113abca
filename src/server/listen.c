/* listen.c: addresses and the thread that accepts. A connection gets a thread of its own; over the limit, and when descriptors run out, it
 * gets a short 503 instead. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "server_internal.h"
#include "str.h"

#define STACK_BYTES ((size_t)2 << 20)
#define BACKLOG 1024
#define CROWD 256 /* connections at once whose buffers are worth giving back */

static const char too_many[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
	"Content-Length: 149\r\n\r\n{\"error\":{\"message\":\"too many connections: try again later\",\"type\":\"server_error\",\"param\":null,"
	"\"code\":\"unavailable\"},\"detail\":\"too many connections\"}";

/* ---- addresses ---- */

static bool is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		return (ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24) == 127;
	}
	return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static int bound_port(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
		return 0;
	}
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&a)->sin6_port : ((struct sockaddr_in *)(void *)&a)->sin_port);
}

static enum loom_status listen_tcp(struct loom_server *s, struct loom_err *err)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *a = NULL;
	char port[8];
	int bad, fd, on = 1, off = 0;
	bool ok;

	(void)snprintf(port, sizeof(port), "%d", s->opts.port);
	bad = getaddrinfo(s->opts.host, port, &hints, &a);
	if (bad) {
		return loom_err_set(err, LOOM_E_INVALID, "host \"%.100s\": %s", s->opts.host, gai_strerror(bad));
	}
	s->loopback = is_loopback(a->ai_addr);
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		(a->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
		bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
	bad = errno;
	freeaddrinfo(a);
	if (!ok) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return loom_err_set(err, LOOM_E_IO, "cannot listen on %.100s port %d: %s", s->opts.host, s->opts.port, strerror(bad));
	}
	s->listeners[0] = fd;
	s->port = bound_port(fd);
	return LOOM_OK;
}

/* A socket file that nobody listens on any more is removed; one in use is not taken from its owner. */
static enum loom_status clear_stale(const struct sockaddr_un *a, struct loom_err *err)
{
	struct stat st;
	enum loom_status rc = LOOM_OK;
	int fd;

	if (lstat(a->sun_path, &st) != 0) {
		return LOOM_OK;
	}
	if (!S_ISSOCK(st.st_mode)) {
		return loom_err_set(err, LOOM_E_IO, "unix socket %.107s: a file of that name is there, and it is no socket", a->sun_path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno != ECONNREFUSED) {
		rc = loom_err_set(err, LOOM_E_CONFLICT, "unix socket %.107s: another server listens there", a->sun_path);
	} else if (unlink(a->sun_path) != 0 && errno != ENOENT) {
		rc = loom_err_set(err, LOOM_E_IO, "unix socket %.107s: a stale one can't be removed: %s", a->sun_path, strerror(errno));
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return rc;
}

static enum loom_status listen_unix(struct loom_server *s, struct loom_err *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = s->opts.unix_socket ? s->opts.unix_socket : "";
	enum loom_status rc;
	int fd;

	if (!path[0] || loom_str_copy(a.sun_path, sizeof(a.sun_path), path) != strlen(path)) {
		return loom_err_set(err, LOOM_E_INVALID, "unix socket: expected a path of 1..%zu bytes", sizeof(a.sun_path) - 1);
	}
	if ((rc = clear_stale(&a, err))) {
		return rc;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody can connect before listen, so the mode is right from the first moment on. */
	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || chmod(path, s->opts.unix_mode) != 0 ||
		stat(path, &s->unix_stat) != 0 || listen(fd, BACKLOG) != 0) {
		rc = loom_err_set(err, LOOM_E_IO, "cannot listen on unix socket %.107s: %s", path, strerror(errno));
		if (fd >= 0) {
			(void)close(fd);
		}
		return rc;
	}
	s->listeners[1] = fd;
	return LOOM_OK;
}

/* ---- accepting ---- */

static void *run(void *ctx)
{
	struct loom_conn *c = ctx;
	struct loom_server *s = c->server;

	bool alone;

	loom_conn_run(c);
	(void)pthread_mutex_lock(&s->lock);
	*(c->prev ? &c->prev->next : &s->conns) = c->next;
	if (c->next) {
		c->next->prev = c->prev;
	}
	(void)close(c->fd); /* under the lock: nobody may wake a descriptor that is another's by now */
	loom_free(c);
	s->n_conn--;
	alone = s->most_conn >= CROWD && s->n_conn < s->most_conn / 16;
	s->most_conn = alone ? s->n_conn : s->most_conn;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	if (alone) { /* the last of a crowd: what its buffers took goes back to the system */
		loom_mem_trim();
	}
	return NULL;
}

/* An address from elsewhere is a client; on this machine, where all have one address, a connection is. Never 0. */
static uint64_t client_of(const struct loom_server *s, int fd, bool unix_socket)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof(a);
	uint64_t h = 1469598103934665603ull;
	const unsigned char *bytes = (const unsigned char *)&((const struct sockaddr_in *)(const void *)&a)->sin_addr;
	size_t n_byte = 4;

	if (unix_socket || getpeername(fd, (struct sockaddr *)&a, &n) != 0 || is_loopback((const struct sockaddr *)&a)) {
		return (s->n_accepted << 1) | 1;
	}
	if (a.ss_family == AF_INET6) {
		bytes = ((const struct sockaddr_in6 *)(const void *)&a)->sin6_addr.s6_addr;
		n_byte = 16;
	}
	for (size_t i = 0; i < n_byte; i++) {
		h = (h ^ bytes[i]) * 1099511628211ull;
	}
	return h ? h : 1;
}

static bool start_thread(struct loom_conn *c)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool ok;

	if (pthread_attr_init(&attr) != 0) {
		return false;
	}
	ok = pthread_attr_setstacksize(&attr, STACK_BYTES) == 0 && pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0 &&
		pthread_create(&thread, &attr, run, c) == 0;
	(void)pthread_attr_destroy(&attr);
	return ok;
}

static void turn_away(int fd)
{
	(void)send(fd, too_many, sizeof(too_many) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_WR);
	(void)close(fd);
}

static void serve(struct loom_server *s, int fd, bool unix_socket)
{
	struct loom_conn *c = NULL;
	int on = 1, n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->n_conn;
	(void)pthread_mutex_unlock(&s->lock);
	c = n < s->opts.max_connections ? loom_calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		turn_away(fd);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->unix_socket = unix_socket;
	s->n_accepted++;
	c->client = client_of(s, fd, unix_socket);
	if (!unix_socket) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	(void)pthread_mutex_lock(&s->lock);
	c->next = s->conns;
	if (c->next) {
		c->next->prev = c;
	}
	s->conns = c;
	s->n_conn++;
	s->most_conn = s->n_conn > s->most_conn ? s->n_conn : s->most_conn;
	if (!start_thread(c)) {
		s->conns = c->next;
		if (c->next) {
			c->next->prev = NULL;
		}
		s->n_conn--;
		loom_free(c);
		turn_away(fd);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

/* No descriptor is left: with the one in reserve the next client at least learns why. */
static void out_of_descriptors(struct loom_server *s, int listener)
{
	int fd;

	if (s->reserve >= 0) {
		(void)close(s->reserve);
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		turn_away(fd);
	}
	s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	loom_sleep_ms(5);
}

static void *accept_all(void *ctx)
{
	struct loom_server *s = ctx;
	struct pollfd p[3] = {{s->wake[0], POLLIN, 0}, {s->listeners[0], POLLIN, 0}, {s->listeners[1], POLLIN, 0}};

	for (;;) {
		if (poll(p, 3, -1) < 0) {
			continue;
		}
		if (p[0].revents) {
			return NULL;
		}
		for (int i = 1; i < 3; i++) {
			if (!p[i].revents) {
				continue;
			}
			int fd = accept4(p[i].fd, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0) {
				serve(s, fd, i == 2);
			} else if (errno == EMFILE || errno == ENFILE) {
				out_of_descriptors(s, p[i].fd);
			} else if (errno == ENOMEM || errno == ENOBUFS) {
				loom_sleep_ms(5);
			}
		}
	}
}

enum loom_status loom_listen(struct loom_server *s, struct loom_err *err)
{
	enum loom_transport t = s->opts.transport;
	enum loom_status rc = LOOM_OK;

	s->listeners[0] = s->listeners[1] = s->wake[0] = s->wake[1] = -1;
	s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->loopback = true;
	if (t != LOOM_TRANSPORT_UNIX) {
		rc = listen_tcp(s, err);
	}
	if (rc == LOOM_OK && t != LOOM_TRANSPORT_HTTP) {
		rc = listen_unix(s, err);
	}
	if (rc == LOOM_OK && pipe2(s->wake, O_CLOEXEC) != 0) {
		rc = loom_err_set(err, LOOM_E_IO, "cannot listen: %s", strerror(errno));
	}
	if (rc == LOOM_OK && !s->loopback) {
		/* Before the first request: who can connect from elsewhere must not look around on this machine. */
		loom_engine_limit_local(s->engine, s->opts.local_roots);
	}
	if (rc == LOOM_OK && pthread_create(&s->accepting, NULL, accept_all, s) != 0) {
		rc = loom_err_set(err, LOOM_E_UNAVAILABLE, "no thread to be had");
		(void)close(s->wake[1]);
		s->wake[1] = -1;
	}
	if (rc) {
		loom_listen_close(s);
	}
	return rc;
}

void loom_listen_close(struct loom_server *s)
{
	struct stat st;

	if (s->wake[1] >= 0) {
		(void)close(s->wake[1]); /* its other end becomes readable */
		(void)pthread_join(s->accepting, NULL);
	}
	if (s->listeners[1] >= 0 && lstat(s->opts.unix_socket, &st) == 0 && st.st_ino == s->unix_stat.st_ino && st.st_dev == s->unix_stat.st_dev) {
		(void)unlink(s->opts.unix_socket);
	}
	for (int i = 0; i < 2; i++) {
		if (s->listeners[i] >= 0) {
			(void)close(s->listeners[i]);
		}
	}
	if (s->wake[0] >= 0) {
		(void)close(s->wake[0]);
	}
	if (s->reserve >= 0) {
		(void)close(s->reserve);
	}
	s->listeners[0] = s->listeners[1] = s->wake[0] = s->wake[1] = s->reserve = -1;
}
