/* open_json.c: a tokenizer from tokenizer.json, and the folder's choice between formats. */
#include <string.h>

#include "big_json.h"
#include "bounds.h"
#include "file.h"
#include "folder.h"
#include "jsonx.h"
#include "mem.h"
#include "str.h"
#include "tokenizer_internal.h"

static const char model_where[] = "tokenizer.json: model";

enum loom_status loom_tokenizer_stages(struct loom_tokenizer *t, const json_t *spec, struct loom_err *err)
{
	enum loom_status status;
	if ((status = loom_normalizer_open(&t->normalizer, &t->arena, json_object_get(spec, "normalizer"), err)) ||
	    (status = loom_pretokenizer_open(&t->pretokenizer, &t->arena, json_object_get(spec, "pre_tokenizer"), err)) ||
	    (status = loom_post_open(&t->post, &t->arena, json_object_get(spec, "post_processor"), err)))
		return status;
	return loom_decoder_open(&t->decoder, &t->arena, json_object_get(spec, "decoder"), err);
}

enum loom_status loom_tokenizer_stages_text(struct loom_tokenizer *t, const char *json, struct loom_err *err)
{
	json_t *spec = NULL;
	enum loom_status status = loom_json_parse(json, strlen(json), "tokenizer", LOOM_E_MODEL, &spec, err);
	if (!status)
		status = loom_tokenizer_stages(t, spec, err);
	json_decref(spec);
	return status;
}

enum loom_status loom_tokenizer_vocab(struct loom_tokenizer *t, const json_t *spec, const char *where, struct loom_err *err)
{
	json_t *obj = (json_t *)(uintptr_t)spec; /* jansson's iterators take no const */
	if (!json_is_object(spec))
		return loom_err_set(err, LOOM_E_MODEL, "%s: expected an object of tokens and ids", where);
	for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it)) {
		const char *key = json_object_iter_key(it);
		const json_t *id = json_object_iter_value(it);
		enum loom_status status;
		if (!json_is_integer(id))
			return loom_err_set(err, LOOM_E_MODEL, "%s: \"%.60s\": expected an integer id", where, key);
		status = loom_vocab_add(&t->vocab, key, json_object_iter_key_len(it), json_integer_value(id), err);
		if (status)
			return status;
	}
	return LOOM_OK;
}

/* A string member that may be null; kept in the arena. "" counts as absent. */
static enum loom_status keep_string(struct loom_tokenizer *t, const json_t *model, const char *key, const char **out, size_t *n,
	struct loom_err *err)
{
	const json_t *v = json_object_get(model, key);
	*n = 0;
	*out = NULL;
	if (!v || json_is_null(v))
		return LOOM_OK;
	if (!json_is_string(v))
		return loom_err_set(err, LOOM_E_MODEL, "%s.%s: expected a string", model_where, key);
	*n = json_string_length(v);
	*out = loom_arena_strndup(&t->arena, json_string_value(v), *n);
	return *out ? LOOM_OK : loom_err_nomem(err, "the tokenizer", *n);
}

static enum loom_status read_bpe(struct loom_tokenizer *t, const json_t *model, const struct loom_big_json *big, struct loom_err *err)
{
	const struct loom_json_ctx c = { model_where, LOOM_E_MODEL };
	struct loom_bpe *b = &t->bpe;
	double dropout = 0;
	size_t n_unk;
	enum loom_status status;
	if (!big->merges)
		return loom_err_set(err, LOOM_E_MODEL, "%s: no list \"merges\"", model_where);
	if ((status = loom_bpe_init(b, &t->vocab, (size_t)(big->merges_end - big->merges) / 24, err)) ||
	    (status = keep_string(t, model, "unk_token", &b->unk, &n_unk, err)) ||
	    (status = keep_string(t, model, "continuing_subword_prefix", &b->prefix, &b->n_prefix, err)) ||
	    (status = keep_string(t, model, "end_of_word_suffix", &b->suffix, &b->n_suffix, err)) ||
	    (status = loom_json_bool(&c, model, "fuse_unk", &b->fuse_unk, err)) ||
	    (status = loom_json_bool(&c, model, "byte_fallback", &b->byte_fallback, err)) ||
	    (status = loom_json_bool(&c, model, "ignore_merges", &b->ignore_merges, err)) ||
	    (status = loom_json_num(&c, model, "dropout", 0, 1, &dropout, err)))
		return status;
	if (dropout > 0)
		return loom_err_set(err, LOOM_E_MODEL, "%s.dropout: %g would make tokens random; expected null", model_where, dropout);
	if (b->unk)
		b->unk_id = loom_vocab_id(&t->vocab, b->unk, n_unk);
	if (b->n_prefix == 0)
		b->prefix = NULL;
	if (b->n_suffix == 0)
		b->suffix = NULL;
	t->model = LOOM_MODEL_BPE;
	return loom_big_json_merges(big, b, err);
}

