/* test_hub_parts.c: the hub's pure parts: names, URLs, redirects, addresses, headers, hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "hub_env.h"
#include "hub_hash.h"
#include "hub_http.h"
#include "hub_names.h"
#include "hub_url.h"
#include "tempdir.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void ids(void **state)
{
	static const char *const good[] = {"a", "org/name", "org/name@main", "org/name@refs/pr/1", "a_b/c.d-e", "a/b@v1.0"};
	static const char *const bad[] = {"", "/", "a/", "/a", "a/b/c", "../x", "..", "a/..", "a/../b", "//x", "a//b", "a\\b", "C:\\x", "C:x", "a%2f..", "a\nb",
		"a b", ".hidden", "-x", "x-", "a--b", "models--a--b", "~", "$HOME", "http://h/x", "hf://a/b", "user@h/x@y", "\xef\xbc\x8e/x", "a/b@", "a/b@../x",
		"a/b@-x", "a/b@a\nb", "a/b@%2e%2e", "a/b@/x", "a/b@x/", "a/b@x//y", "a/b@.x"};
	struct loom_hub_id id;
	char text[400], folder[300];
	(void)state;
	for (size_t i = 0; i < N(good); i++)
		assert_true(loom_hub_id_parse(good[i], &id));
	for (size_t i = 0; i < N(bad); i++) {
		if (loom_hub_id_parse(bad[i], &id))
			fail_msg("taken: %s", bad[i]);
	}
	memset(text, 'a', sizeof text);
	text[193] = '\0';
	assert_false(loom_hub_id_parse(text, &id));
	text[192] = '\0';
	assert_true(loom_hub_id_parse(text, &id));
	assert_true(loom_hub_id_parse("org/name@v1", &id));
	assert_string_equal(id.repo, "org/name");
	assert_string_equal(id.rev, "v1");
	assert_true(loom_hub_folder(id.repo, folder, sizeof folder));
	assert_string_equal(folder, "models--org--name");
	assert_true(loom_hub_id_parse("gpt2", &id));
	assert_string_equal(id.rev, "main");
	assert_true(loom_hub_folder(id.repo, folder, sizeof folder));
	assert_string_equal(folder, "models--gpt2");
}

static void files_and_etags(void **state)
{
	static const char *const good[] = {"a", "a/b/c.d", ".gitattributes", "...", "a..b", "\xc3\xa9", "a b"};
	static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a\\b", "\\\\h\\s", "C:\\x", "C:x", "a/C:x", "a\nb", "\x7f",
		"\xff", "a/./b"};
	char out[LOOM_HUB_ETAG_CAP], sha[80] = "W/\"";
	(void)state;
	for (size_t i = 0; i < N(good); i++)
		assert_true(loom_hub_valid_file(good[i], strlen(good[i])));
	for (size_t i = 0; i < N(bad); i++) {
		if (loom_hub_valid_file(bad[i], strlen(bad[i])))
			fail_msg("taken: %s", bad[i]);
	}
	assert_false(loom_hub_valid_file("a\0b", 3));
	memset(sha + 3, 'a', 64);
	memcpy(sha + 67, "\"", 2);
	assert_int_equal(loom_hub_etag(sha, out), 64);
	assert_int_equal(loom_hub_etag(sha + 2, out), 64);
	assert_int_equal(strlen(out), 64);
	sha[67] = '\0';
	assert_int_equal(loom_hub_etag(sha + 3, out), 64);
	assert_int_equal(loom_hub_etag(sha + 27, out), 40);
	assert_int_equal(loom_hub_etag(sha + 26, out), 0); /* 41 */
	assert_int_equal(loom_hub_etag(sha + 2, out), 0);  /* one quote */
	sha[30] = 'A';
	assert_int_equal(loom_hub_etag(sha + 3, out), 0);
	assert_int_equal(loom_hub_etag("", out), 0);
	assert_int_equal(loom_hub_etag("../../x", out), 0);
}

static void urls_are_built(void **state)
{
	char out[LOOM_HUB_URL_CAP], name[1025];
	(void)state;
	assert_true(loom_hub_url_file(out, sizeof out, "https://h/x", "o/n", "abc", "a b/\xc3\xa9?#%.json"));
	assert_string_equal(out, "https://h/x/o/n/resolve/abc/a%20b/%C3%A9%3F%23%25.json");
	assert_true(loom_hub_url_info(out, sizeof out, "https://h", "o/n", "refs/pr/1"));
	assert_string_equal(out, "https://h/api/models/o/n/revision/refs%2Fpr%2F1?blobs=true");
	memset(name, ' ', sizeof name);
	name[1024] = '\0';
	assert_true(loom_hub_url_file(out, sizeof out, "https://h", "o/n", "abc", name));
	assert_false(loom_hub_url_file(out, 100, "https://h", "o/n", "abc", name));
}

