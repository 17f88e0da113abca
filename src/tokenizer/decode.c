/* decode.c: runs the steps of decode.h. `tokenizers` gives each step the list of all strings; here a step gets
 * them in order. After Fuse or ByteLevel there is one string, which comes in parts: a step that can't work
 * on parts collects them until the end. */
#include "decode.h"

#include <ctype.h>
#include <string.h>

#include "decode_step.h"
#include "mem.h"
#include "normalize.h"
#include "str.h"
#include "unicode.h"

struct step_state {
	size_t n_item;         /* strings seen */
	size_t stripped;       /* Strip on parts: characters cut so far */
	bool past;             /* Strip on parts: something else was seen */
	struct loom_buf kept;  /* bytes not settled, or the parts so far */
	struct loom_buf item;  /* the string being made */
	struct loom_buf other; /* and its next form */
};

struct loom_decode_state {
	const struct loom_decoder *d;
	struct step_state *steps; /* [d->n_step] */
	struct loom_work work;    /* for patterns */
	struct loom_buf *out;
};

static bool feed(struct loom_decode_state *s, size_t k, const char *p, size_t n);

/* --- bytes to text */

/* One step over bytes: 1 a character, 0 the start of one that is cut off, -1 invalid; *len bytes. As Rust's
 * from_utf8_lossy counts invalid stretches. */
static int utf8_step(const uint8_t *s, size_t n, size_t *len)
{
	uint8_t low = 0x80, high = 0xBF;
	size_t want = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
	*len = 1;
	if (want <= 1)
		return want ? 1 : -1;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	for (; *len < want; (*len)++, low = 0x80, high = 0xBF) {
		if (*len == n)
			return 0;
		if (s[*len] < low || s[*len] > high)
			return -1;
	}
	return 1;
}

/* Passes on the settled text of st->kept. */
static bool drain_bytes(struct loom_decode_state *s, size_t k, bool last)
{
	struct step_state *st = &s->steps[k];
	size_t at = 0, len;
	loom_buf_reset(&st->item);
	while (at < st->kept.len) {
		int is = utf8_step((const uint8_t *)st->kept.data + at, st->kept.len - at, &len);
		if (is == 0 && !last)
			break;
		if (is == 1)
			loom_buf_append(&st->item, st->kept.data + at, len);
		else
			loom_buf_puts(&st->item, "\xEF\xBF\xBD");
		at += len;
	}
	if (st->kept.failed || st->item.failed)
		return loom_work_nomem(&s->work);
	if (at) {
		memmove(st->kept.data, st->kept.data + at, st->kept.len - at);
		st->kept.len -= at;
	}
	return st->item.len == 0 || feed(s, k + 1, st->item.data, st->item.len);
}

static bool byte_level(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	struct step_state *st = &s->steps[k];
	size_t before = st->kept.len;
	for (size_t i = 0; i < n;) {
		uint32_t cp;
		i += loom_next_char(p + i, &cp);
		int byte = loom_char_byte(cp);
		if (byte < 0) { /* one stranger, and the token is taken as it stands */
			st->kept.len = before;
			loom_buf_append(&st->kept, p, n);
			break;
		}
		loom_buf_putc(&st->kept, (char)byte);
	}
	return st->kept.failed ? loom_work_nomem(&s->work) : drain_bytes(s, k, false);
}

static bool flush_fallback(struct loom_decode_state *s, size_t k)
{
	struct loom_buf *kept = &s->steps[k].kept;
	size_t n = kept->len;
	bool ok = true;
	if (n == 0)
		return true;
	if (loom_utf8_valid(kept->data, n))
		ok = feed(s, k + 1, kept->data, n);
	else
		for (size_t i = 0; ok && i < n; i++)
			ok = feed(s, k + 1, "\xEF\xBF\xBD", 3);
	loom_buf_reset(kept);
	return ok;
}

static bool byte_fallback(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	if (n == 6 && memcmp(p, "<0x", 3) == 0 && p[5] == '>' && isxdigit((unsigned char)p[4]) &&
	    (p[3] == '+' || isxdigit((unsigned char)p[3]))) {
		int high = p[3] == '+' ? 0 : isdigit((unsigned char)p[3]) ? p[3] - '0' : (p[3] | 32) - 'a' + 10;
		int low = isdigit((unsigned char)p[4]) ? p[4] - '0' : (p[4] | 32) - 'a' + 10;
		return loom_buf_putc(&s->steps[k].kept, (char)(high << 4 | low)) || loom_work_nomem(&s->work);
	}
	return flush_fallback(s, k) && feed(s, k + 1, p, n);
}

/* --- strings */

