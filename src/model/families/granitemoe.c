/* granitemoe.c: Granite with experts, weighed by the softmax of the chosen ones' logits. */
#include "moe_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, KEY(N_HEAD_KV, "num_key_value_heads", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings", "2048"), KEY(TIED, "tie_word_embeddings", "false"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(EMBED_SCALE, "embedding_multiplier", "1"),
	KEY(ATTN_SCALE, "attention_multiplier", "1"), KEY(RESIDUAL_SCALE, "residual_multiplier", "1"),
	KEY(LOGIT_DIVIDE, "logits_scaling", "1"), ALWAYS(ROUTER, "topk_softmax"), KEY(N_EXPERT, "num_local_experts", "8"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", "2"), MAPPED(N_FFN_SHARED, "shared_intermediate_size", NULL, "0=0|*"), END_KEYS};
static const struct loom_key gguf_keys[] = {KEY(LOGIT_DIVIDE, "logit_scale", NULL), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm_moe}, END_BLOCKS};

const struct loom_family loom_family_granitemoe = {
	.name = "granitemoe",
	.types = "granitemoe|granitemoeshared",
	.architectures = "GraniteMoeForCausalLM|GraniteMoeModel|GraniteMoeSharedForCausalLM|GraniteMoeSharedModel",
	.prefixes = "model.|",
	.keys = keys,
	.ignored = MOE_IGNORED,
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_HEAD,
		[LOOM_ROLE_ROUTER] = {"layers.%d.block_sparse_moe.router.layer|layers.%d.block_sparse_moe.router", "blk.%d.ffn_gate_inp"},
		[LOOM_ROLE_EXPERTS_GATE_UP] = {"layers.%d.block_sparse_moe.input_linear.weight|layers.%d.block_sparse_moe.experts.gate_up_proj",
			NULL},
		[LOOM_ROLE_EXPERTS_GATE] = {NULL, "blk.%d.ffn_gate_exps.weight"}, [LOOM_ROLE_EXPERTS_UP] = {NULL, "blk.%d.ffn_up_exps.weight"},
		[LOOM_ROLE_EXPERTS_DOWN] = {"layers.%d.block_sparse_moe.output_linear.weight|layers.%d.block_sparse_moe.experts.down_proj",
			"blk.%d.ffn_down_exps.weight"},
		[LOOM_ROLE_SHARED_GATE_UP] = {"layers.%d.shared_mlp.input_linear", NULL},
		[LOOM_ROLE_SHARED_GATE] = {NULL, "blk.%d.ffn_gate_shexp"}, [LOOM_ROLE_SHARED_UP] = {NULL, "blk.%d.ffn_up_shexp"},
		[LOOM_ROLE_SHARED_DOWN] = {"layers.%d.shared_mlp.output_linear", "blk.%d.ffn_down_shexp"}},
	.blocks = blocks,
	.gguf = "granitemoe",
	.gguf_keys = gguf_keys,
	.gguf_permuted = true,
};
