/* model.h: an opened model: config, plan, and the stored tensors its weights are bound to. Weights are not read here: a
 * backend does that (include/loom_backend.h). load/ finds the files, the engine brings model and backend together. */
#ifndef LOOM_MODEL_H
#define LOOM_MODEL_H

#include "config.h"
#include "plan.h"
#include "store.h"

struct loom_model {
	struct loom_config cfg;
	struct loom_store store;  /* open files; released after the backend has read them (loom_model_close_files) */
	struct loom_plan plan;    /* weights bound to tensors of the store */
	struct loom_arena arena;  /* owns the plan */
	enum loom_dtype keep;     /* matrices are kept as this; UNKNOWN = as stored */
	char quantization[32];    /* "gguf:Q4_K_M", "gptq", "4bit", …; "" when no matrix is quantized */
};

void loom_model_init(struct loom_model *m);
void loom_model_release(struct loom_model *m);

/* Takes a filled cfg and store (moved into m; the originals are emptied) and makes the plan: binds every weight, reporting all missing and mis-shaped
 * tensors in one message. gguf: tensor names are GGUF's. */
enum loom_status loom_model_build(struct loom_model *m, struct loom_config *cfg, struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_err *err) LOOM_MUST_CHECK;
/* The plan of a config alone, no weights bound (loom plan MODEL). */
enum loom_status loom_model_plan_only(struct loom_model *m, struct loom_config *cfg, struct loom_err *err) LOOM_MUST_CHECK;
void loom_model_close_files(struct loom_model *m);

/* Does the plan have this site; its width (0: depends on the keys: ATTN_PROBS) and its layers: they are counted as the model's blocks are, HIDDEN's
 * L+1 entries, though some may lack the site (n_have): a mixer that is not attention has no queries, a dense layer no router. */
struct loom_site_info {
	bool present;
	int32_t width, n_layer; /* n_layer 0: a site without layers */
	int32_t n_have;
};
void loom_model_site(const struct loom_model *m, enum loom_site site, struct loom_site_info *out);
const char *loom_site_name(enum loom_site site);
/* -1 when no site has that name. */
int loom_site_parse(const char *name);

#endif
