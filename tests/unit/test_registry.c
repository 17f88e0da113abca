/* test_registry.c: one load for many waiters, one error for all, eviction of the least recently used, pins, draining, idle unloading.
 * Clean under ThreadSanitizer (make BUILD=… SAN=-fsanitize=thread). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "mem.h"
#include "registry.h"

struct world {
	struct loom_registry *r;
	atomic_int opened, admitted, closed, live;
	atomic_bool shut; /* opening waits while it is */
	unsigned open_ms;
	bool fail;
};

struct model {
	char id[64], kind[16];
};

static enum loom_status open_model(void *ctx, struct loom_entry *e, const char *id, const void *spec, void **resident, struct loom_err *err)
{
	struct world *w = ctx;
	struct model *m;
	enum loom_status rc;
	atomic_fetch_add(&w->opened, 1);
	if (strcmp(id, "missing") == 0)
		return loom_err_set(err, LOOM_E_NOT_FOUND, "no such model");
	if ((rc = loom_registry_admit(w->r, e, err)))
		return rc;
	atomic_fetch_add(&w->admitted, 1);
	loom_entry_progress(e, LOOM_LOAD_READING, 0.5);
	if (w->open_ms)
		loom_sleep_ms(w->open_ms);
	while (atomic_load(&w->shut))
		loom_sleep_ms(1);
	if (w->fail)
		return loom_err_set(err, LOOM_E_MODEL, "%s cannot be opened", id);
	m = loom_calloc(1, sizeof *m);
	snprintf(m->id, sizeof m->id, "%s", id);
	snprintf(m->kind, sizeof m->kind, "%s", spec ? (const char *)spec : "plain");
	atomic_fetch_add(&w->live, 1);
	*resident = m;
	return LOOM_OK;
}

static void close_model(void *ctx, void *resident)
{
	struct world *w = ctx;
	atomic_fetch_add(&w->closed, 1);
	atomic_fetch_sub(&w->live, 1);
	loom_free(resident);
}

static bool matches(void *ctx, const void *resident, const void *spec)
{
	(void)ctx;
	return !spec || strcmp(((const struct model *)resident)->kind, spec) == 0;
}

static struct loom_registry *make(struct world *w, int max_models, double idle_minutes)
{
	const struct loom_registry_ops ops = {.open = open_model, .close = close_model, .matches = matches, .ctx = w};
	struct loom_registry *r = loom_registry_new(&ops, max_models, idle_minutes);
	if (!r)
		fail();
	w->r = r;
	return r;
}

static enum loom_status acquire(struct loom_registry *r, const char *id, struct loom_entry **out, struct loom_err *err)
{
	const struct loom_want w = {.id = id};
	return loom_registry_acquire(r, &w, out, err);
}

static struct loom_entry *take(struct loom_registry *r, const char *id)
{
	struct loom_entry *e = NULL;
	struct loom_err err;
	if (acquire(r, id, &e, &err))
		fail_msg("%s", err.message);
	assert_string_equal(((struct model *)loom_entry_resident(e))->id, id);
	return e;
}

static void a_model_is_opened_once_and_stays(void **state)
{
	struct world w = {0};
	struct loom_registry *r = make(&w, 2, 0);
	int64_t before = loom_mem_live();
	(void)state;
	struct loom_entry *a = take(r, "a"), *b = take(r, "a");
	assert_ptr_equal(a, b);
	loom_registry_release(r, a);
	loom_registry_release(r, b);
	loom_registry_release(r, take(r, "a"));
	assert_int_equal(w.opened, 1);
	assert_int_equal(w.closed, 0);
	loom_registry_free(r);
	assert_int_equal(w.closed, 1);
	assert_true(loom_mem_live() < before);
}

