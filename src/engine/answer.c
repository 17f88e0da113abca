/* answer.c: from a finished sequence to what the client gets, still as numbers. Stands last in a job, on the caller's thread. Bytes
 * and names on the wire are made of it in encode/. */
#include "engine_internal.h"

#include <string.h>

#include "keep.h"

static const char *const reduce_names[] = {[LOOM_REDUCE_NONE] = NULL, [LOOM_REDUCE_MEAN] = "mean", [LOOM_REDUCE_MAX] = "max",
	[LOOM_REDUCE_SUM] = "sum"};

void loom_answer_init(struct loom_answer *a)
{
	memset(a, 0, sizeof *a);
	loom_arena_init(&a->arena);
}

static void release_tensors(struct loom_answer_tensor *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (t[i].data)
			loom_keep_free(t[i].data, t[i].map_bytes);
	}
}

void loom_answer_release(struct loom_answer *a)
{
	release_tensors(a->hidden, a->n_hidden);
	release_tensors(a->sequence, a->n_sequence);
	release_tensors(a->attention, a->n_attention);
	release_tensors(a->captures, a->n_capture);
	loom_arena_release(&a->arena);
	memset(a, 0, sizeof *a);
}

/* ---- tensors ---- */

static void label_norm(const struct loom_job *j, const struct loom_capture *c, struct loom_answer_tensor *t)
{
	const struct loom_config *cfg = &j->r->opened.model->cfg;
	if (!cfg->final_norm)
		return;
	if (t->site == LOOM_SITE_FINAL_NORM || t->site == LOOM_SITE_LOGITS)
		t->final_norm = 1;
	for (size_t i = 0; t->site == LOOM_SITE_HIDDEN && i < c->n_layer; i++) {
		if (c->layers[i] == cfg->n_layer) {
			t->final_norm = c->n_layer == 1 ? 1 : 2;
			t->final_norm_layer = cfg->n_layer;
		}
	}
}

static void shape_tensor(const struct loom_capture *c, const struct loom_capture_shape *s, enum loom_group group,
	struct loom_answer_tensor *t)
{
	if (c->layered && group == LOOM_GROUP_CAPTURE)
		t->shape[t->n_dim++] = s->n_plane;
	if (c->spec->reduce == LOOM_REDUCE_NONE)
		t->shape[t->n_dim++] = s->n_position;
	if (c->keyed) {
		t->shape[t->n_dim++] = c->width;
		t->shape[t->n_dim++] = s->n_key;
	} else {
		t->shape[t->n_dim++] = s->width;
	}
}

enum loom_status loom_job_label(const struct loom_job *j, size_t i, struct loom_answer_tensor *t, struct loom_err *err)
{
	const struct loom_capture *c = &j->captures[i];
	t->name = loom_arena_strdup(&j->answer->arena, c->spec->name);
	if (!t->name)
		return loom_err_nomem(err, "name of a tensor", sizeof c->spec->name);
	t->site = c->spec->site;
	t->layers = c->layers;
	t->n_layer = c->n_layer;
	t->dtype = c->spec->dtype == LOOM_DTYPE_UNKNOWN ? LOOM_F32 : c->spec->dtype;
	t->reduce = reduce_names[c->spec->reduce];
	label_norm(j, c, t);
	return LOOM_OK;
}

/* Everything but data and positions. */
static enum loom_status label(const struct loom_job *j, size_t i, const struct loom_capture_shape *s, struct loom_answer_tensor *t,
	struct loom_err *err)
{
	shape_tensor(&j->captures[i], s, j->groups[i], t);
	return loom_job_label(j, i, t, err);
}

static enum loom_status take(struct loom_job *j, size_t i, struct loom_answer_tensor *t, struct loom_err *err)
{
	struct loom_capture *c = &j->captures[i];
	struct loom_capture_shape s;
	enum loom_status st = loom_capture_finish(c, j->seq.n_id, &j->answer->arena, &s, &t->positions, err);
	if (!st)
		st = label(j, i, &s, t, err);
	if (st)
		return st;
	t->n_position = (size_t)s.n_position;
	t->data = c->data;
	t->map_bytes = c->map_bytes;
	c->data = NULL;
	/* row i is the state that predicted generated token i: none when nothing was generated */
	if (j->groups[i] == LOOM_GROUP_SEQUENCE && loom_seq_n_new(&j->seq) == 0)
		t->shape[0] = 0;
	return LOOM_OK;
}

