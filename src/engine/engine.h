/* engine.h: models that answer. One engine in a process; it loads models on first use, gives each a worker thread with a bounded
 * queue, and carries a request along the arrow of flow.h. All functions are thread-safe. */
#ifndef LOOM_ENGINE_H
#define LOOM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "flow.h"
#include "hist.h"
#include "source.h"
#include "tokenizer.h"

struct loom_engine;
struct loom_resident; /* a loaded model, pinned by who acquired it */

/* What is used for a model when a request does not say; NULL: the engine's own default. */
struct loom_model_override {
	const char *id, *loader, *dtype, *device, *quantization;
};

struct loom_engine_opts {
	int n_thread;             /* compute threads; 0: physical cores */
	int max_models;           /* 3 */
	double auto_unload_minutes; /* 20; 0 never */
	double memory_fraction;   /* of what is available now, for weights and KV (0.9) */
	int max_queue;            /* 0: LOOM_MAX_QUEUE */
	int32_t step_tokens;      /* rows a step; 0: 512 */
	int64_t max_context;      /* 0: LOOM_DEFAULT_MAX_CONTEXT */
	const char *cache_dir;    /* NULL: the hub's default */
	const char *device;       /* "cuda:0" (default) or "cpu" */
	const char *const *devices; /* [n_device] those that a request may name; none: any */
	size_t n_device;
	bool fallback;            /* true: a CUDA device where there is no GPU means the CPU, with a warning; false: LOOM_E_INVALID */
	enum loom_dtype dtype;    /* how matrices are kept when nobody says; UNKNOWN: as stored */
	struct loom_loader_order loaders; /* that may open a model when nobody names one; empty: every one */
	const struct loom_model_override *overrides; /* [n_override] */
	size_t n_override;
	bool allow_local;         /* ids may be paths */
	enum loom_compute compute; /* for models loaded without a word about it */
	bool show_progress;       /* loading progress on stderr, when it is a terminal */
};
void loom_engine_opts_default(struct loom_engine_opts *o);
struct loom_engine *loom_engine_new(const struct loom_engine_opts *o, struct loom_err *err);
/* Stops the workers (what runs is ended with LOOM_E_UNAVAILABLE after drain_ms) and frees everything. */
void loom_engine_free(struct loom_engine *e, unsigned drain_ms);
/* Ids may be paths from now on only below these folders (separated by ':'; "" or NULL: nowhere). Call before requests come. */
void loom_engine_limit_local(struct loom_engine *e, const char *roots);
/* From now on requests get LOOM_E_UNAVAILABLE "shutting down". */
void loom_engine_stop_new(struct loom_engine *e);

/* "float32" and "bf16"; -1 for other names. */
int loom_compute_parse(const char *name);
const char *loom_compute_name(enum loom_compute c);

struct loom_load_spec {
	const char *id;
	const char *device;       /* NULL: default */
	enum loom_dtype dtype;    /* UNKNOWN: auto */
	int loader;               /* enum loom_loader, -1: detect */
	const char *quantization; /* NULL or "none": as the files are; "4bit", "8bit": made on load; "gptq", "awq": must be so */
	bool prefer;              /* from now on requests that state only the id mean this one (POST /models/load) */
	/* polled while waiting for the load: true gives the waiting up, not the load. NULL: never */
	bool (*cancelled)(void *ctx);
	void *cancelled_ctx;
	const char *compute;      /* "float32", "bf16", "int8" or "llm.int8"; NULL: the engine's */
};
/* Loads on first use (many callers, one load) and pins. What the spec leaves open any resident of the id satisfies; what it states (device, dtype,
 * loader, quantization) has to agree, else another resident of the same id is loaded beside. */
