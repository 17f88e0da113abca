/* fields.h: the members of struct loom_config that a family's table may set, by name. One list gives the enumeration for C tables, the
 * words of loom.json manifests, and the type and range that every value is checked against. */
#ifndef LOOM_FIELDS_H
#define LOOM_FIELDS_H

#include <jansson.h>

#include "bounds.h"
#include "buf.h"
#include "jsonx.h"

struct loom_config;

/* X(id, member, type, least, most): 0 is always allowed for numbers and means "not given". */
#define LOOM_FIELD_LIST(X) \
	X(N_LAYER, n_layer, INT, 1, LOOM_MAX_LAYER) X(N_EMBD, n_embd, INT, 1, LOOM_MAX_EMBD) X(N_HEAD, n_head, INT, 1, LOOM_MAX_HEAD) \
	X(N_HEAD_KV, n_head_kv, INT, 1, LOOM_MAX_HEAD) X(D_HEAD, d_head, INT, 1, LOOM_MAX_EMBD) X(N_FFN, n_ffn, INT, 1, LOOM_MAX_EMBD * 8) \
	X(N_VOCAB, n_vocab, INT, 1, LOOM_MAX_VOCAB) X(N_CTX, n_ctx, LONG, 1, INT32_MAX) X(N_TYPE, n_type, INT, 0, LOOM_MAX_VOCAB) \
	X(D_EMBED, d_embed, INT, 1, LOOM_MAX_EMBD) X(POS_OFFSET, pos_offset, INT, 0, LOOM_MAX_VOCAB) \
	X(POS_WHOLE, pos_whole, BOOL, 0, 0) X(EMBED_NARROW, embed_narrow, BOOL, 0, 0) X(EMBED_PROJECTED, embed_projected, BOOL, 0, 0) \
	X(N_TASK, n_task, INT, 1, LOOM_MAX_VOCAB) X(N_GROUP, n_group, INT, 1, LOOM_MAX_LAYER) X(UP_FIRST, up_first, BOOL, 0, 0) \
	X(MASK_ID, mask_id, INT, 0, LOOM_MAX_VOCAB) X(ADAPTER_RANK, adapter_rank, INT, 1, LOOM_MAX_EMBD) \
	X(ADAPTER_ALPHA, adapter_alpha, NUM, -1e6, 1e6) \
	X(NORM, norm, NORM, 0, 0) X(NORM_EPS, norm_eps, NUM, 0, 1) X(NORM_ADD, norm_add, NUM, 0, 1) X(NORM_BIAS, norm_bias, BOOL, 0, 0) \
	X(NORM_WEIGHT, norm_weight, BOOL, 0, 0) X(QK_NORM, qk_norm, QK_NORM, 0, 0) X(QK_NORM_BIAS, qk_norm_bias, BOOL, 0, 0) \
	X(EMBED_NORM, embed_norm, BOOL, 0, 0) X(FINAL_NORM, final_norm, BOOL, 0, 0) X(HIDDEN_AFTER, hidden_after, BOOL, 0, 0) \
	X(ACT, act, ACT, 0, 0) X(MIXER_ACT, mixer_act, ACT, 0, 0) X(MIXER_ACTS, mixer_acts, BOOL, 0, 0) X(HEAD_ACT, head_act, ACT, 0, 0) \
	X(CLASS_ACT, class_act, ACT, 0, 0) X(CLASS_MEAN, class_mean, BOOL, 0, 0) X(GATED_FFN, gated_ffn, BOOL, 0, 0) \
	X(POS, pos, POS, 0, 0) X(CAUSAL, causal, BOOL, 0, 0) X(TIED, tied, BOOL, 0, 0) X(TRANSPOSED, transposed, BOOL, 0, 0) \
	X(QKV, qkv, QKV, 0, 0) X(QKV_BLOCKS, qkv_blocks, INT, 1, 64) X(FUSED_GATE, fused_gate, BOOL, 0, 0) \
	X(ATTN_BIAS, attn_bias, BOOL, 0, 0) X(ATTN_OUT_BIAS, attn_out_bias, BOOL, 0, 0) X(MLP_BIAS, mlp_bias, BOOL, 0, 0) \
	X(MLP_DOWN_BIAS, mlp_down_bias, BOOL, 0, 0) X(HEAD_BIAS, head_bias, BOOL, 0, 0) \
	X(WINDOW, window, INT, 0, INT32_MAX) X(USE_WINDOW, use_window, BOOL, 0, 0) \
	X(EMBED_SCALE, embed_scale, NUM, -1e6, 1e6) X(EMBED_SCALED, embed_scaled, BOOL, 0, 0) \
	X(ATTN_SCALE, attn_scale, NUM, -1e6, 1e6) X(ATTN_SCALED, attn_scaled, BOOL, 0, 0) X(QUERY_SCALAR, query_scalar, NUM, 1e-6, 1e9) \
	X(ATTN_SCALE_BY_LAYER, attn_scale_by_layer, BOOL, 0, 0) X(ATTN_SOFTCAP, attn_softcap, NUM, 1e-6, 1e9) \
	X(CLIP_QKV, clip_qkv, NUM, 1e-6, 1e9) X(RESIDUAL_SCALE, residual_scale, NUM, -1e6, 1e6) \
	X(DEPTH_SCALE, depth_scale, NUM, 0, 1e6) X(LOGIT_WIDTH, logit_width, INT, 1, LOOM_MAX_EMBD) X(ROPE_REVERSED, rope_reversed, BOOL, 0, 0) \
	X(LOGIT_SCALE, logit_scale, NUM, -1e6, 1e6) X(LOGIT_DIVIDE, logit_divide, NUM, -1e6, 1e6) \
	X(LOGIT_SOFTCAP, logit_softcap, NUM, 1e-6, 1e9) X(ALIBI_MAX, alibi_max, NUM, 1e-6, 1e6) \
	X(ROPE_THETA, rope_theta, NUM, 0, 1e12) X(ROPE_LOCAL_THETA, rope_local_theta, NUM, 0, 1e12) \
	X(ROTARY_PART, rotary_part, NUM, 0, 1) X(ROTARY_DIM, rotary_dim, INT, 1, LOOM_MAX_EMBD) \
	X(D_VALUE, d_value, INT, 1, LOOM_MAX_EMBD) X(ATTN_GATE, attn_gate, BOOL, 0, 0) X(Q_RANK, q_rank, INT, 1, LOOM_MAX_EMBD) \
	X(KV_RANK, kv_rank, INT, 1, LOOM_MAX_EMBD) X(D_NOPE, d_nope, INT, 1, LOOM_MAX_EMBD) X(D_ROPE, d_rope, INT, 2, LOOM_MAX_EMBD) \
	X(N_TAP, n_tap, INT, 1, LOOM_MAX_TAP) X(CONV_BIAS, conv_bias, BOOL, 0, 0) X(MIXER_BIAS, mixer_bias, BOOL, 0, 0) \
	X(D_INNER, d_inner, INT, 1, LOOM_MAX_EMBD) X(D_STATE, d_state, INT, 1, LOOM_MAX_STATE) X(DT_RANK, dt_rank, INT, 1, LOOM_MAX_EMBD) \
	X(EXPAND, expand, NUM, 0, 1000) X(SCAN_NORM, scan_norm, SCAN_NORM, 0, 0) X(SCAN_EPS, scan_eps, NUM, 0, 1) \
	X(N_SCAN, n_scan, INT, 1, LOOM_MAX_HEAD) X(D_SCAN, d_scan, INT, 1, LOOM_MAX_EMBD) X(GATE_NORM, gate_norm, BOOL, 0, 0) \
	X(GATE_LAST, gate_last, BOOL, 0, 0) X(SCAN_IN_SCALE, scan_in_scale, NUM, -1e6, 1e6) X(SCAN_OUT_SCALE, scan_out_scale, NUM, -1e6, 1e6) \
	X(SCAN_Z_SCALE, scan_z_scale, NUM, -1e6, 1e6) X(SCAN_X_SCALE, scan_x_scale, NUM, -1e6, 1e6) X(SCAN_B_SCALE, scan_b_scale, NUM, -1e6, 1e6) \
	X(SCAN_C_SCALE, scan_c_scale, NUM, -1e6, 1e6) X(SCAN_DT_SCALE, scan_dt_scale, NUM, -1e6, 1e6) \
	X(ATTN_IN_SCALE, attn_in_scale, NUM, -1e6, 1e6) X(ATTN_OUT_SCALE, attn_out_scale, NUM, -1e6, 1e6) X(KEY_SCALE, key_scale, NUM, -1e6, 1e6) \
	X(GATE_SCALE, gate_scale, NUM, -1e6, 1e6) X(DOWN_SCALE, down_scale, NUM, -1e6, 1e6) X(N_SCAN_GROUP, n_scan_group, INT, 1, LOOM_MAX_HEAD) \
	X(N_DELTA_KEY, n_delta_key, INT, 1, LOOM_MAX_HEAD) \
	X(N_DELTA, n_delta, INT, 1, LOOM_MAX_HEAD) X(D_DELTA_KEY, d_delta_key, INT, 1, LOOM_MAX_STATE) \
	X(D_DELTA, d_delta, INT, 1, LOOM_MAX_STATE) X(FFN_ADJUST, ffn_adjust, BOOL, 0, 0) X(FFN_TIMES, ffn_times, NUM, 0, 1000) \
	X(FFN_MULTIPLE, ffn_multiple, INT, 1, LOOM_MAX_EMBD) X(SINKS, sinks, BOOL, 0, 0) X(N_EXPERT, n_expert, INT, 1, LOOM_MAX_EXPERT) \
	X(N_EXPERT_USED, n_expert_used, INT, 1, LOOM_MAX_USED) \
	X(N_FFN_EXPERT, n_ffn_expert, INT, 1, LOOM_MAX_EMBD * 8) X(N_SHARED, n_shared, INT, 1, LOOM_MAX_USED) \
	X(N_FFN_SHARED, n_ffn_shared, INT, 1, LOOM_MAX_EMBD * 8) X(SHARED_GATE, shared_gate, BOOL, 0, 0) \
	X(EXPERT_BIAS, expert_bias, BOOL, 0, 0) X(EXPERTS_TURNED, experts_turned, BOOL, 0, 0) X(EXPERT_GLU, expert_glu, GLU, 0, 0) \
	X(GLU_LIMIT, glu_limit, NUM, 1e-6, 1e9) X(GLU_ALPHA, glu_alpha, NUM, 1e-6, 1e9) X(ROUTER, router, ROUTER, 0, 0) \
	X(ROUTER_BIAS, router_bias, BOOL, 0, 0) X(CHOICE_BIAS, choice_bias, BOOL, 0, 0) X(ROUTER_NORM, router_norm, BOOL, 0, 0) \
	X(ROUTER_NORM_ADD, router_norm_add, NUM, 0, 1) X(ROUTER_NORM_MIN, router_norm_min, NUM, 0, 1) \
	X(ROUTER_SCALE, router_scale, NUM, -1e6, 1e6) X(ROUTER_JITTER, router_jitter, NUM, 0, 1) X(GROUP_LIMIT, group_limit, BOOL, 0, 0) \
	X(N_EXPERT_GROUP, n_expert_group, INT, 1, LOOM_MAX_EXPERT) X(N_EXPERT_GROUP_USED, n_expert_group_used, INT, 1, LOOM_MAX_EXPERT) \
	X(N_GROUP_BEST, n_group_best, INT, 1, 2) X(ROPE_INTERLEAVED, rope_interleaved, BOOL, 0, 0) \
	X(ROPE_ALPHA, rope_alpha, BOOL, 0, 0) X(REL, rel, REL, 0, 0) X(N_BUCKET, n_bucket, INT, 4, LOOM_MAX_RELATIVE) \
	X(REL_MAX, rel_max, INT, 2, LOOM_MAX_RELATIVE) X(REL_EACH, rel_each, BOOL, 0, 0) X(REL_KEY, rel_key, BOOL, 0, 0) \
	X(REL_QUERY, rel_query, BOOL, 0, 0) X(REL_SHARED, rel_shared, BOOL, 0, 0) X(REL_NORM, rel_norm, BOOL, 0, 0) \
	X(YARN_TRUNCATE, yarn_truncate, BOOL, 0, 0) \
	X(TEMPER, temper, NUM, 0, 1e6) X(TEMPER_EVERY, temper_every, INT, 1, LOOM_MAX_CONTEXT) X(TEMPER_ADD, temper_add, INT, 0, 1)