/* Where the tensors of a group go; NULL: not into a tensor. */
static struct loom_answer_tensor **list_of(struct loom_answer *a, enum loom_group group, size_t **n)
{
	switch (group) {
	case LOOM_GROUP_HIDDEN:
		*n = &a->n_hidden;
		return &a->hidden;
	case LOOM_GROUP_SEQUENCE:
		*n = &a->n_sequence;
		return &a->sequence;
	case LOOM_GROUP_ATTENTION:
		*n = &a->n_attention;
		return &a->attention;
	case LOOM_GROUP_CAPTURE:
		*n = &a->n_capture;
		return &a->captures;
	case LOOM_GROUP_EMBED:
	case LOOM_GROUP_STREAM:
		break;
	}
	return NULL;
}

/* The next tensor of capture i's group, zeroed and counted. */
static enum loom_status next_tensor(struct loom_job *j, size_t i, struct loom_answer_tensor **out, struct loom_err *err)
{
	size_t *n = NULL;
	struct loom_answer_tensor **list = list_of(j->answer, j->groups[i], &n);
	*out = NULL;
	if (!list)
		return LOOM_OK;
	if (!*list)
		*list = loom_arena_alloc(&j->answer->arena, j->n_capture, sizeof **list);
	if (!*list)
		return loom_err_nomem(err, "tensors of an answer", j->n_capture * sizeof **list);
	*out = &(*list)[(*n)++];
	return LOOM_OK;
}

static enum loom_status take_tensors(struct loom_job *j, struct loom_err *err)
{
	for (size_t i = 0; i < j->n_capture; i++) {
		struct loom_answer_tensor *t;
		if (j->groups[i] == LOOM_GROUP_STREAM) /* its rows were sent while they came */
			continue;
		enum loom_status st = next_tensor(j, i, &t, err);
		if (!st)
			st = t ? take(j, i, t, err) : loom_job_embedding(j, &j->captures[i], err);
		if (st)
			return st;
	}
	return LOOM_OK;
}

enum loom_status loom_job_estimate(struct loom_job *j, struct loom_err *err)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < j->n_capture; i++) {
		struct loom_capture_shape s;
		struct loom_answer_tensor *t = NULL;
		enum loom_dtype d = j->specs[i].dtype;
		uint64_t bytes = d == LOOM_F16 || d == LOOM_BF16 ? 2 : 4;
		enum loom_status st = loom_capture_shape(&j->captures[i], j->n_limit, &s, err);
		if (!st && j->req->dry_run)
			st = next_tensor(j, i, &t, err);
		if (!st && t)
			st = label(j, i, &s, t, err);
		if (st)
			return st;
		if (j->groups[i] == LOOM_GROUP_EMBED && j->pools[0] != LOOM_POOL_NONE)
			s.n_float = (uint64_t)s.width;
		if (__builtin_mul_overflow(bytes, s.n_float, &bytes) || __builtin_add_overflow(sum, bytes, &sum))
			sum = UINT64_MAX;
		if (sum == UINT64_MAX)
			break;
	}
	j->answer->estimate_bytes = sum;
	j->answer->n_prompt = (size_t)j->n_prompt;
	return LOOM_OK;
}

/* ---- tokens and text ---- */

static enum loom_status take_ids(struct loom_job *j, struct loom_err *err)
{
	struct loom_answer *a = j->answer;
	const struct loom_seq *s = &j->seq;
	a->n_prompt = (size_t)s->n_prompt;
	a->n_ids = (size_t)loom_seq_n_new(s);
	a->prompt_ids = loom_arena_alloc(&a->arena, a->n_prompt, sizeof *a->prompt_ids);
	a->ids = loom_arena_alloc(&a->arena, a->n_ids, sizeof *a->ids);
	a->text = loom_arena_strndup(&a->arena, s->text.len ? s->text.data : "", s->text.len);
	if (!a->prompt_ids || !a->ids || !a->text)
		return loom_err_nomem(err, "ids and text of an answer", s->text.len);
	memcpy(a->prompt_ids, s->ids, a->n_prompt * sizeof *a->ids);
	memcpy(a->ids, s->ids + s->n_prompt, a->n_ids * sizeof *a->ids);
	a->n_text = s->text.len;
	a->finish_reason = s->stopped ? "stop" : "length";
	a->beyond_context = s->n_id > j->r->opened.model->cfg.n_ctx;
	return LOOM_OK;
}

