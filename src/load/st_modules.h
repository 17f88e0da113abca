/* st_modules.h: small layers over one vector: what sentence-transformers puts behind the pooling, and a classifier's head. Read from files of
 * their own (2_Dense/model.safetensors) or from the model's; kept in float32. run/layers.h computes them. */
#ifndef LOOM_ST_MODULES_H
#define LOOM_ST_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"

enum loom_layer_kind { LOOM_SMALL_DENSE, LOOM_SMALL_NORM, LOOM_SMALL_UNIT };
enum loom_layer_act { LOOM_LAYER_IDENTITY, LOOM_LAYER_TANH, LOOM_LAYER_RELU, LOOM_LAYER_GELU, LOOM_LAYER_GELU_TANH, LOOM_LAYER_SILU,
	LOOM_LAYER_SIGMOID, LOOM_N_LAYER_ACT };
struct loom_layer_of {
	enum loom_layer_kind kind;
	int32_t n_in, n_out;     /* UNIT (to unit length): 0, any width */
	enum loom_layer_act act; /* DENSE: of the sum */
	float *weight;           /* DENSE: [n_in, n_out], turned; NORM: [n_in] */
	float *bias;             /* [n_out]; NULL: none */
	bool residual;           /* DENSE: the input is added to what the activation gives ... */
	float *skip;             /* [n_in, n_out], turned: ... times this; NULL: as it is, n_in being n_out */
	double eps;              /* NORM */
};

/* "torch.nn.modules.activation.Tanh", "Tanh", "tanh": the last word counts. LOOM_N_LAYER_ACT when it is none of these. */
enum loom_layer_act loom_layer_act_parse(const char *name);
/* A module of that type ("Dense", "LayerNorm") from dir's config.json and model.safetensors. where: the folder's name, for messages. Floats in the
 * arena. */
enum loom_status loom_layer_load(struct loom_layer_of *l, const char *type, const char *dir, const char *where, struct loom_arena *arena,
	struct loom_err *err) LOOM_MUST_CHECK;
/* A dense layer from name.weight [n_out, n_in] and, where it is there, name.bias. */
enum loom_status loom_layer_dense(struct loom_layer_of *l, const struct loom_store *s, const char *name, struct loom_arena *arena,
	struct loom_err *err) LOOM_MUST_CHECK;
/* A layer norm from name.weight and, where it is there, name.bias. */
enum loom_status loom_layer_norm(struct loom_layer_of *l, const struct loom_store *s, const char *name, double eps, struct loom_arena *arena,
	struct loom_err *err) LOOM_MUST_CHECK;

/* The vector of that name, n numbers of any floating-point type. Floats in the arena. */
enum loom_status loom_read_vector(float **out, const struct loom_store *s, const char *name, int32_t n, struct loom_arena *arena,
	struct loom_err *err) LOOM_MUST_CHECK;

#endif
