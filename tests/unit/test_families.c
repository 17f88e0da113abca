/* test_families.c: every tiny model's config.json: each of its keys means something to the family's table, each feature key is refused by name when
 * its value is unknown, and the family exported as a manifest and read again gives the same plan. */
#include "../tiny.h"
#include "bounds.h"
#include "config_internal.h"
#include "manifest.h"
#include "model.h"

static struct tiny_list list;

static json_t *read_config(const char *name)
{
	char path[512];
	json_t *root = NULL;
	struct loom_err err = {0};

	(void)snprintf(path, sizeof(path), LOOM_TEST_DIR "/models/%s/config.json", name);
	if (loom_json_load(path, "config.json", LOOM_MAX_CONFIG_BYTES, &root, &err)) {
		fail_msg("%s: %s", name, err.message);
	}
	return root;
}

/* The family of a config that Loom can read. */
static const struct loom_family *family_of(const json_t *root, const char *name)
{
	struct loom_config cfg;
	struct loom_err err = {0};
	const struct loom_family *f;

	loom_config_init(&cfg);
	if (loom_config_from_json(&cfg, root, "config.json", &err)) {
		fail_msg("%s: %s", name, err.message);
	}
	f = cfg.family;
	loom_config_release(&cfg);
	return f;
}

static void every_key_has_a_meaning(void **state)
{
	int unknown = 0;

	(void)state;
	for (int i = 0; i < list.n; i++) {
		json_t *root = read_config(list.names[i]), *tower = json_object_get(root, "text_config"), *v;
		const struct loom_family *f = family_of(root, list.names[i]);
		const char *key;
		json_object_foreach(tower ? tower : root, key, v)
		{
			if (!loom_family_knows(f, key) && !loom_config_common_key(key)) {
				print_error("%s: family %s does not say what %s is\n", list.names[i], f->name, key);
				unknown++;
			}
		}
		json_decref(root);
	}
	assert_int_equal(unknown, 0);
}

/* Sets the key (or "object.key") of root to a value that nothing knows, and looks at the refusal. */
static void flip(const char *model, const char *keys)
{
	json_t *root = read_config(model), *tower = json_object_get(root, "text_config");
	json_t *obj = tower ? tower : root, *bad = json_string("no such value"), *was;
	struct loom_config cfg;
	struct loom_err err = {0};
	char buf[64];
	const char *leaf = NULL;
	json_t *at = (json_t *)(uintptr_t)loom_config_find(obj, keys, buf, &leaf);

	if (at) {
		was = json_object_get(at, leaf);
		if (json_is_array(was) && json_is_string(json_array_get(was, 0))) {
			json_t *bads = json_array();
			for (size_t k = 0; k < json_array_size(was); k++) {
				assert_int_equal(json_array_append(bads, bad), 0);
			}
			assert_int_equal(json_object_set_new(at, leaf, bads), 0);
		} else {
			assert_int_equal(json_object_set(at, leaf, bad), 0);
		}
		loom_config_init(&cfg);
		if (loom_config_from_json(&cfg, root, "config.json", &err) != LOOM_E_MODEL) {
			fail_msg("%s: %s = \"no such value\" is not refused", model, leaf);
		}
		if (!strstr(err.message, leaf)) {
			fail_msg("%s: %s = \"no such value\" is refused without its name: %s", model, leaf, err.message);
		}
		loom_config_release(&cfg);
	}
	json_decref(bad);
	json_decref(root);
}

static void unknown_values_are_refused_by_name(void **state)
{
	(void)state;
	for (int i = 0; i < list.n; i++) {
		json_t *root = read_config(list.names[i]), *tower = json_object_get(root, "text_config");
		const struct loom_family *f = family_of(root, list.names[i]);
		struct loom_config cfg;
		struct loom_err err = {0};
		loom_config_init(&cfg);
		assert_int_equal(loom_config_of_family(&cfg, f, root, list.names[i], &err), LOOM_OK);
		for (const struct loom_key *k = f->keys; k->keys || k->value; k++) {
			if (k->keys && loom_config_when(&cfg, tower ? tower : root, k->when)) {
				flip(list.names[i], k->keys);
			}
		}
		for (const struct loom_layer_rule *r = f->layers; r && r->test != LOOM_TEST_END; r++) {
			/* a number or a flag that another rule of the same bits overrides is not looked at */
			bool first = r == f->layers || r[-1].bits != r->bits;
			if (r->key && first && r->test != LOOM_TEST_IS && loom_config_when(&cfg, tower ? tower : root, r->when)) {
				flip(list.names[i], r->key);
			}
		}
		loom_config_release(&cfg);
		for (const struct loom_key_rule *r = f->rules; r && r->key; r++) {
			flip(list.names[i], r->key);
		}
		json_decref(root);
	}
}

static char *plan_text(const struct loom_family *f, const json_t *root, const char *name)
{
	struct loom_config cfg;
	struct loom_model m;
	struct loom_err err = {0};
	struct loom_buf out;

	loom_config_init(&cfg);
	loom_model_init(&m);
	loom_buf_init(&out, 1 << 20);
	if (loom_config_of_family(&cfg, f, root, "config.json", &err) || loom_model_plan_only(&m, &cfg, &err)) {
		fail_msg("%s: %s", name, err.message);
	}
	loom_plan_print(&m.plan, &m.cfg, &out);
	loom_model_release(&m);
	return loom_buf_take(&out, NULL);
}

static void exported_families_give_the_same_plan(void **state)
{
	(void)state;
	for (int i = 0; i < list.n; i++) {
		json_t *root = read_config(list.names[i]);
		const struct loom_family *f = family_of(root, list.names[i]), *again = NULL;
		struct loom_arena arena;
		struct loom_buf text, second;
		struct loom_err err = {0};
		char *a, *b;

		loom_arena_init(&arena);
		loom_buf_init(&text, 1 << 20);
		loom_buf_init(&second, 1 << 20);
		loom_manifest_write(f, &text);
		if (loom_manifest_read(text.data, text.len, "loom.json", &arena, &again, &err)) {
			fail_msg("%s: %s", f->name, err.message);
		}
		loom_manifest_write(again, &second);
		assert_string_equal(text.data, second.data);
		a = plan_text(f, root, list.names[i]);
		b = plan_text(again, root, list.names[i]);
		assert_string_equal(a, b);
		loom_free(a);
		loom_free(b);
		loom_buf_release(&text);
		loom_buf_release(&second);
		loom_arena_release(&arena);
		json_decref(root);
	}
}

/* Families that have no tiny model (yet) can be exported too; and their programs make sense. */
static void every_family_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; loom_families[i]; i++) {
		const struct loom_family *again = NULL;
		struct loom_arena arena;
		struct loom_buf text;
		struct loom_err err = {0};

		loom_arena_init(&arena);
		loom_buf_init(&text, 1 << 20);
		loom_manifest_write(loom_families[i], &text);
		if (loom_manifest_read(text.data, text.len, loom_families[i]->name, &arena, &again, &err)) {
			fail_msg("%s", err.message);
		}
		loom_buf_release(&text);
		loom_arena_release(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_key_has_a_meaning), cmocka_unit_test(unknown_values_are_refused_by_name),
		cmocka_unit_test(exported_families_give_the_same_plan), cmocka_unit_test(every_family_is_sound)};

	loom_json_setup();
	tiny_models(&list);
	return cmocka_run_group_tests_name("families", tests, NULL, NULL);
}
