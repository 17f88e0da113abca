/* rope_json.c: config.json's words on rotary embedding, in the spelling of transformers 4 (rope_theta, rope_scaling with
 * "type" or "rope_type") and 5 (rope_parameters). */
#include <math.h>

#include "bounds.h"
#include "config_internal.h"
#include "rope.h"
#include "str.h"

static const struct {
	const char *name;
	enum loom_rope_type type;
} types[] = {
	{"default", LOOM_ROPE_DEFAULT}, {"linear", LOOM_ROPE_LINEAR}, {"dynamic", LOOM_ROPE_DYNAMIC}, {"yarn", LOOM_ROPE_YARN},
	{"longrope", LOOM_ROPE_LONGROPE}, {"su", LOOM_ROPE_LONGROPE}, {"mrope", LOOM_ROPE_DEFAULT}, {"llama3", LOOM_ROPE_LLAMA3},
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
		{"beta_slow", &s->beta_slow}, {"short_mscale", &s->short_mscale},
		 {"long_mscale", &s->long_mscale}, {"mscale", &s->mscale}, {"mscale_all_dim", &s->mscale_all_dim},
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

static bool family_has(const struct loom_config *cfg, enum loom_field f)
{
	for (const struct loom_key *k = cfg->family->keys; k->keys || k->value; k++) {
		if (k->field == f) {
			return true;
		}
	}
	return false;
}

/* Columns of a head that are rotated. */
static enum loom_status rotated(const struct loom_config *cfg, double part, const char *where, int32_t *dim, struct loom_err *err)
{
	if (part != 1 && !family_has(cfg, LOOM_F_ROTARY_PART)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: partial_rotary_factor %g is not supported for this family", where, part);
	}
	*dim = cfg->rotary_dim > 0 ? cfg->rotary_dim : (int32_t)(cfg->d_head * part);
	if (*dim > cfg->d_head) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d columns of a head are to be rotated, but it has %d", where, *dim, cfg->d_head);
	}
	return LOOM_OK;
}

/* A dynamic rope with "alpha" (Hunyuan) is a default one of a larger theta. */
static enum loom_status stretch(struct loom_rope_spec *s, const json_t *obj, const char *where, struct loom_err *err)
{
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	double alpha = 0;
	enum loom_status rc = loom_json_num(&c, obj, "alpha", 0, 1e9, &alpha, err);

	if (rc == LOOM_OK && s->type == LOOM_ROPE_DYNAMIC && alpha > 0 && s->dim > 2) {
		s->type = LOOM_ROPE_DEFAULT;
		s->base *= pow(alpha, (double)s->dim / (s->dim - 2));
	}
	return rc;
}

/* One rope from the objects that say how it is scaled (NULL: none does). */
static enum loom_status make(struct loom_config *cfg, const json_t *const objects[2], double theta, const json_t *root, const char *where,
	struct loom_err *err)
{
	static const char *const names[] = {"rope_scaling", "rope_parameters"};
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	struct loom_rope *r = &cfg->ropes[cfg->n_rope];
	struct loom_rope_spec s;
	enum loom_status rc;
	double part = cfg->rotary_part;

	loom_rope_spec_init(&s);
	s.base = theta;
	s.max_position = cfg->n_ctx;
	if ((rc = loom_json_num(&c, root, "partial_rotary_factor", 0, 1, &part, err))) {
		return rc;
	}
	for (size_t i = 0; i < 2; i++) {
		if (!objects[i] || json_is_null(objects[i])) {
			continue;
		}
		if (!json_is_object(objects[i])) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s: expected an object or null", where, names[i]);
		}
		if ((rc = loom_json_num(&c, objects[i], "partial_rotary_factor", 0, 1, &part, err)) ||
			(rc = rotated(cfg, part, where, &s.dim, err)) || (rc = scaling(&s, objects[i], where, &cfg->arena, err)) ||
			(cfg->rope_alpha && (rc = stretch(&s, objects[i], where, err)))) {
			return rc;
		}
	}
	/* The config's own key wins over the one inside, as transformers standardizes it. */
	if ((rc = rotated(cfg, part, where, &s.dim, err)) ||
		(rc = loom_json_int(&c, root, "original_max_position_embeddings", 1, LOOM_MAX_CONTEXT, &s.original_max, err))) {
		return rc;
	}
	if (!s.original_max) {
		s.original_max = cfg->n_ctx;
	}
	if (isnan(s.factor) && s.type == LOOM_ROPE_YARN) {
		s.factor = (double)cfg->n_ctx / (double)s.original_max;
	}
	if (cfg->kv_rank > 0 && s.type != LOOM_ROPE_DEFAULT && s.mscale_all_dim > 0 && s.factor > 1) {
		double m = 0.1 * s.mscale_all_dim * log(s.factor) + 1; /* DeepSeek scales the scores by its square */
		cfg->attn_scale *= m * m;
	}
	struct loom_rope_spec *kept = loom_arena_alloc(&cfg->arena, 1, sizeof(*kept));
	if (!kept) {
		return loom_err_nomem(err, "rotary embedding", sizeof(*kept));
	}
	*kept = s;
	cfg->rope_specs[cfg->n_rope] = kept;
	rc = loom_rope_make(r, &s, where, &cfg->arena, err);
	r->interleaved = cfg->rope_interleaved;
	for (int32_t i = 0; rc == LOOM_OK && cfg->rope_reversed && i < r->n_freq; i++) {
		r->inv_freq[i] = -r->inv_freq[i];
		r->short_freq[i] = -r->short_freq[i];
		r->long_freq[i] = -r->long_freq[i];
	}
	cfg->n_rope += rc == LOOM_OK;
	return rc;
}

enum loom_status loom_rope_from_json(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const json_t *old = json_object_get(root, "rope_scaling"), *new = json_object_get(root, "rope_parameters");
	const json_t *full = json_object_get(new, "full_attention"), *local = json_object_get(new, "sliding_attention");
	bool nested = json_is_object(full) || json_is_object(local);
	const json_t *first[2] = {old, nested ? full : new}, *second[2] = {NULL, local};
	enum loom_status rc;

	cfg->n_rope = 0;
	if (cfg->pos != LOOM_POS_ROTARY) {
		return LOOM_OK;
	}
	rc = make(cfg, first, cfg->rope_theta, root, where, err);
	if (rc == LOOM_OK && (nested || cfg->rope_local_theta > 0)) {
		rc = make(cfg, second, cfg->rope_local_theta > 0 ? cfg->rope_local_theta : cfg->rope_theta, root, where, err);
	}
	return rc;
}
