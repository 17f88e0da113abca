/* folder_edit.c: what tokenizer_config.json changes of a tokenizer.json (folder.h). `transformers` 5 builds some of its classes anew from the
 * options of the configuration; only what an option says is taken here, the other stages stay as the file has them. */
#include <string.h>

#include "folder.h"

/* How a class takes its options. */
enum kind {
	KIND_NONE,    /* as the file has it: PreTrainedTokenizerFast, TokenizersBackend, and classes that are not listed */
	KIND_BERT,    /* do_lower_case true, strip_accents null, tokenize_chinese_chars true unless written otherwise */
	KIND_BYTES,   /* add_prefix_space false unless written otherwise */
	KIND_WORDS,   /* add_prefix_space: "always", else "never" */
	KIND_LLAMA,   /* false: "never"; what a true one means depends on `legacy` and is left as the file has it */
	KIND_DEBERTA, /* "always", else "first" */
};

static enum kind kind_of(const struct loom_folder *f)
{
	static const struct {
		const char *name;
		enum kind kind;
	} classes[] = { { "BertTokenizer", KIND_BERT }, { "DistilBertTokenizer", KIND_BERT }, { "ElectraTokenizer", KIND_BERT },
		{ "MPNetTokenizer", KIND_BERT }, { "MobileBertTokenizer", KIND_BERT }, { "ConvBertTokenizer", KIND_BERT }, { "LxmertTokenizer", KIND_BERT },
		{ "SqueezeBertTokenizer", KIND_BERT }, { "LayoutLMTokenizer", KIND_BERT }, { "FunnelTokenizer", KIND_BERT }, { "GPT2Tokenizer", KIND_BYTES },
		{ "RobertaTokenizer", KIND_BYTES }, { "LongformerTokenizer", KIND_BYTES }, { "BartTokenizer", KIND_BYTES }, { "LEDTokenizer", KIND_BYTES },
		{ "Qwen2Tokenizer", KIND_BYTES }, { "GPTNeoXTokenizer", KIND_BYTES }, { "CodeGenTokenizer", KIND_BYTES }, { "DebertaTokenizer", KIND_BYTES },
		{ "CohereTokenizer", KIND_BYTES }, { "XLMRobertaTokenizer", KIND_WORDS }, { "CamembertTokenizer", KIND_WORDS },
		{ "AlbertTokenizer", KIND_WORDS }, { "XGLMTokenizer", KIND_WORDS }, { "LlamaTokenizer", KIND_LLAMA },
		{ "DebertaV2Tokenizer", KIND_DEBERTA } };
	char name[64];
	loom_folder_class(f, name);
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strcmp(name, classes[i].name) == 0)
			return classes[i].kind;
	return KIND_NONE;
}

/* Runs fn on every step of a stage, those inside sequences too. */
static bool each_step(json_t *stage, int depth, bool (*fn)(json_t *step, const void *what), const void *what)
{
	static const char *const lists[] = { "normalizers", "pretokenizers", "processors", "decoders" };
	bool ok = !json_is_object(stage) || fn(stage, what);
	for (size_t i = 0; depth < 8 && i < sizeof lists / sizeof lists[0]; i++) {
		json_t *list = json_object_get(stage, lists[i]);
		for (size_t k = 0; ok && k < json_array_size(list); k++)
			ok = each_step(json_array_get(list, k), depth + 1, fn, what);
	}
	return ok;
}

static bool is_type(const json_t *step, const char *type)
{
	const char *found = json_string_value(json_object_get(step, "type"));
	return found && strcmp(found, type) == 0;
}

/* --- BERT's normalizer */

static bool set_bert(json_t *step, const void *what)
{
	static const struct {
		const char *option, *key;
		bool nullable;
	} keys[] = { { "do_lower_case", "lowercase", false }, { "strip_accents", "strip_accents", true },
		{ "tokenize_chinese_chars", "handle_chinese_chars", false } };
	const struct loom_folder *f = what;
	if (!is_type(step, "BertNormalizer"))
		return true;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		json_t *v = json_object_get(f->config, keys[i].option);
		bool given = json_is_boolean(v) || (json_is_null(v) && keys[i].nullable);
		if (json_object_set(step, keys[i].key, given ? v : keys[i].nullable ? json_null() : json_true()))
			return false;
	}
	return true;
}

/* --- the space before the first word */

static bool set_bytes(json_t *step, const void *prefix)
{
	bool bytes = is_type(step, "ByteLevel") || is_type(step, "RobertaProcessing");
	return !bytes || json_object_set_new(step, "add_prefix_space", json_boolean(*(const bool *)prefix)) == 0;
}

static bool set_scheme(json_t *step, const void *scheme)
{
	if (!is_type(step, "Metaspace"))
		return true;
	(void)json_object_del(step, "add_prefix_space");
	return json_object_set_new(step, "prepend_scheme", json_string(scheme)) == 0;
}

/* Steps that give a Llama's text its first space, and that take it away, do nothing any more. */
static bool unset_prepend(json_t *step, const void *what)
{
	static const char *const lists[] = { "normalizers", "decoders" };
	(void)what;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		json_t *list = json_object_get(step, lists[i]);
		for (size_t k = json_array_size(list); k-- > 0;) {
			json_t *inner = json_array_get(list, k);
			if ((is_type(inner, "Prepend") || is_type(inner, "Strip")) && json_array_remove(list, k))
				return false;
		}
	}
	return true;
}

enum loom_status loom_folder_edit(const struct loom_folder *f, json_t *root, struct loom_err *err)
{
	enum kind kind = kind_of(f);
	json_t *normalizer = json_object_get(root, "normalizer"), *pre = json_object_get(root, "pre_tokenizer");
	json_t *decoder = json_object_get(root, "decoder"), *post = json_object_get(root, "post_processor");
	bool prefix = kind != KIND_BYTES, ok = true;
	enum loom_status status = loom_folder_bool(f, "add_prefix_space", &prefix, err);
	if (status || kind == KIND_NONE)
		return status;
	if (kind == KIND_BERT)
		ok = each_step(normalizer, 0, set_bert, f);
	else if (kind == KIND_BYTES)
		ok = each_step(pre, 0, set_bytes, &prefix) && each_step(is_type(post, "RobertaProcessing") ? post : NULL, 0, set_bytes, &prefix);
	else if (kind == KIND_LLAMA && !prefix)
		ok = each_step(pre, 0, set_scheme, "never") && each_step(normalizer, 0, unset_prepend, NULL) &&
		     each_step(decoder, 0, unset_prepend, NULL);
	else if (kind == KIND_WORDS || kind == KIND_DEBERTA) {
		const char *scheme = prefix ? "always" : kind == KIND_WORDS ? "never" : "first";
		ok = each_step(pre, 0, set_scheme, scheme) && each_step(decoder, 0, set_scheme, scheme);
	}
	return ok ? LOOM_OK : loom_err_nomem(err, "the tokenizer", 0);
}
