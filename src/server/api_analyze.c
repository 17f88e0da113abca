/* api_analyze.c: POST /analyze: the statistics of a text's vector. */
#include "analyze.h"
#include "api_run.h"
#include "json_out.h"

static void number(struct loom_json_out *j, const char *key, double v)
{
	loom_json_key(j, key);
	loom_json_put_num(j, v);
}

static void put(struct loom_json_out *j, const struct loom_run *run, const struct loom_answer *a, const struct loom_vector_stats *s)
{
	static const char *const percentiles[3] = {"percentile_25", "percentile_50", "percentile_75"};
	static const char *const shapes[2] = {"shape", "embedding_shape"};

	loom_json_open(j, '{');
	number(j, "mean", s->mean);
	number(j, "std", s->std);
	number(j, "min", s->min);
	number(j, "max", s->max);
	number(j, "l2_norm", s->l2_norm);
	number(j, "sparsity", s->sparsity);
	for (int i = 0; i < 3; i++) {
		number(j, percentiles[i], s->percentile[i]);
	}
	for (int i = 0; i < 2; i++) {
		loom_json_key(j, shapes[i]);
		loom_json_open(j, '[');
		if (a->pooling == LOOM_POOL_NONE) {
			loom_json_put_int(j, a->n_row);
		}
		loom_json_put_int(j, a->width);
		loom_json_close(j, ']');
	}
	loom_json_key(j, "layer");
	loom_json_put_int(j, run->p.req.layer);
	loom_json_key(j, "dtype");
	loom_json_put_str(j, "float32");
	loom_embed_metadata(j, a, &run->encode);
	loom_json_close(j, '}');
}

enum loom_status loom_api_analyze(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_run run;
	struct loom_vector_stats stats;
	struct loom_json_out j;
	struct loom_answer *a = &x->answer;
	enum loom_status rc = loom_run_open(&run, x, loom_embed_body, err);

	rc = rc ? rc : loom_engine_run(x->engine, run.r, &run.p.req, a, err);
	if (rc == LOOM_OK && run.p.req.dry_run) {
		rc = loom_encode_dry_run(&x->body, a, err);
	} else if (rc == LOOM_OK) {
		rc = loom_vector_analyze(a->embedding, (size_t)(a->n_row * a->width), &stats, err);
		if (rc == LOOM_OK) {
			loom_json_out_init(&j, &x->body.head);
			put(&j, &run, a, &stats);
			loom_run_note(&run, x, a);
			rc = loom_exchange_done(x, err);
		}
	}
	loom_run_release(&run, x);
	return rc;
}
