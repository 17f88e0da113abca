/* test_parity.c: the tiny models against what transformers computed on them (tools/make-tiny-models.py): every hidden state at every
 * position, last logits, greedy continuations. */
#include <math.h>

#include "../tiny.h"

/* The tensor "name.i" of expected.safetensors (free with loom_free), or NULL. */
static void *expected_read(struct loom_store *x, const char *name, int i, size_t *n)
{
	char full[64];
	struct loom_err err;
	snprintf(full, sizeof full, "%s.%d", name, i);
	const struct loom_tensor *t = loom_store_find(x, full);
	if (!t)
		return NULL;
	void *p = loom_malloc(t->bytes + 1);
	assert_non_null(p);
	assert_int_equal(loom_store_read(x, t, 0, p, t->bytes, &err), LOOM_OK);
	*n = t->n_elem;
	return p;
}

static void compare_rows(const char *what, const float *mine, const float *ref, size_t rows, size_t width)
{
	double top = 0, worst = 0;
	for (size_t i = 0; i < rows; i++) {
		double d = 0, m = 0;
		for (size_t j = 0; j < width; j++) {
			if (isnan(mine[i * width + j]))
				fail_msg("%s: row %zu column %zu is NaN", what, i, j);
			d = fmax(d, fabs((double)mine[i * width + j] - (double)ref[i * width + j]));
			m = fmax(m, fabs((double)ref[i * width + j]));
		}
		if (d > TINY_ROW_BOUND * m)
			fail_msg("%s: row %zu differs by %g of %g", what, i, d, m);
		worst = fmax(worst, d);
		top = fmax(top, m);
	}
	if (worst > TINY_LAYER_BOUND * top)
		fail_msg("%s: differs by %g of %g", what, worst, top);
}

/* The name of prompt i's task, whose adapter computes it. */
static const char *task_of(const struct loom_resident *r, struct loom_store *x, int i)
{
	size_t n = 0;
	int32_t *task = expected_read(x, "task", i, &n);
	const char *name = task && *task >= 0 ? loom_resident_task(r, *task) : NULL;
	loom_free(task);
	return name;
}

static void check_states(struct loom_engine *e, struct loom_resident *r, struct loom_store *x, const char *model, int i)
{
	size_t n_ids = 0, n_ref = 0;
	int32_t *ids = expected_read(x, "ids", i, &n_ids);
	float *ref = expected_read(x, "hidden", i, &n_ref);
	struct loom_request q;
	struct loom_capture_spec spec;
	struct loom_answer a;
	tiny_request(&q, &spec, tiny_causal(r), ids, n_ids, 0);
	q.task = task_of(r, x, i);
	tiny_even(r, &spec);
	tiny_run(e, r, &q, &a);
	assert_int_equal(a.n_capture, 1);
	struct loom_answer_tensor *t = &a.captures[0];
	assert_int_equal(tiny_floats(t), n_ref);
	size_t width = (size_t)t->shape[2];
	for (int64_t k = 0; k < t->shape[0]; k++) {
		char what[128];
		snprintf(what, sizeof what, "%s prompt %d hidden %d", model, i, (int)k);
		compare_rows(what, t->data + (size_t)k * n_ids * width, ref + (size_t)k * n_ids * width, n_ids, width);
	}
	loom_answer_release(&a);
	loom_free(ref);
	ref = expected_read(x, "last", i, &n_ref);
	if (ref) {
		static const int64_t last = -1;
		char what[128];
		spec.layer_select = LOOM_SELECT_LIST;
		spec.layers = &last;
		spec.n_layer = 1;
		tiny_run(e, r, &q, &a);
		assert_int_equal(tiny_floats(&a.captures[0]), n_ref);
		snprintf(what, sizeof what, "%s prompt %d last state", model, i);
		compare_rows(what, a.captures[0].data, ref, n_ids, n_ref / n_ids);
		loom_answer_release(&a);
	}
	loom_free(ids);
	loom_free(ref);
}

static void check_logits(struct loom_engine *e, struct loom_resident *r, struct loom_store *x, const char *model, int i)
{
	size_t n_ids = 0, n_ref = 0;
	int32_t *ids = expected_read(x, "ids", i, &n_ids);
	float *ref = expected_read(x, "logits", i, &n_ref);
	if (ref) {
		struct loom_request q;
		struct loom_capture_spec spec;
		struct loom_answer a;
		char what[128];
		tiny_request(&q, &spec, true, ids, n_ids, 0);
		spec.site = LOOM_SITE_LOGITS;
		spec.select = LOOM_SELECT_LAST;
		tiny_run(e, r, &q, &a);
		assert_int_equal(tiny_floats(&a.captures[0]), n_ref);
		snprintf(what, sizeof what, "%s prompt %d logits", model, i);
		compare_rows(what, a.captures[0].data, ref, 1, n_ref);
		loom_answer_release(&a);
	}
	loom_free(ids);
	loom_free(ref);
}

static void check_greedy(struct loom_engine *e, struct loom_resident *r, struct loom_store *x, const char *model, int i)
{
	size_t n_ids = 0, n = 0, n_margin = 0;
	int32_t *ids = expected_read(x, "ids", i, &n_ids);
	int32_t *ref = expected_read(x, "greedy", i, &n);
	float *margin = expected_read(x, "margin", i, &n_margin);
	if (ref) {
		struct loom_request q;
		struct loom_capture_spec spec;
		struct loom_answer a;
		tiny_request(&q, &spec, true, ids, n_ids, (int64_t)n);
		q.n_capture = 0;
		tiny_run(e, r, &q, &a);
		for (size_t k = 0; k < n && margin[k] > TINY_MARGIN; k++) {
			if (k >= a.n_ids || a.ids[k] != ref[k])
				fail_msg("%s prompt %d: greedy token %zu is %d, expected %d", model, i, k, k < a.n_ids ? a.ids[k] : -1, ref[k]);
		}
		loom_answer_release(&a);
	}
	loom_free(ids);
	loom_free(ref);
	loom_free(margin);
}

static void test_model(void **state)
{
	const char *model = *state;
	char path[512], name[16];
	struct loom_store x;
	struct loom_err err;
	struct loom_engine *e = tiny_engine(2, 0);
	struct loom_resident *r = tiny_open(e, model);
	snprintf(path, sizeof path, "%s/models/%s/expected.safetensors", LOOM_TEST_DIR, model);
	loom_store_init(&x);
	if (loom_safetensors_open(&x, path, "expected.safetensors", &err))
		fail_msg("%s", err.message);
	for (int i = 0; snprintf(name, sizeof name, "ids.%d", i), loom_store_find(&x, name); i++) {
		check_states(e, r, &x, model, i);
		check_logits(e, r, &x, model, i);
		check_greedy(e, r, &x, model, i);
	}
	loom_store_release(&x);
	loom_engine_release(e, r);
	loom_engine_free(e, 1000);
}

int main(void)
{
	return tiny_main("parity", test_model);
}