enum loom_status loom_tokenizer_wordpiece(struct loom_tokenizer *t, const char *unk, const char *prefix, size_t n_prefix,
	size_t max_chars, struct loom_err *err)
{
	struct loom_wordpiece *m = &t->wordpiece;
	m->vocab = &t->vocab;
	m->unk = loom_arena_strdup(&t->arena, unk);
	m->prefix = loom_arena_strndup(&t->arena, prefix, n_prefix);
	if (!m->unk || !m->prefix)
		return loom_err_nomem(err, "the tokenizer", n_prefix);
	m->n_prefix = n_prefix;
	m->max_chars = max_chars;
	m->unk_id = loom_vocab_id(&t->vocab, unk, strlen(unk));
	t->model = LOOM_MODEL_WORDPIECE;
	return LOOM_OK;
}

static enum loom_status read_wordpiece(struct loom_tokenizer *t, const json_t *model, struct loom_err *err)
{
	const struct loom_json_ctx c = { model_where, LOOM_E_MODEL };
	const char *unk = "[UNK]", *prefix = "##";
	int64_t max_chars = 100;
	enum loom_status status;
	if ((status = loom_json_str(&c, model, "unk_token", &unk, err)) ||
	    (status = loom_json_str(&c, model, "continuing_subword_prefix", &prefix, err)) ||
	    (status = loom_json_int(&c, model, "max_input_chars_per_word", 0, INT32_MAX, &max_chars, err)))
		return status;
	return loom_tokenizer_wordpiece(t, unk, prefix, strlen(prefix), (size_t)max_chars, err);
}

static enum loom_status read_unigram(struct loom_tokenizer *t, const json_t *model, const struct loom_big_json *big, struct loom_err *err)
{
	const struct loom_json_ctx c = { model_where, LOOM_E_MODEL };
	int64_t unk_id = -1;
	bool byte_fallback = false;
	enum loom_status status;
	if ((status = loom_json_int(&c, model, "unk_id", 0, LOOM_MAX_VOCAB, &unk_id, err)) ||
	    (status = loom_json_bool(&c, model, "byte_fallback", &byte_fallback, err)))
		return status;
	if (*big->vocab != '[')
		return loom_err_set(err, LOOM_E_MODEL, "%s.vocab: expected a list of pieces and scores", model_where);
	double *scores;
	size_t n;
	if ((status = loom_big_json_pieces(big, &t->vocab, &scores, &n, err))) {
		loom_free(scores);
		return status;
	}
	t->model = LOOM_MODEL_UNIGRAM;
	return loom_unigram_init(&t->unigram, &t->vocab, scores, n, unk_id, byte_fallback, err);
}

static enum loom_status read_wordlevel(struct loom_tokenizer *t, const json_t *model, struct loom_err *err)
{
	struct loom_wordlevel *m = &t->wordlevel;
	size_t n;
	enum loom_status status = keep_string(t, model, "unk_token", &m->unk, &n, err);
	if (!status && !m->unk)
		status = loom_err_set(err, LOOM_E_MODEL, "%s: WordLevel without its unk_token", model_where);
	if (status)
		return status;
	m->vocab = &t->vocab;
	m->unk_id = loom_vocab_id(&t->vocab, m->unk, n);
	t->model = LOOM_MODEL_WORDLEVEL;
	return LOOM_OK;
}

