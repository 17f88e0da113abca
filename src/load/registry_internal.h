/* registry_internal.h: what registry.c (finding and loading) and registry_room.c (making room, unloading) share. */
#ifndef LOOM_REGISTRY_INTERNAL_H
#define LOOM_REGISTRY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "registry.h"

/* CLOSING entries stay in the list, so that their memory counts until it is free. */
enum loom_entry_state { LOOM_ENTRY_LOADING, LOOM_ENTRY_READY, LOOM_ENTRY_FAILED, LOOM_ENTRY_CLOSING };

struct loom_entry {
	struct loom_entry *next;
	struct loom_registry *registry;
	char id[512];
	char variant[160];
	enum loom_entry_state state;
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

/* ---- registry.c; lock held ---- */
/* Closes e, giving the lock away meanwhile, and takes it out of the list. */
void loom_registry_close(struct loom_registry *r, struct loom_entry *e);
/* LOOM_E_UNAVAILABLE when the registry is stopping. */
enum loom_status loom_registry_refuse(const struct loom_registry *r, struct loom_err *err) LOOM_MUST_CHECK;
/* The moment in so many milliseconds, of the monotonic clock. */
struct timespec loom_registry_deadline(unsigned ms);

/* ---- registry_room.c; lock held ---- */
enum loom_room { LOOM_HAS_ROOM, LOOM_MAKE_ROOM, LOOM_WAIT_FOR_ROOM, LOOM_NO_ROOM };
/* For one more. MAKE_ROOM: *oldest can go. */
enum loom_room loom_registry_room(struct loom_registry *r, struct loom_entry **oldest);
/* LOOM_E_UNAVAILABLE: all that may be loaded are, and at work. */
enum loom_status loom_registry_no_room(const struct loom_registry *r, struct loom_err *err);

#endif
