/* job.c: from a request to a sequence that is ready to run: tokens, limits, captures, the estimate of the answer.
 *
 * Stands between the engine's door and the worker's queue, on the caller's thread. The seed's hidden state fields are captures like
 * any other here; answer.c sorts them back. */
#include "engine_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "keep.h"
#include "mem.h"

#define FEW_BYTES (1u << 20) /* of captured rows: not worth asking the system how much is free */

/* ---- captures ---- */

static struct loom_capture_spec *add(struct loom_job *j, enum loom_group group, enum loom_site site)
{
	struct loom_capture_spec *s = &j->specs[j->n_capture];
	j->groups[j->n_capture++] = group;
	s->site = site;
	s->layer_select = LOOM_SELECT_LIST;
	s->dtype = LOOM_F32;
	return s;
}

static enum loom_status one_layer(struct loom_job *j, struct loom_capture_spec *s, int64_t layer, struct loom_err *err)
{
	int64_t *v = loom_arena_alloc(&j->answer->arena, 1, sizeof *v);
	if (!v)
		return loom_err_nomem(err, "layers", sizeof *v);
	*v = layer;
	s->layers = v;
	s->n_layer = 1;
	snprintf(s->name, sizeof s->name, "%lld", (long long)layer);
	return LOOM_OK;
}

static bool written_before(const int64_t *layers, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (layers[k] == layers[i])
			return true;
	}
	return false;
}

/* One capture for each layer that the seed's fields name, keyed as the client wrote it; "all" counts from the end. */
static enum loom_status add_layers(struct loom_job *j, enum loom_group group, enum loom_site site, enum loom_select select,
	struct loom_err *err)
{
	const struct loom_request *q = j->req;
	struct loom_site_info info;
	loom_model_site(j->r->opened.model, site, &info);
	size_t n = q->all_layers ? (size_t)info.n_layer : q->n_hidden_layer;
	for (size_t i = 0; i < n; i++) {
		if (!q->all_layers && written_before(q->hidden_layers, i))
			continue;
		if (q->all_layers && loom_plan_tap(&j->r->opened.model->plan, site, (int32_t)i) < 0)
			continue; /* attention weights of a layer that is no attention */
		struct loom_capture_spec *s = add(j, group, site);
		s->select = select;
		enum loom_status st = one_layer(j, s, q->all_layers ? (int64_t)i - info.n_layer : q->hidden_layers[i], err);
		if (st)
			return st;
	}
	return LOOM_OK;
}

static enum loom_status add_embedding(struct loom_job *j, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	const struct loom_st_config *st = &j->r->opened.st;
	bool causal = j->r->opened.model->plan.causal;
	const struct loom_class_head *head = &j->r->opened.head;
	j->n_pool = 1;
	j->layers = q->scores ? head->layers : st->layers;
	j->n_layer = q->scores ? head->n_layer : st->present ? st->n_layer : 0;
	if (q->scores && head->n_layer == 0)
		return loom_err_param(err, LOOM_E_INVALID, "model", "this model (%s) has no classifier's head: it gives texts no scores",
			j->r->opened.model->cfg.architecture);
	if (q->scores && head->n_label != 1)
		return loom_err_param(err, LOOM_E_INVALID, "model", "this model's classifier has %d labels: a score takes one", (int)head->n_label);
	if (q->scores) {
		j->pools[0] = head->pooling;
	} else if (q->pooling >= 0 && q->pooling < LOOM_N_POOL) {
		j->pools[0] = (enum loom_pooling)q->pooling;
	} else if (st->present) {
		j->n_pool = st->n_pool;
		memcpy(j->pools, st->pools, sizeof j->pools);
	} else {
		j->pools[0] = causal ? LOOM_POOL_LAST : LOOM_POOL_MEAN;
	}
	j->sparse = st->present && st->sparse && q->pooling < 0 && !q->scores;
	struct loom_capture_spec *s = add(j, LOOM_GROUP_EMBED, j->sparse ? LOOM_SITE_LOGITS : LOOM_SITE_HIDDEN);
	j->n_skip = j->n_skip < j->n_prompt ? j->n_skip : j->n_prompt - 1;
	s->select = LOOM_SELECT_PROMPT;
	if (j->sparse) {
		j->n_pool = 1;
		j->pools[0] = LOOM_POOL_MAX;
	} else if (j->n_pool == 1 && j->pools[0] == LOOM_POOL_LAST) {
		s->select = LOOM_SELECT_LAST;
	} else if (j->n_pool == 1 && (j->pools[0] == LOOM_POOL_CLS || j->n_skip > 0)) {
		s->select = LOOM_SELECT_SLICE;
		s->slice = (struct loom_slice){.has_start = true, .start = j->n_skip, .has_stop = j->pools[0] == LOOM_POOL_CLS,
			.stop = j->n_skip + 1, .step = 1};
	}
	return one_layer(j, s, j->sparse ? -1 : q->layer, err);
}

