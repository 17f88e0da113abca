/* hub_pull.c: a whole download: what the hub has, what of it is needed, room on the disk, a few files at a time, the ref last.
 *
 * Weights come after everything else, so that a snapshot with all its weights has all the rest; the ref comes after the weights, so that
 * a download that fails or is killed leaves what a name stood for before. */
#include <stdio.h>
#include <string.h>

#include "hub.h"
#include "hub_file.h"
#include "mem.h"
#include "str.h"

#define MAX_LIST_BYTES (32u << 20)
#define MAX_WORKERS 8
#define DISK_SLACK (64u << 20) /* kept free beside what is fetched */

/* ---- a few files at a time ---- */

typedef enum loom_status (*step_fn)(struct loom_hub_job *j, struct loom_hub_client *c, struct loom_hub_file *f, struct loom_err *err);
struct crew {
	struct loom_hub_job *j;
	step_fn step;
	struct loom_hub_file *files; /* [n] */
	size_t n, next;              /* next: under j->lock, like status and err */
	enum loom_status status;
	struct loom_err err;
};

static struct loom_hub_file *take(struct crew *w)
{
	struct loom_hub_file *f = NULL;

	(void)pthread_mutex_lock(&w->j->lock);
	while (!f && !w->status && w->next < w->n) {
		f = w->files[w->next].here ? NULL : &w->files[w->next];
		w->next++;
	}
	(void)pthread_mutex_unlock(&w->j->lock);
	return f;
}

static void *work(void *arg)
{
	struct crew *w = arg;
	struct loom_hub_client c;
	struct loom_hub_file *f;
	struct loom_err err = {0};
	enum loom_status rc = loom_hub_client_init(&c, &w->j->env, &w->j->cancel, &err);
	bool mine = rc == LOOM_OK;

	while (rc == LOOM_OK && (f = take(w))) {
		rc = w->step(w->j, &c, f, &err);
	}
	if (mine) {
		loom_hub_client_release(&c);
	}
	(void)pthread_mutex_lock(&w->j->lock);
	if (rc && !w->status) { /* the first failure is the one that counts; it stops the others */
		w->status = rc;
		w->err = err;
	}
	(void)pthread_mutex_unlock(&w->j->lock);
	if (rc) {
		atomic_store(&w->j->cancel, true);
	}
	return NULL;
}

static enum loom_status each(struct loom_hub_job *j, step_fn step, struct loom_hub_file *files, size_t n, struct loom_err *err)
{
	struct crew w = {.j = j, .step = step, .files = files, .n = n};
	pthread_t threads[MAX_WORKERS];
	size_t n_left = 0, n_thread = 0;

	for (size_t i = 0; i < n; i++) {
		n_left += !files[i].here;
	}
	while (n_left > 1 && n_thread + 1 < n_left && n_thread < MAX_WORKERS - 1 &&
		pthread_create(&threads[n_thread], NULL, work, &w) == 0) {
		n_thread++;
	}
	(void)work(&w);
	for (size_t i = 0; i < n_thread; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	if (w.status) {
		*err = w.err;
	}
	return w.status;
}

/* ---- stages ---- */

static enum loom_status check_room(const struct loom_hub_job *j, const struct loom_hub_file *files, size_t n, struct loom_err *err)
{
	uint64_t need = 0, room = loom_hub_repo_free_bytes(&j->repo);

	for (size_t i = 0; i < n; i++) {
		need += files[i].here ? 0 : files[i].size - loom_hub_file_partial(j, &files[i]);
	}
	if (need == 0 || (room >= DISK_SLACK && need <= room - DISK_SLACK)) {
		return LOOM_OK;
	}
	return loom_err_set(err, LOOM_E_DISK_FULL, "model \"%s\" needs %.1f MB more in the Hugging Face cache, whose disk has %.1f MB free (%u MB of them "
		"stay so): make room, or point HF_HUB_CACHE at another disk", j->id.repo, (double)need / 1e6, (double)room / 1e6,
		(unsigned)(DISK_SLACK >> 20));
}

/* Everything of the set from number `from` on. */
static enum loom_status bring_all(struct loom_hub_job *j, const struct loom_hub_set *s, size_t from, struct loom_err *err)
{
	size_t n = s->n - from;
	uint64_t known = 0;
	struct loom_hub_file *files;
	enum loom_status rc;

	if (n == 0) {
		return LOOM_OK;
	}
	files = loom_calloc(n, sizeof(*files));
	if (!files) {
		return loom_err_nomem(err, "files to fetch", n * sizeof(*files));
	}
	for (size_t i = 0; i < n; i++) {
		files[i].entry = s->v[from + i];
	}
	rc = each(j, loom_hub_file_ask, files, n, err);
	if (rc == LOOM_OK) {
		(void)pthread_mutex_lock(&j->lock);
		for (size_t i = 0; i < n; i++) {
			known += files[i].here ? 0 : files[i].size;
			j->progress.n_file += !files[i].here;
		}
		known += j->progress.done_bytes;
		j->progress.total_bytes = known > j->progress.total_bytes ? known : j->progress.total_bytes;
		(void)pthread_mutex_unlock(&j->lock);
		rc = check_room(j, files, n, err);
	}
	rc = rc ? rc : each(j, loom_hub_file_fetch, files, n, err);
	loom_free(files);
	return rc;
}

static enum loom_status ask_list(struct loom_hub_job *j, struct loom_err *err)
{
	char url[LOOM_HUB_URL_CAP];
	struct loom_hub_client c;
	struct loom_hub_reply r;
	struct loom_buf text;
	enum loom_status rc = loom_hub_client_init(&c, &j->env, &j->cancel, err);

