/* config_gguf.c: GGUF metadata → struct loom_config. The keys are the format's own (ggml docs/gguf.md), prefixed by the architecture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "buf.h"
#include "config_internal.h"
#include "gguf_tree.h"
#include "rope.h"
#include "weights.h"
#include "str.h"

struct reader {
	const struct loom_gguf *g;
	const char *arch;
	struct loom_err *err;
};

static const char *full_key(const struct reader *r, const char *key, char out[160])
{
	(void)snprintf(out, 160, "%s.%s", r->arch, key);
	return out;
}

/* Absent leaves *out; required absent is an error. Some models give a per-layer list for head counts: refused by name. */
static enum loom_status get_int(const struct reader *r, const char *key, int64_t max, bool required, int32_t *out)
{
	char name[160];
	int64_t v;
	const struct loom_gguf_value *value = loom_gguf_find(r->g, full_key(r, key, name));

	if (!value) {
		return required ? loom_err_set(r->err, LOOM_E_MODEL, "metadata: \"%s\" is missing", name) : LOOM_OK;
	}
	if (!loom_gguf_int(r->g, name, &v) || v < (required ? 1 : 0) || v > max) {
		return loom_err_set(r->err, LOOM_E_MODEL, "metadata: %s: expected an integer %d..%lld", name, required ? 1 : 0, (long long)max);
	}
	*out = (int32_t)v;
	return LOOM_OK;
}

/* A number, or a list with 0 for the layers that have none of it (attention, a feed-forward); it must be the same in the others. */
static enum loom_status get_same(const struct reader *r, const char *key, int64_t max, int32_t *out)
{
	char name[160];
	const struct loom_gguf_value *v = loom_gguf_find(r->g, full_key(r, key, name));

	if (!v || v->type != LOOM_GGUF_ARRAY || v->elem_type == LOOM_GGUF_STRING) {
		return get_int(r, key, max, false, out);
	}
	for (uint64_t i = 0; i < v->n; i++) {
		int64_t n = loom_gguf_array_int(v, i);
		if (n < 0 || n > max || (n > 0 && *out > 0 && n != *out)) {
			return loom_err_set(r->err, LOOM_E_MODEL, "metadata: %s[%llu] is %lld: expected one number, or 0, for all layers", name,
				(unsigned long long)i, (long long)n);
		}
		*out = n > 0 ? (int32_t)n : *out;
	}
	return LOOM_OK;
}

static double get_num(const struct reader *r, const char *key, double absent)
{
	char name[160];
	double v;

	return loom_gguf_num(r->g, full_key(r, key, name), &v) && isfinite(v) ? v : absent;
}

/* A small float tensor of n numbers, when the file has it. */
static enum loom_status small_tensor(struct loom_config *cfg, const struct loom_store *s, const char *name, int32_t n, const float **out,
	struct loom_err *err)
{
	const struct loom_tensor *t = loom_store_find(s, name);
	float *v;

	if (!t) {
		return LOOM_OK;
	}
	if (t->dtype != LOOM_F32 || t->n_elem != (uint64_t)n) {
		return loom_err_set(err, LOOM_E_MODEL, "tensor %s: expected float32 [%d]", name, n);
	}
	v = loom_arena_alloc(&cfg->arena, (size_t)n, sizeof(float));
	if (!v) {
		return loom_err_nomem(err, name, (unsigned long long)n * sizeof(float));
	}
	*out = v;
	enum loom_status rc = loom_store_read(s, t, 0, v, (size_t)n * sizeof(float), err);
	for (int32_t i = 0; rc == LOOM_OK && i < n; i++) {
		if (!(v[i] > 0) || !isfinite(v[i])) {
			return loom_err_set(err, LOOM_E_MODEL, "tensor %s[%d]: expected a positive number", name, i);
		}
	}
	return rc;
}

/* DeepSeek's stretched ropes scale the scores: the file has a tenth of the config's mscale_all_dim, in float32. */
static void latent_scale(struct loom_config *cfg, const struct reader *r, struct loom_rope_spec *spec)
{
	double tenth = get_num(r, "rope.scaling.yarn_log_multiplier", NAN), m;
	char text[32];

	if (!(tenth > 0) || !(spec->factor > 1)) {
		return;
	}
	(void)snprintf(text, sizeof(text), "%.6g", 10 * tenth);
	spec->mscale = spec->mscale_all_dim = strtod(text, NULL);
	m = 0.1 * spec->mscale_all_dim * log(spec->factor) + 1;
	cfg->attn_scale *= m * m;
}