static enum loom_status check_names(const struct loom_request *q, struct loom_err *err)
{
	for (size_t i = 0; i < q->n_capture; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(q->captures[i].name, q->captures[k].name) == 0)
				return loom_err_param(err, LOOM_E_INVALID, "capture.name", "two captures are named \"%s\"", q->captures[i].name);
		}
	}
	return LOOM_OK;
}

static enum loom_status list_captures(struct loom_job *j, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	bool generate = q->kind == LOOM_REQUEST_GENERATE;
	size_t n_state = (size_t)j->r->opened.model->plan.n_layer + 1 + q->n_hidden_layer;
	size_t cap = q->n_capture + 1 + 3 * n_state;
	j->specs = loom_arena_alloc(&j->answer->arena, cap, sizeof *j->specs);
	j->groups = loom_arena_alloc(&j->answer->arena, cap, sizeof *j->groups);
	j->captures = loom_arena_alloc(&j->answer->arena, cap, sizeof *j->captures);
	if (!j->specs || !j->groups || !j->captures)
		return loom_err_nomem(err, "captures", cap * sizeof *j->specs);
	enum loom_status st = check_names(q, err);
	if (!st && !generate)
		st = add_embedding(j, err);
	if (!st && generate && q->return_hidden_states)
		st = add_layers(j, LOOM_GROUP_HIDDEN, LOOM_SITE_HIDDEN, LOOM_SELECT_LAST_PREDICTOR, err);
	if (!st && generate && q->return_full_sequence)
		st = add_layers(j, LOOM_GROUP_SEQUENCE, LOOM_SITE_HIDDEN, LOOM_SELECT_PREDICTORS, err);
	if (!st && generate && q->return_attention)
		st = add_layers(j, LOOM_GROUP_ATTENTION, LOOM_SITE_ATTN_PROBS, LOOM_SELECT_LAST_PREDICTOR, err);
	if (!st && generate && q->stream_hidden_states)
		st = add_layers(j, LOOM_GROUP_STREAM, LOOM_SITE_HIDDEN, LOOM_SELECT_PREDICTORS, err);
	for (size_t i = 0; !st && i < q->n_capture; i++)
		*add(j, LOOM_GROUP_CAPTURE, q->captures[i].site) = q->captures[i];
	return st;
}

static enum loom_status resolve_captures(struct loom_job *j, struct loom_err *err)
{
	static const char *const params[] = {[LOOM_GROUP_HIDDEN] = "hidden_state_layers", [LOOM_GROUP_SEQUENCE] = "hidden_state_layers",
		[LOOM_GROUP_ATTENTION] = "hidden_state_layers", [LOOM_GROUP_CAPTURE] = NULL, [LOOM_GROUP_EMBED] = "layer",
		[LOOM_GROUP_STREAM] = "hidden_state_layers"};
	for (size_t i = 0; i < j->n_capture; i++) {
		struct loom_capture *c = &j->captures[i];
		enum loom_status st = loom_capture_resolve(c, &j->specs[i], j->r->opened.model, j->n_prompt, j->n_limit, params[j->groups[i]],
			&j->answer->arena, err);
		if (st)
			return st;
		int64_t width = j->groups[i] == LOOM_GROUP_EMBED ? loom_job_width(j, c->width) : 0;
		if (width < 0)
			return loom_err_param(err, LOOM_E_INVALID, "pooling", "\"%s\" gives %d numbers, but the model's next layer takes %d",
				loom_pooling_name(j->pools[0]), (int)c->width, (int)-width);
		if (j->groups[i] == LOOM_GROUP_EMBED && (j->req->dimensions < 0 || j->req->dimensions > width))
			return loom_err_param(err, LOOM_E_INVALID, "dimensions", "%lld: this model's vectors have %lld numbers",
				(long long)j->req->dimensions, (long long)width);
	}
	return LOOM_OK;
}

/* ---- limits ---- */

static enum loom_status set_limit(struct loom_job *j, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	const struct loom_plan *p = &j->r->opened.model->plan;
	int64_t n_new = q->kind == LOOM_REQUEST_GENERATE ? q->max_tokens : 0;
	if (n_new < 0)
		return loom_err_param(err, LOOM_E_INVALID, "max_tokens", "%lld: expected 0 or more", (long long)n_new);
	if (n_new > 0 && (p->n_logit == 0 || !p->causal))
		return loom_err_param(err, LOOM_E_INVALID, "model", "this model (%s) can't generate text: it %s; use max_tokens 0 or /embed",
			j->r->opened.model->cfg.architecture, p->causal ? "has no language-model head" : "reads in both directions");
	if (n_new > j->r->max_position - j->n_prompt)
		n_new = j->r->max_position - j->n_prompt;
	j->n_limit = j->n_prompt + (int32_t)n_new;
	return LOOM_OK;
}

