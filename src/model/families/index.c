/* index.c: the list of families. Adding one is adding its file and a line here. */
#include "family.h"

#define FAMILIES(X) X(llama) X(mistral) X(qwen2) X(qwen3) X(gpt2) X(bert)

#define X(name) extern const struct loom_family loom_family_##name;
FAMILIES(X)
#undef X

#define X(name) &loom_family_##name,
const struct loom_family *const loom_families[] = {FAMILIES(X) NULL};
#undef X
