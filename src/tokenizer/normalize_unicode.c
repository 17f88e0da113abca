/* normalize_unicode.c: NFC, NFD, NFKC, NFKD with the alignment that `tokenizers` gives each character.
 *
 * Every character carries a change: 1 when it was added beside its neighbour, 0 when it stands for one of the
 * input, -k when it also stands for k that followed and vanished. The changes are applied in output order, so
 * a reordered mark takes the range of what stood at its place, and a composed character that of its first. */
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
	struct loom_work *w;
	const struct loom_piece *p;
	struct changed *q; /* [n] the characters since the last starter, decomposed */
	size_t n, cap;
	size_t read;       /* bytes of the piece that the changes so far have used up */
	uint32_t before_start, before_end; /* range of the byte before read */
	bool compose;
	struct changed starter; /* being composed */
	bool has_starter;
};

static size_t use_char(struct form *f)
{
	uint32_t cp;
	size_t off = f->p->off + f->read, n;
	if (f->read >= f->p->n)
		return 0;
	n = loom_next_char(f->w->now.s + off, &cp);
	f->read += n;
	f->before_start = f->w->now.start[off + n - 1];
	f->before_end = f->w->now.end[off + n - 1];
	return n;
}

static bool put(struct form *f, struct changed c)
{
	uint32_t start = f->before_start, end = f->before_end;
	if (c.change <= 0) {
		size_t off = f->p->off + f->read;
		if (f->read < f->p->n) {
			start = f->w->now.start[off];
			end = f->w->now.end[off];
		}
		for (int32_t k = c.change; k <= 0 && use_char(f); k++)
			;
	}
	return loom_text_put(f->w, c.cp, start, end);
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
			return loom_work_nomem(f->w);
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
			return loom_work_nomem(f->w);
		f->q = q;
		f->cap = cap;
	}
	f->q[f->n++] = (struct changed){ cp, change, ccc };
	return true;
}

bool loom_normalize_form(struct loom_work *w, const struct loom_piece *p, bool compat, bool compose)
{
	uint32_t parts[UNICODE_MAX_DECOMPOSED];
	struct form f = { .w = w, .p = p, .compose = compose };
	bool ok = true;
	if (loom_is_ascii(w->now.s + p->off, p->n))
		return loom_text_copy(w, p->off, p->n);
	f.before_start = f.before_end = w->now.start[p->off];
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
