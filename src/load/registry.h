/* registry.h: which models are in memory: load once for many waiters, least-recently-used eviction, idle unload, pins. It knows
 * nothing of engines: what is resident is a void pointer that the callbacks open and close. Thread-safe. */
#ifndef LOOM_REGISTRY_H
#define LOOM_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct loom_registry;
struct loom_entry; /* one resident, pinned while a request holds it */

struct loom_registry_ops {
	/* Both run without the registry's lock. open's spec is the caller's (valid during the call). */
	enum loom_status (*open)(void *ctx, const char *id, const void *spec, void **resident, struct loom_err *err);
	void (*close)(void *ctx, void *resident);
	void *ctx;
};
struct loom_registry *loom_registry_new(const struct loom_registry_ops *ops, int max_models, double idle_minutes);
void loom_registry_free(struct loom_registry *r); /* nothing may be pinned */

/* Pins the resident of id, loading it when absent: many callers, one load, one error for all; evicts the least recently used unpinned
 * one when max_models are in; all pinned: LOOM_E_UNAVAILABLE. */
enum loom_status loom_registry_acquire(struct loom_registry *r, const char *id, const void *spec, struct loom_entry **out,
	struct loom_err *err) LOOM_MUST_CHECK;
void *loom_entry_resident(const struct loom_entry *e);
void loom_registry_release(struct loom_registry *r, struct loom_entry *e);
/* Waits for pins to go, up to drain_ms, then LOOM_E_CONFLICT; new acquires of it load anew afterwards. Not loaded: LOOM_E_NOT_FOUND. */
enum loom_status loom_registry_unload(struct loom_registry *r, const char *id, unsigned drain_ms, struct loom_err *err)
	LOOM_MUST_CHECK;
struct loom_entry_info {
	char id[512];
	void *resident;      /* NULL while loading; valid only under a pin: pass to fn below only */
	int pins;
	bool loading;
	double idle_seconds, unload_in_seconds; /* unload_in < 0: never */
};
/* Calls fn for each entry with the lock held (fn must be quick and must not call back). */
void loom_registry_each(struct loom_registry *r, void (*fn)(void *ctx, const struct loom_entry_info *i), void *ctx);
/* Unloads what has been idle too long; call about once a second. */
void loom_registry_sweep(struct loom_registry *r);

#endif
