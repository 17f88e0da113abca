/* resident_memory.c: how much memory a model needs and may have: weights, workspace, KV pages; refused before a weight is read when it does not fit. */
#include "engine_internal.h"

#include <stdio.h>

#include "keep.h"
#include "mem.h"

#define MAX_OUT_ROWS 128  /* rows of logits in a step: sequences that decode at once */
#define SHARED_PAGES 2048 /* beyond one sequence of full length */
#define MAX_STATES 64     /* sequences that run at once where each keeps a state beside its pages */
#define KEEP_BYTES ((uint64_t)64 << 20) /* of pages kept for prompts that begin alike, and a twentieth of the weights beside it */

static int64_t position_limit(const struct loom_engine *e, const struct loom_config *cfg)
{
	int64_t n = e->opts.max_context;
	if (cfg->pos == LOOM_POS_LEARNED || !cfg->causal)
		return cfg->n_ctx;
	n = n < cfg->n_ctx ? cfg->n_ctx : n;
	return n < LOOM_MAX_CONTEXT ? n : LOOM_MAX_CONTEXT;
}

uint64_t loom_resident_state_bytes(const struct loom_resident *r, int32_t n_page)
{
	struct loom_state_opts o = r->state_opts;
	o.n_page = n_page;
	return r->backend->state_bytes(&r->opened.model->plan, &o);
}

/* "12.3 MiB" */
static const char *size_text(uint64_t bytes, char out[32])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double v = (double)bytes / 1024;
	size_t u = 0;
	while (v >= 1000 && u < 3) {
		v /= 1024;
		u++;
	}
	snprintf(out, 32, "%.*f %s", v < 10 ? 2 : 1, v, units[u]);
	return out;
}

static enum loom_status too_large(const struct loom_resident *r, uint64_t need, uint64_t budget, uint64_t idle, struct loom_err *err)
{
	double fraction = r->engine->opts.memory_fraction;
	char held[64] = "", t[6][32];
	if (idle > 0)
		snprintf(held, sizeof held, ", %s of them held by idle models", size_text(idle, t[0]));
	return loom_err_set(err, LOOM_E_MEMORY, "model %.200s needs %s (weights %s, workspace and at least %d KV pages %s); %s "
		"may be used: memory fraction %.2f of %s available%s", r->source.id, size_text(need, t[1]), size_text(r->model_bytes, t[2]),
		(int)r->state_opts.n_page, size_text(need - r->model_bytes, t[3]), size_text(budget, t[4]), fraction,
		size_text((uint64_t)((double)budget / fraction), t[5]), held);
}

static void add_idle(void *ctx, const struct loom_entry_info *i)
{
	struct loom_model_info info;
	if (!i->resident || i->pins > 0)
		return;
	loom_resident_info(i->resident, &info);
	*(uint64_t *)ctx += info.memory_bytes;
}

/* Rows of a step and KV pages: at most half of what the weights leave, so that another model has room. idle: bytes that unloading the idle
 * models would free, counted as free. */
static enum loom_status plan_memory(struct loom_resident *r, uint64_t idle, struct loom_err *err)
{
	const struct loom_engine_opts *o = &r->engine->opts;
	const struct loom_plan *p = &r->opened.model->plan;
	loom_keep_sweep(0);
	uint64_t available = loom_mem_available();
	available = available ? available + idle : 0;
	uint64_t budget = available ? (uint64_t)((double)available * o->memory_fraction) : UINT64_MAX / 2;
	r->max_position = position_limit(r->engine, &r->opened.model->cfg);
	int32_t step = o->step_tokens, floor = loom_kv_need(r->max_position < 512 ? r->max_position : 512);
	if (!p->causal) {
		step = step < r->max_position ? (int32_t)r->max_position : step;
		floor = loom_kv_need(r->max_position);
	}
	r->state_opts = (struct loom_state_opts){.max_tok = step, .n_page = floor, .n_thread = o->n_thread};
	r->state_opts.n_state = p->state_floats > 0;
	r->state_opts.max_out = p->causal && p->n_logit > 0 && step > MAX_OUT_ROWS ? MAX_OUT_ROWS : step;
	r->model_bytes = r->backend->model_bytes(p);
	uint64_t least = loom_resident_state_bytes(r, floor), page = loom_resident_state_bytes(r, floor + 1) - least, need = r->model_bytes + least;
	if (need > budget)
		return too_large(r, need, budget, idle, err);
	int64_t want = (int64_t)loom_kv_need(r->max_position) + SHARED_PAGES, more = want - floor;
	if (p->state_floats > 0) { /* half of what there is for sequences: as many of them at once as their states have room */
		uint64_t states = (budget - need) / 4 / ((uint64_t)p->state_floats * sizeof(float));
		r->state_opts.n_state += (int32_t)(states < MAX_STATES - 1 ? states : MAX_STATES - 1);
		need = r->model_bytes + loom_resident_state_bytes(r, floor);
	}
	uint64_t room = (budget - need) / 2 / (page ? page : 1);
	more = more > 0 && room < (uint64_t)more ? (int64_t)room : more;
	r->state_opts.n_page = floor + (int32_t)(more > 0 ? more : 0);
	int64_t positions = (int64_t)r->state_opts.n_page * LOOM_PAGE;
	r->page_bound = positions < r->max_position;
	r->max_position = r->page_bound ? positions : r->max_position;
	return LOOM_OK;
}

enum loom_status loom_resident_make_room(struct loom_resident *r, struct loom_entry *entry, struct loom_err *err)
{
	struct loom_registry *registry = r->engine->registry;
	uint64_t idle = 0;
	loom_registry_each(registry, add_idle, &idle);
	enum loom_status st = plan_memory(r, idle, err);
	if (!st)
		st = loom_registry_admit(registry, entry, err);
	if (st)
		return st;
	while ((st = plan_memory(r, 0, err)) == LOOM_E_MEMORY) {
		if (!loom_registry_evict(registry))
			break;
	}
	return st;
}

int32_t loom_resident_kept_pages(const struct loom_resident *r)
{
	uint64_t page = loom_resident_state_bytes(r, 2) - loom_resident_state_bytes(r, 1), n = (KEEP_BYTES + r->model_bytes / 20) / (page ? page : 1);
	uint64_t most = (uint64_t)r->state_opts.n_page / 2;
	return (int32_t)(n < most ? n : most);
}
