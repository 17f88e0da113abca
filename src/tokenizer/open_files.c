/* open_files.c: a tokenizer from a folder without tokenizer.json: vocab.json with merges.txt (byte-level BPE,
 * as GPT2Tokenizer builds it) or vocab.txt (WordPiece, as BertTokenizer does). Options and special tokens
 * are those of tokenizer_config.json, special_tokens_map.json and added_tokens.json, each optional. */
#include <string.h>

#include "bounds.h"
#include "file.h"
#include "jsonx.h"
#include "mem.h"
#include "str.h"
#include "tokenizer_internal.h"

static const char config_name[] = "tokenizer_config.json";
static const char map_name[] = "special_tokens_map.json";
static const char *const roles[] = { "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token" };
enum { ROLE_UNK = 2, ROLE_SEP = 3, ROLE_CLS = 5, N_ROLE = 7 };

struct folder {
	const char *dir;
	json_t *config, *map, *added; /* NULL: no such file */
	const json_t *special[N_ROLE]; /* a string or an object with content; NULL: none */
	struct loom_tokenizer *t;
};

static enum loom_status load(const struct folder *f, const char *name, bool optional, size_t max, json_t **out,
	struct loom_err *err)
{
	char path[4096];
	*out = NULL;
	if (!loom_path_join(path, sizeof path, f->dir, name))
		return loom_err_set(err, LOOM_E_MODEL, "%s: path too long", name);
	if (optional && !loom_path_is_file(path))
		return LOOM_OK;
	enum loom_status status = loom_json_load(path, name, max, out, err);
	if (!status && !json_is_object(*out))
		status = loom_err_set(err, LOOM_E_MODEL, "%s: expected an object", name);
	return status;
}

static enum loom_status slurp(const struct folder *f, const char *name, char **data, size_t *n, struct loom_err *err)
{
	char path[4096];
	*data = NULL;
	if (!loom_path_join(path, sizeof path, f->dir, name))
		return loom_err_set(err, LOOM_E_MODEL, "%s: path too long", name);
	enum loom_status status = loom_file_slurp(path, name, LOOM_MAX_TOKENIZER_BYTES, data, n, err);
	if (!status && !loom_utf8_valid(*data, *n))
		status = loom_err_set(err, LOOM_E_MODEL, "%s: not valid UTF-8 at byte %zu", name, loom_utf8_valid_prefix(*data, *n));
	return status;
}

static const json_t *content_of(const json_t *special)
{
	return json_is_object(special) ? json_object_get(special, "content") : special;
}

/* The map's word goes before the configuration's, as in `transformers`. */
static enum loom_status find_special(struct folder *f, struct loom_err *err)
{
	for (int i = 0; i < N_ROLE; i++) {
		const json_t *v = json_object_get(f->map, roles[i]);
		const char *where = v ? map_name : config_name;
		if (!v)
			v = json_object_get(f->config, roles[i]);
		if (!v || json_is_null(v) || json_is_false(v))
			continue;
		if (!json_is_string(content_of(v)))
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s: expected a string or an object with content", where, roles[i]);
		f->special[i] = v;
	}
	return LOOM_OK;
}

/* --- the next line of text, without its end; false at the end */
static bool next_line(const char **at, const char *end, const char **line, size_t *n)
{
	if (*at >= end)
		return false;
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));
	*line = *at;
	*n = (size_t)((stop ? stop : end) - *at);
	*at = stop ? stop + 1 : end;
	if (*n && (*line)[*n - 1] == '\r')
		--*n;
	return true;
}

/* --- added tokens */

static bool read_id(const char *key, int64_t *id)
{
	*id = 0;
	for (const char *c = key; *c; c++) {
		if (*c < '0' || *c > '9' || *id >= LOOM_MAX_VOCAB)
			return false;
		*id = *id * 10 + (*c - '0');
	}
	return *key && *id < LOOM_MAX_VOCAB;
}

