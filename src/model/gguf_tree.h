/* gguf_tree.h: an architecture's GGUF metadata as a tree of JSON, so that the rows of a family's table read it as they read config.json. */
#ifndef LOOM_GGUF_TREE_H
#define LOOM_GGUF_TREE_H

#include <jansson.h>

#include "gguf.h"

/* {"attention": {"head_count": 8}, …} from the keys that begin with "arch."; besides, "stored": {"attn_norm_2": true} for every tensor
 * blk.N.NAME.weight or .bias (before it maybe "enc."; dots in NAME become "_"), "later" the same of N > 0, and the architecture's own name as a key that
 * is true. Numbers, booleans, short texts, arrays of up to 4096 numbers. A new reference; NULL: out of memory. */
json_t *loom_gguf_tree(const struct loom_gguf *g, const struct loom_store *s, const char *arch);

#endif
