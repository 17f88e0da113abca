/* st_modules.c: reads the small layers of st_modules.h. */
#include "st_modules.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "dequant.h"
#include "jsonx.h"
#include "mem.h"
#include "safetensors.h"
#include "str.h"

enum loom_layer_act loom_layer_act_parse(const char *name)
{
	static const struct {
		const char *word;
		enum loom_layer_act act;
	} words[] = {{"Identity", LOOM_LAYER_IDENTITY}, {"identity", LOOM_LAYER_IDENTITY}, {"Tanh", LOOM_LAYER_TANH}, {"tanh", LOOM_LAYER_TANH},
		{"ReLU", LOOM_LAYER_RELU}, {"relu", LOOM_LAYER_RELU}, {"GELU", LOOM_LAYER_GELU}, {"gelu", LOOM_LAYER_GELU},
		{"GELUActivation", LOOM_LAYER_GELU}, {"gelu_new", LOOM_LAYER_GELU_TANH}, {"gelu_pytorch_tanh", LOOM_LAYER_GELU_TANH},
		{"SiLU", LOOM_LAYER_SILU}, {"silu", LOOM_LAYER_SILU}, {"swish", LOOM_LAYER_SILU}, {"Sigmoid", LOOM_LAYER_SIGMOID},
		{"sigmoid", LOOM_LAYER_SIGMOID}};
	const char *last = strrchr(name, '.');

	last = last ? last + 1 : name;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (loom_str_eq(words[i].word, last)) {
			return words[i].act;
		}
	}
	return LOOM_N_LAYER_ACT;
}

/* A tensor of n numbers as float32, in the arena. */
static enum loom_status read_floats(const struct loom_store *s, const struct loom_tensor *t, float **out, struct loom_arena *arena,
	struct loom_err *err)
{
	void *raw = loom_malloc((size_t)t->bytes + 1);
	enum loom_status rc;

	*out = loom_arena_alloc(arena, (size_t)t->n_elem + 1, sizeof(**out));
	if (!raw || !*out) {
		loom_free(raw);
		return loom_err_nomem(err, t->name, t->bytes);
	}
	rc = loom_store_read(s, t, 0, raw, (size_t)t->bytes, err);
	if (rc == LOOM_OK && (loom_dtype_block(t->dtype) > 1 || !loom_dequant_supported(t->dtype))) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s is %s, expected a floating-point type", t->name, loom_dtype_name(t->dtype));
	}
	if (rc == LOOM_OK) {
		loom_dequant(t->dtype, raw, *out, (size_t)t->n_elem);
	}
	loom_free(raw);
	return rc;
}

/* name.suffix with n numbers; absent: *out NULL, unless it is required. */
static enum loom_status read_vector(const struct loom_store *s, const char *name, const char *suffix, int32_t n, bool required, float **out,
	struct loom_arena *arena, struct loom_err *err)
{
	char full[LOOM_MAX_TENSOR_NAME];
	const struct loom_tensor *t;

	*out = NULL;
	(void)snprintf(full, sizeof(full), "%s%s", name, suffix);
	t = loom_store_find(s, full);
	if (!t) {
		return required ? loom_err_set(err, LOOM_E_MODEL, "%s is missing", full) : LOOM_OK;
	}
	if (t->n_dim != 1 || (n > 0 && t->n_elem != (uint64_t)n) || t->n_elem == 0 || t->n_elem > LOOM_MAX_VOCAB) {
		char found[96];
		loom_shape_show(t->n_dim, t->shape, found, sizeof(found));
		return loom_err_set(err, LOOM_E_MODEL, "%s is %s, expected [%d]", full, found, n);
	}
	return read_floats(s, t, out, arena, err);
}

enum loom_status loom_read_vector(float **out, const struct loom_store *s, const char *name, int32_t n, struct loom_arena *arena,
	struct loom_err *err)
{
	return read_vector(s, name, "", n, true, out, arena, err);
}

/* name.weight [n_out, n_in] with its rows as columns. */
static enum loom_status read_turned(const struct loom_store *s, const char *name, float **out, int32_t *n_in, int32_t *n_out, struct loom_arena *arena,
	struct loom_err *err)
{
	char full[LOOM_MAX_TENSOR_NAME];
	const struct loom_tensor *t;
	float *rows;
	enum loom_status rc;

	(void)snprintf(full, sizeof(full), "%s.weight", name);
	t = loom_store_find(s, full);
	if (!t || t->n_dim != 2 || t->shape[0] < 1 || t->shape[1] < 1 || t->shape[0] > LOOM_MAX_EMBD || t->shape[1] > LOOM_MAX_EMBD) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %s", full, t ? "expected a matrix" : "it is missing");
	}
	*n_out = (int32_t)t->shape[0];
	*n_in = (int32_t)t->shape[1];
	*out = loom_arena_alloc(arena, (size_t)t->n_elem, sizeof(**out));
	if (!*out) {
		return loom_err_nomem(err, full, t->n_elem * sizeof(float));
	}
	rc = read_floats(s, t, &rows, arena, err);
	for (int32_t o = 0; rc == LOOM_OK && o < *n_out; o++) {
		for (int32_t i = 0; i < *n_in; i++) {
			(*out)[(size_t)i * (size_t)*n_out + (size_t)o] = rows[(size_t)o * (size_t)*n_in + (size_t)i];
		}
	}
	return rc;
}

