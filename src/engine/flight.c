/* flight.c: one request in pieces, for those who want to do something while it runs: begin, wait, cancel, end. See engine.h. */
#include "engine_internal.h"

#include "clock.h"
#include "mem.h"

struct loom_flight {
	struct loom_resident *r;
	struct loom_job job;
	struct loom_ticket ticket;
	double start;
};

static void free_flight(struct loom_flight *f)
{
	loom_job_release(&f->job);
	atomic_fetch_sub(&f->r->in_flight, 1);
	loom_free(f);
}

enum loom_status loom_engine_begin(struct loom_engine *e, struct loom_resident *r, const struct loom_request *req, struct loom_answer *a,
	struct loom_flight **out, struct loom_err *err)
{
	enum loom_status st = loom_engine_refuse_when_stopping(e, err);
	*out = NULL;
	if (st)
		return st;
	struct loom_flight *f = loom_calloc(1, sizeof *f);
	if (!f)
		return loom_err_nomem(err, "a request", sizeof *f);
	f->r = r;
	f->start = loom_clock_ms();
	atomic_fetch_add(&r->in_flight, 1);
	st = loom_job_prepare(&f->job, r, req, a, err);
	if (!st && !loom_ticket_init(&f->ticket, f->job.has_seq))
		st = loom_err_set(err, LOOM_E_UNAVAILABLE, "no lock to be had");
	if (st) {
		free_flight(f);
		return st;
	}
	struct loom_seq *s = &f->job.seq;
	if (f->job.has_seq)
		st = loom_worker_submit(&r->worker, &s, 1, &f->ticket, err);
	if (st) {
		loom_ticket_release(&f->ticket);
		free_flight(f);
		return st;
	}
	*out = f;
	return LOOM_OK;
}

bool loom_flight_wait(struct loom_flight *f, unsigned ms)
{
	return loom_ticket_wait(&f->ticket, ms);
}

void loom_flight_cancel(struct loom_flight *f)
{
	atomic_store(&f->job.seq.cancelled, true);
}

enum loom_status loom_flight_end(struct loom_flight *f, struct loom_err *err)
{
	while (!loom_ticket_wait(&f->ticket, 0)) {
	}
	enum loom_status st = loom_job_finish(&f->job, f->start, err);
	loom_ticket_release(&f->ticket);
	free_flight(f);
	return st;
}
