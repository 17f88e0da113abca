/* resident.c: opening a model: files, room for it (resident_memory.c), weights into the backend, KV pages, its worker; and what can be said of it.
 *
 * Called by the registry, without its lock; weights are read one model at a time. */
#include "engine_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "str.h"
#include "threads.h"


/* ---- device ---- */

#define NO_DEVICE "no CUDA device here (%.32s was asked for): running on the CPU"

static bool is_cuda(const char *d)
{
	if (strncmp(d, "cuda", 4) != 0 || (d[4] != 0 && d[4] != ':'))
		return false;
	if (d[4] == ':' && d[5] == 0)
		return false;
	for (const char *p = d + 4 + (d[4] == ':'); *p; p++) {
		if (!isdigit((unsigned char)*p))
			return false;
	}
	return true;
}

void loom_engine_device(const struct loom_engine *e, const char *asked, char *out, size_t cap)
{
	loom_str_copy(out, cap, strcmp(asked, "cuda") == 0 ? "cuda:0" : asked);
	if (is_cuda(out) && e->opts.fallback && !loom_backend_find(out))
		loom_str_copy(out, cap, "cpu");
}

static enum loom_status choose_device(struct loom_resident *r, const char *device, struct loom_err *err)
{
	const struct loom_engine_opts *o = &r->engine->opts;
	bool listed = o->n_device == 0 || strcmp(device, "cpu") == 0 || strcmp(device, o->device) == 0;
	if (!is_cuda(device) && strcmp(device, "cpu") != 0)
		return loom_err_param(err, LOOM_E_INVALID, "device", "\"%.64s\": expected cpu, cuda or cuda:N", device);
	for (size_t i = 0; !listed && i < o->n_device; i++)
		listed = strcmp(device, o->devices[i]) == 0 || (strcmp(device, "cuda") == 0 && strcmp(o->devices[i], "cuda:0") == 0);
	if (!listed)
		return loom_err_param(err, LOOM_E_INVALID, "device", "\"%.64s\" is none of the devices that this server may use (gpu.devices)", device);
	r->backend = loom_backend_find(device);
	loom_str_copy(r->device, sizeof r->device, device);
	if (r->backend)
		return LOOM_OK;
	if (!o->fallback)
		return loom_err_param(err, LOOM_E_INVALID, "device", "\"%.64s\": no CUDA device here, and gpu.fallback is false", device);
	r->backend = loom_backend_find("cpu");
	if (!r->backend)
		return loom_err_set(err, LOOM_E_UNAVAILABLE, "no backend for the CPU in this build");
	loom_str_copy(r->device, sizeof r->device, "cpu");
	snprintf(r->warning, sizeof r->warning, NO_DEVICE, device);
	return LOOM_OK;
}

void loom_engine_warn_device(const struct loom_engine *e, const char *asked, struct loom_model_info *info)
{
	char device[64];
	if (!asked || !is_cuda(asked) || info->warning[0])
		return;
	loom_engine_device(e, asked, device, sizeof device);
	if (!is_cuda(device))
		snprintf(info->warning, sizeof info->warning, NO_DEVICE, asked);
}

/* ---- opening ---- */

struct progress {
	struct loom_entry *entry;
	const char *id;
	int shown;
	bool terminal;
};

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;
	int percent = total ? (int)(100.0 * (double)done / (double)total) : 100;
	loom_entry_progress(p->entry, LOOM_LOAD_READING, total ? (double)done / (double)total : 1);
	if (percent == p->shown || !p->terminal)
		return;
	p->shown = percent;
	fprintf(stderr, "\rloading %s: %3d%%%s", p->id, percent, percent == 100 ? "\n" : "");
}

static const char *const computes[LOOM_N_COMPUTE] = {"float32", "bf16", "int8", "llm.int8"};

int loom_compute_parse(const char *name)
{
	for (int i = 0; i < LOOM_N_COMPUTE; i++) {
		if (loom_str_eq(name, computes[i]))
			return i;
	}
	return -1;
}

const char *loom_compute_name(enum loom_compute c)
{
	return computes[c];
}

