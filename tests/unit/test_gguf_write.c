/* test_gguf_write.c: GGUF files as they are written: what goes in comes out; folders of tiny models with memory running out at any point; and which tensor's row
 * is which weight's. What the files give when they run is tests/api/test_gguf_written.py's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gguf_write.h"
#include "jsonx.h"
#include "layout.h"
#include "mem.h"
#include "quantize.h"
#include "tempdir.h"

static struct tempdir dir;

static int setup(void **state)
{
	(void)state;
	tempdir_make(&dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tempdir_remove(&dir);
	return 0;
}

static void what_is_written_is_read(void **state)
{
	const float row[6] = {1, -2, 3, 4, 5, 6};
	const char *path = tempdir_path(&dir, "w.gguf");
	struct loom_gguf_out o;
	struct loom_gguf g;
	struct loom_store s;
	struct loom_err err = {0};
	float back[6];
	int64_t n = 0;
	double f = 0;
	bool b = false;

	(void)state;
	loom_gguf_out_init(&o, path, 32);
	loom_gguf_out_string(&o, "general.architecture", "llama", 5);
	loom_gguf_out_u32(&o, "n", 7);
	loom_gguf_out_f32(&o, "f", 0.5);
	loom_gguf_out_bool(&o, "b", true);
	loom_gguf_out_array(&o, "words", LOOM_GGUF_STRING, 2);
	loom_gguf_out_text(&o, "ab", 2);
	loom_gguf_out_text(&o, "", 0);
	loom_gguf_out_array(&o, "numbers", LOOM_GGUF_I32, 2);
	loom_gguf_out_bytes(&o, (const int32_t[]){-3, 4}, 8);
	assert_int_equal(loom_gguf_out_tensor(&o, "a", 1, (const int64_t[]){3}, LOOM_F32), 12);
	assert_int_equal(loom_gguf_out_tensor(&o, "m", 2, (const int64_t[]){3, 2}, LOOM_F32), 24);
	assert_int_equal(loom_gguf_out_begin(&o, &err), LOOM_OK);
	loom_gguf_out_data(&o, row, 12);
	loom_gguf_out_pad(&o);
	loom_gguf_out_data(&o, row, 24);
	loom_gguf_out_pad(&o);
	assert_int_equal(loom_gguf_out_close(&o, LOOM_OK, &err), LOOM_OK);
	loom_gguf_out_release(&o);

	loom_store_init(&s);
	if (loom_gguf_open(&g, &s, path, "w.gguf", &err))
		fail_msg("%s", err.message);
	assert_true(loom_gguf_int(&g, "n", &n) && n == 7);
	assert_true(loom_gguf_num(&g, "f", &f) && f == 0.5);
	assert_true(loom_gguf_bool(&g, "b", &b) && b);
	assert_string_equal(loom_gguf_find(&g, "words")->str[0].data, "ab");
	assert_int_equal(loom_gguf_array_int(loom_gguf_find(&g, "numbers"), 0), -3);
	const struct loom_tensor *m = loom_store_find(&s, "m");
	assert_int_equal(m->shape[0], 3);
	assert_int_equal(m->shape[1], 2);
	assert_int_equal(loom_store_read(&s, m, 0, back, sizeof back, &err), LOOM_OK);
	assert_memory_equal(back, row, sizeof row);
	/* a value of one file goes into another as it is */
	loom_gguf_out_init(&o, tempdir_path(&dir, "again.gguf"), 32);
	for (size_t i = 0; i < g.n_value; i++)
		loom_gguf_out_value(&o, &g.values[i]);
	assert_int_equal(loom_gguf_out_begin(&o, &err), LOOM_OK);
	assert_int_equal(loom_gguf_out_close(&o, LOOM_OK, &err), LOOM_OK);
	loom_gguf_out_release(&o);
	loom_gguf_release(&g);
	loom_store_release(&s);
	assert_int_equal(loom_gguf_open(&g, NULL, tempdir_path(&dir, "again.gguf"), "again.gguf", &err), LOOM_OK);
	assert_int_equal(g.n_value, 6);
	assert_string_equal(loom_gguf_find(&g, "words")->str[0].data, "ab");
	loom_gguf_release(&g);
}

