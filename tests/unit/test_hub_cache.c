/* test_hub_cache.c: the cache on disk without a hub: lists, choices, links, refs, locks, and what counts as whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/file.h>

#include "file.h"
#include "hub.h"
#include "hub_cache.h"
#include "hub_list.h"
#include "jsonx.h"
#include "mem.h"
#include "tempdir.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA1 "89abcdef0123456789abcdef0123456789abcdef"
#define FOLDER "models--org--name/"
#define SNAP FOLDER "snapshots/" COMMIT "/"

static struct tempdir dir;
static struct loom_hub_repo repo;
static const struct loom_hub_id id = {"org/name", "main"};

static int setup(void **state)
{
	struct loom_err err;
	(void)state;
	loom_json_setup();
	tempdir_make(&dir);
	if (setenv("HF_HUB_OFFLINE", "1", 1) != 0)
		return 1;
	return loom_hub_repo_init(&repo, dir.path, "org/name", &err) || loom_hub_repo_make(&repo, &err);
}

static int teardown(void **state)
{
	(void)state;
	tempdir_remove(&dir);
	return 0;
}

static const char list_text[] = "{\"sha\":\"" COMMIT "\",\"siblings\":["
	"{\"rfilename\":\"config.json\",\"size\":7,\"blobId\":\"" SHA1 "\"},{\"rfilename\":\"tokenizer.json\"},{\"rfilename\":\"README.md\"},"
	"{\"rfilename\":\"model.safetensors\",\"size\":134,\"blobId\":\"" SHA1 "\",\"lfs\":{\"sha256\":\"" SHA "\",\"size\":1000,\"pointerSize\":134}},"
	"{\"rfilename\":\"1_Pooling/config.json\"},{\"rfilename\":\"2_Dense/config.json\"},{\"rfilename\":\"2_Dense/model.safetensors\"},"
	"{\"rfilename\":\"2_Dense/pytorch_model.bin\"},{\"rfilename\":\"modules.json\"}]}";

static void a_list_is_read(void **state)
{
	struct loom_hub_list l;
	struct loom_err err;
	uint64_t bytes;
	char words[64];
	(void)state;
	loom_hub_list_init(&l);
	assert_int_equal(loom_hub_list_parse(&l, list_text, strlen(list_text), &err), LOOM_OK);
	assert_string_equal(l.commit, COMMIT);
	assert_int_equal(l.n, 9);
	const struct loom_hub_entry *e = loom_hub_list_find(&l, "model.safetensors");
	assert_true(e && e->size == 1000);
	assert_string_equal(e->sha256, SHA);
	e = loom_hub_list_find(&l, "config.json");
	assert_true(e && e->size == 7 && !e->sha256);
	assert_string_equal(e->blob, SHA1);
	e = loom_hub_list_find(&l, "README.md");
	assert_true(e && e->size == -1 && !e->blob);
	assert_null(loom_hub_list_find(&l, "none"));
	loom_hub_weights_seen(&l, words, sizeof words, &bytes);
	assert_string_equal(words, "model.safetensors");
	assert_int_equal(bytes, 1000);
	loom_hub_list_release(&l);
}

static void a_list_without_memory(void **state)
{
	int64_t before = loom_mem_live();
	enum loom_status rc = LOOM_E_MEMORY;
	(void)state;
	for (uint64_t k = 1; rc != LOOM_OK && k < 2000; k++) {
		struct loom_hub_list l;
		struct loom_hub_set s = {0};
		struct loom_err err = {0};
		loom_hub_list_init(&l);
		loom_mem_fail_at(k, k % 2);
		rc = loom_hub_list_parse(&l, list_text, strlen(list_text), &err);
		rc = rc ? rc : loom_hub_pick_small(&l, &s, &err);
		loom_mem_fail_at(0, false);
		assert_true(rc == LOOM_OK || (rc == LOOM_E_MEMORY && err.message[0]));
		loom_hub_set_release(&s);
		loom_hub_list_release(&l);
		assert_int_equal(loom_mem_live(), before);
	}
	assert_int_equal(rc, LOOM_OK);
}

static void what_a_model_needs(void **state)
{
	static const char *const wanted[] = {"config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json", "2_Dense/config.json",
		"2_Dense/model.safetensors", "model.safetensors"};
	struct loom_hub_list l;
	struct loom_hub_set s = {0};
	struct loom_err err;
	(void)state;
	(void)tempdir_text(&dir, SNAP "modules.json", "[{\"path\":\"\"},{\"path\":\"1_Pooling\"},{\"path\":\"2_Dense\"},{\"path\":\"3_Normalize\"},{},5]");
	loom_hub_list_init(&l);
	assert_int_equal(loom_hub_list_parse(&l, list_text, strlen(list_text), &err), LOOM_OK);
	assert_int_equal(loom_hub_pick_small(&l, &s, &err), LOOM_OK);
	assert_int_equal(loom_hub_pick_modules(&l, &repo, true, &s, &err), LOOM_OK);
	assert_int_equal(loom_hub_pick_weights(&l, &repo, &id, &s, &err), LOOM_OK);
	assert_int_equal(loom_hub_pick_weights(&l, &repo, &id, &s, &err), LOOM_OK); /* once is enough */
	assert_int_equal(s.n, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(s.v[i]->name, wanted[i]);
	assert_int_equal(loom_hub_pick_file(&l, &id, "README.md", &s, &err), LOOM_OK);
	assert_int_equal(s.n, 8);
	assert_int_equal(loom_hub_pick_file(&l, &id, "none", &s, &err), LOOM_E_NOT_FOUND);
	loom_hub_set_release(&s);
	loom_hub_list_release(&l);
	assert_int_equal(unlink(tempdir_path(&dir, SNAP "modules.json")), 0);
}

