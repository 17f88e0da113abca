/* open_files.c: a tokenizer from a folder without tokenizer.json: vocab.json with merges.txt (byte-level BPE,
 * as GPT2Tokenizer and its like build it) or vocab.txt (WordPiece, as BertTokenizer does). Options and special tokens
 * are those of folder.h. */
#include <string.h>

#include "bounds.h"
#include "folder.h"
#include "mem.h"

/* The next line of text, without its end; false at the end */
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

/* --- WordPiece */

static enum loom_status read_vocab_txt(struct loom_folder *f, struct loom_err *err)
{
	char *data;
	const char *at, *line;
	size_t n = 0, len;
	int64_t id = 0;
	enum loom_status status = loom_folder_slurp(f, "vocab.txt", true, &data, &n, err);
	if (!status && n == 0)
		status = loom_err_set(err, LOOM_E_MODEL, "vocab.txt: empty");
	for (at = data; !status && next_line(&at, data + n, &line, &len); id++)
		status = loom_vocab_add(&f->t->vocab, line, len, id, err);
	loom_free(data);
	return status;
}

static enum loom_status bert_stages(struct loom_folder *f, struct loom_err *err)
{
	bool lower = true, chinese = true, strip = true;
	const json_t *accents = json_object_get(f->config, "strip_accents");
	enum loom_status status;
	if ((status = loom_folder_bool(f, "do_lower_case", &lower, err)) ||
	    (status = loom_folder_bool(f, "tokenize_chinese_chars", &chinese, err)) ||
	    (status = loom_folder_bool(f, "strip_accents", &strip, err)))
		return status;
	json_t *spec = json_pack("{s:{s:s,s:b,s:b,s:o,s:b},s:{s:s},s:n,s:{s:s,s:s,s:b}}", "normalizer", "type", "BertNormalizer",
		"clean_text", 1, "handle_chinese_chars", (int)chinese, "strip_accents",
		json_is_boolean(accents) ? json_boolean(strip) : json_null(), "lowercase", (int)lower, "pre_tokenizer", "type",
		"BertPreTokenizer", "post_processor", "decoder", "type", "WordPiece", "prefix", "##", "cleanup", 1);
	status = spec ? loom_tokenizer_stages(f->t, spec, err) : loom_err_nomem(err, "the tokenizer", 0);
	json_decref(spec);
	return status;
}

static enum loom_status fill_bert(struct loom_folder *f, struct loom_err *err)
{
	static const char *const usual[LOOM_N_ROLE] = { [LOOM_ROLE_UNK] = "[UNK]", [LOOM_ROLE_SEP] = "[SEP]", [LOOM_ROLE_PAD] = "[PAD]",
		[LOOM_ROLE_CLS] = "[CLS]", [LOOM_ROLE_MASK] = "[MASK]" };
	int32_t cls, sep;
	enum loom_status status;
	if ((status = read_vocab_txt(f, err)) || (status = loom_folder_claim(f, err)))
		return status;
	const struct loom_role_token *unk = &f->special[LOOM_ROLE_UNK];
	if ((status = loom_tokenizer_wordpiece(f->t, unk->s ? unk->s : usual[LOOM_ROLE_UNK], "##", 2, 100, err)) ||
	    (status = bert_stages(f, err)))
		return status;
	for (int i = 0; i < LOOM_N_ROLE; i++) /* the names that BertTokenizer has when the files are silent */
		if (usual[i] && (i == LOOM_ROLE_CLS || i == LOOM_ROLE_SEP || loom_vocab_id(&f->t->vocab, usual[i], strlen(usual[i])) >= 0))
			loom_folder_default(f, (enum loom_role)i, usual[i]);
	for (int i = LOOM_ROLE_SEP; i <= LOOM_ROLE_CLS; i++) /* the two that every text gets must be there */
		if (i != LOOM_ROLE_PAD && (status = loom_folder_id(f, (enum loom_role)i, "vocab.txt", i == LOOM_ROLE_SEP ? &sep : &cls, err)))
			return status;
	if ((status = loom_folder_add_tokens(f, err)))
		return status;
	return loom_post_bert(&f->t->post, &f->t->arena, cls, sep, err);
}

/* --- byte-level BPE */