	if (rc) {
		return rc;
	}
	loom_buf_init(&text, MAX_LIST_BYTES);
	if (!loom_hub_url_info(url, sizeof(url), j->env.endpoint, j->id.repo, j->id.rev)) {
		rc = loom_err_set(err, LOOM_E_HUB, "model \"%s\": its URL is too long", j->id.repo);
	}
	rc = rc ? rc : loom_hub_get_text(&c, url, &text, &r, err);
	if (rc == LOOM_OK && r.status != 200) {
		rc = loom_hub_refusal(&c, &r, &j->id, NULL, err);
	}
	rc = rc ? rc : loom_hub_list_parse(&j->list, text.data ? text.data : "", text.len, err);
	if (rc == LOOM_OK && loom_hub_valid_commit(j->id.rev) && strcmp(j->id.rev, j->list.commit) != 0) {
		rc = loom_hub_err(err, LOOM_E_HUB, "hub_invalid_response", "%s answers for another commit than %s", j->env.host, j->id.rev);
	}
	loom_buf_release(&text);
	loom_hub_client_release(&c);
	return rc;
}

/* What the model needs, in three stages, since the second and third are known from files of the first. */
static enum loom_status bring_model(struct loom_hub_job *j, struct loom_source *out, struct loom_err *err)
{
	bool weights = j->opts->need == LOOM_HUB_WEIGHTS;
	struct loom_hub_set s = {0};
	size_t first, second;
	enum loom_status rc = loom_hub_pick_small(&j->list, &s, err);

	loom_hub_weights_seen(&j->list, out->remote_weights, sizeof(out->remote_weights), &j->progress.total_bytes);
	if (!weights) {
		j->progress.total_bytes = 0;
	}
	/* A repo without weights that Loom reads is refused before a byte of it is fetched. */
	if (rc == LOOM_OK && weights && !out->remote_weights[0]) {
		rc = loom_hub_pick_weights(&j->list, &j->repo, &j->id, &s, err);
	}
	rc = rc ? rc : bring_all(j, &s, 0, err);
	first = s.n;
	rc = rc ? rc : loom_hub_pick_modules(&j->list, &j->repo, weights, &s, err);
	rc = rc ? rc : bring_all(j, &s, first, err);
	second = s.n;
	if (weights) {
		rc = rc ? rc : loom_hub_pick_weights(&j->list, &j->repo, &j->id, &s, err);
		rc = rc ? rc : bring_all(j, &s, second, err);
		out->remote_weights[0] = '\0';
	}
	loom_hub_set_release(&s);
	for (const char *const *n = loom_hub_small_names; rc == LOOM_OK && *n; n++) {
		if (!loom_hub_list_find(&j->list, *n)) {
			loom_hub_repo_note_absent(&j->repo, j->list.commit, *n);
		}
	}
	return rc;
}

static enum loom_status bring_named(struct loom_hub_job *j, const char *const *files, size_t n, struct loom_err *err)
{
	struct loom_hub_set s = {0};
	enum loom_status rc = LOOM_OK;

	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		rc = loom_hub_pick_file(&j->list, &j->id, files[i], &s, err);
	}
	rc = rc ? rc : bring_all(j, &s, 0, err);
	loom_hub_set_release(&s);
	return rc;
}

static enum loom_status pull(struct loom_hub_job *j, const char *const *files, size_t n_file, struct loom_source *out, struct loom_err *err)
{
	enum loom_status rc = ask_list(j, err);

	rc = rc ? rc : loom_hub_repo_make(&j->repo, err);
	rc = rc ? rc : files ? bring_named(j, files, n_file, err) : bring_model(j, out, err);
	if (rc == LOOM_OK && out->remote_weights[0]) {
		rc = loom_hub_repo_make_snapshot(&j->repo, j->list.commit, err);
	}
	rc = rc ? rc : loom_hub_repo_ref(&j->repo, j->id.rev, j->list.commit, err);
	if (rc == LOOM_OK && !loom_hub_repo_snapshot(&j->repo, j->list.commit, out->path, sizeof(out->path))) {
		rc = loom_hub_err(err, LOOM_E_MODEL, "unsupported_weights", "model \"%s\" holds no file that Loom reads", j->id.repo);
	}
	return rc;
}

enum loom_status loom_hub_pull(const char *id, const char *const *files, size_t n_file, const struct loom_hub_opts *o,
	struct loom_source *out, struct loom_err *err)
{
	struct loom_hub_job *j;
	enum loom_status rc;

	memset(out, 0, sizeof(*out));
	(void)loom_str_copy(out->id, sizeof(out->id), id);
	j = loom_calloc(1, sizeof(*j));
	if (!j) {
		return loom_err_nomem(err, "a download", sizeof(*j));
	}
	j->opts = o;
	loom_hub_list_init(&j->list);
	(void)pthread_mutex_init(&j->lock, NULL);
	rc = loom_hub_env_read(&j->env, o->cache_dir, err);
	if (rc == LOOM_OK && !loom_hub_id_parse(id, &j->id)) {
		rc = loom_hub_err(err, LOOM_E_NOT_FOUND, "invalid_model_id", "no such model \"%.200s\": an id has the form org/name or org/name@revision", id);
	}
	if (rc == LOOM_OK && j->env.offline) {
		rc = loom_hub_err(err, LOOM_E_NOT_FOUND, "not_cached_offline", "model \"%s\" cannot be fetched: HF_HUB_OFFLINE is set", j->id.repo);
	}
	rc = rc ? rc : loom_hub_repo_init(&j->repo, j->env.cache, j->id.repo, err);
	rc = rc ? rc : pull(j, files, n_file, out, err);
	memset(j->env.token, 0, sizeof(j->env.token));
	(void)pthread_mutex_destroy(&j->lock);
	loom_hub_list_release(&j->list);
	loom_free(j);
	return rc;
}
