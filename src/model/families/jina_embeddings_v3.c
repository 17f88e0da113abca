/* jina_embeddings_v3.c: Jina Embeddings v3 as transformers writes it: RoBERTa with rotary positions. Adapters in folders of their own, as this form has
 * them, are not read; the form that its authors published has them in the model (family roberta). */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(NORM_EPS, "layer_norm_eps", "1e-5"), KEY(N_CTX, "max_position_embeddings", "8194"),
	KEY(N_TYPE, "type_vocab_size", "1"), KEY(D_HEAD, "head_dim", NULL), ALWAYS(POS, "rotary"), KEY(ROPE_THETA, "rope_theta", "20000"),
	ALWAYS(CLASS_ACT, "tanh"), ALWAYS(HEAD_ACT, "gelu"), END_KEYS};
static const struct loom_key_rule rules[] = {BERT_RULES, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_jina_embeddings_v3 = {
	.name = "jina_embeddings_v3",
	.types = "jina_embeddings_v3",
	.architectures = "JinaEmbeddingsV3Model|JinaEmbeddingsV3ForMaskedLM|JinaEmbeddingsV3ForSequenceClassification|"
		"JinaEmbeddingsV3ForTokenClassification|JinaEmbeddingsV3ForQuestionAnswering",
	.prefixes = "|roberta.",
	.keys = keys,
	.ignored = BERT_IGNORED,
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.word_embeddings", NULL},
		[LOOM_ROLE_EMBED_TYPE] = {"embeddings.token_type_embeddings", NULL},
		[LOOM_ROLE_EMBED_NORM] = {"embeddings.LayerNorm|emb_ln", NULL},
		[LOOM_ROLE_QKV] = {"encoder.layers.%d.mixer.Wqkv", NULL},
		[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", NULL},
		[LOOM_ROLE_K] = {"layers.%d.self_attn.k_proj", NULL},
		[LOOM_ROLE_V] = {"layers.%d.self_attn.v_proj", NULL},
		[LOOM_ROLE_O] = {"layers.%d.self_attn.o_proj|encoder.layers.%d.mixer.out_proj", NULL},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.post_attention_layernorm|encoder.layers.%d.norm1", NULL},
		[LOOM_ROLE_UP] = {"layers.%d.mlp.fc1|encoder.layers.%d.mlp.fc1", NULL},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.fc2|encoder.layers.%d.mlp.fc2", NULL},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_mlp_layernorm|encoder.layers.%d.norm2", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/lm_head.layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/lm_head|/lm_head.decoder", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/classifier.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier.out_proj", NULL},
	},
	.rules = rules,
	.blocks = blocks,
};