/* A token that the vocabulary lacks takes the id that its file gives it. */
static enum loom_status claim(struct loom_tokenizer *t, const json_t *content, int64_t id, struct loom_err *err)
{
	if (!json_is_string(content) || loom_vocab_id(&t->vocab, json_string_value(content), json_string_length(content)) >= 0)
		return LOOM_OK;
	return loom_vocab_add(&t->vocab, json_string_value(content), json_string_length(content), id, err);
}

/* Runs over {"id": {content, …}} of the configuration; ids first, then (add) the tokens themselves. */
static enum loom_status read_decoder(struct folder *f, bool add, struct loom_err *err)
{
	json_t *list = json_object_get(f->config, "added_tokens_decoder");
	for (void *it = json_object_iter(list); it; it = json_object_iter_next(list, it)) {
		const json_t *spec = json_object_iter_value(it);
		enum loom_status status;
		int64_t id;
		if (!read_id(json_object_iter_key(it), &id))
			return loom_err_set(err, LOOM_E_MODEL, "%s: added_tokens_decoder: \"%.40s\" is no token id", config_name,
				json_object_iter_key(it));
		status = add ? loom_tokenizer_added(f->t, spec, "tokenizer_config.json: added_tokens_decoder", err)
		             : claim(f->t, json_object_get(spec, "content"), id, err);
		if (status)
			return status;
	}
	return LOOM_OK;
}

/* added_tokens.json: {"token": id}. */
static enum loom_status read_added_file(struct folder *f, bool add, struct loom_err *err)
{
	for (void *it = json_object_iter(f->added); it; it = json_object_iter_next(f->added, it)) {
		const char *s = json_object_iter_key(it);
		const json_t *id = json_object_iter_value(it);
		struct loom_added_token a = { .content = s, .n_content = json_object_iter_key_len(it), .normalized = true };
		enum loom_status status = LOOM_OK;
		if (!json_is_integer(id))
			return loom_err_set(err, LOOM_E_MODEL, "added_tokens.json: \"%.60s\": expected an integer id", s);
		if (!add && loom_vocab_id(&f->t->vocab, s, a.n_content) < 0)
			status = loom_vocab_add(&f->t->vocab, s, a.n_content, json_integer_value(id), err);
		else if (add && loom_table_get(&f->t->added.by_content, s, a.n_content, -1) < 0)
			status = loom_added_add(&f->t->added, &a, &f->t->vocab, &f->t->normalizer, err);
		if (status)
			return status;
	}
	return LOOM_OK;
}

/* A special token by its role; one that added_tokens_decoder describes keeps that description. */
static enum loom_status add_special(struct folder *f, const json_t *v, const char *where, struct loom_err *err)
{
	const json_t *s = content_of(v);
	const struct loom_json_ctx c = { where, LOOM_E_MODEL };
	if (!json_is_string(s))
		return loom_err_set(err, LOOM_E_MODEL, "%s: expected a string or an object with content", where);
	struct loom_added_token a = { .content = json_string_value(s), .n_content = json_string_length(s), .special = true };
	enum loom_status status;
	if (loom_table_get(&f->t->added.special, a.content, a.n_content, -1) >= 0)
		return LOOM_OK;
	if (json_is_object(v) && ((status = loom_json_bool(&c, v, "lstrip", &a.lstrip, err)) ||
	                          (status = loom_json_bool(&c, v, "rstrip", &a.rstrip, err)) ||
	                          (status = loom_json_bool(&c, v, "single_word", &a.single_word, err)) ||
	                          (status = loom_json_bool(&c, v, "normalized", &a.normalized, err))))
		return status;
	return loom_added_add(&f->t->added, &a, &f->t->vocab, &f->t->normalizer, err);
}

