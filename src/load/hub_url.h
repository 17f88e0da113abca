/* hub_url.h: URLs of the hub, and what may be done with the ones it sends us: which redirect is followed, where the token may go, and
 * which addresses a name may stand for. libcurl parses; the policy is here. */
#ifndef LOOM_HUB_URL_H
#define LOOM_HUB_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "err.h"

#define LOOM_HUB_URL_CAP 8192

struct loom_hub_origin {
	char scheme[8]; /* "https" or "http" */
	char host[256]; /* lower case */
	char port[8];
	bool userinfo;  /* the URL names a user */
};
/* false: not an http or https URL with a host. */
bool loom_hub_origin_parse(const char *url, struct loom_hub_origin *out);
bool loom_hub_origin_same(const struct loom_hub_origin *a, const struct loom_hub_origin *b);
/* Does the token go along to an origin? Only the endpoint's own, and in clear text only within this machine. */
bool loom_hub_token_goes(const struct loom_hub_origin *endpoint, const struct loom_hub_origin *to);

/* endpoint/prefix/repo/infix/revision[/file]: revision with '/' escaped, file without. false: too long. */
bool loom_hub_url_file(char *out, size_t cap, const char *endpoint, const char *repo, const char *commit, const char *file);
bool loom_hub_url_info(char *out, size_t cap, const char *endpoint, const char *repo, const char *rev);

/* Where the Location header of an answer from `from` leads, as an absolute URL. Refused (LOOM_E_HUB): schemes other than https, http
 * when `from` was https, a user in the URL, what is no URL. */
enum loom_status loom_hub_redirect(const char *from, const char *location, char *out, size_t cap, struct loom_err *err) LOOM_MUST_CHECK;

/* Kinds of addresses, in order of nearness. A redirect may lead to a public one, or to one no nearer than the endpoint's own. */
enum loom_hub_near { LOOM_HUB_PUBLIC, LOOM_HUB_PRIVATE, LOOM_HUB_LOOPBACK, LOOM_HUB_NEVER };
enum loom_hub_near loom_hub_address(const struct sockaddr *sa, size_t n);
bool loom_hub_address_allowed(enum loom_hub_near endpoint, enum loom_hub_near to);

#endif
