/* registry_room.c: who goes when: room for one more model, unloading on request and when idle, and the list as others see it. */
#include "registry_internal.h"

#include <string.h>

#include "clock.h"
#include "str.h"

/* ---- room ---- */

static struct loom_entry *oldest_idle(struct loom_registry *r)
{
	struct loom_entry *oldest = NULL;

	for (struct loom_entry *e = r->entries; e; e = e->next) {
		if (e->state == LOOM_ENTRY_READY && e->pins == 0 && !e->draining && (!oldest || e->last_used_ns < oldest->last_used_ns)) {
			oldest = e;
		}
	}
	return oldest;
}

/* Lock held. LOOM_MAKE_ROOM: *oldest can go. */
enum loom_room loom_registry_room(struct loom_registry *r, struct loom_entry **oldest)
{
	bool closing = false;
	int n = 0;

	for (struct loom_entry *e = r->entries; e; e = e->next) {
		n += e->admitted;
		closing = closing || e->state == LOOM_ENTRY_CLOSING;
	}
	*oldest = oldest_idle(r);
	return n < r->max_models ? LOOM_HAS_ROOM : closing ? LOOM_WAIT_FOR_ROOM : *oldest ? LOOM_MAKE_ROOM : LOOM_NO_ROOM;
}

enum loom_status loom_registry_no_room(const struct loom_registry *r, struct loom_err *err)
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
		switch (loom_registry_room(r, &oldest)) {
		case LOOM_HAS_ROOM:
			e->admitted = true;
			break;
		case LOOM_MAKE_ROOM:
			loom_registry_close(r, oldest);
			break;
		case LOOM_WAIT_FOR_ROOM:
			(void)pthread_cond_wait(&r->changed, &r->lock);
			break;
		case LOOM_NO_ROOM:
			rc = loom_registry_no_room(r, err);
			break;
		}
		rc = rc ? rc : loom_registry_refuse(r, err);
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
		loom_registry_close(r, oldest);
	}
	(void)pthread_mutex_unlock(&r->lock);
	return oldest != NULL;
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
			c.busy += e->state == LOOM_ENTRY_LOADING || e->pins > 0;
			c.pins += e->pins;
			c.draining += e->draining || e->state == LOOM_ENTRY_CLOSING;
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
		if (strcmp(e->id, id) == 0 && e->state == LOOM_ENTRY_READY) {
			loom_registry_close(r, e);
			e = r->entries; /* the list may be another one now */
		} else {
			e = e->next;
		}
	}
}

enum loom_status loom_registry_unload(struct loom_registry *r, const char *id, unsigned drain_ms, struct loom_err *err)
{
	struct timespec deadline = loom_registry_deadline(drain_ms);
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
	return e->pins > 0 || e->state != LOOM_ENTRY_READY || now < e->last_used_ns ? 0 : (double)(now - e->last_used_ns) * 1e-9;
}

void loom_registry_each(struct loom_registry *r, void (*fn)(void *ctx, const struct loom_entry_info *i), void *ctx)
{
	uint64_t now = loom_clock_ns();

	(void)pthread_mutex_lock(&r->lock);
	for (struct loom_entry *e = r->entries; e; e = e->next) {
		struct loom_entry_info info = {.resident = e->state == LOOM_ENTRY_READY ? e->resident : NULL, .pins = e->pins,
			.loading = e->state == LOOM_ENTRY_LOADING, .phase = (enum loom_load_phase)atomic_load(&e->phase), .progress = atomic_load(&e->progress),
			.idle_seconds = idle_seconds(e, now), .unload_in_seconds = -1};
		if (e->state == LOOM_ENTRY_CLOSING) {
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
		while (e && (e->state != LOOM_ENTRY_READY || e->pins > 0 || e->draining || idle_seconds(e, now) < r->idle_minutes * 60)) {
			e = e->next;
		}
		again = e != NULL;
		if (e) {
			loom_registry_close(r, e);
		}
	}
	(void)pthread_mutex_unlock(&r->lock);
}
