/* hub_env.h: what the environment says of the hub, under the names that huggingface_hub reads: where it is, who we are, where the cache
 * lies, how patient to be. */
#ifndef LOOM_HUB_ENV_H
#define LOOM_HUB_ENV_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct loom_hub_env {
	char endpoint[512];     /* HF_ENDPOINT: scheme://host[:port][/path], no slash at its end */
	char host[256];         /* its host, for messages */
	char cache[PATH_MAX];   /* the cache's root; "" when no directory is known */
	char token[512];        /* "" none */
	char ca_file[PATH_MAX]; /* SSL_CERT_FILE, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE; "" the system's */
	bool offline;           /* HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE */
	long meta_seconds;      /* HF_HUB_ETAG_TIMEOUT (10): to connect, and for a file's metadata */
	long read_seconds;      /* HF_HUB_DOWNLOAD_TIMEOUT (10): how long a body may stand still */
	long retry_ms;          /* LOOM_HUB_RETRY_MS (1000): the first wait before trying again; doubles */
};
/* cache_dir NULL or "": the environment's. A value that cannot be used (a token with a space, an endpoint that is no URL) is
 * LOOM_E_INVALID, naming the variable and never the token. */
enum loom_status loom_hub_env_read(struct loom_hub_env *e, const char *cache_dir, struct loom_err *err) LOOM_MUST_CHECK;
/* given, else HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub.
 * false when no directory is known or the path is too long. */
bool loom_hub_cache_root(const char *given, char *out, size_t cap);
bool loom_hub_offline(void);

#endif
