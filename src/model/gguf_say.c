/* gguf_say.c: see gguf_say.h. */
#include "gguf_say.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "config_internal.h"
#include "rope.h"
#include "str.h"

struct saying {
	struct loom_gguf_out *o;
	const struct loom_config *cfg;
	char arch[64];
	bool experts;    /* some layer has them */
	char said[2048]; /* keys that are there already, "|" between */
};

/* "arch.key", or NULL when it has been said. */
static const char *new_key(struct saying *s, const char *key, char out[160])
{
	size_t n = strlen(s->said);

	if (loom_words_have(s->said, key) || n + strlen(key) + 2 > sizeof(s->said)) {
		return NULL;
	}
	(void)snprintf(s->said + n, sizeof(s->said) - n, "%s%s", n ? "|" : "", key);
	(void)snprintf(out, 160, "%s.%s", s->arch, key);
	return out;
}

static void say_int(struct saying *s, const char *key, int64_t v)
{
	char name[160];

	if (v >= 0 && new_key(s, key, name)) {
		loom_gguf_out_u32(s->o, name, (uint32_t)v);
	}
}

static void say_num(struct saying *s, const char *key, double v)
{
	char name[160];

	if (new_key(s, key, name)) {
		loom_gguf_out_f32(s->o, name, v);
	}
}

static void say_bool(struct saying *s, const char *key, bool v)
{
	char name[160];

	if (new_key(s, key, name)) {
		loom_gguf_out_bool(s->o, name, v);
	}
}

static void say_text(struct saying *s, const char *key, const char *v)
{
	char name[160];

	if (new_key(s, key, name)) {
		loom_gguf_out_string(s->o, name, v, strlen(v));
	}
}

static bool has_step(const struct loom_block *b, enum loom_step_kind kind)
{
	const struct loom_step *s = b->steps;

	while (s->kind != LOOM_STEP_END && s->kind != kind) {
		s++;
	}
	return s->kind == kind;
}

/* Does the family tell its layers apart by this key? */
static bool ruled_by(const struct loom_config *c, const char *key)
{
	for (const struct loom_layer_rule *r = c->family->layers; r && r->test != LOOM_TEST_END; r++) {
		if (loom_words_have(r->key, key)) {
			return true;
		}
	}
	return false;
}

/* v; or, when some layers have neither step and the family's rules ask for it, a list with 0 for these. */
static void say_layers(struct saying *s, const char *key, int32_t v, enum loom_step_kind step, enum loom_step_kind other)
{
	const struct loom_config *c = s->cfg;
	int32_t with = 0;
	char name[160];

	for (int32_t l = 0; l < c->n_layer; l++) {
		with += has_step(c->layers[l].block, step) || has_step(c->layers[l].block, other);
	}
	if (with == 0 || with == c->n_layer || !ruled_by(c, key)) {
		say_int(s, key, with ? v : 0);
	} else if (new_key(s, key, name)) {
		loom_gguf_out_array(s->o, name, LOOM_GGUF_I32, (uint64_t)c->n_layer);
		for (int32_t l = 0; l < c->n_layer; l++) {
			int32_t n = has_step(c->layers[l].block, step) || has_step(c->layers[l].block, other) ? v : 0;
			loom_gguf_out_bytes(s->o, &n, sizeof(n));
		}
	}
}

/* The word of the family's list that is this model's: rows of gguf_keys may give one of them a meaning. */
static bool is_arch(const struct loom_config *c, const char *word)
{
	for (const struct loom_key *k = c->family->gguf_keys; k && (k->keys || k->value); k++) {
		bool flag = k->keys && k->map && loom_words_have(c->family->gguf, k->keys) && loom_str_starts(k->map, "true=");
		const char *is = flag ? loom_field_word(c, k->field) : NULL;
		if (is && loom_str_eq(is, k->map + strlen("true=")) != loom_str_eq(k->keys, word)) {
			return false;
		}
	}
	return true;
}

