/* gguf_words.c: see gguf_words.h. A GGUF file holds the vocabulary and names how it is used: which name or flag stands for a tokenizer.json's own
 * stages is found by trying: the candidates' stages are put in place of the tokenizer's, and a text of many scripts must give the same ids. */
#include "gguf_words.h"

#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "folder.h"
#include "gguf_pre.h"
#include "gguf_tokens.h"
#include "mem.h"

/* Contractions in both cases, runs of digits, of spaces and of lines, code, marks on letters in one and in two code points, scripts with and without
 * spaces between words, emoji that are several code points. */
static const char probe[] =
	"Hello world! I've told you: WE'RE here, isn't it? DON'T 1 12 123 1234 12345 3.14159 1,000,000\n"
	"  two   three\t\ttabs \n\n\n   \n\t lines\r\n camelCase snake_case HTTPServer x2y3 #include <a.h> @user foo/bar//baz "
	"http://ex.am/ple?q=1&r=2 "
	"a+b==c && !d || {e:[f]} $9.99 50% (paren) \"quoted\" 'single' ... ?!?! -- ~~~ ```py\nprint('x')\n``` __init__ "
	"caf\xC3\xA9 cafe\xCC\x81 na\xC3\xAFve \xC3\x85ngstr\xC3\xB6m stra\xC3\x9F"
	"e \xEF\xAC\x81ne \xC2\xBD \xE2\x84\xA2 \xE2\x80\x9Ctypographic\xE2\x80\x9D \xE2\x80\x93 \xE2\x80\xA6 "
	"\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 \xD0\xBC\xD0\xB8\xD1\x80 \xCE\xB3\xCE\xB5\xCE\xB9\xCE\xAC "
	"\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D \xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7 "
	"\xE0\xA4\xA8\xE0\xA4\xAE\xE0\xA4\xB8\xE0\xA5\x8D\xE0\xA4\xA4\xE0\xA5\x87 "
	"\xE0\xB8\xAA\xE0\xB8\xA7\xE0\xB8\xB1\xE0\xB8\xAA\xE0\xB8\x94\xE0\xB8\xB5 "
	"\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C\xE3\x80\x82"
	"2024\xE5\xB9\xB4 \xE3\x81\x93\xE3\x82\x93\xE3\x81\xAB\xE3\x81\xA1\xE3\x81\xAF\xE3\x82\xAB\xE3\x83\x8A "
	"\xEC\x95\x88\xEB\x85\x95\xED\x95\x98\xEC\x84\xB8\xEC\x9A\x94 "
	"\xF0\x9F\x98\x80\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD "
	"\xC2\xA0nbsp\xE2\x80\x83"
	"em \xE2\x96\x81 end ";

/* places: the tokens also begin at the same characters (which a post-processor may trim). */
static enum loom_status same_tokens(const struct loom_tokenizer *a, const struct loom_tokenizer *b, bool special, bool places, bool *same,
	struct loom_err *err)
{
	struct loom_encoding x, y;
	enum loom_status status;
	loom_encoding_init(&x);
	loom_encoding_init(&y);
	*same = false;
	if (!(status = loom_tokenizer_encode(a, probe, sizeof probe - 1, special, &x, err)) &&
	    !(status = loom_tokenizer_encode(b, probe, sizeof probe - 1, special, &y, err)))
		*same = x.n == y.n && memcmp(x.ids, y.ids, x.n * sizeof *x.ids) == 0 &&
			(!places || memcmp(x.start, y.start, x.n * sizeof *x.start) == 0);
	loom_encoding_release(&x);
	loom_encoding_release(&y);
	return status == LOOM_E_INVALID ? LOOM_OK : status; /* a character without a token: not the same */
}

enum loom_status loom_tokenizer_same(const struct loom_tokenizer *a, const struct loom_tokenizer *b, bool *same, struct loom_err *err)
{
	return same_tokens(a, b, true, false, same, err);
}

/* --- trying stages */

struct words {
	const struct loom_tokenizer *t;
	const struct loom_gguf_model *m;
	struct loom_folder folder;
	struct loom_gguf_out *o;
	int32_t first, last; /* what the post-processor puts before and after one text; -1: nothing */
};

/* Would the tokenizer be the same with these stages (an object as tokenizer.json has them)? pieces: to the piece that the model gets, whatever it makes
 * of it; else to the token. */