static enum loom_status read_model(struct loom_tokenizer *t, const json_t *model, const struct loom_big_json *big, struct loom_err *err)
{
	const struct loom_json_ctx c = { model_where, LOOM_E_MODEL };
	const char *type = NULL;
	enum loom_status status;
	if (!json_is_object(model))
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer.json: no object \"model\"");
	if ((status = loom_json_str(&c, model, "type", &type, err)))
		return status;
	if (!type) /* older files name no type */
		type = json_object_get(model, "merges") ? "BPE" : json_object_get(model, "max_input_chars_per_word") ? "WordPiece"
		       : json_is_array(json_object_get(model, "vocab")) ? "Unigram" : json_object_get(model, "vocab") ? "WordLevel" : "(none)";
	if (strcmp(type, "Unigram") == 0)
		return read_unigram(t, model, big, err);
	bool bpe = strcmp(type, "BPE") == 0, level = strcmp(type, "WordLevel") == 0;
	if (!bpe && !level && strcmp(type, "WordPiece") != 0)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer.json: model.type \"%.60s\" is not supported; supported: BPE, Unigram, WordLevel, "
			"WordPiece", type);
	if (*big->vocab != '{')
		return loom_err_set(err, LOOM_E_MODEL, "%s.vocab: expected an object of tokens and ids", model_where);
	if ((status = loom_big_json_vocab(big, "tokenizer.json: model.vocab", &t->vocab, err)))
		return status;
	return bpe ? read_bpe(t, model, big, err) : level ? read_wordlevel(t, model, err) : read_wordpiece(t, model, err);
}

enum loom_status loom_tokenizer_added(struct loom_tokenizer *t, const json_t *spec, const char *where, struct loom_err *err)
{
	const struct loom_json_ctx c = { where, LOOM_E_MODEL };
	const json_t *content = json_object_get(spec, "content");
	struct loom_added_token a = { .normalized = true };
	enum loom_status status;
	if (!json_is_string(content))
		return loom_err_set(err, LOOM_E_MODEL, "%s: content: expected a string", where);
	a.content = json_string_value(content);
	a.n_content = json_string_length(content);
	if ((status = loom_json_bool(&c, spec, "special", &a.special, err)))
		return status;
	a.normalized = !a.special;
	if ((status = loom_json_bool(&c, spec, "single_word", &a.single_word, err)) ||
	    (status = loom_json_bool(&c, spec, "lstrip", &a.lstrip, err)) ||
	    (status = loom_json_bool(&c, spec, "rstrip", &a.rstrip, err)) ||
	    (status = loom_json_bool(&c, spec, "normalized", &a.normalized, err)))
		return status;
	return loom_added_add(&t->added, &a, &t->vocab, &t->normalizer, err);
}

enum loom_status loom_tokenizer_special(struct loom_tokenizer *t, const char *s, size_t n, struct loom_err *err)
{
	struct loom_added_token a = { .content = s, .n_content = n, .special = true };
	return loom_added_add(&t->added, &a, &t->vocab, &t->normalizer, err);
}

static enum loom_status read_truncation(struct loom_tokenizer *t, const json_t *spec, struct loom_err *err)
{
	const struct loom_json_ctx c = { "tokenizer.json: truncation", LOOM_E_MODEL };
	const char *side = "Right";
	int64_t most = 0;
	enum loom_status status;
	if (!json_is_object(spec))
		return LOOM_OK;
	if ((status = loom_json_int(&c, spec, "max_length", 0, INT64_MAX, &most, err)) ||
	    (status = loom_json_str(&c, spec, "direction", &side, err)))
		return status;
	t->max_length = (size_t)most;
	t->cuts_left = strcmp(side, "Left") == 0;
	return LOOM_OK;
}

/* f: what the folder says beside the file; NULL: it is the file alone. */
static enum loom_status read_root(struct loom_tokenizer *t, const json_t *root, const struct loom_big_json *big, struct loom_folder *f,
	struct loom_err *err)
{
	const struct loom_json_ctx c = { "tokenizer.json", LOOM_E_MODEL };
	const json_t *added = json_object_get(root, "added_tokens");
	const char *version = NULL;
	enum loom_status status;
	if ((status = loom_json_str(&c, root, "version", &version, err)))
		return status;
	if (version && strcmp(version, "1.0") != 0)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer.json: version: expected \"1.0\", found \"%.20s\"", version);
	if ((status = read_model(t, json_object_get(root, "model"), big, err)) || (status = loom_tokenizer_stages(t, root, err)) ||
	    (status = read_truncation(t, json_object_get(root, "truncation"), err)))
		return status;
	for (size_t i = 0; i < json_array_size(added); i++)
		if ((status = loom_tokenizer_added(t, json_array_get(added, i), "tokenizer.json: added_tokens", err)))
			return status;
	return f ? loom_folder_add_tokens(f, err) : loom_added_finish(&t->added, err);
}

