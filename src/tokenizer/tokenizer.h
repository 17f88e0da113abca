/* tokenizer.h: the one door to tokenization, to the letter of Hugging Face `tokenizers`.
 *
 * Inside it is that library's pipeline: added tokens → normalizer → pre-tokenizer → model → post-processor,
 * and the decoder back (one file per stage). A loaded tokenizer is immutable and may be used by any number
 * of threads at once. Stages that are not supported are refused on load, by name. */
#ifndef LOOM_TOKENIZER_H
#define LOOM_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "gguf.h"

struct loom_tokenizer;

struct loom_encoding {
	size_t n, cap;
	int32_t *ids;      /* [n] */
	uint32_t *start;   /* [n] offsets into the text in code points, as `tokenizers` gives them in Python */
	uint32_t *end;     /* [n] */
	uint8_t *special;  /* [n] special_tokens_mask: 1 only for what the post-processor added */
	uint8_t *type;     /* [n] token_type_ids */
};

/* How too long an input is cut, as `tokenizers` does. */
enum loom_truncate { LOOM_TRUNCATE_LONGEST_FIRST, LOOM_TRUNCATE_ONLY_FIRST, LOOM_TRUNCATE_ONLY_SECOND };
struct loom_input {
	const char *text; /* [n] valid UTF-8; NUL is text */
	size_t n;
	const char *pair; /* [n_pair] a second text; NULL: none */
	size_t n_pair;
	bool add_special;          /* run the post-processor's additions */
	size_t max;                /* most tokens, those of the post-processor included and kept; 0: any number */
	enum loom_truncate strategy;
	bool left;                 /* cut at the start of the texts */
};

/* Opens the tokenizer of a model folder: tokenizer.json; without it vocab.json + merges.txt (byte-level BPE, GPT-2
 * manner), vocab.txt (WordPiece, BERT manner), tokenizer.model or its like (SentencePiece), each with what
 * tokenizer_config.json says (folder.h); or tekken.json. Missing all: LOOM_E_NOT_FOUND. Malformed or unsupported: LOOM_E_MODEL. */
enum loom_status loom_tokenizer_open(const char *dir, struct loom_tokenizer **out, struct loom_err *err) LOOM_MUST_CHECK;
/* tokenizer.json alone, whatever stands beside it: as sentence-transformers opens that of a table of words. */
enum loom_status loom_tokenizer_open_bare(const char *dir, struct loom_tokenizer **out, struct loom_err *err) LOOM_MUST_CHECK;
/* Texts become lower case before anything else is done to them: sentence-transformers' do_lower_case. Before t is used. */
enum loom_status loom_tokenizer_lower(struct loom_tokenizer *t, struct loom_err *err) LOOM_MUST_CHECK;
/* From the text of a tokenizer.json (tests, fuzzing). */
enum loom_status loom_tokenizer_open_json(const char *json, size_t n, struct loom_tokenizer **out, struct loom_err *err)
	LOOM_MUST_CHECK;
/* From GGUF metadata: tokenizer.ggml.model gpt2 (with the table of `pre` names), llama, gemma4, bert or t5. */
enum loom_status loom_tokenizer_open_gguf(const struct loom_gguf *g, struct loom_tokenizer **out, struct loom_err *err)
	LOOM_MUST_CHECK;
void loom_tokenizer_free(struct loom_tokenizer *t);

void loom_encoding_init(struct loom_encoding *e);
void loom_encoding_release(struct loom_encoding *e);

/* text: n bytes of valid UTF-8 (NUL is text). add_special: run the post-processor's additions. Neither
 * truncates nor pads. Replaces what e held. Linear in n. Errors: LOOM_E_MEMORY; LOOM_E_INVALID when a token of
 * the result is not in the vocabulary and there is no unk. */
enum loom_status loom_tokenizer_encode(const struct loom_tokenizer *t, const char *text, size_t n, bool add_special,
	struct loom_encoding *e, struct loom_err *err) LOOM_MUST_CHECK;

/* The same for one text or two: "text" and "pair" as the post-processor's template puts them, offsets into the
 * text that a token is of. *truncated: something was cut. LOOM_E_INVALID also when max leaves no room. */
enum loom_status loom_tokenizer_encode_input(const struct loom_tokenizer *t, const struct loom_input *in, struct loom_encoding *e,
	bool *truncated, struct loom_err *err) LOOM_MUST_CHECK;

/* Appends the decoded text of ids, as `tokenizers`' decode(ids, skip_special_tokens) does; always valid UTF-8
 * (invalid bytes become U+FFFD). An id that names no token is skipped, as there. */
enum loom_status loom_tokenizer_decode(const struct loom_tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
	struct loom_buf *out, struct loom_err *err) LOOM_MUST_CHECK;

/* Streaming decode: text of each pushed token as soon as it is settled; bytes are held back until they are
 * valid UTF-8. The concatenation of all pieces and the flush equals loom_tokenizer_decode of all ids. */
struct loom_decode_state;
struct loom_decode_stream {
	const struct loom_tokenizer *t;
	bool skip_special;
	struct loom_decode_state *state; /* made at the first push */
};
void loom_decode_stream_init(struct loom_decode_stream *s, const struct loom_tokenizer *t, bool skip_special);
void loom_decode_stream_release(struct loom_decode_stream *s);
/* Appends what became certain to out (maybe nothing). */
enum loom_status loom_decode_stream_push(struct loom_decode_stream *s, int32_t id, struct loom_buf *out, struct loom_err *err)
	LOOM_MUST_CHECK;
enum loom_status loom_decode_stream_flush(struct loom_decode_stream *s, struct loom_buf *out, struct loom_err *err)
	LOOM_MUST_CHECK;

/* Largest id + 1, added tokens included. */
int32_t loom_tokenizer_n_vocab(const struct loom_tokenizer *t);
/* The vocabulary's own string ("Ġworld", "##ing"), NULL when the id names none; *len may be NULL. */
const char *loom_tokenizer_token(const struct loom_tokenizer *t, int32_t id, size_t *len);
/* Id of a vocabulary or added-token string; -1 when absent. */
int32_t loom_tokenizer_id(const struct loom_tokenizer *t, const char *token, size_t len);
/* Is it an added token marked special? */
bool loom_tokenizer_is_special(const struct loom_tokenizer *t, int32_t id);
/* How many tokens the post-processor adds to one text (or to a pair). */
size_t loom_tokenizer_n_added(const struct loom_tokenizer *t);
size_t loom_tokenizer_n_added_pair(const struct loom_tokenizer *t);
/* What tokenizer.json's "truncation" section and tokenizer_config.json's truncation_side say of texts that are too long: the most tokens (0: nothing
 * said), and whether they are cut at the start. Nothing here acts on it by itself. */
size_t loom_tokenizer_max_length(const struct loom_tokenizer *t);
bool loom_tokenizer_cuts_left(const struct loom_tokenizer *t);
/* Encodes to at most max tokens, specials included and kept, cutting the content on the right as
 * `tokenizers`' truncation does; *truncated says whether it cut. */
enum loom_status loom_tokenizer_encode_max(const struct loom_tokenizer *t, const char *text, size_t n, bool add_special,
	size_t max, struct loom_encoding *e, bool *truncated, struct loom_err *err) LOOM_MUST_CHECK;

#endif