static enum loom_status fits(const struct words *w, const json_t *spec, bool ignore_merges, bool pieces, bool *same, struct loom_err *err)
{
	struct loom_tokenizer v = *w->t, t = *w->t;
	struct loom_vocab none;
	struct loom_arena arena;
	enum loom_status status;
	loom_arena_init(&arena);
	memset(&v.normalizer, 0, sizeof v.normalizer);
	memset(&v.pretokenizer, 0, sizeof v.pretokenizer);
	v.bpe.ignore_merges = ignore_merges;
	if ((status = loom_vocab_init(&none, &arena, 1, err)))
		goto out;
	if (pieces) { /* with no word known each is one token */
		t.model = v.model = LOOM_MODEL_WORDLEVEL;
		t.wordlevel = v.wordlevel = (struct loom_wordlevel){ .vocab = &none, .unk = "", .unk_id = 0 };
	}
	if (!(status = loom_normalizer_open(&v.normalizer, &arena, json_object_get(spec, "normalizer"), err)) &&
	    !(status = loom_pretokenizer_open(&v.pretokenizer, &arena, json_object_get(spec, "pre_tokenizer"), err)))
		status = same_tokens(&t, &v, false, true, same, err);
out:
	loom_normalizer_release(&v.normalizer);
	loom_pretokenizer_release(&v.pretokenizer);
	loom_vocab_release(&none);
	loom_arena_release(&arena);
	return status;
}

static enum loom_status fits_text(const struct words *w, const char *json, bool *same, struct loom_err *err)
{
	json_t *spec = NULL;
	enum loom_status status = loom_json_parse(json, strlen(json), "tokenizer", LOOM_E_MODEL, &spec, err);
	if (!status)
		status = fits(w, spec, w->t->bpe.ignore_merges, false, same, err);
	json_decref(spec);
	return status;
}

static enum loom_status refuse(const char *what, struct loom_err *err)
{
	return loom_err_set(err, LOOM_E_MODEL, "the tokenizer: %s", what);
}

/* --- tokens */

static void put_text(struct words *w, const char *key, const char *s)
{
	loom_gguf_out_string(w->o, key, s, strlen(s));
}

static bool is_byte(const struct loom_tokenizer *t, int32_t id)
{
	size_t n = 0;
	const char *s = loom_tokenizer_token(t, id, &n);
	return s && n == 6 && memcmp(s, "<0x", 3) == 0 && s[5] == '>';
}

static int type_of(const struct words *w, int32_t id)
{
	const struct loom_tokenizer *t = w->t;
	const struct loom_added_token *a = loom_added_find(&t->added, id);
	bool bytes = t->model == LOOM_MODEL_BPE ? t->bpe.byte_fallback : t->model == LOOM_MODEL_UNIGRAM && t->unigram.byte_fallback;
	bool pieces = t->model != LOOM_MODEL_BPE || t->bpe.byte_fallback;
	int32_t unk = t->model == LOOM_MODEL_UNIGRAM ? t->unigram.unk_id : t->model == LOOM_MODEL_WORDPIECE ? t->wordpiece.unk_id : t->bpe.unk_id;
	if (!loom_tokenizer_token(t, id, NULL))
		return LOOM_GGUF_UNUSED;
	if (pieces && id == unk)
		return LOOM_GGUF_UNKNOWN;
	if (a)
		return a->special ? LOOM_GGUF_CONTROL : LOOM_GGUF_USER_DEFINED;
	return bytes && is_byte(t, id) ? LOOM_GGUF_BYTE : LOOM_GGUF_NORMAL;
}

/* WordPiece: "##ing" as "ing", "word" as "▁word", "[CLS]" as it is. */
static void put_piece(struct words *w, const char *s, size_t n, int type)
{
	struct loom_buf *b = &w->o->keys;
	const struct loom_wordpiece *m = &w->t->wordpiece;
	uint8_t le[8];
	bool rest = n > m->n_prefix && memcmp(s, m->prefix, m->n_prefix) == 0;
	bool as_is = (n > 1 && s[0] == '[' && s[n - 1] == ']') || type != LOOM_GGUF_NORMAL;
	uint64_t len = as_is ? n : rest ? n - m->n_prefix : n + 3;
	for (int i = 0; i < 8; i++)
		le[i] = (uint8_t)(len >> 8 * i);
	loom_gguf_out_bytes(w->o, le, sizeof le);
	if (!as_is && !rest)
		loom_buf_puts(b, "\xE2\x96\x81");
	loom_buf_append(b, s + (!as_is && rest ? m->n_prefix : 0), !as_is && rest ? n - m->n_prefix : n);
}

