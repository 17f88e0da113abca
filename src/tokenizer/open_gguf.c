/* open_gguf.c: a tokenizer from the metadata of a GGUF file (tokenizer.ggml.*). The file holds vocabulary, merges
 * or scores, and token types; what stands around is known by tokenizer.ggml.model and, for byte-level BPE, by the
 * name in tokenizer.ggml.pre (gguf_pre.c). Offsets are not trimmed. The other models are in gguf_pieces.c. */
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "gguf_pre.h"
#include "gguf_tokens.h"

static enum loom_status strings(const struct loom_gguf *g, const char *key, const struct loom_gguf_value **out,
	struct loom_err *err)
{
	const struct loom_gguf_value *v = loom_gguf_find(g, key);
	if (!v || v->type != LOOM_GGUF_ARRAY || v->elem_type != LOOM_GGUF_STRING)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: no array of strings %s", key);
	if (v->n > LOOM_MAX_VOCAB)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: %s: %llu strings, at most %d", key, (unsigned long long)v->n, LOOM_MAX_VOCAB);
	*out = v;
	return LOOM_OK;
}

/* An array of numbers, one a token; *out NULL when absent. */
static enum loom_status array(const struct loom_gguf *g, const char *key, uint64_t n, const struct loom_gguf_value **out,
	struct loom_err *err)
{
	const struct loom_gguf_value *v = loom_gguf_find(g, key);
	*out = v;
	if (v && (v->type != LOOM_GGUF_ARRAY || v->elem_type == LOOM_GGUF_STRING || v->elem_type == LOOM_GGUF_ARRAY || v->n != n))
		return loom_err_set(err, LOOM_E_MODEL, "gguf: %s: expected an array of %llu numbers", key, (unsigned long long)n);
	return LOOM_OK;
}

enum loom_status loom_gguf_tokens_add(struct loom_gguf_tokens *f, struct loom_err *err)
{
	enum loom_status status = LOOM_OK;
	for (uint64_t i = 0; !status && i < f->tokens->n; i++)
		status = loom_vocab_add(&f->t->vocab, f->tokens->str[i].data, f->tokens->str[i].len, (int64_t)i, err);
	return status;
}

enum loom_status loom_gguf_tokens_merges(struct loom_gguf_tokens *f, struct loom_err *err)
{
	const struct loom_gguf_value *merges;
	struct loom_tokenizer *t = f->t;
	enum loom_status status = strings(f->g, LOOM_GGUF_T "merges", &merges, err);
	if (status || (status = loom_bpe_init(&t->bpe, &t->vocab, merges->n, err)))
		return status;
	t->model = LOOM_MODEL_BPE;
	for (uint64_t i = 0; !status && i < merges->n; i++)
		status = loom_bpe_add_line(&t->bpe, merges->str[i].data, merges->str[i].len, err);
	return status;
}

static enum loom_status add_one(struct loom_tokenizer *t, int64_t id, bool special, struct loom_err *err)
{
	struct loom_added_token a = { .special = special };
	a.content = loom_tokenizer_token(t, (int32_t)id, &a.n_content);
	return a.content ? loom_added_add(&t->added, &a, &t->vocab, &t->normalizer, err) : LOOM_OK;
}

/* Control and user-defined tokens are added tokens, the first special; so are those that the file names. */
enum loom_status loom_gguf_tokens_added(struct loom_gguf_tokens *f, struct loom_err *err)
{
	static const char *const named[] = { LOOM_GGUF_T "bos_token_id", LOOM_GGUF_T "eos_token_id", LOOM_GGUF_T "unknown_token_id",
		LOOM_GGUF_T "padding_token_id", LOOM_GGUF_T "cls_token_id", LOOM_GGUF_T "seperator_token_id", LOOM_GGUF_T "mask_token_id" };
	enum loom_status status;
	int64_t id;
	for (uint64_t i = 0; f->types && i < f->tokens->n; i++) {
		int64_t type = loom_gguf_array_int(f->types, i);
		if ((type == LOOM_GGUF_CONTROL || type == LOOM_GGUF_USER_DEFINED) &&
		    (status = add_one(f->t, (int64_t)i, type == LOOM_GGUF_CONTROL, err)))
			return status;
	}
	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		if (loom_gguf_int(f->g, named[i], &id) && id >= 0 && id < (int64_t)f->tokens->n && !loom_added_find(&f->t->added, (int32_t)id) &&
		    (status = add_one(f->t, id, true, err)))
			return status;
	return loom_added_finish(&f->t->added, err);
}

