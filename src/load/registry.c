/* registry.c: the list of models in memory, under one mutex. Opening and closing run without it; a pinned entry is never closed. */
#include "registry_internal.h"

#include <string.h>

#include "clock.h"
#include "mem.h"
#include "str.h"

#define POLL_MS 50

struct loom_registry *loom_registry_new(const struct loom_registry_ops *ops, int max_models, double idle_minutes)
{
	struct loom_registry *r = loom_calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r) {
		return NULL;
	}
	r->ops = *ops;
	r->max_models = max_models > 0 ? max_models : 1;
	r->idle_minutes = idle_minutes;
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_cond_init(&r->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	return r;
}

static void free_entry(struct loom_registry *r, struct loom_entry *e)
{
	if (e->spec && r->ops.drop) {
		r->ops.drop(e->spec);
	}
	loom_free(e);
}

void loom_registry_free(struct loom_registry *r)
{
	if (!r) {
		return;
	}
	(void)pthread_mutex_lock(&r->lock);
	while (r->n_loading > 0) {
		(void)pthread_cond_wait(&r->changed, &r->lock);
	}
	(void)pthread_mutex_unlock(&r->lock);
	while (r->entries) {
		struct loom_entry *e = r->entries;
		r->entries = e->next;
		if (e->resident) {
			r->ops.close(r->ops.ctx, e->resident);
		}
		free_entry(r, e);
	}
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->lock);
	loom_free(r);
}