enum loom_status loom_engine_acquire(struct loom_engine *e, const struct loom_load_spec *spec, struct loom_resident **out,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_engine_release(struct loom_engine *e, struct loom_resident *r);
/* id as in api.md: as it is, else with "--" read as "/". */
enum loom_status loom_engine_unload(struct loom_engine *e, const char *id, unsigned drain_ms, struct loom_err *err) LOOM_MUST_CHECK;

struct loom_model_info {
	char id[512], device[16], dtype[16], architecture[96], quantization[32], warning[320];
	const char *loader;       /* "transformers", … */
	const char *compute;      /* "float32", "bf16", "int8" or "llm.int8" */
	int32_t n_embd, n_layer, n_vocab;
	int64_t n_ctx, max_seq;
	uint64_t memory_bytes;
	double load_seconds, idle_seconds, auto_unload_in; /* auto_unload_in < 0: never */
	int in_flight;
	uint64_t n_found, n_preempted; /* since it was loaded: prompt positions taken from shared pages, sequences run again */
	int n_waiting, n_running; /* sequences in the queue, and in the batch */
	uint64_t n_step, n_step_row; /* steps of the model so far, and rows that they ran */
	int64_t n_page, n_page_touched; /* KV pages, and those in memory */
	bool loading, causal;
	const char *phase;        /* while loading: "opening", "downloading" or "reading" */
	double progress;          /* 0..1, of the phase */
};
/* Which loader would open a model, without loading it: reads its configuration and file list, of a model that is not here the hub's small files. *configured:
 * the loader that model_overrides gives it, -1 none. */
enum loom_status loom_engine_probe(struct loom_engine *e, const char *id, struct loom_probe *out, int *configured, struct loom_err *err)
	LOOM_MUST_CHECK;
void loom_resident_info(const struct loom_resident *r, struct loom_model_info *out);
/* The warning that the model is not where it was asked for: for residents that were there before (asked NULL: nowhere in particular). */
void loom_engine_warn_device(const struct loom_engine *e, const char *asked, struct loom_model_info *info);
const struct loom_tokenizer *loom_resident_tokenizer(const struct loom_resident *r);
/* Sites of the model: presence, width, layers (model.h). */
void loom_resident_site(const struct loom_resident *r, enum loom_site site, struct loom_site_info *out);
/* Name of the i-th task that has adapters, of the i-th prompt of its configuration; NULL behind the last. */
const char *loom_resident_task(const struct loom_resident *r, int32_t i);
const char *loom_resident_prompt(const struct loom_resident *r, int32_t i);
const struct loom_plan *loom_resident_plan(const struct loom_resident *r);
/* Times of the plan's ops into p (loom_backend.h), NULL: no more. Only while nothing is under way. false: the backend has none. */
bool loom_resident_profile(struct loom_resident *r, struct loom_profile *p);
/* Calls fn for each model that is loaded or loading. fn must be quick. */
void loom_engine_each(struct loom_engine *e, void (*fn)(void *ctx, const struct loom_model_info *i), void *ctx);
bool loom_engine_healthy(struct loom_engine *e);
void loom_engine_opts_get(const struct loom_engine *e, struct loom_engine_opts *out);

/* What the engine has done since it began. */
struct loom_engine_stats {
	struct loom_hist load_seconds; /* of loads that went well */
	atomic_ullong n_load_failed, n_capture, capture_bytes;
};
const struct loom_engine_stats *loom_engine_stats(const struct loom_engine *e);
/* Runs one request to its end on the caller's behalf; blocks. The answer is initialised by the caller and released by it,
 * also after an error. Queue full: LOOM_E_QUEUE_FULL at once. */
enum loom_status loom_engine_run(struct loom_engine *e, struct loom_resident *r, const struct loom_request *req,
	struct loom_answer *a, struct loom_err *err) LOOM_MUST_CHECK;
/* The same in pieces, for streams: begin queues it (req and a live until end), wait returns true when it is over, false after each token and
 * at the latest after ms, cancel ends it at its next step, end waits for that, fills the answer, and frees the flight. */
struct loom_flight;
enum loom_status loom_engine_begin(struct loom_engine *e, struct loom_resident *r, const struct loom_request *req, struct loom_answer *a,
	struct loom_flight **out, struct loom_err *err) LOOM_MUST_CHECK;
bool loom_flight_wait(struct loom_flight *f, unsigned ms);
void loom_flight_cancel(struct loom_flight *f);
enum loom_status loom_flight_end(struct loom_flight *f, struct loom_err *err) LOOM_MUST_CHECK;
/* Runs n requests as one ragged batch; errs[i] per item. Returns LOOM_OK when all were; else the first error, its index in *bad, n
 * when it is no single one's. */
enum loom_status loom_engine_run_many(struct loom_engine *e, struct loom_resident *r, const struct loom_request *reqs,
	size_t n, struct loom_answer *answers, size_t *bad, struct loom_err *err) LOOM_MUST_CHECK;

#endif