/* One token of the file around the text, when asked for; else -1. */
enum loom_status loom_gguf_tokens_around(const struct loom_gguf_tokens *f, const char *ask, const char *id_of, bool add, int32_t *out,
	struct loom_err *err)
{
	char key[80];
	int64_t id = -1;
	*out = -1;
	(void)snprintf(key, sizeof key, LOOM_GGUF_T "%s", ask);
	if (loom_gguf_find(f->g, key) && !loom_gguf_bool(f->g, key, &add))
		return loom_err_set(err, LOOM_E_MODEL, "gguf: %s: expected a boolean", key);
	if (!add)
		return LOOM_OK;
	(void)snprintf(key, sizeof key, LOOM_GGUF_T "%s", id_of);
	if (!loom_gguf_int(f->g, key, &id) || id < 0 || id >= (int64_t)f->t->vocab.n_id)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: %s: expected the id of a token, which " LOOM_GGUF_T "%s asks for", key, ask);
	*out = (int32_t)id;
	return LOOM_OK;
}

static enum loom_status fill_gpt2(struct loom_gguf_tokens *f, struct loom_err *err)
{
	static const char *const spaced[] = { "gemma4", "granite-embed-multi-311m", "sarvam-moe" }; /* SentencePiece's form with merges listed */
	const char *name = loom_gguf_string(f->g, LOOM_GGUF_T "pre");
	const struct loom_gguf_pre *pre = loom_gguf_pre_find(name ? name : "default"); /* files older than the key */
	int32_t bos, eos;
	enum loom_status status;
	for (size_t i = 0; name && i < sizeof spaced / sizeof spaced[0]; i++)
		if (strcmp(name, spaced[i]) == 0)
			return loom_gguf_fill_gemma(f, err);
	if (!pre)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: " LOOM_GGUF_T "pre \"%.60s\" is not supported (src/tokenizer/gguf_pre.c lists those "
			"that are)", name);
	if ((status = loom_gguf_tokens_add(f, err)) || (status = loom_gguf_tokens_merges(f, err)))
		return status;
	json_t *spec = loom_gguf_pre_stages(pre);
	status = spec ? loom_tokenizer_stages(f->t, spec, err) : loom_err_nomem(err, "the tokenizer", 0);
	json_decref(spec);
	if (status || (status = loom_gguf_tokens_added(f, err)))
		return status;
	f->t->bpe.ignore_merges = pre->ignore_merges;
	if ((status = loom_gguf_tokens_around(f, "add_bos_token", "bos_token_id", pre->add_bos, &bos, err)) ||
	    (status = loom_gguf_tokens_around(f, "add_eos_token", "eos_token_id", false, &eos, err)))
		return status;
	return loom_post_around(&f->t->post, &f->t->arena, bos, eos, err);
}

enum loom_status loom_tokenizer_open_gguf(const struct loom_gguf *g, struct loom_tokenizer **out, struct loom_err *err)
{
	static const struct {
		const char *model;
		enum loom_status (*fill)(struct loom_gguf_tokens *f, struct loom_err *err);
	} models[] = { { "gpt2", fill_gpt2 }, { "llama", loom_gguf_fill_llama }, { "gemma4", loom_gguf_fill_gemma },
		{ "bert", loom_gguf_fill_bert }, { "t5", loom_gguf_fill_t5 } };
	const char *model = loom_gguf_string(g, LOOM_GGUF_T "model");
	struct loom_gguf_tokens f = { .g = g };
	enum loom_status status;
	size_t i = 0;
	*out = NULL;
	if (!model)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: no string " LOOM_GGUF_T "model");
	while (i < sizeof models / sizeof models[0] && strcmp(models[i].model, model) != 0)
		i++;
	if (i == sizeof models / sizeof models[0])
		return loom_err_set(err, LOOM_E_MODEL, "gguf: " LOOM_GGUF_T "model \"%.60s\" is not supported; supported: bert, gemma4, gpt2, "
			"llama, t5", model);
	if ((status = strings(g, LOOM_GGUF_T "tokens", &f.tokens, err)) ||
	    (status = array(g, LOOM_GGUF_T "token_type", f.tokens->n, &f.types, err)) ||
	    (status = array(g, LOOM_GGUF_T "scores", f.tokens->n, &f.scores, err)) ||
	    (status = loom_tokenizer_new(&f.t, f.tokens->n, err)))
		return status;
	status = models[i].fill(&f, err);
	if (status)
		loom_tokenizer_free(f.t);
	else
		*out = f.t;
	return status;
}