static enum loom_status token_text(struct loom_job *j, int32_t id, struct loom_buf *scratch, const char **out, struct loom_err *err)
{
	const struct loom_tokenizer *t = j->r->opened.tokenizer;
	loom_buf_reset(scratch);
	enum loom_status st = t ? loom_tokenizer_decode(t, &id, 1, false, scratch, err) : LOOM_OK;
	if (st)
		return st;
	*out = loom_arena_strndup(&j->answer->arena, scratch->len ? scratch->data : "", scratch->len);
	return *out ? LOOM_OK : loom_err_nomem(err, "text of a token", scratch->len);
}

static enum loom_status take_tokens(struct loom_job *j, struct loom_err *err)
{
	struct loom_answer *a = j->answer;
	const struct loom_seq *s = &j->seq;
	const struct loom_tokenizer *t = j->r->opened.tokenizer;
	struct loom_buf scratch;
	size_t n = (size_t)s->n_id, p = (size_t)s->n_prompt;
	enum loom_status st = LOOM_OK;
	if (!j->req->return_tokens)
		return LOOM_OK;
	a->tokens = loom_arena_alloc(&a->arena, n, sizeof *a->tokens);
	if (!a->tokens)
		return loom_err_nomem(err, "tokens of an answer", n * sizeof *a->tokens);
	loom_buf_init(&scratch, (size_t)1 << 24);
	for (size_t i = 0; !st && i < n; i++) {
		struct loom_token_info *k = &a->tokens[i];
		*k = (struct loom_token_info){.position = (int64_t)i, .id = s->ids[i], .generated = i >= p};
		k->special = t && loom_tokenizer_is_special(t, k->id);
		if (i < p && i < j->enc.n) {
			k->start = j->enc.start[i];
			k->end = j->enc.end[i];
			k->special = k->special || j->enc.special[i];
		} else if (i >= p && s->ends) {
			k->start = i > p ? s->ends[i - p - 1] : 0;
			k->end = s->ends[i - p];
		}
		st = token_text(j, k->id, &scratch, &k->text, err);
	}
	a->n_tokens = n;
	loom_buf_release(&scratch);
	return st;
}

static enum loom_status take_logprobs(struct loom_job *j, struct loom_err *err)
{
	struct loom_answer *a = j->answer;
	const struct loom_seq *s = &j->seq;
	size_t n = (size_t)loom_seq_n_new(s);
	if (s->n_logprobs < 0)
		return LOOM_OK;
	a->logprobs = loom_arena_alloc(&a->arena, n, sizeof *a->logprobs);
	if (!a->logprobs)
		return loom_err_nomem(err, "log probabilities", n * sizeof *a->logprobs);
	a->n_logprobs = n;
	for (size_t i = 0; i < n; i++) {
		struct loom_logprob *p = &a->logprobs[i];
		p->id = s->ids[(size_t)s->n_prompt + i];
		p->logprob = s->logprobs[i].value;
		for (int k = 0; k < s->n_logprobs && s->logprobs[i].top_ids[k] >= 0; k++) {
			p->top[k].id = s->logprobs[i].top_ids[k];
			p->top[k].logprob = s->logprobs[i].top[k];
			p->n_top = k + 1;
		}
	}
	return LOOM_OK;
}

enum loom_status loom_job_answer(struct loom_job *j, struct loom_err *err)
{
	enum loom_status st = take_ids(j, err);
	if (!st)
		st = take_tokens(j, err);
	if (!st)
		st = take_logprobs(j, err);
	if (!st)
		st = take_tensors(j, err);
	return st;
}
