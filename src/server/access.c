/* access.c: who may ask: the Host header, the API key, origins of web pages. */
#include <string.h>
#include <strings.h>

#include "server_internal.h"
#include "str.h"

/* Does name stand in list, whose words spaces or commas separate? */
static bool listed(const char *list, const char *name, bool any_case)
{
	size_t n = strlen(name);

	while (list && *list) {
		size_t skip = strspn(list, " ,"), len = strcspn(list + skip, " ,");
		list += skip;
		if (len == n && n > 0 && (any_case ? strncasecmp(list, name, n) : strncmp(list, name, n)) == 0) {
			return true;
		}
		list += len;
	}
	return false;
}

/* Is the name in Host one that a page of another site could not have made the browser use? */
static bool host_is_ours(const struct loom_server_opts *o, const char *host)
{
	char name[256];
	size_t n;

	if (!host) {
		return false;
	}
	n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (n >= sizeof(name) || n > strlen(host)) {
		return false;
	}
	memcpy(name, host, n);
	name[n] = '\0';
	return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
		(loom_str_starts(name, "127.") && strspn(name, "0123456789.") == n) || listed(o->allowed_hosts, name, true);
}

/* Takes the same time wherever the two differ. */
static bool same_secret(const char *given, const char *key)
{
	size_t n = strlen(given), m = strlen(key);
	volatile unsigned char differ = n != m;

	for (size_t i = 0; i < n; i++) {
		differ |= (unsigned char)(given[i] ^ key[i % m]);
	}
	return differ == 0;
}

static bool has_key(const struct loom_http_head *h, const char *key)
{
	const char *given = loom_http_header(h, "Authorization");

	if (!given || strncasecmp(given, "Bearer ", 7) != 0) {
		return false;
	}
	given += 7;
	given += strspn(given, " ");
	return same_secret(given, key);
}

/* A browser asks this without credentials before it sends them. */
static bool is_preflight(const struct loom_call *k)
{
	return strcmp(k->head.method, "OPTIONS") == 0 && loom_http_header(&k->head, "Origin");
}

enum loom_status loom_access_check(const struct loom_call *k, struct loom_err *err)
{
	const struct loom_server *s = k->conn->server;
	const char *key = s->opts.api_key;
	bool keyed = key && key[0];

	if (s->loopback && !keyed && !k->conn->unix_socket && !host_is_ours(&s->opts, k->head.host)) {
		return loom_err_set(err, LOOM_E_FORBIDDEN, "Host: expected localhost or a loopback address: this server listens on loopback only "
			"(server.allowed_hosts adds names)");
	}
	if (keyed && strcmp(k->path, "/health") != 0 && !is_preflight(k) && !has_key(&k->head, key)) {
		return loom_err_set(err, LOOM_E_UNAUTHORIZED, "this server wants an API key: send the header \"Authorization: Bearer KEY\"");
	}
	return LOOM_OK;
}

void loom_access_cors(const struct loom_call *k, struct loom_buf *head)
{
	const char *origins = k->conn->server->opts.cors_origins, *origin = loom_http_header(&k->head, "Origin");
	bool any = listed(origins, "*", false);

	if (!origins || !origins[0]) {
		return;
	}
	if (!any) {
		(void)loom_buf_puts(head, "Vary: Origin\r\n");
	}
	if (!origin || (!any && !listed(origins, origin, true))) {
		return;
	}
	(void)loom_buf_printf(head, "Access-Control-Allow-Origin: %s\r\nAccess-Control-Expose-Headers: X-Request-Id, Retry-After\r\n",
		any ? "*" : origin);
	if (is_preflight(k)) {
		(void)loom_buf_printf(head, "Access-Control-Allow-Methods: %s\r\nAccess-Control-Allow-Headers: Authorization, Content-Type, "
			"X-Request-Id\r\nAccess-Control-Max-Age: 600\r\n", k->allow);
	}
}
