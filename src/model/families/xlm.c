/* xlm.c: XLM and FlauBERT: BERT in words of their own, without embeddings of the language. FlauBERT's option of norms before the sub-layers is
 * refused: transformers 5.24 does not run it. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "n_layers|num_hidden_layers", NULL), KEY(N_EMBD, "emb_dim|hidden_size", NULL), KEY(N_HEAD, "n_heads|num_attention_heads", NULL),
	KEY(N_VOCAB, "vocab_size|n_words", NULL), ALWAYS(N_FFN, "4*n_embd"), BERT_FEATURES, MAPPED(ACT, "gelu_activation", "gelu", "true=gelu|false=relu"),
	ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"), ALWAYS(POS, "learned"), END_KEYS};
static const struct loom_key_rule rules[] = {{"causal", "false"}, {"is_encoder", "true"}, {"pre_norm", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_xlm = {
	.name = "xlm",
	.types = "xlm|flaubert",
	.architectures = "XLMModel|XLMWithLMHeadModel|FlaubertModel|FlaubertWithLMHeadModel",
	.prefixes = "transformer.|",
	.keys = keys,
	.rules = rules,
	/* positions that were made of sinuses are stored like learned ones */
	.ignored = BERT_IGNORED "|sinusoidal_embeddings|n_langs|use_lang_emb|asm|embed_init_std|init_std|unk_index|mask_index|bos_index|eos_index|"
		"pad_index|summary_proj_to_labels|summary_first_dropout|start_n_top|end_n_top|lang_id|layerdrop|dropout|lang2id|id2lang|hidden_act",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings", NULL}, [LOOM_ROLE_EMBED_POSITION] = {"position_embeddings", NULL},
		[LOOM_ROLE_EMBED_NORM] = {"layer_norm_emb", NULL}, [LOOM_ROLE_Q] = {"attentions.%d.q_lin", NULL},
		[LOOM_ROLE_K] = {"attentions.%d.k_lin", NULL}, [LOOM_ROLE_V] = {"attentions.%d.v_lin", NULL},
		[LOOM_ROLE_O] = {"attentions.%d.out_lin", NULL}, [LOOM_ROLE_ATTN_NORM] = {"layer_norm1.%d", NULL},
		[LOOM_ROLE_UP] = {"ffns.%d.lin1", NULL}, [LOOM_ROLE_DOWN] = {"ffns.%d.lin2", NULL}, [LOOM_ROLE_MLP_NORM] = {"layer_norm2.%d", NULL},
	},
	.blocks = blocks,
};
