/* open_gguf.c: a tokenizer from the metadata of a GGUF file (tokenizer.ggml.*). The file holds vocabulary,
 * merges and token types; normalizer and pre-tokenizer are known by the name in tokenizer.ggml.pre alone, so a
 * table here gives what tokenizer.json of the same family says. Offsets are not trimmed, as in those files. */
#include <string.h>

#include "bounds.h"
#include "tokenizer_internal.h"

#define PREFIX "tokenizer.ggml."
#define STAGES(normalizer, pre) \
	"{\"normalizer\":" normalizer ",\"pre_tokenizer\":" pre ",\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"}}"
#define BYTES(regex) "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":" regex "}"
#define SPLIT(pattern) \
	"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" pattern \
	"\"},\"behavior\":\"Isolated\",\"invert\":false}," BYTES("false") "]}"
#define DIGITS \
	"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true}," BYTES("true") "]}"

/* The patterns, escaped once for C and once for JSON. */
#define SHORT "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define WORDS(digits) \
	SHORT "|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|" TAIL
#define UPPER "[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define LOWER "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define CASED(suffix, digits) \
	"[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?" UPPER "+" LOWER "*" suffix \
	"|" digits "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|" TAIL
#define TRIPLE "\\\\p{N}{1,3}"
#define SINGLE "\\\\p{N}"
#define NFC "{\"type\":\"NFC\"}"

struct pre {
	const char *name, *stages;
	bool ignore_merges, add_bos; /* add_bos: when the file does not say */
};

static const char gpt2_stages[] = STAGES("null", BYTES("true"));
static const char digits_stages[] = STAGES("null", DIGITS);
static const char llama3_stages[] = STAGES("null", SPLIT(WORDS(TRIPLE)));
static const char qwen2_stages[] = STAGES(NFC, SPLIT(WORDS(SINGLE)));
static const char tekken_stages[] = STAGES("null", SPLIT(CASED("", SINGLE)));
static const char gpt4o_stages[] = STAGES("null", SPLIT(CASED(SHORT "?", TRIPLE)));

static const struct pre pres[] = {
	{ "default", gpt2_stages, false, false },
	{ "gpt-2", gpt2_stages, false, false },
	{ "phi-2", gpt2_stages, false, false },
	{ "smollm", digits_stages, false, false },
	{ "starcoder", digits_stages, false, false },
	{ "refact", digits_stages, false, false },
	{ "llama-bpe", llama3_stages, true, true },
	{ "llama3", llama3_stages, true, true },
	{ "llama-v3", llama3_stages, true, true },
	{ "falcon3", llama3_stages, true, true },
	{ "dbrx", llama3_stages, false, false },
	{ "smaug-bpe", llama3_stages, false, false },
	{ "qwen2", qwen2_stages, false, false },
	{ "deepseek-r1-qwen", qwen2_stages, false, false },
	{ "tekken", tekken_stages, true, true },
	{ "gpt-4o", gpt4o_stages, false, false },
};

static enum loom_status find_pre(const struct loom_gguf *g, const struct pre **out, struct loom_err *err)
{
	const char *model = loom_gguf_string(g, PREFIX "model"), *name = loom_gguf_string(g, PREFIX "pre");
	if (!model)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: no string " PREFIX "model");
	if (strcmp(model, "gpt2") != 0)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: " PREFIX "model \"%.60s\" is not supported yet; supported: gpt2", model);
	if (!name) /* files older than the key */
		name = "default";
	for (size_t i = 0; i < sizeof pres / sizeof pres[0]; i++)
		if (strcmp(name, pres[i].name) == 0) {
			*out = &pres[i];
			return LOOM_OK;
		}
	return loom_err_set(err, LOOM_E_MODEL, "gguf: " PREFIX "pre \"%.60s\" is not supported yet; supported: default, gpt-2, phi-2, "
		"smollm, starcoder, refact, llama-bpe, llama3, llama-v3, falcon3, dbrx, smaug-bpe, qwen2, deepseek-r1-qwen, tekken, gpt-4o",
		name);
}

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