/* Refuses what would not fit into memory; most of it may never be touched, so only what can't be is refused. */
static enum loom_status check_memory(const struct loom_job *j, struct loom_err *err)
{
	uint64_t sum = 0, available;
	for (size_t i = 0; i < j->n_capture; i++) {
		if (__builtin_add_overflow(sum, loom_capture_work_bytes(&j->captures[i]), &sum))
			sum = UINT64_MAX;
	}
	if (sum <= FEW_BYTES)
		return LOOM_OK;
	available = loom_mem_available();
	if (available == 0 || sum <= available + loom_keep_bytes())
		return LOOM_OK;
	return loom_err_set(err, LOOM_E_MEMORY, "the rows asked for take %.2f GiB, %.2f GiB are free: ask for fewer layers or positions, "
		"or lower max_tokens", (double)sum / 0x1p30, (double)available / 0x1p30);
}

static enum loom_status check_estimate(struct loom_job *j, struct loom_err *err)
{
	uint64_t most = j->req->max_response_bytes, bytes = 0;
	enum loom_status st = loom_job_estimate(j, err);
	bytes = j->answer->estimate_bytes;
	if (st || j->req->dry_run || most == 0 || bytes <= most)
		return st;
	return loom_err_set(err, LOOM_E_TOO_LARGE, "the answer would hold %llu bytes of numbers, at most %llu are allowed: ask for fewer "
		"layers or positions, or lower max_tokens", (unsigned long long)bytes, (unsigned long long)most);
}

/* ---- the sequence ---- */

static void draw_seed(struct loom_sampling *s)
{
	if (s->has_seed)
		return;
	if (getrandom(&s->seed, sizeof s->seed, GRND_NONBLOCK) != (ssize_t)sizeof s->seed)
		s->seed = loom_clock_ns();
}

/* Where the second text of a pair begins, for models that tell them apart. */
static int32_t first_of_type_1(const struct loom_job *j)
{
	size_t i = 0;
	while (j->req->pair && i < j->enc.n && j->enc.type[i] == 0)
		i++;
	return j->req->pair && j->r->opened.model->cfg.n_type > 1 && j->r->opened.types ? (int32_t)i : j->n_limit;
}

static enum loom_status make_seq(struct loom_job *j, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	const struct loom_config *cfg = &j->r->opened.model->cfg;
	struct loom_seq *s = &j->seq;
	enum loom_status st = loom_seq_init(s, j->ids, j->n_prompt, j->n_limit, err);
	j->has_seq = true;
	if (st)
		return st;
	s->client = q->client;
	s->n_first = first_of_type_1(j);
	s->adapter = j->adapter;
	s->sampling = q->sampling;
	draw_seed(&s->sampling);
	s->eos = cfg->eos_ids;
	s->n_eos = cfg->n_eos;
	s->stops = q->stops;
	s->stop_len = q->stop_len;
	s->n_stop = q->n_stop;
	s->n_logprobs = q->n_logprobs > 0 ? q->n_logprobs : -1;
	s->want_offsets = q->return_tokens;
	s->tokenizer = j->r->opened.tokenizer;
	s->captures = j->captures;
	s->n_capture = j->n_capture;
	for (size_t i = 0; !st && i < j->n_capture; i++)
		st = loom_capture_begin(&j->captures[i], &j->answer->arena, err);
	if (!st && q->on_token)
		st = loom_job_stream(j, err);
	return st;
}

enum loom_status loom_job_prepare(struct loom_job *j, struct loom_resident *r, const struct loom_request *req, struct loom_answer *a,
	struct loom_err *err)
{
	j->req = req;
	j->answer = a;
	j->r = r;
	loom_encoding_init(&j->enc);
	enum loom_status st = loom_job_tokens(j, err);
	if (!st)
		st = set_limit(j, err);
	if (!st)
		st = list_captures(j, err);
	if (!st)
		st = resolve_captures(j, err);
	if (!st)
		st = check_estimate(j, err);
	if (!st && req->dry_run)
		return LOOM_OK;
	if (!st)
		st = check_memory(j, err);
	if (!st)
		st = make_seq(j, err);
	return st;
}

void loom_job_release(struct loom_job *j)
{
	for (size_t i = 0; i < j->n_capture; i++)
		loom_capture_release(&j->captures[i]);
	if (j->has_seq)
		loom_seq_release(&j->seq);
	loom_encoding_release(&j->enc);
	*j = (struct loom_job){0};
}
