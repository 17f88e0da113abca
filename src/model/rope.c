/* rope.c: rotary frequencies: default, linear, dynamic, yarn, longrope, llama3. From numbers to arrays; reading a config is
 * rope_json.c's, rotating is the backend's. */
#include "rope.h"

#include <math.h>

#define TWO_PI 6.283185307179586

void loom_rope_spec_init(struct loom_rope_spec *s)
{
	*s = (struct loom_rope_spec){.base = 10000.0, .factor = NAN, .attn_factor = NAN, .short_mscale = NAN, .long_mscale = NAN, .beta_fast = 32, .beta_slow = 1,
		.mscale = NAN, .mscale_all_dim = NAN, .low_freq_factor = NAN, .high_freq_factor = NAN, .truncate = true};
}

/* base^(2i/dim) in float32, as torch raises a scalar to a float tensor. */
static float power(float base, int32_t i, int32_t dim)
{
	return powf(base, (float)(2 * i) / (float)dim);
}

static void plain(float *out, const struct loom_rope_spec *s)
{
	for (int32_t i = 0; i < s->dim / 2; i++) {
		out[i] = 1.0f / power((float)s->base, i, s->dim);
	}
}

static void linear(float *out, const struct loom_rope_spec *s)
{
	plain(out, s);
	for (int32_t i = 0; i < s->dim / 2; i++) {
		out[i] /= (float)s->factor;
	}
}

static double yarn_mscale(double scale, double mscale)
{
	return scale <= 1 ? 1.0 : 0.1 * mscale * log(scale) + 1.0;
}

/* The dimension whose wave turns `rotations` times over the original context. */
static double yarn_dim(const struct loom_rope_spec *s, double rotations)
{
	return (s->dim * log((double)s->original_max / (rotations * TWO_PI))) / (2 * log(s->base));
}

static void yarn(float *out, const struct loom_rope_spec *s)
{
	double low = yarn_dim(s, s->beta_fast), high = yarn_dim(s, s->beta_slow);

	if (s->truncate) {
		low = floor(low);
		high = ceil(high);
	}
	low = fmax(low, 0);
	high = fmin(high, s->dim - 1);
	if (low == high) {
		high += 0.001;
	}
	for (int32_t i = 0; i < s->dim / 2; i++) {
		float freq = power((float)s->base, i, s->dim);
		float ramp = ((float)i - (float)low) / (float)(high - low);
		ramp = fminf(fmaxf(ramp, 0.0f), 1.0f);
		float keep = 1.0f - ramp; /* share of the unscaled frequency */
		out[i] = 1.0f / ((float)s->factor * freq) * (1.0f - keep) + 1.0f / freq * keep;
	}
}

static void llama3(float *out, const struct loom_rope_spec *s)
{
	double low_wave = (double)s->original_max / s->low_freq_factor, high_wave = (double)s->original_max / s->high_freq_factor;
	float factor = (float)s->factor;

	plain(out, s);
	for (int32_t i = 0; i < s->dim / 2; i++) {
		float freq = out[i];
		float wave = (1.0f / freq) * (float)TWO_PI;
		if (wave > (float)low_wave) {
			out[i] = freq / factor;
		} else if (!(wave < (float)high_wave)) {
			float smooth = ((1.0f / wave) * (float)s->original_max - (float)s->low_freq_factor) /
				(float)(s->high_freq_factor - s->low_freq_factor);
			out[i] = (1.0f - smooth) * freq / factor + smooth * freq;
		}
	}
}

static void longrope(float *out, const struct loom_rope_spec *s, const float *ext)
{
	for (int32_t i = 0; i < s->dim / 2; i++) {
		out[i] = 1.0f / (ext[i] * power((float)s->base, i, s->dim));
	}
}

static enum loom_status need(const char *where, const char *type, const char *key, bool there, struct loom_err *err)
{
	return there ? LOOM_OK : loom_err_set(err, LOOM_E_MODEL, "%s: rope type \"%s\" needs a valid \"%s\"", where, type, key);
}

static enum loom_status check(const struct loom_rope_spec *s, const char *where, struct loom_err *err)
{
	bool factor = isfinite(s->factor) && s->factor > 0, original = s->original_max > 0;
	enum loom_status rc = LOOM_OK;

