/* manifest_internal.h: between the files that read a manifest: manifest_values.c (texts, lists, flags), manifest_rows.c (config, layers, rules),
 * manifest_blocks.c, manifest_read.c (the rest, and the order). Messages name the line and the member. */
#ifndef LOOM_MANIFEST_INTERNAL_H
#define LOOM_MANIFEST_INTERNAL_H

#include <jansson.h>

#include "manifest.h"

#define LOOM_MANIFEST_ROWS 256   /* of each list */
#define LOOM_MANIFEST_TEXT 4000  /* bytes of each text; a list of names is one */

struct loom_manifest_reader {
	const char *text, *where;
	size_t n;
	struct loom_arena *arena;
	struct loom_err *err;
};
/* "loom.json:17: blocks[0].steps[3]: …" */
enum loom_status loom_manifest_fail(const struct loom_manifest_reader *r, const char *path, const char *fmt, ...) LOOM_PRINTF(3, 4);
enum loom_status loom_manifest_no_memory(const struct loom_manifest_reader *r);
/* Members of obj must be among those named; what is near is suggested. */
enum loom_status loom_manifest_only(const struct loom_manifest_reader *r, const json_t *obj, const char *path, const char *const *names);
/* A text without control characters; numbers and booleans count as their text. Absent: NULL. */
enum loom_status loom_manifest_text(const struct loom_manifest_reader *r, const json_t *v, const char *path, const char **out);
/* A text, or a list of texts that become one with "|" between. Absent: NULL. */
enum loom_status loom_manifest_list(const struct loom_manifest_reader *r, const json_t *v, const char *path, const char **out);
enum loom_status loom_manifest_flag(const struct loom_manifest_reader *r, const json_t *v, const char *path, bool *out);
enum loom_status loom_manifest_bits(const struct loom_manifest_reader *r, const json_t *v, const char *path, uint32_t *out);
/* The entries of the list `member` of root, each read into a row of `size` bytes, and one empty row more. *out: the first; *n: how many. */
enum loom_status loom_manifest_each(const struct loom_manifest_reader *r, const json_t *root, const char *member, size_t size,
	enum loom_status (*read)(const struct loom_manifest_reader *r, const json_t *v, const char *path, void *row), size_t *n, void *out);

enum loom_status loom_manifest_keys(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f);
enum loom_status loom_manifest_layers(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f);
enum loom_status loom_manifest_rules(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f);
enum loom_status loom_manifest_blocks(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f);

#endif
