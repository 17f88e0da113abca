/* gte.c: GTE: BERT with rotary positions and a gated feed-forward; as transformers writes it and as its authors did ("new"). */
#include "bert_like.h"

static const struct loom_key keys[] = {
	USUAL_SIZES, BERT_FEATURES, ALWAYS(EMBED_NORM, "true"), KEY(N_CTX, "max_position_embeddings", "8192"), KEY(N_TYPE, "type_vocab_size", "1"),
	KEY(D_HEAD, "head_dim", NULL), ALWAYS(POS, "rotary"), ALWAYS(GATED_FFN, "true"), ALWAYS(MLP_BIAS, "false"),
	ALWAYS(UP_FIRST, "true"),
	KEY(ROPE_THETA, "rope_theta", "160000"),
	ALWAYS(CLASS_ACT, "tanh"), ALWAYS(HEAD_ACT, "gelu"), END_KEYS};
static const struct loom_key_rule rules[] = {{"position_embedding_type", "absolute|rope"}, {"layer_norm_type", "layer_norm"}, {"logn_attention_scale", "false"},
	{"logn_attention_clip1", "false"}, {"is_decoder", "false"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_gte = {
	.name = "gte",
	.types = "gte|new",
	.architectures = "GteModel|GteForMaskedLM|GteForSequenceClassification|GteForTokenClassification|NewModel|NewForMaskedLM|"
		"NewForSequenceClassification|NewForTokenClassification",
	.prefixes = "|gte.|new.",
	.keys = keys,
	.ignored = BERT_IGNORED "|pack_qkv|unpad_inputs|use_memory_efficient_attention",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.word_embeddings", NULL},
		[LOOM_ROLE_EMBED_TYPE] = {"embeddings.token_type_embeddings", NULL},
		[LOOM_ROLE_EMBED_NORM] = {"embeddings.LayerNorm", NULL},
		[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", NULL},
		[LOOM_ROLE_K] = {"layers.%d.self_attn.k_proj", NULL},
		[LOOM_ROLE_V] = {"layers.%d.self_attn.v_proj", NULL},
		[LOOM_ROLE_QKV] = {"encoder.layer.%d.attention.qkv_proj", NULL},
		[LOOM_ROLE_O] = {"layers.%d.self_attn.o_proj|encoder.layer.%d.attention.o_proj", NULL},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.post_attention_layernorm|encoder.layer.%d.attn_ln", NULL},
		[LOOM_ROLE_GATE] = {"layers.%d.mlp.gate_proj", NULL},
		[LOOM_ROLE_UP] = {"layers.%d.mlp.up_proj", NULL},
		[LOOM_ROLE_GATE_UP] = {"encoder.layer.%d.mlp.up_gate_proj", NULL},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.down_proj|encoder.layer.%d.mlp.down_proj", NULL},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_mlp_layernorm|encoder.layer.%d.mlp_ln", NULL},
		[LOOM_ROLE_HEAD_DENSE] = {"/lm_head.dense", NULL}, [LOOM_ROLE_HEAD_NORM] = {"/lm_head.layer_norm|/lm_head.norm", NULL},
		[LOOM_ROLE_HEAD] = {"/lm_head.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/lm_head.decoder", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"pooler.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL},
	},
	.rules = rules,
	.blocks = blocks,
};