static void redirects(void **state)
{
	static const struct {
		const char *from, *location, *to;
	} cases[] = {
		{"https://h/a/b", "/c?d=1", "https://h/c?d=1"}, {"https://h/a/b", "c", "https://h/a/c"}, {"https://h/a", "https://cdn.x/y?z", "https://cdn.x/y?z"},
		{"https://h/a", "//cdn/y", "https://cdn/y"}, {"http://h/a", "https://h/a", "https://h/a"}, {"http://h/a", "http://g/", "http://g/"},
		{"https://h/a", "http://h/a", NULL}, {"https://h/a", "ftp://h/a", NULL}, {"https://h/a", "file:///etc/passwd", NULL},
		{"https://h/a", "https://u:p@h/a", NULL}, {"https://h/a", "https://u@h/a", NULL}, {"https://h/a", "", NULL}, {"https://h/a", "https://", NULL},
		{"https://h/a", "https://a b/", NULL}, {"https://h/a", "https://a\\b/", NULL}, {"https://h/a", "javascript:alert(1)", NULL},
		{"https://h/a", "https://h:99999/", NULL}, {"https://h/a", "https://[::1/", NULL}, {"https://h/a", "https://%68/", NULL}, {"https://h/a", "/%68", "https://h/%68"},
	};
	char out[LOOM_HUB_URL_CAP];
	struct loom_err err;
	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		enum loom_status rc = loom_hub_redirect(cases[i].from, cases[i].location, out, sizeof out, &err);
		if ((rc == LOOM_OK) != (cases[i].to != NULL))
			fail_msg("%s: %s", cases[i].location, rc ? err.message : out);
		if (cases[i].to)
			assert_string_equal(out, cases[i].to);
		else
			assert_string_equal(err.code, "hub_invalid_response");
	}
}

static void the_token_goes_home_only(void **state)
{
	static const struct {
		const char *endpoint, *to;
		bool goes;
	} cases[] = {
		{"https://hub.co", "https://hub.co/x", true}, {"https://hub.co", "https://HUB.co:443/x", true}, {"https://hub.co", "https://hub.co:444/x", false},
		{"https://hub.co", "http://hub.co/x", false}, {"https://hub.co", "https://hub.co.evil/x", false}, {"https://hub.co", "https://x.hub.co/", false},
		{"https://hub.co", "https://hub.co./", false}, {"https://hub.co", "https://evil/?hub.co", false}, {"https://hub.co", "https://a@hub.co/", false},
		{"http://mirror", "http://mirror/x", false}, {"http://127.0.0.1:80", "http://127.0.0.1/x", true}, {"http://localhost:9", "http://localhost:9/", true},
		{"http://[::1]:9", "http://[::1]:9/", true}, {"http://localhost:9", "http://localhost:8/", false}, {"http://10.0.0.1", "http://10.0.0.1/", false},
		{"http://127.0.0.1.evil.co", "http://127.0.0.1.evil.co/", false},
	};
	struct loom_hub_origin a, b;
	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		assert_true(loom_hub_origin_parse(cases[i].endpoint, &a));
		assert_true(loom_hub_origin_parse(cases[i].to, &b));
		if (loom_hub_token_goes(&a, &b) != cases[i].goes)
			fail_msg("%s to %s", cases[i].endpoint, cases[i].to);
	}
	assert_false(loom_hub_origin_parse("hub.co", &a) && strcmp(a.scheme, "https") == 0);
	assert_false(loom_hub_origin_parse("", &a));
	assert_false(loom_hub_origin_parse("ftp://h/", &a));
}

