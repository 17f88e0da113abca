/* nanochat.c: nanochat: norms without weights, also after the embeddings and, behind the rotation, on each head of q and k; rotation the other way
 * round; an ungated feed-forward of squared relu. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, ALWAYS(NORM_WEIGHT, "false"), ALWAYS(EMBED_NORM, "true"), ALWAYS(QK_NORM, "head"), ALWAYS(ROPE_REVERSED, "true"),
	ALWAYS(GATED_FFN, "false"), KEY(ACT, "hidden_act", "relu2"), KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(LOGIT_SOFTCAP, "final_logit_softcapping", "15"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_rotate_first}, END_BLOCKS};

const struct loom_family loom_family_nanochat = {
	.name = "nanochat",
	.types = "nanochat",
	.architectures = "NanoChatForCausalLM|NanoChatModel",
	.prefixes = "model.|",
	.keys = keys,
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_HEAD, [LOOM_ROLE_UP] = {"layers.%d.mlp.fc1", NULL}, [LOOM_ROLE_DOWN] = {"layers.%d.mlp.fc2", NULL}},
	.blocks = blocks,
};
