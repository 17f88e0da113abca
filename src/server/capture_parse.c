/* capture_parse.c: {"name", "site", "layers", "positions", "reduce", "dtype"} → struct loom_capture_spec. Whether the model has such a
 * site, layer or position is the engine's to say. */
#include "capture_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonx.h"
#include "model.h"
#include "str.h"

static enum loom_status wrong(const char *param, const char *expected, const json_t *found, struct loom_err *err)
{
	char shown[64];

	loom_json_show(found, shown, sizeof(shown));
	return loom_err_param(err, LOOM_E_INVALID, param, "%s: expected %s, found %s", param, expected, shown);
}

/* Python's "start:stop:step" with optional parts; false when it is not one. */
static bool parse_slice(const char *s, struct loom_slice *out)
{
	int64_t v[3] = {0, 0, 1};
	bool has[3] = {false, false, false};
	int n = 0;

	for (;;) {
		char *end;
		errno = 0;
		if (*s != ':' && *s != '\0') {
			if (*s != '-' && (*s < '0' || *s > '9')) {
				return false;
			}
			v[n] = strtoll(s, &end, 10);
			if (errno || end == s) {
				return false;
			}
			has[n] = true;
			s = end;
		}
		if (*s == '\0') {
			break;
		}
		if (*s != ':' || ++n > 2) {
			return false;
		}
		s++;
	}
	*out = (struct loom_slice){has[0], has[1], v[0], v[1], has[2] ? v[2] : 1};
	return n > 0 && out->step > 0;
}

static enum loom_status parse_list(struct loom_parsed *p, const json_t *v, const char *param, const int64_t **out, size_t *n,
	struct loom_err *err)
{
	size_t count = json_array_size(v);
	int64_t *list = loom_arena_alloc(&p->arena, count + 1, sizeof(*list));

	if (!list) {
		return loom_err_nomem(err, param, count * sizeof(*list));
	}
	if (count == 0) {
		return loom_err_param(err, LOOM_E_INVALID, param, "%s: expected at least one integer, found []", param);
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *e = json_array_get(v, i);
		if (!json_is_integer(e)) {
			return wrong(param, "integers", e, err);
		}
		list[i] = json_integer_value(e);
	}
	*out = list;
	*n = count;
	return LOOM_OK;
}

static enum loom_status parse_layers(struct loom_parsed *p, const json_t *v, struct loom_capture_spec *s, struct loom_err *err)
{
	static const char param[] = "capture.layers";
	static const int64_t last = -1;
	const char *text = json_string_value(v);

	if (!v || json_is_null(v)) { /* like hidden_state_layers: the last */
		s->layer_select = LOOM_SELECT_LIST;
		s->layers = &last;
		s->n_layer = 1;
		return LOOM_OK;
	}
	if (loom_str_eq(text, "all")) {
		s->layer_select = LOOM_SELECT_ALL;
		return LOOM_OK;
	}
	if (text && parse_slice(text, &s->layer_slice)) {
		s->layer_select = LOOM_SELECT_SLICE;
		return LOOM_OK;
	}
	if (!json_is_array(v)) {
		return wrong(param, "a list of integers, \"all\" or a slice such as \"4:20:2\"", v, err);
	}
	s->layer_select = LOOM_SELECT_LIST;
	return parse_list(p, v, param, &s->layers, &s->n_layer, err);
}

static enum loom_status parse_positions(struct loom_parsed *p, const json_t *v, struct loom_capture_spec *s, struct loom_err *err)
{
	static const char param[] = "capture.positions";
	static const struct {
		const char *name;
		enum loom_select select;
	} names[] = {{"last", LOOM_SELECT_LAST}, {"prompt", LOOM_SELECT_PROMPT}, {"generated", LOOM_SELECT_GENERATED}, {"all", LOOM_SELECT_ALL}};
	const char *text = json_string_value(v);

	if (!v || json_is_null(v)) {
		s->select = LOOM_SELECT_LAST;
		return LOOM_OK;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (loom_str_eq(text, names[i].name)) {
			s->select = names[i].select;
			return LOOM_OK;
		}
	}
	if (text && parse_slice(text, &s->slice)) {
		s->select = LOOM_SELECT_SLICE;
		return LOOM_OK;
	}
	if (!json_is_array(v)) {
		return wrong(param, "\"last\", \"prompt\", \"generated\", \"all\", a list of integers or a slice such as \"10:20\"", v, err);
	}
	s->select = LOOM_SELECT_LIST;
	return parse_list(p, v, param, &s->positions, &s->n_position, err);
}

static enum loom_status parse_site(const json_t *v, struct loom_capture_spec *s, struct loom_err *err)
{
	const char *names[LOOM_N_SITE + 1] = {NULL}, *near;
	int site = json_is_string(v) ? loom_site_parse(json_string_value(v)) : -1;