static enum loom_status read_rope(struct loom_config *cfg, const struct reader *r, const struct loom_store *s)
{
	struct loom_rope_spec spec;
	char name[160];
	const char *type = loom_gguf_string(r->g, full_key(r, "rope.scaling.type", name));
	int32_t dim = cfg->d_head, original = 0;
	enum loom_status rc;

	loom_rope_spec_init(&spec);
	if ((rc = get_int(r, "rope.dimension_count", LOOM_MAX_EMBD, false, &dim)) ||
		(rc = get_int(r, "rope.scaling.original_context_length", LOOM_MAX_CONTEXT, false, &original))) {
		return rc;
	}
	if (dim > cfg->d_head) {
		return loom_err_set(r->err, LOOM_E_MODEL, "metadata: rope.dimension_count is %d, heads are %d wide", dim, cfg->d_head);
	}
	spec.dim = dim;
	spec.max_position = cfg->n_ctx;
	spec.original_max = original ? original : cfg->n_ctx;
	spec.base = cfg->rope_theta;
	spec.factor = get_num(r, "rope.scaling.factor", NAN);
	spec.attn_factor = get_num(r, "rope.scaling.attn_factor", NAN);
	spec.beta_fast = get_num(r, "rope.scaling.yarn_beta_fast", spec.beta_fast);
	spec.beta_slow = get_num(r, "rope.scaling.yarn_beta_slow", spec.beta_slow);
	spec.truncate = cfg->yarn_truncate;
	if (cfg->kv_rank > 0) {
		latent_scale(cfg, r, &spec);
	}
	if (loom_str_eq(type, "linear")) {
		spec.type = LOOM_ROPE_LINEAR;
	} else if (loom_str_eq(type, "yarn")) {
		spec.type = LOOM_ROPE_YARN;
	} else if (loom_str_eq(type, "longrope")) {
		spec.type = LOOM_ROPE_LONGROPE;
	} else if (type && !loom_str_eq(type, "none")) {
		return loom_err_set(r->err, LOOM_E_MODEL, "metadata: %s \"%.40s\" is not supported", name, type);
	}
	if ((rc = small_tensor(cfg, s, "rope_freqs.weight", dim / 2, &spec.divide, r->err)) ||
		(rc = small_tensor(cfg, s, "rope_factors_short.weight", dim / 2, &spec.short_ext, r->err)) ||
		(rc = small_tensor(cfg, s, "rope_factors_long.weight", dim / 2, &spec.long_ext, r->err))) {
		return rc;
	}
	rc = loom_rope_make(&cfg->ropes[0], &spec, "metadata", &cfg->arena, r->err);
	cfg->ropes[0].interleaved = cfg->rope_interleaved;
	cfg->n_rope = rc == LOOM_OK;
	return rc;
}

/* The second rope, of layers with a window, is never scaled. */
static enum loom_status read_ropes(struct loom_config *cfg, const struct reader *r, const struct loom_store *s)
{
	struct loom_rope_spec spec;
	enum loom_status rc = cfg->pos == LOOM_POS_ROTARY ? read_rope(cfg, r, s) : LOOM_OK;

	if (rc || cfg->n_rope == 0 || cfg->rope_local_theta == 0) {
		return rc;
	}
	loom_rope_spec_init(&spec);
	spec.dim = cfg->ropes[0].dim;
	spec.max_position = spec.original_max = cfg->n_ctx;
	spec.base = cfg->rope_local_theta;
	rc = loom_rope_make(&cfg->ropes[1], &spec, "metadata", &cfg->arena, r->err);
	cfg->ropes[1].interleaved = cfg->rope_interleaved;
	cfg->n_rope = 2;
	return rc;
}

static enum loom_status read_sizes(struct loom_config *cfg, const struct reader *r, const struct loom_store *s)
{
	const struct loom_gguf_value *tokens = loom_gguf_find(r->g, "tokenizer.ggml.tokens");
	const struct loom_tensor *embed = loom_store_find(s, "token_embd.weight");
	int32_t ctx = (int32_t)cfg->n_ctx, value_width = 0, extra = 0;
	char name[160];
	enum loom_status rc;

