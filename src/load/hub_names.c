/* hub_names.c: the rules for names that come from outside. See hub_names.h. */
#include "hub_names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "str.h"

static bool repo_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static bool is_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f'))) {
			return false;
		}
	}
	return true;
}

/* "name" or "org/name", as the hub allows them; n bytes. No "--": it stands for the slash in the cache's folder names. */
static bool valid_repo(const char *id, size_t n)
{
	size_t slashes = 0;

	if (n == 0 || n > 192) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		bool edge = i == 0 || i + 1 == n || id[i - 1] == '/' || id[i + 1] == '/';
		slashes += id[i] == '/';
		if ((id[i] != '/' && !repo_char(id[i])) || ((id[i] == '.' || id[i] == '-' || id[i] == '/') && edge && id[i] != '/') ||
			(id[i] == '/' && (i == 0 || i + 1 == n)) || (i + 1 < n && id[i] == id[i + 1] && (id[i] == '.' || id[i] == '-'))) {
			return false;
		}
	}
	return slashes <= 1;
}

bool loom_hub_valid_revision(const char *rev)
{
	size_t n = strlen(rev);

	if (n == 0 || n > 200 || rev[0] == '/' || rev[0] == '.' || rev[0] == '-' || rev[n - 1] == '/' || strstr(rev, "..") ||
		strstr(rev, "//")) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!repo_char(rev[i]) && rev[i] != '/') {
			return false;
		}
	}
	return true;
}

bool loom_hub_id_parse(const char *id, struct loom_hub_id *out)
{
	const char *at = strchr(id, '@'), *rev = at ? at + 1 : "main";
	size_t n = at ? (size_t)(at - id) : strlen(id);

	if (!valid_repo(id, n) || !loom_hub_valid_revision(rev)) {
		return false;
	}
	memcpy(out->repo, id, n);
	out->repo[n] = '\0';
	(void)loom_str_copy(out->rev, sizeof(out->rev), rev);
	return true;
}

bool loom_hub_valid_commit(const char *s)
{
	return strlen(s) == 40 && is_hex(s, 40);
}

bool loom_hub_valid_file(const char *name, size_t n)
{
	size_t start = 0;

	if (n == 0 || n > 1024 || !loom_utf8_valid(name, n)) {
		return false;
	}
	for (size_t i = 0; i <= n; i++) {
		unsigned char c = i < n ? (unsigned char)name[i] : '/';
		size_t len = i - start;
		if (c < 0x20 || c == 0x7f || c == '\\') {
			return false;
		}
		if (c != '/') {
			continue;
		}
		const char *part = name + start;
		if (len == 0 || len > 255 || (part[0] == '.' && (len == 1 || (len == 2 && part[1] == '.'))) || (len >= 2 && part[1] == ':')) {
			return false;
		}
		start = i + 1;
	}
	return true;
}

size_t loom_hub_etag(const char *header, char out[LOOM_HUB_ETAG_CAP])
{
	size_t n;

	out[0] = '\0';
	header += header[0] == 'W' && header[1] == '/' ? 2 : 0;
	n = strlen(header);
	if (n >= 2 && header[0] == '"' && header[n - 1] == '"') {
		header++;
		n -= 2;
	}
	if ((n != 40 && n != 64) || !is_hex(header, n)) {
		return 0;
	}
	memcpy(out, header, n);
	out[n] = '\0';
	return n;
}

bool loom_hub_folder(const char *repo, char *out, size_t cap)
{
	const char *slash = strchr(repo, '/');
	int n = slash ? snprintf(out, cap, "models--%.*s--%s", (int)(slash - repo), repo, slash + 1) : snprintf(out, cap, "models--%s", repo);

	return n > 0 && (size_t)n < cap;
}

enum loom_status loom_hub_err(struct loom_err *err, enum loom_status status, const char *code, const char *fmt, ...)
{
	char text[sizeof(err->message)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)loom_err_set(err, status, "%s", text);
	if (err) {
		(void)loom_str_copy(err->code, sizeof(err->code), code);
	}
	return status;
}
