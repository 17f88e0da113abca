/* open_spm.c: a tokenizer from SentencePiece's tokenizer.model, as `transformers` converts it. What surrounds the
 * model depends on tokenizer_class, so a table here says it for the classes that have stages of their own; any
 * other name, or none, follows the settings in the file itself. */
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "folder.h"
#include "mem.h"
#include "spm_model.h"
#include "spm_stages.h"

#define SPM_MAX_EXTRA_IDS 10000

struct opening {
	struct loom_folder *f;
	struct loom_spm spm;
	const struct loom_spm_class *cls; /* NULL: by the file's own settings */
	double *scores;                   /* [n] of the vocabulary */
	size_t n, cap;
	struct loom_err *err;
};

/* --- vocabulary */

static enum loom_status put(struct opening *o, const char *s, size_t n, double score)
{
	if (o->n == o->cap)
		return loom_err_set(o->err, LOOM_E_MODEL, "the SentencePiece file: more tokens than pieces and extra_ids");
	o->scores[o->n] = score;
	return loom_vocab_add(&o->f->t->vocab, s, n, (int64_t)o->n++, o->err);
}

static enum loom_status put_role(struct opening *o, enum loom_role role)
{
	const struct loom_role_token *r = &o->f->special[role];
	return put(o, r->s, r->n, 0);
}

static const json_t *decoder_name(const struct opening *o, size_t id)
{
	char key[24];
	(void)snprintf(key, sizeof key, "%zu", id);
	return json_object_get(json_object_get(json_object_get(o->f->config, "added_tokens_decoder"), key), "content");
}

/* The name that added_tokens_decoder has for the piece, unless another piece keeps that name. */
static struct loom_spm_text renamed(const struct opening *o, size_t i)
{
	struct loom_spm_text text = o->spm.pieces[i].text;
	const json_t *name = o->cls ? NULL : decoder_name(o, i);
	if (!json_is_string(name))
		return text;
	struct loom_spm_text other = { json_string_value(name), json_string_length(name) };
	for (size_t k = 0; k < o->spm.n && !(other.n == text.n && memcmp(other.s, text.s, text.n) == 0); k++) {
		const struct loom_spm_text *p = &o->spm.pieces[k].text;
		if (p->n == other.n && memcmp(p->s, other.s, other.n) == 0 && !decoder_name(o, k))
			return text;
	}
	return other;
}

static enum loom_status put_pieces(struct opening *o, size_t from)
{
	enum loom_status status = LOOM_OK;
	for (size_t i = from; !status && i < o->spm.n; i++) {
		struct loom_spm_text text = renamed(o, i);
		status = put(o, text.s, text.n, o->spm.pieces[i].score);
	}
	return status;
}

/* T5's blanks, the last one first. */
static enum loom_status put_extra_ids(struct opening *o)
{
	const struct loom_json_ctx c = { "tokenizer_config.json", LOOM_E_MODEL };
	int64_t n = 100;
	enum loom_status status = loom_json_int(&c, o->f->config, "extra_ids", 0, SPM_MAX_EXTRA_IDS, &n, o->err);
	while (!status && n-- > 0) {
		char s[32];
		int len = snprintf(s, sizeof s, "<extra_id_%d>", (int)n);
		status = put(o, s, (size_t)len, 0);
	}
	return status;
}

/* The n-th of the tokens that a fairseq vocabulary has behind its pieces; NULL: there is none. */
static const char *last_token(const struct opening *o, int n, char buf[32])
{
	if (o->cls->pieces == LOOM_SPM_MBART)
		return loom_spm_languages[n];
	(void)snprintf(buf, 32, "<madeupword%d>", n);
	return o->cls->pieces == LOOM_SPM_XGLM && n < 7 ? buf : NULL;
}

static enum loom_status put_last(struct opening *o)
{
	char buf[32];
	const char *s;
	enum loom_status status = LOOM_OK;
	for (int i = 0; !status && (s = last_token(o, i, buf)); i++)
		status = put(o, s, strlen(s), 0);
	return status;
}

