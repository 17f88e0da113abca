/* folder.h: a model's folder as `transformers` reads it for a tokenizer: tokenizer_config.json with the older
 * special_tokens_map.json and added_tokens.json, and the model's config.json for its type, each optional: options, special tokens
 * by role, added tokens. */
#ifndef LOOM_FOLDER_H
#define LOOM_FOLDER_H

#include "jsonx.h"
#include "tokenizer_internal.h"

enum loom_role { LOOM_ROLE_BOS, LOOM_ROLE_EOS, LOOM_ROLE_UNK, LOOM_ROLE_SEP, LOOM_ROLE_PAD, LOOM_ROLE_CLS, LOOM_ROLE_MASK, LOOM_N_ROLE };
struct loom_role_token {
	const char *s;      /* [n]; NULL: none */
	size_t n;
	const json_t *spec; /* an object with content and flags; NULL: a plain string */
	bool lstrip;        /* of a plain string */
};
struct loom_folder {
	const char *dir;
	json_t *config, *map, *added, *model; /* NULL: no such file; model: config.json */
	struct loom_role_token special[LOOM_N_ROLE];
	struct loom_tokenizer *t;
};

/* Reads the files and makes an empty tokenizer with room for n_vocab. Release also after a failure. */
enum loom_status loom_folder_open(struct loom_folder *f, const char *dir, size_t n_vocab, struct loom_err *err) LOOM_MUST_CHECK;
/* Closes; hands the tokenizer out when status is LOOM_OK, else frees it. Returns status. */
enum loom_status loom_folder_close(struct loom_folder *f, enum loom_status status, struct loom_tokenizer **out);
/* A file of the folder, NUL-terminated; valid UTF-8 when text. */
enum loom_status loom_folder_slurp(const struct loom_folder *f, const char *name, bool text, char **data, size_t *n,
	struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_folder_json(const struct loom_folder *f, const char *name, bool optional, size_t max, json_t **out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* A boolean of tokenizer_config.json; absent or null leaves *out. */
enum loom_status loom_folder_bool(const struct loom_folder *f, const char *key, bool *out, struct loom_err *err) LOOM_MUST_CHECK;
/* The class by which the folder's tokenizer is built, without "Fast"; "": none that has a way of its own, what the files say counts. */
void loom_folder_class(const struct loom_folder *f, char out[64]);
/* The role's token when the files are silent. */
void loom_folder_default(struct loom_folder *f, enum loom_role role, const char *s);
/* Its id; an error names the role when the vocabulary (called where) lacks it. */
enum loom_status loom_folder_id(const struct loom_folder *f, enum loom_role role, const char *where, int32_t *out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Tokens that the vocabulary lacks get the ids their files give them; before the model is made. */
enum loom_status loom_folder_claim(struct loom_folder *f, struct loom_err *err) LOOM_MUST_CHECK;
/* All added tokens, then loom_added_finish. */
enum loom_status loom_folder_add_tokens(struct loom_folder *f, struct loom_err *err) LOOM_MUST_CHECK;
/* root: a tokenizer.json. Writes into its stages what `transformers` 5 takes from tokenizer_config.json although the file says it: case, accents and
 * Chinese characters of the classes with BERT's normalizer, add_prefix_space of those with byte-level or SentencePiece words. (It does not take
 * add_bos_token and add_eos_token where there is a tokenizer.json, nor do we.) */
enum loom_status loom_folder_edit(const struct loom_folder *f, json_t *root, struct loom_err *err) LOOM_MUST_CHECK;
/* add_bos_token and add_eos_token, when the configuration has either, or bos is the class's default for the first,
 * replace the post-processor's templates. */
enum loom_status loom_folder_around(struct loom_folder *f, bool bos, struct loom_err *err) LOOM_MUST_CHECK;

#endif
