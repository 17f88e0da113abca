/* test_plan.c: the op list of each tiny model against its golden file (tests/plans/NAME.txt), without weights; and bound to the tensors of
 * its files. LOOM_UPDATE_GOLDEN=1 rewrites the files: look at the difference before committing it. */
#include "../tiny.h"
#include "bounds.h"
#include "model.h"
#include "shards.h"

static struct tiny_list list;

/* more: layers and words beyond what the config says. */
static void open_changed(struct loom_config *cfg, const char *name, int more)
{
	char path[512];
	json_t *root = NULL;
	struct loom_err err = {0};

	(void)snprintf(path, sizeof(path), LOOM_TEST_DIR "/models/%s/config.json", name);
	assert_int_equal(loom_json_load(path, "config.json", LOOM_MAX_CONFIG_BYTES, &root, &err), LOOM_OK);
	if (more > 0) {
		static const char *const keys[] = {"num_hidden_layers", "vocab_size"};
		for (size_t i = 0; i < 2; i++) {
			json_int_t n = json_integer_value(json_object_get(root, keys[i])) + more;
			assert_int_equal(json_object_set_new(root, keys[i], json_integer(n)), 0);
		}
	}
	loom_config_init(cfg);
	if (loom_config_from_json(cfg, root, "config.json", &err)) {
		fail_msg("%s: %s", name, err.message);
	}
	json_decref(root);
}

static void open_config(struct loom_config *cfg, const char *name)
{
	open_changed(cfg, name, 0);
}

static void compare(const char *path, const char *text, size_t n)
{
	static char want[1 << 20];
	FILE *f = fopen(path, getenv("LOOM_UPDATE_GOLDEN") ? "wb" : "rb");
	size_t got;

	if (!f) {
		fail_msg("%s: no golden file", path);
		return;
	}
	if (getenv("LOOM_UPDATE_GOLDEN")) {
		assert_int_equal(fwrite(text, 1, n, f), n);
		(void)fclose(f);
		return;
	}
	got = fread(want, 1, sizeof(want) - 1, f);
	want[got] = '\0';
	(void)fclose(f);
	assert_string_equal(text, want);
}

static void plans_are_as_the_golden_files_say(void **state)
{
	(void)state;
	for (int i = 0; i < list.n; i++) {
		struct loom_config cfg;
		struct loom_model m;
		struct loom_err err = {0};
		struct loom_buf out;
		char path[512];

		open_config(&cfg, list.names[i]);
		loom_model_init(&m);
		assert_int_equal(loom_model_plan_only(&m, &cfg, &err), LOOM_OK);
		loom_buf_init(&out, 1 << 20);
		loom_plan_print(&m.plan, &m.cfg, &out);
		assert_false(out.failed);
		(void)snprintf(path, sizeof(path), LOOM_TEST_DIR "/plans/%s.txt", list.names[i]);
		compare(path, out.data, out.len);
		loom_buf_release(&out);
		loom_model_release(&m);
	}
}

static void weights_bind(void **state)
{
	(void)state;
	for (int i = 0; i < list.n; i++) {
		struct loom_config cfg;
		struct loom_store store;
		struct loom_model m;
		struct loom_err err = {0};
		char dir[512];

		open_config(&cfg, list.names[i]);
		loom_store_init(&store);
		loom_model_init(&m);
		(void)snprintf(dir, sizeof(dir), LOOM_TEST_DIR "/models/%s", list.names[i]);
		if (loom_shards_open(&store, dir, &err) || loom_model_build(&m, &cfg, &store, false, LOOM_DTYPE_UNKNOWN, &err)) {
			fail_msg("%s: %s", list.names[i], err.message);
		}
		for (int32_t w = 0; w < m.plan.n_weight; w++) {
			assert_true(m.plan.weights[w].n_part > 0 || m.plan.weights[w].constant || m.plan.weights[w].spread);
		}
		loom_model_release(&m);
	}
}

/* A config that says more than the files hold: one message with every name. */
static void all_faults_in_one_message(void **state)
{
	struct loom_config cfg;
	struct loom_store store;
	struct loom_model m;
	struct loom_err err = {0};

	(void)state;
	open_changed(&cfg, "llama-gqa", 1); /* the files have 3 layers and 280 words */
	loom_store_init(&store);
	loom_model_init(&m);
	assert_int_equal(loom_shards_open(&store, LOOM_TEST_DIR "/models/llama-gqa", &err), LOOM_OK);
	assert_int_equal(loom_model_build(&m, &cfg, &store, false, LOOM_DTYPE_UNKNOWN, &err), LOOM_E_MODEL);
	assert_non_null(strstr(err.message, "9 missing (model.layers.3.input_layernorm.weight"));
	assert_non_null(strstr(err.message, "2 mis-shaped (model.embed_tokens.weight is [280,42], expected [281,42], lm_head.weight"));
	loom_model_release(&m);
}

static void sites_are_where_they_should_be(void **state)
{
	struct loom_config cfg;
	struct loom_model m;
	struct loom_err err = {0};
	struct loom_site_info s;

	(void)state;
	open_config(&cfg, "bert");
	loom_model_init(&m);
	assert_int_equal(loom_model_plan_only(&m, &cfg, &err), LOOM_OK);
	loom_model_site(&m, LOOM_SITE_HIDDEN, &s);
	assert_true(s.present && s.width == 40 && s.n_layer == 4);
	loom_model_site(&m, LOOM_SITE_LOGITS, &s);
	assert_false(s.present);
	loom_model_site(&m, LOOM_SITE_ATTN_NORM, &s);
	assert_false(s.present);
	loom_model_release(&m);
	open_config(&cfg, "qwen3-next"); /* attention in the second of three layers, experts in all */
	loom_model_init(&m);
	assert_int_equal(loom_model_plan_only(&m, &cfg, &err), LOOM_OK);
	loom_model_site(&m, LOOM_SITE_Q, &s);
	assert_true(s.present && s.n_layer == 3 && s.n_have == 1);
	loom_model_site(&m, LOOM_SITE_ROUTER, &s);
	assert_true(s.present && s.width == 4 && s.n_have == 3);
	loom_model_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(plans_are_as_the_golden_files_say), cmocka_unit_test(weights_bind),
		cmocka_unit_test(all_faults_in_one_message), cmocka_unit_test(sites_are_where_they_should_be)};

	loom_json_setup();
	tiny_models(&list);
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
