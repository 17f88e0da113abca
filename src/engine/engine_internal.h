/* engine_internal.h: what the files of this folder share: the engine, a resident model, its worker, and a request under way. */
#ifndef LOOM_ENGINE_INTERNAL_H
#define LOOM_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine.h"
#include "queue.h"
#include "registry.h"
#include "runner.h"
#include "seq.h"

/* ---- worker.c: one thread that owns a model's device state ---- */
struct loom_ticket { /* somebody waits for n_left sequences */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t n_left;
	bool poked;                   /* something happened that a waiter may want to see */
};
struct loom_worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct loom_queue queue;      /* waiting; seq.owner is its ticket */
	int n_thread;
	size_t max_queue;
	bool stop, abort;             /* stop: end when idle; abort: end what runs with LOOM_E_UNAVAILABLE */
	atomic_bool alive;
	atomic_int n_touched;         /* KV pages in memory */
	atomic_ullong n_found, n_preempted; /* the runner's, for others to read */
	atomic_int n_queued, n_running; /* as of the last step, for whoever looks */
	atomic_ullong n_step, n_row;
	struct loom_runner runner;    /* the thread's own */
};
/* n_thread: of the compute pool, this one included. */
enum loom_status loom_worker_start(struct loom_worker *w, int n_thread, size_t max_queue, struct loom_err *err) LOOM_MUST_CHECK;
/* Ends the thread; nothing may be under way that somebody still wants. */
void loom_worker_stop(struct loom_worker *w);
/* From now on, whatever is queued or runs ends with LOOM_E_UNAVAILABLE. */
void loom_worker_abort(struct loom_worker *w);
/* All n or none; LOOM_E_QUEUE_FULL at once. Each tells the ticket when it is done. */
enum loom_status loom_worker_submit(struct loom_worker *w, struct loom_seq *const *seqs, size_t n, struct loom_ticket *t,
	struct loom_err *err) LOOM_MUST_CHECK;
bool loom_ticket_init(struct loom_ticket *t, size_t n);
void loom_ticket_release(struct loom_ticket *t);
/* Wakes who waits for it. */
void loom_ticket_poke(struct loom_ticket *t);
/* Waits until all are done or it is poked, at most ms milliseconds; true when they are. ms 0: for ever. */
bool loom_ticket_wait(struct loom_ticket *t, unsigned ms);

/* ---- resident.c: a loaded model ---- */
struct loom_resident {
	struct loom_engine *engine;
	_Atomic(struct loom_entry *) entry;
	struct loom_source source;
	struct loom_opened opened;
	const struct loom_backend *backend;
	struct loom_device_model *device_model;
	struct loom_device_state *device_state;
	struct loom_state_opts state_opts;
	int64_t max_position;         /* most positions a sequence may have here */
	bool page_bound;              /* … because there is no room for more KV pages */
	uint64_t model_bytes;
	char device[16], warning[320];
	enum loom_dtype asked_dtype;  /* UNKNOWN: auto */
	char asked_quantization[64];
	double load_seconds;
	atomic_int in_flight;
	struct loom_worker worker;
	bool worker_started;
};
/* On the thread of the load; entry is told how far it is. */
enum loom_status loom_resident_open(struct loom_engine *e, struct loom_entry *entry, const struct loom_load_spec *spec,
	struct loom_resident **out, struct loom_err *err) LOOM_MUST_CHECK;
/* Is it what spec states? */
bool loom_resident_matches(const struct loom_engine *e, const struct loom_resident *r, const struct loom_load_spec *spec);
/* The device that asking for `asked` gives here: the CPU for a CUDA device where there is none. */
void loom_engine_device(const struct loom_engine *e, const char *asked, char *out, size_t cap);
void loom_resident_close(struct loom_resident *r);

/* ---- resident_memory.c ---- */
/* Room for the model among the others: refused before anybody is unloaded when unloading would not help, and before a byte of the weights is
 * read in any case. Sets the state's options and the longest sequence. */
enum loom_status loom_resident_make_room(struct loom_resident *r, struct loom_entry *entry, struct loom_err *err) LOOM_MUST_CHECK;
/* Of workspace and so many KV pages. */
uint64_t loom_resident_state_bytes(const struct loom_resident *r, int32_t n_page);
/* Pages that are kept when no sequence holds them. */
int32_t loom_resident_kept_pages(const struct loom_resident *r);

/* ---- models.c ---- */
struct loom_registry *loom_models_registry(struct loom_engine *e);

