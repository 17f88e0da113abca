/* api_generate.c: POST /generate, /embed and their batches: body → request → answer → body. */
#include <string.h>

#include "api_run.h"
#include "clock.h"
#include "jsonx.h"
#include "mem.h"
#include "str.h"

enum loom_status loom_exchange_json(const struct loom_exchange *x, json_t **root, struct loom_err *err)
{
	*root = NULL;
	if (x->n_data == 0) {
		return loom_err_set(err, LOOM_E_BAD_REQUEST, "the body is empty: expected a JSON object");
	}
	return loom_json_parse(x->data, x->n_data, "", LOOM_E_BAD_REQUEST, root, err);
}

enum loom_status loom_exchange_done(const struct loom_exchange *x, struct loom_err *err)
{
	return x->body.head.failed ? loom_err_nomem(err, "answer", x->body.head.len) : LOOM_OK;
}

static struct loom_encode_opts encode_options(const struct loom_parsed *p, const struct loom_model_info *info)
{
	return (struct loom_encode_opts){.format = (enum loom_format)p->format, .dtype = (enum loom_dtype)p->dtype,
		.return_token_ids = p->return_token_ids, .model_id = p->model ? p->model : info->id, .device = info->device, .compute = info->compute,
		.warning = info->warning};
}

/* ---- what every run shares ---- */

static void set_up(struct loom_request *q, const struct loom_exchange *x)
{
	q->max_response_bytes = x->opts->max_response_bytes;
	q->client = x->client;
	q->cancelled = x->gone;
	q->cancelled_ctx = x->gone_ctx;
}

enum loom_status loom_run_open(struct loom_run *run, struct loom_exchange *x, const struct loom_input_field *const *body, struct loom_err *err)
{
	struct loom_parsed *p = &run->p;
	json_t *root = NULL;
	enum loom_status rc;

	memset(run, 0, sizeof(*run));
	loom_parsed_init(p);
	if (x->opts->n_default_layer > 0) {
		p->req.hidden_layers = x->opts->default_layers;
		p->req.n_hidden_layer = x->opts->n_default_layer;
	}
	p->req.all_layers = x->opts->default_all_layers;
	if (x->opts->default_dtype != LOOM_DTYPE_UNKNOWN) {
		p->dtype = (int)x->opts->default_dtype;
	}
	p->max_items = x->opts->max_batch_items > 0 ? (size_t)x->opts->max_batch_items : LOOM_MAX_BATCH_ITEMS;
	rc = loom_exchange_json(x, &root, err);
	rc = rc ? rc : loom_parse_request(p, root, body, x->strict, err);
	if (rc) {
		return rc;
	}
	struct loom_load_spec spec = {.id = p->model, .loader = p->loader, .cancelled = x->gone, .cancelled_ctx = x->gone_ctx};
	rc = loom_engine_acquire(x->engine, &spec, &run->r, err);
	if (rc) {
		return rc;
	}
	loom_resident_info(run->r, &run->info);
	run->encode = encode_options(p, &run->info);
	set_up(&p->req, x);
	for (size_t i = 0; i < p->n_item; i++) {
		set_up(&p->items[i], x);
	}
	(void)loom_str_copy(x->facts.model, sizeof(x->facts.model), p->model);
	return LOOM_OK;
}

void loom_run_release(struct loom_run *run, struct loom_exchange *x)
{
	loom_engine_release(x->engine, run->r);
	loom_parsed_release(&run->p);
}

void loom_run_note(const struct loom_run *run, struct loom_exchange *x, const struct loom_answer *a)
{
	struct loom_facts *f = &x->facts;

	if (run->p.req.dry_run) {
		return;
	}
	f->n_prompt += (int64_t)a->n_prompt;
	f->n_generated += (int64_t)a->n_ids;
	f->inference_ms = a->inference_ms;
	if (run->p.req.kind == LOOM_REQUEST_EMBED) {
		loom_metrics_embedded(x->metrics, f->model, (int64_t)a->n_prompt, 1, a->inference_ms);
	} else {
		loom_metrics_generated(x->metrics, f->model, (int64_t)a->n_prompt, (int64_t)a->n_ids, a->inference_ms);
	}
}

/* ---- one ---- */

enum loom_status loom_answer_parsed(struct loom_engine *e, struct loom_resident *r, struct loom_parsed *p, struct loom_answer *a,
	struct loom_body *b, struct loom_err *err)
{
	struct loom_model_info info;
	struct loom_encode_opts o;
	enum loom_status rc = loom_engine_run(e, r, &p->req, a, err);

