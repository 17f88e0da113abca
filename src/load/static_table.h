/* static_table.h: sentence-transformers' StaticEmbedding (and model2vec's models, which it reads too): a table with a row for each token, no
 * transformer. Its config is made here, since no file states one; the engine runs the plan of no blocks that follows from it. */
#ifndef LOOM_STATIC_TABLE_H
#define LOOM_STATIC_TABLE_H

#include "config.h"
#include "st_config.h"
#include "store.h"

/* store: the module's model.safetensors. Fills cfg, and st->rows and st->weights where the file has them ("mapping": tokens that share rows; "weights":
 * what each token's row is times). */
enum loom_status loom_static_table_read(struct loom_config *cfg, struct loom_store *store, struct loom_st_config *st, struct loom_err *err)
	LOOM_MUST_CHECK;

#endif
