/* gguf_pieces.c: the models of GGUF files besides byte-level BPE: SentencePiece's BPE ("llama", and Gemma's form of
 * it), WordPiece ("bert") and Unigram ("t5"). */
#include <math.h>
#include <string.h>

#include "base64.h"
#include "bounds.h"
#include "gguf_tokens.h"
#include "mem.h"

#define LOWER_ONE "\xE2\x96\x81"
#define REPLACE(what, by) "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" what "\"},\"content\":\"" by "\"}"
#define DECODE_BYTES REPLACE(LOWER_ONE, " ") ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"
#define STRIP_ONE ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"
#define SEQUENCE(list, steps) "{\"type\":\"Sequence\",\"" list "\":[" steps "]}"

/* The stages of the models' own files: every stretch of text gets its space, or none does. */
static const char prefixed[] = "{\"normalizer\":" SEQUENCE("normalizers", "{\"type\":\"Prepend\",\"prepend\":\"" LOWER_ONE "\"},"
	REPLACE(" ", LOWER_ONE)) ",\"decoder\":" SEQUENCE("decoders", DECODE_BYTES STRIP_ONE) "}";
static const char bare[] = "{\"normalizer\":" REPLACE(" ", LOWER_ONE) ",\"decoder\":" SEQUENCE("decoders", DECODE_BYTES) "}";

const char *loom_gguf_spaced(bool prefix)
{
	return prefix ? prefixed : bare;
}

static bool is_gemma(const struct loom_gguf *g)
{
	const char *arch = loom_gguf_string(g, "general.architecture");
	return arch && strncmp(arch, "gemma", 5) == 0;
}

static enum loom_status flag(const struct loom_gguf *g, const char *key, bool *out, struct loom_err *err)
{
	if (loom_gguf_find(g, key) && !loom_gguf_bool(g, key, out))
		return loom_err_set(err, LOOM_E_MODEL, "gguf: %s: expected a boolean", key);
	return LOOM_OK;
}

/* --- SentencePiece's BPE */

/* Gemma's files spell runs of spaces as spaces. */
static enum loom_status add_gemma_tokens(struct loom_gguf_tokens *f, struct loom_err *err)
{
	enum loom_status status = LOOM_OK;
	struct loom_buf b;
	loom_buf_init(&b, LOOM_MAX_CONFIG_BYTES);
	for (uint64_t i = 0; !status && i < f->tokens->n; i++) {
		struct loom_gguf_str s = f->tokens->str[i];
		if (s.len && strspn(s.data, " ") == s.len) {
			loom_buf_reset(&b);
			for (size_t k = 0; k < s.len; k++)
				loom_buf_puts(&b, LOWER_ONE);
			s = (struct loom_gguf_str){ b.data, b.len };
		}
		status = b.failed ? loom_err_nomem(err, "the vocabulary", s.len) : loom_vocab_add(&f->t->vocab, s.data, s.len, (int64_t)i, err);
	}
	loom_buf_release(&b);
	return status;
}

static bool has_nan(const struct loom_gguf_value *scores)
{
	bool nan = false;
	for (uint64_t i = 0; !nan && i < scores->n; i++)
		nan = isnan(loom_gguf_array_num(scores, i));
	return nan;
}

static enum loom_status derive_merges(struct loom_gguf_tokens *f, bool gemma, struct loom_err *err)
{
	size_t n = (size_t)f->tokens->n;
	if (!f->scores && !gemma)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: neither " LOOM_GGUF_T "merges nor " LOOM_GGUF_T "scores");
	float *scores = loom_reallocarray(NULL, n ? n : 1, sizeof *scores);
	if (!scores)
		return loom_err_nomem(err, "merges", n * sizeof *scores);
	if (!gemma && has_nan(f->scores)) {
		loom_free(scores);
		return loom_err_set(err, LOOM_E_MODEL, "gguf: " LOOM_GGUF_T "scores: not all of them are numbers");
	}
	for (size_t i = 0; i < n; i++) /* Gemma's scores do not follow its merges, its ids do */
		scores[i] = gemma ? -(float)i : (float)loom_gguf_array_num(f->scores, i);
	enum loom_status status = loom_bpe_init(&f->t->bpe, &f->t->vocab, n * 2, err);
	if (!status)
		status = loom_bpe_derive(&f->t->bpe, LOOM_BPE_BY_SCORE_LONG, scores, NULL, n, err);
	loom_free(scores);
	return status;
}