enum loom_status loom_layer_dense(struct loom_layer_of *l, const struct loom_store *s, const char *name, struct loom_arena *arena,
	struct loom_err *err)
{
	enum loom_status rc = read_turned(s, name, &l->weight, &l->n_in, &l->n_out, arena, err);

	l->kind = LOOM_SMALL_DENSE;
	return rc ? rc : read_vector(s, name, ".bias", l->n_out, false, &l->bias, arena, err);
}

/* The way around a dense layer: a matrix of its own where the widths differ. */
static enum loom_status read_skip(struct loom_layer_of *l, const struct loom_store *s, struct loom_arena *arena, struct loom_err *err)
{
	int32_t n_in, n_out;
	enum loom_status rc;

	if (l->n_in == l->n_out) {
		return LOOM_OK;
	}
	rc = read_turned(s, "residual", &l->skip, &n_in, &n_out, arena, err);
	if (rc == LOOM_OK && (n_in != l->n_in || n_out != l->n_out)) {
		rc = loom_err_set(err, LOOM_E_MODEL, "residual.weight is [%d,%d], expected [%d,%d]", (int)n_out, (int)n_in, (int)l->n_out, (int)l->n_in);
	}
	return rc;
}

enum loom_status loom_layer_norm(struct loom_layer_of *l, const struct loom_store *s, const char *name, double eps, struct loom_arena *arena,
	struct loom_err *err)
{
	char full[LOOM_MAX_TENSOR_NAME];
	const struct loom_tensor *t;
	enum loom_status rc;

	(void)snprintf(full, sizeof(full), "%s.weight", name);
	t = loom_store_find(s, full);
	l->kind = LOOM_SMALL_NORM;
	l->eps = eps;
	l->n_in = l->n_out = t && t->n_dim == 1 && t->n_elem <= LOOM_MAX_EMBD ? (int32_t)t->n_elem : 0;
	rc = read_vector(s, name, ".weight", l->n_in, true, &l->weight, arena, err);
	return rc ? rc : read_vector(s, name, ".bias", l->n_in, false, &l->bias, arena, err);
}

/* Dense's config.json: the activation; what it says of shapes the file says better. */
static enum loom_status read_act(struct loom_layer_of *l, const char *dir, const char *where, struct loom_err *err)
{
	char path[PATH_MAX], name[160];
	const char *act = "Tanh", *input = "sentence_embedding", *output = NULL;
	json_t *root = NULL;
	enum loom_status rc;

	(void)snprintf(name, sizeof(name), "%.128s/config.json", where);
	const struct loom_json_ctx c = {name, LOOM_E_MODEL};
	if (!loom_path_join(path, sizeof(path), dir, "config.json")) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", name);
	}
	rc = loom_json_load(path, name, LOOM_MAX_CONFIG_BYTES, &root, err);
	rc = rc ? rc : loom_json_str(&c, root, "activation_function", &act, err);
	rc = rc ? rc : loom_json_str(&c, root, "module_input_name", &input, err);
	rc = rc ? rc : loom_json_str(&c, root, "module_output_name", &output, err);
	rc = rc ? rc : loom_json_bool(&c, root, "use_residual", &l->residual, err);
	if (rc == LOOM_OK) {
		l->act = loom_layer_act_parse(act);
		if (l->act == LOOM_N_LAYER_ACT) {
			rc = loom_err_set(err, LOOM_E_MODEL, "%s: activation_function \"%.80s\" is not supported", name, act);
		} else if (!loom_str_eq(input, "sentence_embedding") || (output && !loom_str_eq(output, "sentence_embedding"))) {
			rc = loom_err_set(err, LOOM_E_MODEL, "%s: a module_input_name or module_output_name other than sentence_embedding is not supported", name);
		}
	}
	json_decref(root);
	return rc;
}

enum loom_status loom_layer_load(struct loom_layer_of *l, const char *type, const char *dir, const char *where, struct loom_arena *arena,
	struct loom_err *err)
{
	char path[PATH_MAX], name[160];
	bool dense = loom_str_eq(type, "Dense");
	struct loom_store s;
	enum loom_status rc;

	memset(l, 0, sizeof(*l));
	loom_store_init(&s);
	(void)snprintf(name, sizeof(name), "%.128s/model.safetensors", where);
	if (!loom_path_join(path, sizeof(path), dir, "model.safetensors")) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", name);
	}
	rc = dense ? read_act(l, dir, where, err) : LOOM_OK;
	rc = rc ? rc : loom_safetensors_open(&s, path, name, err);
	if (rc == LOOM_E_NOT_FOUND) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s is missing (weights in pytorch_model.bin are not read: save the model as safetensors)", name);
	}
	if (rc == LOOM_OK) {
		rc = dense ? loom_layer_dense(l, &s, "linear", arena, err) : loom_layer_norm(l, &s, "norm", 1e-5, arena, err);
		rc = rc || !l->residual ? rc : read_skip(l, &s, arena, err);
		rc = rc ? loom_err_prefix(err, "%s", name) : LOOM_OK;
	}
	loom_store_release(&s);
	return rc;
}
