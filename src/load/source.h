/* source.h: from a model id to files. An id is "org/name" or "name" (optionally "@revision") in the Hugging Face cache, a local
 * folder, or a .gguf file (or a folder or cached repo whose only weights are one GGUF). No network here. */
#ifndef LOOM_SOURCE_H
#define LOOM_SOURCE_H

#include <limits.h>
#include <stdbool.h>

#include "err.h"
#include "model.h"
#include "class_head.h"
#include "st_config.h"
#include "tokenizer.h"

enum loom_loader { LOOM_LOADER_TRANSFORMERS, LOOM_LOADER_SENTENCE_TRANSFORMERS, LOOM_LOADER_CUSTOM, LOOM_LOADER_GGUF, LOOM_N_LOADER };
const char *loom_loader_name(enum loom_loader l);
int loom_loader_parse(const char *name); /* -1 unknown */
struct loom_loader_facts {
	const char *name, *type, *description; /* type: "folder" or "file" */
};
const struct loom_loader_facts *loom_loader_facts(enum loom_loader l);
/* The loaders that may be used when nobody names one, in the order in which they are tried when the one that recognises a model can't open it. */
struct loom_loader_order {
	enum loom_loader v[LOOM_N_LOADER];
	int n;
};
/* o itself; every loader when it is NULL or empty. */
const struct loom_loader_order *loom_loader_order(const struct loom_loader_order *o);

struct loom_source {
	char id[512];        /* as the client wrote it */
	char path[PATH_MAX]; /* the model folder, or the .gguf file */
	bool is_gguf;
	bool cached;             /* from the Hugging Face cache, not a path of the client's */
	char remote_weights[128]; /* the weights are on the hub, not here: what they are; "" otherwise (hub.h) */
};
/* cache_dir NULL: the environment's (hub_env.h). allow_local: may an id be a path?
 * Not found: LOOM_E_NOT_FOUND "no such model …, what was tried". An id that is neither a path nor a valid repo id: LOOM_E_NOT_FOUND too. */
enum loom_status loom_source_find(const char *id, const char *cache_dir, bool allow_local, struct loom_source *out,
	struct loom_err *err) LOOM_MUST_CHECK;

/* Which loaders can take it and why (not). reasons are for people. */
struct loom_probe {
	bool can[LOOM_N_LOADER];
	char reason[LOOM_N_LOADER][512];
	int detected;        /* the loader that the source is for, by its files; -1 none */
	int selected;        /* the one that would open it; -1 none */
	char architecture[96];
};
enum loom_status loom_source_probe(const struct loom_source *s, const struct loom_loader_order *order, struct loom_probe *out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* Is what marks a source for this loader there (modules.json, loom.json, …)? */
bool loom_loader_marked(enum loom_loader l, const struct loom_source *s);
int loom_loader_detect(const struct loom_source *s, const struct loom_loader_order *order); /* as loom_probe.detected */

/* The parts of an opened model, weights unread. */
struct loom_opened {
	struct loom_model *model;
	struct loom_tokenizer *tokenizer; /* may be NULL for plan-only */
	struct loom_st_config st;
	struct loom_class_head head; /* n_layer 0: the model classifies nothing */
	enum loom_loader loader;
	bool types;          /* the tokenizer tells the model which text of a pair a token is of */
	char note[160];      /* "" or why another loader than the one that recognises the model opened it */
	int64_t max_seq;     /* embedding truncation limit: st max_seq_length, else tokenizer_config's model_max_length when sane, else n_ctx */
};
void loom_opened_init(struct loom_opened *o);
void loom_opened_release(struct loom_opened *o);
/* loader -1: the one that recognises the source, then the others of order (NULL: all) that could. keep: LOOM_DTYPE_UNKNOWN = as stored.
 * quantization: what is asked for (loom_quant_config_ask); NULL: what the files are. */
enum loom_status loom_source_open(const struct loom_source *s, int loader, const struct loom_loader_order *order, enum loom_dtype keep,
	const char *quantization, struct loom_opened *out, struct loom_err *err) LOOM_MUST_CHECK;
/* Only what `loom plan` and `loom tokenize` need. */
enum loom_status loom_source_plan(const struct loom_source *s, struct loom_model **out, struct loom_err *err) LOOM_MUST_CHECK;
/* The same, said to be custom or not (loom_source_plan: as loom.json is there or not). */
enum loom_status loom_source_plan_as(const struct loom_source *s, bool custom, struct loom_model **out, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_source_tokenizer(const struct loom_source *s, struct loom_tokenizer **out, struct loom_err *err) LOOM_MUST_CHECK;

#endif