static enum loom_status read_vocab(struct opening *o)
{
	enum loom_status status;
	o->cap = o->spm.n + SPM_MAX_EXTRA_IDS + 16;
	o->scores = loom_reallocarray(NULL, o->cap, sizeof *o->scores);
	if (!o->scores)
		return loom_err_nomem(o->err, "the vocabulary", o->cap * sizeof *o->scores);
	switch (o->cls ? o->cls->pieces : LOOM_SPM_AS_THEY_ARE) {
	case LOOM_SPM_FAIRSEQ:
	case LOOM_SPM_XGLM:
	case LOOM_SPM_MBART:
		if ((status = put_role(o, LOOM_ROLE_BOS)) || (status = put_role(o, LOOM_ROLE_PAD)) || (status = put_role(o, LOOM_ROLE_EOS)) ||
		    (status = put_role(o, LOOM_ROLE_UNK)) || (status = put_pieces(o, 3)) || (status = put_last(o)))
			return status;
		return o->cls->pieces == LOOM_SPM_XGLM ? LOOM_OK : put_role(o, LOOM_ROLE_MASK);
	case LOOM_SPM_CAMEMBERT:
		if ((status = put(o, "<s>NOTUSED", 10, 0)) || (status = put_role(o, LOOM_ROLE_PAD)) ||
		    (status = put(o, "</s>NOTUSED", 11, 0)) || (status = put_role(o, LOOM_ROLE_UNK)) ||
		    (status = put(o, "<unk>NOTUSED", 12, -100)) || (status = put_pieces(o, 1)))
			return status;
		return put_role(o, LOOM_ROLE_MASK);
	case LOOM_SPM_WITH_EXTRA_IDS:
		status = put_pieces(o, 0);
		return status ? status : put_extra_ids(o);
	default:
		return put_pieces(o, 0);
	}
}

/* --- models */

/* The order in which pieces merge is that of the file for the classes, else the best score first, and then of
 * normal pieces only. */
static enum loom_status make_bpe(struct opening *o)
{
	struct loom_bpe *b = &o->f->t->bpe;
	size_t n = o->spm.n;
	enum loom_status status = loom_bpe_init(b, &o->f->t->vocab, n * 2, o->err);
	if (status)
		return status;
	float *scores = loom_reallocarray(NULL, n, sizeof *scores);
	bool *normal = loom_calloc(n, sizeof *normal);
	for (size_t i = 0; scores && normal && i < n; i++) {
		scores[i] = o->spm.pieces[i].score;
		normal[i] = o->cls || o->spm.pieces[i].type == LOOM_SPM_NORMAL;
	}
	status = scores && normal ? loom_bpe_derive(b, o->cls ? LOOM_BPE_BY_ID : LOOM_BPE_BY_SCORE, scores, normal, n, o->err)
	                          : loom_err_nomem(o->err, "merges", n * sizeof *scores);
	loom_free(scores);
	loom_free(normal);
	b->fuse_unk = true;
	b->byte_fallback = o->cls || o->spm.byte_fallback;
	for (size_t i = 0; i < n && !o->cls; i++)
		b->ignore_merges = b->ignore_merges || o->spm.pieces[i].type == LOOM_SPM_USER_DEFINED;
	o->f->t->model = LOOM_MODEL_BPE;
	if (status || (o->cls && !o->cls->bpe_unk))
		return status;
	const struct loom_role_token *r = &o->f->special[LOOM_ROLE_UNK];
	const struct loom_spm_text unk = o->cls ? (struct loom_spm_text){ r->s, r->n } : o->spm.unk;
	b->unk = loom_arena_strndup(&o->f->t->arena, unk.s, unk.n);
	b->unk_id = loom_vocab_id(&o->f->t->vocab, unk.s, unk.n);
	return b->unk ? LOOM_OK : loom_err_nomem(o->err, "the tokenizer", unk.n);
}

static enum loom_status make_unigram(struct opening *o)
{
	const struct loom_role_token *r = &o->f->special[LOOM_ROLE_UNK];
	int64_t unk_id = o->cls ? o->cls->unk_id : o->spm.unk_id;
	int32_t found = o->cls && o->cls->finds_unk ? loom_vocab_id(&o->f->t->vocab, r->s, r->n) : -1;
	double *scores = o->scores;
	if (found >= 0 && (o->cls->pieces == LOOM_SPM_CAMEMBERT || scores[found] == 0))
		unk_id = found;
	o->scores = NULL;
	o->f->t->model = LOOM_MODEL_UNIGRAM;
	return loom_unigram_init(&o->f->t->unigram, &o->f->t->vocab, scores, o->n, unk_id, !o->cls && o->spm.byte_fallback, o->err);
}