enum loom_field {
#define X(id, member, type, least, most) LOOM_F_##id,
	LOOM_FIELD_LIST(X)
#undef X
	LOOM_N_FIELD
};
enum loom_field_type { LOOM_FIELD_INT, LOOM_FIELD_LONG, LOOM_FIELD_NUM, LOOM_FIELD_BOOL, LOOM_FIELD_NORM, LOOM_FIELD_ACT, LOOM_FIELD_POS,
	LOOM_FIELD_QK_NORM, LOOM_FIELD_QKV, LOOM_FIELD_GLU, LOOM_FIELD_ROUTER,
	LOOM_FIELD_SCAN_NORM, LOOM_FIELD_REL };

const char *loom_field_name(enum loom_field f);
/* LOOM_N_FIELD when no field has that name. */
enum loom_field loom_field_find(const char *name);
enum loom_field_type loom_field_type(enum loom_field f);
/* Must a config give it? */
bool loom_field_required(enum loom_field f);
/* Sets the field from a table's text: a number, true or false, a word of the field's kind, or in numbers also another field,
 * "4*n_embd" and "sqrt(n_embd)". where names the table for messages. */
enum loom_status loom_field_set_text(struct loom_config *cfg, enum loom_field f, const char *text, const char *where, struct loom_err *err)
	LOOM_MUST_CHECK;
/* Would loom_field_set_text take the text? Fields that it names need no value for this. */
bool loom_field_text_ok(enum loom_field f, const char *text);
/* Sets the field from the member `key` of obj, which is there. null gives 0 to numbers and leaves the rest as it is. */
enum loom_status loom_field_set_json(struct loom_config *cfg, enum loom_field f, const struct loom_json_ctx *c, const json_t *obj,
	const char *key, struct loom_err *err) LOOM_MUST_CHECK;
/* What the field is: a number (NAN for other kinds); "true", "false" or the first word of its kind's value (NULL for numbers). */
double loom_field_number(const struct loom_config *cfg, enum loom_field f);
const char *loom_field_word(const struct loom_config *cfg, enum loom_field f);
/* Is a number that the config gave (not 0)? Other kinds: true. */
bool loom_field_given(const struct loom_config *cfg, enum loom_field f);

#endif