/* Of "name|name_moe:expert_count" the second is for models with experts, the first for those without. */
static void choose_arch(struct saying *s)
{
	static const char with[] = ":expert_count";
	bool told_apart = strstr(s->cfg->family->gguf, with) != NULL;

	for (const char *p = s->cfg->family->gguf; p; p = loom_words_next(p)) {
		size_t n = strcspn(p, "|:");
		(void)snprintf(s->arch, sizeof(s->arch), "%.*s", (int)(n < 60 ? n : 60), p);
		if (is_arch(s->cfg, s->arch) && (!told_apart || loom_str_starts(p + n, with) == s->experts)) {
			return;
		}
	}
}

/* Of latent attention: keys and values of the one head that the low ranks are, and those that become of it. */
static void say_latent(struct saying *s)
{
	const struct loom_config *c = s->cfg;

	if (c->kv_rank > 0) {
		say_int(s, "attention.key_length", c->kv_rank + c->d_rope);
		say_int(s, "attention.value_length", c->kv_rank);
		say_int(s, "attention.key_length_mla", c->d_head);
		say_int(s, "attention.value_length_mla", c->d_value);
		say_int(s, "attention.head_count_kv", 1);
		say_int(s, "expert_shared_count", s->experts ? c->n_shared : 0); /* asked for also where there are none */
		say_int(s, "expert_feed_forward_length", s->experts ? c->n_ffn_expert : c->n_ffn);
	}
}

static void say_sizes(struct saying *s)
{
	const struct loom_config *c = s->cfg;
	bool latent = c->kv_rank > 0, attends = false, dense = false;

	say_int(s, "block_count", c->n_layer);
	say_int(s, "context_length", c->n_ctx);
	say_int(s, "embedding_length", c->n_embd);
	say_int(s, "vocab_size", c->n_vocab);
	for (int32_t l = 0; l < c->n_layer; l++) {
		dense = dense || has_step(c->layers[l].block, LOOM_STEP_FFN);
		attends = attends || has_step(c->layers[l].block, LOOM_STEP_ATTEND);
	}
	say_layers(s, "feed_forward_length", s->experts && !dense ? c->n_ffn_expert : c->n_ffn, LOOM_STEP_FFN, LOOM_STEP_EXPERTS);
	say_int(s, "attention.head_count", attends ? c->n_head : 0);
	say_layers(s, "attention.head_count_kv", c->n_head_kv, LOOM_STEP_ATTEND, LOOM_STEP_ATTEND);
	if (!latent) {
		say_int(s, "attention.key_length", c->d_head);
		say_int(s, "attention.value_length", c->d_value);
	}
	if (c->n_delta > 0) {
		say_int(s, "ssm.inner_size", (int64_t)c->n_delta * c->d_delta);
	}
	if (!c->causal) {
		say_bool(s, "attention.causal", false);
	}
}

/* What the model is when no key says otherwise. */
static bool neutral(const struct saying *s, enum loom_field f, double v)
{
	const struct loom_config *c = s->cfg;

	switch (f) {
	case LOOM_F_EMBED_SCALE:
	case LOOM_F_RESIDUAL_SCALE:
	case LOOM_F_ROUTER_SCALE:
	case LOOM_F_LOGIT_SCALE:
	case LOOM_F_LOGIT_DIVIDE:
		return v == 1;
	case LOOM_F_ATTN_SCALE:
		return !c->attn_scaled || c->kv_rank > 0 || (float)v == (float)(1.0 / sqrt((double)c->d_head));
	case LOOM_F_ALIBI_MAX:
		return c->pos != LOOM_POS_ALIBI && c->pos != LOOM_POS_ALIBI_BF16;
	case LOOM_F_ROPE_THETA: /* the rope's own, which may be stretched */
	case LOOM_F_ROPE_LOCAL_THETA:
		return true;
	case LOOM_F_N_EXPERT:
	case LOOM_F_N_EXPERT_USED:
	case LOOM_F_N_FFN_EXPERT:
	case LOOM_F_N_EXPERT_GROUP:
	case LOOM_F_N_EXPERT_GROUP_USED:
		return !s->experts;
	default:
		return v == 0;
	}
}

