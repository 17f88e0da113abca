/* test_engine.c: from a request to an answer over the tiny models: which state is which, stops, limits, refusals, embeddings, models.
 * Many callers at once are in test_engine_many.c, numbers against transformers in test_parity.c. */
#include <math.h>

#include "../engine_case.h"

static struct loom_request embed(const char *text)
{
	struct loom_request q = generate(text, 0);
	q.kind = LOOM_REQUEST_EMBED;
	q.truncate = true;
	return q;
}

static void refused(struct loom_resident *r, const struct loom_request *q, enum loom_status want, const char *param)
{
	struct loom_answer a;
	struct loom_err err;
	loom_err_clear(&err);
	loom_answer_init(&a);
	assert_int_equal(loom_engine_run(engine, r, q, &a, &err), want);
	assert_string_equal(err.param, param);
	assert_true(err.message[0] != 0);
	loom_answer_release(&a);
}

/* ---- which state is which ---- */

static void test_states_are_where_the_contract_says(void **state)
{
	static const int64_t layers[] = {-1, 0, 2};
	static const char *const keys[] = {"-1", "0", "2"};
	static const int32_t at[] = {3, 0, 2};
	struct loom_capture_spec spec = all_states();
	struct loom_request q = generate(TEXT, 6);
	struct loom_answer a;
	(void)state;
	q.return_hidden_states = q.return_full_sequence = q.return_attention = true;
	q.hidden_layers = layers;
	q.n_hidden_layer = 3;
	q.captures = &spec;
	q.n_capture = 1;
	tiny_run(engine, llama, &q, &a);
	size_t n = a.n_ids, p = a.n_prompt, h = (size_t)a.captures[0].shape[2];
	assert_int_equal(n, 6);
	assert_int_equal(a.captures[0].shape[0], 4);
	assert_int_equal(a.captures[0].shape[1], p + n);
	assert_int_equal(a.captures[0].final_norm, 2);
	assert_int_equal(a.n_hidden, 3);
	for (size_t i = 0; i < 3; i++) {
		const float *plane = a.captures[0].data + (size_t)at[i] * (p + n) * h;
		assert_string_equal(a.hidden[i].name, keys[i]);
		assert_int_equal(a.hidden[i].layers[0], at[i]);
		assert_int_equal(a.hidden[i].n_dim, 2);
		assert_int_equal(a.hidden[i].shape[0], 1);
		assert_int_equal(a.hidden[i].positions[0], p + n - 2);
		assert_memory_equal(a.hidden[i].data, plane + (p + n - 2) * h, h * sizeof(float));
		assert_int_equal(a.sequence[i].shape[0], n);
		assert_memory_equal(a.sequence[i].data, plane + (p - 1) * h, n * h * sizeof(float));
	}
	assert_int_equal(a.n_attention, 3);
	assert_int_equal(a.attention[0].n_dim, 3);
	assert_int_equal(a.attention[0].shape[1], 6);
	assert_int_equal(a.attention[0].shape[2], p + n - 1);
	for (size_t head = 0; head < 6; head++) {
		double sum = 0;
		for (size_t k = 0; k < p + n - 1; k++)
			sum += (double)a.attention[0].data[head * (p + n - 1) + k];
		assert_true(fabs(sum - 1) < 1e-5);
	}
	loom_answer_release(&a);
}

static void test_all_layers_count_from_the_end(void **state)
{
	struct loom_request q = generate(TEXT, 0);
	struct loom_answer a;
	(void)state;
	q.return_hidden_states = q.all_layers = q.return_full_sequence = true;
	tiny_run(engine, llama, &q, &a);
	assert_int_equal(a.n_hidden, 4);
	assert_string_equal(a.hidden[0].name, "-4");
	assert_int_equal(a.hidden[0].layers[0], 0);
	assert_string_equal(a.hidden[3].name, "-1");
	assert_int_equal(a.hidden[3].positions[0], a.n_prompt - 1);
	assert_int_equal(a.n_ids, 0);
	assert_int_equal(a.sequence[0].shape[0], 0);
	assert_string_equal(a.finish_reason, "length");
	loom_answer_release(&a);
}