/* ---- fetch.c ---- */
/* The files of a model, fetched from the hub when they are not here; entry is told how far that is. */
enum loom_status loom_engine_fetch(struct loom_engine *e, struct loom_entry *entry, const char *id, struct loom_source *out,
	struct loom_err *err) LOOM_MUST_CHECK;

/* ---- engine.c ---- */
struct loom_engine {
	struct loom_engine_opts opts; /* its strings are the engine's, in words */
	struct loom_arena words;
	struct loom_registry *registry;
	struct loom_engine_stats stats;
	bool local_limited;           /* paths only below local_roots, which may be NULL */
	char *local_roots;
	pthread_mutex_t load_lock;    /* one load at a time, so that the memory arithmetic is of one moment */
	pthread_mutex_t lock;
	pthread_cond_t changed;       /* n_held fell, or the engine ends */
	int n_held;                   /* pins and loads under way */
	bool ending;
	atomic_bool stopping;
	atomic_bool warned;           /* that there is no such device */
	pthread_t sweeper;
	bool sweeping;
};

enum loom_status loom_engine_refuse_when_stopping(const struct loom_engine *e, struct loom_err *err) LOOM_MUST_CHECK;
/* May id be read as a path? */
bool loom_engine_local(const struct loom_engine *e, const char *id);

/* ---- job.c, prompt.c: a request under way ---- */
enum loom_group { LOOM_GROUP_HIDDEN, LOOM_GROUP_SEQUENCE, LOOM_GROUP_ATTENTION, LOOM_GROUP_CAPTURE, LOOM_GROUP_EMBED, LOOM_GROUP_STREAM };
struct loom_job {
	const struct loom_request *req;
	struct loom_answer *answer;
	struct loom_resident *r;
	struct loom_encoding enc;     /* empty when ids were given */
	const int32_t *ids;           /* [n_prompt] rows of the embedding */
	const int32_t *words;         /* [n_prompt] tokens: the same numbers but in a table of words whose tokens share rows */
	int32_t n_prompt, n_limit;
	struct loom_capture_spec *specs; /* [n_capture], the answer's arena */
	struct loom_capture *captures;   /* [n_capture] */
	enum loom_group *groups;         /* [n_capture] */
	size_t n_capture, cap_capture;
	struct loom_seq seq;
	bool has_seq;                 /* false for a dry run */
	struct loom_answer_tensor *states; /* [n_state] what a token's event shows, when stream_hidden_states */
	size_t n_state;
	enum loom_pooling pools[LOOM_N_POOL]; /* [n_pool] of an embedding, put one behind the other */
	int n_pool;
	int32_t n_skip;               /* tokens of the prompt that are not pooled */
	int32_t adapter;              /* of the task, from 1; 0 none */
	bool sparse;                  /* the embedding is made of the words' logits */
	const struct loom_layer_of *layers; /* [n_layer] behind the pooling */
	int n_layer;
};
/* Everything that can be refused is refused here. The job is zeroed before; loom_job_release follows also after a failure. */
enum loom_status loom_job_prepare(struct loom_job *j, struct loom_resident *r, const struct loom_request *req, struct loom_answer *a,
	struct loom_err *err) LOOM_MUST_CHECK;
void loom_job_release(struct loom_job *j);
/* The answer of a job whose sequence is done, or why there is none. start: when it began. */
enum loom_status loom_job_finish(struct loom_job *j, double start, struct loom_err *err) LOOM_MUST_CHECK;
/* The prompt's tokens into j->ids, n_prompt. */
enum loom_status loom_job_tokens(struct loom_job *j, struct loom_err *err) LOOM_MUST_CHECK;

/* ---- answer.c, embed.c ---- */
/* The finished sequence as an answer. */
enum loom_status loom_job_answer(struct loom_job *j, struct loom_err *err) LOOM_MUST_CHECK;
/* Name, site, layers and dtype of capture i into t; its shape is the caller's. */
enum loom_status loom_job_label(const struct loom_job *j, size_t i, struct loom_answer_tensor *t, struct loom_err *err) LOOM_MUST_CHECK;
/* Shapes and bytes alone. */
enum loom_status loom_job_estimate(struct loom_job *j, struct loom_err *err) LOOM_MUST_CHECK;
/* Numbers of the vector that rows of width give; -n when the model's next layer takes n and the pooling gives others. */
int64_t loom_job_width(const struct loom_job *j, int32_t width);
enum loom_status loom_job_embedding(struct loom_job *j, struct loom_capture *c, struct loom_err *err) LOOM_MUST_CHECK;

/* ---- stream.c ---- */
/* Lets the job's sequence tell the request's on_token. */
enum loom_status loom_job_stream(struct loom_job *j, struct loom_err *err) LOOM_MUST_CHECK;

#endif
