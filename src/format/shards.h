/* shards.h: the weights of a model folder: model.safetensors, or model.safetensors.index.json with its
 * shards. Shard names from the index must be plain file names. Every indexed tensor must be in its shard. */
#ifndef LOOM_SHARDS_H
#define LOOM_SHARDS_H

#include "store.h"

/* dir: the model folder. A folder with neither file: LOOM_E_NOT_FOUND, or LOOM_E_MODEL naming what is there
 * instead (pytorch_model.bin: "convert to safetensors"). When both exist the single file wins. */
enum loom_status loom_shards_open(struct loom_store *s, const char *dir, struct loom_err *err) LOOM_MUST_CHECK;

#endif
