/* gguf_pooling.c: see gguf_pooling.h. */
#include "gguf_pooling.h"

#include <stdio.h>

enum { RANK = 4 };
static const enum loom_pooling poolings[] = {LOOM_POOL_NONE, LOOM_POOL_MEAN, LOOM_POOL_CLS, LOOM_POOL_LAST}; /* by llama.cpp's number */
#define N_POOLING ((int)(sizeof(poolings) / sizeof(poolings[0])))

int loom_gguf_pooling_number(enum loom_pooling p)
{
	for (int i = 0; i < N_POOLING; i++) {
		if (poolings[i] == p) {
			return i;
		}
	}
	return -1;
}

static bool has(const struct loom_model *m, const char *name)
{
	return loom_store_find(&m->store, name) != NULL;
}

static enum loom_status read_head(struct loom_class_head *h, const struct loom_model *m, enum loom_pooling pooling, struct loom_err *err)
{
	int32_t n = m->cfg.n_embd;
	enum loom_status rc = LOOM_OK;

	if (!has(m, "cls.weight") && !has(m, "cls.output.weight")) {
		return loom_err_set(err, LOOM_E_MODEL, "pooling_type is rank, but neither tensor cls.weight nor cls.output.weight is there");
	}
	h->pooling = pooling;
	if (has(m, "cls.weight")) {
		struct loom_layer_of *l = &h->layers[h->n_layer++];
		rc = loom_layer_dense(l, &m->store, "cls", &h->arena, err);
		l->act = m->cfg.class_act == LOOM_ACT_GELU_ERF ? LOOM_LAYER_GELU : LOOM_LAYER_TANH;
	}
	if (rc == LOOM_OK && has(m, "cls.norm.weight")) {
		rc = loom_layer_norm(&h->layers[h->n_layer++], &m->store, "cls.norm", m->cfg.norm_eps, &h->arena, err);
	}
	if (rc == LOOM_OK && has(m, "cls.output.weight")) {
		rc = loom_layer_dense(&h->layers[h->n_layer++], &m->store, "cls.output", &h->arena, err);
	}
	for (int i = 0; rc == LOOM_OK && i < h->n_layer; n = h->layers[i++].n_out) {
		if (h->layers[i].n_in != n) {
			rc = loom_err_set(err, LOOM_E_MODEL, "layer %d of the classifier takes %d numbers, expected %d", i, (int)h->layers[i].n_in, n);
		}
	}
	h->n_label = rc ? 0 : n;
	h->sigmoid = true; /* as scores of a folder's cross-encoder */
	return rc;
}

enum loom_status loom_gguf_pooling(const struct loom_gguf *g, const struct loom_model *m, struct loom_st_config *st, struct loom_class_head *head,
	struct loom_err *err)
{
	const char *arch = loom_gguf_string(g, "general.architecture");
	enum loom_pooling first = m->cfg.causal ? LOOM_POOL_LAST : LOOM_POOL_CLS;
	char key[128];
	int64_t n = -1, of_head = -1;

	(void)snprintf(key, sizeof(key), "%.60s.pooling_type", arch ? arch : "");
	if (!loom_gguf_find(g, key)) {
		return LOOM_OK;
	}
	if (!loom_gguf_int(g, key, &n) || n < -1 || n > RANK) {
		return loom_err_set(err, LOOM_E_MODEL, "metadata: %s: expected none, mean, cls, last or rank (0 to 4)", key);
	}
	if (n == RANK) {
		(void)snprintf(key, sizeof(key), "%.60s.classifier.pooling_type", arch);
		(void)loom_gguf_int(g, key, &of_head);
		return read_head(head, m, of_head == 1 ? LOOM_POOL_MEAN : first, err);
	}
	if (n >= 0) {
		st->present = true;
		st->pooling = st->pools[0] = poolings[n];
		st->n_pool = 1;
	}
	return LOOM_OK;
}