static enum loom_status read_merges(struct loom_tokenizer *t, const struct loom_gguf *g, struct loom_err *err)
{
	const struct loom_gguf_value *merges;
	enum loom_status status = strings(g, PREFIX "merges", &merges, err);
	if (status || (status = loom_bpe_init(&t->bpe, &t->vocab, merges->n, err)))
		return status;
	t->model = LOOM_MODEL_BPE;
	for (uint64_t i = 0; !status && i < merges->n; i++)
		status = loom_bpe_add_line(&t->bpe, merges->str[i].data, merges->str[i].len, err);
	return status;
}

/* Control and user-defined tokens are added tokens: the first special, both found in the text as it is. */
static enum loom_status read_added(struct loom_tokenizer *t, const struct loom_gguf *g, const struct loom_gguf_value *tokens,
	struct loom_err *err)
{
	enum { CONTROL = 3, USER_DEFINED = 4 };
	const struct loom_gguf_value *types = loom_gguf_find(g, PREFIX "token_type");
	enum loom_status status;
	if (types && (types->type != LOOM_GGUF_ARRAY || types->elem_type == LOOM_GGUF_STRING || types->n != tokens->n))
		return loom_err_set(err, LOOM_E_MODEL, "gguf: " PREFIX "token_type: expected an array of %llu integers",
			(unsigned long long)tokens->n);
	for (uint64_t i = 0; types && i < tokens->n; i++) {
		int64_t type = loom_gguf_array_int(types, i);
		struct loom_added_token a = { .content = tokens->str[i].data, .n_content = tokens->str[i].len, .special = type == CONTROL };
		if ((type == CONTROL || type == USER_DEFINED) && (status = loom_added_add(&t->added, &a, &t->vocab, &t->normalizer, err)))
			return status;
	}
	return loom_added_finish(&t->added, err);
}

/* One token of the file around the text, when asked for. */
static enum loom_status read_around(struct loom_tokenizer *t, const struct loom_gguf *g, const char *ask, const char *key, bool add,
	int32_t *out, struct loom_err *err)
{
	int64_t id = -1;
	*out = -1;
	if (loom_gguf_find(g, ask) && !loom_gguf_bool(g, ask, &add))
		return loom_err_set(err, LOOM_E_MODEL, "gguf: %s: expected a boolean", ask);
	if (!add)
		return LOOM_OK;
	if (!loom_gguf_int(g, key, &id) || id < 0 || id >= (int64_t)t->vocab.n_id)
		return loom_err_set(err, LOOM_E_MODEL, "gguf: %s: expected the id of a token, which %s asks for", key, ask);
	*out = (int32_t)id;
	return LOOM_OK;
}

static enum loom_status fill(struct loom_tokenizer *t, const struct loom_gguf *g, const struct pre *pre,
	const struct loom_gguf_value *tokens, struct loom_err *err)
{
	enum loom_status status = LOOM_OK;
	for (uint64_t i = 0; !status && i < tokens->n; i++)
		status = loom_vocab_add(&t->vocab, tokens->str[i].data, tokens->str[i].len, (int64_t)i, err);
	if (status || (status = read_merges(t, g, err)) || (status = loom_tokenizer_stages_text(t, pre->stages, err)) ||
	    (status = read_added(t, g, tokens, err)))
		return status;
	t->bpe.ignore_merges = pre->ignore_merges;
	int32_t bos, eos;
	if ((status = read_around(t, g, PREFIX "add_bos_token", PREFIX "bos_token_id", pre->add_bos, &bos, err)) ||
	    (status = read_around(t, g, PREFIX "add_eos_token", PREFIX "eos_token_id", false, &eos, err)))
		return status;
	return loom_post_around(&t->post, &t->arena, bos, eos, err);
}

enum loom_status loom_tokenizer_open_gguf(const struct loom_gguf *g, struct loom_tokenizer **out, struct loom_err *err)
{
	const struct pre *pre = NULL;
	const struct loom_gguf_value *tokens = NULL;
	struct loom_tokenizer *t;
	enum loom_status status;
	*out = NULL;
	if ((status = find_pre(g, &pre, err)) || (status = strings(g, PREFIX "tokens", &tokens, err)) ||
	    (status = loom_tokenizer_new(&t, tokens->n, err)))
		return status;
	status = fill(t, g, pre, tokens, err);
	if (status)
		loom_tokenizer_free(t);
	else
		*out = t;
	return status;
}