void loom_registry_stop(struct loom_registry *r)
{
	(void)pthread_mutex_lock(&r->lock);
	atomic_store(&r->stopping, true);
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

static void add_entry(struct loom_registry *r, struct loom_entry *e)
{
	struct loom_entry **at = &r->entries;

	while (*at) {
		at = &(*at)->next;
	}
	*at = e;
}

static void unlink_entry(struct loom_registry *r, struct loom_entry *e)
{
	struct loom_entry **at = &r->entries;

	while (*at && *at != e) {
		at = &(*at)->next;
	}
	if (*at) {
		*at = e->next;
	}
}

void loom_registry_close(struct loom_registry *r, struct loom_entry *e)
{
	e->state = LOOM_ENTRY_CLOSING;
	(void)pthread_mutex_unlock(&r->lock);
	r->ops.close(r->ops.ctx, e->resident);
	(void)pthread_mutex_lock(&r->lock);
	unlink_entry(r, e);
	free_entry(r, e);
	(void)pthread_cond_broadcast(&r->changed);
}

struct timespec loom_registry_deadline(unsigned ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000) * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

/* Waits for a change; an error when the caller should wait no longer. */
static enum loom_status wait_a_little(struct loom_registry *r, const struct loom_want *w, struct loom_err *err)
{
	struct timespec soon = loom_registry_deadline(POLL_MS);

	if (w->cancelled) {
		(void)pthread_cond_timedwait(&r->changed, &r->lock, &soon);
		(void)pthread_mutex_unlock(&r->lock);
		bool left = w->cancelled(w->cancelled_ctx);
		(void)pthread_mutex_lock(&r->lock);
		if (left) {
			return loom_err_set(err, LOOM_E_CANCELLED, "the client left");
		}
	} else {
		(void)pthread_cond_wait(&r->changed, &r->lock);
	}
	return LOOM_OK;
}

enum loom_status loom_registry_refuse(const struct loom_registry *r, struct loom_err *err)
{
	return atomic_load(&r->stopping) ? loom_err_set(err, LOOM_E_UNAVAILABLE, "shutting down") : LOOM_OK;
}

static void unpin(struct loom_registry *r, struct loom_entry *e)
{
	if (--e->pins == 0 && e->state == LOOM_ENTRY_FAILED) {
		free_entry(r, e);
	}
	(void)pthread_cond_broadcast(&r->changed);
}

/* The caller has pinned e: waits for the end of its loading. */
static enum loom_status await(struct loom_registry *r, const struct loom_want *w, struct loom_entry *e, struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;

	while (rc == LOOM_OK && e->state == LOOM_ENTRY_LOADING) {
		rc = loom_registry_refuse(r, err);
		rc = rc ? rc : wait_a_little(r, w, err);
	}
	if (rc == LOOM_OK && e->state == LOOM_ENTRY_FAILED) {
		rc = e->err.status;
		if (err) {
			*err = e->err;
		}
	}
	if (rc) {
		unpin(r, e);
	}
	return rc;
}

/* ---- loading ---- */

static void *load(void *arg)
{
	struct loom_entry *e = arg;
	struct loom_registry *r = e->registry;
	struct loom_err why = {0};
	void *resident = NULL;
	enum loom_status rc = r->ops.open(r->ops.ctx, e, e->id, e->spec, &resident, &why);

	(void)pthread_mutex_lock(&r->lock);
	e->resident = resident;
	e->last_used_ns = loom_clock_ns();
	e->err = why;
	e->state = rc ? LOOM_ENTRY_FAILED : LOOM_ENTRY_READY;
	if (rc) {
		unlink_entry(r, e);
	}
	r->n_loading--;
	unpin(r, e);
	(void)pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* A new entry, LOADING, pinned for the caller. Lock held. */
static enum loom_status start_load(struct loom_registry *r, const struct loom_want *w, struct loom_entry **out, struct loom_err *err)
{
	struct loom_entry *e = loom_calloc(1, sizeof(*e));
	pthread_attr_t attr;
	pthread_t thread;
	int bad;

	if (!e) {
		return loom_err_nomem(err, "model entry", sizeof(*e));
	}
	e->registry = r;
	(void)loom_str_copy(e->id, sizeof(e->id), w->id);
	(void)loom_str_copy(e->variant, sizeof(e->variant), w->variant ? w->variant : "");
	e->spec = r->ops.keep ? r->ops.keep(w->spec) : (void *)(uintptr_t)w->spec;
	if (r->ops.keep && !e->spec) {
		loom_free(e);
		return loom_err_nomem(err, "model entry", 0);
	}
	e->preferred = w->prefer ? ++r->n_preferred : 0;
	e->pins = 2; /* the caller and the load */
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	bad = pthread_create(&thread, &attr, load, e);
	(void)pthread_attr_destroy(&attr);
	if (bad) {
		free_entry(r, e);
		return loom_err_set(err, LOOM_E_UNAVAILABLE, "no thread to be had to load the model on");
	}
	add_entry(r, e);
	r->n_loading++;
	*out = e;
	return LOOM_OK;
}

void loom_entry_progress(struct loom_entry *e, enum loom_load_phase phase, double done)
{
	atomic_store(&e->progress, done);
	atomic_store(&e->phase, (int)phase);
}

bool loom_entry_unwanted(const struct loom_entry *e)
{
	return atomic_load(&e->registry->stopping);
}

/* ---- acquiring ---- */

/* The entry that answers w; NULL with *wait when that can't be said yet, or when there is none. */
static struct loom_entry *pick(struct loom_registry *r, const struct loom_want *w, bool *wait)
{
	bool any = !w->variant || !w->variant[0];
	struct loom_entry *best = NULL;

	*wait = false;
	for (struct loom_entry *e = r->entries; e; e = e->next) {
		if (strcmp(e->id, w->id) != 0) {
			continue;
		}
		if (e->state == LOOM_ENTRY_CLOSING || e->draining) {
			*wait = true;
			return NULL;
		}
		bool fits = any || strcmp(e->variant, w->variant) == 0 ||
			(e->state == LOOM_ENTRY_READY && (!r->ops.matches || r->ops.matches(r->ops.ctx, e->resident, w->spec)));
		if (fits && (!best || e->preferred > best->preferred)) {
			best = e;
		}
		*wait = *wait || (!fits && e->state == LOOM_ENTRY_LOADING); /* what it will be is not known before it is loaded */
	}
	return best;
}

static enum loom_status find_or_load(struct loom_registry *r, const struct loom_want *w, struct loom_entry **out, struct loom_err *err)
{
	enum loom_status rc;
	bool wait;

	while (!(rc = loom_registry_refuse(r, err))) {
		struct loom_entry *e = pick(r, w, &wait);
		if (e) {
			e->pins++;
			e->last_used_ns = loom_clock_ns();
			e->preferred = w->prefer ? ++r->n_preferred : e->preferred;
			*out = e;
			return LOOM_OK;
		}
		if (!wait) {
			struct loom_entry *oldest;
			return loom_registry_room(r, &oldest) == LOOM_NO_ROOM ? loom_registry_no_room(r, err) : start_load(r, w, out, err);
		}
		if ((rc = wait_a_little(r, w, err))) {
			return rc;
		}
	}
	return rc;
}

enum loom_status loom_registry_acquire(struct loom_registry *r, const struct loom_want *w, struct loom_entry **out, struct loom_err *err)
{
	struct loom_entry *e = NULL;
	enum loom_status rc;

	*out = NULL;
	if (strlen(w->id) >= sizeof(e->id)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model id is longer than %zu bytes", sizeof(e->id) - 1);
	}
	(void)pthread_mutex_lock(&r->lock);
	rc = find_or_load(r, w, &e, err);
	rc = rc ? rc : await(r, w, e, err);
	(void)pthread_mutex_unlock(&r->lock);
	*out = rc ? NULL : e;
	return rc;
}

void *loom_entry_resident(const struct loom_entry *e)
{
	return e->resident;
}

void loom_registry_release(struct loom_registry *r, struct loom_entry *e)
{
	(void)pthread_mutex_lock(&r->lock);
	e->last_used_ns = loom_clock_ns();
	unpin(r, e);
	(void)pthread_mutex_unlock(&r->lock);
}
