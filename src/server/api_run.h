/* api_run.h: what the handlers that run a model share. */
#ifndef LOOM_API_RUN_H
#define LOOM_API_RUN_H

#include "exchange.h"
#include "request_parse.h"

/* A request from its body to a pinned model. */
struct loom_run {
	struct loom_parsed p;
	struct loom_resident *r;
	struct loom_model_info info;
	struct loom_encode_opts encode;
};
/* Parses x's body by the table, loads the model when it is not there. loom_run_release follows also after a failure. */
enum loom_status loom_run_open(struct loom_run *run, struct loom_exchange *x, const struct loom_input_field *const *body, struct loom_err *err)
	LOOM_MUST_CHECK;
void loom_run_release(struct loom_run *run, struct loom_exchange *x);
/* Notes what was done, for log and counters. */
void loom_run_note(const struct loom_run *run, struct loom_exchange *x, const struct loom_answer *a);

#endif