	if (rc) {
		return rc;
	}
	if (p->req.dry_run) {
		return loom_encode_dry_run(b, a, err);
	}
	loom_resident_info(r, &info);
	o = encode_options(p, &info);
	return (p->req.kind == LOOM_REQUEST_EMBED ? loom_encode_embed : loom_encode_generate)(b, a, &p->req, &o, err);
}

static enum loom_status answer_one(struct loom_exchange *x, const struct loom_input_field *const *body, struct loom_err *err)
{
	struct loom_run run;
	enum loom_status rc = loom_run_open(&run, x, body, err);

	rc = rc ? rc : loom_answer_parsed(x->engine, run.r, &run.p, &x->answer, &x->body, err);
	if (rc == LOOM_OK) {
		loom_run_note(&run, x, &x->answer);
	}
	loom_run_release(&run, x);
	return rc;
}

enum loom_status loom_api_generate(struct loom_exchange *x, struct loom_err *err)
{
	return answer_one(x, loom_generate_body, err);
}

enum loom_status loom_api_embed(struct loom_exchange *x, struct loom_err *err)
{
	return answer_one(x, loom_embed_body, err);
}

/* ---- many ---- */

/* "prompts[3]: …" */
static enum loom_status blame(const char *list, size_t i, struct loom_err *err)
{
	(void)snprintf(err->param, sizeof(err->param), "%s[%zu]", list, i);
	return loom_err_prefix(err, "%s[%zu]", list, i);
}

/* The answers become the exchange's: the body may point into them. */
static enum loom_status make_answers(struct loom_exchange *x, size_t n, struct loom_err *err)
{
	x->answers = loom_calloc(n, sizeof(*x->answers));
	if (!x->answers) {
		return loom_err_nomem(err, "a batch", n * sizeof(*x->answers));
	}
	for (x->n_answer = 0; x->n_answer < n; x->n_answer++) {
		loom_answer_init(&x->answers[x->n_answer]);
	}
	return LOOM_OK;
}

static enum loom_status run_many(struct loom_exchange *x, struct loom_run *run, const char *list, struct loom_err *err)
{
	struct loom_parsed *p = &run->p;
	double start = loom_clock_ms(), ms;
	size_t bad = 0, n = p->n_item;
	enum loom_status rc = make_answers(x, n, err);

	if (rc) {
		return rc;
	}
	rc = loom_engine_run_many(x->engine, run->r, p->items, n, x->answers, &bad, err);
	if (rc) {
		bool own = rc == LOOM_E_INVALID || rc == LOOM_E_TOO_LARGE || rc == LOOM_E_MEMORY;
		return own && bad < n && strcmp(err->param, "model") != 0 ? blame(list, bad, err) : rc;
	}
	if (p->req.dry_run) {
		return loom_encode_dry_run_batch(&x->body, x->answers, n, err);
	}
	ms = loom_clock_ms() - start;
	if (p->req.scores) {
		rc = loom_encode_rerank(&x->body, x->answers, n, p->raw_scores, ms, &run->encode, err);
	} else {
		rc = (p->req.kind == LOOM_REQUEST_EMBED ? loom_encode_embed_batch : loom_encode_generate_batch)(&x->body, x->answers, p->items, n, ms,
			&run->encode, err);
	}
	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		loom_run_note(run, x, &x->answers[i]);
	}
	loom_metrics_batch(x->metrics, n);
	return rc;
}

static enum loom_status answer_many(struct loom_exchange *x, const struct loom_input_field *const *body, const char *list, struct loom_err *err)
{
	struct loom_run run;
	enum loom_status rc = loom_run_open(&run, x, body, err);

	rc = rc ? rc : run_many(x, &run, list, err);
	loom_run_release(&run, x);
	return rc;
}

enum loom_status loom_api_generate_batch(struct loom_exchange *x, struct loom_err *err)
{
	return answer_many(x, loom_generate_batch_body, "prompts", err);
}

enum loom_status loom_api_rerank(struct loom_exchange *x, struct loom_err *err)
{
	return answer_many(x, loom_rerank_body, "texts", err);
}

enum loom_status loom_api_embed_batch(struct loom_exchange *x, struct loom_err *err)
{
	return answer_many(x, loom_embed_batch_body, "texts", err);
}
