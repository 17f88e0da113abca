/* worker.c: the thread that owns a model's device state, and the bounded queue before it.
 *
 * Stands between callers, who wait on tickets, and the runner, which only this thread touches. Sequences start in the order they
 * came, as soon as their pages are free. */
#include "engine_internal.h"

#include <time.h>

#include "cores.h"

/* ---- tickets ---- */

bool loom_ticket_init(struct loom_ticket *t, size_t n)
{
	pthread_condattr_t attr;
	t->n_left = n;
	t->poked = false;
	if (pthread_mutex_init(&t->lock, NULL) != 0)
		return false;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	bool ok = pthread_cond_init(&t->changed, &attr) == 0;
	pthread_condattr_destroy(&attr);
	if (!ok)
		pthread_mutex_destroy(&t->lock);
	return ok;
}

void loom_ticket_release(struct loom_ticket *t)
{
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
}

bool loom_ticket_wait(struct loom_ticket *t, unsigned ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&t->lock);
	int rc = 0;
	while (t->n_left > 0 && !t->poked && rc == 0)
		rc = ms ? pthread_cond_timedwait(&t->changed, &t->lock, &until) : pthread_cond_wait(&t->changed, &t->lock);
	bool done = t->n_left == 0;
	t->poked = false;
	pthread_mutex_unlock(&t->lock);
	return done;
}

void loom_ticket_poke(struct loom_ticket *t)
{
	pthread_mutex_lock(&t->lock);
	t->poked = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static void tell(struct loom_seq *s)
{
	struct loom_ticket *t = s->owner;
	pthread_mutex_lock(&t->lock);
	t->n_left--;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

/* ---- the thread ---- */

/* Those whose client left need not wait for their turn. Lock held. */
static void drop_cancelled(struct loom_worker *w)
{
	struct loom_err gone;
	(void)loom_err_set(&gone, LOOM_E_CANCELLED, "the client left");
	for (struct loom_seq *s; (s = loom_queue_cancelled(&w->queue)) != NULL;) {
		loom_seq_fail(s, &gone);
		tell(s);
	}
}

/* Sequences that may start now go to the runner. Lock held. */
static void admit(struct loom_worker *w)
{
	struct loom_err no_memory;
	(void)loom_err_set(&no_memory, LOOM_E_MEMORY, "out of memory (a sequence)");
	drop_cancelled(w);
	while (w->queue.head) {
		struct loom_seq *s = w->queue.head;
		if (loom_runner_add(&w->runner, s)) {
			loom_queue_pop(&w->queue);
		} else if (w->runner.n_seq == 0) { /* nobody will free what it lacks */
			loom_seq_fail(loom_queue_pop(&w->queue), &no_memory);
			tell(s);
		} else {
			return;
		}
	}
}

static void fail_everything(struct loom_worker *w)
{
	struct loom_err err;
	(void)loom_err_set(&err, LOOM_E_UNAVAILABLE, "shutting down");
	for (struct loom_seq *s; (s = loom_queue_pop(&w->queue)) != NULL;) {
		loom_seq_fail(s, &err);
		tell(s);
	}
	loom_runner_fail_all(&w->runner, &err);
}

/* For whoever looks at the worker from outside. */
static void count(struct loom_worker *w, bool idle)
{
	atomic_store_explicit(&w->n_running, (int)w->runner.n_seq, memory_order_relaxed);
	if (!idle) {
		atomic_fetch_add_explicit(&w->n_step, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&w->n_row, (unsigned long long)w->runner.n_tok, memory_order_relaxed);
	}
}

static void *run(void *ctx)
{
	struct loom_worker *w = ctx;
	loom_thread_keep_to(0, w->n_thread); /* the others of the compute pool keep to the other shares */
	for (;;) {
		pthread_mutex_lock(&w->lock);
		while (!w->queue.head && w->runner.n_seq == 0 && !w->stop)
			pthread_cond_wait(&w->wake, &w->lock);
		if (w->abort || w->stop)
			fail_everything(w);
		admit(w);
		bool idle = w->runner.n_seq == 0, stop = w->stop;
		atomic_store_explicit(&w->n_queued, (int)w->queue.n, memory_order_relaxed);
		pthread_mutex_unlock(&w->lock);
		if (!idle)
			loom_runner_step(&w->runner);
		count(w, idle);
		atomic_store_explicit(&w->n_touched, w->runner.kv.n_touched, memory_order_relaxed);
		atomic_store_explicit(&w->n_found, w->runner.n_found, memory_order_relaxed);
		atomic_store_explicit(&w->n_preempted, w->runner.n_preempted, memory_order_relaxed);
		for (struct loom_seq *s; (s = loom_runner_reap(&w->runner)) != NULL;)
			tell(s);
		atomic_store_explicit(&w->n_running, (int)w->runner.n_seq, memory_order_relaxed);
		if (stop && w->runner.n_seq == 0)
			break;
	}
	atomic_store(&w->alive, false);
	return NULL;
}

enum loom_status loom_worker_start(struct loom_worker *w, int n_thread, size_t max_queue, struct loom_err *err)
{
	w->n_thread = n_thread;
	w->max_queue = max_queue;
	atomic_store(&w->alive, true);
	if (pthread_mutex_init(&w->lock, NULL) != 0)
		return loom_err_set(err, LOOM_E_UNAVAILABLE, "no worker thread to be had");
	if (pthread_cond_init(&w->wake, NULL) == 0) {
		if (pthread_create(&w->thread, NULL, run, w) == 0)
			return LOOM_OK;
		pthread_cond_destroy(&w->wake);
	}
	pthread_mutex_destroy(&w->lock);
	return loom_err_set(err, LOOM_E_UNAVAILABLE, "no worker thread to be had");
}

void loom_worker_stop(struct loom_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
}

void loom_worker_abort(struct loom_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->abort = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

enum loom_status loom_worker_submit(struct loom_worker *w, struct loom_seq *const *seqs, size_t n, struct loom_ticket *t,
	struct loom_err *err)
{
	enum loom_status st = LOOM_OK;
	pthread_mutex_lock(&w->lock);
	if (w->abort || w->stop)
		st = loom_err_set(err, LOOM_E_UNAVAILABLE, "shutting down");
	else if (w->queue.n > 0 && w->queue.n + n > w->max_queue) /* one batch may always wait */
		st = loom_err_set(err, LOOM_E_QUEUE_FULL, "%zu requests wait for this model already, at most %zu may: try again later",
			w->queue.n, w->max_queue);
	for (size_t i = 0; !st && i < n; i++) {
		seqs[i]->owner = t;
		loom_queue_push(&w->queue, seqs[i]);
	}
	atomic_store_explicit(&w->n_queued, (int)w->queue.n, memory_order_relaxed);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	return st;
}