/* Does the family's GGUF table have a row of the field that stands for something else in the file? */
static bool derived(const struct loom_config *c, enum loom_field f)
{
	for (const struct loom_key *k = c->family->gguf_keys; k && (k->keys || k->value); k++) {
		if (k->field == f) {
			return true;
		}
	}
	return false;
}

/* "1=softmax|2=sigmoid" backwards; "true=each_head" too. A value that is none of these is not said. */
static void say_mapped(struct saying *s, const struct loom_key *k, const char *key)
{
	const char *is = loom_field_word(s->cfg, k->field);
	double v = loom_field_number(s->cfg, k->field);

	for (const char *p = k->map; p; p = loom_words_next(p)) {
		size_t n = loom_word_len(p), eq = strcspn(p, "=");
		char left[64], right[64];
		if (eq >= n || eq >= sizeof(left) || n - eq >= sizeof(right) || *p == '*') {
			continue;
		}
		(void)snprintf(left, sizeof(left), "%.*s", (int)eq, p);
		(void)snprintf(right, sizeof(right), "%.*s", (int)(n - eq - 1), p + eq + 1);
		if (is ? loom_str_eq(is, right) : strtod(right, NULL) == v) {
			if (loom_str_eq(left, "true") || loom_str_eq(left, "false")) {
				say_bool(s, key, loom_str_eq(left, "true"));
			} else {
				say_int(s, key, (int64_t)strtod(left, NULL));
			}
			return;
		}
	}
}

/* One row's field under each of its keys; always: also when it changes nothing. Keys of what the file is made of (stored.…, the architecture's name)
 * say themselves. */
static void say_row(struct saying *s, const struct loom_key *k, bool always)
{
	const struct loom_config *c = s->cfg;
	const char *is = loom_field_word(c, k->field);
	double v = loom_field_number(c, k->field);
	char key[96];

	if (k->when && loom_str_eq(k->when, "expert_count") ? !s->experts : k->when && loom_str_eq(k->when + (*k->when == '!'), s->arch) == (*k->when == '!')) {
		return;
	}
	for (const char *p = k->keys; p; p = loom_words_next(p)) {
		(void)snprintf(key, sizeof(key), "%.*s", (int)loom_word_len(p), p);
		if (loom_str_starts(key, "stored.") || loom_words_have(c->family->gguf, key)) {
			continue;
		}
		if (k->map && (k->map[0] == '/' || k->map[0] == '+')) {
			const char *plus = strchr(k->map, '+');
			int64_t n = ((int64_t)v - (plus ? plus[1] - '0' : 0)) * (k->map[0] == '/' ? k->map[1] - '0' : 1);
			if (v > 0) {
				say_int(s, key, n);
			}
		} else if (k->map && !loom_words_have(k->map, "*")) {
			say_mapped(s, k, key);
		} else if (is) {
			if (loom_str_eq(is, "true") || loom_str_eq(is, "false")) {
				say_bool(s, key, loom_str_eq(is, "true"));
			}
		} else if ((always || !neutral(s, k->field, v)) && loom_field_type(k->field) == LOOM_FIELD_NUM) {
			say_num(s, key, v);
		} else if (always || !neutral(s, k->field, v)) {
			say_int(s, key, (int64_t)v);
		}
	}
}

/* The rows of the family's own table. */
static void say_own(struct saying *s)
{
	for (const struct loom_key *k = s->cfg->family->gguf_keys; k->keys || k->value; k++) {
		say_row(s, k, loom_field_number(s->cfg, k->field) != 0);
	}
}

static void say_rows(struct saying *s)
{
	for (const struct loom_key *k = loom_gguf_common; k->keys; k++) {
		bool routed = k->field == LOOM_F_ROUTER_NORM || k->field == LOOM_F_ROUTER_SCALE || k->field == LOOM_F_N_SHARED ||
			k->field == LOOM_F_N_FFN_SHARED;
		if (!(routed && !s->experts) && !(k->field == LOOM_F_ATTN_SCALE && derived(s->cfg, LOOM_F_QUERY_SCALAR))) {
			say_row(s, k, false);
		}
	}
}

