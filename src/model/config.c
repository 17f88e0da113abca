/* config.c: what holds for a config wherever it came from: features from the family, derived sizes, checks. */
#include <math.h>
#include <string.h>

#include "bounds.h"
#include "config_internal.h"
#include "str.h"

void loom_config_init(struct loom_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	loom_arena_init(&cfg->arena);
	cfg->bos_id = -1;
	cfg->embed_scale = 1.0f;
}

void loom_config_release(struct loom_config *cfg)
{
	loom_arena_release(&cfg->arena);
	loom_config_init(cfg);
}

bool loom_act_parse(const char *name, enum loom_act_kind *out)
{
	static const struct {
		const char *name;
		enum loom_act_kind kind;
	} acts[] = {
		{"silu", LOOM_ACT_SILU}, {"swish", LOOM_ACT_SILU}, {"gelu", LOOM_ACT_GELU_ERF}, {"gelu_python", LOOM_ACT_GELU_ERF},
		{"gelu_new", LOOM_ACT_GELU_TANH}, {"gelu_fast", LOOM_ACT_GELU_TANH}, {"gelu_pytorch_tanh", LOOM_ACT_GELU_TANH},
		{"gelu_python_tanh", LOOM_ACT_GELU_TANH}, {"relu", LOOM_ACT_RELU}, {"relu2", LOOM_ACT_RELU2},
		{"quick_gelu", LOOM_ACT_QUICK_GELU}, {"tanh", LOOM_ACT_TANH},
	};

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (loom_str_eq(name, acts[i].name)) {
			*out = acts[i].kind;
			return true;
		}
	}
	return false;
}

void loom_config_features(struct loom_config *cfg, const struct loom_family *f)
{
	cfg->family = f;
	cfg->norm = f->norm;
	cfg->pos = f->pos;
	cfg->causal = f->causal;
	cfg->gated_ffn = f->gated_ffn;
	cfg->tied = f->tied_default;
	cfg->qk_norm = f->qk_norm;
	cfg->embed_norm = f->embed_norm;
	cfg->final_norm = f->final_norm;
	cfg->attn_bias = f->attn_bias;
	cfg->attn_out_bias = f->attn_out_bias;
	cfg->mlp_bias = f->mlp_bias;
	cfg->norm_eps = f->eps_default;
	cfg->n_ctx = f->n_ctx_default;
	(void)loom_act_parse(f->act_default, &cfg->act);
}

enum loom_status loom_config_finish(struct loom_config *cfg, const char *where, struct loom_err *err)
{
	const struct loom_family *f = cfg->family;

	if (cfg->n_head_kv == 0) {
		cfg->n_head_kv = cfg->n_head;
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
	if ((int64_t)cfg->d_head * cfg->n_head > LOOM_MAX_EMBD) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %d heads of width %d: more than %d columns", where, cfg->n_head, cfg->d_head,
			LOOM_MAX_EMBD);
	}
	if (cfg->n_ffn == 0) {
		if (f->ffn_times == 0) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s is missing", where, f->keys.n_ffn);
		}
		cfg->n_ffn = f->ffn_times * cfg->n_embd;
	}
	if (cfg->attn_scale == 0) {
		cfg->attn_scale = (float)(1.0 / sqrt((double)cfg->d_head));
	}
	return LOOM_OK;
}