static enum loom_status check_spec(const struct loom_load_spec *spec, struct loom_err *err)
{
	if (spec->dtype != LOOM_DTYPE_UNKNOWN && spec->dtype != LOOM_F32 && spec->dtype != LOOM_F16 && spec->dtype != LOOM_BF16)
		return loom_err_param(err, LOOM_E_INVALID, "dtype", "%s: expected auto, float32, float16 or bfloat16",
			loom_dtype_name(spec->dtype));
	if (spec->compute && loom_compute_parse(spec->compute) < 0)
		return loom_err_param(err, LOOM_E_INVALID, "compute", "\"%.32s\": expected float32, bf16, int8 or llm.int8", spec->compute);
	return LOOM_OK;
}

/* The mode, and the type of the matrices that follows from it. */
static enum loom_status choose_compute(const struct loom_resident *r, const struct loom_load_spec *spec, enum loom_compute *compute,
	enum loom_dtype *keep, struct loom_err *err)
{
	*compute = spec->compute ? (enum loom_compute)loom_compute_parse(spec->compute) : r->engine->opts.compute;
	*keep = spec->dtype;
	if (*compute != LOOM_COMPUTE_BF16)
		return LOOM_OK;
	if (spec->dtype != LOOM_DTYPE_UNKNOWN && spec->dtype != LOOM_BF16)
		return loom_err_param(err, LOOM_E_INVALID, "dtype", "%s with compute bf16, which keeps matrices as bfloat16: expected auto or bfloat16",
			loom_dtype_name(spec->dtype));
	*keep = LOOM_BF16;
	return LOOM_OK;
}

static enum loom_status read_weights(struct loom_resident *r, struct loom_entry *entry, struct loom_err *err)
{
	const struct loom_engine_opts *o = &r->engine->opts;
	struct loom_model *m = r->opened.model;
	struct progress progress = {.entry = entry, .id = r->source.id, .shown = -1, .terminal = o->show_progress && isatty(STDERR_FILENO)};
	struct loom_load_opts load = {.n_thread = o->n_thread, .progress = show_progress, .progress_ctx = &progress};
	enum loom_status st = r->backend->model_new(&m->plan, &m->store, &load, &r->device_model, err);
	loom_model_close_files(m);
	if (!st)
		st = r->backend->state_new(r->device_model, &r->state_opts, &r->device_state, err);
	return st;
}

/* Has the model matrices that the mode multiplies in its own way? */
static bool has_use(const struct loom_plan *p, enum loom_compute compute)
{
	for (int32_t i = 0; i < p->n_weight; i++) {
		const struct loom_weight *w = &p->weights[i];
		for (int k = 0; k < w->n_part && w->packed; k++) {
			const struct loom_quant *q = w->part[k].quant;
			if (compute == LOOM_COMPUTE_INT8 || (q && (q->kind == LOOM_QUANT_BNB8 || q->kind == LOOM_QUANT_MAKE_INT8)))
				return true;
		}
	}
	return false;
}

/* int8 multiplies codes: a model without any stays exact where nobody asked for this one by name. */
static enum loom_status settle_compute(struct loom_resident *r, const struct loom_load_spec *spec, enum loom_compute compute, struct loom_err *err)
{
	struct loom_model *m = r->opened.model;
	bool bytes = compute == LOOM_COMPUTE_INT8 || compute == LOOM_COMPUTE_LLM_INT8, useless = bytes && !has_use(&m->plan, compute);
	if (useless && spec->compute)
		return loom_err_param(err, LOOM_E_INVALID, "compute", "%s multiplies %s weights, which %.200s has not: quantization 8bit%s makes some",
			spec->compute, compute == LOOM_COMPUTE_INT8 ? "quantized" : "8bit", r->source.id, compute == LOOM_COMPUTE_INT8 ? " or 4bit" : "");
	m->plan.compute = useless ? LOOM_COMPUTE_FLOAT32 : compute;
	m->plan.outlier_threshold = (float)m->cfg.quant.threshold;
	return LOOM_OK;
}