	if ((rc = get_int(r, "block_count", LOOM_MAX_LAYER, true, &cfg->n_layer)) ||
		(rc = get_int(r, "embedding_length", LOOM_MAX_EMBD, true, &cfg->n_embd)) ||
		(rc = get_same(r, "attention.head_count", LOOM_MAX_HEAD, &cfg->n_head)) ||
		(rc = get_int(r, "nextn_predict_layers", LOOM_MAX_LAYER, false, &extra)) ||
		(rc = get_same(r, "attention.head_count_kv", LOOM_MAX_HEAD, &cfg->n_head_kv)) ||
		(rc = get_int(r, "attention.key_length", LOOM_MAX_EMBD, false, &cfg->d_head)) ||
		(rc = get_int(r, "attention.value_length", LOOM_MAX_EMBD, false, &value_width)) ||
		(rc = get_same(r, "feed_forward_length", LOOM_MAX_EMBD * 8, &cfg->n_ffn)) ||
		(rc = get_int(r, "context_length", INT32_MAX, false, &ctx)) ||
		(rc = get_int(r, "attention.sliding_window", INT32_MAX, false, &cfg->window))) {
		return rc;
	}
	cfg->n_ctx = ctx;
	if (extra >= cfg->n_layer) {
		return loom_err_set(r->err, LOOM_E_MODEL, "metadata: nextn_predict_layers is %d of %d layers", extra, cfg->n_layer);
	}
	cfg->n_layer -= extra; /* layers that guess further tokens stand behind the model's own */
	if (value_width && cfg->d_head && value_width != cfg->d_head && !loom_gguf_find(r->g, full_key(r, "attention.kv_lora_rank", name))) {
		return loom_err_set(r->err, LOOM_E_MODEL, "metadata: keys are %d wide and values %d: not supported", cfg->d_head, value_width);
	}
	if (embed && embed->n_dim == 2 && embed->shape[0] <= LOOM_MAX_VOCAB) {
		cfg->n_vocab = (int32_t)embed->shape[0];
	} else if (tokens && tokens->n <= LOOM_MAX_VOCAB) {
		cfg->n_vocab = (int32_t)tokens->n;
	}
	if (cfg->n_vocab == 0) {
		return loom_err_set(r->err, LOOM_E_MODEL, "tensor token_embd.weight is missing: the vocabulary's size is not known");
	}
	return LOOM_OK;
}

static void read_ids(struct loom_config *cfg, const struct loom_gguf *g)
{
	/* End of text, of turn, of message: each ends a generation where the file names it. */
	static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
	int64_t id;

	if (loom_gguf_int(g, "tokenizer.ggml.bos_token_id", &id) && id >= 0 && id < cfg->n_vocab) {
		cfg->bos_id = (int32_t)id;
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (loom_gguf_int(g, ends[i], &id) && id >= 0 && id < cfg->n_vocab) {
			cfg->eos_ids[cfg->n_eos++] = (int32_t)id;
		}
	}
}

/* Is there such a tensor in any layer? (Layers may be of several kinds.) */
static bool stored(const struct loom_config *cfg, const struct loom_store *s, enum loom_role role, const char *suffix)
{
	char name[64];

	for (const char *p = cfg->family->roles[role].gguf; p; p = loom_words_next(p)) {
		for (int32_t l = 0; l < (memchr(p, '%', loom_word_len(p)) ? cfg->n_layer : 1); l++) {
			loom_weight_name(name, sizeof(name), p, l, 0, suffix);
			if (loom_store_find(s, name)) {
				return true;
			}
		}
	}
	return false;
}

/* What the tensors tell: biases, tied embeddings, whether q, k and v are one. */
static void read_tensors(struct loom_config *cfg, const struct loom_store *s)
{
	const struct loom_tensor *types = loom_store_find(s, "token_types.weight");

	cfg->n_type = types && types->n_dim == 2 && types->shape[0] <= LOOM_MAX_VOCAB ? (int32_t)types->shape[0] : 0;
	cfg->has_head = cfg->family->roles[LOOM_ROLE_HEAD].gguf != NULL;
	cfg->tied = !stored(cfg, s, LOOM_ROLE_HEAD, ".weight");
	cfg->head_bias = stored(cfg, s, LOOM_ROLE_HEAD, ".bias");
	cfg->attn_bias = stored(cfg, s, LOOM_ROLE_Q, ".bias") || stored(cfg, s, LOOM_ROLE_QKV, ".bias");
	cfg->attn_out_bias = stored(cfg, s, LOOM_ROLE_O, ".bias");
	cfg->router_bias = stored(cfg, s, LOOM_ROLE_ROUTER, ".bias");
	cfg->mlp_bias = stored(cfg, s, LOOM_ROLE_UP, ".bias");
	cfg->mlp_down_bias = stored(cfg, s, LOOM_ROLE_DOWN, ".bias");
	cfg->conv_bias = stored(cfg, s, LOOM_ROLE_MIX_CONV, ".bias");
	cfg->mixer_bias = stored(cfg, s, LOOM_ROLE_MIX_OUT, ".bias");
	cfg->qkv = stored(cfg, s, LOOM_ROLE_QKV, ".weight") ? LOOM_QKV_STACKED : LOOM_QKV_SPLIT;
	cfg->fused_gate = cfg->gated_ffn && !stored(cfg, s, LOOM_ROLE_GATE, ".weight");
}

