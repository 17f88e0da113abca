/* gguf_pooling.h: what a GGUF file says of texts' vectors: ARCH.pooling_type, and for "rank" the classifier's head among its tensors. */
#ifndef LOOM_GGUF_POOLING_H
#define LOOM_GGUF_POOLING_H

#include "class_head.h"

/* st: present, with that one pooling, when the file names one; head: for rank, as llama.cpp computes it: cls (tanh; gelu of modern-bert), cls.norm,
 * cls.output. m is built, its files still open. */
enum loom_status loom_gguf_pooling(const struct loom_gguf *g, const struct loom_model *m, struct loom_st_config *st, struct loom_class_head *head,
	struct loom_err *err) LOOM_MUST_CHECK;
/* llama.cpp's number of a pooling; -1: it has none. */
int loom_gguf_pooling_number(enum loom_pooling p);

#endif