static void a_failed_file_is_taken_back(void **state)
{
	const char *path = tempdir_path(&dir, "failed.gguf");
	struct loom_gguf_out o;
	struct loom_err err = {0};

	(void)state;
	loom_gguf_out_init(&o, path, 32);
	assert_int_equal(loom_gguf_out_begin(&o, &err), LOOM_OK);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(loom_gguf_out_close(&o, LOOM_E_MODEL, &err), LOOM_E_MODEL);
	assert_int_not_equal(access(path, F_OK), 0);
	loom_gguf_out_release(&o);
	/* one that is there stays */
	(void)tempdir_text(&dir, "there.gguf", "mine");
	loom_gguf_out_init(&o, tempdir_path(&dir, "there.gguf"), 32);
	assert_int_equal(loom_gguf_out_begin(&o, &err), LOOM_E_CONFLICT);
	assert_int_equal(loom_gguf_out_close(&o, LOOM_E_CONFLICT, &err), LOOM_E_CONFLICT);
	loom_gguf_out_release(&o);
	assert_int_equal(access(tempdir_path(&dir, "there.gguf"), F_OK), 0);
}

static void find(const char *name, struct loom_source *s)
{
	char id[512];
	struct loom_err err = {0};

	(void)snprintf(id, sizeof id, LOOM_TEST_DIR "/models/%s", name);
	if (loom_source_find(id, "/nowhere", true, s, &err))
		fail_msg("%s", err.message);
}

/* Families whose weights come in every way that there is: permuted, turned, grouped, one by one, in heads, tied. */
static void folders_become_files(void **state)
{
	static const char *const names[] = {"llama-gqa", "gpt2", "falcon-40b", "mixtral", "stablelm", "gpt_neox", "mamba", "lfm2", "bert", "phi3-longrope"};
	static const struct loom_quantize_opts silent = {NULL, NULL};
	int64_t before = loom_mem_live();

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct loom_source s;
		struct loom_err err = {0};
		find(names[i], &s);
		if (loom_quantize_convert(&s, tempdir_path(&dir, names[i]), LOOM_Q8_0, &silent, &err))
			fail_msg("%s: %s", names[i], err.message);
		assert_int_equal(loom_mem_live(), before);
	}
}

static void memory_may_run_out_anywhere(void **state)
{
	static const struct loom_quantize_opts silent = {NULL, NULL};
	const char *path = tempdir_path(&dir, "short.gguf");
	struct loom_source s;
	int64_t before = loom_mem_live();
	enum loom_status rc = LOOM_E_MEMORY;

	(void)state;
	find("llama-gqa", &s);
	for (uint64_t k = 1; rc && k < 1000000; k += 1 + k / 24) {
		struct loom_err err = {0};
		loom_mem_fail_at(k, true);
		rc = loom_quantize_convert(&s, path, LOOM_F32, &silent, &err);
		loom_mem_fail_at(0, false);
		assert_true(!rc || err.message[0]);
		assert_int_equal(loom_mem_live(), before);
		assert_int_equal(access(path, F_OK) == 0, rc == LOOM_OK);
	}
	assert_int_equal(rc, LOOM_OK);
}

/* q is permuted head by head; each row of each tensor is told once. */
static void rows_are_those_of_the_plan(void **state)
{
	struct loom_source s;
	struct loom_model *m = NULL;
	struct loom_layout l;
	struct loom_layout_row rows[4096];
	struct loom_err err = {0};
	bool found = false;

	(void)state;
	find("llama-gqa", &s);
	assert_int_equal(loom_source_plan(&s, &m, &err), LOOM_OK);
	loom_layout_init(&l);
	if (loom_layout_make(&l, m, &err))
		fail_msg("%s", err.message);
	for (size_t i = 0; i < l.n_tensor; i++) {
		const struct loom_layout_tensor *t = &l.tensors[i];
		assert_true(t->n_row <= 4096);
		memset(rows, 0xff, sizeof rows);
		loom_layout_rows(&l, t, rows);
		for (int64_t r = 0; r < t->n_row; r++)
			assert_true(rows[r].weight >= 0 && rows[r].row >= 0 && rows[r].row < m->plan.weights[rows[r].weight].n_row);
		if (strcmp(t->name, "blk.0.attn_q.weight") == 0) {
			int64_t half = m->cfg.d_head / 2;
			found = true;
			assert_int_equal(t->n_row, m->cfg.n_head * m->cfg.d_head);
			assert_int_equal(rows[1].row, half);
			assert_int_equal(rows[2].row, 1);
			assert_int_equal(rows[m->cfg.d_head].row, m->cfg.d_head);
		}
	}
	assert_true(found);
	loom_layout_release(&l);
	loom_model_release(m);
	loom_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_failed_file_is_taken_back),
		cmocka_unit_test(folders_become_files),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(rows_are_those_of_the_plan),
	};
	loom_json_setup();
	return cmocka_run_group_tests(tests, setup, teardown);
}
