/* nemotron_h.c: Nemotron-H and Nemotron 3: each layer is one sub-layer: a scan of Mamba 2's, attention without positions, a feed-forward of
 * squared relu, or experts of that kind. */
#include "scan_like.h"

static const struct loom_key keys[] = {
	MAPPED(N_LAYER, "layers_block_type|layer_types|hybrid_override_pattern", NULL, "#"), KEY(N_EMBD, "hidden_size", NULL),
	KEY(N_HEAD, "num_attention_heads", NULL), KEY(N_VOCAB, "vocab_size", NULL), KEY(N_FFN, "intermediate_size", "21504"),
	ALWAYS(NORM, "rms"), ALWAYS(CAUSAL, "true"), ALWAYS(FINAL_NORM, "true"), KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"),
	KEY(ACT, "mlp_hidden_act", "relu2"), KEY(N_HEAD_KV, "num_key_value_heads", "8"), KEY(D_HEAD, "head_dim|attention_head_dim", "128"),
	KEY(N_CTX, "max_position_embeddings", "4096"), ALWAYS(TIED, "false"), /* transformers ties it never */
	KEY(MIXER_ACT, "mamba_hidden_act", "silu"),
	ALWAYS(MIXER_ACTS, "true"), KEY(N_SCAN, "mamba_num_heads", "128"), KEY(D_SCAN, "mamba_head_dim", "64"),
	KEY(N_SCAN_GROUP, "mamba_n_groups|n_groups", "8"), KEY(D_STATE, "ssm_state_size", "128"), KEY(N_TAP, "mamba_d_conv|conv_kernel", "4"),
	KEY(CONV_BIAS, "mamba_conv_bias|use_conv_bias", "true"), KEY(MIXER_BIAS, "use_bias", "false"), DEEPSEEK_ROUTER,
	ALWAYS(EXPERT_GLU, "none"), KEY(N_FFN_EXPERT, "moe_intermediate_size", "7688"), KEY(N_EXPERT, "n_routed_experts|num_local_experts", "8"),
	KEY(N_EXPERT_USED, "num_experts_per_tok", "2"), KEY(N_FFN_SHARED, "moe_shared_expert_intermediate_size", "7688"), END_KEYS};
static const struct loom_layer_rule layers[] = {
	{LOOM_LAYER_MIXER, LOOM_TEST_WORD, false, "layers_block_type|layer_types", "linear_attention|mamba", NULL, NULL},
	{LOOM_LAYER_MIXER, LOOM_TEST_LETTER, false, "hybrid_override_pattern", "M", NULL, NULL},
	/* where there are no keys and values, unless there is a feed-forward, which comes first below */
	{LOOM_LAYER_MIXER, LOOM_TEST_FLAGS, true, "attention.head_count_kv", NULL, NULL, NULL},
	{LOOM_LAYER_DENSE, LOOM_TEST_WORD, false, "layers_block_type|layer_types", "mlp", NULL, NULL},
	{LOOM_LAYER_DENSE, LOOM_TEST_LETTER, false, "hybrid_override_pattern", "-", NULL, NULL},
	{LOOM_LAYER_DENSE, LOOM_TEST_FLAGS, false, "feed_forward_length", NULL, NULL, "nemotron_h"},
	{LOOM_LAYER_MOE, LOOM_TEST_WORD, false, "layers_block_type|layer_types", "moe", NULL, NULL},
	{LOOM_LAYER_MOE, LOOM_TEST_LETTER, false, "hybrid_override_pattern", "E", NULL, NULL},
	{LOOM_LAYER_MOE, LOOM_TEST_FLAGS, false, "feed_forward_length", NULL, NULL, "nemotron_h_moe"}, END_LAYERS};
static const struct loom_key_rule rules[] = {SCAN_RULES, {"mamba_dt_limit", "0|1e+308|Infinity"}, {"moe_latent_size", "null"},
	{"attention_bias", "false"}, {"mlp_bias", "false"}, {"sliding_window", "null"},
	{"hybrid_override_pattern", "~M-*E"}, {"layers_block_type", "linear_attention|full_attention|mamba|attention|mlp|moe"},
	{"layer_types", "linear_attention|full_attention|mamba|attention|mlp|moe"}, END_RULES};