static void test_tokens_say_where_they_are(void **state)
{
	struct loom_request q = generate("ab \xc3\xa9", 4);
	struct loom_answer a;
	(void)state;
	q.return_tokens = true;
	q.n_logprobs = 3;
	tiny_run(engine, llama, &q, &a);
	assert_int_equal(a.n_tokens, a.n_prompt + a.n_ids);
	assert_string_equal(a.tokens[0].text, "a");
	assert_int_equal(a.tokens[1].start, 1);
	assert_int_equal(a.tokens[1].end, 2);
	assert_false(a.tokens[0].generated);
	assert_true(a.tokens[a.n_prompt].generated);
	assert_int_equal(a.n_logprobs, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(a.logprobs[i].id, a.ids[i]);
		assert_int_equal(a.logprobs[i].top[0].id, a.ids[i]); /* greedy */
		assert_true(a.logprobs[i].logprob == a.logprobs[i].top[0].logprob && a.logprobs[i].logprob < 0);
	}
	loom_answer_release(&a);
}

/* ---- the end of a text ---- */

struct heard {
	char text[512];
	size_t n, calls;
};

static bool hear(void *ctx, const struct loom_token_event *t)
{
	struct heard *h = ctx;
	assert_true(h->n + t->n_piece < sizeof h->text);
	memcpy(h->text + h->n, t->piece, t->n_piece);
	h->n += t->n_piece;
	h->calls++;
	return true;
}

static void test_stops_and_streaming(void **state)
{
	struct loom_request q = generate(TEXT, 40);
	struct heard h = {.n = 0};
	struct loom_answer a, b;
	(void)state;
	q.sampling.temperature = 1;
	q.sampling.has_seed = true;
	q.sampling.seed = 5;
	q.on_token = hear;
	q.on_token_ctx = &h;
	tiny_run(engine, llama, &q, &a);
	assert_int_equal(h.calls, a.n_ids);
	assert_int_equal(h.n, a.n_text);
	assert_memory_equal(h.text, a.text, a.n_text);
	assert_true(a.n_text > 12);
	char stop[8];
	size_t from = 8, len = 1;
	while ((a.text[from] & 0xc0) == 0x80)
		from++;
	while ((a.text[from + len] & 0xc0) == 0x80)
		len++;
	memcpy(stop, a.text + from, len);
	stop[len] = 0;
	q.stops[0] = stop;
	q.stop_len[0] = len;
	q.n_stop = 1;
	h = (struct heard){.n = 0};
	tiny_run(engine, llama, &q, &b);
	assert_string_equal(b.finish_reason, "stop");
	assert_int_equal(b.n_text, strstr(a.text, stop) - a.text);
	assert_int_equal(h.n, b.n_text);
	assert_int_equal(h.calls, b.n_ids);
	assert_memory_equal(a.ids, b.ids, b.n_ids * sizeof *b.ids);
	loom_answer_release(&a);
	loom_answer_release(&b);
}

