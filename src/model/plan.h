/* plan.h: family + config → the flat op list of include/loom_backend.h, made once per loaded model. */
#ifndef LOOM_PLAN_H
#define LOOM_PLAN_H

#include "arena.h"
#include "buf.h"
#include "config.h"
#include "loom_backend.h"

/* Unrolls the family's block program. store NULL: weights stay unbound (their shapes are set). Everything is allocated in arena. keep: as loom_model.keep. */
enum loom_status loom_plan_build(struct loom_plan *p, const struct loom_config *cfg, const struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_arena *arena, struct loom_err *err) LOOM_MUST_CHECK;
/* The same of a GGUF file that is not there: layout takes down what would be looked for in it. */
struct loom_layout;
enum loom_status loom_plan_layout(struct loom_plan *p, const struct loom_config *cfg, struct loom_layout *layout, struct loom_arena *arena,
	struct loom_err *err) LOOM_MUST_CHECK;
/* The op list as text, one op a line with shapes, weights and taps (loom plan MODEL; golden tests). */
void loom_plan_print(const struct loom_plan *p, const struct loom_config *cfg, struct loom_buf *out);
const char *loom_op_name(enum loom_op_kind kind);
/* Index of the TAP op of a site at a layer (HIDDEN: 0..L; sites without layers: layer -1); -1 when the plan has none. */
int32_t loom_plan_tap(const struct loom_plan *p, enum loom_site site, int32_t layer);

#endif
