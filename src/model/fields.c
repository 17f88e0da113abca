/* fields.c: the table behind fields.h: name, place, type and range of each field, and the words of its kinds. */
#include "fields.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "str.h"

static const struct field {
	const char *name;
	enum loom_field_type type;
	size_t offset;
	double least, most;
} fields[LOOM_N_FIELD] = {
#define X(id, member, type, least, most) {#member, LOOM_FIELD_##type, offsetof(struct loom_config, member), least, most},
	LOOM_FIELD_LIST(X)
#undef X
};

struct word {
	const char *text;
	int value;
};
static const struct word norms[] = {{"layer", LOOM_NORM_LAYER}, {"rms", LOOM_NORM_RMS}, {NULL, 0}};
static const struct word positions[] = {{"none", LOOM_POS_NONE}, {"rotary", LOOM_POS_ROTARY}, {"learned", LOOM_POS_LEARNED},
	{"sinusoid", LOOM_POS_SINUSOID}, {"alibi", LOOM_POS_ALIBI}, {"alibi_bf16", LOOM_POS_ALIBI_BF16}, {NULL, 0}};
static const struct word qk_norms[] = {{"none", LOOM_QK_NONE}, {"head", LOOM_QK_HEAD}, {"whole", LOOM_QK_WHOLE},
	{"each_head", LOOM_QK_EACH_HEAD}, {"head_tensors", LOOM_QK_HEAD_TENSORS}, {NULL, 0}};
static const struct word layouts[] = {{"split", LOOM_QKV_SPLIT}, {"stacked", LOOM_QKV_STACKED}, {"grouped", LOOM_QKV_GROUPED},
	{"blocked_qvk", LOOM_QKV_BLOCKED_QVK}, {NULL, 0}};
static const struct word glus[] = {{"none", LOOM_GLU_NONE}, {"halves", LOOM_GLU_HALVES}, {"clamped", LOOM_GLU_CLAMPED},
	{"clamped_halves", LOOM_GLU_CLAMPED_HALVES}, {NULL, 0}};
static const struct word routers[] = {{"softmax", LOOM_ROUTER_SOFTMAX}, {"sigmoid", LOOM_ROUTER_SIGMOID},
	{"topk_softmax", LOOM_ROUTER_TOPK_SOFTMAX}, {"sparsemixer", LOOM_ROUTER_SPARSEMIXER}, {NULL, 0}};
static const struct word scan_norms[] = {{"plain", LOOM_SCAN_PLAIN}, {"rms", LOOM_SCAN_RMS}, {"rms_weights", LOOM_SCAN_RMS_WEIGHTS},
	{NULL, 0}};
static const struct word rels[] = {{"none", LOOM_REL_NONE}, {"buckets", LOOM_REL_BUCKETS}, {"disentangled", LOOM_REL_DISENTANGLED},
	{NULL, 0}};
/* The names of transformers' ACT2FN. */
static const struct word acts[] = {
	{"silu", LOOM_ACT_SILU}, {"swish", LOOM_ACT_SILU}, {"gelu", LOOM_ACT_GELU_ERF}, {"gelu_python", LOOM_ACT_GELU_ERF},
	{"gelu_new", LOOM_ACT_GELU_TANH}, {"gelu_fast", LOOM_ACT_GELU_TANH}, {"gelu_pytorch_tanh", LOOM_ACT_GELU_TANH},
	{"gelu_python_tanh", LOOM_ACT_GELU_TANH}, {"gelu_accurate", LOOM_ACT_GELU_TANH}, {"relu", LOOM_ACT_RELU},
	{"relu2", LOOM_ACT_RELU2}, {"quick_gelu", LOOM_ACT_QUICK_GELU}, {"tanh", LOOM_ACT_TANH}, {"xielu", LOOM_ACT_XIELU}, {NULL, 0}};
