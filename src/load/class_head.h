/* class_head.h: the head of a ...ForSequenceClassification model: dense layers over one vector of a text (or a pair of texts), read from the
 * model's own tensors. */
#ifndef LOOM_CLASS_HEAD_H
#define LOOM_CLASS_HEAD_H

#include <jansson.h>

#include "model.h"
#include "st_config.h"

struct loom_class_head {
	struct loom_arena arena;     /* owns the numbers */
	int n_layer;                 /* 0: there is no head */
	struct loom_layer_of layers[3];
	enum loom_pooling pooling;   /* what it reads: the first row, the last, or the mean */
	int32_t n_label;
	bool sigmoid;                /* of one label's score, as sentence-transformers' CrossEncoder does unless the config says otherwise */
};
void loom_class_head_init(struct loom_class_head *h);
void loom_class_head_release(struct loom_class_head *h);
/* m: built, its files still open. root: its config.json. act: the activation of scores that another file names; NULL: config.json decides. */
enum loom_status loom_class_head_read(struct loom_class_head *h, const struct loom_model *m, const json_t *root, const char *act,
	struct loom_err *err)
	LOOM_MUST_CHECK;

#endif