static enum loom_status read_merges_txt(struct loom_folder *f, struct loom_err *err)
{
	char *data;
	const char *at, *line;
	size_t n = 0, len, n_line = 1;
	enum loom_status status = loom_folder_slurp(f, "merges.txt", true, &data, &n, err);
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

/* The stages by class, %s being add_prefix_space. */
static const struct byte_class {
	const char *name, *stages;
	const char *roles[LOOM_N_ROLE];
	bool roberta; /* <s> A </s>, and offsets trimmed when trim_offsets says so */
} byte_classes[] = {
#define BYTE_LEVEL(regex) "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"trim_offsets\":true,\"use_regex\":" regex "}"
#define DECODER ",\"decoder\":{\"type\":\"ByteLevel\"}}"
#define NFC "{\"normalizer\":{\"type\":\"NFC\"},"
#define QWEN "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|" \
	"\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define END "<|endoftext|>"
#define ROBERTA_ROLES { "<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>" }
	{ "", "{\"pre_tokenizer\":" BYTE_LEVEL("true") DECODER, { END, END, END }, false },
	{ "RobertaTokenizer", "{\"pre_tokenizer\":" BYTE_LEVEL("true") DECODER, ROBERTA_ROLES, true },
	{ "BartTokenizer", "{\"pre_tokenizer\":" BYTE_LEVEL("true") DECODER, ROBERTA_ROLES, true },
	{ "LongformerTokenizer", "{\"pre_tokenizer\":" BYTE_LEVEL("true") DECODER, ROBERTA_ROLES, true },
	{ "LEDTokenizer", "{\"pre_tokenizer\":" BYTE_LEVEL("true") DECODER, ROBERTA_ROLES, true },
	{ "GPTNeoXTokenizer", NFC "\"pre_tokenizer\":" BYTE_LEVEL("true") DECODER, { END, END, END, NULL, "<|padding|>" }, false },
	{ "Qwen2Tokenizer", NFC "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" QWEN
		"\"},\"behavior\":\"Isolated\",\"invert\":false}," BYTE_LEVEL("false") "]}" DECODER, { NULL, END, END, NULL, END }, false },
};

static const struct byte_class *byte_class_of(const struct loom_folder *f)
{
	char name[64];
	loom_folder_class(f, name);
	for (size_t i = 1; i < sizeof byte_classes / sizeof byte_classes[0]; i++)
		if (strcmp(name, byte_classes[i].name) == 0)
			return &byte_classes[i];
	return &byte_classes[0];
}

static enum loom_status byte_stages(struct loom_folder *f, const struct byte_class *c, bool prefix, struct loom_err *err)
{
	struct loom_buf b;
	loom_buf_init(&b, 4096);
	for (const char *at = c->stages, *to; *at; at = *to ? to + 2 : to) { /* not a format of printf's: the pattern has signs of its own */
		to = strstr(at, "%s");
		to = to ? to : at + strlen(at);
		loom_buf_append(&b, at, (size_t)(to - at));
		loom_buf_puts(&b, *to ? prefix ? "true" : "false" : "");
	}
	enum loom_status status = b.failed ? loom_err_nomem(err, "the tokenizer", b.len) : loom_tokenizer_stages_text(f->t, b.data, err);
	loom_buf_release(&b);
	return status;
}

/* RobertaProcessing, whose trimming is an option. */
static enum loom_status around_roberta(struct loom_folder *f, bool prefix, struct loom_err *err)
{
	struct loom_post *p = &f->t->post;
	bool trim = true;
	int32_t cls, sep;
	enum loom_status status;
	if ((status = loom_folder_bool(f, "trim_offsets", &trim, err)) || (status = loom_folder_id(f, LOOM_ROLE_CLS, "vocab.json", &cls, err)) ||
	    (status = loom_folder_id(f, LOOM_ROLE_SEP, "vocab.json", &sep, err)))
		return status;
	if (trim)
		p->prefix[p->n_trim++] = prefix;
	return loom_post_roberta(p, &f->t->arena, cls, sep, err);
}

static enum loom_status fill_gpt2(struct loom_folder *f, struct loom_err *err)
{
	const struct byte_class *c = byte_class_of(f);
	bool prefix = false;
	json_t *vocab;
	enum loom_status status = loom_folder_json(f, "vocab.json", false, LOOM_MAX_TOKENIZER_BYTES, &vocab, err);
	if (!status)
		status = loom_tokenizer_vocab(f->t, vocab, "vocab.json", err);
	json_decref(vocab);
	if (status || (status = loom_folder_claim(f, err)) || (status = loom_folder_bool(f, "add_prefix_space", &prefix, err)))
		return status;
	f->t->model = LOOM_MODEL_BPE;
	for (int i = 0; i < LOOM_N_ROLE; i++)
		if (c->roles[i])
			loom_folder_default(f, (enum loom_role)i, c->roles[i]);
	if ((status = byte_stages(f, c, prefix, err)) || (status = read_merges_txt(f, err)) || (status = loom_folder_add_tokens(f, err)) ||
	    (status = loom_folder_around(f, false, err)))
		return status;
	return c->roberta ? around_roberta(f, prefix, err) : LOOM_OK;
}

/* --- both */

static enum loom_status open_folder(const char *dir, enum loom_status (*fill)(struct loom_folder *, struct loom_err *),
	struct loom_tokenizer **out, struct loom_err *err)
{
	struct loom_folder f;
	enum loom_status status = loom_folder_open(&f, dir, 1024, err);
	return loom_folder_close(&f, status ? status : fill(&f, err), out);
}

enum loom_status loom_tokenizer_open_gpt2(const char *dir, struct loom_tokenizer **out, struct loom_err *err)
{
	return open_folder(dir, fill_gpt2, out, err);
}

enum loom_status loom_tokenizer_open_bert(const char *dir, struct loom_tokenizer **out, struct loom_err *err)
{
	return open_folder(dir, fill_bert, out, err);
}
