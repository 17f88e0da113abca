/* class_head.c: reads a classifier's head. See class_head.h. */
#include "class_head.h"

#include <string.h>

#include "bounds.h"
#include "weights.h"

void loom_class_head_init(struct loom_class_head *h)
{
	memset(h, 0, sizeof(*h));
	loom_arena_init(&h->arena);
}

void loom_class_head_release(struct loom_class_head *h)
{
	loom_arena_release(&h->arena);
	loom_class_head_init(h);
}

static enum loom_layer_act act_of(enum loom_act_kind k)
{
	switch (k) {
	case LOOM_ACT_TANH:
		return LOOM_LAYER_TANH;
	case LOOM_ACT_RELU:
		return LOOM_LAYER_RELU;
	case LOOM_ACT_GELU_ERF:
		return LOOM_LAYER_GELU;
	case LOOM_ACT_GELU_TANH:
		return LOOM_LAYER_GELU_TANH;
	case LOOM_ACT_SILU:
		return LOOM_LAYER_SILU;
	default:
		return LOOM_N_LAYER_ACT;
	}
}

/* The activation for scores that config.json names: "sentence_transformers": {"activation_fn"}, or the older key. */
static const char *named_act(const json_t *root)
{
	const json_t *own = json_object_get(json_object_get(root, "sentence_transformers"), "activation_fn");

	return json_string_value(own ? own : json_object_get(root, "sbert_ce_default_activation_function"));
}

/* Names outside torch are not followed, there too. */
static enum loom_status read_act(struct loom_class_head *h, const char *name, struct loom_err *err)
{
	bool known = name && strncmp(name, "torch.", 6) == 0;
	enum loom_layer_act act = known ? loom_layer_act_parse(name) : LOOM_LAYER_SIGMOID;

	h->sigmoid = act == LOOM_LAYER_SIGMOID;
	return act == LOOM_LAYER_SIGMOID || act == LOOM_LAYER_IDENTITY ? LOOM_OK
		: loom_err_set(err, LOOM_E_MODEL, "the classifier's activation_fn \"%.80s\" is not supported (Sigmoid and Identity are)", name);
}

enum loom_status loom_class_head_read(struct loom_class_head *h, const struct loom_model *m, const json_t *root, const char *act, struct loom_err *err)
{
	const struct loom_config *c = &m->cfg;
	char name[LOOM_MAX_TENSOR_NAME];
	enum loom_status rc = LOOM_OK;

	h->pooling = c->class_mean ? LOOM_POOL_MEAN : c->causal ? LOOM_POOL_LAST : LOOM_POOL_CLS;
	if (c->family->roles[LOOM_ROLE_CLASS_DENSE].hf) {
		struct loom_layer_of *l = &h->layers[h->n_layer++];
		if (!loom_role_find_stored(c, &m->store, LOOM_ROLE_CLASS_DENSE, NULL, name, sizeof(name))) {
			return loom_err_set(err, LOOM_E_MODEL, "the classifier's dense layer is missing (%s.weight)",
				c->family->roles[LOOM_ROLE_CLASS_DENSE].hf);
		}
		rc = loom_layer_dense(l, &m->store, name, &h->arena, err);
		l->act = act_of(c->class_act);
		if (rc == LOOM_OK && l->act == LOOM_N_LAYER_ACT) {
			rc = loom_err_set(err, LOOM_E_MODEL, "the activation of the classifier's dense layer is not supported");
		}
	}
	if (rc == LOOM_OK && loom_role_find_stored(c, &m->store, LOOM_ROLE_CLASS_NORM, NULL, name, sizeof(name))) {
		rc = loom_layer_norm(&h->layers[h->n_layer++], &m->store, name, c->norm_eps, &h->arena, err);
	}
	if (rc) {
		return rc;
	}
	if (!loom_role_find_stored(c, &m->store, LOOM_ROLE_CLASS, "/score", name, sizeof(name))) {
		return loom_err_set(err, LOOM_E_MODEL, "the classifier's weights are missing (%s.weight)",
			c->family->roles[LOOM_ROLE_CLASS].hf ? c->family->roles[LOOM_ROLE_CLASS].hf + 1 : "score");
	}
	rc = loom_layer_dense(&h->layers[h->n_layer++], &m->store, name, &h->arena, err);
	for (int i = 0, n = c->n_embd; rc == LOOM_OK && i < h->n_layer; n = h->layers[i++].n_out) {
		if (h->layers[i].n_in != n) {
			rc = loom_err_set(err, LOOM_E_MODEL, "layer %d of the classifier takes %d numbers, expected %d", i, (int)h->layers[i].n_in, n);
		}
	}
	h->n_label = rc ? 0 : h->layers[h->n_layer - 1].n_out;
	return rc ? rc : read_act(h, act ? act : named_act(root), err);
}