static enum loom_status finish_bpe(struct loom_gguf_tokens *f, const char *stages, bool unk, bool add_bos, struct loom_err *err)
{
	struct loom_bpe *b = &f->t->bpe;
	int64_t id;
	int32_t bos, eos;
	enum loom_status status;
	f->t->model = LOOM_MODEL_BPE;
	b->fuse_unk = b->byte_fallback = true;
	if (unk && loom_gguf_int(f->g, LOOM_GGUF_T "unknown_token_id", &id) && id >= 0 && id < (int64_t)f->t->vocab.n_id) {
		b->unk_id = (int32_t)id;
		b->unk = f->t->vocab.tokens[id].s;
	}
	if ((status = loom_tokenizer_stages_text(f->t, stages, err)) || (status = loom_gguf_tokens_added(f, err)) ||
	    (status = loom_gguf_tokens_around(f, "add_bos_token", "bos_token_id", add_bos, &bos, err)) ||
	    (status = loom_gguf_tokens_around(f, "add_eos_token", "eos_token_id", false, &eos, err)))
		return status;
	return loom_post_around(&f->t->post, &f->t->arena, bos, eos, err);
}

enum loom_status loom_gguf_fill_gemma(struct loom_gguf_tokens *f, struct loom_err *err)
{
	const char *model = loom_gguf_string(f->g, LOOM_GGUF_T "model"); /* as gpt2 it may be another model of the same form */
	enum loom_status status = add_gemma_tokens(f, err);
	if (status)
		return status;
	bool listed = loom_gguf_find(f->g, LOOM_GGUF_T "merges") != NULL;
	if ((status = listed ? loom_gguf_tokens_merges(f, err) : derive_merges(f, true, err)))
		return status;
	return finish_bpe(f, bare, true, !model || strcmp(model, "gpt2") != 0, err);
}

enum loom_status loom_gguf_fill_llama(struct loom_gguf_tokens *f, struct loom_err *err)
{
	bool prefix = true;
	enum loom_status status;
	if (is_gemma(f->g))
		return loom_gguf_fill_gemma(f, err);
	if ((status = flag(f->g, LOOM_GGUF_T "add_space_prefix", &prefix, err)) || (status = loom_gguf_tokens_add(f, err)))
		return status;
	bool listed = loom_gguf_find(f->g, LOOM_GGUF_T "merges") != NULL;
	if ((status = listed ? loom_gguf_tokens_merges(f, err) : derive_merges(f, false, err)))
		return status;
	return finish_bpe(f, prefix ? prefixed : bare, false, true, err);
}

/* --- WordPiece */

/* The file marks the start of a word with ▁ where vocab.txt marks the rest of it with ##. */
static enum loom_status add_words(struct loom_gguf_tokens *f, struct loom_err *err)
{
	enum loom_status status = LOOM_OK;
	struct loom_buf b;
	loom_buf_init(&b, LOOM_MAX_CONFIG_BYTES);
	for (uint64_t i = 0; !status && i < f->tokens->n; i++) {
		struct loom_gguf_str s = f->tokens->str[i];
		int64_t type = f->types ? loom_gguf_array_int(f->types, i) : LOOM_GGUF_NORMAL;
		bool bracketed = s.len > 1 && s.data[0] == '[' && s.data[s.len - 1] == ']';
		if (s.len > 3 && memcmp(s.data, LOWER_ONE, 3) == 0) {
			s.data += 3;
			s.len -= 3;
		} else if (!bracketed && type != LOOM_GGUF_CONTROL && type != LOOM_GGUF_UNKNOWN && type != LOOM_GGUF_USER_DEFINED) {
			loom_buf_reset(&b);
			loom_buf_puts(&b, "##");
			loom_buf_append(&b, s.data, s.len);
			s = (struct loom_gguf_str){ b.data, b.len };
		}
		status = b.failed ? loom_err_nomem(err, "the vocabulary", s.len) : loom_vocab_add(&f->t->vocab, s.data, s.len, (int64_t)i, err);
	}
	loom_buf_release(&b);
	return status;
}

enum loom_status loom_gguf_fill_bert(struct loom_gguf_tokens *f, struct loom_err *err)
{
	static const char stages[] = "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
		"\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}}";
	const bool own = loom_gguf_find(f->g, LOOM_GGUF_T "cls_token_id") != NULL;
	const bool misspelt = loom_gguf_find(f->g, LOOM_GGUF_T "seperator_token_id") != NULL;
	int64_t unk_id = 100;
	int32_t cls, sep;
	enum loom_status status;
	if ((status = add_words(f, err)))
		return status;
	(void)loom_gguf_int(f->g, LOOM_GGUF_T "unknown_token_id", &unk_id);
	const char *unk = loom_tokenizer_token(f->t, (int32_t)unk_id, NULL);
	if ((status = loom_tokenizer_wordpiece(f->t, unk ? unk : "[UNK]", "##", 2, 100, err)) ||
	    (status = loom_tokenizer_stages_text(f->t, stages, err)) || (status = loom_gguf_tokens_added(f, err)) ||
	    (status = loom_gguf_tokens_around(f, "add_bos_token", own ? "cls_token_id" : "bos_token_id", true, &cls, err)) ||
	    (status = loom_gguf_tokens_around(f, "add_sep_token", misspelt ? "seperator_token_id" : "separator_token_id", true, &sep, err)))
		return status;
	return cls >= 0 && sep >= 0 ? loom_post_bert(&f->t->post, &f->t->arena, cls, sep, err)
	                            : loom_post_around(&f->t->post, &f->t->arena, cls, sep, err);
}

