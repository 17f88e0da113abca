/* engine.c: the arrow of flow.h as code: a request becomes a job, the job a sequence, the worker runs it, the job becomes an answer.
 *
 * Around it: which models are in memory (models.c), and an orderly end. */
#include "engine_internal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "cores.h"
#include "file.h"
#include "keep.h"
#include "mem.h"
#include "str.h"

#define POLL_MS 50
#define KEEP_ROWS_MS 2000

/* ---- a request ---- */

enum loom_status loom_engine_refuse_when_stopping(const struct loom_engine *e, struct loom_err *err)
{
	return atomic_load(&e->stopping) ? loom_err_set(err, LOOM_E_UNAVAILABLE, "shutting down") : LOOM_OK;
}

/* Waits for the sequences, telling those whose client has left to stop. */
static void wait_for(struct loom_ticket *t, struct loom_job *jobs, size_t n)
{
	bool polled = false;
	for (size_t i = 0; i < n; i++)
		polled = polled || jobs[i].req->cancelled;
	while (!loom_ticket_wait(t, polled ? POLL_MS : 0)) {
		for (size_t i = 0; i < n; i++) {
			if (jobs[i].req->cancelled && jobs[i].req->cancelled(jobs[i].req->cancelled_ctx))
				atomic_store(&jobs[i].seq.cancelled, true);
		}
	}
}

/* Queues the jobs that have a sequence and waits until all are done. */
static enum loom_status run_jobs(struct loom_resident *r, struct loom_job *jobs, size_t n, struct loom_err *err)
{
	struct loom_ticket ticket;
	struct loom_seq **seqs = loom_calloc(n, sizeof(struct loom_seq *));
	size_t k = 0;
	if (!seqs)
		return loom_err_nomem(err, "a batch", n * sizeof(struct loom_seq *));
	for (size_t i = 0; i < n; i++) {
		if (jobs[i].has_seq)
			seqs[k++] = &jobs[i].seq;
	}
	if (!loom_ticket_init(&ticket, k)) {
		loom_free(seqs);
		return loom_err_set(err, LOOM_E_UNAVAILABLE, "no lock to be had");
	}
	enum loom_status st = k ? loom_worker_submit(&r->worker, seqs, k, &ticket, err) : LOOM_OK;
	if (!st && k)
		wait_for(&ticket, jobs, n);
	loom_ticket_release(&ticket);
	loom_free(seqs);
	return st;
}

enum loom_status loom_job_finish(struct loom_job *j, double start, struct loom_err *err)
{
	struct loom_engine_stats *stats = &j->r->engine->stats;
	enum loom_status st = LOOM_OK;
	if (j->has_seq && j->seq.err.status) {
		*err = j->seq.err;
		return err->status;
	}
	if (j->has_seq)
		st = loom_job_answer(j, err);
	j->answer->inference_ms = loom_clock_ms() - start;
	if (!st && j->req->n_capture > 0) {
		atomic_fetch_add(&stats->n_capture, j->req->n_capture);
		atomic_fetch_add(&stats->capture_bytes, j->answer->estimate_bytes);
	}
	return st;
}

/* Where each answer alone would be small enough, all together may not be. */
static enum loom_status check_sum(const struct loom_request *reqs, const struct loom_answer *answers, size_t n, struct loom_err *err)
{
	uint64_t sum = 0, most = reqs[0].max_response_bytes;
	for (size_t i = 0; i < n; i++) {
		if (__builtin_add_overflow(sum, answers[i].estimate_bytes, &sum))
			sum = UINT64_MAX;
	}
	if (reqs[0].dry_run || most == 0 || sum <= most)
		return LOOM_OK;
	return loom_err_set(err, LOOM_E_TOO_LARGE, "the answer would hold %llu bytes of numbers, at most %llu are allowed: send fewer at once, "
		"or ask for less of each", (unsigned long long)sum, (unsigned long long)most);
}

