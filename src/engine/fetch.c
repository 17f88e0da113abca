/* fetch.c: the files of a model before it is loaded: from a path, the cache, or the hub, with a line a while about it. Runs without the
 * engine's load lock, so that a long download keeps no other model waiting; the registry sees to it that a model has one at a time. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "engine_internal.h"
#include "hub.h"
#include "log.h"

#define LINE_EVERY_MS 10000

struct watch {
	const struct loom_engine *engine;
	struct loom_entry *entry;
	const char *id;
	bool terminal;
	double start_ms, line_ms; /* 0: nothing had to be fetched so far */
	uint64_t bytes;
};

static bool on_progress(void *ctx, const struct loom_hub_progress *p)
{
	struct watch *w = ctx;
	double now = loom_clock_ms(), total = p->total_bytes ? (double)p->total_bytes : 1;

	w->bytes = p->done_bytes;
	loom_entry_progress(w->entry, LOOM_LOAD_DOWNLOADING, (double)p->done_bytes / total);
	if (w->terminal) {
		fprintf(stderr, "\rfetching %s: %.1f of %.1f MB", w->id, (double)p->done_bytes / 1e6, (double)p->total_bytes / 1e6);
	} else if (w->start_ms == 0) {
		loom_log(LOOM_LOG_INFO, "fetching %s from the hub", w->id);
	} else if (now - w->line_ms > LINE_EVERY_MS) {
		loom_log(LOOM_LOG_INFO, "fetching %s: %.1f of %.1f MB", w->id, (double)p->done_bytes / 1e6, (double)p->total_bytes / 1e6);
		w->line_ms = now;
	}
	if (w->start_ms == 0)
		w->start_ms = w->line_ms = now;
	return !atomic_load(&w->engine->stopping) && !loom_entry_unwanted(w->entry);
}

enum loom_status loom_engine_fetch(struct loom_engine *e, struct loom_entry *entry, const char *id, struct loom_source *out,
	struct loom_err *err)
{
	struct watch w = {.engine = e, .entry = entry, .id = id, .terminal = e->opts.show_progress && isatty(STDERR_FILENO)};
	struct loom_hub_opts o = {.cache_dir = e->opts.cache_dir, .allow_local = loom_engine_local(e, id), .need = LOOM_HUB_WEIGHTS,
		.progress = on_progress, .ctx = &w};
	enum loom_status st = loom_hub_source(id, &o, out, err);

	if (w.start_ms > 0 && w.terminal)
		fputc('\n', stderr);
	if (w.start_ms > 0 && !st)
		loom_log(LOOM_LOG_INFO, "fetched %s: %.1f MB in %.1f s", id, (double)w.bytes / 1e6, (loom_clock_ms() - w.start_ms) / 1000);
	if (st == LOOM_E_NOT_FOUND && e->local_limited && strchr("/.~", id[0]) && !loom_engine_local(e, id))
		return loom_err_set(err, st, "no such model \"%.200s\": other machines can reach this server, so it takes paths only below "
			"models.local_roots", id);
	if (st == LOOM_E_CANCELLED)
		return loom_err_set(err, LOOM_E_UNAVAILABLE, "shutting down");
	return st;
}
