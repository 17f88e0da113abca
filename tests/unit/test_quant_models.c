/* test_quant_models.c: the tiny quantized checkpoints of tests/quant (tools/make-quant-models.py): states against what transformers computed
 * on the weights that each form stands for, and, bit for bit, against our own float32 run on them. */
#include <math.h>

#include "../tiny.h"

static const struct {
	const char *folder, *quantization, *ask; /* ask: what is to be made of float files */
} models[] = {
	{"gptq4", "gptq", NULL}, {"gptq4-sym", "gptq", NULL}, {"gptq4-desc", "gptq", NULL}, {"gptq4-v2", "gptq", NULL}, {"gptq4-one", "gptq", NULL}, {"gptq2", "gptq", NULL},
	{"gptq3", "gptq", NULL}, {"gptq3-desc", "gptq", NULL}, {"gptq8", "gptq", NULL}, {"awq-gemm", "awq", NULL}, {"awq-gemv", "awq", NULL}, {"awq-fast", "awq", NULL},
	{"nf4", "4bit", NULL}, {"nf4-nested", "4bit", NULL}, {"fp4", "4bit", NULL}, {"int8", "8bit", NULL}, {"ct4", "compressed-tensors", NULL},
	{"ct4-zero", "compressed-tensors", NULL}, {"ct8", "compressed-tensors", NULL}, {"ct-int8", "compressed-tensors", NULL},
	{"made-4bit", "4bit", "4bit"}, {"made-8bit", "8bit", "8bit"},
	{"fp8-tensor", "compressed-tensors", NULL}, {"fp8-channel", "compressed-tensors", NULL}, {"fp8-block", "fp8", NULL}, {"mxfp4", "mxfp4", NULL},
};
#define N_MODEL (sizeof models / sizeof models[0])

static struct loom_resident *open_as(struct loom_engine *e, const char *folder, enum loom_dtype dtype, const char *quantization)
{
	char path[512];
	struct loom_resident *r = NULL;
	struct loom_err err;
	snprintf(path, sizeof path, "%s/quant/%s", LOOM_TEST_DIR, folder);
	struct loom_load_spec spec = {.id = path, .loader = -1, .dtype = dtype, .quantization = quantization};
	if (loom_engine_acquire(e, &spec, &r, &err))
		fail_msg("%s: %s", folder, err.message);
	return r;
}

/* Every hidden state at every position of ids, and the last logits behind them. Free with loom_free. */
static float *states(struct loom_engine *e, struct loom_resident *r, const int32_t *ids, size_t n_ids, size_t *n)
{
	struct loom_capture_spec spec[2];
	struct loom_request q;
	struct loom_answer a;
	tiny_request(&q, &spec[0], true, ids, n_ids, 0);
	spec[1] = spec[0];
	memcpy(spec[1].name, "l", 2);
	spec[1].site = LOOM_SITE_LOGITS;
	spec[1].select = LOOM_SELECT_LAST;
	q.n_capture = 2;
	tiny_run(e, r, &q, &a);
	size_t hidden = tiny_floats(&a.captures[0]), logits = tiny_floats(&a.captures[1]);
	float *out = loom_malloc((hidden + logits) * sizeof *out);
	assert_non_null(out);
	memcpy(out, a.captures[0].data, hidden * sizeof *out);
	memcpy(out + hidden, a.captures[1].data, logits * sizeof *out);
	*n = hidden + logits;
	loom_answer_release(&a);
	return out;
}

static void *read_tensor(struct loom_store *x, const char *name, size_t *n)
{
	const struct loom_tensor *t = loom_store_find(x, name);
	struct loom_err err;
	assert_non_null(t);
	void *p = loom_malloc(t->bytes);
	assert_non_null(p);
	assert_int_equal(loom_store_read(x, t, 0, p, t->bytes, &err), LOOM_OK);
	*n = t->n_elem;
	return p;
}

static void near(const char *what, const float *got, const float *want, size_t n)
{
	double d = 0, top = 0;
	for (size_t i = 0; i < n; i++) {
		d = fmax(d, fabs((double)got[i] - (double)want[i]));
		top = fmax(top, fabs((double)want[i]));
	}
	if (!(d <= TINY_LAYER_BOUND * top))
		fail_msg("%s: differs by %g of %g", what, d, top);
}

/* A faster mode: near the exact states, and named. int8: FP8 and shuffled groups stay exact. */
static void check_mode(struct loom_engine *e, const char *folder, const char *ask, const char *compute, const int32_t *ids, size_t n_ids, const float *exact, size_t n)
{
	char path[512];
	struct loom_resident *r = NULL;
	struct loom_model_info info;
	struct loom_err err;
	double d = 0, top = 0;
	size_t count;
	snprintf(path, sizeof path, "%s/quant/%s", LOOM_TEST_DIR, folder);
	struct loom_load_spec spec = {.id = path, .loader = -1, .quantization = ask, .compute = compute};
	if (loom_engine_acquire(e, &spec, &r, &err))
		fail_msg("%s: %s", folder, err.message);
	loom_resident_info(r, &info);
	assert_string_equal(info.compute, compute);
	float *fast = states(e, r, ids, n_ids, &count);
	assert_int_equal(count, n);
	for (size_t i = 0; i < n; i++) {
		d += ((double)fast[i] - (double)exact[i]) * ((double)fast[i] - (double)exact[i]);
		top += (double)exact[i] * (double)exact[i];
	}
	if (!(sqrt(d / top) < 0.03))
		fail_msg("%s: compute %s is off by %g", folder, compute, sqrt(d / top));
	loom_free(fast);
	loom_engine_release(e, r);
}