	if (s->dim <= 0 || s->dim % 2 != 0) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: rotary width of a head is %d: expected an even number", where, s->dim);
	}
	if (!(s->base > 0) || !isfinite(s->base)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: rope_theta: expected a positive number", where);
	}
	switch (s->type) {
	case LOOM_ROPE_DEFAULT:
		break;
	case LOOM_ROPE_LINEAR:
		rc = need(where, "linear", "factor", factor, err);
		break;
	case LOOM_ROPE_DYNAMIC:
		rc = need(where, "dynamic", "factor", factor, err);
		if (!rc) {
			rc = need(where, "dynamic", "head_dim above 2", s->dim > 2, err);
		}
		break;
	case LOOM_ROPE_YARN:
		rc = need(where, "yarn", "factor", factor, err);
		if (!rc) {
			rc = need(where, "yarn", "original_max_position_embeddings", original, err);
		}
		break;
	case LOOM_ROPE_LONGROPE:
		rc = need(where, "longrope", "short_factor", s->short_ext != NULL, err);
		if (!rc) {
			rc = need(where, "longrope", "long_factor", s->long_ext != NULL, err);
		}
		if (!rc) {
			rc = need(where, "longrope", "original_max_position_embeddings", s->original_max > 1, err);
		}
		break;
	case LOOM_ROPE_LLAMA3:
		rc = need(where, "llama3", "factor", factor, err);
		if (!rc) {
			rc = need(where, "llama3", "original_max_position_embeddings", original, err);
		}
		if (!rc) {
			rc = need(where, "llama3", "low_freq_factor and high_freq_factor",
				s->low_freq_factor > 0 && s->high_freq_factor > s->low_freq_factor, err);
		}
		break;
	}
	return rc;
}

static float attention_factor(const struct loom_rope_spec *s)
{
	if (isfinite(s->attn_factor) && (s->type == LOOM_ROPE_YARN || s->type == LOOM_ROPE_LONGROPE)) {
		return (float)s->attn_factor;
	}
	if (s->type == LOOM_ROPE_YARN) {
		if (isfinite(s->mscale) && s->mscale != 0 && isfinite(s->mscale_all_dim) && s->mscale_all_dim != 0) {
			return (float)(yarn_mscale(s->factor, s->mscale) / yarn_mscale(s->factor, s->mscale_all_dim));
		}
		return (float)yarn_mscale(s->factor, 1);
	}
	if (s->type == LOOM_ROPE_LONGROPE) {
		double factor = isfinite(s->factor) ? s->factor : (double)s->max_position / (double)s->original_max;
		return factor <= 1 ? 1.0f : (float)sqrt(1 + log(factor) / log((double)s->original_max));
	}
	return 1.0f;
}

enum loom_status loom_rope_make(struct loom_rope *r, const struct loom_rope_spec *s, const char *where, struct loom_arena *arena,
	struct loom_err *err)
{
	enum loom_status rc = check(s, where, err);
	int32_t n = s->dim / 2;

	if (rc) {
		return rc;
	}
	*r = (struct loom_rope){.type = s->type, .dim = s->dim, .n_freq = n, .base = s->base,
		.factor = isfinite(s->factor) ? s->factor : 1.0, .max_position = s->max_position, .original_max = s->original_max};
	r->inv_freq = loom_arena_alloc(arena, (size_t)n, sizeof(float));
	r->short_freq = loom_arena_alloc(arena, (size_t)n, sizeof(float));
	r->long_freq = loom_arena_alloc(arena, (size_t)n, sizeof(float));
	if (!r->inv_freq || !r->short_freq || !r->long_freq) {
		return loom_err_nomem(err, "rotary frequencies", (unsigned long long)n * sizeof(float));
	}
	r->attn_factor = r->short_factor_scale = r->long_factor_scale = attention_factor(s);
	switch (s->type) {
	case LOOM_ROPE_DEFAULT:
	case LOOM_ROPE_DYNAMIC:
		plain(r->inv_freq, s);
		break;
	case LOOM_ROPE_LINEAR:
		linear(r->inv_freq, s);
		break;
	case LOOM_ROPE_YARN:
		yarn(r->inv_freq, s);
		break;
	case LOOM_ROPE_LLAMA3:
		llama3(r->inv_freq, s);
		break;
	case LOOM_ROPE_LONGROPE:
		longrope(r->short_freq, s, s->short_ext);
		longrope(r->long_freq, s, s->long_ext);
		longrope(r->inv_freq, s, s->short_ext);
		r->short_factor_scale = isfinite(s->short_mscale) ? (float)s->short_mscale : r->attn_factor;
		r->long_factor_scale = isfinite(s->long_mscale) ? (float)s->long_mscale : r->attn_factor;
		break;
	}
	for (int32_t i = 0; s->divide && i < n; i++) {
		r->inv_freq[i] /= s->divide[i];
	}
	return LOOM_OK;
}

const float *loom_rope_at(const struct loom_rope *r, int64_t len, float *scratch, float *attn_factor)
{
	*attn_factor = r->attn_factor;
	if (r->type == LOOM_ROPE_LONGROPE) {
		*attn_factor = len > r->original_max ? r->long_factor_scale : r->short_factor_scale;
		return len > r->original_max ? r->long_freq : r->short_freq;
	}
	if (r->type == LOOM_ROPE_DYNAMIC && len > r->max_position) {
		/* The length is a tensor in transformers, so the new base is float32. */
		float grow = (float)r->factor * (float)len / (float)r->max_position - (float)(r->factor - 1);
		float base = (float)r->base * powf(grow, (float)((double)r->dim / (r->dim - 2)));
		for (int32_t i = 0; i < r->n_freq; i++) {
			scratch[i] = (r->inv_freq[i] < 0 ? -1.0f : 1.0f) / power(base, i, r->dim);
		}
		return scratch;
	}
	return r->inv_freq;
}
