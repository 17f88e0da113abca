/* open_tekken.c: a tokenizer from Mistral's tekken.json: byte-level BPE whose merges follow from the ranks of its tokens. Special tokens come before
 * them, named ones first, then fillers. They are found in the text, as `transformers` converts the file, and every text begins with <s>, as
 * mistral-common has it. */
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "bounds.h"
#include "folder.h"
#include "mem.h"
#include "str.h"
#include "unicode.h"

#define TEKKEN_MAX_TOKEN 1024 /* bytes: merges are derived for tokens of that length at most */

static const char where[] = "tekken.json";
/* Of files from before their special tokens were listed in them. */
static const char *const early[] = { "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
	"[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]",
	"[/SYSTEM_PROMPT]", "[TOOL_CONTENT]" };

struct tekken {
	struct loom_tokenizer *t;
	const json_t *vocab, *special; /* lists; special NULL: the early ones */
	const char *pattern;
	int64_t n_vocab, n_special;    /* tokens that are taken; ids before them */
	const char **names;            /* [n_special] of those */
};

static enum loom_status read_head(struct tekken *k, const json_t *root, struct loom_err *err)
{
	const struct loom_json_ctx c = { "tekken.json: config", LOOM_E_MODEL };
	const json_t *config = json_object_get(root, "config");
	int64_t total = -1;
	enum loom_status status;
	k->vocab = json_object_get(root, "vocab");
	k->special = json_object_get(root, "special_tokens");
	k->special = json_is_null(k->special) ? NULL : k->special;
	k->n_special = k->special ? (int64_t)json_array_size(k->special) : (int64_t)(sizeof early / sizeof early[0]);
	int64_t least = k->n_special;
	if (!json_is_object(config) || !json_is_array(k->vocab) || (k->special && !json_is_array(k->special)))
		return loom_err_set(err, LOOM_E_MODEL, "%s: expected an object config and lists vocab and special_tokens", where);
	if ((status = loom_json_str(&c, config, "pattern", &k->pattern, err)) ||
	    (status = loom_json_int(&c, config, "default_num_special_tokens", 0, LOOM_MAX_VOCAB, &k->n_special, err)) ||
	    (status = loom_json_int(&c, config, "default_vocab_size", 0, LOOM_MAX_VOCAB, &total, err)))
		return status;
	k->n_vocab = total < 0 ? (int64_t)json_array_size(k->vocab) : total - k->n_special;
	if (!k->pattern || k->n_special < least || k->n_vocab < 1 || k->n_vocab > (int64_t)json_array_size(k->vocab) ||
	    k->n_vocab > LOOM_MAX_VOCAB - k->n_special)
		return loom_err_set(err, LOOM_E_MODEL, "%s: config: %s", where, k->pattern ? "its sizes do not go with the lists" : "no pattern");
	return LOOM_OK;
}

/* The token's bytes, each as the character that stands for it. */
static enum loom_status read_token(struct tekken *k, int64_t rank, struct loom_err *err)
{
	uint8_t bytes[LOOM_UNBASE64_ROOM(TEKKEN_MAX_TOKEN * 4 / 3 + 4)];
	char text[2 * sizeof bytes];
	const json_t *v = json_object_get(json_array_get(k->vocab, (size_t)rank), "token_bytes");
	size_t n = 0, len = 0;
	if (!json_is_string(v) || json_string_length(v) > TEKKEN_MAX_TOKEN * 4 / 3 ||
	    !loom_unbase64(json_string_value(v), json_string_length(v), bytes, &n) || n == 0)
		return loom_err_set(err, LOOM_E_MODEL, "%s: vocab[%lld].token_bytes: expected base64 of 1 to %d bytes", where, (long long)rank,
			TEKKEN_MAX_TOKEN);
	for (size_t i = 0; i < n; i++)
		len += loom_utf8_encode(loom_byte_char(bytes[i]), text + len);
	return loom_vocab_add(&k->t->vocab, text, len, k->n_special + rank, err);
}

