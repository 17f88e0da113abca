/* config.c: what holds for a config wherever it came from: values before anything is read, derived sizes, checks. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "bounds.h"
#include "config_internal.h"

void loom_config_init(struct loom_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	loom_arena_init(&cfg->arena);
	cfg->bos_id = -1;
}

void loom_config_release(struct loom_config *cfg)
{
	loom_arena_release(&cfg->arena);
	loom_config_init(cfg);
}

void loom_config_features(struct loom_config *cfg, const struct loom_family *f)
{
	cfg->family = f;
	cfg->norm_eps = 1e-5;
	cfg->norm_weight = cfg->norm_bias = true;
	cfg->use_window = cfg->embed_scaled = cfg->attn_scaled = cfg->yarn_truncate = true;
	cfg->embed_scale = cfg->residual_scale = cfg->logit_scale = cfg->logit_divide = 1;
	cfg->scan_in_scale = cfg->scan_z_scale = cfg->scan_x_scale = cfg->scan_b_scale = cfg->scan_c_scale = cfg->scan_dt_scale = 1;
	cfg->scan_out_scale = cfg->attn_in_scale = cfg->attn_out_scale = cfg->key_scale = cfg->gate_scale = cfg->down_scale = 1;
	cfg->gate_norm = true;
	cfg->rope_theta = 10000;
	cfg->rotary_part = 1;
	cfg->alibi_max = 8;
	cfg->qkv_blocks = 1;
	cfg->n_ctx = 2048;
	cfg->expert_glu = LOOM_GLU_HALVES;
	cfg->router_scale = 1;
	cfg->n_group_best = 1;
}

static enum loom_status heads(struct loom_config *cfg, const char *where, struct loom_err *err)
{
	if (cfg->n_head_kv == 0 || cfg->kv_rank > 0) {
		cfg->n_head_kv = cfg->n_head;
	}
	if (cfg->kv_rank > 0 && cfg->d_nope == 0 && cfg->d_head > cfg->d_rope) { /* GGUF says the sum */
		cfg->d_nope = cfg->d_head - cfg->d_rope;
	}
	if (cfg->kv_rank > 0) {
		cfg->d_head = cfg->d_nope + cfg->d_rope;
		cfg->rotary_dim = cfg->d_rope;
	}
	if (cfg->n_head_kv > cfg->n_head || cfg->n_head % cfg->n_head_kv != 0) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d attention heads do not divide among %d key/value heads", where, cfg->n_head,
			cfg->n_head_kv);
	}
	if (cfg->d_head == 0) {
		if (cfg->n_embd % cfg->n_head != 0) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: hidden size %d is not a multiple of %d attention heads, and no head width is "
				"given", where, cfg->n_embd, cfg->n_head);
		}
		cfg->d_head = cfg->n_embd / cfg->n_head;
	}
	if (cfg->d_value == 0) {
		cfg->d_value = cfg->d_head;
	}
	if ((int64_t)cfg->d_head * cfg->n_head > LOOM_MAX_EMBD || (int64_t)cfg->d_value * cfg->n_head > LOOM_MAX_EMBD) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d heads of width %d: more than %d columns", where, cfg->n_head, cfg->d_head,
			LOOM_MAX_EMBD);
	}
	if (cfg->qkv == LOOM_QKV_BLOCKED_QVK && cfg->n_head % cfg->qkv_blocks != 0) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d attention heads do not divide among %d blocks", where, cfg->n_head,
			cfg->qkv_blocks);
	}
	return LOOM_OK;
}

/* The name by which config.json gives a field, for messages. */
static const char *key_of(const struct loom_config *cfg, enum loom_field f)
{
	for (const struct loom_key *k = cfg->family->keys; k->keys || k->value; k++) {
		if (k->field == f && k->keys) {
			return k->keys;
		}
	}
	return loom_field_name(f);
}

