/* index.c: the list of families. Adding one is adding its file and a word here. */
#include "family.h"

#define FAMILIES(X) \
	X(llama) X(mistral) X(ministral) X(ministral3) X(qwen2) X(qwen2_vl) X(qwen3) X(gpt2) X(bert) X(gemma) X(gemma2) X(gemma3) X(phi) X(phi3) \
	X(gpt_neox) X(gptj) X(codegen) X(gpt_neo) X(gpt_bigcode) X(falcon) X(opt) X(biogpt) X(xglm) X(bloom) X(mpt) X(stablelm) \
	X(starcoder2) X(olmo) X(olmo2) X(olmo3) X(cohere) X(cohere2) X(granite) X(glm) X(glm4) X(smollm3) X(exaone4) \
	X(nemotron) X(ernie4_5) X(hunyuan_v1_dense) X(persimmon) X(seed_oss) X(helium) X(arcee) X(apertus) \
	X(jais2) X(cwm) X(vaultgemma) X(hyperclovax) \
	X(mixtral) X(qwen2_moe) X(qwen3_moe) X(olmoe) X(phimoe) X(granitemoe) X(glm4_moe) X(gpt_oss) \
	X(deepseek_v2) X(deepseek_v3) X(lfm2) X(mamba) X(falcon_mamba) X(qwen3_next) \
	X(roberta) X(distilbert) X(electra) X(albert) X(ernie) X(modernbert) X(nomic_bert) X(gte) X(jina_embeddings_v3) X(eurobert) X(esm) \
	X(lfm2_moe) X(dots1) X(hunyuan_v1_moe) X(ernie4_5_moe) X(glm4_moe_lite) X(minimax_m2) X(exaone_moe) X(solar_open) X(flex_olmo) \
	X(qwen3_5) X(qwen3_5_moe) X(mamba2) X(bamba) X(granitemoehybrid) X(nemotron_h) X(megatron_bert) X(roberta_prelayernorm) X(xlm_roberta_xl) \
	X(roformer) X(xlm) \
	X(mpnet) X(deberta_v2) X(t5) X(mt5) X(umt5) \
	X(openai) X(jamba) X(deberta) X(minicpm3) X(youtu) X(nanochat) X(bitnet) X(exaone) X(internlm3) X(falcon_h1) X(afmoe) X(modernbert_decoder) X(qwen3_vl)

#define X(name) extern const struct loom_family loom_family_##name;
FAMILIES(X)
#undef X

#define X(name) &loom_family_##name,
const struct loom_family *const loom_families[] = {FAMILIES(X) NULL};
#undef X