static void the_least_recently_used_goes(void **state)
{
	struct world w = {0};
	struct loom_registry *r = make(&w, 2, 0);
	struct loom_err err;
	struct loom_entry *e = NULL;
	(void)state;
	loom_registry_release(r, take(r, "a"));
	loom_registry_release(r, take(r, "b"));
	loom_registry_release(r, take(r, "a"));
	loom_registry_release(r, take(r, "c")); /* b goes */
	assert_int_equal(w.closed, 1);
	loom_registry_release(r, take(r, "a"));
	assert_int_equal(w.opened, 3);
	/* a pinned one never goes */
	struct loom_entry *a = take(r, "a"), *c = take(r, "c");
	assert_int_equal(acquire(r, "d", &e, &err), LOOM_E_UNAVAILABLE);
	assert_null(e);
	assert_non_null(strstr(err.message, "2 models"));
	loom_registry_release(r, c);
	loom_registry_release(r, take(r, "d")); /* c goes, a stays */
	loom_registry_release(r, a);
	loom_registry_release(r, take(r, "a"));
	assert_int_equal(w.opened, 4);
	loom_registry_free(r);
	assert_int_equal(w.live, 0);
}

static void unloading_waits_for_pins(void **state)
{
	struct world w = {0};
	struct loom_registry *r = make(&w, 2, 0);
	struct loom_err err;
	(void)state;
	assert_int_equal(loom_registry_unload(r, "a", 0, &err), LOOM_E_NOT_FOUND);
	struct loom_entry *a = take(r, "a");
	assert_int_equal(loom_registry_unload(r, "a", 5, &err), LOOM_E_CONFLICT);
	assert_non_null(strstr(err.message, "1 request in flight"));
	loom_registry_release(r, a);
	loom_registry_release(r, take(r, "a")); /* still there */
	assert_int_equal(w.opened, 1);
	assert_int_equal(loom_registry_unload(r, "a", 0, &err), LOOM_OK);
	assert_int_equal(w.closed, 1);
	loom_registry_release(r, take(r, "a"));
	assert_int_equal(w.opened, 2);
	loom_registry_free(r);
}

static void count_unloadable(void *ctx, const struct loom_entry_info *i)
{
	int *n = ctx;
	assert_true(i->unload_in_seconds >= 0 && i->idle_seconds >= 0);
	assert_false(i->loading);
	n[0]++;
	n[1] += i->pins;
}

static void idle_models_are_swept(void **state)
{
	struct world w = {0};
	struct loom_registry *r = make(&w, 4, 0.02 / 60); /* 20 ms */
	int n[2] = {0, 0};
	(void)state;
	struct loom_entry *a = take(r, "a");
	loom_registry_release(r, take(r, "b"));
	loom_registry_each(r, count_unloadable, n);
	assert_int_equal(n[0], 2);
	assert_int_equal(n[1], 1);
	loom_sleep_ms(40);
	loom_registry_sweep(r);
	assert_int_equal(w.closed, 1); /* b; a is pinned */
	uint64_t start = loom_clock_ns();
	loom_registry_release(r, a);
	loom_registry_sweep(r);
	if (loom_clock_ns() - start < 20000000u)
		assert_int_equal(w.closed, 1); /* its idle time begins at its release */
	loom_sleep_ms(40);
	loom_registry_sweep(r);
	assert_int_equal(w.closed, 2);
	loom_registry_free(r);
}

struct caller {
	struct loom_registry *r;
	pthread_t thread;
	enum loom_status rc;
	struct loom_err err;
	unsigned seed;
	int done;
};

static void *acquire_once(void *arg)
{
	struct caller *c = arg;
	struct loom_entry *e = NULL;
	c->rc = acquire(c->r, "shared", &e, &c->err);
	if (c->rc == LOOM_OK)
		loom_registry_release(c->r, e);
	return NULL;
}

static void many_waiters_share_one_load_and_one_error(void **state)
{
	(void)state;
	for (int failing = 0; failing < 2; failing++) {
		struct world w = {.open_ms = 60, .fail = failing != 0};
		struct loom_registry *r = make(&w, 2, 0);
		struct caller c[8];
		int64_t before = loom_mem_live();
		for (int i = 0; i < 8; i++) {
			c[i] = (struct caller){.r = r};
			assert_int_equal(pthread_create(&c[i].thread, NULL, acquire_once, &c[i]), 0);
		}
		for (int i = 0; i < 8; i++) {
			assert_int_equal(pthread_join(c[i].thread, NULL), 0);
			assert_int_equal(c[i].rc, failing ? LOOM_E_MODEL : LOOM_OK);
			if (failing)
				assert_string_equal(c[i].err.message, "shared cannot be opened");
		}
		/* a slow machine may start a thread after the load failed: it tries anew */
		assert_true(failing ? w.opened < 8 : w.opened == 1);
		if (failing)
			assert_int_equal(loom_mem_live(), before);
		loom_registry_free(r);
	}
}