static void put_tokens(struct words *w)
{
	loom_gguf_out_array(w->o, LOOM_GGUF_T "tokens", LOOM_GGUF_STRING, (uint64_t)w->m->n_vocab);
	for (int32_t id = 0; id < w->m->n_vocab; id++) {
		char none[32];
		size_t n = 0;
		const char *s = loom_tokenizer_token(w->t, id, &n);
		if (!s) {
			n = (size_t)snprintf(none, sizeof none, "[PAD%d]", id);
			s = none;
		}
		if (w->t->model == LOOM_MODEL_WORDPIECE)
			put_piece(w, s, n, type_of(w, id));
		else
			loom_gguf_out_text(w->o, s, n);
	}
	loom_gguf_out_array(w->o, LOOM_GGUF_T "token_type", LOOM_GGUF_I32, (uint64_t)w->m->n_vocab);
	for (int32_t id = 0; id < w->m->n_vocab; id++) {
		int32_t type = type_of(w, id);
		loom_gguf_out_bytes(w->o, &type, sizeof type);
	}
}

/* The merges of byte-level BPE as lines, or as scores of what they make: the earlier the better. */
static enum loom_status put_merges(struct words *w, bool lines, struct loom_err *err)
{
	const struct loom_bpe *b = &w->t->bpe;
	struct loom_bpe_listed *m = loom_reallocarray(NULL, b->n + 1, sizeof *m);
	float *scores = loom_reallocarray(NULL, (size_t)w->m->n_vocab + 1, sizeof *scores);
	size_t n = 0, l, r;
	if (m && scores && lines) {
		loom_bpe_list(b, m, &n);
		loom_gguf_out_array(w->o, LOOM_GGUF_T "merges", LOOM_GGUF_STRING, n);
		for (size_t i = 0; i < n; i++) {
			const char *left = loom_tokenizer_token(w->t, m[i].left, &l), *right = loom_tokenizer_token(w->t, m[i].right, &r);
			uint8_t le[8];
			for (int k = 0; k < 8; k++)
				le[k] = (uint8_t)((uint64_t)(l + r + 1) >> 8 * k);
			loom_gguf_out_bytes(w->o, le, sizeof le);
			loom_gguf_out_bytes(w->o, left, l);
			loom_gguf_out_bytes(w->o, " ", 1);
			loom_gguf_out_bytes(w->o, right, r);
		}
	} else if (m && scores) {
		loom_bpe_list(b, m, &n);
		for (int32_t id = 0; id < w->m->n_vocab; id++)
			scores[id] = loom_added_find(&w->t->added, id) || is_byte(w->t, id) ? 0 : -(float)((double)n + id);
		for (size_t i = n; i-- > 0;)
			if (m[i].id < w->m->n_vocab)
				scores[m[i].id] = -(float)i;
		loom_gguf_out_array(w->o, LOOM_GGUF_T "scores", LOOM_GGUF_F32, (uint64_t)w->m->n_vocab);
		loom_gguf_out_bytes(w->o, scores, (size_t)w->m->n_vocab * sizeof *scores);
	}
	enum loom_status status = m && scores ? LOOM_OK : loom_err_nomem(err, "merges", b->n * sizeof *m);
	loom_free(m);
	loom_free(scores);
	return status;
}

/* --- the kinds of model */

static enum loom_status put_gpt2(struct words *w, struct loom_err *err)
{
	const struct loom_gguf_pre *pre = NULL;
	bool same = false;
	for (int pass = 0; pass < 2 && !same; pass++) { /* the same pieces, else the same tokens */
		for (size_t i = 0; !same && (pre = loom_gguf_pre_at(i)); i++) {
			json_t *spec = loom_gguf_pre_stages(pre);
			enum loom_status status = spec ? fits(w, spec, pre->ignore_merges, pass == 0, &same, err) : loom_err_nomem(err, "the tokenizer", 0);
			json_decref(spec);
			if (!status && same && pass == 0) /* what becomes of a piece that is a token counts too */
				same = pre->ignore_merges == w->t->bpe.ignore_merges;
			if (status)
				return status;
		}
	}
	if (!same)
		return refuse("its normalizer and pre-tokenizer are none of those that tokenizer.ggml.pre has a name for", err);
	put_text(w, LOOM_GGUF_T "model", "gpt2");
	put_text(w, LOOM_GGUF_T "pre", loom_gguf_pre_name(pre));
	put_tokens(w);
	return put_merges(w, true, err);
}

