/* manifest.h: a family as a loom.json file: the same statements as family.h, in the same words (docs/custom-models.md). What a manifest says is
 * checked so that whatever passes can be run: no field, step or buffer is used that is not there. */
#ifndef LOOM_MANIFEST_H
#define LOOM_MANIFEST_H

#include "buf.h"
#include "family.h"

#define LOOM_MANIFEST_VERSION 1

/* Reads the manifest in text (n bytes of the file called where) into *out, which lives in arena. LOOM_E_MODEL names the line and the member. */
enum loom_status loom_manifest_read(const char *text, size_t n, const char *where, struct loom_arena *arena, const struct loom_family **out,
	struct loom_err *err) LOOM_MUST_CHECK;
/* The family as a manifest. */
void loom_manifest_write(const struct loom_family *f, struct loom_buf *out);

/* What a block program reads and writes, followed step by step: every buffer is written before it is read, attention reads keys that this
 * block stored, a site is tapped once, and buffers stand only where their width fits. NULL when all is well, else what is wrong, and the number
 * of the step in *step. */
const char *loom_block_fault(const struct loom_block *b, size_t *step);

/* Words of layer bits: LOOM_LAYER_WINDOW is "window". NULL and 0 for none. */
const char *loom_layer_bit_name(uint32_t bit);
uint32_t loom_layer_bit_find(const char *word);
const char *loom_layer_test_name(enum loom_layer_test t);
/* LOOM_TEST_END when there is none of that name. */
enum loom_layer_test loom_layer_test_find(const char *word);

#endif