static void each_form_computes_what_its_weights_say(void **state)
{
	struct loom_engine *e = tiny_engine(2, 0);
	(void)state;
	for (size_t k = 0; k < N_MODEL; k++) {
		char path[512];
		struct loom_store x;
		struct loom_err err;
		struct loom_model_info info;
		size_t n_ids, n_hidden, n_logits, n, n_dense;
		snprintf(path, sizeof path, "%s/quant/%s/expected.safetensors", LOOM_TEST_DIR, models[k].folder);
		loom_store_init(&x);
		assert_int_equal(loom_safetensors_open(&x, path, "expected", &err), LOOM_OK);
		int32_t *ids = read_tensor(&x, "ids.0", &n_ids);
		float *hidden = read_tensor(&x, "hidden.0", &n_hidden), *logits = read_tensor(&x, "logits.0", &n_logits);
		struct loom_resident *r = open_as(e, models[k].folder, LOOM_DTYPE_UNKNOWN, models[k].ask);
		loom_resident_info(r, &info);
		assert_string_equal(info.quantization, models[k].quantization);
		float *packed = states(e, r, ids, n_ids, &n);
		loom_engine_release(e, r);
		assert_int_equal(n, n_hidden + n_logits);
		size_t layer = n_hidden / 3;
		for (size_t i = 0; i < 3; i++)
			near(models[k].folder, packed + i * layer, hidden + i * layer, layer);
		near(models[k].folder, packed + n_hidden, logits, n_logits);
		check_mode(e, models[k].folder, models[k].ask, "int8", ids, n_ids, packed, n);
		if (strcmp(models[k].quantization, "8bit") == 0)
			check_mode(e, models[k].folder, models[k].ask, "llm.int8", ids, n_ids, packed, n);
		if (models[k].ask) { /* stays packed whatever the dtype of the rest */
			loom_free(packed);
			loom_free(ids);
			loom_free(hidden);
			loom_free(logits);
			loom_store_release(&x);
			continue;
		}
		r = open_as(e, models[k].folder, LOOM_F32, NULL);
		float *dense = states(e, r, ids, n_ids, &n_dense);
		loom_engine_release(e, r);
		if (memcmp(packed, dense, n * sizeof *dense) != 0)
			fail_msg("%s: packed weights give other bits than the same weights in float32", models[k].folder);
		loom_free(packed);
		loom_free(dense);
		loom_free(ids);
		loom_free(hidden);
		loom_free(logits);
		loom_store_release(&x);
	}
	loom_engine_free(e, 1000);
}

static void int8_wants_codes(void **state)
{
	struct loom_engine *e = tiny_engine(1, 0);
	char path[512];
	struct loom_resident *r = NULL;
	struct loom_err err;
	(void)state;
	snprintf(path, sizeof path, "%s/quant/made-4bit", LOOM_TEST_DIR);
	struct loom_load_spec spec = {.id = path, .loader = -1, .compute = "int8"};
	assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_E_INVALID);
	assert_string_equal(err.param, "compute");
	assert_non_null(strstr(err.message, "int8 multiplies quantized weights"));
	spec.quantization = "4bit";
	spec.compute = "llm.int8";
	assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_E_INVALID);
	assert_non_null(strstr(err.message, "llm.int8 multiplies 8bit weights"));
	loom_engine_free(e, 1000);
}

static void a_request_must_not_contradict_the_files(void **state)
{
	static const struct {
		const char *folder, *ask, *says;
	} no[] = {{"gptq4", "awq", "\"awq\" contradicts the model's files: they are gptq"}, {"gptq4", "4bit", "they are gptq"}, {"awq-gemm", "gptq", "they are awq"},
		{"nf4", "8bit", "they are 4bit"}, {"int8", "4bit", "they are 8bit"}, {"fp8-block", "8bit", "they are fp8"}};
	struct loom_engine *e = tiny_engine(1, 0);
	(void)state;
	for (size_t k = 0; k < sizeof no / sizeof no[0]; k++) {
		char path[512];
		struct loom_resident *r = NULL;
		struct loom_err err;
		snprintf(path, sizeof path, "%s/quant/%s", LOOM_TEST_DIR, no[k].folder);
		struct loom_load_spec spec = {.id = path, .loader = -1, .quantization = no[k].ask};
		assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_E_INVALID);
		assert_string_equal(err.param, "quantization");
		if (!strstr(err.message, no[k].says))
			fail_msg("%s as %s: %s", no[k].folder, no[k].ask, err.message);
	}
	loom_engine_release(e, open_as(e, "gptq4", LOOM_DTYPE_UNKNOWN, "gptq"));
	loom_engine_release(e, open_as(e, "nf4", LOOM_DTYPE_UNKNOWN, "4bit"));
	loom_engine_free(e, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_form_computes_what_its_weights_say),
		cmocka_unit_test(int8_wants_codes), cmocka_unit_test(a_request_must_not_contradict_the_files)};
	loom_json_setup();
	return cmocka_run_group_tests_name("quant models", tests, NULL, NULL);
}
