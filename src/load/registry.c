/* registry.c: the list of models in memory, under one mutex. Opening and closing run without it; a pinned entry is never closed. */
#include "registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "clock.h"
#include "mem.h"
#include "str.h"

#define POLL_MS 50

/* CLOSING entries stay in the list, so that their memory counts until it is free. */
enum state { LOADING, READY, FAILED, CLOSING };

struct loom_entry {
	struct loom_entry *next;
	struct loom_registry *registry;
	char id[512];
	char variant[160];
	enum state state;
	bool admitted;        /* counts against max_models */
	bool draining;        /* an unload waits for the pins: new requests wait for its outcome */
	int pins;             /* requests that hold it or wait for its loading, and the loading itself */
	void *resident;
	void *spec;           /* of the load under way */
	uint64_t preferred;   /* when the plain id was last said to mean this one; 0 never */
	uint64_t last_used_ns;
	_Atomic double progress;
	atomic_int phase;
	struct loom_err err;  /* of a failed load */
};

struct loom_registry {
	struct loom_registry_ops ops;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct loom_entry *entries; /* the oldest first; no FAILED ones */
	int max_models, n_loading;
	double idle_minutes;
	uint64_t n_preferred;
	atomic_bool stopping;
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

/* Closes e, giving the lock away meanwhile, and takes it out of the list. */
static void close_entry(struct loom_registry *r, struct loom_entry *e)
{
	e->state = CLOSING;
	(void)pthread_mutex_unlock(&r->lock);
	r->ops.close(r->ops.ctx, e->resident);
	(void)pthread_mutex_lock(&r->lock);
	unlink_entry(r, e);
	free_entry(r, e);
	(void)pthread_cond_broadcast(&r->changed);
}

static struct timespec in_ms(unsigned ms)
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
	struct timespec soon = in_ms(POLL_MS);

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

static enum loom_status refuse_when_stopping(const struct loom_registry *r, struct loom_err *err)
{
	return atomic_load(&r->stopping) ? loom_err_set(err, LOOM_E_UNAVAILABLE, "shutting down") : LOOM_OK;
}

static void unpin(struct loom_registry *r, struct loom_entry *e)
{
	if (--e->pins == 0 && e->state == FAILED) {
		free_entry(r, e);
	}
	(void)pthread_cond_broadcast(&r->changed);
}

/* The caller has pinned e: waits for the end of its loading. */
static enum loom_status await(struct loom_registry *r, const struct loom_want *w, struct loom_entry *e, struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;

	while (rc == LOOM_OK && e->state == LOADING) {
		rc = refuse_when_stopping(r, err);
		rc = rc ? rc : wait_a_little(r, w, err);
	}
	if (rc == LOOM_OK && e->state == FAILED) {
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
	e->state = rc ? FAILED : READY;
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

/* ---- room ---- */

static struct loom_entry *oldest_idle(struct loom_registry *r)
{
	struct loom_entry *oldest = NULL;

	for (struct loom_entry *e = r->entries; e; e = e->next) {
		if (e->state == READY && e->pins == 0 && !e->draining && (!oldest || e->last_used_ns < oldest->last_used_ns)) {
			oldest = e;
		}
	}
	return oldest;
}

enum room { HAS_ROOM, MAKE_ROOM, WAIT_FOR_ROOM, NO_ROOM };

/* Lock held. MAKE_ROOM: *oldest can go. */
static enum room room_for_one(struct loom_registry *r, struct loom_entry **oldest)
{
	bool closing = false;
	int n = 0;

	for (struct loom_entry *e = r->entries; e; e = e->next) {
		n += e->admitted;
		closing = closing || e->state == CLOSING;
	}
	*oldest = oldest_idle(r);
	return n < r->max_models ? HAS_ROOM : closing ? WAIT_FOR_ROOM : *oldest ? MAKE_ROOM : NO_ROOM;
}

static enum loom_status no_room(const struct loom_registry *r, struct loom_err *err)
{
	return loom_err_set(err, LOOM_E_UNAVAILABLE, "%d models are loaded and at work, which is the limit (LOOM_MAX_MODELS): try again later",
		r->max_models);
}

enum loom_status loom_registry_admit(struct loom_registry *r, struct loom_entry *e, struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;
	struct loom_entry *oldest;

	(void)pthread_mutex_lock(&r->lock);
	while (rc == LOOM_OK && !e->admitted) {
		switch (room_for_one(r, &oldest)) {
		case HAS_ROOM:
			e->admitted = true;
			break;
		case MAKE_ROOM:
			close_entry(r, oldest);
			break;
		case WAIT_FOR_ROOM:
			(void)pthread_cond_wait(&r->changed, &r->lock);
			break;
		case NO_ROOM:
			rc = no_room(r, err);
			break;
		}
		rc = rc ? rc : refuse_when_stopping(r, err);
	}
	(void)pthread_mutex_unlock(&r->lock);
	return rc;
}

bool loom_registry_evict(struct loom_registry *r)
{
	struct loom_entry *oldest;

	(void)pthread_mutex_lock(&r->lock);
	oldest = oldest_idle(r);
	if (oldest) {
		close_entry(r, oldest);
	}
	(void)pthread_mutex_unlock(&r->lock);
	return oldest != NULL;
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
		if (e->state == CLOSING || e->draining) {
			*wait = true;
			return NULL;
		}
		bool fits = any || strcmp(e->variant, w->variant) == 0 ||
			(e->state == READY && (!r->ops.matches || r->ops.matches(r->ops.ctx, e->resident, w->spec)));
		if (fits && (!best || e->preferred > best->preferred)) {
			best = e;
		}
		*wait = *wait || (!fits && e->state == LOADING); /* what it will be is not known before it is loaded */
	}
	return best;
}

static enum loom_status find_or_load(struct loom_registry *r, const struct loom_want *w, struct loom_entry **out, struct loom_err *err)
{
	enum loom_status rc;
	bool wait;

	while (!(rc = refuse_when_stopping(r, err))) {
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
			return room_for_one(r, &oldest) == NO_ROOM ? no_room(r, err) : start_load(r, w, out, err);
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

/* ---- unloading ---- */

struct count {
	int n, busy, pins, draining;
};

static struct count count_of(const struct loom_registry *r, const char *id)
{
	struct count c = {0, 0, 0, 0};

	for (const struct loom_entry *e = r->entries; e; e = e->next) {
		if (strcmp(e->id, id) == 0) {
			c.n++;
			c.busy += e->state == LOADING || e->pins > 0;
			c.pins += e->pins;
			c.draining += e->draining || e->state == CLOSING;
		}
	}
	return c;
}

static void set_draining(struct loom_registry *r, const char *id, bool on)
{
	for (struct loom_entry *e = r->entries; e; e = e->next) {
		if (strcmp(e->id, id) == 0) {
			e->draining = on;
		}
	}
	(void)pthread_cond_broadcast(&r->changed);
}

static void close_all(struct loom_registry *r, const char *id)
{
	for (struct loom_entry *e = r->entries; e;) {
		if (strcmp(e->id, id) == 0 && e->state == READY) {
			close_entry(r, e);
			e = r->entries; /* the list may be another one now */
		} else {
			e = e->next;
		}
	}
}

enum loom_status loom_registry_unload(struct loom_registry *r, const char *id, unsigned drain_ms, struct loom_err *err)
{
	struct timespec deadline = in_ms(drain_ms);
	enum loom_status rc = LOOM_OK;
	struct count c;
	int late = 0;

	(void)pthread_mutex_lock(&r->lock);
	while (count_of(r, id).draining) { /* somebody else is unloading it */
		(void)pthread_cond_wait(&r->changed, &r->lock);
	}
	c = count_of(r, id);
	if (c.n == 0) {
		rc = loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\" is not loaded", id);
	} else {
		set_draining(r, id, true);
		while ((c = count_of(r, id)).busy > 0 && !late) {
			late = pthread_cond_timedwait(&r->changed, &r->lock, &deadline);
		}
		if (c.n == 0) {
			rc = loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\" is not loaded: its loading failed", id);
		} else if (c.busy > 0) {
			set_draining(r, id, false);
			rc = loom_err_set(err, LOOM_E_CONFLICT, "model \"%.200s\" still has %d request%s in flight after %g s", id, c.pins,
				c.pins == 1 ? "" : "s", drain_ms / 1000.0);
		} else {
			close_all(r, id);
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
	for (struct loom_entry *e = r->entries; e; e = e->next) {
		struct loom_entry_info info = {.resident = e->state == READY ? e->resident : NULL, .pins = e->pins,
			.loading = e->state == LOADING, .phase = (enum loom_load_phase)atomic_load(&e->phase), .progress = atomic_load(&e->progress),
			.idle_seconds = idle_seconds(e, now), .unload_in_seconds = -1};
		if (e->state == CLOSING) {
			continue;
		}
		(void)loom_str_copy(info.id, sizeof(info.id), e->id);
		info.pins -= info.loading; /* the load itself is no request */
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