static enum loom_status put_llama(struct words *w, struct loom_err *err)
{
	bool same = false, prefix = true;
	enum loom_status status = fits_text(w, loom_gguf_spaced(true), &same, err);
	if (!status && !same) {
		prefix = false;
		status = fits_text(w, loom_gguf_spaced(false), &same, err);
	}
	if (status || !same)
		return status ? status : refuse("its normalizer and pre-tokenizer are not SentencePiece's, with or without a space before each text", err);
	put_text(w, LOOM_GGUF_T "model", "llama");
	put_text(w, LOOM_GGUF_T "pre", "default");
	put_tokens(w);
	loom_gguf_out_bool(w->o, LOOM_GGUF_T "add_space_prefix", prefix);
	return put_merges(w, false, err);
}

static enum loom_status put_bert(struct words *w, struct loom_err *err)
{
	bool same = false;
	enum loom_status status = fits_text(w, "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}}", &same, err);
	if (status || !same)
		return status ? status : refuse("WordPiece in GGUF files is that of uncased BERT, which this is not", err);
	put_text(w, LOOM_GGUF_T "model", "bert");
	put_text(w, LOOM_GGUF_T "pre", "default");
	put_tokens(w);
	return LOOM_OK;
}

static enum loom_status put_t5(struct words *w, struct loom_err *err)
{
	const struct loom_precompiled *charsmap = loom_normalizer_charsmap(&w->t->normalizer);
	struct loom_buf raw, stages;
	bool same = false;
	int flags = 0;
	enum loom_status status = LOOM_OK;
	loom_buf_init(&raw, LOOM_MAX_CONFIG_BYTES);
	loom_buf_init(&stages, LOOM_MAX_CONFIG_BYTES);
	if (charsmap)
		loom_precompiled_bytes(charsmap, &raw);
	for (int i = 3; i >= 0 && !status && !same; i--) {
		flags = i;
		loom_buf_reset(&stages);
		loom_gguf_t5_stages(&stages, charsmap ? raw.data : NULL, raw.len, i & 1, i & 2);
		status = raw.failed || stages.failed ? loom_err_nomem(err, "the tokenizer", raw.len) : fits_text(w, stages.data, &same, err);
	}
	if (!status && !same)
		status = refuse("its normalizer and pre-tokenizer are not those that GGUF files have beside Unigram", err);
	if (!status) {
		put_text(w, LOOM_GGUF_T "model", "t5");
		put_text(w, LOOM_GGUF_T "pre", "default");
		put_tokens(w);
		loom_gguf_out_array(w->o, LOOM_GGUF_T "scores", LOOM_GGUF_F32, (uint64_t)w->m->n_vocab);
		for (int32_t id = 0; id < w->m->n_vocab; id++) {
			float score = (size_t)id < w->t->unigram.n ? (float)w->t->unigram.scores[id] : -1000;
			loom_gguf_out_bytes(w->o, &score, sizeof score);
		}
		loom_gguf_out_bool(w->o, LOOM_GGUF_T "add_space_prefix", flags & 1);
		loom_gguf_out_bool(w->o, LOOM_GGUF_T "remove_extra_whitespaces", flags & 2);
		if (charsmap) {
			loom_gguf_out_array(w->o, LOOM_GGUF_T "precompiled_charsmap", LOOM_GGUF_U8, raw.len);
			loom_gguf_out_bytes(w->o, raw.data, raw.len);
		}
	}
	loom_buf_release(&raw);
	loom_buf_release(&stages);
	return status;
}

/* --- special tokens */

static void put_id(struct words *w, const char *key, int32_t id)
{
	char name[64];
	(void)snprintf(name, sizeof name, LOOM_GGUF_T "%s", key);
	if (id >= 0 && id < w->m->n_vocab)
		loom_gguf_out_u32(w->o, name, (uint32_t)id);
}

static int32_t id_of(const struct words *w, enum loom_role role)
{
	const struct loom_role_token *r = &w->folder.special[role];
	return r->s ? loom_tokenizer_id(w->t, r->s, r->n) : -1;
}

