/* libloom.c: include/loom.h over the engine: an engine with one model, and requests made from C arguments. */
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "jsonx.h"
#include "log.h"
#include "loom.h"
#include "keep.h"
#include "mem.h"
#include "str.h"

struct loom_handle {
	struct loom_engine *engine;
	struct loom_resident *resident;
};

static int fail(const struct loom_err *err, char *why)
{
	if (why) {
		(void)loom_str_copy(why, LOOM_ERROR_BYTES, err->message);
	}
	return loom_status_http(err->status);
}

int loom_open(const char *model, const struct loom_open_options *options, struct loom_handle **out, char *why)
{
	struct loom_engine_opts o;
	struct loom_load_spec spec = {.id = model, .loader = -1};
	struct loom_err err = {0};
	struct loom_handle *h = loom_calloc(1, sizeof(*h));

	*out = NULL;
	if (!h) {
		(void)loom_err_nomem(&err, "handle", sizeof(*h));
		return fail(&err, why);
	}
	loom_json_setup();
	loom_log_set_level(LOOM_LOG_ERROR);
	loom_engine_opts_default(&o);
	o.device = options && options->device ? options->device : "cpu";
	o.n_thread = options ? options->threads : 0;
	o.cache_dir = options ? options->cache_dir : NULL;
	o.memory_fraction = options && options->memory_fraction > 0 ? options->memory_fraction : o.memory_fraction;
	o.auto_unload_minutes = 0;
	o.allow_local = true;
	if (options && options->dtype && !loom_str_eq(options->dtype, "auto")) {
		spec.dtype = loom_dtype_from_torch(options->dtype);
		if (spec.dtype == LOOM_DTYPE_UNKNOWN) {
			loom_free(h);
			(void)loom_err_set(&err, LOOM_E_INVALID, "dtype: expected auto, float32, float16 or bfloat16, found \"%.40s\"", options->dtype);
			return fail(&err, why);
		}
	}
	h->engine = loom_engine_new(&o, &err);
	if (!h->engine || loom_engine_acquire(h->engine, &spec, &h->resident, &err)) {
		if (h->engine) {
			loom_engine_free(h->engine, 0);
		}
		loom_free(h);
		return fail(&err, why);
	}
	*out = h;
	return 0;
}

void loom_close(struct loom_handle *h)
{
	if (h) {
		loom_engine_release(h->engine, h->resident);
		loom_engine_free(h->engine, 0);
		loom_free(h);
	}
}

void loom_describe(const struct loom_handle *h, struct loom_facts *out)
{
	struct loom_model_info info;

	loom_resident_info(h->resident, &info);
	memset(out, 0, sizeof(*out));
	out->n_layer = info.n_layer;
	out->n_embd = info.n_embd;
	out->n_vocab = info.n_vocab;
	out->n_context = info.n_ctx;
	(void)loom_str_copy(out->architecture, sizeof(out->architecture), info.architecture);
	(void)loom_str_copy(out->dtype, sizeof(out->dtype), info.dtype);
	(void)loom_str_copy(out->device, sizeof(out->device), info.device);
}

int loom_tokenize(struct loom_handle *h, const char *text, size_t n, int add_special, int32_t **ids, size_t *n_ids, char *why)
{
	struct loom_encoding e;
	struct loom_err err = {0};
	enum loom_status rc = LOOM_OK;

	*ids = NULL;
	*n_ids = 0;
	loom_encoding_init(&e);
	if (!loom_utf8_valid(text, n)) {
		rc = loom_err_set(&err, LOOM_E_INVALID, "text: invalid UTF-8 at byte %zu", loom_utf8_valid_prefix(text, n));
	}
	rc = rc ? rc : loom_tokenizer_encode(loom_resident_tokenizer(h->resident), text, n, add_special != 0, &e, &err);
	if (rc == LOOM_OK) {
		*ids = loom_malloc(e.n * sizeof(**ids));
		if (*ids) {
			memcpy(*ids, e.ids, e.n * sizeof(**ids));
			*n_ids = e.n;
		} else {
			rc = loom_err_nomem(&err, "ids", e.n * sizeof(**ids));
		}
	}
	loom_encoding_release(&e);
	return rc ? fail(&err, why) : 0;
}

int loom_detokenize(struct loom_handle *h, const int32_t *ids, size_t n_ids, int skip_special, char **text, size_t *n, char *why)
{
	struct loom_buf out;
	struct loom_err err = {0};

	*text = NULL;
	*n = 0;
	loom_buf_init(&out, SIZE_MAX / 2);
	if (loom_tokenizer_decode(loom_resident_tokenizer(h->resident), ids, n_ids, skip_special != 0, &out, &err)) {
		loom_buf_release(&out);
		return fail(&err, why);
	}
	(void)loom_buf_append(&out, "", 0);
	*text = out.data ? loom_buf_take(&out, n) : loom_strdup("");
	if (!*text) {
		loom_buf_release(&out);
		(void)loom_err_nomem(&err, "text", 1);
		return fail(&err, why);
	}
	return 0;
}

void loom_release(void *p)
{
	loom_free(p);
}

static struct loom_request blank(enum loom_request_kind kind)
{
	struct loom_request q = {.kind = kind, .add_special_tokens = true, .pooling = -1, .normalize = -1, .truncate = true, .layer = -1};

	loom_sampling_default(&q.sampling);
	q.sampling.temperature = 0;
	return q;
}