static void *work(void *arg)
{
	static const char *const ids[] = {"a", "b", "c", "d"};
	struct caller *c = arg;
	for (int i = 0; i < 400; i++) {
		struct loom_entry *e = NULL;
		c->seed = c->seed * 1664525u + 1013904223u;
		const char *id = ids[c->seed >> 30];
		if ((c->seed >> 20 & 15) == 0) {
			enum loom_status gone = loom_registry_unload(c->r, id, 1, NULL);
			if (gone && gone != LOOM_E_NOT_FOUND && gone != LOOM_E_CONFLICT)
				c->rc = gone;
			loom_registry_sweep(c->r);
			continue;
		}
		enum loom_status rc = acquire(c->r, id, &e, NULL);
		if (rc == LOOM_OK) {
			struct model *m = loom_entry_resident(e);
			c->done += strcmp(m->id, id) == 0;
			loom_registry_release(c->r, e);
		} else if (rc != LOOM_E_UNAVAILABLE) {
			c->rc = rc;
		}
	}
	return NULL;
}

static void everybody_at_once(void **state)
{
	struct world w = {0};
	struct loom_registry *r = make(&w, 3, 0.001 / 60);
	struct caller c[6];
	int done = 0;
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		c[i] = (struct caller){.r = r, .seed = i + 1};
		assert_int_equal(pthread_create(&c[i].thread, NULL, work, &c[i]), 0);
	}
	for (int i = 0; i < 6; i++) {
		assert_int_equal(pthread_join(c[i].thread, NULL), 0);
		assert_int_equal(c[i].rc, LOOM_OK);
		done += c[i].done;
	}
	assert_true(done > 100);
	loom_registry_free(r);
	assert_int_equal(w.live, 0);
	assert_int_equal(w.admitted, w.closed);
}

static void a_model_that_is_not_there_costs_nobody_a_place(void **state)
{
	struct world w = {0};
	struct loom_registry *r = make(&w, 2, 0);
	struct loom_entry *e = NULL;
	struct loom_err err;
	(void)state;
	loom_registry_release(r, take(r, "a"));
	loom_registry_release(r, take(r, "b"));
	assert_int_equal(acquire(r, "missing", &e, &err), LOOM_E_NOT_FOUND);
	assert_int_equal(w.closed, 0);
	loom_registry_free(r);
}

static const char *kind_of(struct loom_registry *r, const char *kind, bool prefer)
{
	struct loom_want want = {.id = "a", .variant = kind, .spec = kind, .prefer = prefer};
	struct loom_entry *e = NULL;
	struct loom_err err;
	if (loom_registry_acquire(r, &want, &e, &err))
		fail_msg("%s", err.message);
	const char *is = ((struct model *)loom_entry_resident(e))->kind;
	loom_registry_release(r, e);
	return is;
}

static void variants_are_residents_of_their_own_only_when_asked_for(void **state)
{
	struct world w = {0};
	struct loom_registry *r = make(&w, 3, 0);
	struct loom_err err;
	(void)state;
	assert_string_equal(kind_of(r, "half", false), "half");
	assert_string_equal(kind_of(r, NULL, false), "half"); /* what is there serves who does not say */
	assert_int_equal(w.opened, 1);
	assert_string_equal(kind_of(r, "full", false), "full");
	assert_int_equal(w.opened, 2);
	assert_string_equal(kind_of(r, NULL, false), "half"); /* a request changes nothing for the others */
	assert_string_equal(kind_of(r, "full", true), "full"); /* who says so does */
	assert_string_equal(kind_of(r, NULL, false), "full");
	assert_string_equal(kind_of(r, "half", false), "half");
	assert_int_equal(w.opened, 2);
	assert_int_equal(loom_registry_unload(r, "a", 100, &err), LOOM_OK); /* both */
	assert_int_equal(w.live, 0);
	assert_string_equal(kind_of(r, NULL, false), "plain");
	loom_registry_free(r);
}

