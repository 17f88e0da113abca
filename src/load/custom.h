/* custom.h: the custom loader: a folder whose loom.json states the architecture as data (model/manifest.h, docs/custom-models.md). */
#ifndef LOOM_CUSTOM_H
#define LOOM_CUSTOM_H

#include "config.h"

/* config.json of the folder through its loom.json; without a config.json the manifest must hold every value. The family lives in cfg's arena. */
enum loom_status loom_custom_config(struct loom_config *cfg, const char *dir, struct loom_err *err) LOOM_MUST_CHECK;

#endif
