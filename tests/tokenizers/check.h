/* check.h: one tokenizer against its cases.json: ids, offsets, masks, decoding whole and in parts, cuts. For
 * the test programs, which are one file each. */
#ifndef LOOM_TEST_TOKENIZERS_CHECK_H
#define LOOM_TEST_TOKENIZERS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bounds.h"
#include "jsonx.h"
#include "mem.h"
#include "tokenizer.h"

struct check {
	const char *folder;
	struct loom_tokenizer *t;
	struct loom_encoding e;
	const char *text;
	int n_wrong;
};

static inline void wrong(struct check *c, const char *what, const json_t *expected, const char *found, size_t n_found)
{
	json_t *text = json_string_nocheck(c->text), *f = found ? json_stringn_nocheck(found, n_found) : NULL;
	char *want = json_dumps(expected, JSON_ENCODE_ANY | JSON_COMPACT), *got = f ? json_dumps(f, JSON_ENCODE_ANY) : NULL;
	char *of = json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	if (c->n_wrong++ < 6)
		print_message("%s: %s of %.300s\n  expected %.600s\n  found    %.600s\n", c->folder, what, of ? of : "?", want ? want : "?",
			got ? got : "");
	json_decref(text);
	json_decref(f);
	free(want);
	free(got);
	free(of);
}

static inline bool same_ids(const struct loom_encoding *e, const json_t *ids)
{
	bool same = json_array_size(ids) == e->n;
	for (size_t i = 0; same && i < e->n; i++)
		same = json_integer_value(json_array_get(ids, i)) == e->ids[i];
	return same;
}

static inline void check_ids(struct check *c, const char *what, const json_t *ids)
{
	char found[600] = "";
	size_t n = 0;
	if (same_ids(&c->e, ids))
		return;
	for (size_t i = 0; i < c->e.n && n < 560; i++)
		n += (size_t)snprintf(found + n, sizeof found - n, "%d,", c->e.ids[i]);
	wrong(c, what, ids, found, n);
}

static inline void check_offsets(struct check *c, const char *what, const json_t *offsets)
{
	bool same = json_array_size(offsets) == c->e.n;
	char found[600] = "";
	size_t n = 0;
	for (size_t i = 0; same && i < c->e.n; i++) {
		const json_t *o = json_array_get(offsets, i);
		same = json_integer_value(json_array_get(o, 0)) == c->e.start[i] && json_integer_value(json_array_get(o, 1)) == c->e.end[i];
	}
	for (size_t i = 0; !same && i < c->e.n && n < 560; i++)
		n += (size_t)snprintf(found + n, sizeof found - n, "[%u,%u],", c->e.start[i], c->e.end[i]);
	if (!same)
		wrong(c, what, offsets, found, n);
}

static inline void check_decoded(struct check *c, const char *what, const json_t *want, const int32_t *ids, size_t n, bool skip)
{
	struct loom_decode_stream s;
	struct loom_buf whole, parts;
	struct loom_err err;
	loom_buf_init(&whole, SIZE_MAX / 2);
	loom_buf_init(&parts, SIZE_MAX / 2);
	assert_int_equal(loom_tokenizer_decode(c->t, ids, n, skip, &whole, &err), LOOM_OK);
	loom_decode_stream_init(&s, c->t, skip);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(loom_decode_stream_push(&s, ids[i], &parts, &err), LOOM_OK);
		assert_true(loom_buf_append(&parts, "", 0));
	}
	assert_int_equal(loom_decode_stream_flush(&s, &parts, &err), LOOM_OK);
	loom_decode_stream_release(&s);
	if (whole.len != json_string_length(want) || (whole.len && memcmp(whole.data, json_string_value(want), whole.len) != 0))
		wrong(c, what, want, whole.len ? whole.data : "", whole.len);
	if (parts.len != whole.len || (whole.len && memcmp(parts.data, whole.data, whole.len) != 0))
		wrong(c, "streamed", want, parts.len ? parts.data : "", parts.len);
	loom_buf_release(&whole);
	loom_buf_release(&parts);
}