/* --- Unigram */

void loom_gguf_t5_stages(struct loom_buf *b, const void *charsmap, size_t n, bool prefix, bool words)
{
	loom_buf_putc(b, '{');
	if (charsmap) {
		loom_buf_puts(b, "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
		loom_base64_put(b, charsmap, n);
		loom_buf_puts(b, "\"},");
	}
	for (int i = 0; i < 2; i++) {
		loom_buf_puts(b, i ? ",\"decoder\":" : words ? "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
			"{\"type\":\"WhitespaceSplit\"}," : "\"pre_tokenizer\":");
		loom_buf_printf(b, "{\"type\":\"Metaspace\",\"replacement\":\"" LOWER_ONE "\",\"prepend_scheme\":\"%s\"}",
			prefix ? "always" : "never");
		loom_buf_puts(b, i == 0 && words ? "]}" : "");
	}
	loom_buf_putc(b, '}');
}

static enum loom_status t5_stages(struct loom_gguf_tokens *f, struct loom_err *err)
{
	const struct loom_gguf_value *map = loom_gguf_find(f->g, LOOM_GGUF_T "precompiled_charsmap");
	bool prefix = true, words = true;
	struct loom_buf b;
	enum loom_status status;
	if ((status = flag(f->g, LOOM_GGUF_T "add_space_prefix", &prefix, err)) ||
	    (status = flag(f->g, LOOM_GGUF_T "remove_extra_whitespaces", &words, err)))
		return status;
	if (map && (map->type != LOOM_GGUF_ARRAY || (map->elem_type != LOOM_GGUF_U8 && map->elem_type != LOOM_GGUF_I8) ||
	            map->n > LOOM_MAX_CONFIG_BYTES / 2))
		return loom_err_set(err, LOOM_E_MODEL, "gguf: " LOOM_GGUF_T "precompiled_charsmap: expected an array of bytes");
	loom_buf_init(&b, LOOM_MAX_CONFIG_BYTES);
	loom_gguf_t5_stages(&b, map && map->n ? map->raw : NULL, map ? (size_t)map->n : 0, prefix, words);
	status = b.failed ? loom_err_nomem(err, "the tokenizer", b.len) : loom_tokenizer_stages_text(f->t, b.data, err);
	loom_buf_release(&b);
	return status;
}

enum loom_status loom_gguf_fill_t5(struct loom_gguf_tokens *f, struct loom_err *err)
{
	int64_t unk_id = 2;
	int32_t bos, eos;
	size_t n = (size_t)f->tokens->n;
	enum loom_status status;
	if (!f->scores)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: no array of numbers " LOOM_GGUF_T "scores");
	if (has_nan(f->scores))
		return loom_err_set(err, LOOM_E_MODEL, "gguf: " LOOM_GGUF_T "scores: not all of them are numbers");
	if ((status = loom_gguf_tokens_add(f, err)))
		return status;
	double *scores = loom_reallocarray(NULL, n ? n : 1, sizeof *scores);
	if (!scores)
		return loom_err_nomem(err, "the vocabulary", n * sizeof *scores);
	for (size_t i = 0; i < n; i++)
		scores[i] = loom_gguf_array_num(f->scores, i);
	(void)loom_gguf_int(f->g, LOOM_GGUF_T "unknown_token_id", &unk_id);
	f->t->model = LOOM_MODEL_UNIGRAM;
	if ((status = loom_unigram_init(&f->t->unigram, &f->t->vocab, scores, n, unk_id, false, err)) || (status = t5_stages(f, err)) ||
	    (status = loom_gguf_tokens_added(f, err)) ||
	    (status = loom_gguf_tokens_around(f, "add_bos_token", "bos_token_id", false, &bos, err)) ||
	    (status = loom_gguf_tokens_around(f, "add_eos_token", "eos_token_id", true, &eos, err)))
		return status;
	if (bos >= 0 && eos >= 0)
		return loom_post_roberta(&f->t->post, &f->t->arena, bos, eos, err);
	return loom_post_around(&f->t->post, &f->t->arena, bos, eos, err);
}
