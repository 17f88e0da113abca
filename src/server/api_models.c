/* api_models.c: /models, /models/{id}, /models/load. */
#include <string.h>

#include "exchange.h"
#include "json_out.h"
#include "jsonx.h"
#include "request_parse.h"
#include "str.h"

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

static void number(struct loom_json_out *j, const char *key, double value)
{
	loom_json_key(j, key);
	loom_json_put_num(j, value);
}

/* The members that every answer about a model has; the object stays open. */
static void put_info(struct loom_json_out *j, const struct loom_model_info *i)
{
	named(j, "model_id", i->id);
	if (i->loading) {
		named(j, "state", "loading");
		named(j, "phase", i->phase);
		number(j, "progress", i->progress);
		return;
	}
	named(j, "state", "ready");
	named(j, "device", i->device);
	named(j, "dtype", i->dtype);
	integer(j, "hidden_size", i->n_embd);
	integer(j, "num_layers", i->n_layer);
	named(j, "loader_type", i->loader);
	named(j, "quantization", i->quantization[0] ? i->quantization : NULL);
	number(j, "idle_seconds", i->idle_seconds);
	loom_json_key(j, "auto_unload_in");
	if (i->auto_unload_in < 0) {
		loom_json_put_null(j);
	} else {
		loom_json_put_num(j, i->auto_unload_in);
	}
	integer(j, "context_length", i->n_ctx);
	integer(j, "vocab_size", i->n_vocab);
	integer(j, "memory_bytes", (int64_t)i->memory_bytes);
	named(j, "architecture", i->architecture);
	integer(j, "in_flight", i->in_flight);
	named(j, "compute", i->compute);
	if (i->warning[0]) {
		named(j, "warning", i->warning);
	}
}

static void each(void *arg, const struct loom_model_info *i)
{
	struct loom_json_out *j = arg;

	loom_json_open(j, '{');
	put_info(j, i);
	loom_json_close(j, '}');
}

enum loom_status loom_api_models(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_engine_opts o;
	struct loom_json_out j;

	loom_engine_opts_get(x->engine, &o);
	loom_json_out_init(&j, &x->body.head);
	loom_json_open(&j, '{');
	loom_json_key(&j, "loaded_models");
	loom_json_open(&j, '[');
	loom_engine_each(x->engine, each, &j);
	loom_json_close(&j, ']');
	integer(&j, "max_models", o.max_models);
	number(&j, "auto_unload_minutes", o.auto_unload_minutes);
	loom_json_close(&j, '}');
	return loom_exchange_done(x, err);
}

struct search {
	const char *id;
	bool found, ready;
	struct loom_model_info info; /* of the last one of that id */
};

static void look(void *arg, const struct loom_model_info *i)
{
	struct search *s = arg;

	if (strcmp(i->id, s->id) == 0) {
		s->found = true;
		s->ready = !i->loading;
		s->info = *i;
	}
}

/* The id as it is, else with "--" read as "/". seen (may be NULL): what is known of it. */
static bool find_loaded(struct loom_engine *e, const char *id, char *out, size_t cap, struct loom_model_info *seen)
{
	struct search s = {.id = out};
	size_t n = 0;

	(void)loom_str_copy(out, cap, id);
	loom_engine_each(e, look, &s);
	if (s.found) {
		if (seen) {
			*seen = s.info;
		}
		return s.ready;
	}
	for (const char *p = id; *p && n + 1 < cap; p++) {
		if (p[0] == '-' && p[1] == '-') {
			out[n++] = '/';
			p++;
		} else {
			out[n++] = *p;
		}
	}
	out[n] = '\0';
	loom_engine_each(e, look, &s);
	if (seen) {
		*seen = s.info;
	}
	return s.ready;
}

/* "only": the layers that have a site which not all of them have. */
static void put_only(struct loom_json_out *j, const struct loom_resident *r, enum loom_site site)
{
	const struct loom_plan *p = loom_resident_plan(r);

	loom_json_key(j, "only");
	loom_json_open(j, '[');
	for (int32_t l = 0; l <= p->n_layer; l++) {
		if (loom_plan_tap(p, site, l) >= 0) {
			loom_json_put_int(j, l);
		}
	}
	loom_json_close(j, ']');
}

