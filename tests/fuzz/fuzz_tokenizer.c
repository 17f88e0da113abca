/* fuzz_tokenizer.c: broken and odd tokenizer.json files, folders with one file that is broken or odd, and odd texts through what still opens. A fixed number
 * of mutations of tests/tokenizers with a fixed seed; any crash, sanitizer report or broken promise fails it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "file.h"
#include "fuzz.h"
#include "jsonx.h"
#include "mem.h"
#include "str.h"
#include "tempdir.h"
#include "tokenizer.h"

#define ROUNDS 1200
#define TEXTS_PER_ROUND 6

static const char *const folders[] = { "gpt2", "added", "llama3", "bert-uncased", "llama2", "metaspace", "affixes", "compat",
	"roberta", "tekken", "xlmr", "t5", "wordlevel", "fixed" };
static const char *const words[] = { "null", "true", "false", "0", "-1", "1", "256", "16777215", "16777216", "4294967296", "1e400",
	"0.5", "\"\"", "\"a\"", "\"\\u0000\"", "\"Sequence\"", "\"ByteLevel\"", "\"BPE\"", "\"WordPiece\"", "\"Unigram\"", "[]", "{}", "[[]]",
	"\"NFC\"", "\"Replace\"", "\"Split\"", "\"Strip\"", "\"Fuse\"", "\"[\"", "\"(?i)\"", "\"(a*)*b\"", "\"\\\\p{\"", "\"\xE2\x96\x81\"",
	"\"Removed\"", "\"MergedWithNext\"", "\"Contiguous\"", "\"always\"", "{\"Regex\":\"\"}", "{\"String\":\"\"}", "{\"Regex\":\"^|$\"}" };
static const char *const bits[] = { "a", "the", " ", "  ", "\n", "\t", "0", "12", "\xC3\xA9", "e\xCC\x81", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80",
	"\xE2\x80\x8D", "\xE1\x84\x92\xE1\x85\xA1", "\xC4\xB0", "<|endoftext|>", "<mask>", "<l>", "<r>", "<b>", "<w>", "NEWTOK", "ab", "abcd", "[MASK]",
	"<s>", "<0x41>", "\xE2\x96\x81", "##", "'ll", "\xCC\xA3", "\xED\x9F\xBF", "\xEF\xBF\xBD", "\xF4\x8F\xBF\xBF", "." };
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static size_t rnd(size_t n)
{
	return n ? fuzz_next((uint32_t)n) : 0;
}

static int failed(const char *what, const struct loom_err *err)
{
	fprintf(stderr, "fuzz_tokenizer: %s: %s\n", what, err->message);
	return 1;
}

/* Swaps one JSON value for another of the list. */
static void swap_value(struct loom_buf *b, const char *s, size_t n)
{
	size_t at = rnd(n), end;
	/* Half of them outside the vocabulary, where there is little but plenty of meaning. */
	if (rnd(2))
		at = rnd(2) ? rnd(n < 3000 ? n : 3000) : n - 1 - rnd(n < 200 ? n : 200);
	while (at < n && s[at] != ':' && s[at] != ',')
		at++;
	at += at < n;
	for (end = at; end < n && !strchr(",]}", s[end]); end++)
		;
	const char *w = words[rnd(COUNT(words))];
	loom_buf_append(b, s, at);
	loom_buf_puts(b, w);
	loom_buf_append(b, s + end, n - end);
}

static void change_bytes(struct loom_buf *b, const char *s, size_t n)
{
	size_t from = rnd(n), len = rnd(40), to = rnd(n);
	if (from + len > n)
		len = n - from;
	loom_buf_append(b, s, to);
	switch (rnd(4)) {
	case 0: /* repeat a stretch elsewhere */
		loom_buf_append(b, s + from, len);
		loom_buf_append(b, s + to, n - to);
		break;
	case 1: /* cut one out */
		loom_buf_append(b, s + (to + len < n ? to + len : n), to + len < n ? n - to - len : 0);
		break;
	case 2: /* cut the rest off */
		break;
	default:
		loom_buf_putc(b, (char)rnd(256));
		loom_buf_append(b, s + to + (to < n), n - to - (to < n));
	}
}

