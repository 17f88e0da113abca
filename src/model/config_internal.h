/* config_internal.h: what the files that read a config share: config.c, config_json.c, config_keys.c, config_layers.c, config_gguf.c. */
#ifndef LOOM_CONFIG_INTERNAL_H
#define LOOM_CONFIG_INTERNAL_H

#include "config.h"
#include "family.h"
#include "jsonx.h"

/* The values that fields have when a family says nothing of them. */
void loom_config_features(struct loom_config *cfg, const struct loom_family *f);
/* Derived sizes (kv heads, head width, feed-forward width, score scale) and the checks that hold for every model. 0 means "not given" for
 * n_head_kv, d_head and n_ffn. */
enum loom_status loom_config_finish(struct loom_config *cfg, const char *where, struct loom_err *err) LOOM_MUST_CHECK;

/* config_keys.c: rows (up to one without keys and value) over a config, and the family's rules. root NULL: no key is there: the rows' own
 * values only. */
enum loom_status loom_config_rows(struct loom_config *cfg, const struct loom_key *rows, const json_t *root, const char *where,
	struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_config_rules(const struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
	LOOM_MUST_CHECK;
/* The first of the keys ("a|b.c") that root has: the object that holds it, and its name there in *leaf (points into buf). NULL: none. */
const json_t *loom_config_find(const json_t *root, const char *keys, char buf[64], const char **leaf);
/* Does the value of a rule's or map's text equal v: strings bare, all else as compact JSON. */
bool loom_config_text_is(const json_t *v, const char *text, size_t n);

/* rope_json.c: cfg->ropes from rope_parameters (transformers 5) or rope_scaling (4) and the theta fields; none when positions are not
 * rotary. The first rope is that of full attention, a second that of sliding layers. */
enum loom_status loom_rope_from_json(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
	LOOM_MUST_CHECK;

/* "key", "!key" or "@field" (struct loom_key's when); NULL: true. */
bool loom_config_when(const struct loom_config *cfg, const json_t *root, const char *when);

/* config_layers.c: cfg->layers from the family's layer rules: bits, windows, ropes, blocks. Sizes and the number of ropes are there. */
enum loom_status loom_config_layers(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err) LOOM_MUST_CHECK;

/* The names that mean the same in GGUF files of every architecture. config_gguf.c */
extern const struct loom_key loom_gguf_common[];

/* Keys of any model that change nothing in what Loom computes, or that the reader itself reads. config_json.c */
bool loom_config_common_key(const char *key);

#endif
