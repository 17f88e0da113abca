/* phi3.c: Phi-3, 3.5 and 4: q, k and v in one tensor, gate and up in another; longrope. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	TOWER_SIZES("32", "3072", "32", "32064", "8192"),
	USUAL_SIZES, LLAMA_FEATURES,
	KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "4096"),
	KEY(TIED, "tie_word_embeddings", "false"),
	KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(WINDOW, "sliding_window", NULL), KEY(ROTARY_PART, "partial_rotary_factor", "1"),
	ALWAYS(QKV, "stacked"), ALWAYS(FUSED_GATE, "true"), END_KEYS};
static const struct loom_key_rule rules[] = {{"attention_bias", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_phi3 = {
	.name = "phi3",
	.types = "phi3",
	.architectures = "Phi3ForCausalLM|Phi3Model",
	.prefixes = "model.|",
	.keys = keys,
	.rules = rules,
	.ignored = "resid_pdrop|embd_pdrop",
	.roles = {
		LLAMA_EMBED, LLAMA_O, LLAMA_NORMS, LLAMA_HEAD,
		[LOOM_ROLE_QKV] = {"layers.%d.self_attn.qkv_proj", "blk.%d.attn_qkv"},
		[LOOM_ROLE_GATE_UP] = {"layers.%d.mlp.gate_up_proj", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.down_proj", "blk.%d.ffn_down"},
	},
	.blocks = blocks,
	.gguf = "phi3",
};
