/* normalize_unicode.c: NFC, NFD, NFKC, NFKD with the alignment that `tokenizers` gives each character.
 *
 * The changes of normalize.h are applied in output order, so a reordered mark takes the range of what stood at
 * its place, and a composed character that of its first. */
#include <string.h>

#include "mem.h"
#include "normalize.h"
#include "unicode.h"

#define UNICODE_MAX_DECOMPOSED 32

struct changed {
	uint32_t cp;
	int32_t change;
	int ccc;
};

struct form {
	struct loom_align align;
	struct changed *q; /* [n] the characters since the last starter, decomposed */
	size_t n, cap;
	bool compose;
	struct changed starter; /* being composed */
	bool has_starter;
};

void loom_align_init(struct loom_align *a, struct loom_work *w, const struct loom_piece *p)
{
	*a = (struct loom_align){ .w = w, .p = p };
	if (p->n)
		a->before_start = a->before_end = w->now.start[p->off];
}

static void advance(struct loom_align *a, size_t n)
{
	size_t off = a->p->off + a->read;
	a->read += n;
	a->before_start = a->w->now.start[off + n - 1];
	a->before_end = a->w->now.end[off + n - 1];
}

bool loom_align_copy(struct loom_align *a, size_t n)
{
	if (n == 0)
		return true;
	if (!loom_text_copy(a->w, a->p->off + a->read, n))
		return false;
	advance(a, n);
	return true;
}

bool loom_align_put(struct loom_align *a, uint32_t cp, int32_t change)
{
	uint32_t start = a->before_start, end = a->before_end, old;
	size_t off = a->p->off + a->read;
	if (change <= 0 && a->read < a->p->n) {
		start = a->w->now.start[off];
		end = a->w->now.end[off];
	}
	for (int32_t k = change; k <= 0 && a->read < a->p->n; k++)
		advance(a, loom_next_char(a->w->now.s + a->p->off + a->read, &old));
	return loom_text_put(a->w, cp, start, end);
}

static bool put(struct form *f, struct changed c)
{
	return loom_align_put(&f->align, c.cp, c.change);
}

/* Composes one run (a starter and its marks, in canonical order) and writes it, but for its starter when
 * what follows might still compose with it (Hangul, and starters that compose). */
static bool compose_run(struct form *f)
{
	size_t kept = 0;
	int last = -1; /* class of the last mark that stayed */
	for (size_t i = 0; i < f->n; i++) {
		struct changed c = f->q[i];
		if (!f->has_starter) {
			if (c.ccc != 0) {
				if (!put(f, c))
					return false;
				continue;
			}
			f->starter = c;
			f->has_starter = true;
			continue;
		}
		uint32_t one = last < c.ccc ? loom_uc_compose(f->starter.cp, c.cp) : 0;
		if (one) {
			f->starter.cp = one;
			f->starter.change += c.change - 1;
			continue;
		}
		if (c.ccc != 0) {
			f->q[kept++] = c;
			last = c.ccc;
			continue;
		}
		if (!put(f, f->starter))
			return false;
		for (size_t k = 0; k < kept; k++)
			if (!put(f, f->q[k]))
				return false;
		f->starter = c;
		kept = 0;
		last = -1;
	}
	/* Marks that stayed block the next starter from this one. */
	if (kept) {
		if (!put(f, f->starter))
			return false;
		for (size_t k = 0; k < kept; k++)
			if (!put(f, f->q[k]))
				return false;
		f->has_starter = false;
	}
	f->n = 0;
	return true;
}

static bool finish_run(struct form *f)
{
	/* Canonical order: a stable sort by class within each run of marks; insertion would be quadratic on a
	 * hostile run, so long ones are bucketed. */
	for (size_t i = 1; i < f->n && f->n <= 32; i++) {
		struct changed c = f->q[i];
		size_t k = i;
		for (; c.ccc && k > 0 && f->q[k - 1].ccc > c.ccc; k--)
			f->q[k] = f->q[k - 1];
		f->q[k] = c;
	}
	if (f->n > 32) {
		struct changed *sorted = loom_reallocarray(NULL, f->n, sizeof *sorted);
		size_t count[257] = { 0 };
		if (!sorted)
			return loom_work_nomem(f->align.w);
		for (size_t i = 0; i < f->n; i++)
			count[f->q[i].ccc + 1]++;
		for (size_t i = 1; i < 257; i++)
			count[i] += count[i - 1];
		for (size_t i = 0; i < f->n; i++)
			sorted[count[f->q[i].ccc]++] = f->q[i];
		memcpy(f->q, sorted, f->n * sizeof *sorted);
		loom_free(sorted);
	}
	if (f->compose)
		return compose_run(f);
	for (size_t i = 0; i < f->n; i++)
		if (!put(f, f->q[i]))
			return false;
	f->n = 0;
	return true;
}

static bool add_char(struct form *f, uint32_t cp, int32_t change)
{
	int ccc = loom_uc_combining_class(cp);
	if (ccc == 0 && f->n && !finish_run(f))
		return false;
	if (f->n == f->cap) {
		size_t cap = f->cap * 2 + 32;
		struct changed *q = loom_reallocarray(f->q, cap, sizeof *q);
		if (!q)
			return loom_work_nomem(f->align.w);
		f->q = q;
		f->cap = cap;
	}
	f->q[f->n++] = (struct changed){ cp, change, ccc };
	return true;
}

bool loom_normalize_form(struct loom_work *w, const struct loom_piece *p, bool compat, bool compose)
{
	uint32_t parts[UNICODE_MAX_DECOMPOSED];
	struct form f = { .compose = compose };
	bool ok = true;
	if (loom_is_ascii(w->now.s + p->off, p->n))
		return loom_text_copy(w, p->off, p->n);
	loom_align_init(&f.align, w, p);
	for (size_t i = 0; ok && i < p->n;) {
		uint32_t cp;
		i += loom_next_char(w->now.s + p->off + i, &cp);
		size_t n = loom_uc_decompose(cp, compat, parts, UNICODE_MAX_DECOMPOSED);
		for (size_t k = 0; ok && k < n; k++)
			ok = add_char(&f, parts[k], k > 0);
	}
	ok = ok && finish_run(&f) && (!f.has_starter || put(&f, f.starter));
	loom_free(f.q);
	return ok;
}