static void put_sites(struct loom_json_out *j, const struct loom_resident *r)
{
	loom_json_key(j, "sites");
	loom_json_open(j, '{');
	for (int s = 0; s < LOOM_N_SITE; s++) {
		struct loom_site_info info;
		loom_resident_site(r, (enum loom_site)s, &info);
		if (!info.present) {
			continue;
		}
		loom_json_key(j, loom_site_name((enum loom_site)s));
		loom_json_open(j, '{');
		loom_json_key(j, "width");
		if (info.width > 0) {
			loom_json_put_int(j, info.width);
		} else {
			loom_json_put_str(j, "heads x keys");
		}
		loom_json_key(j, "layers");
		if (info.n_layer == 0) {
			loom_json_put_null(j);
		} else {
			loom_json_open(j, '[');
			loom_json_put_int(j, 0);
			loom_json_put_int(j, info.n_layer - 1);
			loom_json_close(j, ']');
		}
		if (info.n_have < info.n_layer) {
			put_only(j, r, (enum loom_site)s);
		}
		loom_json_close(j, '}');
	}
	loom_json_close(j, '}');
}

static void put_names(struct loom_json_out *j, const char *key, const struct loom_resident *r,
	const char *(*name)(const struct loom_resident *r, int32_t i))
{
	loom_json_key(j, key);
	loom_json_open(j, '[');
	for (int32_t i = 0; name(r, i); i++) {
		loom_json_put_str(j, name(r, i));
	}
	loom_json_close(j, ']');
}

enum loom_status loom_api_model(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_model_info info, seen;
	struct loom_resident *r = NULL;
	struct loom_json_out j;
	char id[512];
	enum loom_status rc;

	if (!find_loaded(x->engine, x->rest, id, sizeof(id), &seen)) {
		return loom_err_set(err, LOOM_E_NOT_FOUND, "model \"%.200s\" is not loaded", x->rest);
	}
	struct loom_load_spec spec = {.id = id, .loader = -1};
	rc = loom_engine_acquire(x->engine, &spec, &r, err);
	if (rc) {
		return rc;
	}
	loom_resident_info(r, &info);
	/* As it was before this request, which itself is no use of the model. */
	info.idle_seconds = seen.idle_seconds;
	info.auto_unload_in = seen.auto_unload_in;
	info.in_flight = seen.in_flight;
	loom_json_out_init(&j, &x->body.head);
	loom_json_open(&j, '{');
	put_info(&j, &info);
	put_sites(&j, r);
	put_names(&j, "prompts", r, loom_resident_prompt);
	put_names(&j, "tasks", r, loom_resident_task);
	loom_json_close(&j, '}');
	loom_engine_release(x->engine, r);
	return loom_exchange_done(x, err);
}

/* ---- loading ---- */

static enum loom_status need_model(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	struct loom_load_spec *spec = target;
	const char *s = json_string_value(v);

	if (!s) {
		return loom_input_wrong(name, "a string", v, err);
	}
	if (s[0] == '\0' || strlen(s) != json_string_length(v)) {
		return loom_input_wrong(name, "a model's id", v, err);
	}
	spec->id = s;
	return LOOM_OK;
}

/* Whether it fits the model is seen on loading. */
static enum loom_status parse_quantization(void *target, const char *name, const json_t *v, struct loom_err *err)
{
	static const char *const known[] = {"none", "4bit", "4bit-double", "8bit", "gptq", "awq"};
	struct loom_load_spec *spec = target;

	spec->quantization = json_string_value(v);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (loom_str_eq(spec->quantization, known[i])) {
			return LOOM_OK;
		}
	}
	return loom_input_wrong(name, "none, 4bit, 4bit-double, 8bit, gptq or awq", v, err);
}

static const struct loom_input_word dtypes[] = {{"auto", LOOM_DTYPE_UNKNOWN}, {"float32", LOOM_F32}, {"float16", LOOM_F16}, {"bfloat16", LOOM_BF16},
	{NULL, 0}};
