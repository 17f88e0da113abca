/* test_server.c: a server in this process: health when a worker is dead, the end with connections open, and what holds the route table together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine_case.h"
#include "engine_internal.h"
#include "exchange.h"
#include "server.h"

static int dial(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* The status of GET path on a connection of its own; the answer in out. */
static int get(int port, const char *path, char *out, size_t cap)
{
	char text[256];
	size_t n = 0;
	ssize_t got;
	int fd = dial(port), len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);

	assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
	while (n + 1 < cap && (got = recv(fd, out + n, cap - 1 - n, 0)) > 0) {
		n += (size_t)got;
	}
	out[n] = '\0';
	close(fd);
	return n > 12 ? (int)strtol(out + 9, NULL, 10) : 0;
}

static void test_health_can_fail(void **state)
{
	static char text[200000];
	struct loom_server_opts o;
	struct loom_server *s;
	struct loom_err err = {0};
	struct loom_engine *e = tiny_engine(1, 0);
	struct loom_resident *r = tiny_open(e, MODEL);

	(void)state;
	loom_server_opts_default(&o);
	o.port = 0;
	assert_int_equal(loom_server_start(&o, e, &s, &err), LOOM_OK);
	assert_int_equal(get(loom_server_port(s), "/health", text, sizeof(text)), 200);
	assert_non_null(strstr(text, "\"status\":\"healthy\""));
	atomic_store(&r->worker.alive, false);
	assert_int_equal(get(loom_server_port(s), "/health", text, sizeof(text)), 503);
	assert_non_null(strstr(text, "\"status\":\"unhealthy\""));
	atomic_store(&r->worker.alive, true);
	assert_int_equal(get(loom_server_port(s), "/metrics", text, sizeof(text)), 200);
	assert_non_null(strstr(text, "status=\"503\"} 1"));
	loom_engine_release(e, r);
	loom_server_stop(s);
	loom_engine_free(e, 0);
}

static void test_the_end_does_not_wait_for_idle_connections(void **state)
{
	struct loom_server_opts o;
	struct loom_server *s;
	struct loom_err err = {0};
	struct loom_engine *e = tiny_engine(1, 0);
	int fds[50];
	char byte;

	(void)state;
	loom_server_opts_default(&o);
	o.port = 0;
	o.header_seconds = o.keep_alive_seconds = 3600; /* who waited for them would wait an hour */
	assert_int_equal(loom_server_start(&o, e, &s, &err), LOOM_OK);
	for (int i = 0; i < 50; i++) {
		fds[i] = dial(loom_server_port(s));
		if (i % 2) { /* a head that never ends */
			assert_int_equal(send(fds[i], "GET / HT", 8, MSG_NOSIGNAL), 8);
		}
	}
	loom_server_stop(s);
	for (int i = 0; i < 50; i++) {
		while (recv(fds[i], &byte, 1, 0) > 0) {
		}
		close(fds[i]);
	}
	loom_engine_free(e, 0);
}

static void test_an_address_in_use(void **state)
{
	struct loom_server_opts o;
	struct loom_server *s, *other;
	struct loom_err err = {0};
	struct loom_engine *e = tiny_engine(1, 0);

	(void)state;
	loom_server_opts_default(&o);
	o.port = 0;
	assert_int_equal(loom_server_start(&o, e, &s, &err), LOOM_OK);
	o.port = loom_server_port(s);
	assert_int_equal(loom_server_start(&o, e, &other, &err), LOOM_E_IO);
	assert_non_null(strstr(err.message, "in use"));
	o.host = "no such host";
	assert_int_equal(loom_server_start(&o, e, &other, &err), LOOM_E_INVALID);
	loom_server_stop(s);
	loom_engine_free(e, 0);
}

static void test_the_route_table(void **state)
{
	const struct loom_route *route;
	const char *rest;
	char allow[128];
	struct loom_err err = {0};

	(void)state;
	for (const struct loom_route *r = loom_routes; r->method; r++) {
		assert_true(r->handler && r->summary && r->path[0] == '/');
		assert_int_equal(strcmp(r->method, "POST") == 0, r->body != NULL);
		assert_true((r->answer != NULL) != (r->answer_type != NULL));
	}
	assert_int_equal(loom_route_find("GET", "/models/a/b%20c", &route, &rest, allow, sizeof(allow), &err), LOOM_OK);
	assert_string_equal(rest, "a/b%20c");
	assert_int_equal(loom_route_find("GET", "/models/", &route, &rest, allow, sizeof(allow), &err), LOOM_E_NOT_FOUND);
	assert_int_equal(loom_route_find("POST", "/models/load", &route, &rest, allow, sizeof(allow), &err), LOOM_OK);
	assert_int_equal(loom_route_find("PUT", "/models/x", &route, &rest, allow, sizeof(allow), &err), LOOM_E_METHOD);
	assert_string_equal(allow, "GET, HEAD, DELETE, OPTIONS");
	assert_int_equal(loom_route_find("GET", "/modles", &route, &rest, allow, sizeof(allow), &err), LOOM_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "did you mean /models"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health_can_fail),
		cmocka_unit_test(test_the_end_does_not_wait_for_idle_connections),
		cmocka_unit_test(test_an_address_in_use),
		cmocka_unit_test(test_the_route_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