static inline void check_case(struct check *c, const json_t *spec)
{
	const json_t *text = json_object_get(spec, "text"), *plain = json_object_get(spec, "plain"), *v;
	struct loom_err err;
	size_t n = json_string_length(text), k;
	c->text = json_string_value(text);
	assert_int_equal(loom_tokenizer_encode(c->t, c->text, n, true, &c->e, &err), LOOM_OK);
	check_ids(c, "ids", json_object_get(spec, "ids"));
	check_offsets(c, "offsets", json_object_get(spec, "offsets"));
	json_array_foreach(json_object_get(spec, "special"), k, v)
		if (k < c->e.n && c->e.special[k] != json_integer_value(v)) {
			wrong(c, "special_tokens_mask", json_object_get(spec, "special"), NULL, 0);
			break;
		}
	check_decoded(c, "decoded", json_object_get(spec, "decoded"), c->e.ids, c->e.n, false);
	check_decoded(c, "decoded_skip", json_object_get(spec, "decoded_skip"), c->e.ids, c->e.n, true);
	assert_int_equal(loom_tokenizer_encode(c->t, c->text, n, false, &c->e, &err), LOOM_OK);
	check_ids(c, "plain ids", plain ? plain : json_object_get(spec, "ids"));
	if (json_object_get(spec, "plain_offsets"))
		check_offsets(c, "plain offsets", json_object_get(spec, "plain_offsets"));
}

static inline void check_cut(struct check *c, const json_t *spec)
{
	const json_t *text = json_object_get(spec, "text");
	struct loom_err err;
	bool truncated;
	c->text = json_string_value(text);
	assert_int_equal(loom_tokenizer_encode(c->t, c->text, json_string_length(text), true, &c->e, &err), LOOM_OK);
	size_t max = (size_t)json_integer_value(json_object_get(spec, "max")), whole = c->e.n;
	assert_int_equal(loom_tokenizer_encode_max(c->t, c->text, json_string_length(text), true, max, &c->e, &truncated, &err), LOOM_OK);
	check_ids(c, "cut ids", json_object_get(spec, "ids"));
	check_offsets(c, "cut offsets", json_object_get(spec, "offsets"));
	assert_int_equal(truncated, whole > max);
}

static inline void check_decode(struct check *c, const json_t *spec)
{
	const json_t *ids = json_object_get(spec, "ids"), *v;
	int32_t list[64];
	size_t n = 0, k;
	char name[600];
	json_array_foreach(ids, k, v)
		if (n < 64)
			list[n++] = (int32_t)json_integer_value(v);
	size_t at = 0;
	for (k = 0; k < n; k++)
		at += (size_t)snprintf(name + at, sizeof name - at, "%d ", list[k]);
	c->text = name;
	check_decoded(c, "decode", json_object_get(spec, "decoded"), list, n, false);
	check_decoded(c, "decode_skip", json_object_get(spec, "decoded_skip"), list, n, true);
}

/* The folder's path: as given when it has a slash, else one of tests/tokenizers. */
static inline void check_path(char *out, size_t cap, const char *folder, const char *file)
{
	snprintf(out, cap, "%s%s/%s", strchr(folder, '/') ? "" : LOOM_TEST_DIR "/tokenizers/", folder, file);
}

/* Everything in the folder's cases.json; fails the test on a difference. */
static inline void check_all(const char *folder, struct loom_tokenizer *t)
{
	struct check c = { .folder = folder, .t = t };
	char path[4096];
	json_t *root, *v;
	struct loom_err err;
	size_t k;
	check_path(path, sizeof path, folder, "cases.json");
	assert_int_equal(loom_json_load(path, "cases.json", LOOM_MAX_TOKENIZER_BYTES, &root, &err), LOOM_OK);
	loom_encoding_init(&c.e);
	json_array_foreach(json_object_get(root, "cases"), k, v)
		check_case(&c, v);
	json_array_foreach(json_object_get(root, "cuts"), k, v)
		check_cut(&c, v);
	json_array_foreach(json_object_get(root, "decodes"), k, v)
		check_decode(&c, v);
	assert_int_equal(loom_tokenizer_n_added(t), json_integer_value(json_object_get(root, "n_added")));
	json_decref(root);
	loom_encoding_release(&c.e);
	if (c.n_wrong)
		fail_msg("%s: %d differences", folder, c.n_wrong);
}

#endif
