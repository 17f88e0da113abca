/* unicode.h: character classes and mappings as `tokenizers` has them, which are of several Unicode versions
 * at once: general categories from utf8proc, then the differences in unicode_tables.c. Stages ask here and
 * never utf8proc, so that what the library does is written in one place. */
#ifndef LOOM_UNICODE_H
#define LOOM_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum loom_uc {
	/* Oniguruma's properties, in split and replace patterns: \p{L} …, \d, \w */
	LOOM_UC_ONIG_L, LOOM_UC_ONIG_N, LOOM_UC_ONIG_M, LOOM_UC_ONIG_P, LOOM_UC_ONIG_S, LOOM_UC_ONIG_LU, LOOM_UC_ONIG_LL,
	LOOM_UC_ONIG_LM, LOOM_UC_ONIG_LO, LOOM_UC_ONIG_ND, LOOM_UC_ONIG_W,
	LOOM_UC_WORD,    /* \w of the Whitespace pre-tokenizer and of single_word */
	LOOM_UC_NUMERIC, /* Digits */
	LOOM_UC_PUNCT,   /* Punctuation and BertPreTokenizer */
	LOOM_UC_CONTROL, /* what BertNormalizer's clean_text removes, besides U+0000 and U+FFFD */
	LOOM_UC_MARK_N,  /* what BertNormalizer's strip_accents removes */
	LOOM_UC_MARK,    /* what StripAccents removes */
	/* Grapheme clusters: joins the one before; joins the one after; joins none; Extended_Pictographic; Indic
	 * consonants and the signs that link them */
	LOOM_UC_G_EXTEND, LOOM_UC_G_PREPEND, LOOM_UC_G_CONTROL, LOOM_UC_G_PICTURE, LOOM_UC_G_CONSONANT, LOOM_UC_G_LINKER,
	LOOM_UC_N
};

struct loom_uc_range {
	uint32_t first, last;
};
struct loom_uc_ranges {
	const struct loom_uc_range *r; /* [n] sorted */
	size_t n;
};
struct loom_uc_lower {
	uint32_t cp, to[2]; /* to[1]: 0 when one character */
};
struct loom_uc_class {
	uint32_t categories; /* bit mask of utf8proc categories */
	struct loom_uc_ranges set, clear; /* where the library says otherwise */
};
extern const struct loom_uc_class loom_uc_classes[LOOM_UC_N];
struct loom_uc_script_range {
	uint32_t first, last;
	uint8_t script;
};
extern const struct loom_uc_script_range loom_uc_scripts[]; /* [loom_uc_n_scripts] sorted (unicode_scripts.c) */
extern const size_t loom_uc_n_scripts;
extern const struct loom_uc_lower loom_uc_lower[]; /* [loom_uc_n_lower] sorted by cp */
extern const size_t loom_uc_n_lower;
extern const struct loom_uc_ranges loom_uc_no_nfd, loom_uc_no_nfkd, loom_uc_no_ccc;

bool loom_uc_is(uint32_t cp, enum loom_uc cls);
/* White_Space, the same in every version. */
bool loom_uc_is_space(uint32_t cp);
/* Its script as UnicodeScripts has it (Han, Hiragana and Katakana are one): a number without meaning of its own. */
#define LOOM_SCRIPT_ANY 0
int loom_uc_script(uint32_t cp);
/* One or two characters; returns how many. */
int loom_uc_to_lower(uint32_t cp, uint32_t out[2]);
/* Full canonical (or compatibility) decomposition; returns how many, at most cap. */
size_t loom_uc_decompose(uint32_t cp, bool compat, uint32_t *out, size_t cap);
int loom_uc_combining_class(uint32_t cp);
/* The primary composite of a and b, 0 when there is none. */
uint32_t loom_uc_compose(uint32_t a, uint32_t b);
/* The character that stands for byte b in byte-level vocabularies (GPT-2's table), and back (-1: none). */
uint32_t loom_byte_char(uint8_t b);
int loom_char_byte(uint32_t cp);

#endif