static void test_context_ends_generation(void **state)
{
	int32_t ids[40];
	struct loom_engine_opts o;
	struct loom_err err;
	struct loom_request q = generate("", 400);
	struct loom_answer a;
	(void)state;
	loom_engine_opts_default(&o);
	o.device = "cpu";
	o.allow_local = true;
	o.n_thread = 1;
	o.max_context = 50; /* the model's own 256 is larger and wins */
	struct loom_engine *e = loom_engine_new(&o, &err);
	struct loom_resident *r = tiny_open(e, MODEL);
	for (int i = 0; i < 40; i++)
		ids[i] = i;
	q.ids = ids;
	q.n_ids = 40;
	tiny_run(e, r, &q, &a);
	assert_true(a.n_ids <= 256 - 40);
	assert_true(a.n_ids == 256 - 40 || strcmp(a.finish_reason, "stop") == 0);
	assert_false(a.beyond_context);
	loom_answer_release(&a);
	loom_engine_release(e, r);
	loom_engine_free(e, 1000);
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
	static const int64_t outside[] = {4};
	static const int32_t no_row[] = {1, 280};
	struct loom_request q = generate("", 4);
	(void)state;
	refused(llama, &q, LOOM_E_INVALID, "prompt");
	q = generate(TEXT, 4);
	q.return_hidden_states = true;
	q.hidden_layers = outside;
	q.n_hidden_layer = 1;
	refused(llama, &q, LOOM_E_INVALID, "hidden_state_layers");
	q = generate(TEXT, 4);
	q.ids = no_row;
	q.n_ids = 2;
	refused(llama, &q, LOOM_E_INVALID, "prompt");
	q = generate(TEXT, 4);
	refused(bert, &q, LOOM_E_INVALID, "model");
	struct loom_capture_spec twice[2] = {all_states(), all_states()};
	q = generate(TEXT, 4);
	q.captures = twice;
	q.n_capture = 2;
	refused(llama, &q, LOOM_E_INVALID, "capture.name");
	q = embed(TEXT);
	q.prompt_name = "query";
	refused(llama, &q, LOOM_E_INVALID, "prompt_name");
	q = embed(TEXT);
	q.dimensions = 43;
	refused(llama, &q, LOOM_E_INVALID, "dimensions");
	q = embed(TEXT);
	q.layer = 17;
	refused(llama, &q, LOOM_E_INVALID, "layer");
}

static void test_estimates_refuse_before_any_work(void **state)
{
	struct loom_capture_spec spec = all_states();
	struct loom_request q = generate(TEXT, 10);
	struct loom_answer a;
	(void)state;
	q.captures = &spec;
	q.n_capture = 1;
	q.max_response_bytes = 1000;
	refused(llama, &q, LOOM_E_TOO_LARGE, "");
	q.dry_run = true;
	tiny_run(engine, llama, &q, &a);
	assert_int_equal(a.n_capture, 1);
	assert_null(a.captures[0].data);
	assert_int_equal(a.estimate_bytes, 4 * (a.n_prompt + 10) * 42 * 4);
	assert_int_equal(a.captures[0].shape[1], a.n_prompt + 10);
	assert_int_equal(a.n_ids, 0);
	loom_answer_release(&a);
}

/* ---- embeddings ---- */

static void test_embeddings_pool_the_rows(void **state)
{
	struct loom_request q = embed(TEXT);
	struct loom_answer none, a;
	(void)state;
	q.pooling = LOOM_POOL_NONE;
	tiny_run(engine, bert, &q, &none);
	assert_int_equal(none.n_row, none.n_prompt);
	size_t w = (size_t)none.width, n = (size_t)none.n_row;
	q.pooling = -1; /* an encoder: mean */
	tiny_run(engine, bert, &q, &a);
	assert_int_equal(a.pooling, LOOM_POOL_MEAN);
	assert_int_equal(a.n_row, 1);
	for (size_t j = 0; j < w; j++) {
		double sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += (double)none.embedding[i * w + j];
		assert_true(a.embedding[j] == (float)(sum / (double)n));
	}
	loom_answer_release(&a);
	q.pooling = LOOM_POOL_CLS;
	tiny_run(engine, bert, &q, &a);
	assert_memory_equal(a.embedding, none.embedding, w * sizeof(float));
	loom_answer_release(&a);
	q.pooling = LOOM_POOL_LAST;
	q.normalize = 1;
	q.dimensions = 5;
	tiny_run(engine, bert, &q, &a);
	double sum = 0, ratio = (double)a.embedding[0] / (double)none.embedding[(n - 1) * w];
	for (size_t j = 0; j < 5; j++) {
		sum += (double)a.embedding[j] * (double)a.embedding[j];
		assert_true(fabs((double)a.embedding[j] - ratio * (double)none.embedding[(n - 1) * w + j]) < 1e-6);
	}
	assert_int_equal(a.width, 5);
	assert_true(a.normalized && fabs(sum - 1) < 1e-6);
	loom_answer_release(&a);
	loom_answer_release(&none);
	q = embed(TEXT); /* a decoder: the last token */
	tiny_run(engine, llama, &q, &a);
	assert_int_equal(a.pooling, LOOM_POOL_LAST);
	loom_answer_release(&a);
}