enum loom_status loom_engine_run_many(struct loom_engine *e, struct loom_resident *r, const struct loom_request *reqs, size_t n,
	struct loom_answer *answers, size_t *bad, struct loom_err *err)
{
	double start = loom_clock_ms();
	enum loom_status st = loom_engine_refuse_when_stopping(e, err);
	struct loom_job *jobs = NULL;
	size_t dummy, n_prepared = 0;
	bad = bad ? bad : &dummy;
	*bad = 0;
	if (st)
		return st;
	jobs = loom_calloc(n, sizeof *jobs);
	if (!jobs)
		return loom_err_nomem(err, "a batch", n * sizeof *jobs);
	atomic_fetch_add(&r->in_flight, 1);
	for (; !st && n_prepared < n; n_prepared++) {
		*bad = n_prepared;
		st = loom_job_prepare(&jobs[n_prepared], r, &reqs[n_prepared], &answers[n_prepared], err);
	}
	if (!st && n > 1) {
		*bad = n;
		st = check_sum(reqs, answers, n, err);
	}
	if (!st) {
		*bad = 0;
		st = run_jobs(r, jobs, n, err);
	}
	for (size_t i = 0; !st && i < n; i++) {
		*bad = i;
		st = loom_job_finish(&jobs[i], start, err);
	}
	for (size_t i = 0; i < n_prepared; i++)
		loom_job_release(&jobs[i]);
	atomic_fetch_sub(&r->in_flight, 1);
	loom_free(jobs);
	return st;
}

enum loom_status loom_engine_run(struct loom_engine *e, struct loom_resident *r, const struct loom_request *req, struct loom_answer *a,
	struct loom_err *err)
{
	return loom_engine_run_many(e, r, req, 1, a, NULL, err);
}

/* ---- the engine's life ---- */

void loom_engine_opts_default(struct loom_engine_opts *o)
{
	*o = (struct loom_engine_opts){.max_models = 3, .auto_unload_minutes = 20, .memory_fraction = 0.9, .max_queue = LOOM_MAX_QUEUE,
		.step_tokens = 512, .max_context = LOOM_DEFAULT_MAX_CONTEXT, .device = "cuda:0", .fallback = true};
}

const struct loom_engine_stats *loom_engine_stats(const struct loom_engine *e)
{
	return &e->stats;
}

void loom_engine_limit_local(struct loom_engine *e, const char *roots)
{
	loom_free(e->local_roots);
	e->local_roots = roots && roots[0] ? loom_strdup(roots) : NULL;
	e->local_limited = true;
}

bool loom_engine_local(const struct loom_engine *e, const char *id)
{
	return e->opts.allow_local && (!e->local_limited || loom_path_below(id, e->local_roots));
}

void loom_engine_opts_get(const struct loom_engine *e, struct loom_engine_opts *out)
{
	*out = e->opts;
}

