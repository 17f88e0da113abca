/* spm_stages.c: see spm_stages.h. The stages are written as the JSON that tokenizer.json would have. */
#include "spm_stages.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "bounds.h"

#define LOWER_ONE "\xE2\x96\x81"
#define REPLACE(what, by) "{\"type\":\"Replace\",\"pattern\":{" what "},\"content\":\"" by "\"}"
#define SPACES_TO_LOWER_ONE REPLACE("\"String\":\" \"", LOWER_ONE)
#define WHITESPACE_SPLIT "{\"type\":\"WhitespaceSplit\"}"
#define DECODE_BYTES REPLACE("\"String\":\"" LOWER_ONE "\"", " ") ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"
#define STRIP_ONE "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"

#define LLAMA_ROLES { "<s>", "</s>", "<unk>", NULL, NULL, NULL, NULL }
#define ROBERTA_ROLES { "<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>" }

static const struct loom_spm_class classes[] = {
	{ .name = "LlamaTokenizer", .bpe = true, .roles = LLAMA_ROLES },
	{ .name = "CodeLlamaTokenizer", .bpe = true, .bpe_unk = true, .roles = LLAMA_ROLES, .add_bos = true,
		.extra = { LOWER_ONE "<PRE>", LOWER_ONE "<MID>", LOWER_ONE "<SUF>", LOWER_ONE "<EOT>", "<FILL_ME>" } },
	{ .name = "GemmaTokenizer", .bpe = true, .bpe_unk = true, .roles = { "<bos>", "<eos>", "<unk>", NULL, "<pad>", NULL, "<mask>" } },
	{ .name = "T5Tokenizer", .pieces = LOOM_SPM_WITH_EXTRA_IDS, .around = LOOM_SPM_AROUND_EOS, .unk_id = 2,
		.roles = { NULL, "</s>", "<unk>", NULL, "<pad>", NULL, NULL } },
	{ .name = "XLMRobertaTokenizer", .pieces = LOOM_SPM_FAIRSEQ, .around = LOOM_SPM_AROUND_ROBERTA, .unk_id = 3, .roles = ROBERTA_ROLES },
	{ .name = "XGLMTokenizer", .pieces = LOOM_SPM_XGLM, .around = LOOM_SPM_AROUND_XGLM, .unk_id = 3,
		.roles = { "<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", NULL } },
	{ .name = "MBartTokenizer", .pieces = LOOM_SPM_MBART, .around = LOOM_SPM_AROUND_MBART, .unk_id = 3, .roles = ROBERTA_ROLES },
	{ .name = "CamembertTokenizer", .pieces = LOOM_SPM_CAMEMBERT, .around = LOOM_SPM_AROUND_ROBERTA, .unk_id = 3, .finds_unk = true,
		.roles = ROBERTA_ROLES },
	{ .name = "AlbertTokenizer", .around = LOOM_SPM_AROUND_BERT, .unk_id = 1,
		.roles = { "[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]" } },
	{ .name = "DebertaV2Tokenizer", .around = LOOM_SPM_AROUND_BERT, .unk_id = 1, .finds_unk = true,
		.roles = { "[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]" } },
};

const char *const loom_spm_languages[] = { "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN", "it_IT",
	"ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN", NULL };

const struct loom_spm_class *loom_spm_class_of(const char *name)
{
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strcmp(classes[i].name, name) == 0)
			return &classes[i];
	return NULL;
}

struct settings {
	bool add_prefix_space, legacy, lower, keep_accents, split_by_punct;
};

/* --- pieces of JSON */

static void metaspace(struct loom_buf *b, const char *scheme, bool split)
{
	loom_buf_printf(b, "{\"type\":\"Metaspace\",\"replacement\":\"" LOWER_ONE "\",\"prepend_scheme\":\"%s\",\"split\":%s}", scheme,
		split ? "true" : "false");
}

/* Appends a step of a list, with a comma before all but the first. */
static void step(struct loom_buf *b, const char *json)
{
	if (b->len && b->data[b->len - 1] != '[')
		loom_buf_putc(b, ',');
	loom_buf_puts(b, json);
}

