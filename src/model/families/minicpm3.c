/* minicpm3.c: MiniCPM 3: latent attention rotated in halves; multipliers on embeddings, on what is added to the stream by the depth, and on
 * logits by the width. */
#include "latent_like.h"

static const struct loom_key keys[] = {
	LATENT, KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_CTX, "max_position_embeddings", "32768"), KEY(TIED, "tie_word_embeddings", "true"),
	KEY(Q_RANK, "q_lora_rank", "768"), KEY(KV_RANK, "kv_lora_rank", "256"), KEY(D_NOPE, "qk_nope_head_dim", "64"),
	KEY(D_ROPE, "qk_rope_head_dim", "32"), KEY(D_VALUE, "v_head_dim", "0"), KEY(MLP_BIAS, "mlp_bias", "false"),
	KEY(MLP_DOWN_BIAS, "mlp_bias", "false"), KEY(EMBED_SCALE, "scale_emb", "12"), KEY(DEPTH_SCALE, "scale_depth", "1.4"),
	KEY(LOGIT_WIDTH, "dim_model_base", "256"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_latent}, END_BLOCKS};

const struct loom_family loom_family_minicpm3 = {
	.name = "minicpm3",
	.types = "minicpm3",
	.architectures = "MiniCPM3ForCausalLM|MiniCPM3Model",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = "pretraining_tp|num_key_value_heads|head_dim|qk_head_dim",
	.roles = {LLAMA_EMBED, LATENT_NAMES, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, LLAMA_HEAD},
	.blocks = blocks,
};
