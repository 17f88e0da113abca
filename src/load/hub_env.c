/* hub_env.c: HF_* variables. See hub_env.h. */
#include "hub_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "file.h"
#include "hub_url.h"
#include "mem.h"
#include "str.h"

#define DEFAULT_ENDPOINT "https://huggingface.co"

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && v[0] ? v : NULL;
}

static bool is_true(const char *v)
{
	return v && (strcmp(v, "1") == 0 || strcasecmp(v, "on") == 0 || strcasecmp(v, "yes") == 0 || strcasecmp(v, "true") == 0);
}

/* "~/x" is below HOME. */
static bool home(const char *path, char *out, size_t cap)
{
	const char *dir = env("HOME");

	if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
		return dir && (path[1] ? loom_path_join(out, cap, dir, path + 2) : loom_str_copy(out, cap, dir) == strlen(dir));
	}
	return loom_str_copy(out, cap, path) == strlen(path);
}

static bool hf_home(char *out, size_t cap)
{
	char dir[PATH_MAX];
	const char *v;

	if ((v = env("HF_HOME"))) {
		return home(v, out, cap);
	}
	if ((v = env("XDG_CACHE_HOME"))) {
		return home(v, dir, sizeof(dir)) && loom_path_join(out, cap, dir, "huggingface");
	}
	return home("~/.cache/huggingface", out, cap);
}

bool loom_hub_cache_root(const char *given, char *out, size_t cap)
{
	char dir[PATH_MAX];
	const char *v = given && given[0] ? given : env("HF_HUB_CACHE");

	v = v ? v : env("HUGGINGFACE_HUB_CACHE");
	return v ? home(v, out, cap) : hf_home(dir, sizeof(dir)) && loom_path_join(out, cap, dir, "hub");
}

bool loom_hub_offline(void)
{
	const char *v = env("HF_HUB_OFFLINE");

	return is_true(v ? v : env("TRANSFORMERS_OFFLINE"));
}

static void trim(char *s)
{
	size_t n = strlen(s), skip = strspn(s, " \t\r\n");

	while (n > skip && strchr(" \t\r\n", s[n - 1])) {
		n--;
	}
	memmove(s, s + skip, n - skip);
	s[n - skip] = '\0';
}

/* HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH, HF_HOME/token; the first that holds one. */
static enum loom_status read_token(struct loom_hub_env *e, struct loom_err *err)
{
	const char *from = "HF_TOKEN", *v = env("HF_TOKEN"), *path = env("HF_TOKEN_PATH");
	char file[PATH_MAX], dir[PATH_MAX];
	char *text = NULL;
	size_t n = 0;

	e->token[0] = '\0';
	if (is_true(env("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) {
		return LOOM_OK;
	}
	v = v ? v : env("HUGGING_FACE_HUB_TOKEN");
	if (!v) {
		bool known = path ? home(path, file, sizeof(file)) : hf_home(dir, sizeof(dir)) && loom_path_join(file, sizeof(file), dir, "token");
		from = "the token file";
		if (!known || loom_file_slurp(file, "token", 4096, &text, &n, NULL)) {
			return LOOM_OK; /* no file, no token */
		}
		v = text;
	}
	bool fits = loom_str_copy(e->token, sizeof(e->token), v) == strlen(v);
	loom_free(text);
	trim(e->token);
	for (const char *c = e->token; *c; c++) {
		fits = fits && *c > 0x20 && *c < 0x7f;
	}
	if (!fits) {
		memset(e->token, 0, sizeof(e->token));
		return loom_err_set(err, LOOM_E_INVALID, "%s holds something that is no token: expected up to %zu printable characters without spaces",
			from, sizeof(e->token) - 1);
	}
	return LOOM_OK;
}

static enum loom_status read_seconds(const char *name, long *out, struct loom_err *err)
{
	const char *v = env(name);
	char *end;

	if (!v) {
		return LOOM_OK;
	}
	*out = strtol(v, &end, 10);
	return *end == '\0' && *out >= 1 && *out <= 86400 ? LOOM_OK
		: loom_err_set(err, LOOM_E_INVALID, "%s: expected an integer 1..86400, found \"%.40s\"", name, v);
}

enum loom_status loom_hub_env_read(struct loom_hub_env *e, const char *cache_dir, struct loom_err *err)
{
	const char *v = env("HF_ENDPOINT"), *ca = env("SSL_CERT_FILE");
	struct loom_hub_origin origin;
	enum loom_status rc;
	size_t n;

	memset(e, 0, sizeof(*e));
	e->meta_seconds = e->read_seconds = 10;
	e->retry_ms = 1000;
	e->offline = loom_hub_offline();
	v = v ? v : DEFAULT_ENDPOINT;
	n = loom_str_copy(e->endpoint, sizeof(e->endpoint), v);
	if (n != strlen(v) || !loom_hub_origin_parse(e->endpoint, &origin) || origin.userinfo || strpbrk(e->endpoint, "?#")) {
		return loom_err_set(err, LOOM_E_INVALID, "HF_ENDPOINT: expected https://HOST[:PORT][/PATH] or http://…, without a user name or a query");
	}
	while (n > 0 && e->endpoint[n - 1] == '/') {
		e->endpoint[--n] = '\0';
	}
	(void)loom_str_copy(e->host, sizeof(e->host), origin.host);
	if (!loom_hub_cache_root(cache_dir, e->cache, sizeof(e->cache))) {
		e->cache[0] = '\0';
	}
	ca = ca ? ca : env("REQUESTS_CA_BUNDLE");
	ca = ca ? ca : env("CURL_CA_BUNDLE");
	(void)loom_str_copy(e->ca_file, sizeof(e->ca_file), ca ? ca : "");
	rc = read_seconds("HF_HUB_ETAG_TIMEOUT", &e->meta_seconds, err);
	rc = rc ? rc : read_seconds("HF_HUB_DOWNLOAD_TIMEOUT", &e->read_seconds, err);
	rc = rc ? rc : read_seconds("LOOM_HUB_RETRY_MS", &e->retry_ms, err);
	return rc ? rc : read_token(e, err);
}