static void charsmap(struct loom_buf *b, const struct loom_spm *m)
{
	if (!m->charsmap.n)
		return;
	step(b, "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
	loom_base64_put(b, m->charsmap.s, m->charsmap.n);
	loom_buf_puts(b, "\"}");
}

static void open_list(struct loom_buf *b, const char *stage, const char *list)
{
	loom_buf_printf(b, "%s\"%s\":{\"type\":\"Sequence\",\"%s\":[", b->len > 1 ? "," : "", stage, list);
}

static void close_list(struct loom_buf *b)
{
	loom_buf_puts(b, "]}");
}

/* --- the classes */

static void llama(struct loom_buf *b, const struct settings *s, bool code)
{
	loom_buf_puts(b, "\"pre_tokenizer\":");
	metaspace(b, !s->add_prefix_space ? "never" : s->legacy && !code ? "always" : "first", false);
	open_list(b, "decoder", "decoders");
	step(b, DECODE_BYTES);
	if (s->add_prefix_space || code)
		step(b, STRIP_ONE);
	close_list(b);
}

static void gemma(struct loom_buf *b)
{
	loom_buf_puts(b, "\"normalizer\":" SPACES_TO_LOWER_ONE ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"
		"\"behavior\":\"MergedWithPrevious\",\"invert\":false}");
	open_list(b, "decoder", "decoders");
	step(b, DECODE_BYTES);
	close_list(b);
}

/* Words at white space, each with its ▁: XLM-R, CamemBERT, T5, ALBERT. */
static void words(struct loom_buf *b, const char *scheme)
{
	open_list(b, "pre_tokenizer", "pretokenizers");
	step(b, WHITESPACE_SPLIT ",");
	metaspace(b, scheme, true);
	close_list(b);
	loom_buf_puts(b, ",\"decoder\":");
	metaspace(b, scheme, true);
}

static void albert(struct loom_buf *b, const struct loom_spm *m, const struct settings *s)
{
	open_list(b, "normalizer", "normalizers");
	step(b, REPLACE("\"String\":\"``\"", "\\\"") "," REPLACE("\"String\":\"''\"", "\\\""));
	if (!s->keep_accents)
		step(b, "{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"}");
	if (s->lower)
		step(b, "{\"type\":\"Lowercase\"}");
	charsmap(b, m);
	close_list(b);
	words(b, s->add_prefix_space ? "always" : "never");
}

static void deberta(struct loom_buf *b, const struct settings *s)
{
	const char *scheme = s->add_prefix_space ? "always" : "first";
	open_list(b, "normalizer", "normalizers");
	if (s->lower)
		step(b, "{\"type\":\"Lowercase\"}");
	step(b, REPLACE("\"Regex\":\"\\\\s{2,}|[\\\\n\\\\r\\\\t]\"", " ") ",{\"type\":\"NFC\"},"
		"{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}");
	close_list(b);
	open_list(b, "pre_tokenizer", "pretokenizers");
	if (s->split_by_punct)
		step(b, "{\"type\":\"Punctuation\",\"behavior\":\"Isolated\"}");
	step(b, "");
	metaspace(b, scheme, true);
	close_list(b);
	loom_buf_puts(b, ",\"decoder\":");
	metaspace(b, scheme, true);
}

/* Runs of spaces are one space; words are not cut apart first. */
static void xglm(struct loom_buf *b, const struct loom_spm *m, const char *scheme)
{
	open_list(b, "normalizer", "normalizers");
	charsmap(b, m);
	step(b, REPLACE("\"Regex\":\" {2,}\"", " "));
	close_list(b);
	loom_buf_puts(b, ",\"pre_tokenizer\":");
	metaspace(b, scheme, true);
	loom_buf_puts(b, ",\"decoder\":");
	metaspace(b, scheme, true);
}

/* --- the file's own settings */

static int longest_first(const void *left, const void *right)
{
	const struct loom_spm_text *a = left, *b = right;
	return (a->n < b->n) - (a->n > b->n);
}

/* User-defined pieces as a pattern of alternatives, each character of ASCII punctuation escaped, in JSON. */
static enum loom_status user_defined(struct loom_buf *b, const struct loom_spm *m, struct loom_arena *arena, struct loom_err *err)
{
	size_t n = 0;
	struct loom_spm_text *list = loom_arena_alloc(arena, m->n, sizeof *list);
	if (!list)
		return loom_err_nomem(err, "the pre-tokenizer", m->n * sizeof *list);
	for (size_t i = 0; i < m->n; i++)
		if (m->pieces[i].type == LOOM_SPM_USER_DEFINED && m->pieces[i].text.n)
			list[n++] = m->pieces[i].text;
	if (n == 0)
		return LOOM_OK;
	qsort(list, n, sizeof *list, longest_first);
	step(b, "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"");
	for (size_t i = 0; i < n; i++) {
		loom_buf_puts(b, i ? "|" : "");
		for (size_t k = 0; k < list[i].n; k++) {
			unsigned char c = (unsigned char)list[i].s[k];
			if (c < ' ')
				loom_buf_printf(b, "\\u%04x", c);
			else if (c == '"' || c == '\\')
				loom_buf_printf(b, "\\\\\\%c", c);
			else if (c < 0x7F && !((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') && c != ' ')
				loom_buf_printf(b, "\\\\%c", c);
			else
				loom_buf_putc(b, (char)c);
		}
	}
	loom_buf_puts(b, "\"},\"behavior\":\"Isolated\",\"invert\":false}");
	return LOOM_OK;
}

static enum loom_status own(struct loom_buf *b, const struct loom_spm *m, const struct settings *s, struct loom_arena *arena,
	struct loom_err *err)
{
	open_list(b, "normalizer", "normalizers");
	charsmap(b, m);
	if (m->remove_extra_whitespaces)
		step(b, REPLACE("\"Regex\":\"\\\\A +| +\\\\z\"", "") "," REPLACE("\"Regex\":\" {2,}\"", " "));
	if (m->escape_whitespaces)
		step(b, SPACES_TO_LOWER_ONE);
	if (m->add_dummy_prefix && s->legacy)
		step(b, REPLACE("\"Regex\":\"\\\\A" LOWER_ONE "\"", LOWER_ONE LOWER_ONE));
	close_list(b);
	open_list(b, "pre_tokenizer", "pretokenizers");
	if (m->add_dummy_prefix)
		metaspace(b, s->legacy ? "always" : "first", false);
	enum loom_status status = user_defined(b, m, arena, err);
	close_list(b);
	open_list(b, "decoder", "decoders");
	step(b, REPLACE("\"String\":\"" LOWER_ONE "\"", " "));
	if (m->byte_fallback)
		step(b, "{\"type\":\"ByteFallback\"}");
	if (m->add_dummy_prefix)
		step(b, "{\"type\":\"Fuse\"}," STRIP_ONE);
	else if (m->byte_fallback)
		step(b, "{\"type\":\"Fuse\"}");
	close_list(b);
	return status;
}

static enum loom_status write_stages(struct loom_buf *b, const struct loom_folder *f, const struct loom_spm *m,
	const struct loom_spm_class *cls, const struct settings *s, struct loom_err *err)
{
	if (!cls)
		return own(b, m, s, &f->t->arena, err);
	if (strcmp(cls->name, "GemmaTokenizer") == 0) {
		gemma(b);
	} else if (cls->bpe) {
		llama(b, s, cls->bpe_unk);
	} else if (strcmp(cls->name, "AlbertTokenizer") == 0) {
		albert(b, m, s);
	} else if (strcmp(cls->name, "DebertaV2Tokenizer") == 0) {
		deberta(b, s);
	} else if (cls->pieces == LOOM_SPM_XGLM) {
		xglm(b, m, s->add_prefix_space ? "always" : "never");
	} else if (cls->pieces == LOOM_SPM_MBART) {
		words(b, "always");
	} else {
		open_list(b, "normalizer", "normalizers");
		charsmap(b, m);
		close_list(b);
		words(b, s->add_prefix_space || cls->pieces == LOOM_SPM_WITH_EXTRA_IDS ? "always" : "never");
	}
	return LOOM_OK;
}

enum loom_status loom_spm_stages(struct loom_folder *f, const struct loom_spm *m, const struct loom_spm_class *cls,
	struct loom_err *err)
{
	struct settings s = { .add_prefix_space = true, .legacy = !cls, .lower = cls && strcmp(cls->name, "AlbertTokenizer") == 0 };
	struct loom_buf b;
	enum loom_status status;
	if ((status = loom_folder_bool(f, "add_prefix_space", &s.add_prefix_space, err)) ||
	    (status = loom_folder_bool(f, "legacy", &s.legacy, err)) || (status = loom_folder_bool(f, "do_lower_case", &s.lower, err)) ||
	    (status = loom_folder_bool(f, "keep_accents", &s.keep_accents, err)) ||
	    (status = loom_folder_bool(f, "split_by_punct", &s.split_by_punct, err)))
		return status;
	loom_buf_init(&b, LOOM_MAX_TOKENIZER_BYTES);
	loom_buf_putc(&b, '{');
	status = write_stages(&b, f, m, cls, &s, err);
	loom_buf_putc(&b, '}');
	if (!status)
		status = b.failed ? loom_err_nomem(err, "the tokenizer", b.len) : loom_tokenizer_stages_text(f->t, b.data, err);
	loom_buf_release(&b);
	return status;
}

static enum loom_status around_mbart(struct loom_folder *f, int32_t eos, struct loom_err *err)
{
	const json_t *given = json_object_get(f->config, "src_lang");
	const char *lang = json_is_string(given) ? json_string_value(given) : "en_XX";
	int32_t id = loom_tokenizer_id(f->t, lang, strlen(lang));
	const struct loom_post_item items[] = { { LOOM_POST_FIRST, 0 }, { eos, 0 }, { id, 0 }, { LOOM_POST_FIRST, 0 }, { LOOM_POST_SECOND, 0 },
		{ eos, 0 }, { id, 0 } };
	if (id < 0)
		return loom_err_set(err, LOOM_E_MODEL, "tokenizer_config.json: src_lang \"%.40s\" is no token", lang);
	return loom_post_set(&f->t->post, &f->t->arena, items, 3, items + 3, 4, err);
}

enum loom_status loom_spm_around(struct loom_folder *f, const struct loom_spm_class *cls, struct loom_err *err)
{
	static const char where[] = "tokenizer.model";
	struct loom_post *p = &f->t->post;
	struct loom_arena *a = &f->t->arena;
	int32_t first, last;
	enum loom_status status;
	if (!cls || cls->around == LOOM_SPM_AROUND_NONE)
		return LOOM_OK;
	bool bert = cls->around == LOOM_SPM_AROUND_BERT;
	if ((status = loom_folder_id(f, bert ? LOOM_ROLE_SEP : LOOM_ROLE_EOS, where, &last, err)))
		return status;
	if (cls->around == LOOM_SPM_AROUND_EOS) {
		const struct loom_post_item t5[] = { { LOOM_POST_FIRST, 0 }, { last, 0 }, { LOOM_POST_SECOND, 0 }, { last, 0 } };
		return loom_post_set(p, a, t5, 2, t5, 4, err);
	}
	if (cls->around == LOOM_SPM_AROUND_XGLM) {
		const struct loom_post_item xglm[] = { { last, 0 }, { LOOM_POST_FIRST, 0 }, { last, 0 }, { last, 0 }, { LOOM_POST_SECOND, 0 } };
		return loom_post_set(p, a, xglm, 2, xglm, 5, err);
	}
	if (cls->around == LOOM_SPM_AROUND_MBART)
		return around_mbart(f, last, err);
	if ((status = loom_folder_id(f, bert ? LOOM_ROLE_CLS : LOOM_ROLE_BOS, where, &first, err)))
		return status;
	return bert ? loom_post_bert(p, a, first, last, err) : loom_post_roberta(p, a, first, last, err);
}
