/* mamba2.c: Mamba 2 (Codestral Mamba): a scan by heads in each layer and nothing else. */
#include "scan_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "num_hidden_layers|n_layer", NULL), KEY(N_EMBD, "hidden_size|d_model", NULL), KEY(N_VOCAB, "vocab_size", NULL),
	ALWAYS(N_HEAD, "1"), ALWAYS(N_CTX, "1048576"), ALWAYS(NORM, "rms"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"),
	ALWAYS(HIDDEN_AFTER, "true"), KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"), KEY(ACT, "hidden_act", "silu"),
	KEY(TIED, "tie_word_embeddings", "false"), KEY(N_SCAN, "num_heads", "128"), KEY(D_SCAN, "head_dim", "64"),
	KEY(N_SCAN_GROUP, "n_groups", "8"), KEY(D_STATE, "state_size", "128"), KEY(EXPAND, "expand", "2"), ALWAYS(N_FFN, "2*n_embd"),
	KEY(N_TAP, "conv_kernel", "4"), KEY(CONV_BIAS, "use_conv_bias", "true"), KEY(MIXER_BIAS, "use_bias", "false"), END_KEYS};
/* transformers 5 divides weights that it loads where the last is true, as if they were new */
static const struct loom_key_rule rules[] = {SCAN_RULES, {"rescale_prenorm_residual", "false"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_SCAN, END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_scan_heads}, END_BLOCKS};

const struct loom_family loom_family_mamba2 = {
	.name = "mamba2",
	.types = "mamba2",
	.architectures = "Mamba2ForCausalLM|Mamba2Model",
	.prefixes = "backbone.|model.|",
	.keys = keys,
	.rules = rules,
	.ignored = SCAN_IGNORED "|max_position_embeddings|layer_types|intermediate_size",
	.roles = {[LOOM_ROLE_EMBED_TOKEN] = {"embeddings|embedding", "token_embd"},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.norm", "blk.%d.attn_norm"}, SCAN_NAMES("mixer"),
		[LOOM_ROLE_FINAL_NORM] = {"norm_f", "output_norm"}, LLAMA_HEAD},
	.blocks = blocks,
	.gguf = "mamba2",
	.gguf_keys = gguf_keys,
};