/* --- all of it */

/* Control pieces are found whole in the text; user-defined ones too, but where a stage cuts them out already. */
static enum loom_status add_pieces(struct opening *o)
{
	enum loom_status status = LOOM_OK;
	for (size_t i = 0; !status && i < o->spm.n; i++) {
		struct loom_spm_text text = renamed(o, i);
		bool user = o->spm.pieces[i].type == LOOM_SPM_USER_DEFINED;
		struct loom_added_token a = { .content = text.s, .n_content = text.n, .special = !user };
		if (o->spm.pieces[i].type == LOOM_SPM_CONTROL || (user && o->cls))
			status = loom_added_add(&o->f->t->added, &a, &o->f->t->vocab, &o->f->t->normalizer, o->err);
	}
	for (int i = 0; !status && o->cls && i < 5 && o->cls->extra[i]; i++)
		status = loom_tokenizer_special(o->f->t, o->cls->extra[i], strlen(o->cls->extra[i]), o->err);
	char buf[32];
	const char *last;
	for (int i = 0; !status && o->cls && (last = last_token(o, i, buf)); i++)
		status = loom_tokenizer_special(o->f->t, last, strlen(last), o->err);
	for (int i = 0; !status && o->cls && o->cls->pieces == LOOM_SPM_WITH_EXTRA_IDS && i < 100; i++) {
		char s[32];
		int len = snprintf(s, sizeof s, "<extra_id_%d>", i);
		if (loom_vocab_id(&o->f->t->vocab, s, (size_t)len) >= 0)
			status = loom_tokenizer_special(o->f->t, s, (size_t)len, o->err);
	}
	return status;
}

static void name_roles(struct opening *o, struct loom_spm_text names[3])
{
	static const enum loom_role roles[] = { LOOM_ROLE_BOS, LOOM_ROLE_EOS, LOOM_ROLE_UNK };
	const int64_t ids[] = { o->spm.bos_id, o->spm.eos_id, o->spm.unk_id };
	for (int i = 0; i < LOOM_N_ROLE && o->cls; i++)
		if (o->cls->roles[i] && !o->f->special[i].s) {
			loom_folder_default(o->f, (enum loom_role)i, o->cls->roles[i]);
			o->f->special[i].lstrip = i == LOOM_ROLE_MASK && (o->cls->pieces == LOOM_SPM_CAMEMBERT || o->cls->pieces == LOOM_SPM_MBART);
		}
	for (int i = 0; i < 3 && !o->cls; i++)
		if (ids[i] >= 0 && !o->f->special[roles[i]].s)
			o->f->special[roles[i]] = (struct loom_role_token){ names[i].s, names[i].n, NULL, false };
}

static enum loom_status fill(struct opening *o)
{
	char name[64];
	struct loom_spm_text names[] = { o->spm.bos, o->spm.eos, o->spm.unk };
	enum loom_status status;
	loom_folder_class(o->f, name);
	o->cls = loom_spm_class_of(name);
	name_roles(o, names);
	bool bpe = o->cls ? o->cls->bpe : o->spm.model_type == LOOM_SPM_BPE;
	if ((status = read_vocab(o)) || (status = loom_folder_claim(o->f, o->err)) ||
	    (status = bpe ? make_bpe(o) : make_unigram(o)) || (status = loom_spm_stages(o->f, &o->spm, o->cls, o->err)) ||
	    (status = add_pieces(o)) || (status = loom_folder_add_tokens(o->f, o->err)) ||
	    (status = loom_spm_around(o->f, o->cls, o->err)))
		return status;
	return loom_folder_around(o->f, o->cls && o->cls->add_bos, o->err);
}

enum loom_status loom_tokenizer_open_spm(const char *dir, const char *name, struct loom_tokenizer **out, struct loom_err *err)
{
	struct loom_folder f;
	struct opening o = { .f = &f, .err = err };
	char *data = NULL;
	size_t n = 0;
	enum loom_status status = loom_folder_open(&f, dir, 1024, err);
	if (!status && !(status = loom_folder_slurp(&f, name, false, &data, &n, err)) &&
	    !(status = loom_spm_read(&o.spm, data, n, err)))
		status = fill(&o);
	loom_spm_release(&o.spm);
	loom_free(o.scores);
	status = loom_folder_close(&f, status, out);
	loom_free(data);
	return status;
}
