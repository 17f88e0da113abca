/* static_embedding.c: a table of words and nothing else: what sentence-transformers' StaticEmbedding holds, and model2vec's models. No config.json
 * says so (load/static_table.h makes the config), so the family is not in the index. */
#include "family.h"

static const struct loom_key keys[] = {{LOOM_F_N_VOCAB, NULL, NULL, NULL, NULL}};

const struct loom_family loom_family_static_embedding = {
	.name = "static_embedding",
	.types = "static_embedding",
	.architectures = "StaticEmbedding",
	.prefixes = "",
	.keys = keys,
	.roles = {[LOOM_ROLE_EMBED_TOKEN] = {"embedding", NULL}},
};