static enum loom_status add_tokens(struct folder *f, struct loom_err *err)
{
	const json_t *more = json_object_get(f->map, "additional_special_tokens");
	enum loom_status status;
	if (!more)
		more = json_object_get(f->config, "additional_special_tokens");
	if ((status = read_decoder(f, true, err)))
		return status;
	for (int i = 0; i < N_ROLE; i++)
		if (f->special[i] && (status = add_special(f, f->special[i], roles[i], err)))
			return status;
	for (size_t i = 0; i < json_array_size(more); i++)
		if ((status = add_special(f, json_array_get(more, i), "additional_special_tokens", err)))
			return status;
	if ((status = read_added_file(f, true, err)))
		return status;
	return loom_added_finish(&f->t->added, err);
}

/* --- WordPiece */

static enum loom_status read_vocab_txt(struct folder *f, struct loom_err *err)
{
	char *data;
	const char *at, *line;
	size_t n = 0, len;
	int64_t id = 0;
	enum loom_status status = slurp(f, "vocab.txt", &data, &n, err);
	if (!status && n == 0)
		status = loom_err_set(err, LOOM_E_MODEL, "vocab.txt: empty");
	for (at = data; !status && next_line(&at, data + n, &line, &len); id++)
		status = loom_vocab_add(&f->t->vocab, line, len, id, err);
	loom_free(data);
	return status;
}

static enum loom_status bert_stages(struct folder *f, struct loom_err *err)
{
	const struct loom_json_ctx c = { config_name, LOOM_E_MODEL };
	bool lower = true, chinese = true, strip = true;
	const json_t *accents = json_object_get(f->config, "strip_accents");
	enum loom_status status;
	if ((status = loom_json_bool(&c, f->config, "do_lower_case", &lower, err)) ||
	    (status = loom_json_bool(&c, f->config, "tokenize_chinese_chars", &chinese, err)) ||
	    (status = loom_json_bool(&c, f->config, "strip_accents", &strip, err)))
		return status;
	json_t *spec = json_pack("{s:{s:s,s:b,s:b,s:o,s:b},s:{s:s},s:n,s:{s:s,s:s,s:b}}", "normalizer", "type", "BertNormalizer",
		"clean_text", 1, "handle_chinese_chars", (int)chinese, "strip_accents",
		json_is_boolean(accents) ? json_boolean(strip) : json_null(), "lowercase", (int)lower, "pre_tokenizer", "type",
		"BertPreTokenizer", "post_processor", "decoder", "type", "WordPiece", "prefix", "##", "cleanup", 1);
	status = spec ? loom_tokenizer_stages(f->t, spec, err) : loom_err_nomem(err, "the tokenizer", 0);
	json_decref(spec);
	return status;
}

static enum loom_status find_around(struct folder *f, int role, const char *fallback, int32_t *out, struct loom_err *err)
{
	const json_t *s = content_of(f->special[role]);
	const char *token = s ? json_string_value(s) : fallback;
	*out = loom_tokenizer_id(f->t, token, s ? json_string_length(s) : strlen(fallback));
	if (*out < 0)
		return loom_err_set(err, LOOM_E_MODEL, "vocab.txt: the %s \"%.60s\" is not in it", roles[role], token);
	return LOOM_OK;
}

static enum loom_status fill_bert(struct folder *f, struct loom_err *err)
{
	static const char *const usual[N_ROLE] = { NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]" };
	int32_t cls, sep;
	enum loom_status status;
	if ((status = read_vocab_txt(f, err)) || (status = read_decoder(f, false, err)) || (status = read_added_file(f, false, err)))
		return status;
	const json_t *unk = content_of(f->special[ROLE_UNK]);
	if ((status = loom_tokenizer_wordpiece(f->t, unk ? json_string_value(unk) : usual[ROLE_UNK], "##", 2, 100, err)) ||
	    (status = bert_stages(f, err)))
		return status;
	for (int i = 0; i < N_ROLE; i++) /* the names that BertTokenizer has when the files are silent */
		if (!f->special[i] && usual[i] && loom_vocab_id(&f->t->vocab, usual[i], strlen(usual[i])) >= 0 &&
		    (status = loom_tokenizer_special(f->t, usual[i], strlen(usual[i]), err)))
			return status;
	if ((status = add_tokens(f, err)) || (status = find_around(f, ROLE_CLS, "[CLS]", &cls, err)) ||
	    (status = find_around(f, ROLE_SEP, "[SEP]", &sep, err)))
		return status;
	return loom_post_bert(&f->t->post, &f->t->arena, cls, sep, err);
}

