/* gpt_bigcode.c: GPT-BigCode (SantaCoder, StarCoder): GPT-2 with one kv head. */
#include "llama_like.h"

static const struct loom_key keys[] = {
	KEY(N_LAYER, "n_layer|num_hidden_layers", NULL), KEY(N_EMBD, "n_embd|hidden_size", NULL),
	KEY(N_HEAD, "n_head|num_attention_heads", NULL), KEY(N_VOCAB, "vocab_size", NULL),
	MAPPED(N_FFN, "n_inner", "4*n_embd", "null=4*n_embd|*"), MAPPED(N_HEAD_KV, "multi_query", "1", "true=1|false=0"),
	ALWAYS(QKV, "grouped"), KEY(N_CTX, "n_positions|max_position_embeddings", "1024"), KEY(NORM_EPS, "layer_norm_epsilon", "1e-5"),
	KEY(ACT, "activation_function", "gelu_pytorch_tanh"), KEY(TIED, "tie_word_embeddings", "true"),
	KEY(ATTN_SCALED, "scale_attn_weights", "true"), ALWAYS(NORM, "layer"), ALWAYS(POS, "learned"), ALWAYS(CAUSAL, "true"),
	ALWAYS(FINAL_NORM, "true"), ALWAYS(ATTN_BIAS, "true"), ALWAYS(ATTN_OUT_BIAS, "true"), ALWAYS(MLP_BIAS, "true"),
	ALWAYS(MLP_DOWN_BIAS, "true"), END_KEYS};
static const struct loom_block_choice blocks[] = {{0, &loom_block_pre_norm}, END_BLOCKS};

const struct loom_family loom_family_gpt_bigcode = {
	.name = "gpt_bigcode",
	.types = "gpt_bigcode",
	.architectures = "GPTBigCodeForCausalLM|GPTBigCodeModel",
	.prefixes = "transformer.|",
	.keys = keys,
	.ignored = "attention_softmax_in_fp32|scale_attention_softmax_in_fp32|num_key_value_heads|inference_runner|max_batch_size|"
		"max_sequence_length|pad_key_length|pre_allocate_kv_cache|validate_runner_input|summary_activation|"
		"summary_first_dropout|summary_proj_to_labels|summary_type|summary_use_proj",
	.roles = {
		[LOOM_ROLE_EMBED_TOKEN] = {"wte", "token_embd"}, [LOOM_ROLE_EMBED_POSITION] = {"wpe", "position_embd"},
		[LOOM_ROLE_ATTN_NORM] = {"h.%d.ln_1", "blk.%d.attn_norm"}, [LOOM_ROLE_QKV] = {"h.%d.attn.c_attn", "blk.%d.attn_qkv"},
		[LOOM_ROLE_O] = {"h.%d.attn.c_proj", "blk.%d.attn_output"}, [LOOM_ROLE_MLP_NORM] = {"h.%d.ln_2", "blk.%d.ffn_norm"},
		[LOOM_ROLE_UP] = {"h.%d.mlp.c_fc", "blk.%d.ffn_up"}, [LOOM_ROLE_DOWN] = {"h.%d.mlp.c_proj", "blk.%d.ffn_down"},
		[LOOM_ROLE_FINAL_NORM] = {"ln_f", "output_norm"}, LLAMA_HEAD,
	},
	.blocks = blocks,
	.gguf = "starcoder",
};