/* The number of a layer rule, from which layers have its bits; -1: no number gives these. */
static int64_t rule_number(const struct loom_config *c, const struct loom_layer_rule *r)
{
	for (int64_t n = 0; n <= c->n_layer + 1; n++) {
		bool fits = true;
		for (int32_t l = 0; fits && l < c->n_layer; l++) {
			bool is = (c->layers[l].bits & r->bits) == r->bits;
			bool holds = r->test == LOOM_TEST_FROM ? l >= n : r->test == LOOM_TEST_BELOW ? l < n
				: r->test == LOOM_TEST_EVERY ? n > 0 && (l + 1) % n == 0 : n > 0 && l % n == 0;
			fits = (holds != r->negate) == is;
		}
		if (fits) {
			return n;
		}
	}
	return -1;
}

/* Which layers have the bits. */
static void say_flags(struct saying *s, const char *key, uint32_t bits)
{
	char name[160];

	if (!new_key(s, key, name)) {
		return;
	}
	loom_gguf_out_array(s->o, name, LOOM_GGUF_BOOL, (uint64_t)s->cfg->n_layer);
	for (int32_t l = 0; l < s->cfg->n_layer; l++) {
		const uint8_t is = (s->cfg->layers[l].bits & bits) == bits;
		loom_gguf_out_bytes(s->o, &is, 1);
	}
}

/* Rules whose keys are GGUF's too. */
static void say_rules(struct saying *s)
{
	static const char ours[] = "attention.sliding_window_pattern|leading_dense_block_count|use_parallel_residual|interleave_moe_layer_step|"
		"full_attention_interval|moe_every_n_layers";
	char key[96];

	for (const struct loom_layer_rule *r = s->cfg->family->layers; r && r->test != LOOM_TEST_END; r++) {
		for (const char *p = r->key; p; p = loom_words_next(p)) {
			(void)snprintf(key, sizeof(key), "%.*s", (int)loom_word_len(p), p);
			if (!loom_words_have(ours, key)) {
				continue;
			}
			if (r->test == LOOM_TEST_FLAG) {
				say_bool(s, key, ((s->cfg->layers[0].bits & r->bits) == r->bits) != r->negate);
			} else if (rule_number(s->cfg, r) >= 0) {
				say_int(s, key, rule_number(s->cfg, r));
			} else if (r->test == LOOM_TEST_EVERY) {
				say_flags(s, key, r->bits);
			}
		}
	}
}

/* f with a / f == b to the bit, when there is one. */
static float divisor(float a, float b)
{
	float f = a / b;

	for (int i = 0; i < 8 && a / f != b; i++) {
		f = nextafterf(f, a / f > b ? INFINITY : 0);
	}
	return f;
}

static enum loom_status say_factors(struct saying *s, const struct loom_rope *r, const struct loom_rope_spec *spec, struct loom_gguf_small *small,
	int *n, struct loom_arena *arena, struct loom_err *err)
{
	struct loom_rope plain;
	struct loom_rope_spec bare;
	enum loom_status rc;
	float *v;

	if (r->type == LOOM_ROPE_LONGROPE) {
		small[(*n)++] = (struct loom_gguf_small){"rope_factors_long.weight", spec->long_ext, r->n_freq};
		small[(*n)++] = (struct loom_gguf_small){"rope_factors_short.weight", spec->short_ext, r->n_freq};
		return LOOM_OK;
	}
	loom_rope_spec_init(&bare);
	bare.dim = r->dim;
	bare.base = r->base;
	bare.max_position = bare.original_max = s->cfg->n_ctx;
	rc = loom_rope_make(&plain, &bare, "GGUF", arena, err);
	v = loom_arena_alloc(arena, (size_t)r->n_freq + 1, sizeof(float));
	if (rc || !v) {
		return rc ? rc : loom_err_nomem(err, "rotary factors", (size_t)r->n_freq * sizeof(float));
	}
	for (int32_t i = 0; i < r->n_freq; i++) {
		v[i] = divisor(plain.inv_freq[i], r->inv_freq[i]);
	}
	small[(*n)++] = (struct loom_gguf_small){"rope_freqs.weight", v, r->n_freq};
	return LOOM_OK;
}