static bool decode_both(const struct loom_tokenizer *t, const int32_t *ids, size_t n, bool skip, struct loom_err *err)
{
	struct loom_buf whole, parts;
	struct loom_decode_stream s;
	loom_buf_init(&whole, 1u << 28);
	loom_buf_init(&parts, 1u << 28);
	loom_decode_stream_init(&s, t, skip);
	bool ok = !loom_tokenizer_decode(t, ids, n, skip, &whole, err);
	for (size_t i = 0; ok && i < n; i++)
		ok = !loom_decode_stream_push(&s, ids[i], &parts, err);
	ok = ok && !loom_decode_stream_flush(&s, &parts, err) && whole.len == parts.len &&
	     (!whole.len || (memcmp(whole.data, parts.data, whole.len) == 0 && loom_utf8_valid(whole.data, whole.len)));
	loom_decode_stream_release(&s);
	loom_buf_release(&whole);
	loom_buf_release(&parts);
	return ok;
}

static int one_text(const struct loom_tokenizer *t, struct loom_encoding *e)
{
	struct loom_buf b;
	struct loom_err err = { .message = "" };
	int32_t ids[12];
	bool truncated;
	loom_buf_init(&b, 1u << 20);
	for (size_t i = rnd(30); i > 0; i--)
		loom_buf_puts(&b, bits[rnd(COUNT(bits))]);
	if (rnd(8) == 0)
		loom_buf_putc(&b, (char)rnd(256));
	const char *text = b.len ? b.data : "";
	bool valid = loom_utf8_valid(text, b.len);
	size_t chars = valid ? loom_utf8_count(text, b.len) : 0;
	enum loom_status status = loom_tokenizer_encode_max(t, text, b.len, rnd(2), rnd(4) ? SIZE_MAX : rnd(9), e, &truncated, &err);
	bool ok = valid ? status == LOOM_OK || status == LOOM_E_INVALID || status == LOOM_E_MODEL : status == LOOM_E_INVALID;
	for (size_t i = 0; ok && i < e->n; i++)
		ok = e->ids[i] >= 0 && e->start[i] <= e->end[i] && e->end[i] <= chars;
	for (size_t i = 0; i < COUNT(ids); i++)
		ids[i] = (int32_t)rnd((size_t)loom_tokenizer_n_vocab(t) + 4) - 2;
	loom_buf_release(&b);
	if (!ok)
		return failed("encoding", &err);
	if (!status && !decode_both(t, e->ids, e->n, rnd(2), &err))
		return failed("decoding", &err);
	return decode_both(t, ids, rnd(COUNT(ids) + 1), rnd(2), &err) ? 0 : failed("decoding any ids", &err);
}

static int opened_as_it_should(struct loom_tokenizer *t, enum loom_status status, const struct loom_err *err, size_t *opened)
{
	struct loom_encoding e;
	int rc = 0;
	if (status)
		return t || status != LOOM_E_MODEL || !*err->message ? failed("opening", err) : 0;
	++*opened;
	loom_encoding_init(&e);
	for (int i = 0; !rc && i < TEXTS_PER_ROUND; i++)
		rc = one_text(t, &e);
	loom_encoding_release(&e);
	loom_tokenizer_free(t);
	return rc;
}

static int one_file(const char *json, size_t n, size_t *opened)
{
	struct loom_tokenizer *t = NULL;
	struct loom_err err = { .message = "" };
	enum loom_status status = loom_tokenizer_open_json(json, n, &t, &err);
	return opened_as_it_should(t, status, &err, opened);
}

/* The file [n] after up to three changes, in *out. */
static void change(struct loom_buf *out, const char *file, size_t n, bool json)
{
	struct loom_buf b;
	loom_buf_init(out, 1u << 24);
	loom_buf_init(&b, 1u << 24);
	loom_buf_append(out, file, n);
	for (size_t k = rnd(4); k > 0 && out->len; k--) {
		loom_buf_reset(&b);
		if (json && rnd(6))
			swap_value(&b, out->data, out->len);
		else
			change_bytes(&b, out->data, out->len);
		struct loom_buf other = *out;
		*out = b;
		b = other;
	}
	loom_buf_release(&b);
}

