/* api_generate.c: POST /generate and POST /embed: body → request → answer → body. */
#include <string.h>

#include "exchange.h"
#include "jsonx.h"
#include "request_parse.h"

enum loom_status loom_exchange_json(const struct loom_exchange *x, json_t **root, struct loom_err *err)
{
	*root = NULL;
	if (x->n_data == 0) {
		return loom_err_set(err, LOOM_E_BAD_REQUEST, "the body is empty: expected a JSON object");
	}
	return loom_json_parse(x->data, x->n_data, "", LOOM_E_BAD_REQUEST, root, err);
}

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
	o = (struct loom_encode_opts){.format = p->format, .dtype = p->dtype, .return_token_ids = p->return_token_ids,
		.model_id = p->model ? p->model : info.id, .device = info.device, .compute = info.compute, .warning = info.warning};
	return (p->req.kind == LOOM_REQUEST_EMBED ? loom_encode_embed : loom_encode_generate)(b, a, &p->req, &o, err);
}

static enum loom_status answer(struct loom_exchange *x, struct loom_parsed *p, struct loom_err *err)
{
	struct loom_load_spec spec = {.id = p->model, .loader = p->loader, .cancelled = x->gone, .cancelled_ctx = x->gone_ctx};
	struct loom_resident *r = NULL;
	enum loom_status rc = loom_engine_acquire(x->engine, &spec, &r, err);

	if (rc) {
		return rc;
	}
	p->req.max_response_bytes = x->opts->max_response_bytes;
	p->req.cancelled = x->gone;
	p->req.cancelled_ctx = x->gone_ctx;
	rc = loom_answer_parsed(x->engine, r, p, &x->answer, &x->body, err);
	loom_engine_release(x->engine, r);
	return rc;
}

enum loom_status loom_api_generate(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_parsed p;
	json_t *root = NULL;
	enum loom_status rc = loom_exchange_json(x, &root, err);

	if (rc) {
		return rc;
	}
	loom_parsed_init(&p);
	rc = loom_parse_generate(&p, root, x->strict, true, err);
	rc = rc ? rc : answer(x, &p, err);
	loom_parsed_release(&p);
	return rc;
}

enum loom_status loom_api_embed(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_parsed p;
	json_t *root = NULL;
	enum loom_status rc = loom_exchange_json(x, &root, err);

	if (rc) {
		return rc;
	}
	loom_parsed_init(&p);
	rc = loom_parse_embed(&p, root, x->strict, true, err);
	rc = rc ? rc : answer(x, &p, err);
	loom_parsed_release(&p);
	return rc;
}