static enum loom_status say_rope(struct saying *s, struct loom_gguf_small *small, int *n, struct loom_arena *arena, struct loom_err *err)
{
	static const char *const types[] = {[LOOM_ROPE_LINEAR] = "linear", [LOOM_ROPE_YARN] = "yarn", [LOOM_ROPE_LONGROPE] = "longrope",
		[LOOM_ROPE_LLAMA3] = NULL};
	const struct loom_config *c = s->cfg;
	const struct loom_rope *r = &c->ropes[0];
	const struct loom_rope_spec *spec = c->rope_specs[0];

	if (c->n_rope == 0 || !spec) {
		return LOOM_OK;
	}
	say_int(s, "rope.dimension_count", r->dim);
	say_num(s, "rope.freq_base", r->base);
	if (c->n_rope > 1) {
		say_num(s, "rope.freq_base_swa", c->ropes[1].base);
	}
	if (types[r->type]) {
		say_text(s, "rope.scaling.type", types[r->type]);
		say_int(s, "rope.scaling.original_context_length", r->original_max);
		if (r->type != LOOM_ROPE_LONGROPE) {
			say_num(s, "rope.scaling.factor", r->factor);
		}
		if (r->type == LOOM_ROPE_LONGROPE || (r->type == LOOM_ROPE_YARN && r->attn_factor != (float)(0.1 * log(r->factor) + 1))) {
			say_num(s, "rope.scaling.attn_factor", (double)r->attn_factor);
		}
	}
	if (r->type == LOOM_ROPE_YARN && c->kv_rank > 0 && spec->mscale_all_dim > 0) {
		say_num(s, "rope.scaling.yarn_log_multiplier", 0.1 * spec->mscale_all_dim);
	}
	if (r->type == LOOM_ROPE_YARN) {
		say_num(s, "rope.scaling.yarn_beta_fast", spec->beta_fast);
		say_num(s, "rope.scaling.yarn_beta_slow", spec->beta_slow);
	}
	return r->type == LOOM_ROPE_LLAMA3 || r->type == LOOM_ROPE_LONGROPE ? say_factors(s, r, spec, small, n, arena, err) : LOOM_OK;
}

enum loom_status loom_gguf_say(struct loom_gguf_out *o, const struct loom_config *cfg, char arch[64], struct loom_gguf_small *small, int *n,
	struct loom_arena *arena, struct loom_err *err)
{
	struct saying s = {.o = o, .cfg = cfg};
	bool window = false;
	enum loom_status rc;

	*n = 0;
	for (int32_t l = 0; l < cfg->n_layer; l++) {
		s.experts = s.experts || has_step(cfg->layers[l].block, LOOM_STEP_EXPERTS);
	}
	choose_arch(&s);
	memcpy(arch, s.arch, sizeof(s.arch));
	loom_gguf_out_string(o, "general.architecture", s.arch, strlen(s.arch));
	rc = say_rope(&s, small, n, arena, err);
	say_latent(&s);
	say_sizes(&s);
	if (cfg->family->gguf_keys) {
		say_own(&s);
	}
	say_rows(&s);
	say_rules(&s);
	for (int32_t l = 0; l < cfg->n_layer; l++) {
		window = window || cfg->layers[l].window > 0;
	}
	if (window) {
		say_int(&s, "attention.sliding_window", cfg->window);
	}
	if (cfg->n_type > 0 || (!cfg->causal && cfg->pos == LOOM_POS_LEARNED)) { /* asked for also where there is no table of them */
		loom_gguf_out_u32(o, "tokenizer.ggml.token_type_count", cfg->n_type > 0 ? (uint32_t)cfg->n_type : 1);
	}
	return rc;
}
