/* hub_file.h: one file of a repo: what the hub says of it, and its bytes into the cache. */
#ifndef LOOM_HUB_FILE_H
#define LOOM_HUB_FILE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub.h"
#include "hub_cache.h"
#include "hub_http.h"
#include "hub_list.h"

/* A download under way, shared by its threads. */
struct loom_hub_job {
	struct loom_hub_env env;
	struct loom_hub_id id;
	struct loom_hub_repo repo;
	struct loom_hub_list list;
	atomic_bool cancel;
	const struct loom_hub_opts *opts;
	pthread_mutex_t lock;            /* of what follows */
	struct loom_hub_progress progress;
	uint64_t told_ns;                /* when the callback was last called */
};
struct loom_hub_file {
	struct loom_hub_entry *entry;
	char etag[LOOM_HUB_ETAG_CAP];
	size_t digits;                   /* 40 or 64 */
	uint64_t size;
	bool here;                       /* nothing to fetch: linked already, or the repo has no such file after all */
};
/* Asks for the file's etag and size; links it at once when its blob is here already. */
enum loom_status loom_hub_file_ask(struct loom_hub_job *j, struct loom_hub_client *c, struct loom_hub_file *f, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Fetches it: resumes what an earlier try left, checks the hash, puts the blob and the link in place. */
enum loom_status loom_hub_file_fetch(struct loom_hub_job *j, struct loom_hub_client *c, struct loom_hub_file *f, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Bytes of it that lie here from an earlier try. */
uint64_t loom_hub_file_partial(const struct loom_hub_job *j, const struct loom_hub_file *f);
/* Bytes more (or fewer) are here. whole: the file that is complete now, or NULL. */
void loom_hub_job_tell(struct loom_hub_job *j, int64_t bytes, const struct loom_hub_file *whole);

#endif
