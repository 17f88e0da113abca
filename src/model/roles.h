/* roles.h: weights by role: what a tensor is for, whatever a family calls it. */
#ifndef LOOM_ROLES_H
#define LOOM_ROLES_H

/* X(id, word): the word is the role's name in manifests and plans, with "layers.N." before it inside blocks. */
#define LOOM_ROLE_LIST(X) \
	X(EMBED_TOKEN, "embed_tokens") X(EMBED_POSITION, "embed_positions") X(EMBED_TYPE, "embed_types") \
	X(REL_BIAS, "rel_bias") X(REL_EMBED, "rel_embed") X(REL_NORM, "rel_norm") X(REL_KEY, "attn.rel_key") X(REL_QUERY, "attn.rel_query") \
	X(EMBED_TASK, "embed_tasks") X(EMBED_NORM, "embed_norm") \
	X(EMBED_IN, "embed_in") X(EMBED_OUT, "embed_out") \
	X(ATTN_NORM, "attn_norm") X(Q, "attn.q") X(K, "attn.k") X(V, "attn.v") X(QKV, "attn.qkv") X(O, "attn.out") \
	X(SINKS, "attn.sinks") X(Q_NORM, "attn.q_norm") X(K_NORM, "attn.k_norm") X(ATTN_GATE, "attn.gate") X(Q_BIAS, "attn.q_bias") X(V_BIAS, "attn.v_bias") \
	X(ATTN_SUB_NORM, "attn_sub_norm") X(MLP_SUB_NORM, "mlp_sub_norm") X(ATTN_POST_NORM, "attn_post_norm") \
	X(MLP_NORM, "mlp_norm") X(GATE, "mlp.gate") X(UP, "mlp.up") X(GATE_UP, "mlp.gate_up") X(DOWN, "mlp.down") \
	X(MLP_POST_NORM, "mlp_post_norm") X(ALPHA_P, "mlp.alpha_p") X(ALPHA_N, "mlp.alpha_n") \
	X(ACT_BETA, "mlp.act_beta") X(ACT_EPS, "mlp.act_eps") \
	X(Q_A, "attn.q_a") X(Q_A_NORM, "attn.q_a_norm") X(Q_B, "attn.q_b") X(KV_A, "attn.kv_a") X(KV_A_NORM, "attn.kv_a_norm") \
	X(KV_B, "attn.kv_b") X(K_B, "attn.k_b") X(V_B, "attn.v_b") \
	X(MIX_IN, "mixer.in") X(MIX_Z, "mixer.z") X(MIX_GATES, "mixer.gates") X(MIX_DECAY, "mixer.decay") X(MIX_CONV, "mixer.conv") X(MIX_OUT, "mixer.out") \
	X(MIX_NORM, "mixer.norm") X(MIX_X, "mixer.x") X(MIX_DT, "mixer.dt") X(MIX_A, "mixer.a") X(MIX_D, "mixer.d") \
	X(MIX_DT_BIAS, "mixer.dt_bias") X(MIX_DT_NORM, "mixer.dt_norm") X(MIX_B_NORM, "mixer.b_norm") X(MIX_C_NORM, "mixer.c_norm") \
	X(ROUTER, "mlp.router") X(CHOICE_BIAS, "mlp.choice_bias") X(EXPERT_GATE, "mlp.expert.gate") X(EXPERT_UP, "mlp.expert.up") \
	X(EXPERT_DOWN, "mlp.expert.down") X(EXPERTS_GATE_UP, "mlp.experts.gate_up") X(EXPERTS_GATE, "mlp.experts.gate") \
	X(EXPERTS_UP, "mlp.experts.up") X(EXPERTS_DOWN, "mlp.experts.down") X(EXPERTS_GATE_UP_BIAS, "mlp.experts.gate_up_bias") \
	X(EXPERTS_GATE_BIAS, "mlp.experts.gate_bias") \
	X(EXPERTS_UP_BIAS, "mlp.experts.up_bias") X(EXPERTS_DOWN_BIAS, "mlp.experts.down_bias") X(SHARED_GATE, "mlp.shared.gate") X(SHARED_UP, "mlp.shared.up") \
	X(SHARED_GATE_UP, "mlp.shared.gate_up") X(SHARED_DOWN, "mlp.shared.down") X(SHARED_MIX, "mlp.shared.mix") \
	X(FINAL_NORM, "final_norm") X(HEAD, "lm_head") X(HEAD_DENSE, "head.dense") X(HEAD_NORM, "head.norm") X(HEAD_BIAS, "head.bias") \
	X(CLASS_DENSE, "class.dense") X(CLASS_NORM, "class.norm") X(CLASS, "class")

enum loom_role {
#define X(id, word) LOOM_ROLE_##id,
	LOOM_ROLE_LIST(X)
#undef X
	LOOM_N_ROLE
};

/* Names without the prefix and ".weight" or ".bias", "|" between alternatives; "%d" is the layer, "%h" the head or expert. A name that starts
 * with "/" takes no prefix. Roles "experts.*" are tensors of all experts, [experts, rows, columns], named in full. */
struct loom_role_name {
	const char *hf;   /* NULL: the family has no such weight */
	const char *gguf;
};

const char *loom_role_name(enum loom_role r);
/* LOOM_N_ROLE when no role has that name. */
enum loom_role loom_role_find(const char *word);

#endif
