/* decode.c: the steps of decode.h. `tokenizers` gives each step the list of all strings; here a step gets
 * them in order. After Fuse or ByteLevel there is one string, which comes in parts: a step that can't work
 * on parts collects them until the end. */
#include "decode.h"

#include <ctype.h>
#include <string.h>

#include "bounds.h"
#include "mem.h"
#include "normalize.h"
#include "pretokenize.h"
#include "str.h"
#include "unicode.h"

enum kind { JOIN, BYTE_LEVEL, WORDPIECE, METASPACE, BYTE_FALLBACK, FUSE, REPLACE, STRIP, BPE_SUFFIX, CTC };

struct loom_decode_step {
	enum kind kind;
	bool fused;                /* its input is one string in parts */
	bool collects;             /* and it needs the whole */
	const char *text;          /* [n_text] WordPiece: prefix; Replace: content; BPEDecoder: suffix; CTC: pad_token */
	size_t n_text;
	const char *delimiter;     /* [n_delimiter] CTC: word_delimiter_token */
	size_t n_delimiter;
	bool cleanup;              /* WordPiece, CTC */
	struct loom_metaspace meta;
	struct loom_regex *regex;  /* Replace */
	uint32_t strip_cp;         /* Strip */
	size_t strip_start, strip_stop;
};

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
	case JOIN:
		return (s->steps[k].n_item++ == 0 || feed(s, k + 1, " ", 1)) && feed(s, k + 1, p, n);
	case BYTE_LEVEL:
		return byte_level(s, k, p, n);
	case WORDPIECE:
		return wordpiece(s, k, p, n);
	case METASPACE:
		return metaspace(s, k, p, n);
	case BYTE_FALLBACK:
		return byte_fallback(s, k, p, n);
	case FUSE:
		return feed(s, k + 1, p, n);
	case REPLACE:
		return replace(s, k, p, n);
	case STRIP:
		return strip(s, k, p, n);
	case BPE_SUFFIX:
		return bpe_suffix(s, k, p, n);
	case CTC:
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
	bool ok = step->kind == BYTE_LEVEL ? drain_bytes(s, k, true) : step->kind == BYTE_FALLBACK ? flush_fallback(s, k)
	          : step->kind == BPE_SUFFIX ? pass_kept(s, k, "") : true;
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

/* --- reading */

struct reader {
	struct loom_decoder *d;
	struct loom_arena *arena;
	struct loom_json_ctx ctx;
	struct loom_err *err;
};

static enum loom_status read_text(struct reader *r, const json_t *spec, const char *key, const char **text, size_t *n)
{
	const json_t *v = json_object_get(spec, key);
	if (!json_is_string(v))
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: %s: expected a string", r->ctx.where, key);
	*n = json_string_length(v);
	*text = loom_arena_strndup(r->arena, json_string_value(v), *n);
	return *text ? LOOM_OK : loom_err_nomem(r->err, "the decoder", *n);
}

static enum loom_status read_strip(struct reader *r, const json_t *spec, struct loom_decode_step *step)
{
	const char *content = NULL;
	int64_t start = 0, stop = 0;
	enum loom_status status;
	if ((status = loom_json_str(&r->ctx, spec, "content", &content, r->err)) ||
	    (status = loom_json_int(&r->ctx, spec, "start", 0, INT32_MAX, &start, r->err)) ||
	    (status = loom_json_int(&r->ctx, spec, "stop", 0, INT32_MAX, &stop, r->err)))
		return status;
	size_t n = content ? strlen(content) : 0;
	if (n == 0 || loom_utf8_decode(content, n, &step->strip_cp) != n)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: content: expected one character", r->ctx.where);
	step->strip_start = (size_t)start;
	step->strip_stop = (size_t)stop;
	return LOOM_OK;
}

