/* roberta.c: RoBERTa, XLM-RoBERTa, CamemBERT, data2vec for text: BERT whose positions start behind the padding token's id;
 * Jina Embeddings v3 as published, with its adapters by task. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "512"), KEY(N_TYPE, "type_vocab_size", "2"),
	MAPPED(POS, "position_embedding_type", "learned", "absolute=learned|rotary=rotary"), KEY(ROPE_THETA, "rotary_emb_base", "10000"),
	ALWAYS(POS_WHOLE, "true"), MAPPED(POS_OFFSET, "pad_token_id", "2", "+1"), ALWAYS(HEAD_ACT, "gelu"),
	ALWAYS(CLASS_ACT, "tanh"), KEY(ADAPTER_RANK, "lora_rank", NULL), KEY(ADAPTER_ALPHA, "lora_alpha", "1"), END_KEYS};
static const struct loom_key_rule rules[] = {{"is_decoder", "false"}, END_RULES};
/* Jina Embeddings v3 as its authors wrote it ("XLM-R flash") has names of its own, and low-rank adapters for tasks beside each matrix and
 * embedding. */
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_roberta = {
	.name = "roberta",
	.types = "roberta|xlm-roberta|camembert|data2vec-text",
	.architectures = "RobertaModel|RobertaForMaskedLM|RobertaForSequenceClassification|RobertaForTokenClassification|"
		"RobertaForQuestionAnswering|XLMRobertaModel|XLMRobertaForMaskedLM|XLMRobertaForSequenceClassification|"
		"XLMRobertaForTokenClassification|XLMRobertaForQuestionAnswering|CamembertModel|CamembertForMaskedLM|"
		"CamembertForSequenceClassification|CamembertForTokenClassification|CamembertForQuestionAnswering|Data2VecTextModel|"
		"XLMRobertaLoRA|Data2VecTextForMaskedLM|Data2VecTextForSequenceClassification|Data2VecTextForTokenClassification|"
		"Data2VecTextForQuestionAnswering",
	.prefixes = "|roberta.|camembert.|data2vec_text.",
	.keys = keys,
	.adapters = "lora_adaptations",
	.adapter_prompts = "task_instructions",
	.ignored = BERT_IGNORED "|lora_dropout_p|lora_main_params_trainable|lora_prompts|matryoshka_dimensions|truncate_dim|use_flash_attn|"
		"emb_pooler|load_trained_adapters",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.word_embeddings", "token_embd"},
		[LOOM_ROLE_EMBED_POSITION] = {"embeddings.position_embeddings", "position_embd"},
		[LOOM_ROLE_EMBED_TYPE] = {"embeddings.token_type_embeddings", "token_types"},
		[LOOM_ROLE_EMBED_NORM] = {"embeddings.LayerNorm|emb_ln", "token_embd_norm"},
		[LOOM_ROLE_QKV] = {"encoder.layers.%d.mixer.Wqkv", NULL},
		[LOOM_ROLE_Q] = {"encoder.layer.%d.attention.self.query", "blk.%d.attn_q"},
		[LOOM_ROLE_K] = {"encoder.layer.%d.attention.self.key", "blk.%d.attn_k"},
		[LOOM_ROLE_V] = {"encoder.layer.%d.attention.self.value", "blk.%d.attn_v"},
		[LOOM_ROLE_O] = {"encoder.layer.%d.attention.output.dense|encoder.layers.%d.mixer.out_proj", "blk.%d.attn_output"},
		[LOOM_ROLE_ATTN_NORM] = {"encoder.layer.%d.attention.output.LayerNorm|encoder.layers.%d.norm1", "blk.%d.attn_output_norm"},
		[LOOM_ROLE_UP] = {"encoder.layer.%d.intermediate.dense|encoder.layers.%d.mlp.fc1", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"encoder.layer.%d.output.dense|encoder.layers.%d.mlp.fc2", "blk.%d.ffn_down"},
		[LOOM_ROLE_MLP_NORM] = {"encoder.layer.%d.output.LayerNorm|encoder.layers.%d.norm2", "blk.%d.layer_output_norm"},
		[LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/lm_head.layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/lm_head", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"/classifier.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier.out_proj", NULL}},
	.rules = rules,
	.blocks = blocks,
	.gguf = "bert",
};