/* Sizes of mixers other than plain attention. */
static enum loom_status mixers(struct loom_config *cfg, const char *where, struct loom_err *err)
{
	if (!cfg->mixer_acts) {
		cfg->mixer_act = cfg->act;
	}
	if (cfg->d_inner == 0 && cfg->expand > 0) {
		cfg->d_inner = (int32_t)(cfg->expand * cfg->n_embd < LOOM_MAX_EMBD ? cfg->expand * cfg->n_embd : LOOM_MAX_EMBD);
	}
	if (cfg->n_scan > 0 && cfg->d_scan > 0) {
		int64_t n = (int64_t)cfg->n_scan * cfg->d_scan;
		cfg->d_inner = (int32_t)(n < LOOM_MAX_EMBD ? n : LOOM_MAX_EMBD);
	}
	if (cfg->n_scan > 0 && (cfg->d_inner % cfg->n_scan != 0 || cfg->n_scan_group == 0 || cfg->n_scan % cfg->n_scan_group != 0)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: a scan of %d columns in %d heads of %d groups", where, cfg->d_inner, cfg->n_scan,
			cfg->n_scan_group);
	}
	if ((int64_t)cfg->n_scan_group * cfg->d_state > LOOM_MAX_EMBD) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: a scan with %d groups of %d states", where, cfg->n_scan_group, cfg->d_state);
	}
	if (cfg->d_state > 0 && cfg->dt_rank == 0) {
		cfg->dt_rank = (cfg->n_embd + 15) / 16;
	}
	if (cfg->n_delta > 0 && cfg->d_delta == 0) { /* GGUF says the product */
		cfg->d_delta = cfg->d_inner / cfg->n_delta;
	}
	if (cfg->n_delta_key > 0 && cfg->n_delta % cfg->n_delta_key != 0) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d value heads do not divide among %d key heads", where, cfg->n_delta,
			cfg->n_delta_key);
	}
	if ((int64_t)cfg->n_delta_key * cfg->d_delta_key > LOOM_MAX_EMBD || (int64_t)cfg->n_delta * cfg->d_delta > LOOM_MAX_EMBD) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: linear attention of more than %d columns", where, LOOM_MAX_EMBD);
	}
	return LOOM_OK;
}

/* As LFM2's feed-forward has it. */
static void adjust_ffn(struct loom_config *cfg)
{
	int64_t n = (int64_t)(2 * (int64_t)cfg->n_ffn / 3.0), m = cfg->ffn_multiple > 0 ? cfg->ffn_multiple : 1;

	if (!cfg->ffn_adjust) {
		return;
	}
	if (cfg->ffn_times > 0) {
		n = (int64_t)(cfg->ffn_times * (double)n);
		n = (n + m - 1) / m * m;
	}
	cfg->n_ffn = (int32_t)(n < LOOM_MAX_EMBD * 8 ? n : LOOM_MAX_EMBD * 8);
}

static enum loom_status relative(struct loom_config *cfg, const char *where, struct loom_err *err)
{
	if (cfg->rel == LOOM_REL_NONE) {
		return LOOM_OK;
	}
	if (cfg->rel_max == 0) {
		cfg->rel_max = (int32_t)(cfg->n_ctx < LOOM_MAX_RELATIVE ? cfg->n_ctx : 0);
	}
	if (cfg->causal || cfg->n_head_kv != cfg->n_head) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: relative positions are supported where every token sees every other, without shared keys",
			where);
	}
	if (cfg->rel_max < 2 || cfg->n_bucket / (cfg->rel == LOOM_REL_BUCKETS ? 4 : 2) >= cfg->rel_max - 1 ||
		(cfg->rel == LOOM_REL_BUCKETS && cfg->n_bucket == 0)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d buckets for distances up to %d", where, cfg->n_bucket, cfg->rel_max);
	}
	return LOOM_OK;
}

static enum loom_status experts(struct loom_config *cfg, const char *where, struct loom_err *err)
{
	int32_t groups;

