/* config_internal.h: what config_json.c and config_gguf.c share: the end of reading a config, and the checks of its numbers. */
#ifndef LOOM_CONFIG_INTERNAL_H
#define LOOM_CONFIG_INTERNAL_H

#include "config.h"
#include "family.h"

/* Features of the family into cfg, before the file is read. */
void loom_config_features(struct loom_config *cfg, const struct loom_family *f);
/* Derived sizes (kv heads, head width, feed-forward width, score scale) and the checks that hold for every model. 0 means "not given" for
 * n_head_kv, d_head and n_ffn. */
enum loom_status loom_config_finish(struct loom_config *cfg, const char *where, struct loom_err *err) LOOM_MUST_CHECK;
/* "gelu_new" → kind; false when unknown. */
bool loom_act_parse(const char *name, enum loom_act_kind *out);

#endif