static enum loom_status unknown(const char *arch, struct loom_err *err)
{
	struct loom_buf names;
	enum loom_status rc;

	loom_buf_init(&names, 4096);
	for (size_t i = 0; loom_families[i]; i++) {
		if (loom_families[i]->gguf) {
			(void)loom_buf_printf(&names, "%s%s", names.len ? ", " : "", loom_families[i]->gguf);
		}
	}
	rc = loom_err_set(err, LOOM_E_MODEL, "metadata: general.architecture \"%.40s\" is not supported (%.800s are)", arch,
		names.data && !names.failed ? names.data : "?");
	loom_buf_release(&names);
	return rc;
}

/* The family's features, which files do not state; not its sizes, which they do. */
static enum loom_status features(struct loom_config *cfg, struct loom_err *err)
{
	const struct loom_config sizes = *cfg;
	enum loom_status rc = loom_config_rows(cfg, cfg->family->keys, NULL, "metadata", err);

	cfg->n_layer = sizes.n_layer;
	cfg->n_embd = sizes.n_embd;
	cfg->n_head = sizes.n_head ? sizes.n_head : cfg->n_head;
	cfg->n_head_kv = sizes.n_head_kv;
	cfg->d_head = sizes.d_head;
	cfg->n_ffn = sizes.n_ffn ? sizes.n_ffn : cfg->n_ffn;
	cfg->n_vocab = sizes.n_vocab;
	cfg->n_ctx = sizes.n_ctx;
	cfg->window = sizes.window;
	cfg->use_window = true;
	if (rc == LOOM_OK && cfg->n_head == 0) {
		rc = loom_err_set(err, LOOM_E_MODEL, "metadata: \"attention.head_count\" is missing");
	}
	return rc;
}