/* What needs no weights: is the model there, and is it one that can be run? */
static enum loom_status open_files(struct loom_resident *r, struct loom_entry *entry, const struct loom_load_spec *spec, struct loom_err *err)
{
	struct loom_engine *e = r->engine;
	enum loom_compute compute = LOOM_COMPUTE_FLOAT32;
	enum loom_dtype keep = LOOM_DTYPE_UNKNOWN;
	enum loom_status st = check_spec(spec, err);
	if (!st)
		st = choose_compute(r, spec, &compute, &keep, err);
	if (!st)
		st = choose_device(r, spec->device, err);
	if (!st)
		st = loom_engine_fetch(e, entry, spec->id, &r->source, err);
	if (!st)
		st = loom_source_open(&r->source, spec->loader, &e->opts.loaders, keep, spec->quantization, &r->opened, err);
	if (!st)
		st = settle_compute(r, spec, compute, err);
	return st;
}

static enum loom_status load(struct loom_resident *r, struct loom_entry *entry, struct loom_err *err)
{
	struct loom_engine *e = r->engine;
	enum loom_status st = loom_resident_make_room(r, entry, err);
	if (!st)
		st = read_weights(r, entry, err);
	if (!st)
		st = loom_runner_init(&r->worker.runner, r->backend, r->device_state, &r->opened.model->plan, &r->state_opts, loom_resident_kept_pages(r),
			err);
	if (!st) {
		st = loom_worker_start(&r->worker, e->opts.n_thread, (size_t)e->opts.max_queue, err);
		r->worker_started = !st;
	}
	return st;
}

enum loom_status loom_resident_open(struct loom_engine *e, struct loom_entry *entry, const struct loom_load_spec *spec,
	struct loom_resident **out, struct loom_err *err)
{
	struct loom_resident *r = loom_calloc(1, sizeof *r);
	double start = loom_clock_ms();
	if (!r)
		return loom_err_nomem(err, "a model", sizeof *r);
	r->engine = e;
	r->asked_dtype = spec->dtype;
	loom_str_copy(r->asked_quantization, sizeof r->asked_quantization, spec->quantization ? spec->quantization : "");
	loom_opened_init(&r->opened);
	enum loom_status st = open_files(r, entry, spec, err);
	if (!st) {
		pthread_mutex_lock(&e->load_lock);
		st = load(r, entry, err);
		pthread_mutex_unlock(&e->load_lock);
	}
	if (st) {
		loom_resident_close(r);
		return st;
	}
	r->load_seconds = (loom_clock_ms() - start) / 1000;
	loom_log(LOOM_LOG_INFO, "loaded %s on %s in %.2f s: %.0f MiB of weights, %d KV pages", r->source.id, r->device, r->load_seconds,
		(double)r->model_bytes / 0x1p20, (int)r->state_opts.n_page);
	if (r->warning[0] && !atomic_exchange(&e->warned, true)) /* once is enough */
		loom_log(LOOM_LOG_WARNING, "%s", r->warning);
	if (r->opened.note[0]) {
		size_t n = strlen(r->warning);
		snprintf(r->warning + n, sizeof r->warning - n, "%s%s", n ? "; " : "", r->opened.note);
		loom_log(LOOM_LOG_WARNING, "%s: %s", r->source.id, r->opened.note);
	}
	*out = r;
	return LOOM_OK;
}

void loom_resident_close(struct loom_resident *r)
{
	if (r->worker_started)
		loom_worker_stop(&r->worker);
	loom_runner_release(&r->worker.runner);
	if (r->device_state)
		r->backend->state_free(r->device_state);
	if (r->device_model)
		r->backend->model_free(r->device_model);
	loom_opened_release(&r->opened);
	loom_free(r);
}

/* ---- what it is ---- */

/* The type that most of the weights are kept in: that of the first matrix. */
static enum loom_dtype kept(const struct loom_plan *p)
{
	for (int32_t i = 0; i < p->n_weight; i++) {
		if (p->weights[i].kind == LOOM_WEIGHT_MATRIX)
			return p->weights[i].dtype;
	}
	return LOOM_F32;
}

