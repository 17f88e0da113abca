/* api_health.c: GET /health and GET /metrics. */
#include <string.h>

#include "exchange.h"
#include "json_out.h"
#include "loom_backend.h"
#include "str.h"
#include "cores.h"

static void named(struct loom_json_out *j, const char *key, const char *value)
{
	loom_json_key(j, key);
	loom_json_put_str(j, value);
}

static void integer(struct loom_json_out *j, const char *key, int64_t value)
{
	loom_json_key(j, key);
	loom_json_put_int(j, value);
}

static void first_id(void *arg, const struct loom_model_info *i)
{
	char *out = arg;

	if (!i->loading && !out[0]) {
		(void)loom_str_copy(out, sizeof(i->id), i->id);
	}
}

enum loom_status loom_api_health(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_engine_opts o;
	struct loom_json_out j;
	char first[512] = "";
	bool well = loom_engine_healthy(x->engine);

	loom_engine_opts_get(x->engine, &o);
	loom_engine_each(x->engine, first_id, first);
	x->status = well ? 200 : 503;
	loom_json_out_init(&j, &x->body.head);
	loom_json_open(&j, '{');
	named(&j, "status", well ? "healthy" : "unhealthy");
	named(&j, "model_loaded", first[0] ? first : NULL);
	loom_json_key(&j, "gpu_info");
	loom_json_open(&j, '{');
	loom_json_key(&j, "has_gpu");
	loom_json_put_bool(&j, false);
	named(&j, "default_device", o.device);
	loom_json_key(&j, "allowed_devices");
	loom_json_open(&j, '[');
	loom_json_put_str(&j, "cpu");
	loom_json_close(&j, ']');
	loom_json_key(&j, "memory_fraction");
	loom_json_put_num(&j, o.memory_fraction);
	loom_json_key(&j, "gpus");
	loom_json_open(&j, '[');
	loom_json_close(&j, ']');
	loom_json_close(&j, '}');
	loom_json_key(&j, "config");
	loom_json_open(&j, '{');
	integer(&j, "max_loaded_models", o.max_models);
	loom_json_key(&j, "default_layers");
	if (x->opts->default_all_layers) {
		loom_json_put_str(&j, "all");
	} else {
		loom_json_open(&j, '[');
		for (size_t i = 0; i < x->opts->n_default_layer; i++) {
			loom_json_put_int(&j, x->opts->default_layers[i]);
		}
		if (x->opts->n_default_layer == 0) {
			loom_json_put_int(&j, -1);
		}
		loom_json_close(&j, ']');
	}
	loom_json_close(&j, '}');
	loom_json_key(&j, "cpu_info");
	loom_json_open(&j, '{');
	integer(&j, "cores", loom_cpu_cores());
	integer(&j, "threads", o.n_thread > 0 ? o.n_thread : loom_cpu_cores());
	named(&j, "isa", loom_cpu_isa());
	loom_json_close(&j, '}');
	named(&j, "version", LOOM_VERSION);
	loom_json_close(&j, '}');
	return loom_exchange_done(x, err);
}

enum loom_status loom_api_metrics(struct loom_exchange *x, struct loom_err *err)
{
	x->body.content_type = "text/plain; version=0.0.4; charset=utf-8";
	loom_metrics_write(x->metrics, x->engine, &x->body.head);
	return loom_exchange_done(x, err);
}