static const struct word *const words[] = {[LOOM_FIELD_NORM] = norms, [LOOM_FIELD_ACT] = acts, [LOOM_FIELD_POS] = positions,
	[LOOM_FIELD_QK_NORM] = qk_norms, [LOOM_FIELD_QKV] = layouts, [LOOM_FIELD_GLU] = glus, [LOOM_FIELD_ROUTER] = routers,
	[LOOM_FIELD_SCAN_NORM] = scan_norms, [LOOM_FIELD_REL] = rels};

const char *loom_field_name(enum loom_field f)
{
	return (unsigned)f < LOOM_N_FIELD ? fields[f].name : "?";
}

enum loom_field loom_field_find(const char *name)
{
	int f = 0;

	while (f < LOOM_N_FIELD && !loom_str_eq(fields[f].name, name)) {
		f++;
	}
	return (enum loom_field)f;
}

enum loom_field_type loom_field_type(enum loom_field f)
{
	return fields[f].type;
}

bool loom_field_required(enum loom_field f)
{
	return f == LOOM_F_N_LAYER || f == LOOM_F_N_EMBD || f == LOOM_F_N_HEAD || f == LOOM_F_N_VOCAB;
}

static void *place(struct loom_config *cfg, enum loom_field f)
{
	return (char *)cfg + fields[f].offset;
}

double loom_field_number(const struct loom_config *cfg, enum loom_field f)
{
	const char *p = (const char *)cfg + fields[f].offset;

	switch (fields[f].type) {
	case LOOM_FIELD_INT: {
		int32_t v;
		memcpy(&v, p, sizeof(v));
		return v;
	}
	case LOOM_FIELD_LONG: {
		int64_t v;
		memcpy(&v, p, sizeof(v));
		return (double)v;
	}
	case LOOM_FIELD_NUM: {
		double v;
		memcpy(&v, p, sizeof(v));
		return v;
	}
	default:
		return NAN;
	}
}

const char *loom_field_word(const struct loom_config *cfg, enum loom_field f)
{
	const char *p = (const char *)cfg + fields[f].offset;
	int v;

	if (fields[f].type <= LOOM_FIELD_NUM) {
		return NULL;
	}
	if (fields[f].type == LOOM_FIELD_BOOL) {
		bool b;
		memcpy(&b, p, sizeof(b));
		return b ? "true" : "false";
	}
	memcpy(&v, p, sizeof(v));
	for (const struct word *w = words[fields[f].type]; w->text; w++) {
		if (w->value == v) {
			return w->text;
		}
	}
	return NULL;
}

static void set_number(struct loom_config *cfg, enum loom_field f, double v)
{
	int32_t i = (int32_t)v;
	int64_t l = (int64_t)v;

	switch (fields[f].type) {
	case LOOM_FIELD_INT:
		memcpy(place(cfg, f), &i, sizeof(i));
		break;
	case LOOM_FIELD_LONG:
		memcpy(place(cfg, f), &l, sizeof(l));
		break;
	default:
		memcpy(place(cfg, f), &v, sizeof(v));
		break;
	}
}

bool loom_field_given(const struct loom_config *cfg, enum loom_field f)
{
	double v = loom_field_number(cfg, f);

	return isnan(v) || v != 0;
}

static const struct word *find_word(enum loom_field_type type, const char *text)
{
	for (const struct word *w = words[type]; w->text; w++) {
		if (loom_str_eq(w->text, text)) {
			return w;
		}
	}
	return NULL;
}

/* "3", "n_embd", "4*n_embd", "sqrt(n_embd)"; cfg NULL: only whether it is one of these. */
static bool expression(const struct loom_config *cfg, const char *text, double *out)
{
	char name[64], *end;
	size_t n = strlen(text);
	double times = strtod(text, &end);
	bool root = loom_str_starts(text, "sqrt(") && n > 6 && text[n - 1] == ')';
	enum loom_field f;

	if (end != text && *end == '\0') {
		*out = times;
		return isfinite(times);
	}
	if (end == text) {
		times = 1;
	} else if (*end++ != '*') {
		return false;
	}
	if (root) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)(n - 6 < 60 ? n - 6 : 60), text + 5);
	} else {
		(void)snprintf(name, sizeof(name), "%.60s", end);
	}
	f = loom_field_find(name);
	if (f == LOOM_N_FIELD || fields[f].type > LOOM_FIELD_NUM) {
		return false;
	}
	*out = cfg ? times * (root ? sqrt(loom_field_number(cfg, f)) : loom_field_number(cfg, f)) : 0;
	return true;
}

