/* stablelm.c: StableLM: layer norms, a quarter of each head rotated, optionally parallel and with norms on each head of q and k. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "4096"),
	KEY(TIED, "tie_word_embeddings", "false"),
	ALWAYS(NORM, "layer"), KEY(NORM_EPS, "layer_norm_eps|norm_eps", "1e-5"), KEY(ACT, "hidden_act", "silu"), ALWAYS(GATED_FFN, "true"),
	ALWAYS(POS, "rotary"), KEY(ROPE_THETA, "rope_theta", "10000"), KEY(ROTARY_PART, "partial_rotary_factor|rope_pct", "0.25"),
	ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), KEY(ATTN_BIAS, "use_qkv_bias", "false"),
	MAPPED(QK_NORM, "qk_layernorm", "none", "true=head_tensors|false=none"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	RULE(LOOM_LAYER_PARALLEL, FLAG, "use_parallel_residual", NULL, "false"), END_LAYERS};
static const struct loom_key gguf_keys[] = {MAPPED(QK_NORM, "stored.attn_q_norm", NULL, "true=each_head"), END_KEYS};
static const struct loom_block_choice blocks[] = {{LOOM_LAYER_PARALLEL, &loom_block_parallel}, {0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_stablelm = {
	.name = "stablelm",
	.types = "stablelm",
	.architectures = "StableLmForCausalLM|StableLmModel|StableLMEpochForCausalLM",
	.prefixes = "model.|",
	.keys = keys,
	.layers = layers,
	.ignored = "hidden_dropout",
	.roles = {
		LLAMA_NAMES,
		[LOOM_ROLE_Q_NORM] = {"layers.%d.self_attn.q_layernorm.norms.%h", "blk.%d.attn_q_norm"},
		[LOOM_ROLE_K_NORM] = {"layers.%d.self_attn.k_layernorm.norms.%h", "blk.%d.attn_k_norm"},
	},
	.blocks = blocks,
	.gguf = "stablelm",
	.gguf_head = true,
	.gguf_keys = gguf_keys,
};
