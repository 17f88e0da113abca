/* spm_model.c: see spm_model.h. Field numbers are those of SentencePiece's ModelProto. */
#include "spm_model.h"

#include <string.h>

#include "bounds.h"
#include "mem.h"
#include "str.h"

struct field {
	uint32_t number;
	uint64_t value;            /* varint, or the bits of a fixed number */
	struct loom_spm_text text; /* of a length-delimited one */
	bool is_text;
};
struct wire {
	const uint8_t *p, *end;
	struct loom_err *err;
};

static enum loom_status broken(struct loom_err *err, const char *what)
{
	return loom_err_set(err, LOOM_E_MODEL, "tokenizer.model: not a SentencePiece model: %s", what);
}

static bool varint(struct wire *w, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 64 && w->p < w->end; shift += 7) {
		uint8_t byte = *w->p++;
		*out |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool fixed(struct wire *w, size_t n, uint64_t *out)
{
	if ((size_t)(w->end - w->p) < n)
		return false;
	*out = 0;
	for (size_t i = 0; i < n; i++)
		*out |= (uint64_t)*w->p++ << 8 * i;
	return true;
}

/* The next field; *more is false at the end of the message. */
static enum loom_status next_field(struct wire *w, struct field *f, bool *more)
{
	uint64_t key, n;
	*more = w->p < w->end;
	if (!*more)
		return LOOM_OK;
	*f = (struct field){ 0 };
	if (!varint(w, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
		return broken(w->err, "a field without a number");
	f->number = (uint32_t)(key >> 3);
	switch (key & 7) {
	case 0:
		return varint(w, &f->value) ? LOOM_OK : broken(w->err, "an unfinished number");
	case 1: case 5:
		return fixed(w, (key & 7) == 1 ? 8 : 4, &f->value) ? LOOM_OK : broken(w->err, "cut off in a number");
	case 2:
		if (!varint(w, &n) || n > (uint64_t)(w->end - w->p))
			return broken(w->err, "cut off in a text");
		f->is_text = true;
		f->text = (struct loom_spm_text){ (const char *)w->p, (size_t)n };
		w->p += n;
		return LOOM_OK;
	default:
		return broken(w->err, "a kind of field that it does not have");
	}
}

static struct wire inside(const struct field *f, struct loom_err *err)
{
	const uint8_t *p = (const uint8_t *)f->text.s;
	return (struct wire){ p, p + f->text.n, err };
}

static enum loom_status read_piece(struct loom_spm *m, const struct field *of, struct loom_err *err)
{
	struct loom_spm_piece *p = &m->pieces[m->n];
	struct wire w = inside(of, err);
	struct field f;
	bool more;
	enum loom_status status;
	*p = (struct loom_spm_piece){ .text = { "", 0 }, .type = LOOM_SPM_NORMAL };
	while (!(status = next_field(&w, &f, &more)) && more) {
		uint32_t bits = (uint32_t)f.value;
		if (f.number == 1 && f.is_text)
			p->text = f.text;
		else if (f.number == 2 && !f.is_text)
			memcpy(&p->score, &bits, sizeof bits);
		else if (f.number == 3 && !f.is_text)
			p->type = f.value >= 1 && f.value <= 6 ? (int)f.value : LOOM_SPM_NORMAL;
	}
	if (!status && (!loom_utf8_valid(p->text.s, p->text.n) || p->score != p->score))
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer.model: piece %zu: expected valid UTF-8 and a score", m->n);
	m->n++;
	return status;
}

static enum loom_status read_trainer(struct loom_spm *m, const struct field *of, struct loom_err *err)
{
	struct wire w = inside(of, err);
	struct field f;
	bool more;
	enum loom_status status;
	while (!(status = next_field(&w, &f, &more)) && more) {
		const struct { uint32_t number; int64_t *out; } ints[] = { { 3, &m->model_type }, { 40, &m->unk_id }, { 41, &m->bos_id },
			{ 42, &m->eos_id } };
		const struct { uint32_t number; struct loom_spm_text *out; } texts[] = { { 45, &m->unk }, { 46, &m->bos }, { 47, &m->eos } };
		for (size_t i = 0; i < sizeof ints / sizeof ints[0] && !f.is_text; i++)
			if (f.number == ints[i].number)
				*ints[i].out = (int32_t)f.value;
		for (size_t i = 0; i < sizeof texts / sizeof texts[0] && f.is_text; i++)
			if (f.number == texts[i].number && loom_utf8_valid(f.text.s, f.text.n))
				*texts[i].out = f.text;
		if (f.number == 35 && !f.is_text)
			m->byte_fallback = f.value != 0;
	}
	return status;
}

static enum loom_status read_normalizer(struct loom_spm *m, const struct field *of, struct loom_err *err)
{
	struct wire w = inside(of, err);
	struct field f;
	bool more;
	enum loom_status status;
	while (!(status = next_field(&w, &f, &more)) && more) {
		if (f.number == 2 && f.is_text)
			m->charsmap = f.text;
		else if (f.number == 3 && !f.is_text)
			m->add_dummy_prefix = f.value != 0;
		else if (f.number == 4 && !f.is_text)
			m->remove_extra_whitespaces = f.value != 0;
		else if (f.number == 5 && !f.is_text)
			m->escape_whitespaces = f.value != 0;
	}
	return status;
}

static enum loom_status count(struct loom_spm *m, struct wire w)
{
	struct field f;
	bool more;
	size_t n = 0;
	enum loom_status status;
	while (!(status = next_field(&w, &f, &more)) && more)
		n += f.number == 1 && f.is_text;
	if (status)
		return status;
	if (n == 0 || n > LOOM_MAX_VOCAB)
		return loom_err_set(w.err, LOOM_E_MODEL, "tokenizer.model: %zu pieces, expected 1..%d", n, LOOM_MAX_VOCAB);
	m->pieces = loom_reallocarray(NULL, n, sizeof *m->pieces);
	return m->pieces ? LOOM_OK : loom_err_nomem(w.err, "the pieces of tokenizer.model", n * sizeof *m->pieces);
}

enum loom_status loom_spm_read(struct loom_spm *m, const void *data, size_t n, struct loom_err *err)
{
	struct wire w = { data, (const uint8_t *)data + n, err };
	struct field f;
	bool more;
	*m = (struct loom_spm){ .model_type = LOOM_SPM_UNIGRAM, .add_dummy_prefix = true, .remove_extra_whitespaces = true,
		.escape_whitespaces = true, .bos_id = 1, .eos_id = 2, .unk = { "<unk>", 5 }, .bos = { "<s>", 3 }, .eos = { "</s>", 4 } };
	enum loom_status status = count(m, w);
	while (!status && !(status = next_field(&w, &f, &more)) && more) {
		if (f.number == 1 && f.is_text)
			status = read_piece(m, &f, err);
		else if (f.number == 2 && f.is_text)
			status = read_trainer(m, &f, err);
		else if (f.number == 3 && f.is_text)
			status = read_normalizer(m, &f, err);
	}
	if (!status && m->model_type != LOOM_SPM_UNIGRAM && m->model_type != LOOM_SPM_BPE)
		status = loom_err_set(err, LOOM_E_MODEL, "tokenizer.model: model_type %lld is not supported; supported: 1 (unigram), 2 (bpe)",
			(long long)m->model_type);
	if (status)
		loom_spm_release(m);
	return status;
}

void loom_spm_release(struct loom_spm *m)
{
	loom_free(m->pieces);
	m->pieces = NULL;
	m->n = 0;
}