static void replace_all(struct step_state *st, const char *what, size_t n_what, const char *by)
{
	size_t at = 0;
	const char *hit;
	if (!n_what || !st->item.len || !memmem(st->item.data, st->item.len, what, n_what))
		return;
	loom_buf_reset(&st->other);
	while ((hit = memmem(st->item.data + at, st->item.len - at, what, n_what))) {
		loom_buf_append(&st->other, st->item.data + at, (size_t)(hit - st->item.data) - at);
		loom_buf_puts(&st->other, by);
		at = (size_t)(hit - st->item.data) + n_what;
	}
	loom_buf_append(&st->other, st->item.data + at, st->item.len - at);
	struct loom_buf swap = st->item;
	st->item = st->other;
	st->other = swap;
}

/* English as it is written, token by token. */
static void clean_up(struct step_state *st)
{
	static const char *const clean[][2] = { { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" },
		{ " n't", "n't" }, { " 'm", "'m" }, { " do not", " don't" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" } };
	for (size_t i = 0; i < sizeof clean / sizeof clean[0]; i++)
		replace_all(st, clean[i][0], strlen(clean[i][0]), clean[i][1]);
}

/* Passes on st->item. */
static bool pass_item(struct loom_decode_state *s, size_t k)
{
	struct step_state *st = &s->steps[k];
	if (st->item.failed || st->other.failed)
		return loom_work_nomem(&s->work);
	return feed(s, k + 1, st->item.len ? st->item.data : "", st->item.len);
}

static bool wordpiece(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	const struct loom_decode_step *step = &s->d->steps[k];
	struct step_state *st = &s->steps[k];
	loom_buf_reset(&st->item);
	if (st->n_item++) {
		if (n >= step->n_text && memcmp(p, step->text, step->n_text) == 0) {
			p += step->n_text;
			n -= step->n_text;
		} else {
			loom_buf_putc(&st->item, ' ');
		}
	}
	loom_buf_append(&st->item, p, n);
	if (step->cleanup)
		clean_up(st);
	return pass_item(s, k);
}

/* The suffix is a space, but in the last token nothing: each token waits for the next. */
static bool pass_kept(struct loom_decode_state *s, size_t k, const char *by)
{
	const struct loom_decode_step *step = &s->d->steps[k];
	struct step_state *st = &s->steps[k];
	if (!st->n_item)
		return true;
	loom_buf_reset(&st->item);
	loom_buf_append(&st->item, st->kept.len ? st->kept.data : "", st->kept.len);
	replace_all(st, step->text, step->n_text, by);
	return pass_item(s, k);
}

static bool bpe_suffix(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	struct step_state *st = &s->steps[k];
	if (!pass_kept(s, k, " "))
		return false;
	st->n_item++;
	loom_buf_reset(&st->kept);
	return loom_buf_append(&st->kept, p, n) || loom_work_nomem(&s->work);
}

/* A token that repeats the one before does not count, nor does what is empty without its padding. */
static bool ctc(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	const struct loom_decode_step *step = &s->d->steps[k];
	struct step_state *st = &s->steps[k];
	if (st->n_item++ && st->kept.len == n && (n == 0 || memcmp(st->kept.data, p, n) == 0))
		return true;
	loom_buf_reset(&st->kept);
	loom_buf_reset(&st->item);
	if (!loom_buf_append(&st->kept, p, n))
		return loom_work_nomem(&s->work);
	loom_buf_append(&st->item, p, n);
	replace_all(st, step->text, step->n_text, "");
	if (step->cleanup) {
		clean_up(st);
		replace_all(st, step->delimiter, step->n_delimiter, " ");
	}
	return (st->item.len == 0 && !st->item.failed && !st->other.failed) || pass_item(s, k);
}

static bool metaspace(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	const struct loom_metaspace *m = &s->d->steps[k].meta;
	struct step_state *st = &s->steps[k];
	bool first = s->d->steps[k].fused || st->n_item == 0;
	st->n_item++;
	loom_buf_reset(&st->item);
	for (size_t i = 0, len; i < n; i += len) {
		uint32_t cp;
		len = loom_next_char(p + i, &cp);
		if (cp != m->cp)
			loom_buf_append(&st->item, p + i, len);
		else if (!first || m->prepend == LOOM_PREPEND_NEVER)
			loom_buf_putc(&st->item, ' ');
	}
	if (st->item.failed)
		return loom_work_nomem(&s->work);
	return feed(s, k + 1, st->item.len ? st->item.data : "", st->item.len);
}

static bool replace(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	const struct loom_decode_step *step = &s->d->steps[k];
	struct step_state *st = &s->steps[k];
	loom_buf_reset(&st->item);
	s->work.n_range = 0;
	if (n && !loom_regex_ranges(step->regex, &s->work, p, n, false))
		return false;
	for (size_t i = 0; n && i < s->work.n_range; i++) {
		struct loom_range r = s->work.ranges[i];
		if (r.match)
			loom_buf_append(&st->item, step->text, step->n_text);
		else
			loom_buf_append(&st->item, p + r.start, r.end - r.start);
	}
	if (st->item.failed)
		return loom_work_nomem(&s->work);
	return feed(s, k + 1, st->item.len ? st->item.data : "", st->item.len);
}

static bool strip(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	const struct loom_decode_step *step = &s->d->steps[k];
	struct step_state *st = &s->steps[k];
	bool parts = step->fused && !step->collects;
	size_t cut = parts ? st->stripped : 0, from = 0, to = n, len;
	uint32_t cp;
	while (!(parts && st->past) && cut < step->strip_start && from < n) {
		len = loom_next_char(p + from, &cp);
		if (cp != step->strip_cp) {
			st->past = parts;
			break;
		}
		from += len;
		cut++;
	}
	st->stripped = parts ? cut : 0;
	for (cut = 0; cut < step->strip_stop && to > from; cut++, to -= len) {
		len = loom_prev_char(p, to, &cp);
		if (cp != step->strip_cp)
			break;
	}
	return feed(s, k + 1, p + from, to - from);
}

static bool run_step(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	switch (s->d->steps[k].kind) {
	case LOOM_DECODE_JOIN:
		return (s->steps[k].n_item++ == 0 || feed(s, k + 1, " ", 1)) && feed(s, k + 1, p, n);
	case LOOM_DECODE_BYTE_LEVEL:
		return byte_level(s, k, p, n);
	case LOOM_DECODE_WORDPIECE:
		return wordpiece(s, k, p, n);
	case LOOM_DECODE_METASPACE:
		return metaspace(s, k, p, n);
	case LOOM_DECODE_BYTE_FALLBACK:
		return byte_fallback(s, k, p, n);
	case LOOM_DECODE_FUSE:
		return feed(s, k + 1, p, n);
	case LOOM_DECODE_REPLACE:
		return replace(s, k, p, n);
	case LOOM_DECODE_STRIP:
		return strip(s, k, p, n);
	case LOOM_DECODE_BPE_SUFFIX:
		return bpe_suffix(s, k, p, n);
	case LOOM_DECODE_CTC:
		return ctc(s, k, p, n);
	}
	return false;
}

static bool feed(struct loom_decode_state *s, size_t k, const char *p, size_t n)
{
	if (k == s->d->n_step)
		return loom_buf_append(s->out, p, n) || loom_work_nomem(&s->work);
	if (s->d->steps[k].collects)
		return loom_buf_append(&s->steps[k].kept, p, n) || loom_work_nomem(&s->work);
	return run_step(s, k, p, n);
}

static bool finish_step(struct loom_decode_state *s, size_t k)
{
	const struct loom_decode_step *step = &s->d->steps[k];
	struct step_state *st = &s->steps[k];
	if (step->collects) {
		size_t n;
		char *whole = loom_buf_take(&st->kept, &n);
		bool ok = run_step(s, k, whole ? whole : "", whole ? n : 0);
		loom_free(whole);
		if (!ok)
			return false;
	}
	bool ok = step->kind == LOOM_DECODE_BYTE_LEVEL ? drain_bytes(s, k, true) : step->kind == LOOM_DECODE_BYTE_FALLBACK ? flush_fallback(s, k)
	          : step->kind == LOOM_DECODE_BPE_SUFFIX ? pass_kept(s, k, "") : true;
	st->n_item = st->stripped = 0;
	st->past = false;
	loom_buf_reset(&st->kept);
	return ok;
}

enum loom_status loom_decode_feed(struct loom_decode_state *s, const char *token, size_t n, struct loom_buf *out,
	struct loom_err *err)
{
	s->out = out;
	s->work.err = err;
	s->work.status = LOOM_OK;
	return feed(s, 0, token, n) ? LOOM_OK : s->work.status;
}

enum loom_status loom_decode_finish(struct loom_decode_state *s, struct loom_buf *out, struct loom_err *err)
{
	bool ok = true;
	s->out = out;
	s->work.err = err;
	s->work.status = LOOM_OK;
	for (size_t k = 0; ok && k < s->d->n_step; k++)
		ok = finish_step(s, k);
	return ok ? LOOM_OK : s->work.status;
}

struct loom_decode_state *loom_decode_state_new(const struct loom_decoder *d)
{
	struct loom_decode_state *s = loom_calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->d = d;
	s->steps = loom_calloc(d->n_step, sizeof *s->steps);
	if (!s->steps) {
		loom_free(s);
		return NULL;
	}
	loom_work_init(&s->work, NULL);
	for (size_t k = 0; k < d->n_step; k++) {
		loom_buf_init(&s->steps[k].kept, SIZE_MAX / 4);
		loom_buf_init(&s->steps[k].item, SIZE_MAX / 4);
		loom_buf_init(&s->steps[k].other, SIZE_MAX / 4);
	}
	return s;
}

void loom_decode_state_free(struct loom_decode_state *s)
{
	if (!s)
		return;
	for (size_t k = 0; k < s->d->n_step; k++) {
		loom_buf_release(&s->steps[k].kept);
		loom_buf_release(&s->steps[k].item);
		loom_buf_release(&s->steps[k].other);
	}
	loom_free(s->steps);
	loom_work_release(&s->work);
	loom_free(s);
}

