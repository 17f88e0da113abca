/* openai.c: GPT-1: norms on the stream after each addition, learned positions, matrices stored [in, out]. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "n_layer|num_hidden_layers", "12"), KEY(N_EMBD, "n_embd|hidden_size", "768"), KEY(N_HEAD, "n_head|num_attention_heads", "12"),
	KEY(N_VOCAB, "vocab_size", "40478"), ALWAYS(N_FFN, "4*n_embd"), KEY(N_CTX, "n_positions|max_position_embeddings", "512"),
	KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"), MAPPED(ACT, "afn", "gelu_new", "gelu=gelu_new|relu=relu|silu=silu|swish=silu"),
	KEY(TIED, "tie_word_embeddings", "true"), ALWAYS(NORM, "layer"), ALWAYS(POS, "learned"), ALWAYS(CAUSAL, "true"),
	ALWAYS(TRANSPOSED, "true"), ALWAYS(QKV, "stacked"), ALWAYS(ATTN_BIAS, "true"), ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"),
	ALWAYS(MLP_DOWN_BIAS, "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_openai = {
	.name = "openai",
	.types = "openai-gpt",
	.architectures = "OpenAIGPTLMHeadModel|OpenAIGPTModel",
	.prefixes = "transformer.|",
	.keys = keys,
	.ignored = "summary_type|summary_use_proj|summary_activation|summary_proj_to_labels|summary_first_dropout|n_ctx|n_special|predict_special_tokens",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"tokens_embed", NULL}, [LOOM_ROLE_EMBED_POSITION] = {"positions_embed", NULL},
		[LOOM_ROLE_QKV] = {"h.%d.attn.c_attn", NULL}, [LOOM_ROLE_O] = {"h.%d.attn.c_proj", NULL}, [LOOM_ROLE_ATTN_NORM] = {"h.%d.ln_1", NULL},
		[LOOM_ROLE_UP] = {"h.%d.mlp.c_fc", NULL}, [LOOM_ROLE_DOWN] = {"h.%d.mlp.c_proj", NULL}, [LOOM_ROLE_MLP_NORM] = {"h.%d.ln_2", NULL},
		LLAMA_HEAD},
	.blocks = blocks,
};
