/* registry.h: which models are in memory: load once for many waiters, least-recently-used eviction, idle unload, pins. It knows
 * nothing of engines: what is resident is a void pointer that the callbacks open and close. Thread-safe.
 *
 * A load runs on a thread of its own: who waits for it may leave (client gone, shutting down), and the load goes on for the others.
 *
 * Variants. A caller that asks for nothing beyond the id gets whatever resident the id has. A caller that states more (a dtype, a
 * loader, …; spec, and variant, the same as text) gets one that agrees, and when there is none another one is loaded beside: two residents
 * of one id. Then the plain id means the one that was last asked for with `prefer`, else the oldest. */
#ifndef LOOM_REGISTRY_H
#define LOOM_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct loom_registry;
struct loom_entry; /* one resident, pinned while a request holds it */

struct loom_registry_ops {
	/* open and close run without the registry's lock, open on a thread of the registry's. spec is what keep returned (else the caller's own). */
	enum loom_status (*open)(void *ctx, struct loom_entry *e, const char *id, const void *spec, void **resident, struct loom_err *err);
	void (*close)(void *ctx, void *resident);
	/* Does the resident agree with everything that spec states? With the lock held: quick. NULL: always. */
	bool (*matches)(void *ctx, const void *resident, const void *spec);
	/* A copy of spec that outlives the caller, and its end. NULL: spec outlives every load. */
	void *(*keep)(const void *spec);
	void (*drop)(void *kept);
	void *ctx;
};
struct loom_registry *loom_registry_new(const struct loom_registry_ops *ops, int max_models, double idle_minutes);
void loom_registry_free(struct loom_registry *r); /* nothing may be pinned; waits for loads under way */
/* From now on acquires fail, waiting ones too, and loads are told that nobody wants them. */
void loom_registry_stop(struct loom_registry *r);

struct loom_want {
	const char *id;
	const char *variant;  /* what is asked beyond the id, as text; NULL or "": nothing */
	const void *spec;
	bool prefer;          /* from now on the plain id means this one */
	bool (*cancelled)(void *ctx); /* polled while waiting; true: LOOM_E_CANCELLED. May be NULL */
	void *cancelled_ctx;
};
/* Pins a resident, loading it when absent: many callers, one load, one error for all. All max_models pinned: LOOM_E_UNAVAILABLE. */
enum loom_status loom_registry_acquire(struct loom_registry *r, const struct loom_want *w, struct loom_entry **out, struct loom_err *err)
	LOOM_MUST_CHECK;
void *loom_entry_resident(const struct loom_entry *e);
void loom_registry_release(struct loom_registry *r, struct loom_entry *e);
/* Waits for pins to go, up to drain_ms, then LOOM_E_CONFLICT; all variants of the id, or none; who acquires it meanwhile waits for the
 * outcome. Not loaded: LOOM_E_NOT_FOUND. */
enum loom_status loom_registry_unload(struct loom_registry *r, const char *id, unsigned drain_ms, struct loom_err *err)
	LOOM_MUST_CHECK;

/* ---- for open ---- */
/* A load counts against max_models from here on; open calls this when it knows that the model is there and can be opened, so that a request for one
 * that is not costs nobody a place. Unloads the least recently used idle one when needed; all at work: LOOM_E_UNAVAILABLE. */
enum loom_status loom_registry_admit(struct loom_registry *r, struct loom_entry *e, struct loom_err *err) LOOM_MUST_CHECK;
/* Unloads the least recently used one that is idle, to make room in memory; false when none is. */
bool loom_registry_evict(struct loom_registry *r);
/* How far it is. */
enum loom_load_phase { LOOM_LOAD_OPENING, LOOM_LOAD_DOWNLOADING, LOOM_LOAD_READING };
void loom_entry_progress(struct loom_entry *e, enum loom_load_phase phase, double done);
bool loom_entry_unwanted(const struct loom_entry *e); /* the registry is stopping: give up */

struct loom_entry_info {
	char id[512];
	void *resident;      /* NULL while loading; valid only under a pin: pass to fn below only */
	int pins;
	bool loading;
	enum loom_load_phase phase;
	double progress;     /* 0..1, of the phase */
	double idle_seconds, unload_in_seconds; /* unload_in < 0: never */
};
/* Calls fn for each entry with the lock held (fn must be quick and must not call back), the oldest first. */
void loom_registry_each(struct loom_registry *r, void (*fn)(void *ctx, const struct loom_entry_info *i), void *ctx);
/* Unloads what has been idle too long; call about once a second. */
void loom_registry_sweep(struct loom_registry *r);

#endif