static bool in_range(enum loom_field f, double v)
{
	bool whole = fields[f].type == LOOM_FIELD_NUM || v == floor(v);

	return v == 0 || (whole && v >= fields[f].least && v <= fields[f].most);
}

bool loom_field_text_ok(enum loom_field f, const char *text)
{
	double v;

	if (fields[f].type <= LOOM_FIELD_NUM) {
		return expression(NULL, text, &v) && in_range(f, v);
	}
	return fields[f].type == LOOM_FIELD_BOOL ? loom_str_eq(text, "true") || loom_str_eq(text, "false")
						 : find_word(fields[f].type, text) != NULL;
}

enum loom_status loom_field_set_text(struct loom_config *cfg, enum loom_field f, const char *text, const char *where, struct loom_err *err)
{
	double v = 0;

	if (!loom_field_text_ok(f, text)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %s: \"%.60s\" is not a value of this field", where, fields[f].name, text);
	}
	if (fields[f].type <= LOOM_FIELD_NUM) {
		(void)expression(cfg, text, &v);
		if (!in_range(f, v)) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s: %.60s is %g, out of range", where, fields[f].name, text, v);
		}
		set_number(cfg, f, v);
	} else if (fields[f].type == LOOM_FIELD_BOOL) {
		bool b = loom_str_eq(text, "true");
		memcpy(place(cfg, f), &b, sizeof(b));
	} else {
		int w = find_word(fields[f].type, text)->value;
		memcpy(place(cfg, f), &w, sizeof(w));
	}
	return LOOM_OK;
}

static enum loom_status set_word(struct loom_config *cfg, enum loom_field f, const struct loom_json_ctx *c, const json_t *obj,
	const char *key, struct loom_err *err)
{
	const char *text = NULL;
	enum loom_status rc = loom_json_str(c, obj, key, &text, err);

	if (rc || !text) {
		return rc;
	}
	if (!find_word(fields[f].type, text)) {
		return loom_err_set(err, c->bad, "%s: %s: %s \"%.40s\" is not supported", c->where, key,
			fields[f].type == LOOM_FIELD_ACT ? "activation" : fields[f].name, text);
	}
	return loom_field_set_text(cfg, f, text, c->where, err);
}

enum loom_status loom_field_set_json(struct loom_config *cfg, enum loom_field f, const struct loom_json_ctx *c, const json_t *obj,
	const char *key, struct loom_err *err)
{
	bool null = json_is_null(json_object_get(obj, key));
	enum loom_status rc = LOOM_OK;
	int64_t i = 0;
	double v = 0;

	switch (fields[f].type) {
	case LOOM_FIELD_INT:
	case LOOM_FIELD_LONG:
		rc = loom_json_int(c, obj, key, (int64_t)fields[f].least, (int64_t)fields[f].most, &i, err);
		set_number(cfg, f, (double)i);
		break;
	case LOOM_FIELD_NUM:
		rc = loom_json_num(c, obj, key, fields[f].least, fields[f].most, &v, err);
		set_number(cfg, f, v);
		break;
	case LOOM_FIELD_BOOL:
		rc = loom_json_bool(c, obj, key, place(cfg, f), err);
		break;
	default:
		return set_word(cfg, f, c, obj, key, err);
	}
	if (rc == LOOM_OK && null && loom_field_required(f)) {
		return loom_err_set(err, c->bad, "%s: \"%s\" is null", c->where, key);
	}
	return rc;
}
