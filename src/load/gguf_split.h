/* gguf_split.h: a model in several GGUF files, NAME-00001-of-00003.gguf and so on: the first holds the metadata, each its share of the tensors. */
#ifndef LOOM_GGUF_SPLIT_H
#define LOOM_GGUF_SPLIT_H

#include "gguf.h"

/* loom_gguf_open, and the tensors of all the other files when path is the first of several. */
enum loom_status loom_gguf_split_open(struct loom_gguf *g, struct loom_store *s, const char *path, struct loom_err *err) LOOM_MUST_CHECK;
/* Is the file name that of a part; of the first part? */
bool loom_gguf_split_name(const char *name);
bool loom_gguf_split_first(const char *name);

#endif