static struct timespec in_ms(unsigned ms)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void *sweep(void *ctx)
{
	struct loom_engine *e = ctx;
	struct timespec until = in_ms(1000);
	pthread_mutex_lock(&e->lock);
	while (!e->ending) {
		if (pthread_cond_timedwait(&e->changed, &e->lock, &until) != ETIMEDOUT)
			continue;
		pthread_mutex_unlock(&e->lock);
		loom_registry_sweep(e->registry);
		loom_keep_sweep(KEEP_ROWS_MS);
		until = in_ms(1000);
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* Copies *s, which may be NULL, into the engine's memory. */
static bool own(struct loom_engine *e, const char **s)
{
	return !*s || (*s = loom_arena_strdup(&e->words, *s));
}

/* Every string of the options becomes the engine's. */
static bool own_words(struct loom_engine *e)
{
	struct loom_engine_opts *p = &e->opts;
	const char **devices = loom_arena_alloc(&e->words, p->n_device + 1, sizeof *devices);
	struct loom_model_override *overrides = loom_arena_alloc(&e->words, p->n_override + 1, sizeof *overrides);
	bool ok = devices && overrides && own(e, &p->cache_dir) && own(e, &p->device);
	for (size_t i = 0; ok && i < p->n_device; i++) {
		devices[i] = p->devices[i];
		ok = own(e, &devices[i]);
	}
	for (size_t i = 0; ok && i < p->n_override; i++) {
		struct loom_model_override *o = &overrides[i];
		*o = p->overrides[i];
		ok = own(e, &o->id) && own(e, &o->loader) && own(e, &o->dtype) && own(e, &o->device) && own(e, &o->quantization);
	}
	p->devices = devices;
	p->overrides = overrides;
	return ok;
}

static bool set_opts(struct loom_engine *e, const struct loom_engine_opts *o)
{
	struct loom_engine_opts d;
	loom_engine_opts_default(&d);
	e->opts = *o;
	struct loom_engine_opts *p = &e->opts;
	p->n_thread = o->n_thread > 0 ? o->n_thread : loom_cpu_cores();
	p->n_thread = p->n_thread < LOOM_MAX_THREADS ? p->n_thread : LOOM_MAX_THREADS;
	p->max_models = o->max_models > 0 ? o->max_models : d.max_models;
	p->memory_fraction = o->memory_fraction > 0 && o->memory_fraction <= 1 ? o->memory_fraction : d.memory_fraction;
	p->max_queue = o->max_queue > 0 ? o->max_queue : d.max_queue;
	p->step_tokens = o->step_tokens > 0 ? o->step_tokens : d.step_tokens;
	p->max_context = o->max_context > 0 ? o->max_context : d.max_context;
	p->device = o->device && o->device[0] ? o->device : d.device;
	return own_words(e);
}

static bool init_locks(struct loom_engine *e)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	bool ok = pthread_mutex_init(&e->load_lock, NULL) == 0 && pthread_mutex_init(&e->lock, NULL) == 0 &&
		pthread_cond_init(&e->changed, &attr) == 0;
	pthread_condattr_destroy(&attr);
	return ok;
}

static void free_parts(struct loom_engine *e)
{
	loom_keep_sweep(0);
	if (e->registry)
		loom_registry_free(e->registry);
	loom_free(e->local_roots);
	loom_arena_release(&e->words);
	loom_free(e);
}

struct loom_engine *loom_engine_new(const struct loom_engine_opts *o, struct loom_err *err)
{
	struct loom_engine *e = loom_calloc(1, sizeof *e);
	if (e)
		loom_arena_init(&e->words);
	if (!e || !set_opts(e, o) || !init_locks(e)) {
		(void)loom_err_nomem(err, "the engine", sizeof *e);
		goto fail;
	}
	e->registry = loom_models_registry(e);
	if (!e->registry) {
		(void)loom_err_nomem(err, "the registry", 0);
		goto fail;
	}
	e->sweeping = pthread_create(&e->sweeper, NULL, sweep, e) == 0;
	if (e->sweeping)
		return e;
	(void)loom_err_set(err, LOOM_E_UNAVAILABLE, "no thread to be had");
fail:
	if (e)
		free_parts(e);
	return NULL;
}

void loom_engine_stop_new(struct loom_engine *e)
{
	atomic_store(&e->stopping, true);
	loom_registry_stop(e->registry);
}

/* Waits until nobody holds a model; false when that took longer. */
static bool wait_released(struct loom_engine *e, unsigned ms)
{
	struct timespec until = in_ms(ms);
	int rc = 0;
	pthread_mutex_lock(&e->lock);
	while (e->n_held > 0 && rc == 0)
		rc = pthread_cond_timedwait(&e->changed, &e->lock, &until);
	bool released = e->n_held == 0;
	pthread_mutex_unlock(&e->lock);
	return released;
}

static void abort_entry(void *ctx, const struct loom_entry_info *i)
{
	struct loom_resident *r = i->resident;
	(void)ctx;
	if (r)
		loom_worker_abort(&r->worker);
}

void loom_engine_free(struct loom_engine *e, unsigned drain_ms)
{
	if (!e)
		return;
	loom_engine_stop_new(e);
	bool released = wait_released(e, drain_ms);
	if (!released) {
		loom_registry_each(e->registry, abort_entry, NULL);
		released = wait_released(e, 5000);
	}
	pthread_mutex_lock(&e->lock);
	e->ending = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->sweeper, NULL);
	if (!released)
		return; /* somebody still holds a model: freeing it under them would be worse than leaving it to the process's end */
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->load_lock);
	free_parts(e);
}
