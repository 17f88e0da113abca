/* hub_list.h: what a repo holds at a commit, and which of it a model needs. */
#ifndef LOOM_HUB_LIST_H
#define LOOM_HUB_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "hub_cache.h"
#include "hub_names.h"
#include "table.h"

struct loom_hub_entry {
	const char *name;   /* path inside the repo, checked by loom_hub_valid_file */
	int64_t size;       /* -1: not said */
	const char *sha256; /* of a large file; NULL else */
	const char *blob;   /* git's SHA-1, of the pointer for a large file; NULL not said */
	bool chosen;
};
struct loom_hub_list {
	struct loom_arena arena;
	char commit[LOOM_HUB_COMMIT_CAP];
	struct loom_hub_entry *e; /* [n] */
	size_t n;
	struct loom_table by_name;
};
void loom_hub_list_init(struct loom_hub_list *l);
void loom_hub_list_release(struct loom_hub_list *l);
/* The hub's answer about a revision ("sha", "siblings"). Hostile: any name that could leave the folder refuses the whole list. */
enum loom_status loom_hub_list_parse(struct loom_hub_list *l, const char *text, size_t n, struct loom_err *err) LOOM_MUST_CHECK;
struct loom_hub_entry *loom_hub_list_find(const struct loom_hub_list *l, const char *name);

/* The small files that any model may have, NULL at the end. Whether each is there or not decides what a model means. */
extern const char *const loom_hub_small_names[];

/* A growing choice of entries, in the order in which they are fetched. */
struct loom_hub_set {
	struct loom_hub_entry **v; /* [n] */
	size_t n, cap;
};
void loom_hub_set_release(struct loom_hub_set *s);
/* Each of these adds what is not chosen yet. */
enum loom_status loom_hub_pick_small(struct loom_hub_list *l, struct loom_hub_set *s, struct loom_err *err) LOOM_MUST_CHECK;
/* The folders that the snapshot's modules.json names: their configurations and, with weights, the weights of modules. */
enum loom_status loom_hub_pick_modules(struct loom_hub_list *l, const struct loom_hub_repo *r, bool weights, struct loom_hub_set *s,
	struct loom_err *err) LOOM_MUST_CHECK;
/* model.safetensors, else all shards of the snapshot's index, else the only GGUF. Pickles alone, or many GGUF: LOOM_E_MODEL that says
 * what to do. */
enum loom_status loom_hub_pick_weights(struct loom_hub_list *l, const struct loom_hub_repo *r, const struct loom_hub_id *id,
	struct loom_hub_set *s, struct loom_err *err) LOOM_MUST_CHECK;
enum loom_status loom_hub_pick_file(struct loom_hub_list *l, const struct loom_hub_id *id, const char *name, struct loom_hub_set *s,
	struct loom_err *err) LOOM_MUST_CHECK;
/* The weights that loom_hub_pick_weights would take, in words ("model.safetensors", "4 shards", "x.gguf"), "" none; their bytes as far
 * as the list says. */
void loom_hub_weights_seen(const struct loom_hub_list *l, char *out, size_t cap, uint64_t *bytes);

#endif