/* The two large values from the text, the rest as a tree. */
static enum loom_status open_text(const char *json, size_t n, struct loom_folder *f, struct loom_tokenizer **out, struct loom_err *err)
{
	struct loom_big_json big;
	struct loom_buf rest;
	struct loom_tokenizer *t = NULL;
	json_t *root = NULL;
	loom_buf_init(&rest, n + 8);
	bool found = loom_big_json_find(json, n, &big, &rest);
	enum loom_status status = rest.failed ? loom_err_nomem(err, "tokenizer.json", n)
		: loom_json_parse(found ? rest.data : json, found ? rest.len : n, "tokenizer.json", LOOM_E_MODEL, &root, err);
	loom_buf_release(&rest);
	*out = NULL;
	if (!status && !json_is_object(json_object_get(root, "model")))
		status = loom_err_set(err, LOOM_E_MODEL, "tokenizer.json: no object \"model\"");
	else if (!status && !found)
		status = loom_err_set(err, LOOM_E_MODEL, "%s: no vocab", model_where);
	if (!status && f)
		status = loom_folder_edit(f, root, err);
	if (!status && !(status = loom_tokenizer_new(&t, (size_t)(big.vocab_end - big.vocab) / 20, err))) {
		if (f)
			f->t = t;
		status = read_root(t, root, &big, f, err);
	}
	json_decref(root);
	if (status)
		loom_tokenizer_free(t);
	*out = status ? NULL : t;
	return status;
}

enum loom_status loom_tokenizer_open_json(const char *json, size_t n, struct loom_tokenizer **out, struct loom_err *err)
{
	return open_text(json, n, NULL, out, err);
}

/* truncation_side of the configuration, over the file's own. */
static enum loom_status read_side(const struct loom_folder *f, struct loom_tokenizer *t, struct loom_err *err)
{
	const struct loom_json_ctx c = { "tokenizer_config.json", LOOM_E_MODEL };
	const char *side = NULL;
	enum loom_status status = loom_json_str(&c, f->config, "truncation_side", &side, err);
	if (!status && side)
		t->cuts_left = strcmp(side, "left") == 0;
	return status;
}

static enum loom_status open_folder(const char *dir, struct loom_tokenizer **out, struct loom_err *err)
{
	struct loom_folder f;
	char *text = NULL;
	size_t n = 0;
	enum loom_status status = loom_folder_open(&f, dir, 0, err);
	if (!status && !(status = loom_folder_slurp(&f, "tokenizer.json", false, &text, &n, err)) &&
	    !(status = open_text(text, n, f.config || f.model ? &f : NULL, &f.t, err)) && f.config)
		status = read_side(&f, f.t, err);
	loom_free(text);
	return loom_folder_close(&f, status, out);
}

static bool has(const char *dir, const char *name)
{
	char path[4096];
	return loom_path_join(path, sizeof path, dir, name) && loom_path_is_file(path);
}

enum loom_status loom_tokenizer_open_bare(const char *dir, struct loom_tokenizer **out, struct loom_err *err)
{
	const struct loom_folder f = { .dir = dir };
	char *text = NULL;
	size_t n = 0;
	enum loom_status status = loom_folder_slurp(&f, "tokenizer.json", false, &text, &n, err);
	*out = NULL;
	if (!status)
		status = open_text(text, n, NULL, out, err);
	loom_free(text);
	return status;
}

enum loom_status loom_tokenizer_open(const char *dir, struct loom_tokenizer **out, struct loom_err *err)
{
	static const char *const spm_names[] = { "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model" };
	*out = NULL;
	if (has(dir, "tokenizer.json"))
		return open_folder(dir, out, err);
	if (has(dir, "vocab.json") && has(dir, "merges.txt"))
		return loom_tokenizer_open_gpt2(dir, out, err);
	if (has(dir, "vocab.txt"))
		return loom_tokenizer_open_bert(dir, out, err);
	for (size_t i = 0; i < sizeof spm_names / sizeof spm_names[0]; i++)
		if (has(dir, spm_names[i]))
			return loom_tokenizer_open_spm(dir, spm_names[i], out, err);
	if (has(dir, "tekken.json"))
		return loom_tokenizer_open_tekken(dir, out, err);
	return loom_err_set(err, LOOM_E_NOT_FOUND, "no tokenizer: expected tokenizer.json, vocab.json with merges.txt, vocab.txt, tekken.json or a "
		"SentencePiece file (tokenizer.model, spiece.model, sentencepiece.bpe.model)");
}