static int run_taps(struct loom_handle *h, struct loom_request *q, const struct loom_tap *taps, size_t n_tap, struct loom_tensor_out *out,
	char *why)
{
	struct loom_capture_spec specs[LOOM_MAX_CAPTURES];
	int64_t layers[LOOM_MAX_CAPTURES];
	struct loom_answer a;
	struct loom_err err = {0};
	enum loom_status rc = LOOM_OK;

	if (n_tap > LOOM_MAX_CAPTURES) {
		(void)loom_err_set(&err, LOOM_E_INVALID, "taps: at most %d in a run, found %zu", LOOM_MAX_CAPTURES, n_tap);
		return fail(&err, why);
	}
	memset(specs, 0, sizeof(specs));
	for (size_t i = 0; i < n_tap; i++) {
		int site = loom_site_parse(taps[i].site);
		if (site < 0) {
			(void)loom_err_set(&err, LOOM_E_INVALID, "taps[%zu].site: no site is called \"%.60s\"", i, taps[i].site);
			return fail(&err, why);
		}
		(void)snprintf(specs[i].name, sizeof(specs[i].name), "%zu", i);
		specs[i].site = (enum loom_site)site;
		specs[i].select = LOOM_SELECT_ALL;
		specs[i].dtype = LOOM_F32;
		specs[i].layer_select = taps[i].layer == LOOM_LAYER_ALL ? LOOM_SELECT_ALL : LOOM_SELECT_LIST;
		layers[i] = taps[i].layer;
		specs[i].layers = &layers[i];
		specs[i].n_layer = 1;
	}
	q->captures = specs;
	q->n_capture = n_tap;
	loom_answer_init(&a);
	rc = loom_engine_run(h->engine, h->resident, q, &a, &err);
	for (size_t i = 0; rc == LOOM_OK && i < a.n_capture; i++) {
		struct loom_answer_tensor *t = &a.captures[i];
		out[i].data = t->data;
		out[i].map_bytes = t->map_bytes;
		out[i].n_dim = t->n_dim;
		memcpy(out[i].shape, t->shape, sizeof(out[i].shape));
		t->data = NULL;
	}
	loom_answer_release(&a);
	return rc ? fail(&err, why) : 0;
}

int loom_run_ids(struct loom_handle *h, const int32_t *ids, size_t n_ids, const struct loom_tap *taps, size_t n_tap,
	struct loom_tensor_out *out, char *why)
{
	struct loom_request q = blank(LOOM_REQUEST_GENERATE);

	q.ids = ids;
	q.n_ids = n_ids;
	return run_taps(h, &q, taps, n_tap, out, why);
}

int loom_run_text(struct loom_handle *h, const char *text, size_t n, const struct loom_tap *taps, size_t n_tap, struct loom_tensor_out *out,
	char *why)
{
	struct loom_request q = blank(LOOM_REQUEST_GENERATE);
	struct loom_err err = {0};

	if (!loom_utf8_valid(text, n)) {
		(void)loom_err_set(&err, LOOM_E_INVALID, "text: invalid UTF-8 at byte %zu", loom_utf8_valid_prefix(text, n));
		return fail(&err, why);
	}
	q.text = text;
	q.n_text = n;
	return run_taps(h, &q, taps, n_tap, out, why);
}

int loom_continue(struct loom_handle *h, const char *text, size_t n, int64_t max_tokens, char **out, size_t *n_out, char *why)
{
	struct loom_request q = blank(LOOM_REQUEST_GENERATE);
	struct loom_answer a;
	struct loom_err err = {0};
	enum loom_status rc;

	*out = NULL;
	*n_out = 0;
	q.text = text;
	q.n_text = n;
	q.max_tokens = max_tokens;
	loom_answer_init(&a);
	rc = loom_utf8_valid(text, n) ? loom_engine_run(h->engine, h->resident, &q, &a, &err)
				      : loom_err_set(&err, LOOM_E_INVALID, "text: invalid UTF-8 at byte %zu", loom_utf8_valid_prefix(text, n));
	if (rc == LOOM_OK) {
		*out = loom_strndup(a.text ? a.text : "", a.n_text);
		*n_out = a.n_text;
		rc = *out ? LOOM_OK : loom_err_nomem(&err, "text", a.n_text);
	}
	loom_answer_release(&a);
	return rc ? fail(&err, why) : 0;
}

int loom_embed_text(struct loom_handle *h, const char *text, size_t n, struct loom_tensor_out *out, char *why)
{
	struct loom_request q = blank(LOOM_REQUEST_EMBED);
	struct loom_answer a;
	struct loom_err err = {0};
	enum loom_status rc;

	q.text = text;
	q.n_text = n;
	loom_answer_init(&a);
	rc = loom_utf8_valid(text, n) ? loom_engine_run(h->engine, h->resident, &q, &a, &err)
				      : loom_err_set(&err, LOOM_E_INVALID, "text: invalid UTF-8 at byte %zu", loom_utf8_valid_prefix(text, n));
	if (rc == LOOM_OK) {
		size_t bytes = (size_t)a.n_row * (size_t)a.width * sizeof(float);
		out->data = loom_keep_alloc(bytes);
		if (out->data) {
			memcpy(out->data, a.embedding, bytes);
			out->map_bytes = bytes;
			out->n_dim = 2;
			out->shape[0] = a.n_row;
			out->shape[1] = a.width;
		} else {
			rc = loom_err_nomem(&err, "embedding", bytes);
		}
	}
	loom_answer_release(&a);
	return rc ? fail(&err, why) : 0;
}

void loom_tensor_free(struct loom_tensor_out *t)
{
	if (t->data) {
		loom_keep_free(t->data, t->map_bytes);
	}
	memset(t, 0, sizeof(*t));
}

const char *loom_version(void)
{
	return LOOM_VERSION;
}
