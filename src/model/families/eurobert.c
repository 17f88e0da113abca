/* eurobert.c: EuroBERT: Llama read in both directions. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, LLAMA_FEATURES, ALWAYS(CAUSAL, "false"), KEY(NORM_EPS, "rms_norm_eps", "1e-5"), KEY(N_HEAD_KV, "num_key_value_heads", NULL),
	KEY(D_HEAD, "head_dim", NULL), KEY(N_CTX, "max_position_embeddings", "8192"), KEY(ATTN_BIAS, "attention_bias", "false"),
	KEY(ATTN_OUT_BIAS, "attention_bias", "false"), KEY(MLP_BIAS, "mlp_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_bias", "false"),
	KEY(HEAD_BIAS, "mlp_bias", "false"), KEY(TIED, "tie_word_embeddings", "false"), END_KEYS};
static const struct loom_key_rule rules[] = { END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_eurobert = {
	.name = "eurobert",
	.types = "eurobert",
	.architectures = "EuroBertModel|EuroBertForMaskedLM|EuroBertForSequenceClassification|EuroBertForTokenClassification",
	.prefixes = "|model.",
	.keys = keys,
	.ignored = "attention_dropout|classifier_pooling|pretraining_tp|clf_pooling|mask_token|mask_token_id|pad_token|bos_token|eos_token",
	.roles = {LLAMA_EMBED, LLAMA_QKV, LLAMA_O, LLAMA_NORMS, LLAMA_MLP, [LOOM_ROLE_HEAD] = {"/lm_head", NULL}},
	.rules = rules,
	.blocks = blocks,
	.gguf = "eurobert",
};