static const char *target(const char *name)
{
	static char text[PATH_MAX];
	ssize_t n = readlink(tempdir_path(&dir, name), text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void links_and_refs(void **state)
{
	struct loom_err err;
	char commit[LOOM_HUB_REPO_CAP];
	(void)state;
	(void)tempdir_text(&dir, FOLDER "blobs/" SHA, "x");
	assert_int_equal(loom_hub_repo_link(&repo, COMMIT, "config.json", SHA, &err), LOOM_OK);
	assert_string_equal(target(SNAP "config.json"), "../../blobs/" SHA);
	assert_int_equal(loom_hub_repo_link(&repo, COMMIT, "a/b/c", SHA, &err), LOOM_OK);
	assert_string_equal(target(SNAP "a/b/c"), "../../../../blobs/" SHA);
	assert_true(loom_hub_repo_has(&repo, COMMIT, "a/b/c"));
	/* one that leads nowhere is replaced */
	assert_int_equal(unlink(tempdir_path(&dir, SNAP "config.json")), 0);
	assert_int_equal(symlink("../../blobs/gone", tempdir_path(&dir, SNAP "config.json")), 0);
	assert_false(loom_hub_repo_has(&repo, COMMIT, "config.json"));
	assert_int_equal(loom_hub_repo_link(&repo, COMMIT, "config.json", SHA, &err), LOOM_OK);
	assert_true(loom_hub_repo_has(&repo, COMMIT, "config.json"));

	assert_false(loom_hub_repo_commit(&repo, "main", commit));
	assert_int_equal(loom_hub_repo_ref(&repo, "refs/pr/1", COMMIT, &err), LOOM_OK);
	assert_int_equal(loom_hub_repo_ref(&repo, "main", COMMIT, &err), LOOM_OK);
	assert_int_equal(loom_hub_repo_ref(&repo, COMMIT, COMMIT, &err), LOOM_OK);
	assert_false(loom_path_is_file(tempdir_path(&dir, FOLDER "refs/" COMMIT)));
	assert_true(loom_hub_repo_commit(&repo, "refs/pr/1", commit) && loom_hub_repo_commit(&repo, COMMIT, commit));
	assert_string_equal(commit, COMMIT);
	(void)tempdir_text(&dir, FOLDER "refs/evil", "../../../etc");
	assert_false(loom_hub_repo_commit(&repo, "evil", commit));
	loom_hub_repo_note_absent(&repo, COMMIT, "x/y.json");
	assert_true(loom_hub_repo_known_absent(&repo, COMMIT, "x/y.json"));
	assert_true(loom_path_is_file(tempdir_path(&dir, "CACHEDIR.TAG")));
}

static void locks(void **state)
{
	atomic_bool cancel = false;
	struct loom_hub_client c = {.cancel = &cancel};
	struct loom_err err;
	int a, b;
	(void)state;
	assert_int_equal(loom_hub_repo_lock(&repo, &c, SHA, &a, &err), LOOM_OK);
	assert_true(a >= 0);
	b = open(tempdir_path(&dir, ".locks/models--org--name/" SHA ".lock"), O_RDWR | O_CLOEXEC);
	assert_int_not_equal(flock(b, LOCK_EX | LOCK_NB), 0);
	atomic_store(&cancel, true);
	int other;
	assert_int_equal(loom_hub_repo_lock(&repo, &c, SHA, &other, &err), LOOM_E_CANCELLED);
	assert_int_equal(other, -1);
	(void)close(a);
	assert_int_equal(flock(b, LOCK_EX | LOCK_NB), 0);
	(void)close(b);
	atomic_store(&cancel, false);
	assert_int_equal(loom_hub_repo_lock(&repo, &c, SHA, &a, &err), LOOM_OK);
	(void)close(a);
}

static void what_is_whole_needs_no_hub(void **state)
{
	const struct loom_hub_opts all = {.cache_dir = dir.path, .need = LOOM_HUB_WEIGHTS}, small = {.cache_dir = dir.path, .need = LOOM_HUB_SMALL};
	struct loom_source s;
	struct loom_err err;
	(void)state;
	(void)tempdir_text(&dir, FOLDER "refs/main", COMMIT);
	/* nothing, a config alone, weights too, everything known */
	assert_int_equal(loom_hub_source("org/other", &all, &s, &err), LOOM_E_NOT_FOUND);
	assert_string_equal(err.code, "not_cached_offline");
	assert_int_equal(loom_hub_source("org/name", &all, &s, &err), LOOM_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "is not complete"));
	(void)tempdir_text(&dir, SNAP "model.safetensors", "x");
	assert_int_equal(loom_hub_source("org/name", &all, &s, &err), LOOM_OK);
	assert_true(s.cached && !s.remote_weights[0]);
	for (const char *const *n = loom_hub_small_names; *n; n++)
		loom_hub_repo_note_absent(&repo, COMMIT, *n);
	assert_int_equal(unlink(tempdir_path(&dir, SNAP "model.safetensors")), 0);
	assert_int_equal(loom_hub_source("org/name", &small, &s, &err), LOOM_OK);
	assert_true(s.remote_weights[0]);
	assert_int_equal(loom_hub_source("org/name", &all, &s, &err), LOOM_E_NOT_FOUND);
	/* shards: all of them or none */
	(void)tempdir_text(&dir, SNAP "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\"}}");
	(void)tempdir_text(&dir, SNAP "s1.safetensors", "x");
	assert_int_equal(loom_hub_source("org/name", &all, &s, &err), LOOM_E_NOT_FOUND);
	(void)tempdir_text(&dir, SNAP "s2.safetensors", "x");
	assert_int_equal(loom_hub_source("org/name", &all, &s, &err), LOOM_OK);
	/* names that are none of the cache's business */
	assert_int_equal(loom_hub_source("../x", &all, &s, &err), LOOM_E_NOT_FOUND);
	assert_int_equal(loom_hub_source("http://h/x", &all, &s, &err), LOOM_E_NOT_FOUND);
	assert_int_equal(loom_hub_pull("org/name", NULL, 0, &all, &s, &err), LOOM_E_NOT_FOUND);
	assert_int_equal(loom_hub_pull("../x", NULL, 0, &all, &s, &err), LOOM_E_NOT_FOUND);
	assert_string_equal(err.code, "invalid_model_id");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read),
		cmocka_unit_test(a_list_without_memory),
		cmocka_unit_test(what_a_model_needs),
		cmocka_unit_test(links_and_refs),
		cmocka_unit_test(locks),
		cmocka_unit_test(what_is_whole_needs_no_hub),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
