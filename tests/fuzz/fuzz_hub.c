/* fuzz_hub.c: what a hub may send, changed at random: header lines, lists of files, Location headers, names. An answer, no fault, nothing
 * kept; and three rules: a name that is taken stays inside the folder, a redirect never goes from https to anything else, the token goes
 * to the endpoint's own origin only. A fixed seed and a fixed count. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "hub_http.h"
#include "hub_list.h"
#include "jsonx.h"
#include "mem.h"

#define ROUNDS 40000

static size_t mutate(char *p, size_t n, size_t cap)
{
	static const char *const words[] = {"..", "/", "//", "\\", "@", ":", "?", "#", "%2e", "\r\n", "\xff", "\xc3\xa9", "W/", "\"", "a", "0", "-", "99999999999999999999",
		"https://", "http://", "file://", "127.0.0.1", "[::1]", "hub.co", "{", "}", "[", "]", ",", "null", "\\u0000", "bytes ", ";t=", "../../../etc/passwd", ".", " "};
	return fuzz_words(p, n, cap, words, sizeof words / sizeof words[0], 6);
}

static size_t start_from(const char *from, char *text, size_t cap)
{
	size_t n = strlen(from);
	memcpy(text, from, n);
	return mutate(text, n, cap);
}

/* The rule again, in few lines: no part is "..", none is empty, nothing begins at the root. */
static bool escapes(const char *name, size_t n)
{
	if (n == 0 || name[0] == '/' || memchr(name, '\0', n) || memchr(name, '\\', n))
		return true;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && name[i] == '/' && (i + 1 == n || name[i + 1] == '/'))
			return true;
		bool start = i == 0 || name[i - 1] == '/';
		if (start && n - i >= 2 && name[i] == '.' && name[i + 1] == '.' && (i + 2 == n || name[i + 2] == '/'))
			return true;
	}
	return false;
}

static int fuzz_reply(char *text, size_t cap)
{
	static const char *const lines[] = {"HTTP/1.1 302 Found\r\n", "Location: https://hub.co/x?y=z\r\n", "ETag: \"0123\"\r\n", "X-Linked-Size: 12345\r\n",
		"Content-Range: bytes 5-9/10\r\n", "RateLimit: \"api\";r=0;t=55\r\n", "Retry-After: 7\r\n", "X-Repo-Commit: 0123456789\r\n", "X-Error-Message: no\r\n"};
	struct loom_hub_reply r;
	loom_hub_reply_init(&r);
	for (int i = 0; i < 6; i++) {
		size_t n = start_from(lines[fuzz_next(sizeof lines / sizeof lines[0])], text, cap);
		loom_hub_reply_line(&r, text, n);
	}
	bool sane = r.length >= -1 && r.linked_size >= -1 && r.range_start >= -1 && r.range_total >= -1 && r.retry_after >= -1 &&
		strlen(r.location) < sizeof r.location && strlen(r.commit) < sizeof r.commit;
	return sane ? 0 : 1;
}

static int fuzz_list(char *text, size_t cap)
{
	static const char from[] = "{\"sha\":\"0123456789abcdef0123456789abcdef01234567\",\"siblings\":[{\"rfilename\":\"config.json\",\"size\":7},"
		"{\"rfilename\":\"a/model.safetensors\",\"lfs\":{\"sha256\":\"00\",\"size\":9}},{\"rfilename\":\"x.gguf\"}]}";
	struct loom_hub_list l;
	struct loom_err err = {0};
	uint64_t bytes;
	char words[32];
	int bad = 0;
	size_t n = start_from(from, text, cap);
	loom_hub_list_init(&l);
	if (fuzz_next(4) == 0)
		loom_mem_fail_at(1 + fuzz_next(60), fuzz_next(2));
	enum loom_status rc = loom_hub_list_parse(&l, text, n, &err);
	loom_mem_fail_at(0, false);
	if (rc == LOOM_OK) {
		for (size_t i = 0; i < l.n; i++)
			bad += escapes(l.e[i].name, strlen(l.e[i].name)) || l.e[i].size < -1 || loom_hub_list_find(&l, l.e[i].name) != &l.e[i];
		loom_hub_weights_seen(&l, words, sizeof words, &bytes);
	} else if (!err.message[0]) {
		bad = 1;
	}
	loom_hub_list_release(&l);
	return bad;
}

static int fuzz_redirect(char *text, size_t cap)
{
	static const char *const froms[] = {"https://hub.co/org/name", "http://127.0.0.1:8080/x"}, *const tos[] = {"https://cdn.co/y?z", "/relative",
		"https://hub.co/other", "//host/x", "http://127.0.0.1:8080/y"};
	struct loom_hub_origin endpoint, to;
	char out[LOOM_HUB_URL_CAP];
	struct loom_err err = {0};
	const char *from = froms[fuzz_next(2)];
	size_t n = start_from(tos[fuzz_next(5)], text, cap - 1);
	text[n] = '\0';
	if (loom_hub_redirect(from, text, out, sizeof out, &err))
		return err.message[0] ? 0 : 1;
	if (!loom_hub_origin_parse(from, &endpoint) || !loom_hub_origin_parse(out, &to) || to.userinfo)
		return 1;
	if (strcmp(endpoint.scheme, "https") == 0 && strncmp(out, "https://", 8) != 0)
		return 1;
	if (loom_hub_token_goes(&endpoint, &to)) { /* then the text begins with the very origin (curl writes the default port away) */
		const char *origin = strcmp(endpoint.scheme, "https") == 0 ? "https://hub.co" : "http://127.0.0.1:8080";
		size_t len = strlen(origin);
		return strncasecmp(out, origin, len) != 0 || (out[len] != '/' && out[len] != '?' && out[len] != '#' && out[len] != '\0' && out[len] != ':');
	}
	return 0;
}

static int fuzz_names(char *text, size_t cap)
{
	static const char *const names[] = {"config.json", "1_Pooling/config.json", "a/b/c/d", "org/name@refs/pr/1"};
	struct loom_hub_id id;
	char folder[300];
	size_t n = start_from(names[fuzz_next(4)], text, cap - 1);
	text[n] = '\0';
	if (loom_hub_valid_file(text, n) && escapes(text, n))
		return 1;
	if (!loom_hub_id_parse(text, &id))
		return 0;
	if (!loom_hub_folder(id.repo, folder, sizeof folder) || strchr(folder, '/') || escapes(id.rev, strlen(id.rev)))
		return 1;
	return 0;
}

int main(int argc, char **argv)
{
	long rounds = fuzz_begin(argc, argv, ROUNDS);
	static int (*const targets[])(char *text, size_t cap) = {fuzz_reply, fuzz_list, fuzz_redirect, fuzz_names};
	static char text[2048];
	int64_t before = loom_mem_live();
	loom_json_setup();
	for (long round = 0; round < rounds; round++) {
		for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
			memset(text, 0, sizeof text);
			if (targets[i](text, sizeof text) || loom_mem_live() != before) {
				printf("round %ld, target %zu: a rule is broken, or memory kept: %.300s\n", round, i, text);
				return 1;
			}
		}
	}
	printf("fuzz_hub: %ld texts\n", rounds);
	return 0;
}
