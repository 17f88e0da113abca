/* precompiled.c: the charsmap of SentencePiece: a double-array trie over bytes whose values are places in a
 * list of NUL-terminated replacements. As the library runs it: a grapheme cluster of less than six bytes that
 * starts with a key is replaced whole (the shortest key counts), longer ones go character by character. */
#include <string.h>

#include "bounds.h"
#include "grapheme.h"
#include "mem.h"
#include "normalize.h"
#include "str.h"
#include "unbase64.h"

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

/* Where a run stands. Characters that vanish before the first that stays are not counted by the library: the
 * ranges of all that follows lag behind by as many characters. */
struct place {
	struct loom_work *w;
	size_t read, range; /* bytes of the buffer */
	bool wrote;
};

/* n bytes that stay as they are. */
static bool keep(struct place *at, size_t n)
{
	struct loom_work *w = at->w;
	uint32_t cp, old;
	bool ok = at->range == at->read ? loom_text_copy(w, at->read, n) : true;
	size_t len, i = at->range == at->read ? n : 0;
	at->range += i;
	for (; ok && i < n; i += len) {
		len = loom_next_char(w->now.s + at->read + i, &cp);
		ok = loom_text_put_all(w, w->now.s + at->read + i, len, w->now.start[at->range], w->now.end[at->range]);
		at->range += loom_next_char(w->now.s + at->range, &old);
	}
	at->wrote = at->wrote || n;
	at->read += n;
	return ok;
}

/* by instead of the next n bytes: its characters stand for those there one by one, the rest for the last. */
static bool replace(struct place *at, const char *by, size_t n)
{
	struct loom_work *w = at->w;
	size_t left = loom_utf8_count(w->now.s + at->read, n), last = at->range;
	uint32_t cp, old;
	at->read += n;
	if (!*by && !at->wrote)
		return true;
	for (size_t k; *by; by += k) {
		k = loom_next_char(by, &cp);
		last = left ? at->range : last;
		if (!loom_text_put_all(w, by, k, w->now.start[last], w->now.end[last]))
			return false;
		if (left && left--)
			at->range += loom_next_char(w->now.s + at->range, &old);
		at->wrote = true;
	}
	while (left--)
		at->range += loom_next_char(w->now.s + at->range, &old);
	return true;
}

static bool run_cluster(const struct loom_precompiled *c, struct place *at, size_t n)
{
	const char *s = at->w->now.s + at->read, *by = n < PRECOMPILED_WHOLE ? look_up(c, s, n) : NULL;
	if (by)
		return replace(at, by, n);
	for (size_t i = 0, len; i < n; i += len) {
		uint32_t cp;
		len = loom_next_char(s + i, &cp);
		by = look_up(c, s + i, len);
		if (by ? !replace(at, by, len) : !keep(at, len))
			return false;
	}
	return true;
}

bool loom_precompiled_run(const struct loom_precompiled *c, struct loom_work *w, const struct loom_piece *p)
{
	const char *s = w->now.s;
	size_t stop = p->off + p->n;
	struct place at = { w, p->off, p->off, false };
	while (at.read < stop) {
		size_t i = at.read;
		/* ASCII that stands alone and stays as it is. */
		while (i < stop && (unsigned char)s[i] < 0x7F && s[i] != '\r' && !c->ascii[(unsigned char)s[i]] &&
		       (i + 1 == stop || (unsigned char)s[i + 1] < 0x7F))
			i++;
		if (i > at.read && !keep(&at, i - at.read))
			return false;
		if (i == stop)
			break;
		bool plain = (unsigned char)s[i] < 0x7F && s[i] != '\r' && (i + 1 == stop || (unsigned char)s[i + 1] < 0x7F);
		if (!run_cluster(c, &at, plain ? 1 : loom_grapheme(s + i, stop - i)))
			return false;
	}
	return true;
}
