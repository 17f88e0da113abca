/* registry.c: the list of models in memory, under one mutex. Opening and closing run without it; a pinned entry is never closed. */
#include "registry.h"

#include <pthread.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "str.h"

enum state { LOADING, READY, FAILED };

struct loom_entry {
	struct loom_entry *next;
	char id[512];
	enum state state;
	bool draining;        /* an unload waits for the pins: new requests wait for its outcome */
	int pins;             /* requests that hold it, and those that wait for its loading */
	void *resident;
	uint64_t last_used_ns;
	struct loom_err err;  /* of a failed load */
};

struct loom_registry {
	struct loom_registry_ops ops;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct loom_entry *entries; /* LOADING and READY ones */
	int max_models;
	double idle_minutes;
};

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

void loom_registry_free(struct loom_registry *r)
{
	if (!r) {
		return;
	}
	while (r->entries) {
		struct loom_entry *e = r->entries;
		r->entries = e->next;
		if (e->resident) {
			r->ops.close(r->ops.ctx, e->resident);
		}
		loom_free(e);
	}
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->lock);
	loom_free(r);
}

static struct loom_entry *find(struct loom_registry *r, const char *id)
{
	struct loom_entry *e = r->entries;

	while (e && strcmp(e->id, id) != 0) {
		e = e->next;
	}
	return e;
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

/* Takes e out of the list and closes it, giving the lock away meanwhile. */
static void close_entry(struct loom_registry *r, struct loom_entry *e)
{
	unlink_entry(r, e);
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
	r->ops.close(r->ops.ctx, e->resident);
	loom_free(e);
	(void)pthread_mutex_lock(&r->lock);
}

/* Makes room for one more; false when all are pinned. May have given the lock away. */
static bool make_room(struct loom_registry *r, bool *waited)
{
	struct loom_entry *oldest = NULL;
	int n = 0;

	*waited = false;
	for (struct loom_entry *e = r->entries; e; e = e->next) {
		n++;
		if (e->state == READY && e->pins == 0 && !e->draining && (!oldest || e->last_used_ns < oldest->last_used_ns)) {
			oldest = e;
		}
	}
	if (n < r->max_models) {
		return true;
	}
	if (!oldest) {
		return false;
	}
	*waited = true;
	close_entry(r, oldest);
	return true;
}

/* The caller has pinned e, which is loading: waits for the outcome. */
static enum loom_status await(struct loom_registry *r, struct loom_entry *e, struct loom_err *err)
{
	enum loom_status rc;

	while (e->state == LOADING) {
		(void)pthread_cond_wait(&r->changed, &r->lock);
	}
	if (e->state == READY) {
		return LOOM_OK;
	}
	rc = e->err.status;
	if (err) {
		*err = e->err;
	}
	if (--e->pins == 0) {
		loom_free(e);
	}
	return rc;
}

static enum loom_status load(struct loom_registry *r, const char *id, const void *spec, struct loom_entry **out, struct loom_err *err)
{
	struct loom_entry *e = loom_calloc(1, sizeof(*e));
	struct loom_err why = {0};
	void *resident = NULL;
	enum loom_status rc;