/* The special tokens by their ids, fillers where none is named. */
static enum loom_status name_specials(struct tekken *k, struct loom_err *err)
{
	struct loom_arena *a = &k->t->arena;
	char buf[40];
	k->names = loom_arena_alloc(a, (size_t)k->n_special + 1, sizeof *k->names);
	if (!k->names)
		return loom_err_nomem(err, "special tokens", (size_t)k->n_special * sizeof *k->names);
	for (size_t i = 0; i < json_array_size(k->special); i++) {
		const json_t *v = json_array_get(k->special, i), *rank = json_object_get(v, "rank"), *name = json_object_get(v, "token_str");
		int64_t id = json_integer_value(rank);
		if (!json_is_integer(rank) || !json_is_string(name) || id < 0 || id >= k->n_special || k->names[id])
			return loom_err_set(err, LOOM_E_MODEL, "%s: special_tokens[%zu]: expected a token_str and a rank of its own below %lld", where, i,
				(long long)k->n_special);
		k->names[id] = json_string_value(name);
	}
	for (int64_t i = 0; i < k->n_special; i++) {
		if (!k->special && i < (int64_t)(sizeof early / sizeof early[0]))
			k->names[i] = early[i];
		(void)snprintf(buf, sizeof buf, "<SPECIAL_%lld>", (long long)i);
		if (!k->names[i] && !(k->names[i] = loom_arena_strdup(a, buf)))
			return loom_err_nomem(err, "special tokens", sizeof buf);
	}
	return LOOM_OK;
}

static enum loom_status read_tokens(struct tekken *k, struct loom_err *err)
{
	enum loom_status status = name_specials(k, err);
	for (int64_t i = 0; !status && i < k->n_vocab; i++)
		status = read_token(k, i, err);
	for (int64_t i = 0; !status && i < k->n_special; i++)
		status = loom_vocab_add(&k->t->vocab, k->names[i], strlen(k->names[i]), i, err);
	return status;
}

static enum loom_status read_stages(struct tekken *k, struct loom_err *err)
{
	json_t *spec = json_pack("{s:{s:s,s:[{s:s,s:{s:s},s:s,s:b},{s:s,s:b,s:b,s:b}]},s:{s:s}}", "pre_tokenizer", "type", "Sequence",
		"pretokenizers", "type", "Split", "pattern", "Regex", k->pattern, "behavior", "Isolated", "invert", 0, "type", "ByteLevel",
		"add_prefix_space", 0, "trim_offsets", 0, "use_regex", 0, "decoder", "type", "ByteLevel");
	enum loom_status status = spec ? loom_tokenizer_stages(k->t, spec, err) : loom_err_nomem(err, "the tokenizer", 0);
	json_decref(spec);
	return status;
}

static enum loom_status fill(struct tekken *k, const json_t *root, struct loom_err *err)
{
	struct loom_tokenizer *t = k->t;
	enum loom_status status;
	if ((status = read_head(k, root, err)) || (status = read_tokens(k, err)) ||
	    (status = loom_bpe_init(&t->bpe, &t->vocab, (size_t)k->n_vocab * 3, err)) ||
	    (status = loom_bpe_derive(&t->bpe, LOOM_BPE_BY_RANK, NULL, NULL, (size_t)(k->n_special + k->n_vocab), err)) ||
	    (status = read_stages(k, err)))
		return status;
	t->model = LOOM_MODEL_BPE;
	t->bpe.ignore_merges = true;
	for (int64_t i = 0; !status && i < k->n_special; i++)
		status = loom_tokenizer_special(t, k->names[i], strlen(k->names[i]), err);
	if (status || (status = loom_added_finish(&t->added, err)))
		return status;
	return loom_post_around(&t->post, &t->arena, loom_tokenizer_id(t, "<s>", 3), -1, err);
}

enum loom_status loom_tokenizer_open_tekken(const char *dir, struct loom_tokenizer **out, struct loom_err *err)
{
	const struct loom_folder f = { .dir = dir };
	struct tekken k = { 0 };
	json_t *root = NULL;
	enum loom_status status = loom_folder_json(&f, where, false, LOOM_MAX_TOKENIZER_BYTES, &root, err);
	if (!status && !(status = loom_tokenizer_new(&k.t, json_array_size(json_object_get(root, "vocab")), err)))
		status = fill(&k, root, err);
	json_decref(root);
	if (status)
		loom_tokenizer_free(k.t);
	*out = status ? NULL : k.t;
	return status;
}