static const struct loom_input_word loaders[] = {{"auto", -1}, {"transformers", LOOM_LOADER_TRANSFORMERS},
	{"sentence_transformers", LOOM_LOADER_SENTENCE_TRANSFORMERS}, {"custom", LOOM_LOADER_CUSTOM}, {"gguf", LOOM_LOADER_GGUF}, {NULL, 0}};

static const struct loom_input_field load_fields[] = {
	{.name = "model", .kind = LOOM_INPUT_OTHER, .parse = need_model, .expected = "a string", .required = true,
		.schema = "{\"type\":\"string\",\"minLength\":1}", .help = "hub id, folder or GGUF file"},
	{.name = "device", .kind = LOOM_INPUT_STR, .offset = offsetof(struct loom_load_spec, device), .help = "cpu, cuda or cuda:N"},
	{.name = "dtype", .kind = LOOM_INPUT_WORD, .offset = offsetof(struct loom_load_spec, dtype), .words = dtypes, .fallback = "\"auto\"",
		.help = "how matrices are kept; auto: as stored"},
	{.name = "loader", .kind = LOOM_INPUT_WORD, .offset = offsetof(struct loom_load_spec, loader), .words = loaders, .fallback = "\"auto\"",
		.help = "who opens it"},
	{.name = "quantization", .kind = LOOM_INPUT_OTHER, .parse = parse_quantization,
		.schema = "{\"enum\":[\"none\",\"4bit\",\"4bit-double\",\"8bit\",\"gptq\",\"awq\"]}", .fallback = "\"none\"", .help = "how weights are made smaller"},
	{.name = "compute", .kind = LOOM_INPUT_STR, .offset = offsetof(struct loom_load_spec, compute), .help = "float32 (exact), or a faster named mode"},
	{.name = NULL},
};
const struct loom_input_field *const loom_load_body[] = {load_fields, NULL};

static void put_loaded(struct loom_json_out *j, const struct loom_model_info *info)
{
	loom_json_open(j, '{');
	named(j, "model_id", info->id);
	named(j, "device", info->device);
	named(j, "dtype", info->dtype);
	integer(j, "hidden_size", info->n_embd);
	integer(j, "num_layers", info->n_layer);
	number(j, "load_time_seconds", info->load_seconds);
	named(j, "loader_type", info->loader);
	named(j, "quantization", info->quantization[0] ? info->quantization : NULL);
	named(j, "compute", info->compute);
	if (info->warning[0]) {
		named(j, "warning", info->warning);
	}
	loom_json_close(j, '}');
}

enum loom_status loom_api_model_load(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_load_spec spec = {.loader = -1, .prefer = true, .cancelled = x->gone, .cancelled_ctx = x->gone_ctx};
	struct loom_resident *r = NULL;
	struct loom_model_info info;
	struct loom_json_out j;
	json_t *root = NULL;
	enum loom_status rc = loom_exchange_json(x, &root, err);

	rc = rc ? rc : loom_input_parse(loom_load_body, &spec, root, x->strict, err);
	rc = rc ? rc : loom_engine_acquire(x->engine, &spec, &r, err);
	if (rc == LOOM_OK) {
		(void)loom_str_copy(x->facts.model, sizeof(x->facts.model), spec.id);
		loom_resident_info(r, &info);
		loom_engine_warn_device(x->engine, spec.device, &info);
		loom_json_out_init(&j, &x->body.head);
		put_loaded(&j, &info);
		loom_engine_release(x->engine, r);
		rc = loom_exchange_done(x, err);
	}
	json_decref(root);
	return rc;
}

enum loom_status loom_api_model_unload(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_json_out j;
	char id[512];
	bool found = find_loaded(x->engine, x->rest, id, sizeof(id), NULL);
	enum loom_status rc = loom_engine_unload(x->engine, x->rest, x->opts->drain_seconds * 1000, err);

	if (rc) {
		return rc;
	}
	loom_json_out_init(&j, &x->body.head);
	loom_json_open(&j, '{');
	named(&j, "status", "unloaded");
	named(&j, "model_id", found ? id : x->rest);
	loom_json_close(&j, '}');
	return loom_exchange_done(x, err);
}