static void test_long_texts_are_cut_and_said_so(void **state)
{
	static char text[4000];
	struct loom_request q = embed(text);
	struct loom_answer a;
	(void)state;
	memset(text, 'x', sizeof text - 1);
	q.n_text = sizeof text - 1;
	tiny_run(engine, bert, &q, &a);
	assert_true(a.truncated);
	assert_true(a.n_prompt < 4000);
	loom_answer_release(&a);
	q.truncate = false;
	refused(bert, &q, LOOM_E_INVALID, "text");
}

/* ---- models ---- */

static void test_model_info(void **state)
{
	struct loom_model_info i;
	(void)state;
	loom_resident_info(llama, &i);
	assert_int_equal(i.n_layer, 3);
	assert_int_equal(i.n_embd, 42);
	assert_string_equal(i.device, "cpu");
	assert_string_equal(i.dtype, "float32");
	assert_string_equal(i.architecture, "LlamaForCausalLM");
	assert_true(i.memory_bytes > 0 && i.causal);
	assert_true(loom_engine_healthy(engine));
}

static void test_models_that_do_not_fit_or_do_not_exist(void **state)
{
	char path[512];
	struct loom_resident *r = NULL;
	struct loom_err err;
	struct loom_engine *e = tiny_engine(1, 0);
	struct loom_load_spec spec = {.id = path, .loader = -1};
	(void)state;
	snprintf(path, sizeof path, "%s/models/%s", LOOM_TEST_DIR, MODEL);
	setenv("LOOM_MEMORY_LIMIT_BYTES", "100000", 1);
	assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_E_MEMORY);
	assert_non_null(strstr(err.message, "KV pages"));
	unsetenv("LOOM_MEMORY_LIMIT_BYTES");
	spec.quantization = "gptq";
	assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_E_INVALID);
	spec.quantization = "none";
	spec.device = "tpu";
	assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_E_INVALID);
	spec.device = NULL;
	assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_OK);
	loom_engine_release(e, r);
	assert_int_equal(loom_engine_unload(e, path, 100, &err), LOOM_OK);
	assert_int_equal(loom_engine_unload(e, path, 100, &err), LOOM_E_NOT_FOUND);
	spec.id = "nobody/nothing";
	assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_E_NOT_FOUND);
	loom_engine_stop_new(e);
	assert_int_equal(loom_engine_acquire(e, &spec, &r, &err), LOOM_E_UNAVAILABLE);
	loom_engine_free(e, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states_are_where_the_contract_says),
		cmocka_unit_test(test_all_layers_count_from_the_end),
		cmocka_unit_test(test_tokens_say_where_they_are),
		cmocka_unit_test(test_stops_and_streaming),
		cmocka_unit_test(test_context_ends_generation),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_estimates_refuse_before_any_work),
		cmocka_unit_test(test_embeddings_pool_the_rows),
		cmocka_unit_test(test_long_texts_are_cut_and_said_so),
		cmocka_unit_test(test_model_info),
		cmocka_unit_test(test_models_that_do_not_fit_or_do_not_exist),
	};
	setenv("HF_HUB_OFFLINE", "1", 1); /* who is missing is missing here */
	loom_json_setup();
	return cmocka_run_group_tests(tests, open_all, close_all);
}