/* A folder without tokenizer.json, or with a tokenizer_config.json beside it; the first file is the one that changes. */
static int one_folder(const struct tempdir *dir, size_t *opened)
{
	static const char *const sets[][5] = { { "tekken-own", "tekken.json" }, { "config-bert", "tokenizer_config.json", "tokenizer.json" },
		{ "config-gpt2", "tokenizer_config.json", "tokenizer.json" }, { "older-roberta", "vocab.json", "merges.txt", "tokenizer_config.json" },
		{ "older-qwen2", "tokenizer_config.json", "merges.txt", "vocab.json" }, { "spm-t5", "tokenizer.model", "tokenizer_config.json" },
		{ "spm-llama", "tokenizer_config.json", "tokenizer.model" }, { "older-bert", "vocab.txt", "tokenizer_config.json" } };
	const char *const *set = sets[rnd(COUNT(sets))];
	struct loom_tokenizer *t = NULL;
	struct loom_err err = { .message = "" };
	int rc = 0;
	for (int i = 1; !rc && i < 5 && set[i]; i++) {
		char path[4096], *file;
		size_t n;
		struct loom_buf b;
		snprintf(path, sizeof path, "%s/tokenizers/%s/%s", LOOM_TEST_DIR, set[0], set[i]);
		if (loom_file_slurp(path, set[i], LOOM_MAX_TOKENIZER_BYTES, &file, &n, &err))
			return failed("reading", &err);
		if (i == 1) {
			change(&b, file, n, strstr(set[i], ".json") != NULL);
		} else {
			loom_buf_init(&b, n + 1);
			loom_buf_append(&b, file, n);
		}
		FILE *to = fopen(tempdir_path(dir, set[i]), "wb");
		rc = !to || fwrite(b.len ? b.data : "", 1, b.len, to) != b.len;
		rc = (to && fclose(to)) || rc;
		loom_buf_release(&b);
		loom_free(file);
	}
	enum loom_status status = rc ? LOOM_E_IO : loom_tokenizer_open(dir->path, &t, &err);
	rc = rc ? rc : opened_as_it_should(t, status, &err, opened);
	for (int i = 1; i < 5 && set[i]; i++)
		(void)remove(tempdir_path(dir, set[i]));
	if (rc)
		fprintf(stderr, "fuzz_tokenizer: %s of %s\n", set[1], set[0]);
	return rc;
}

int main(int argc, char **argv)
{
	long rounds = fuzz_begin(argc, argv, ROUNDS);
	size_t opened = 0;
	int rc = 0;
	loom_json_setup();
	struct tempdir dir;
	tempdir_make(&dir);
	int64_t live = loom_mem_live();
	for (size_t round = 0; !rc && round < (size_t)rounds; round++) {
		char path[4096], *json;
		size_t n;
		struct loom_buf a;
		struct loom_err err;
		if (round % 4 == 3) {
			rc = one_folder(&dir, &opened);
			continue;
		}
		snprintf(path, sizeof path, "%s/tokenizers/%s/tokenizer.json", LOOM_TEST_DIR, folders[round % COUNT(folders)]);
		if (loom_file_slurp(path, "tokenizer.json", LOOM_MAX_TOKENIZER_BYTES, &json, &n, &err))
			return failed("reading", &err);
		change(&a, json, n, true);
		rc = one_file(a.len ? a.data : "", a.len, &opened);
		if (rc)
			fprintf(stderr, "fuzz_tokenizer: round %zu\n", round);
		loom_buf_release(&a);
		loom_free(json);
	}
	tempdir_remove(&dir);
	if (!rc && loom_mem_live() != live) {
		fprintf(stderr, "fuzz_tokenizer: %lld blocks left\n", (long long)(loom_mem_live() - live));
		rc = 1;
	}
	printf("fuzz_tokenizer: %ld files, %zu of them opened\n", rounds, opened);
	return rc;
}
