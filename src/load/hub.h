/* hub.h: models from the Hugging Face hub into the cache that huggingface_hub uses, and from there. Nothing of a repo is ever executed,
 * pickled files are never fetched, every byte is checked against its hash before a name stands for it. */
#ifndef LOOM_HUB_H
#define LOOM_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "source.h"

struct loom_hub_progress {
	uint64_t done_bytes, total_bytes; /* of what had to be fetched; total grows while the files are being listed */
	size_t n_done, n_file;
	const char *file;                 /* the one that has just come whole, or NULL */
	uint64_t file_bytes;
};
enum loom_hub_need {
	LOOM_HUB_SMALL,   /* configuration and tokenizer: what probe, plan and tokenize read */
	LOOM_HUB_WEIGHTS, /* everything that running the model takes */
};
struct loom_hub_opts {
	const char *cache_dir;  /* NULL: the environment's */
	bool allow_local;       /* an id may be a path */
	enum loom_hub_need need;
	/* Called now and then, from any thread but never by two at once; false gives the download up. May be NULL. */
	bool (*progress)(void *ctx, const struct loom_hub_progress *p);
	void *ctx;
};

/* The files of an id on this machine: a path, what the cache holds, or what the hub sends now. A model that the cache holds whole costs
 * no request. Weights that are on the hub but not here (need SMALL): out->remote_weights says which. */
enum loom_status loom_hub_source(const char *id, const struct loom_hub_opts *o, struct loom_source *out, struct loom_err *err)
	LOOM_MUST_CHECK;

/* Asks the hub in any case, and brings the cache up to date with it. files: only these (NULL: what the model needs). */
enum loom_status loom_hub_pull(const char *id, const char *const *files, size_t n_file, const struct loom_hub_opts *o,
	struct loom_source *out, struct loom_err *err) LOOM_MUST_CHECK;

#endif
