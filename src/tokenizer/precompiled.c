/* precompiled.c: the charsmap of SentencePiece: a double-array trie over bytes whose values are places in a
 * list of NUL-terminated replacements. As the library runs it: a grapheme cluster of less than six bytes that
 * starts with a key is replaced whole (the shortest key counts), longer ones go character by character. */
#include <string.h>

#include "base64.h"
#include "bounds.h"
#include "grapheme.h"
#include "mem.h"
#include "normalize.h"
#include "str.h"

#define PRECOMPILED_WHOLE 6 /* clusters shorter than this are looked up whole */

struct loom_precompiled {
	uint32_t *units; /* [n_unit] */
	size_t n_unit;
	char *text;      /* [n_text] UTF-8 */
	size_t n_text;
	const char *ascii[128]; /* replacement of a character alone; NULL: none */
};

static uint32_t offset_of(uint32_t unit)
{
	return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* The replacement of the shortest key that s starts with; NULL: none. Bad places in the file are no keys. */
static const char *look_up(const struct loom_precompiled *c, const char *s, size_t n)
{
	if (c->n_unit == 0)
		return NULL;
	uint32_t at = offset_of(c->units[0]);
	for (size_t i = 0; i < n && s[i]; i++) {
		at ^= (uint8_t)s[i];
		if (at >= c->n_unit || (c->units[at] & (1u << 31 | 0xFF)) != (uint8_t)s[i])
			return NULL;
		uint32_t unit = c->units[at];
		at ^= offset_of(unit);
		if (unit >> 8 & 1) {
			uint32_t value = at < c->n_unit ? c->units[at] & 0x7FFFFFFF : UINT32_MAX;
			bool fits = value < c->n_text && ((unsigned char)c->text[value] & 0xC0) != 0x80;
			return fits ? c->text + value : NULL;
		}
	}
	return NULL;
}

enum loom_status loom_precompiled_open_bytes(const void *data, size_t n, const char *where, struct loom_precompiled **out,
	struct loom_err *err)
{
	const uint8_t *p = data;
	size_t trie = n >= 4 ? (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24 : 0;
	*out = NULL;
	trie = trie / 4 * 4;
	if (n < 4 || trie > n - 4)
		return loom_err_set(err, LOOM_E_MODEL, "%s: precompiled_charsmap: a table of %zu bytes in %zu", where, trie, n);
	if (!loom_utf8_valid((const char *)p + 4 + trie, n - 4 - trie))
		return loom_err_set(err, LOOM_E_MODEL, "%s: precompiled_charsmap: its replacements are not valid UTF-8", where);
	struct loom_precompiled *c = loom_calloc(1, sizeof *c);
	if (!c || !(c->units = loom_malloc(trie + 4)) || !(c->text = loom_malloc(n - trie))) {
		loom_precompiled_free(c);
		return loom_err_nomem(err, "the charsmap", n);
	}
	c->n_unit = trie / 4;
	for (size_t i = 0; i < c->n_unit; i++, p += 4)
		c->units[i] = (uint32_t)p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 24;
	c->n_text = n - 4 - trie;
	memcpy(c->text, p + 4, c->n_text);
	c->text[c->n_text] = '\0';
	for (char a = 1; a >= 0 && a < 127; a++)
		c->ascii[(unsigned char)a] = look_up(c, &a, 1);
	*out = c;
	return LOOM_OK;
}

void loom_precompiled_bytes(const struct loom_precompiled *c, struct loom_buf *out)
{
	for (size_t i = 0; i <= c->n_unit; i++) {
		uint32_t u = i ? c->units[i - 1] : (uint32_t)(c->n_unit * 4);
		const uint8_t le[4] = { (uint8_t)u, (uint8_t)(u >> 8), (uint8_t)(u >> 16), (uint8_t)(u >> 24) };
		loom_buf_append(out, le, 4);
	}
	loom_buf_append(out, c->text, c->n_text);
}

enum loom_status loom_precompiled_open(const char *base64, size_t n, const char *where, struct loom_precompiled **out,
	struct loom_err *err)
{
	*out = NULL;
	if (n > LOOM_MAX_CONFIG_BYTES)
		return loom_err_set(err, LOOM_E_MODEL, "%s: precompiled_charsmap of %zu bytes, at most %u", where, n, LOOM_MAX_CONFIG_BYTES);
	uint8_t *data = loom_malloc(LOOM_UNBASE64_ROOM(n));
	if (!data)
		return loom_err_nomem(err, "the charsmap", n);
	size_t n_data;
	enum loom_status status = loom_unbase64(base64, n, data, &n_data)
		? loom_precompiled_open_bytes(data, n_data, where, out, err)
		: loom_err_set(err, LOOM_E_MODEL, "%s: precompiled_charsmap: expected base64", where);
	loom_free(data);
	return status;
}

void loom_precompiled_free(struct loom_precompiled *c)
{
	if (!c)
		return;
	loom_free(c->units);
	loom_free(c->text);
	loom_free(c);
}

/* A run over a piece. The last character waits, since what vanishes after it counts as part of it (what vanishes
 * before the first is not counted at all: the ranges of all that follows then lag behind). */
struct run {
	struct loom_align align;
	const char *s; /* the piece */
	size_t read;   /* bytes of it that are done */
	uint32_t last;
	int32_t change;
	bool waits;
};

static bool settle(struct run *r)
{
	bool ok = !r->waits || loom_align_put(&r->align, r->last, r->change);
	r->waits = false;
	return ok;
}

static bool put(struct run *r, uint32_t cp, int32_t change)
{
	if (!settle(r))
		return false;
	r->last = cp;
	r->change = change;
	r->waits = true;
	return true;
}

/* n bytes that stay as they are. */
static bool keep(struct run *r, size_t n)
{
	uint32_t cp;
	size_t stop = r->read + n, whole = n - loom_prev_char(r->s + r->read, n, &cp);
	if (!settle(r))
		return false;
	if (r->align.read == r->read) { /* in step: all but the last at once */
		if (!loom_align_copy(&r->align, whole))
			return false;
		r->read += whole;
	}
	while (r->read < stop) {
		r->read += loom_next_char(r->s + r->read, &cp);
		if (!put(r, cp, 0))
			return false;
	}
	return true;
}

/* by instead of the next n bytes: its characters stand for those there one by one, the rest for the last. */
static bool replace(struct run *r, const char *by, size_t n)
{
	size_t left = loom_utf8_count(r->s + r->read, n);
	uint32_t cp;
	r->read += n;
	for (size_t k; *by; by += k) {
		k = loom_next_char(by, &cp);
		if (!put(r, cp, left ? 0 : 1))
			return false;
		left -= left > 0;
	}
	if (r->waits)
		r->change -= (int32_t)left;
	return true;
}

static bool run_cluster(const struct loom_precompiled *c, struct run *r, size_t n)
{
	const char *by = n < PRECOMPILED_WHOLE ? look_up(c, r->s + r->read, n) : NULL;
	size_t stop = r->read + n, len;
	if (by)
		return replace(r, by, n);
	while (r->read < stop) {
		uint32_t cp;
		len = loom_next_char(r->s + r->read, &cp);
		by = look_up(c, r->s + r->read, len);
		if (by ? !replace(r, by, len) : !keep(r, len))
			return false;
	}
	return true;
}

bool loom_precompiled_run(const struct loom_precompiled *c, struct loom_work *w, const struct loom_piece *p)
{
	const char *s = w->now.s + p->off;
	struct run r = { .s = s };
	loom_align_init(&r.align, w, p);
	while (r.read < p->n) {
		size_t i = r.read;
		/* ASCII that stands alone and stays as it is. */
		while (i < p->n && (unsigned char)s[i] < 0x7F && s[i] != '\r' && !c->ascii[(unsigned char)s[i]] &&
		       (i + 1 == p->n || (unsigned char)s[i + 1] < 0x7F))
			i++;
		if (i > r.read && !keep(&r, i - r.read))
			return false;
		if (i == p->n)
			break;
		bool plain = (unsigned char)s[i] < 0x7F && s[i] != '\r' && (i + 1 == p->n || (unsigned char)s[i + 1] < 0x7F);
		if (!run_cluster(c, &r, plain ? 1 : loom_grapheme(s + i, p->n - i)))
			return false;
	}
	return settle(&r);
}
