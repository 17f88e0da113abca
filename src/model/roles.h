/* roles.h: weights by role: what a tensor is for, whatever a family calls it. */
#ifndef LOOM_ROLES_H
#define LOOM_ROLES_H

/* X(id, word): the word is the role's name in manifests and plans, with "layers.N." before it inside blocks. */
#define LOOM_ROLE_LIST(X) \
	X(EMBED_TOKEN, "embed_tokens") X(EMBED_POSITION, "embed_positions") X(EMBED_TYPE, "embed_types") X(EMBED_NORM, "embed_norm") \
	X(EMBED_IN, "embed_in") X(EMBED_OUT, "embed_out") \
	X(ATTN_NORM, "attn_norm") X(Q, "attn.q") X(K, "attn.k") X(V, "attn.v") X(QKV, "attn.qkv") X(O, "attn.out") \
	X(Q_NORM, "attn.q_norm") X(K_NORM, "attn.k_norm") X(ATTN_POST_NORM, "attn_post_norm") \
	X(MLP_NORM, "mlp_norm") X(GATE, "mlp.gate") X(UP, "mlp.up") X(GATE_UP, "mlp.gate_up") X(DOWN, "mlp.down") \
	X(MLP_POST_NORM, "mlp_post_norm") X(ALPHA_P, "mlp.alpha_p") X(ALPHA_N, "mlp.alpha_n") \
	X(ACT_BETA, "mlp.act_beta") X(ACT_EPS, "mlp.act_eps") \
	X(FINAL_NORM, "final_norm") X(HEAD, "lm_head")

enum loom_role {
#define X(id, word) LOOM_ROLE_##id,
	LOOM_ROLE_LIST(X)
#undef X
	LOOM_N_ROLE
};

/* Names without the prefix and ".weight" or ".bias", "|" between alternatives; "%d" is the layer, "%h" the head. A name that starts with "/"
 * takes no prefix. */
struct loom_role_name {
	const char *hf;   /* NULL: the family has no such weight */
	const char *gguf;
};

const char *loom_role_name(enum loom_role r);
/* LOOM_N_ROLE when no role has that name. */
enum loom_role loom_role_find(const char *word);

#endif
