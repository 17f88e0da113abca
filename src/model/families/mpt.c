/* mpt.c: MPT: ALiBi, no biases at all, q, k and v in one tensor, which may be clipped. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "n_layers|num_hidden_layers", NULL), KEY(N_EMBD, "d_model|hidden_size", NULL), KEY(N_HEAD, "n_heads|num_attention_heads", NULL),
	KEY(N_VOCAB, "vocab_size", NULL), ALWAYS(N_FFN, "4*n_embd"), KEY(N_CTX, "max_seq_len", "2048"),
	KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"), ALWAYS(ACT, "gelu"), KEY(TIED, "tie_word_embeddings", "true"),
	KEY(ATTN_SCALE, "attn_config.softmax_scale", NULL), KEY(CLIP_QKV, "attn_config.clip_qkv", NULL),
	ALWAYS(NORM, "layer"), ALWAYS(NORM_BIAS, "false"), ALWAYS(POS, "alibi"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"),
	ALWAYS(QKV, "stacked"), END_KEYS};
static const struct loom_key_rule rules[] = {{"expansion_ratio", "4"}, {"no_bias", "true"}, {"logit_scale", "null"}, {"embedding_fraction", "1"},
	{"norm_type", "low_precision_layernorm"}, {"attn_config.alibi", "true"}, {"attn_config.alibi_bias_max", "8"}, {"attn_config.qk_ln", "false"},
	{"attn_config.prefix_lm", "false"}, {"attn_config.attn_type", "multihead_attention"}, {"attn_config.attn_uses_sequence_id", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_mpt = {
	.name = "mpt",
	.types = "mpt",
	.architectures = "MptForCausalLM|MptModel|MPTForCausalLM",
	.prefixes = "transformer.|",
	.keys = keys,
	.rules = rules,
	.ignored = "resid_pdrop|emb_pdrop|learned_pos_emb|init_device|init_config|verbose|n_inner",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"wte", "token_embd"}, [LOOM_ROLE_ATTN_NORM] = {"blocks.%d.norm_1", "blk.%d.attn_norm"},
		[LOOM_ROLE_QKV] = {"blocks.%d.attn.Wqkv", "blk.%d.attn_qkv"}, [LOOM_ROLE_O] = {"blocks.%d.attn.out_proj", "blk.%d.attn_output"},
		[LOOM_ROLE_MLP_NORM] = {"blocks.%d.norm_2", "blk.%d.ffn_norm"}, [LOOM_ROLE_UP] = {"blocks.%d.ffn.up_proj", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"blocks.%d.ffn.down_proj", "blk.%d.ffn_down"}, [LOOM_ROLE_FINAL_NORM] = {"norm_f", "output_norm"}, LLAMA_HEAD,
	},
	.blocks = blocks,
	.gguf = "mpt",
};
