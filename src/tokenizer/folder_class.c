/* folder_class.c: the class that `transformers` 5 (AutoTokenizer of 5.24) makes of a folder: what the model's type is registered with, and what
 * tokenizer_config.json or config.json names. */
#include <string.h>

#include "folder.h"
#include "str.h"

static const char general[] = ""; /* TokenizersBackend: the file as it is */

/* The registered class; types that are not here have none. Those of the first row ignore the class that a folder names. */
static const struct {
	const char *class, *types;
} registered[] = {
	{ general, "aria|flex_olmo|glm|glm4|glm4_moe|glm4_moe_lite|glm4v|glm4v_moe|gpt_bigcode|granite|granitemoe|granitemoehybrid|granitemoeshared|"
		"kimi_k25|kimi_linear|mimo_v2_flash|minicpmv4_6|minicpmv4_7|ministral|ministral3|mistral|mistral3|mistral_large4|mixtral|nystromformer|"
		"olmo2|olmo3|olmo_hybrid|persimmon|pixtral|stablelm|umt5|voxtral|xlm-roberta-xl|hyperclovax|h2ovl_chat|vipllava|modernbert|internlm3|"
		"step3_vl|molmo|molmo2|hyperclovax_vlm|ernie4_5|camembertv2-base|chatlm|minicpm3|nemotron|fuyu|arctic|opencua|phi3|ernie4_5_moe|"
		"minimax_m2|paddleocr_vl|jamba|llava|iquestcoder|internlm2|modernbert-decoder|minicpmv|phimoe|phi3_v|smolvlm|llava_next" },
	{ "AlbertTokenizer", "albert|yoso" },
	{ "BertTokenizer", "bert|bros|chinese_clip|convbert|distilbert|electra|ernie|layoutlm|megatron-bert|nezha|nomic_bert|qdqbert|realm|retribert|"
		"squeezebert|visual_bert" },
	{ "Qwen2Tokenizer", "colqwen2|internvl|ovis2|qwen2|qwen2_5_omni|qwen2_5_vl|qwen2_audio|qwen2_moe|qwen2_vl|qwen3|qwen3_moe|qwen3_next|"
		"qwen3_omni_moe|qwen3_vl|qwen3_vl_moe" },
	{ "CohereTokenizer", "aya_vision|cohere|cohere2" },
	{ "RobertaTokenizer", "bart|bridgetower|data2vec-text|ibert|lilt|longformer|mega|mra|roberta|roberta-prelayernorm" },
	{ "GPT2Tokenizer", "codegen|dbrx|emu3|gpt2|gpt_neo|gptj|hyperclovax_vision_v2|jais2|opt|phi|starcoder2" },
	{ "CamembertTokenizer", "camembert" }, { "CodeLlamaTokenizer", "code_llama" }, { "DebertaTokenizer", "deberta" },
	{ "DebertaV2Tokenizer", "deberta-v2" }, { "FunnelTokenizer", "funnel" }, { "LlamaTokenizer", "idefics|idefics2" },
	{ "GemmaTokenizer", "gemma|gemma2|gemma3|gemma3_text|gemma3n|gemma3n_text|recurrent_gemma|shieldgemma2|t5gemma|zaya" },
	{ "GPTNeoXTokenizer", "falcon_mamba|gpt_neox|mamba|mamba2|mpt|olmo|olmoe|rwkv|xlstm" }, { "LEDTokenizer", "led" },
	{ "XLMRobertaTokenizer", "gte|jina_embeddings_v3|xlm-roberta|xmod" }, { "LxmertTokenizer", "lxmert" }, { "MBartTokenizer", "mbart" },
	{ "MobileBertTokenizer", "mobilebert" }, { "MPNetTokenizer", "mpnet" }, { "T5Tokenizer", "mt5|switch_transformers|t5" },
	{ "XGLMTokenizer", "xglm" },
};

static bool listed(const char *types, const char *type)
{
	size_t n = strlen(type);
	for (const char *at = types; (at = strstr(at, type)); at += n)
		if ((at == types || at[-1] == '|') && (at[n] == '\0' || at[n] == '|'))
			return n > 0;
	return false;
}

static const char *class_of_type(const char *type)
{
	for (size_t i = 0; type && i < sizeof registered / sizeof registered[0]; i++)
		if (listed(registered[i].types, type))
			return registered[i].class;
	return NULL;
}

/* Types whose repositories name a wrong class: the registered one counts. */
static bool named_wrongly(const char *type)
{
	return listed("qwen2|hyperclovax_vision_v2", type);
}

void loom_folder_class(const struct loom_folder *f, char out[64])
{
	const char *type = json_string_value(json_object_get(f->model, "model_type"));
	const char *usual = class_of_type(type), *named = json_string_value(json_object_get(f->config, "tokenizer_class"));
	named = named ? named : json_string_value(json_object_get(f->model, "tokenizer_class"));
	size_t n = loom_str_copy(out, 64, named ? named : usual ? usual : general);
	if (n > 4 && strcmp(out + n - 4, "Fast") == 0)
		out[n - 4] = '\0';
	if (usual && (usual == general || named_wrongly(type)))
		(void)loom_str_copy(out, 64, usual);
}