static enum loom_hub_near near(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return loom_hub_address((struct sockaddr *)&v4, sizeof v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return loom_hub_address((struct sockaddr *)&v6, sizeof v6);
}

static void addresses(void **state)
{
	static const char *const public[] = {"1.1.1.1", "172.15.0.1", "172.32.0.1", "192.167.1.1", "100.63.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8"};
	static const char *const private[] = {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "fd00::1", "fec0::1", "::ffff:10.0.0.1",
		"64:ff9b::10.0.0.1"};
	static const char *const loopback[] = {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "::127.0.0.1"};
	static const char *const never[] = {"0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1",
		"::ffff:169.254.169.254", "64:ff9b::169.254.169.254"};
	struct sockaddr other = {.sa_family = AF_UNIX};
	(void)state;
	for (size_t i = 0; i < N(public); i++)
		assert_int_equal(near(public[i]), LOOM_HUB_PUBLIC);
	for (size_t i = 0; i < N(private); i++)
		assert_int_equal(near(private[i]), LOOM_HUB_PRIVATE);
	for (size_t i = 0; i < N(loopback); i++)
		assert_int_equal(near(loopback[i]), LOOM_HUB_LOOPBACK);
	for (size_t i = 0; i < N(never); i++)
		assert_int_equal(near(never[i]), LOOM_HUB_NEVER);
	assert_int_equal(loom_hub_address(&other, sizeof other), LOOM_HUB_NEVER);
	for (int hub = LOOM_HUB_PUBLIC; hub <= LOOM_HUB_LOOPBACK; hub++) {
		assert_true(loom_hub_address_allowed((enum loom_hub_near)hub, LOOM_HUB_PUBLIC));
		assert_false(loom_hub_address_allowed((enum loom_hub_near)hub, LOOM_HUB_NEVER));
	}
	assert_false(loom_hub_address_allowed(LOOM_HUB_PUBLIC, LOOM_HUB_PRIVATE));
	assert_false(loom_hub_address_allowed(LOOM_HUB_PRIVATE, LOOM_HUB_LOOPBACK));
	assert_true(loom_hub_address_allowed(LOOM_HUB_PRIVATE, LOOM_HUB_PRIVATE));
}

static void line(struct loom_hub_reply *r, const char *text)
{
	loom_hub_reply_line(r, text, strlen(text));
}

static void headers(void **state)
{
	struct loom_hub_reply r;
	char text[9000] = "Location: ";
	(void)state;
	loom_hub_reply_init(&r);
	line(&r, "HTTP/1.1 302 Found\r\n");
	line(&r, "ETag: \"abc\"\r\n");
	line(&r, "x-linked-etag:\"def\"\r\n");
	line(&r, "X-Repo-Commit:\t0123 \r\n");
	line(&r, "X-Linked-Size: 42");
	line(&r, "Content-Length: 7\n");
	line(&r, "Content-Range: bytes 5-9/10");
	line(&r, "Retry-After: 17");
	line(&r, "Location: https://x/y");
	line(&r, "X-Error-Code: GatedRepo");
	line(&r, "no colon");
	line(&r, ": no name");
	assert_string_equal(r.etag, "\"abc\"");
	assert_string_equal(r.linked_etag, "\"def\"");
	assert_string_equal(r.commit, "0123");
	assert_string_equal(r.location, "https://x/y");
	assert_string_equal(r.error_code, "GatedRepo");
	assert_true(r.linked_size == 42 && r.length == 7 && r.range_start == 5 && r.range_total == 10 && r.retry_after == 17);
	assert_false(r.malformed || r.encoded);
	line(&r, "HTTP/1.1 200 OK"); /* the next answer begins empty */
	assert_true(r.etag[0] == '\0' && r.length == -1 && r.retry_after == -1);
	line(&r, "RateLimit: \"api\";r=0;t=55");
	assert_int_equal(r.retry_after, 55);
	line(&r, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT");
	line(&r, "Content-Encoding: identity");
	line(&r, "Content-Range: bytes */10");
	assert_true(r.retry_after == 55 && !r.encoded && !r.malformed && r.range_start == -1 && r.range_total == 10);
	line(&r, "Content-Encoding: gzip");
	assert_true(r.encoded);
	static const char *const bad[] = {"Content-Length: -1", "Content-Length: +5", "Content-Length: 5, 5", "Content-Length: 0x5", "Content-Length:",
		"Content-Length: 9999999999999999999", "X-Linked-Size: 1e3", "Content-Range: 5-9/10", "Content-Range: bytes 5-9", "X-Repo-Commit: a\x01",
		"X-Repo-Commit: 01234567890123456789012345678901234567890123456789012345678901234567890"};
	for (size_t i = 0; i < N(bad); i++) {
		loom_hub_reply_init(&r);
		line(&r, bad[i]);
		if (!r.malformed)
			fail_msg("taken: %s", bad[i]);
	}
	loom_hub_reply_init(&r);
	memset(text + 10, 'x', sizeof text - 11);
	text[sizeof text - 1] = '\0';
	line(&r, text);
	assert_true(r.malformed && r.location[0] == '\0');
}

static void hashes(void **state)
{
	struct loom_hub_hash h = {0};
	char hex[65];
	(void)state;
	assert_true(loom_hub_hash_start(&h, 64, 3) && loom_hub_hash_add(&h, "a", 1) && loom_hub_hash_add(&h, "bc", 2) && loom_hub_hash_end(&h, hex));
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(loom_hub_hash_start(&h, 40, 6) && loom_hub_hash_add(&h, "hello\n", 6) && loom_hub_hash_end(&h, hex));
	assert_string_equal(hex, "ce013625030ba8dba906f756967f9e9ca394464a"); /* echo hello | git hash-object --stdin */
	assert_true(loom_hub_hash_start(&h, 64, 0) && loom_hub_hash_start(&h, 40, 0) && loom_hub_hash_end(&h, hex));
	assert_string_equal(hex, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
	loom_hub_hash_release(&h);
}

static void the_environment(void **state)
{
	static const char *const names[] = {"HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
		"XDG_CACHE_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "LOOM_HUB_RETRY_MS"};
	struct tempdir dir;
	struct loom_hub_env e;
	struct loom_err err;
	char path[PATH_MAX];
	(void)state;
	tempdir_make(&dir);
	for (size_t i = 0; i < N(names); i++)
		assert_int_equal(unsetenv(names[i]), 0);
	assert_int_equal(setenv("HOME", dir.path, 1), 0);
	assert_int_equal(loom_hub_env_read(&e, NULL, &err), LOOM_OK);
	assert_true(strncmp(e.endpoint, "https://", 8) == 0 && e.token[0] == '\0' && !e.offline && e.meta_seconds == 10);
	assert_string_equal(e.cache, tempdir_path(&dir, ".cache/huggingface/hub"));
	(void)tempdir_text(&dir, ".cache/huggingface/token", " hf_file\n");
	assert_int_equal(loom_hub_env_read(&e, "/given", &err), LOOM_OK);
	assert_string_equal(e.token, "hf_file");
	assert_string_equal(e.cache, "/given");
	assert_int_equal(setenv("HUGGING_FACE_HUB_TOKEN", "hf_old", 1), 0);
	assert_int_equal(loom_hub_env_read(&e, NULL, &err), LOOM_OK);
	assert_string_equal(e.token, "hf_old");
	assert_int_equal(setenv("HF_TOKEN", "hf_new", 1), 0);
	assert_int_equal(setenv("HF_ENDPOINT", "http://Mirror:81/hub//", 1), 0);
	assert_int_equal(setenv("TRANSFORMERS_OFFLINE", "yes", 1), 0);
	assert_int_equal(loom_hub_env_read(&e, NULL, &err), LOOM_OK);
	assert_string_equal(e.token, "hf_new");
	assert_string_equal(e.endpoint, "http://Mirror:81/hub");
	assert_string_equal(e.host, "mirror");
	assert_true(e.offline);
	assert_int_equal(setenv("HF_HUB_OFFLINE", "0", 1), 0); /* the nearer name wins */
	assert_false(loom_hub_offline());
	assert_int_equal(setenv("HF_TOKEN", "two words", 1), 0);
	assert_int_equal(loom_hub_env_read(&e, NULL, &err), LOOM_E_INVALID);
	assert_null(strstr(err.message, "words"));
	assert_int_equal(setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1), 0);
	assert_int_equal(loom_hub_env_read(&e, NULL, &err), LOOM_OK);
	assert_int_equal(setenv("HF_HUB_ETAG_TIMEOUT", "0", 1), 0);
	assert_int_equal(loom_hub_env_read(&e, NULL, &err), LOOM_E_INVALID);
	assert_int_equal(unsetenv("HF_HUB_ETAG_TIMEOUT"), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", "~/x", 1), 0);
	assert_true(loom_hub_cache_root(NULL, path, sizeof path));
	assert_string_equal(path, tempdir_path(&dir, "x/huggingface/hub"));
	assert_int_equal(setenv("HF_HOME", "/h", 1), 0);
	assert_true(loom_hub_cache_root("", path, sizeof path));
	assert_string_equal(path, "/h/hub");
	assert_int_equal(setenv("HUGGINGFACE_HUB_CACHE", "/old", 1), 0);
	assert_true(loom_hub_cache_root(NULL, path, sizeof path));
	assert_string_equal(path, "/old");
	assert_int_equal(setenv("HF_HUB_CACHE", "~", 1), 0);
	assert_true(loom_hub_cache_root(NULL, path, sizeof path));
	assert_string_equal(path, dir.path);
	for (size_t i = 0; i < N(names); i++)
		assert_int_equal(unsetenv(names[i]), 0);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_false(loom_hub_cache_root(NULL, path, sizeof path));
	assert_int_equal(loom_hub_env_read(&e, NULL, &err), LOOM_OK);
	assert_string_equal(e.cache, "");
	tempdir_remove(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids),
		cmocka_unit_test(files_and_etags),
		cmocka_unit_test(urls_are_built),
		cmocka_unit_test(redirects),
		cmocka_unit_test(the_token_goes_home_only),
		cmocka_unit_test(addresses),
		cmocka_unit_test(headers),
		cmocka_unit_test(hashes),
		cmocka_unit_test(the_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