	if (!e) {
		return loom_err_nomem(err, "model entry", sizeof(*e));
	}
	(void)loom_str_copy(e->id, sizeof(e->id), id);
	e->pins = 1;
	e->next = r->entries;
	r->entries = e;
	(void)pthread_mutex_unlock(&r->lock);
	rc = r->ops.open(r->ops.ctx, id, spec, &resident, &why);
	(void)pthread_mutex_lock(&r->lock);
	e->resident = resident;
	e->last_used_ns = loom_clock_ns();
	e->err = why;
	e->state = rc ? FAILED : READY;
	if (rc) {
		unlink_entry(r, e);
	}
	(void)pthread_cond_broadcast(&r->changed);
	*out = e;
	return await(r, e, err);
}

enum loom_status loom_registry_acquire(struct loom_registry *r, const char *id, const void *spec, struct loom_entry **out,
	struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;
	struct loom_entry *e;
	bool waited = false;

	*out = NULL;
	if (strlen(id) >= sizeof(e->id)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model id is longer than %zu bytes", sizeof(e->id) - 1);
	}
	(void)pthread_mutex_lock(&r->lock);
	for (;;) {
		e = find(r, id);
		if (e && e->draining) {
			(void)pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		if (e) {
			e->pins++;
			e->last_used_ns = loom_clock_ns();
			rc = await(r, e, err);
			break;
		}
		if (!make_room(r, &waited)) {
			rc = loom_err_set(err, LOOM_E_UNAVAILABLE, "%d models are loaded and at work, which is the limit (LOOM_MAX_MODELS): try "
				"again later", r->max_models);
			break;
		}
		if (!waited) { /* else the world may have changed: look again */
			rc = load(r, id, spec, &e, err);
			break;
		}
	}
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
	e->pins--;
	e->last_used_ns = loom_clock_ns();
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

static struct timespec deadline_of(unsigned ms)
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

enum loom_status loom_registry_unload(struct loom_registry *r, const char *id, unsigned drain_ms, struct loom_err *err)
{
	struct timespec deadline = deadline_of(drain_ms);
	enum loom_status rc = LOOM_OK;
	struct loom_entry *e;
	int late = 0;

	(void)pthread_mutex_lock(&r->lock);
	while ((e = find(r, id)) && e->draining) { /* somebody else is unloading it */
		(void)pthread_cond_wait(&r->changed, &r->lock);
	}
	if (!e) {
		rc = loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\" is not loaded", id);
	} else {
		e->draining = true;
		/* A load that fails takes e away: look for it each time. */
		while (find(r, id) == e && (e->state == LOADING || e->pins > 0) && !late) {
			late = pthread_cond_timedwait(&r->changed, &r->lock, &deadline);
		}
		if (find(r, id) != e) {
			rc = loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\" is not loaded: its loading failed", id);
		} else if (e->state == LOADING || e->pins > 0) {
			e->draining = false;
			(void)pthread_cond_broadcast(&r->changed);
			rc = loom_err_set(err, LOOM_E_CONFLICT, "model \"%.200s\" still has %d request%s in flight after %g s", id, e->pins,
				e->pins == 1 ? "" : "s", drain_ms / 1000.0);
		} else {
			close_entry(r, e);
		}
	}
	(void)pthread_mutex_unlock(&r->lock);
	return rc;
}

static double idle_seconds(const struct loom_entry *e, uint64_t now)
{
	return e->pins > 0 || e->state != READY || now < e->last_used_ns ? 0 : (double)(now - e->last_used_ns) * 1e-9;
}

void loom_registry_each(struct loom_registry *r, void (*fn)(void *ctx, const struct loom_entry_info *i), void *ctx)
{
	uint64_t now = loom_clock_ns();

	(void)pthread_mutex_lock(&r->lock);
	for (const struct loom_entry *e = r->entries; e; e = e->next) {
		struct loom_entry_info info = {.resident = e->state == READY ? e->resident : NULL, .pins = e->pins,
			.loading = e->state == LOADING, .idle_seconds = idle_seconds(e, now), .unload_in_seconds = -1};
		(void)loom_str_copy(info.id, sizeof(info.id), e->id);
		if (r->idle_minutes > 0) {
			double left = r->idle_minutes * 60 - info.idle_seconds;
			info.unload_in_seconds = left > 0 ? left : 0;
		}
		fn(ctx, &info);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

void loom_registry_sweep(struct loom_registry *r)
{
	bool again = r->idle_minutes > 0;

	(void)pthread_mutex_lock(&r->lock);
	while (again) {
		uint64_t now = loom_clock_ns();
		struct loom_entry *e = r->entries;
		while (e && (e->state != READY || e->pins > 0 || e->draining || idle_seconds(e, now) < r->idle_minutes * 60)) {
			e = e->next;
		}
		again = e != NULL;
		if (e) {
			close_entry(r, e);
		}
	}
	(void)pthread_mutex_unlock(&r->lock);
}