static const struct loom_key gguf_keys[] = {GGUF_SCAN, END_KEYS};
static const struct loom_block_choice blocks[] = {
	{LOOM_LAYER_DENSE, &loom_block_ffn_only}, {LOOM_LAYER_MOE, &loom_block_moe_only}, {LOOM_LAYER_MIXER, &loom_block_scan_heads},
	{0, &loom_block_attend_only}, END_BLOCKS};

const struct loom_family loom_family_nemotron_h = {
	.name = "nemotron_h",
	.types = "nemotron_h",
	.architectures = "NemotronHForCausalLM|NemotronHModel",
	.prefixes = "backbone.|model.|",
	.keys = keys,
	.layers = layers,
	.rules = rules,
	.ignored = SCAN_IGNORED "|" MOE_IGNORED "|num_hidden_layers|num_logits_to_keep|expand|mamba_expand|mamba_dt_min|mamba_dt_max|"
		"mamba_dt_init_floor|mamba_ssm_cache_dtype|moe_shared_expert_overlap|num_nextn_predict_layers|mtp_layers_block_type|"
		"mtp_hybrid_override_pattern|hidden_dropout|mamba_proj_bias|rms_norm_eps|attention_dropout",
	.roles = {[LOOM_ROLE_EMBED_TOKEN] = {"embeddings|embed_tokens", "token_embd"}, SCAN_NAMES("mixer"),
		[LOOM_ROLE_ATTN_NORM] = {"layers.%d.norm", "blk.%d.attn_norm"}, [LOOM_ROLE_MLP_NORM] = {"layers.%d.norm", "blk.%d.attn_norm"},
		[LOOM_ROLE_Q] = {"layers.%d.mixer.q_proj", "blk.%d.attn_q"}, [LOOM_ROLE_K] = {"layers.%d.mixer.k_proj", "blk.%d.attn_k"},
		[LOOM_ROLE_V] = {"layers.%d.mixer.v_proj", "blk.%d.attn_v"}, [LOOM_ROLE_O] = {"layers.%d.mixer.o_proj", "blk.%d.attn_output"},
		[LOOM_ROLE_UP] = {"layers.%d.mixer.up_proj", "blk.%d.ffn_up"}, [LOOM_ROLE_DOWN] = {"layers.%d.mixer.down_proj", "blk.%d.ffn_down"},
		[LOOM_ROLE_ROUTER] = {"layers.%d.mixer.gate", "blk.%d.ffn_gate_inp"},
		[LOOM_ROLE_CHOICE_BIAS] = {"layers.%d.mixer.gate.e_score_correction_bias", "blk.%d.exp_probs_b.bias"},
		[LOOM_ROLE_EXPERT_UP] = {"layers.%d.mixer.experts.%h.up_proj", NULL}, [LOOM_ROLE_EXPERT_DOWN] = {"layers.%d.mixer.experts.%h.down_proj", NULL},
		[LOOM_ROLE_EXPERTS_UP] = {"layers.%d.mixer.experts.up_proj", "blk.%d.ffn_up_exps.weight"},
		[LOOM_ROLE_EXPERTS_DOWN] = {"layers.%d.mixer.experts.down_proj", "blk.%d.ffn_down_exps.weight"},
		[LOOM_ROLE_SHARED_UP] = {"layers.%d.mixer.shared_experts.up_proj", "blk.%d.ffn_up_shexp"},
		[LOOM_ROLE_SHARED_DOWN] = {"layers.%d.mixer.shared_experts.down_proj", "blk.%d.ffn_down_shexp"},
		[LOOM_ROLE_FINAL_NORM] = {"norm_f", "output_norm"}, LLAMA_HEAD},
	.blocks = blocks,
	.gguf = "nemotron_h|nemotron_h_moe:expert_count",
	.gguf_keys = gguf_keys,
};