static bool at_once(void *ctx)
{
	(void)ctx;
	return true;
}

static void who_leaves_while_it_loads_costs_nothing(void **state)
{
	struct world w = {.shut = true};
	struct loom_registry *r = make(&w, 1, 0);
	struct loom_want want = {.id = "a", .cancelled = at_once};
	struct loom_entry *e = NULL;
	struct loom_err err;
	(void)state;
	assert_int_equal(loom_registry_acquire(r, &want, &e, &err), LOOM_E_CANCELLED);
	atomic_store(&w.shut, false); /* nobody waited for that */
	loom_registry_release(r, take(r, "a")); /* the load went on */
	assert_int_equal(w.opened, 1);
	loom_registry_free(r);
}

static void *stop_soon(void *r)
{
	loom_sleep_ms(20);
	loom_registry_stop(r);
	return NULL;
}

static void stopping_wakes_who_waits(void **state)
{
	struct world w = {.shut = true};
	struct loom_registry *r = make(&w, 1, 0);
	struct loom_entry *e = NULL;
	struct loom_err err;
	pthread_t t;
	(void)state;
	assert_int_equal(pthread_create(&t, NULL, stop_soon, r), 0);
	assert_int_equal(acquire(r, "a", &e, &err), LOOM_E_UNAVAILABLE);
	pthread_join(t, NULL);
	atomic_store(&w.shut, false);
	loom_registry_free(r); /* waits for the load */
	assert_int_equal(w.live, 0);
}

static void watch(void *ctx, const struct loom_entry_info *i)
{
	double *seen = ctx;
	if (i->loading)
		*seen = i->progress;
}

static void how_far_a_load_is_can_be_seen(void **state)
{
	struct world w = {.shut = true};
	struct loom_registry *r = make(&w, 1, 0);
	struct caller c = {.r = r};
	double seen = -1;
	(void)state;
	assert_int_equal(pthread_create(&c.thread, NULL, acquire_once, &c), 0);
	while (seen <= 0) {
		loom_sleep_ms(1);
		loom_registry_each(r, watch, &seen);
	}
	assert_true(seen > 0 && seen <= 1);
	atomic_store(&w.shut, false);
	pthread_join(c.thread, NULL);
	loom_registry_free(r);
}

static void ids_and_memory_have_limits(void **state)
{
	struct world w = {0};
	struct loom_registry *r = make(&w, 1, 0);
	struct loom_entry *e = NULL;
	struct loom_err err;
	char id[600];
	(void)state;
	memset(id, 'a', sizeof id);
	id[599] = '\0';
	assert_int_equal(acquire(r, id, &e, &err), LOOM_E_NOT_FOUND);
	loom_mem_fail_at(1, true);
	assert_int_equal(acquire(r, "a", &e, &err), LOOM_E_MEMORY);
	assert_null(loom_registry_new(&(struct loom_registry_ops){.open = open_model, .close = close_model, .ctx = &w}, 1, 0));
	loom_mem_fail_at(0, false);
	loom_registry_free(r);
	loom_registry_free(NULL);
	assert_int_equal(w.opened, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_opened_once_and_stays),
		cmocka_unit_test(the_least_recently_used_goes),
		cmocka_unit_test(unloading_waits_for_pins),
		cmocka_unit_test(idle_models_are_swept),
		cmocka_unit_test(many_waiters_share_one_load_and_one_error),
		cmocka_unit_test(everybody_at_once),
		cmocka_unit_test(a_model_that_is_not_there_costs_nobody_a_place),
		cmocka_unit_test(variants_are_residents_of_their_own_only_when_asked_for),
		cmocka_unit_test(who_leaves_while_it_loads_costs_nothing),
		cmocka_unit_test(stopping_wakes_who_waits),
		cmocka_unit_test(how_far_a_load_is_can_be_seen),
		cmocka_unit_test(ids_and_memory_have_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