bool loom_resident_matches(const struct loom_engine *e, const struct loom_resident *r, const struct loom_load_spec *spec)
{
	char device[64];
	const char *q = spec->quantization && strcmp(spec->quantization, "none") != 0 ? spec->quantization : "";
	const char *mine = strcmp(r->asked_quantization, "none") != 0 ? r->asked_quantization : "";
	if (spec->device && spec->device[0]) {
		loom_engine_device(e, spec->device, device, sizeof device);
		if (strcmp(device, r->device) != 0)
			return false;
	}
	if (spec->dtype != LOOM_DTYPE_UNKNOWN && spec->dtype != r->asked_dtype && spec->dtype != kept(&r->opened.model->plan))
		return false;
	if (spec->loader >= 0 && spec->loader != (int)r->opened.loader)
		return false;
	if (spec->compute && loom_compute_parse(spec->compute) != (int)r->opened.model->plan.compute)
		return false;
	return !spec->quantization || !spec->quantization[0] || strcmp(q, mine) == 0 || strcmp(q, r->opened.model->quantization) == 0;
}

void loom_resident_info(const struct loom_resident *r, struct loom_model_info *out)
{
	const struct loom_model *m = r->opened.model;
	memset(out, 0, sizeof *out);
	loom_str_copy(out->id, sizeof out->id, r->source.id);
	loom_str_copy(out->device, sizeof out->device, r->device);
	loom_str_copy(out->dtype, sizeof out->dtype, loom_dtype_name(kept(&m->plan)));
	loom_str_copy(out->architecture, sizeof out->architecture, m->cfg.architecture ? m->cfg.architecture : "");
	loom_str_copy(out->warning, sizeof out->warning, r->warning);
	loom_str_copy(out->quantization, sizeof out->quantization, m->quantization);
	out->loader = loom_loader_name(r->opened.loader);
	out->compute = loom_compute_name(m->plan.compute);
	out->n_embd = m->plan.n_embd;
	out->n_layer = m->plan.n_layer;
	out->n_vocab = m->plan.n_vocab;
	out->n_ctx = m->cfg.n_ctx;
	out->max_seq = r->opened.max_seq;
	out->memory_bytes = r->model_bytes + loom_resident_state_bytes(r, atomic_load(&r->worker.n_touched));
	out->load_seconds = r->load_seconds;
	out->auto_unload_in = -1;
	out->in_flight = atomic_load(&r->in_flight);
	out->n_found = atomic_load(&r->worker.n_found);
	out->n_preempted = atomic_load(&r->worker.n_preempted);
	out->causal = m->plan.causal;
	out->n_waiting = atomic_load(&r->worker.n_queued);
	out->n_running = atomic_load(&r->worker.n_running);
	out->n_step = atomic_load(&r->worker.n_step);
	out->n_step_row = atomic_load(&r->worker.n_row);
	out->n_page = r->state_opts.n_page;
	out->n_page_touched = atomic_load(&r->worker.n_touched);
}

const struct loom_tokenizer *loom_resident_tokenizer(const struct loom_resident *r)
{
	return r->opened.tokenizer;
}

void loom_resident_site(const struct loom_resident *r, enum loom_site site, struct loom_site_info *out)
{
	loom_model_site(r->opened.model, site, out);
}

const char *loom_resident_task(const struct loom_resident *r, int32_t i)
{
	return i < r->opened.model->plan.n_adapter ? r->opened.model->cfg.adapter_names[i] : NULL;
}

const char *loom_resident_prompt(const struct loom_resident *r, int32_t i)
{
	return i < r->opened.st.n_prompt ? r->opened.st.prompts[i].name : NULL;
}

const struct loom_plan *loom_resident_plan(const struct loom_resident *r)
{
	return &r->opened.model->plan;
}

bool loom_resident_profile(struct loom_resident *r, struct loom_profile *p)
{
	if (!r->backend->profile)
		return false;
	r->backend->profile(r->device_state, p);
	return true;
}
