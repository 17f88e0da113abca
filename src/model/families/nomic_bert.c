/* nomic_bert.c: Nomic BERT: BERT with rotary positions and a gated feed-forward without biases; as transformers writes it and as Nomic did. */
#include "bert_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "num_hidden_layers|n_layer", NULL), KEY(N_EMBD, "hidden_size|n_embd", NULL), KEY(N_HEAD, "num_attention_heads|n_head", NULL),
	KEY(N_VOCAB, "vocab_size", NULL), KEY(N_FFN, "intermediate_size|n_inner", NULL), KEY(D_HEAD, "head_dim", NULL),
	KEY(N_CTX, "max_position_embeddings|n_positions", "2048"), KEY(N_TYPE, "type_vocab_size", "2"),
	KEY(NORM_EPS, "layer_norm_eps|layer_norm_epsilon", "1e-12"), MAPPED(ACT, "activation_function", "silu", "swiglu=silu|geglu=gelu"),
	KEY(ACT, "hidden_act", NULL), MAPPED(HEAD_ACT, "activation_function", "silu", "swiglu=silu|geglu=gelu"), KEY(HEAD_ACT, "hidden_act", NULL),
	ALWAYS(NORM, "layer"), ALWAYS(EMBED_NORM, "true"), ALWAYS(POS, "rotary"), ALWAYS(GATED_FFN, "true"),
	KEY(ATTN_BIAS, "qkv_proj_bias", "false"),
	KEY(ATTN_OUT_BIAS, "qkv_proj_bias", "false"), KEY(MLP_BIAS, "mlp_fc1_bias", "false"), KEY(MLP_DOWN_BIAS, "mlp_fc2_bias", "false"),
	KEY(ROPE_THETA, "rope_theta|rotary_emb_base", "1000"), KEY(ROTARY_PART, "rotary_emb_fraction", "1"),
	KEY(ROPE_INTERLEAVED, "rotary_emb_interleaved", "false"),
	ALWAYS(CLASS_ACT, "tanh"), END_KEYS};
static const struct loom_key_rule rules[] = {{"prenorm", "false"}, {"parallel_block", "false"}, {"use_rms_norm", "false"}, {"causal", "false"},
	{"rotary_emb_scale_base", "null"}, {"rotary_scaling_factor", "null"}, {"scale_attn_by_inverse_layer_idx", "false"},
	{"scale_attn_weights", "true"}, {"num_experts", "0"}, {"moe_every_n_layers", "0"}, END_RULES};
static const struct loom_block_choice blocks[] = {{0, &loom_block_post_norm}, END_BLOCKS};

const struct loom_family loom_family_nomic_bert = {
	.name = "nomic_bert",
	.types = "nomic_bert",
	.architectures = "NomicBertModel|NomicBertForMaskedLM|NomicBertForPreTraining|NomicBertForSequenceClassification|"
		"NomicBertForTokenClassification",
	.prefixes = "|nomic_bert.|bert.",
	.keys = keys,
	.ignored = BERT_IGNORED "|attn_pdrop|embd_pdrop|resid_pdrop|dense_seq_output|fused_bias_fc|fused_dropout_add_ln|last_layer_subset|"
		"max_trained_positions|pad_vocab_size_multiple|reorder_and_upcast_attn|summary_first_dropout|summary_proj_to_labels|"
		"use_flash_attn|use_xentropy|mlp_checkpoint_lvl",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"embeddings.word_embeddings", "token_embd"},
		[LOOM_ROLE_EMBED_TYPE] = {"embeddings.token_type_embeddings", "token_types"},
		[LOOM_ROLE_EMBED_NORM] = {"embeddings.LayerNorm|emb_ln", "token_embd_norm"},
		[LOOM_ROLE_Q] = {"layers.%d.self_attn.q_proj", NULL},
		[LOOM_ROLE_K] = {"layers.%d.self_attn.k_proj", NULL},
		[LOOM_ROLE_V] = {"layers.%d.self_attn.v_proj", NULL},
		[LOOM_ROLE_QKV] = {"encoder.layers.%d.attn.Wqkv", "blk.%d.attn_qkv"},
		[LOOM_ROLE_O] = {"layers.%d.self_attn.o_proj|encoder.layers.%d.attn.out_proj", "blk.%d.attn_output"},
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.post_attention_layernorm|encoder.layers.%d.norm1", "blk.%d.attn_output_norm"},
		[LOOM_ROLE_GATE] = {"layers.%d.mlp.gate_proj|encoder.layers.%d.mlp.fc12", "blk.%d.ffn_gate"},
		[LOOM_ROLE_UP] = {"layers.%d.mlp.up_proj|encoder.layers.%d.mlp.fc11", "blk.%d.ffn_up"},
		[LOOM_ROLE_DOWN] = {"layers.%d.mlp.down_proj|encoder.layers.%d.mlp.fc2", "blk.%d.ffn_down"},
		[LOOM_ROLE_MLP_NORM] = {"layers.%d.post_mlp_layernorm|encoder.layers.%d.norm2", "blk.%d.layer_output_norm"},
		[LOOM_ROLE_HEAD_DENSE] = {"/cls.predictions.transform.dense", NULL},
		[LOOM_ROLE_HEAD_NORM] = {"/cls.predictions.transform.LayerNorm|/cls.predictions.transform.layer_norm", NULL},
		[LOOM_ROLE_HEAD] = {"/cls.predictions.decoder", NULL}, [LOOM_ROLE_HEAD_BIAS] = {"/cls.predictions|/cls.predictions.decoder", NULL},
		[LOOM_ROLE_CLASS_DENSE] = {"pooler.dense", NULL}, [LOOM_ROLE_CLASS] = {"/classifier", NULL},
	},
	.rules = rules,
	.blocks = blocks,
	.gguf = "nomic-bert",
};