static enum loom_status read_fields(struct reader *r, const json_t *spec, struct loom_decode_step *step)
{
	enum loom_status status;
	switch (step->kind) {
	case WORDPIECE:
		step->cleanup = true;
		status = read_text(r, spec, "prefix", &step->text, &step->n_text);
		return status ? status : loom_json_bool(&r->ctx, spec, "cleanup", &step->cleanup, r->err);
	case METASPACE:
		return loom_metaspace_read(&r->ctx, spec, &step->meta, r->err);
	case REPLACE:
		status = read_text(r, spec, "content", &step->text, &step->n_text);
		return status ? status : loom_pattern_open(json_object_get(spec, "pattern"), r->ctx.where, &step->regex, r->err);
	case STRIP:
		return read_strip(r, spec, step);
	case BPE_SUFFIX:
		return read_text(r, spec, "suffix", &step->text, &step->n_text);
	case CTC:
		if ((status = read_text(r, spec, "pad_token", &step->text, &step->n_text)) ||
		    (status = read_text(r, spec, "word_delimiter_token", &step->delimiter, &step->n_delimiter)))
			return status;
		return loom_json_bool(&r->ctx, spec, "cleanup", &step->cleanup, r->err);
	default:
		return LOOM_OK;
	}
}

static enum loom_status read_step(struct reader *r, const json_t *spec, int depth)
{
	static const struct {
		const char *type;
		enum kind kind;
	} kinds[] = { { "ByteLevel", BYTE_LEVEL }, { "WordPiece", WORDPIECE }, { "Metaspace", METASPACE },
		{ "ByteFallback", BYTE_FALLBACK }, { "Fuse", FUSE }, { "Replace", REPLACE }, { "Strip", STRIP },
		{ "BPEDecoder", BPE_SUFFIX }, { "CTC", CTC } };
	const char *type = NULL;
	const json_t *list = json_object_get(spec, "decoders");
	enum loom_status status = loom_json_str(&r->ctx, spec, "type", &type, r->err);
	if (status)
		return status;
	if (type && strcmp(type, "Sequence") == 0 && json_is_array(list) && depth <= LOOM_MAX_JSON_DEPTH) {
		for (size_t i = 0; !status && i < json_array_size(list); i++)
			status = read_step(r, json_array_get(list, i), depth + 1);
		return status;
	}
	if (r->d->n_step == LOOM_MAX_STEPS)
		return loom_err_set(r->err, LOOM_E_MODEL, "%s: more than %d steps", r->ctx.where, LOOM_MAX_STEPS);
	for (size_t i = 0; type && i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(type, kinds[i].type) == 0) {
			struct loom_decode_step *step = &r->d->steps[r->d->n_step++];
			step->kind = kinds[i].kind;
			return read_fields(r, spec, step);
		}
	return loom_err_set(r->err, LOOM_E_MODEL, "tokenizer.json: decoder.type \"%.60s\" is not supported; supported: "
		"BPEDecoder, ByteFallback, ByteLevel, CTC, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece", type ? type : "");
}

enum loom_status loom_decoder_open(struct loom_decoder *d, struct loom_arena *a, const json_t *spec, struct loom_err *err)
{
	struct reader r = { d, a, { "tokenizer.json: decoder", LOOM_E_MODEL }, err };
	bool fused = false;
	enum loom_status status = LOOM_OK;
	d->n_step = 0;
	d->steps = loom_arena_alloc(a, LOOM_MAX_STEPS, sizeof *d->steps);
	if (!d->steps)
		return loom_err_nomem(err, "the decoder", LOOM_MAX_STEPS * sizeof *d->steps);
	if (!spec || json_is_null(spec))
		d->steps[d->n_step++].kind = JOIN;
	else
		status = read_step(&r, spec, 0);
	for (size_t k = 0; k < d->n_step; k++) {
		struct loom_decode_step *step = &d->steps[k];
		step->fused = fused;
		step->collects = fused && step->kind != FUSE && step->kind != METASPACE && !(step->kind == STRIP && !step->strip_stop);
		fused = fused || step->kind == FUSE || step->kind == BYTE_LEVEL;
	}
	return status;
}

void loom_decoder_release(struct loom_decoder *d)
{
	for (size_t k = 0; k < d->n_step; k++)
		loom_regex_free(d->steps[k].regex);
	d->n_step = 0;
}