/* What llama.cpp calls the mixture of types: for people only, since each tensor says its own type. */
static void read_file_type(struct loom_config *cfg, const struct loom_gguf *g)
{
	static const char *const names[] = {[2] = "Q4_0", [3] = "Q4_1", [7] = "Q8_0", [8] = "Q5_0", [9] = "Q5_1", [10] = "Q2_K", [11] = "Q3_K_S",
		[12] = "Q3_K_M", [13] = "Q3_K_L", [14] = "Q4_K_S", [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M", [18] = "Q6_K", [19] = "IQ2_XXS",
		[20] = "IQ2_XS", [21] = "Q2_K_S", [22] = "IQ3_XS", [23] = "IQ3_XXS", [24] = "IQ1_S", [25] = "IQ4_NL", [26] = "IQ3_S", [27] = "IQ3_M",
		[28] = "IQ2_S", [29] = "IQ2_M", [30] = "IQ4_XS", [31] = "IQ1_M", [36] = "TQ1_0", [37] = "TQ2_0", [38] = "MXFP4"};
	int64_t n;

	if (loom_gguf_int(g, "general.file_type", &n) && n >= 0 && n < (int64_t)(sizeof(names) / sizeof(names[0])) && names[n]) {
		(void)snprintf(cfg->gguf_file_type, sizeof(cfg->gguf_file_type), "%s", names[n]);
	}
}

const struct loom_key loom_gguf_common[] = {
	{LOOM_F_NORM_EPS, "attention.layer_norm_rms_epsilon|attention.layer_norm_epsilon", NULL, NULL, NULL},
	{LOOM_F_ATTN_SCALE, "attention.scale", NULL, NULL, NULL}, {LOOM_F_EMBED_SCALE, "embedding_scale", NULL, NULL, NULL},
	{LOOM_F_RESIDUAL_SCALE, "residual_scale", NULL, NULL, NULL}, {LOOM_F_ATTN_SOFTCAP, "attn_logit_softcapping", NULL, NULL, NULL},
	{LOOM_F_LOGIT_SOFTCAP, "final_logit_softcapping", NULL, NULL, NULL}, {LOOM_F_CLIP_QKV, "attention.clamp_kqv", NULL, NULL, NULL},
	{LOOM_F_ALIBI_MAX, "attention.max_alibi_bias", NULL, NULL, NULL}, {LOOM_F_ROPE_LOCAL_THETA, "rope.freq_base_swa", NULL, NULL, NULL},
	{LOOM_F_ROPE_THETA, "rope.freq_base", NULL, NULL, NULL}, {LOOM_F_N_EXPERT, "expert_count", NULL, "0=0|*", NULL},
	{LOOM_F_N_EXPERT_USED, "expert_used_count", NULL, "0=0|*", NULL}, {LOOM_F_N_FFN_EXPERT, "expert_feed_forward_length", NULL, NULL, NULL},
	{LOOM_F_N_SHARED, "expert_shared_count", NULL, "0=0|*", NULL}, {LOOM_F_N_FFN_SHARED, "expert_shared_feed_forward_length", NULL, NULL, NULL},
	{LOOM_F_D_STATE, "ssm.state_size", NULL, NULL, NULL}, {LOOM_F_D_INNER, "ssm.inner_size", NULL, NULL, NULL},
	{LOOM_F_DT_RANK, "ssm.time_step_rank", NULL, NULL, NULL}, {LOOM_F_N_TAP, "ssm.conv_kernel|shortconv.l_cache", NULL, NULL, NULL},
	{LOOM_F_ROUTER_SCALE, "expert_weights_scale", NULL, NULL, NULL}, {LOOM_F_ROUTER_NORM, "expert_weights_norm", NULL, NULL, NULL},
	{LOOM_F_N_EXPERT_GROUP, "expert_group_count", NULL, NULL, NULL}, {LOOM_F_N_EXPERT_GROUP_USED, "expert_group_used_count", NULL, NULL, NULL},
	{LOOM_N_FIELD, NULL, NULL, NULL, NULL}};

static enum loom_status read_all(struct loom_config *cfg, const struct reader *r, const struct loom_store *s, const json_t *tree)
{
	enum loom_status rc = read_sizes(cfg, r, s);

	rc = rc ? rc : features(cfg, r->err);
	rc = rc ? rc : loom_config_rows(cfg, loom_gguf_common, tree, "metadata", r->err);
	if (rc == LOOM_OK && cfg->family->gguf_keys) {
		rc = loom_config_rows(cfg, cfg->family->gguf_keys, tree, "metadata", r->err);
	}
	rc = rc ? rc : loom_config_finish(cfg, "metadata", r->err);
	if (rc) {
		return rc;
	}
	read_tensors(cfg, s);
	read_ids(cfg, r->g);
	read_file_type(cfg, r->g);
	rc = read_ropes(cfg, r, s);
	return rc ? rc : loom_config_layers(cfg, tree, "metadata", r->err);
}

enum loom_status loom_config_from_gguf(struct loom_config *cfg, const struct loom_gguf *g, const struct loom_store *s,
	struct loom_err *err)
{
	struct reader r = {g, loom_gguf_string(g, "general.architecture"), err};
	const struct loom_family *f;
	enum loom_status rc;
	json_t *tree;

	if (!r.arch) {
		return loom_err_set(err, LOOM_E_MODEL, "metadata: \"general.architecture\" is missing");
	}
	f = loom_family_of_gguf(g, r.arch);
	if (!f) {
		return unknown(r.arch, err);
	}
	loom_config_features(cfg, f);
	cfg->architecture = loom_arena_strndup(&cfg->arena, f->architectures, loom_word_len(f->architectures));
	cfg->model_type = loom_arena_strndup(&cfg->arena, f->types, loom_word_len(f->types));
	if (!cfg->architecture || !cfg->model_type) {
		return loom_err_nomem(err, "config", 128);
	}
	tree = loom_gguf_tree(g, s, r.arch);
	if (!tree) {
		return loom_err_nomem(err, "metadata", 4096);
	}
	rc = read_all(cfg, &r, s, tree);
	json_decref(tree);
	return rc;
}
