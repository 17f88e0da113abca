/* rope_json.c: config.json's words on rotary embedding, in the spelling of transformers 4 (rope_theta, rope_scaling with
 * "type" or "rope_type") and 5 (rope_parameters). */
#include <math.h>

#include "bounds.h"
#include "jsonx.h"
#include "rope.h"
#include "str.h"

static const struct {
	const char *name;
	enum loom_rope_type type;
} types[] = {
	{"default", LOOM_ROPE_DEFAULT}, {"linear", LOOM_ROPE_LINEAR}, {"dynamic", LOOM_ROPE_DYNAMIC}, {"yarn", LOOM_ROPE_YARN},
	{"longrope", LOOM_ROPE_LONGROPE}, {"llama3", LOOM_ROPE_LLAMA3},
};

static enum loom_status parse_type(const char *name, const char *where, enum loom_rope_type *out, struct loom_err *err)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (loom_str_eq(name, types[i].name)) {
			*out = types[i].type;
			return LOOM_OK;
		}
	}
	return loom_err_set(err, LOOM_E_MODEL,
		"%s: rope type \"%.40s\" is not supported (default, linear, dynamic, yarn, longrope and llama3 are)", where, name);
}

static enum loom_status factors(const json_t *obj, const char *key, const char *where, int32_t n, const float **out,
	struct loom_arena *arena, struct loom_err *err)
{
	const json_t *list = json_object_get(obj, key);
	float *v;

	if (!json_is_array(list)) {
		return LOOM_OK;
	}
	if (json_array_size(list) != (size_t)n) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %s: expected %d numbers, found %zu", where, key, n, json_array_size(list));
	}
	v = loom_arena_alloc(arena, (size_t)n, sizeof(float));
	if (!v) {
		return loom_err_nomem(err, "rotary factors", (unsigned long long)n * sizeof(float));
	}
	for (int32_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(list, (size_t)i);
		v[i] = (float)json_number_value(e);
		if (!json_is_number(e) || !(v[i] > 0) || !isfinite(v[i])) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s[%d]: expected a positive number", where, key, i);
		}
	}
	*out = v;
	return LOOM_OK;
}

/* The scaling keys of obj (rope_parameters or rope_scaling). */
static enum loom_status scaling(struct loom_rope_spec *s, const json_t *obj, const char *where, struct loom_arena *arena,
	struct loom_err *err)
{
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	const char *type = NULL;
	enum loom_status rc;
	const struct {
		const char *key;
		double *out;
	} nums[] = {
		{"rope_theta", &s->base}, {"factor", &s->factor}, {"attention_factor", &s->attn_factor}, {"beta_fast", &s->beta_fast},
		{"beta_slow", &s->beta_slow}, {"mscale", &s->mscale}, {"mscale_all_dim", &s->mscale_all_dim},
		{"low_freq_factor", &s->low_freq_factor}, {"high_freq_factor", &s->high_freq_factor},
	};

	if ((rc = loom_json_str(&c, obj, "type", &type, err)) || (rc = loom_json_str(&c, obj, "rope_type", &type, err)) ||
		(type && (rc = parse_type(type, where, &s->type, err)))) {
		return rc;
	}
	for (size_t i = 0; i < sizeof(nums) / sizeof(nums[0]); i++) {
		if ((rc = loom_json_num(&c, obj, nums[i].key, 0, 1e12, nums[i].out, err))) {
			return rc;
		}
	}
	if ((rc = loom_json_int(&c, obj, "original_max_position_embeddings", 1, LOOM_MAX_CONTEXT, &s->original_max, err)) ||
		(rc = loom_json_bool(&c, obj, "truncate", &s->truncate, err)) ||
		(rc = factors(obj, "short_factor", where, s->dim / 2, &s->short_ext, arena, err)) ||
		(rc = factors(obj, "long_factor", where, s->dim / 2, &s->long_ext, arena, err))) {
		return rc;
	}
	return LOOM_OK;
}

enum loom_status loom_rope_from_json(struct loom_rope *r, const json_t *root, const char *where, int32_t dim, int64_t max_position,
	double theta_default, struct loom_arena *arena, struct loom_err *err)
{
	static const char *const objects[] = {"rope_scaling", "rope_parameters"};
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	struct loom_rope_spec s;
	enum loom_status rc;
	double partial = 1;

	loom_rope_spec_init(&s);
	s.dim = dim;
	s.base = theta_default;
	s.max_position = max_position;
	if ((rc = loom_json_num(&c, root, "rope_theta", 0, 1e12, &s.base, err)) ||
		(rc = loom_json_num(&c, root, "partial_rotary_factor", 0, 1, &partial, err))) {
		return rc;
	}
	for (size_t i = 0; i < 2; i++) {
		const json_t *obj = json_object_get(root, objects[i]);
		if (!obj || json_is_null(obj)) {
			continue;
		}
		if (!json_is_object(obj)) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s: expected an object or null", where, objects[i]);
		}
		if ((rc = scaling(&s, obj, where, arena, err)) ||
			(rc = loom_json_num(&c, obj, "partial_rotary_factor", 0, 1, &partial, err))) {
			return rc;
		}
	}
	if (partial != 1) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: partial_rotary_factor %g is not supported for this family", where, partial);
	}
	/* The config's own key wins over the one inside, as transformers standardizes it. */
	if ((rc = loom_json_int(&c, root, "original_max_position_embeddings", 1, LOOM_MAX_CONTEXT, &s.original_max, err))) {
		return rc;
	}
	if (!s.original_max) {
		s.original_max = max_position;
	}
	if (isnan(s.factor) && s.type == LOOM_ROPE_YARN) {
		s.factor = (double)max_position / (double)s.original_max;
	}
	return loom_rope_make(r, &s, where, arena, err);
}
