/* st_config.h: a sentence-transformers folder's own word on how to embed: modules.json (Transformer, Pooling, then Dense, LayerNorm and
 * Normalize in any order), the modules' folders, sentence_bert_config.json, config_sentence_transformers.json. */
#ifndef LOOM_ST_CONFIG_H
#define LOOM_ST_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "st_modules.h"

enum loom_pooling {
	LOOM_POOL_CLS, LOOM_POOL_MEAN, LOOM_POOL_MAX, LOOM_POOL_LAST, LOOM_POOL_WEIGHTED_MEAN, LOOM_POOL_MEAN_SQRT_LEN, LOOM_POOL_NONE,
	LOOM_N_POOL
};
/* api.md names: "cls" and "first_token", "mean", "max", "last_token", "weightedmean", "mean_sqrt_len_tokens", "none"; -1. */
int loom_pooling_parse(const char *name);
const char *loom_pooling_name(enum loom_pooling p);

struct loom_st_prompt {
	const char *name, *text;
};
struct loom_st_config {
	struct loom_arena arena;
	bool present;             /* modules.json is there and understood */
	enum loom_pooling pooling; /* the first of the modes */
	enum loom_pooling pools[LOOM_N_POOL]; /* [n_pool] put one behind the other */
	int n_pool;
	bool sparse;              /* SPLADE: log(1 + relu) of the words' logits, pooled over the tokens */
	bool sparse_sum, sparse_twice; /* ... by their sum instead of the largest; log(1 + x) of that once more */
	bool include_prompt;      /* false: the prompt's tokens are not pooled */
	struct loom_layer_of *layers; /* [n_layer] behind the pooling */
	int n_layer;
	bool fixed;               /* StaticEmbedding: a table of words instead of a transformer (static_table.h) */
	int32_t *rows;            /* [n_rows] the table's row of each token; NULL: its own number */
	float *weights;           /* [n_rows] what it is times before it is pooled; NULL: 1 */
	int32_t n_rows;
	char body[256];           /* the Transformer's folder inside the model's; "": the same */
	int64_t max_seq_length;   /* 0: none given */
	int do_lower_case;        /* -1 unsaid */
	const char *score_act;    /* the activation of a cross-encoder's scores; NULL unsaid */
	struct loom_st_prompt *prompts; /* [n_prompt] */
	int n_prompt;
	const char *default_prompt; /* NULL none */
};
/* The folder inside dir that holds the transformer or the table of words: "" where that is dir itself, or where modules.json can't say. *fixed: it is a
 * table. */
void loom_st_body(const char *dir, char *out, size_t cap, bool *fixed);
void loom_st_config_init(struct loom_st_config *c);
void loom_st_config_release(struct loom_st_config *c);
/* dir without modules.json: present stays false, LOOM_OK. A module Loom does not run: LOOM_E_MODEL with its type. */
enum loom_status loom_st_config_load(struct loom_st_config *c, const char *dir, struct loom_err *err) LOOM_MUST_CHECK;

#endif