	if (cfg->n_expert == 0) {
		return LOOM_OK;
	}
	if (cfg->n_ffn_expert == 0) {
		cfg->n_ffn_expert = cfg->n_ffn;
	}
	if (cfg->n_ffn_shared == 0) {
		int64_t width = (int64_t)cfg->n_shared * cfg->n_ffn_expert;
		cfg->n_ffn_shared = (int32_t)(width < LOOM_MAX_EMBD * 8 ? width : LOOM_MAX_EMBD * 8);
	}
	if (!cfg->group_limit || cfg->n_expert_group == 0 || cfg->n_expert_group_used == 0) {
		cfg->n_expert_group = cfg->n_expert_group_used = 1;
	}
	groups = cfg->n_expert_group;
	if (cfg->n_expert % groups != 0 || cfg->n_expert_group_used > groups) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d experts in %d groups, %d of them used", where, cfg->n_expert, groups,
			cfg->n_expert_group_used);
	}
	if (cfg->n_expert_used < 1 || cfg->n_expert_used > cfg->n_expert / groups * cfg->n_expert_group_used) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d experts a token of %d", where, cfg->n_expert_used,
			cfg->n_expert / groups * cfg->n_expert_group_used);
	}
	return LOOM_OK;
}

static void scales(struct loom_config *cfg)
{
	if (!cfg->attn_scaled) {
		cfg->attn_scale = 1;
	} else if (cfg->attn_scale == 0) {
		/* products of rows of distances count like products of queries and keys */
		cfg->attn_scale = 1.0 / sqrt((cfg->query_scalar > 0 ? cfg->query_scalar : (double)cfg->d_head) * (1 + cfg->rel_key + cfg->rel_query));
	}
	if (!cfg->embed_scaled) {
		cfg->embed_scale = 1;
	}
	if (cfg->depth_scale > 0) {
		cfg->residual_scale = cfg->depth_scale / sqrt((double)cfg->n_layer);
	}
	if (cfg->logit_width > 0) {
		cfg->logit_divide = (double)cfg->n_embd / cfg->logit_width;
	}
	if (!cfg->use_window) {
		cfg->window = 0;
	}
	if (cfg->d_embed == cfg->n_embd && !cfg->embed_projected) {
		cfg->d_embed = 0;
	}
}

enum loom_status loom_config_finish(struct loom_config *cfg, const char *where, struct loom_err *err)
{
	enum loom_status rc = heads(cfg, where, err);

	if (rc) {
		return rc;
	}
	if (cfg->n_ffn == 0) {
		const char *key = key_of(cfg, LOOM_F_N_FFN);
		return loom_err_set(err, LOOM_E_MODEL, "%s: %.*s is missing", where, (int)loom_word_len(key), key);
	}
	if (cfg->temper > 0 && cfg->temper_every == 0) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %s is missing", where, key_of(cfg, LOOM_F_TEMPER_EVERY));
	}
	if (cfg->n_ctx == 0) {
		const char *key = key_of(cfg, LOOM_F_N_CTX);
		return loom_err_set(err, LOOM_E_MODEL, "%s: %.*s is missing", where, (int)loom_word_len(key), key);
	}
	if ((cfg->pos == LOOM_POS_LEARNED || cfg->pos == LOOM_POS_SINUSOID) &&
		(cfg->n_ctx > LOOM_MAX_CONTEXT || cfg->n_ctx * (int64_t)cfg->n_embd > LOOM_MAX_POSITION_NUMBERS)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: a table of %lld positions of width %d is more than this program holds", where,
			(long long)cfg->n_ctx, cfg->n_embd);
	}
	if (cfg->pos_whole && cfg->n_ctx <= cfg->pos_offset) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %lld rows of positions, the first %d of which no text uses", where,
			(long long)cfg->n_ctx, cfg->pos_offset);
	}
	if (cfg->pos_whole) {
		cfg->n_ctx -= cfg->pos_offset;
	}
	adjust_ffn(cfg);
	scales(cfg);
	rc = mixers(cfg, where, err);
	rc = rc ? rc : relative(cfg, where, err);
	return rc ? rc : experts(cfg, where, err);
}