/* Tokens before and after a text are what the post-processor's template for one text says: at most one on each side. */
static enum loom_status put_specials(struct words *w, struct loom_err *err)
{
	static const struct {
		const char *key;
		enum loom_role role;
	} plain[] = { { "padding_token_id", LOOM_ROLE_PAD }, { "mask_token_id", LOOM_ROLE_MASK } };
	const struct loom_template *one = &w->t->post.single;
	const bool pieces = w->t->model == LOOM_MODEL_WORDPIECE;
	size_t text = 0;
	w->first = w->last = -1;
	while (text < one->n && one->items[text].id >= 0)
		text++;
	if (one->n > 0) {
		if (text > 1 || text == one->n || one->n - text > 2)
			return refuse("it puts more than one token before or after a text", err);
		w->first = text == 1 ? one->items[0].id : -1;
		w->last = text + 1 < one->n ? one->items[text + 1].id : -1;
	}
	int32_t unk = w->t->model == LOOM_MODEL_BPE && !w->t->bpe.byte_fallback ? id_of(w, LOOM_ROLE_UNK)
		: w->t->model == LOOM_MODEL_UNIGRAM ? w->t->unigram.unk_id : pieces ? w->t->wordpiece.unk_id
		: w->t->bpe.unk_id >= 0 ? w->t->bpe.unk_id : id_of(w, LOOM_ROLE_UNK);
	int32_t bos = w->first >= 0 ? w->first : id_of(w, LOOM_ROLE_BOS) >= 0 ? id_of(w, LOOM_ROLE_BOS) : w->m->bos_id;
	int32_t eos = w->last >= 0 && !pieces ? w->last : w->m->n_eos > 0 ? w->m->eos_ids[0] : id_of(w, LOOM_ROLE_EOS);
	put_id(w, "unknown_token_id", unk);
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		put_id(w, plain[i].key, id_of(w, plain[i].role));
	put_id(w, "bos_token_id", bos);
	put_id(w, "eos_token_id", eos);
	for (int i = 0, at = 0; i < w->m->n_eos && at < 2; i++)
		if (w->m->eos_ids[i] != eos)
			put_id(w, at++ ? "eom_token_id" : "eot_token_id", w->m->eos_ids[i]);
	if (pieces) {
		put_id(w, "cls_token_id", w->first);
		put_id(w, "seperator_token_id", w->last); /* spelt so */
		loom_gguf_out_bool(w->o, LOOM_GGUF_T "add_sep_token", w->last >= 0);
	} else {
		loom_gguf_out_bool(w->o, LOOM_GGUF_T "add_eos_token", w->last >= 0);
	}
	loom_gguf_out_bool(w->o, LOOM_GGUF_T "add_bos_token", w->first >= 0);
	return LOOM_OK;
}

/* tokenizer_config.json's, else the file of its own. */
static enum loom_status put_template(struct words *w, struct loom_err *err)
{
	const json_t *v = json_object_get(w->folder.config, "chat_template");
	char *text = NULL;
	size_t n = 0;
	struct loom_err why = {0};
	if (json_is_string(v)) {
		loom_gguf_out_string(w->o, "tokenizer.chat_template", json_string_value(v), json_string_length(v));
		return LOOM_OK;
	}
	enum loom_status status = loom_folder_slurp(&w->folder, "chat_template.jinja", true, &text, &n, &why);
	if (!status)
		loom_gguf_out_string(w->o, "tokenizer.chat_template", text, n);
	loom_free(text);
	if (status == LOOM_E_MEMORY)
		*err = why;
	return status == LOOM_E_MEMORY ? status : LOOM_OK;
}

enum loom_status loom_tokenizer_to_gguf(const struct loom_tokenizer *t, const char *dir, const struct loom_gguf_model *m, struct loom_gguf_out *o,
	struct loom_err *err)
{
	struct words w = { .t = t, .m = m, .o = o };
	enum loom_status status = loom_folder_open(&w.folder, dir, 0, err);
	struct loom_tokenizer *none = NULL;
	if (!status) {
		status = t->model == LOOM_MODEL_WORDPIECE ? put_bert(&w, err) : t->model == LOOM_MODEL_UNIGRAM ? put_t5(&w, err)
			: t->model == LOOM_MODEL_WORDLEVEL ? refuse("GGUF files have no whole words (WordLevel)", err)
			: t->bpe.byte_fallback ? put_llama(&w, err) : put_gpt2(&w, err);
		if (!status && !(status = put_specials(&w, err)))
			status = put_template(&w, err);
	}
	return loom_folder_close(&w.folder, status, &none);
}