/* --- byte-level BPE */

static enum loom_status read_merges_txt(struct folder *f, struct loom_err *err)
{
	char *data;
	const char *at, *line;
	size_t n = 0, len, n_line = 1;
	enum loom_status status = slurp(f, "merges.txt", &data, &n, err);
	for (size_t i = 0; i < n; i++)
		n_line += data[i] == '\n';
	if (!status)
		status = loom_bpe_init(&f->t->bpe, &f->t->vocab, n_line, err);
	for (at = data; !status && next_line(&at, data + n, &line, &len);)
		if (len && !(len >= 8 && memcmp(line, "#version", 8) == 0))
			status = loom_bpe_add_line(&f->t->bpe, line, len, err);
	loom_free(data);
	return status;
}

static enum loom_status fill_gpt2(struct folder *f, struct loom_err *err)
{
	static const char usual[] = "<|endoftext|>";
	const struct loom_json_ctx c = { config_name, LOOM_E_MODEL };
	bool prefix = false;
	json_t *vocab;
	enum loom_status status = load(f, "vocab.json", false, LOOM_MAX_TOKENIZER_BYTES, &vocab, err);
	if (!status)
		status = loom_tokenizer_vocab(f->t, vocab, "vocab.json", err);
	json_decref(vocab);
	if (status || (status = read_decoder(f, false, err)) || (status = read_added_file(f, false, err)) ||
	    (status = loom_json_bool(&c, f->config, "add_prefix_space", &prefix, err)))
		return status;
	f->t->model = LOOM_MODEL_BPE;
	json_t *spec = json_pack("{s:{s:s,s:b,s:b,s:b},s:{s:s}}", "pre_tokenizer", "type", "ByteLevel", "add_prefix_space", (int)prefix,
		"trim_offsets", 1, "use_regex", 1, "decoder", "type", "ByteLevel");
	status = spec ? loom_tokenizer_stages(f->t, spec, err) : loom_err_nomem(err, "the tokenizer", 0);
	json_decref(spec);
	if (status || (status = read_merges_txt(f, err)))
		return status;
	if (!f->special[ROLE_UNK] && loom_vocab_id(&f->t->vocab, usual, strlen(usual)) >= 0 &&
	    (status = loom_tokenizer_special(f->t, usual, strlen(usual), err)))
		return status;
	return add_tokens(f, err);
}

/* --- both */

static enum loom_status open_folder(const char *dir, enum loom_status (*fill)(struct folder *, struct loom_err *),
	struct loom_tokenizer **out, struct loom_err *err)
{
	struct folder f = { .dir = dir };
	enum loom_status status;
	*out = NULL;
	if (!(status = load(&f, config_name, true, LOOM_MAX_CONFIG_BYTES, &f.config, err)) &&
	    !(status = load(&f, map_name, true, LOOM_MAX_CONFIG_BYTES, &f.map, err)) &&
	    !(status = load(&f, "added_tokens.json", true, LOOM_MAX_CONFIG_BYTES, &f.added, err)) &&
	    !(status = find_special(&f, err)) && !(status = loom_tokenizer_new(&f.t, 1024, err)))
		status = fill(&f, err);
	json_decref(f.config);
	json_decref(f.map);
	json_decref(f.added);
	if (status)
		loom_tokenizer_free(f.t);
	else
		*out = f.t;
	return status;
}

enum loom_status loom_tokenizer_open_gpt2(const char *dir, struct loom_tokenizer **out, struct loom_err *err)
{
	return open_folder(dir, fill_gpt2, out, err);
}

enum loom_status loom_tokenizer_open_bert(const char *dir, struct loom_tokenizer **out, struct loom_err *err)
{
	return open_folder(dir, fill_bert, out, err);
}
