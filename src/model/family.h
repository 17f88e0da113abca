/* family.h: a model family as data. One const table a family, in families/; no functions, no branching on names elsewhere. A loom.json
 * manifest (manifest.h) states the same things in the same words.
 *
 * A table says: the names it answers to, where each field of the config comes from, what is particular to a layer, the name of each weight,
 * and which block programs (blocks.h) it runs. Lists of words are one string with "|" between. */
#ifndef LOOM_FAMILY_H
#define LOOM_FAMILY_H

#include "blocks.h"
#include "config.h"
#include "fields.h"
#include "roles.h"

/* Where a field's value comes from. Rows are read in order; a later row of the same field overrides what an earlier one found in the config,
 * never with its own default. */
struct loom_key {
	enum loom_field field;
	const char *keys;  /* config.json's names for it, the first that is there counts ("num_hidden_layers|n_layer"; "attn_config.alibi"
	                    * is inside an object); NULL: the value is always `value` */
	const char *value; /* when no key is there (fields.h: loom_field_set_text); NULL: the field stays as it is, or must be given */
	const char *map;   /* "true=grouped|false=split": the config's value to the field's text, anything else is refused; "*" at the end: taken
	                    * as it is; "*=split" at the end: that for anything else; "+1", "/2+1": done to the config's integer; "~word": is the
	                    * word in the config's list, or in its text "a|word"? "[]": an integer, or a list of that one; "@2": an entry of a list
	                    * of numbers; "#": the length
	                    * of a list or text;
	                    * NULL: the value as it is */
	const char *when;  /* the row counts only when this key is there and neither null nor false, or with "!" before it, when it is not so,
	                    * or when the field after "@" was given a value that is not 0; NULL: always */
};

/* Gives bits to layers. Of the rules that follow each other with the same bits the first whose key is in the config decides; when none is, the
 * first that has a value for its absence. */
enum loom_layer_test {
	LOOM_TEST_END,
	LOOM_TEST_FLAG,    /* the key is true: all layers */
	LOOM_TEST_IS,      /* the key's value is `word`: all layers */
	LOOM_TEST_WORD,    /* entry l of the list is among the words of `word` */
	LOOM_TEST_LETTER,  /* letter l of the text is `word` */
	LOOM_TEST_FLAGS,   /* entry l of the list is true or not 0 */
	LOOM_TEST_LISTED,  /* l is in the list */
	LOOM_TEST_FROM,    /* l >= the number */
	LOOM_TEST_BELOW,   /* l < the number */
	LOOM_TEST_ABOVE,   /* l > the number; -1: none is */
	LOOM_TEST_EVERY,   /* (l + 1) % the number == 0 */
	LOOM_TEST_MULTIPLE, /* l % the number == 0 */
	LOOM_TEST_PERIOD,   /* l % the number == that of another key: `word` is "key=number when absent" */
};
struct loom_layer_rule {
	uint32_t bits;
	enum loom_layer_test test;
	bool negate;
	const char *key, *word;
	const char *value; /* number, or true or false, when the key is absent; NULL: none */
	const char *when;  /* as in struct loom_key: else the rule is passed over */
};

/* A key that must have one of the values when it is there and not null; anything else is refused by name. Lists: each entry. Objects are
 * shown by "{}" when empty. "~M-*": a text of these letters. */
struct loom_key_rule {
	const char *key, *values;
};

/* The block program of the layers that have all these bits; the first that fits. */
struct loom_block_choice {
	uint32_t bits;
	const struct loom_block *block;
};

struct loom_family {
	const char *name;
	const char *types;                 /* model_type */
	const char *architectures;         /* the most usual first; those that end in LMHeadModel, ForCausalLM or ForConditionalGeneration
	                                    * have a language-model head when the table names one */
	const char *prefixes;              /* what may stand before weight names, most usual first */
	const struct loom_key *keys;       /* up to a row without keys and value */
	const struct loom_layer_rule *layers; /* up to LOOM_TEST_END; NULL: none */
	const struct loom_key_rule *rules; /* up to a NULL key; NULL: none */
	const char *ignored;               /* keys of the configuration class that change nothing in what Loom computes; NULL: none */
	const char *adapters;              /* the key that lists the names of low-rank adapters, one a task; NULL: the family has none */
	const char *adapter_prompts;       /* the key of an object: what stands before the texts of each */
	const char *rope;                  /* rope_parameters (JSON, compact) of a config that has neither these nor rope_scaling; NULL: plain ones */
	struct loom_role_name roles[LOOM_N_ROLE];
	const struct loom_block_choice *blocks; /* up to a NULL block */
	const char *gguf;                  /* general.architecture; "name:key": when its metadata has that key, a number above 0 or true, before
	                                    * families of the bare name; NULL: none */
	const struct loom_key *gguf_keys;  /* what its metadata says beyond what every architecture's does (config_gguf.c), in the names of
	                                    * gguf_tree.h; over `keys`, whose own values hold for GGUF too. Layer rules look there as well */
	bool gguf_permuted;                /* GGUF stores q and k in interleaved-rope order */
	bool gguf_head;                    /* GGUF files hold the head's matrix also where it is the embeddings' (other readers ask for it) */
};

/* All families, NULL-terminated (families/index.c). */
extern const struct loom_family *const loom_families[];

/* The family that answers to a name, a model_type, an architecture, a GGUF architecture; NULL when none does. */
const struct loom_family *loom_family_named(const char *name);
const struct loom_family *loom_family_of_type(const char *model_type);
const struct loom_family *loom_family_of_architecture(const char *architecture);
const struct loom_family *loom_family_of_gguf(const struct loom_gguf *g, const char *architecture);
/* Does the table give this key of config.json a meaning: read, checked, or known to change nothing? */
bool loom_family_knows(const struct loom_family *f, const char *key);

/* "a|b||c": *len is the length of the word at p; NULL after the last one: for (p = list; p; p = loom_words_next(p)). */
size_t loom_word_len(const char *p);
const char *loom_words_next(const char *p);
bool loom_words_have(const char *list, const char *word);

#endif