	if (!v || json_is_null(v)) {
		s->site = LOOM_SITE_HIDDEN;
		return LOOM_OK;
	}
	if (!json_is_string(v)) {
		return wrong("capture.site", "a site's name", v, err);
	}
	if (site < 0) {
		for (int i = 0; i < LOOM_N_SITE; i++) {
			names[i] = loom_site_name((enum loom_site)i);
		}
		near = loom_str_nearest(json_string_value(v), names);
		return loom_err_param(err, LOOM_E_INVALID, "capture.site", "capture.site: no site is called \"%.40s\"%s%s%s; sites: hidden, resid_pre, "
			"resid_mid, resid_post, attn_norm, mlp_norm, attn_out, mlp_out, q, k, v, attn_heads, attn_probs, mlp_act, router, final_norm, "
			"logits", json_string_value(v), near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
	}
	s->site = (enum loom_site)site;
	return LOOM_OK;
}

static enum loom_status parse_reduce(const json_t *v, struct loom_capture_spec *s, struct loom_err *err)
{
	const char *text = json_string_value(v);

	if (!v || json_is_null(v)) {
		s->reduce = LOOM_REDUCE_NONE;
	} else if (loom_str_eq(text, "mean")) {
		s->reduce = LOOM_REDUCE_MEAN;
	} else if (loom_str_eq(text, "max")) {
		s->reduce = LOOM_REDUCE_MAX;
	} else if (loom_str_eq(text, "sum")) {
		s->reduce = LOOM_REDUCE_SUM;
	} else {
		return wrong("capture.reduce", "null, \"mean\", \"max\" or \"sum\"", v, err);
	}
	return LOOM_OK;
}

static enum loom_status parse_dtype(const json_t *v, enum loom_dtype *out, struct loom_err *err)
{
	const char *s = json_string_value(v);

	if (!v || json_is_null(v)) {
		return LOOM_OK;
	}
	if (loom_str_eq(s, "float32")) {
		*out = LOOM_F32;
	} else if (loom_str_eq(s, "float16")) {
		*out = LOOM_F16;
	} else if (loom_str_eq(s, "bfloat16")) {
		*out = LOOM_BF16;
	} else {
		return wrong("capture.dtype", "\"float32\", \"float16\" or \"bfloat16\"", v, err);
	}
	return LOOM_OK;
}

static enum loom_status parse_one(struct loom_parsed *p, const json_t *v, struct loom_capture_spec *s, struct loom_err *err)
{
	static const char *const fields[] = {"name", "site", "layers", "positions", "reduce", "dtype", NULL};
	const json_t *name = json_object_get(v, "name");
	enum loom_status rc;

	if (!json_is_object(v)) {
		return wrong("capture", "an object or a list of objects", v, err);
	}
	if ((rc = loom_check_fields(v, fields, err))) {
		char param[sizeof(err->param)];
		(void)snprintf(param, sizeof(param), "capture%s%.50s", err->param[0] ? "." : "", err->param);
		(void)loom_str_copy(err->param, sizeof(err->param), param);
		(void)loom_err_prefix(err, "capture");
		return rc;
	}
	if ((rc = parse_site(json_object_get(v, "site"), s, err)) || (rc = parse_layers(p, json_object_get(v, "layers"), s, err)) ||
		(rc = parse_positions(p, json_object_get(v, "positions"), s, err)) || (rc = parse_reduce(json_object_get(v, "reduce"), s, err))) {
		return rc;
	}
	s->dtype = (enum loom_dtype)p->dtype;
	if ((rc = parse_dtype(json_object_get(v, "dtype"), &s->dtype, err))) {
		return rc;
	}
	if (!name || json_is_null(name)) {
		(void)loom_str_copy(s->name, sizeof(s->name), loom_site_name(s->site));
		return LOOM_OK;
	}
	if (!json_is_string(name) || json_string_length(name) == 0 || json_string_length(name) >= sizeof(s->name) ||
		strlen(json_string_value(name)) != json_string_length(name)) {
		return wrong("capture.name", "a string of 1..63 bytes", name, err);
	}
	(void)loom_str_copy(s->name, sizeof(s->name), json_string_value(name));
	return LOOM_OK;
}

enum loom_status loom_parse_captures(struct loom_parsed *p, const json_t *v, struct loom_err *err)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 1;
	struct loom_capture_spec *specs;
	enum loom_status rc = LOOM_OK;

	if (n > LOOM_MAX_CAPTURES) {
		return loom_err_param(err, LOOM_E_INVALID, "capture", "capture: at most %d in a request, found %zu", LOOM_MAX_CAPTURES, n);
	}
	specs = loom_arena_alloc(&p->arena, n + 1, sizeof(*specs));
	if (!specs) {
		return loom_err_nomem(err, "captures", n * sizeof(*specs));
	}
	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		rc = parse_one(p, json_is_array(v) ? json_array_get(v, i) : v, &specs[i], err);
	}
	p->req.captures = specs;
	p->req.n_capture = n;
	return rc;
}
