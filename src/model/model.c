/* model.c: config + plan + stored tensors, put together; and the sites a plan has. */
#include "model.h"

#include <stdio.h>
#include <string.h>

#include "str.h"
#include "weights.h"

static const char *const site_names[LOOM_N_SITE] = {
#define X(id, name) [LOOM_SITE_##id] = name,
	LOOM_SITE_LIST(X)
#undef X
};

const char *loom_site_name(enum loom_site site)
{
	return (unsigned)site < LOOM_N_SITE ? site_names[site] : "?";
}

int loom_site_parse(const char *name)
{
	for (int i = 0; i < LOOM_N_SITE; i++) {
		if (loom_str_eq(name, site_names[i])) {
			return i;
		}
	}
	return -1;
}

void loom_model_init(struct loom_model *m)
{
	memset(m, 0, sizeof(*m));
	loom_config_init(&m->cfg);
	loom_store_init(&m->store);
	loom_arena_init(&m->arena);
}

void loom_model_release(struct loom_model *m)
{
	loom_config_release(&m->cfg);
	loom_store_release(&m->store);
	loom_arena_release(&m->arena);
	loom_model_init(m);
}

/* The type that most bytes of the matrices have. */
static void say_stored(struct loom_model *m, bool gguf)
{
	uint64_t bytes[LOOM_N_DTYPE] = {0};
	enum loom_dtype most = LOOM_F32;

	for (int32_t i = 0; i < m->plan.n_weight; i++) {
		const struct loom_weight *w = &m->plan.weights[i];
		/* The embedding is often kept finer than the rest: it names the type only when nothing else does. */
		bool counts = w->kind == LOOM_WEIGHT_MATRIX && !w->lookup;
		for (int k = 0; k < w->n_part; k++) {
			bytes[w->part[k].tensor->dtype] += counts ? w->part[k].tensor->bytes : 1;
		}
	}
	for (int t = 0; t < LOOM_N_DTYPE; t++) {
		most = bytes[t] > bytes[most] ? (enum loom_dtype)t : most;
	}
	if (gguf && loom_dtype_block(most) > 1) {
		const char *mix = m->cfg.gguf_file_type;
		(void)snprintf(m->quantization, sizeof(m->quantization), "gguf:%s", mix[0] ? mix : loom_dtype_name(most));
		for (char *c = m->quantization + 5; !mix[0] && *c; c++) {
			*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
		}
	} else if (!gguf) {
		(void)snprintf(m->quantization, sizeof(m->quantization), "%s", loom_quant_config_name(&m->cfg.quant));
	}
}

enum loom_status loom_model_build(struct loom_model *m, struct loom_config *cfg, struct loom_store *store, bool gguf,
	enum loom_dtype keep, struct loom_err *err)
{
	enum loom_status rc;

	m->cfg = *cfg;
	m->store = *store;
	m->keep = keep;
	loom_config_init(cfg);
	loom_store_init(store);
	/* A larger model that stores a head means it, whatever its two configs say about tying. */
	m->cfg.tied = m->cfg.tied && !(m->cfg.tower && loom_role_stored(m->cfg.family, &m->store, gguf, "", LOOM_ROLE_HEAD, ".weight"));
	rc = loom_plan_build(&m->plan, &m->cfg, &m->store, gguf, keep, &m->arena, err);
	if (rc == LOOM_OK) {
		say_stored(m, gguf);
	}
	return rc;
}

enum loom_status loom_model_plan_only(struct loom_model *m, struct loom_config *cfg, struct loom_err *err)
{
	m->cfg = *cfg;
	loom_config_init(cfg);
	return loom_plan_build(&m->plan, &m->cfg, NULL, false, LOOM_DTYPE_UNKNOWN, &m->arena, err);
}

/* Bound tensors point into the store: once the files go, the parts go too. */
void loom_model_close_files(struct loom_model *m)
{
	for (int32_t i = 0; i < m->plan.n_weight; i++) {
		m->plan.weights[i].n_part = 0;
	}
	loom_store_release(&m->store);
}

void loom_model_site(const struct loom_model *m, enum loom_site site, struct loom_site_info *out)
{
	const struct loom_plan *p = &m->plan;

	memset(out, 0, sizeof(*out));
	for (int32_t i = 0; i < p->n_op; i++) {
		const struct loom_op *op = &p->ops[i];
		if (op->kind != LOOM_OP_TAP || op->site != site) {
			continue;
		}
		out->present = true;
		out->width = site == LOOM_SITE_ATTN_PROBS ? 0 : op->a.width;
		out->n_have += op->layer >= 0;
	}
	if (out->n_have > 0) {
		out->n_layer = p->n_layer + (site == LOOM_SITE_HIDDEN);
	}
}
