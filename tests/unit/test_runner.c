/* test_runner.c: batching and captures over a backend whose numbers are known: a row depends on nothing but the ids up to its
 * position, read back from the pages, so a row that is misplaced or a page that is mixed up shows at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "runner.h"

#define N_PAGE 32
#define N_LOGIT 11
#define N_LAYER 2
#define N_HEAD 2
#define WIDTH 3

/* ---- the backend ---- */

struct loom_device_state {
	int32_t ids[N_PAGE][LOOM_PAGE];
	int32_t max_tok, max_out;
	float logits[512][N_LOGIT];
	int n_step, fail_at;
};

static uint32_t next_hash(uint32_t h, int32_t id)
{
	return (h ^ (uint32_t)id) * 2654435761u + 12345u;
}

static void fill_row(float *dst, const struct loom_op *op, int32_t pos, int32_t id, uint32_t h, int32_t n_key)
{
	if (op->site == LOOM_SITE_ATTN_PROBS) {
		for (int32_t k = 0; k < N_HEAD * n_key; k++)
			dst[k] = k % n_key <= pos ? (float)(op->layer * 10000 + k / n_key * 1000 + k % n_key) + 0.5f : 0;
		return;
	}
	for (int32_t v = 0; v < N_LOGIT && op->site == LOOM_SITE_LOGITS; v++)
		dst[v] = (float)((h >> 4) * 31u % 1009u * (unsigned)(v + 1) % 101u);
	if (op->site == LOOM_SITE_LOGITS)
		return;
	dst[0] = (float)pos;
	dst[1] = (float)id;
	dst[2] = (float)(h % 1000 + (uint32_t)op->layer * 1000);
}

static struct loom_op ops[] = {
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_HIDDEN, .layer = 0, .a = {.width = WIDTH}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_ATTN_PROBS, .layer = 0, .a = {.width = N_HEAD}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_HIDDEN, .layer = 1, .a = {.width = WIDTH}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_ATTN_PROBS, .layer = 1, .a = {.width = N_HEAD}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_HIDDEN, .layer = 2, .a = {.width = WIDTH}},
	{.kind = LOOM_OP_TAP, .site = LOOM_SITE_LOGITS, .layer = -1, .out_rows = true, .a = {.width = N_LOGIT}},
};

struct row {
	int32_t pos, id, seq;
	uint32_t h;
};

static void read_rows(struct loom_device_state *s, const struct loom_batch *b, struct row *rows)
{
	for (int32_t i = 0; i < b->n_seq; i++) {
		const struct loom_batch_seq *q = &b->seqs[i];
		for (int32_t k = 0; k < q->n_row; k++) {
			int32_t pos = q->pos0 + k, r = q->row0 + k;
			uint32_t h = 7;
			assert_int_equal(b->pos[r], pos);
			s->ids[q->pages[pos / LOOM_PAGE]][pos % LOOM_PAGE] = b->ids[r];
			for (int32_t p = 0; p <= pos; p++)
				h = next_hash(h, s->ids[q->pages[p / LOOM_PAGE]][p % LOOM_PAGE]);
			rows[r] = (struct row){pos, b->ids[r], i, h};
		}
	}
}

static enum loom_status fake_exec(struct loom_device_state *s, const struct loom_batch *b, const struct loom_tap_copy *copies,
	size_t n_copy, const float **logits, struct loom_err *err)
{
	static struct row rows[512];
	int32_t seen = 0;
	assert_true(b->n_tok > 0 && b->n_tok <= s->max_tok && b->n_out <= s->max_out);
	for (int32_t i = 0; i < b->n_seq; i++) {
		assert_int_equal(b->seqs[i].row0, seen);
		seen += b->seqs[i].n_row;
	}
	assert_int_equal(seen, b->n_tok);
	if (++s->n_step == s->fail_at)
		return loom_err_set(err, LOOM_E_INTERNAL, "broken");
	read_rows(s, b, rows);
	for (int32_t i = 0; i < b->n_out; i++) {
		const struct row *r = &rows[b->out_rows[i]];
		assert_true(i == 0 || b->out_rows[i] > b->out_rows[i - 1]);
		fill_row(s->logits[i], &ops[5], r->pos, r->id, r->h, 0);
	}
	for (size_t c = 0; c < n_copy; c++) {
		const struct loom_tap_copy *t = &copies[c];
		assert_true(c == 0 || t->op >= copies[c - 1].op);
		for (int32_t i = 0; i < t->n_row; i++) {
			int32_t at = ops[t->op].out_rows ? b->out_rows[t->row0 + i] : t->row0 + i;
			assert_true(at < b->n_tok);
			assert_int_equal(rows[at].seq, rows[ops[t->op].out_rows ? b->out_rows[t->row0] : t->row0].seq);
			fill_row(t->dst + (size_t)i * t->stride, &ops[t->op], rows[at].pos, rows[at].id, rows[at].h, t->n_key);
		}
	}
	*logits = s->logits[0];
	return LOOM_OK;
}

static const struct loom_backend backend = {.name = "fake", .exec = fake_exec};

/* ---- a bench of sequences ---- */

#define MAX_CAPTURE 9
struct item {
	struct loom_seq seq;
	struct loom_capture captures[MAX_CAPTURE];
	struct loom_arena arena;
};

static struct loom_model model;
static struct loom_device_state state;
static struct loom_runner runner;

static void setup_keeping(bool causal, int32_t max_tok, int32_t max_out, int32_t keep)
{
	struct loom_err err;
	struct loom_state_opts o = {.max_tok = max_tok, .max_out = max_out, .n_page = N_PAGE};
	memset(&state, 0xff, sizeof state);
	state.max_tok = max_tok;
	state.max_out = max_out;
	state.n_step = state.fail_at = 0;
	model.plan = (struct loom_plan){.n_layer = N_LAYER, .n_embd = WIDTH, .n_head = N_HEAD, .n_vocab = 100, .n_logit = N_LOGIT,
		.causal = causal, .ops = ops, .n_op = 6};
	assert_int_equal(loom_runner_init(&runner, &backend, &state, &model.plan, &o, keep, &err), LOOM_OK);
}

static void setup(bool causal, int32_t max_tok, int32_t max_out)
{
	setup_keeping(causal, max_tok, max_out, N_PAGE / 2);
}

static void item_init(struct item *it, int32_t n_prompt, int32_t n_new, const struct loom_capture_spec *specs, size_t n_spec,
	uint32_t seed)
{
	int32_t prompt[512];
	struct loom_err err;
	memset(it, 0, sizeof *it);
	for (int32_t i = 0; i < n_prompt; i++)
		prompt[i] = (int32_t)((seed = next_hash(seed, i)) >> 8) % 100 & 0x3f;
	loom_arena_init(&it->arena);
	assert_int_equal(loom_seq_init(&it->seq, prompt, n_prompt, n_prompt + n_new, &err), LOOM_OK);
	it->seq.sampling.seed = seed;
	for (size_t i = 0; i < n_spec; i++) {
		struct loom_capture *c = &it->captures[i];
		if (loom_capture_resolve(c, &specs[i], &model, n_prompt, n_prompt + n_new, NULL, &it->arena, &err) ||
			loom_capture_begin(c, &it->arena, &err))
			fail_msg("%s", err.message);
	}
	it->seq.captures = it->captures;
	it->seq.n_capture = n_spec;
}

static void item_release(struct item *it)
{
	for (size_t i = 0; i < it->seq.n_capture; i++)
		loom_capture_release(&it->captures[i]);
	loom_seq_release(&it->seq);
	loom_arena_release(&it->arena);
}

static void run_all(void)
{
	while (runner.n_seq > 0) {
		loom_runner_step(&runner);
		while (loom_runner_reap(&runner))
			;
	}
}

static void check_row(const struct item *it, enum loom_site site, int32_t layer, int64_t pos, const float *row, int64_t n_key)
{
	float want[2048];
	uint32_t h = 7;
	for (int64_t p = 0; p <= pos; p++)
		h = next_hash(h, it->seq.ids[p]);
	int32_t op = loom_plan_tap(&model.plan, site, layer);
	size_t width = site == LOOM_SITE_ATTN_PROBS ? (size_t)(N_HEAD * n_key) : site == LOOM_SITE_LOGITS ? N_LOGIT : WIDTH;
	fill_row(want, &ops[op], (int32_t)pos, it->seq.ids[pos], h, (int32_t)n_key);
	assert_memory_equal(row, want, width * sizeof *row);
}

/* Every number of a finished item is what its ids say. */
static void check_item(struct item *it)
{
	struct loom_err err;
	assert_int_equal(it->seq.err.status, LOOM_OK);
	assert_int_equal(it->seq.phase, LOOM_PHASE_DONE);
	for (size_t i = 0; i < it->seq.n_capture; i++) {
		struct loom_capture *c = &it->captures[i];
		struct loom_capture_shape s;
		int64_t *positions = NULL;
		if (loom_capture_finish(c, it->seq.n_id, &it->arena, &s, &positions, &err))
			fail_msg("%s", err.message);
		for (int64_t p = 0; p < s.n_plane && c->spec->reduce == LOOM_REDUCE_NONE; p++) {
			for (int64_t k = 0; k < s.n_position; k++)
				check_row(it, c->spec->site, c->layered ? c->layers[p] : -1, positions[k], c->data + (p * s.n_position + k) * s.width,
					s.n_key);
		}
	}
}

static const int64_t all_but[] = {0, -1, -2}, layer_last[] = {-1}, layers_two[] = {1, 0};
static const struct loom_capture_spec specs[] = {
	{.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_ALL},
	{.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_LIST, .layers = layer_last, .n_layer = 1, .select = LOOM_SELECT_LAST},
	{.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_LIST, .layers = layers_two, .n_layer = 2,
		.select = LOOM_SELECT_LAST_PREDICTOR},
	{.site = LOOM_SITE_LOGITS, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_SLICE, .slice = {.step = 3}},
	{.site = LOOM_SITE_ATTN_PROBS, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_LAST_PREDICTOR},
	{.site = LOOM_SITE_ATTN_PROBS, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_ALL},
	{.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_PREDICTORS},
	{.site = LOOM_SITE_LOGITS, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_LAST},
	{.site = LOOM_SITE_LOGITS, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_LAST_PREDICTOR},
};

/* ---- tests ---- */

static void test_any_packing_gives_the_same(void **state_)
{
	static const int32_t n_prompt[] = {1, 3, 64, 65, 130, 200}, n_new[] = {5, 0, 1, 70, 20, 0}, steps[] = {1, 7, 64, 100, 512},
		outs[] = {1, 3, 64, 5, 128};
	int32_t first[6][512], n_first[6];
	(void)state_;
	for (size_t round = 0; round < 5; round++) {
		static struct item items[6];
		setup(true, steps[round], steps[round] < outs[round] ? steps[round] : outs[round]);
		for (size_t i = 0; i < 6; i++) {
			item_init(&items[i], n_prompt[i], n_new[i], specs, 9, (uint32_t)i);
			assert_true(loom_runner_add(&runner, &items[i].seq));
		}
		run_all();
		for (size_t i = 0; i < 6; i++) {
			const struct loom_seq *s = &items[i].seq;
			check_item(&items[i]);
			assert_int_equal(loom_seq_n_new(s), n_new[i]);
			if (round == 0) {
				n_first[i] = s->n_id;
				memcpy(first[i], s->ids, (size_t)s->n_id * sizeof *s->ids);
			}
			assert_int_equal(n_first[i], s->n_id);
			assert_memory_equal(first[i], s->ids, (size_t)s->n_id * sizeof *s->ids);
			item_release(&items[i]);
		}
		assert_int_equal(loom_kv_available(&runner.kv), N_PAGE);
		loom_runner_release(&runner);
	}
}

static void test_positions_from_the_end(void **state_)
{
	const struct loom_capture_spec spec = {.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_LIST,
		.positions = all_but, .n_position = 3};
	const struct loom_capture_spec tail = {.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_SLICE,
		.slice = {.has_start = true, .start = -3, .step = 2}};
	const struct loom_capture_spec both[] = {spec, tail};
	struct item it;
	(void)state_;
	for (int32_t n_new = 0; n_new < 6; n_new++) {
		setup(true, 4, 4);
		item_init(&it, 5, n_new, both, 2, 3);
		assert_true(loom_runner_add(&runner, &it.seq));
		run_all();
		check_item(&it);
		item_release(&it);
		loom_runner_release(&runner);
	}
}

static void test_reduce(void **state_)
{
	const struct loom_capture_spec r[] = {
		{.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_PROMPT, .reduce = LOOM_REDUCE_MEAN},
		{.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_PROMPT, .reduce = LOOM_REDUCE_MAX},
		{.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_PROMPT, .reduce = LOOM_REDUCE_SUM},
	};
	struct item it;
	(void)state_;
	setup(true, 4, 4);
	item_init(&it, 9, 0, r, 3, 3);
	assert_true(loom_runner_add(&runner, &it.seq));
	run_all();
	check_item(&it);
	for (size_t layer = 0; layer <= N_LAYER; layer++) {
		assert_true(it.captures[0].data[layer * WIDTH] == 4.0f);
		assert_true(it.captures[1].data[layer * WIDTH] == 8.0f);
		assert_true(it.captures[2].data[layer * WIDTH] == 36.0f);
	}
	item_release(&it);
	loom_runner_release(&runner);
}

static void test_end_of_sequence(void **state_)
{
	static struct item it, cut;
	(void)state_;
	setup(true, 64, 8);
	item_init(&it, 5, 40, specs, 9, 11);
	assert_true(loom_runner_add(&runner, &it.seq));
	run_all();
	int32_t eos = it.seq.ids[5 + 7], n = 0;
	while (it.seq.ids[5 + n] != eos)
		n++;
	item_init(&cut, 5, 40, specs, 9, 11);
	cut.seq.eos = &eos;
	cut.seq.n_eos = 1;
	assert_true(loom_runner_add(&runner, &cut.seq));
	run_all();
	assert_int_equal(loom_seq_n_new(&cut.seq), n + 1);
	assert_true(cut.seq.stopped && !it.seq.stopped);
	assert_memory_equal(cut.seq.ids, it.seq.ids, (size_t)(5 + n + 1) * sizeof eos);
	check_item(&cut);
	check_item(&it);
	item_release(&cut);
	item_release(&it);
	loom_runner_release(&runner);
}

static void test_encoders_go_in_whole(void **state_)
{
	static struct item items[4];
	static const int32_t n[] = {100, 60, 30, 100};
	(void)state_;
	setup(false, 100, 100);
	for (size_t i = 0; i < 4; i++) {
		item_init(&items[i], n[i], 0, specs, 1, (uint32_t)i);
		assert_true(loom_runner_add(&runner, &items[i].seq));
	}
	run_all();
	assert_int_equal(state.n_step, 3);
	for (size_t i = 0; i < 4; i++) {
		check_item(&items[i]);
		item_release(&items[i]);
	}
	loom_runner_release(&runner);
}

/* More generated text than there are pages: the younger gives way, is run again, and ends as it would have alone. */
static void test_pages_run_out_and_come_back(void **state_)
{
	static struct item a, b, alone;
	(void)state_;
	setup(true, 64, 8);
	item_init(&alone, 10, LOOM_PAGE * 20, specs, 4, 2);
	assert_true(loom_runner_add(&runner, &alone.seq));
	run_all();
	item_init(&a, 10, LOOM_PAGE * 20, specs, 4, 1);
	item_init(&b, 10, LOOM_PAGE * 20, specs, 4, 2);
	assert_true(loom_runner_add(&runner, &a.seq));
	assert_true(loom_runner_add(&runner, &b.seq));
	run_all();
	assert_true(runner.n_preempted > 0);
	assert_int_equal(b.seq.n_id, alone.seq.n_id);
	assert_memory_equal(b.seq.ids, alone.seq.ids, (size_t)b.seq.n_id * sizeof *b.seq.ids);
	check_item(&a);
	check_item(&b);
	assert_int_equal(loom_kv_available(&runner.kv), N_PAGE);
	item_release(&a);
	item_release(&b);
	item_release(&alone);
	loom_runner_release(&runner);
}

static void test_too_long_for_all_pages_is_not_taken(void **state_)
{
	static struct item a;
	(void)state_;
	setup(true, 64, 8);
	item_init(&a, 10, LOOM_PAGE * N_PAGE, NULL, 0, 1);
	assert_false(loom_runner_add(&runner, &a.seq));
	assert_int_equal(loom_kv_available(&runner.kv), N_PAGE);
	item_release(&a);
	loom_runner_release(&runner);
}

/* The second of two prompts that begin alike runs only what differs; rows that a capture wants are run all the same. */
static void test_prompts_that_begin_alike_share_pages(void **state_)
{
	static const struct loom_capture_spec all = {.site = LOOM_SITE_HIDDEN, .layer_select = LOOM_SELECT_ALL, .select = LOOM_SELECT_ALL};
	static struct item first, again, whole, same[3];
	(void)state_;
	setup_keeping(true, 512, 64, N_PAGE);
	item_init(&first, 200, 4, &specs[1], 1, 5);
	assert_true(loom_runner_add(&runner, &first.seq));
	run_all();
	item_init(&again, 200, 4, &specs[1], 1, 5);
	item_init(&whole, 200, 4, &all, 1, 5);
	assert_true(loom_runner_add(&runner, &again.seq));
	assert_true(loom_runner_add(&runner, &whole.seq));
	run_all();
	assert_int_equal(first.seq.n_found, 0);
	assert_int_equal(again.seq.n_found, 3 * LOOM_PAGE);
	assert_int_equal(whole.seq.n_found, 0);
	assert_memory_equal(first.seq.ids, again.seq.ids, 204 * sizeof(int32_t));
	check_item(&first);
	check_item(&again);
	check_item(&whole);
	item_release(&first);
	item_release(&again);
	item_release(&whole);
	/* samples of one prompt that come together run it once */
	state.n_step = 0;
	for (int i = 0; i < 3; i++) {
		item_init(&same[i], 300, 1, &specs[1], 1, 9);
		assert_true(loom_runner_add(&runner, &same[i].seq));
	}
	run_all();
	assert_int_equal(same[0].seq.n_found, 0);
	for (int i = 0; i < 3; i++) {
		assert_true(i == 0 || same[i].seq.n_found == 4 * LOOM_PAGE);
		check_item(&same[i]);
		item_release(&same[i]);
	}
	assert_int_equal(loom_kv_available(&runner.kv), N_PAGE);
	loom_runner_release(&runner);
}

/* A short prompt that comes after a long one is not kept until the long one is through. */
static void test_short_prompts_do_not_wait_for_long_ones(void **state_)
{
	static struct item big, little;
	(void)state_;
	setup(true, 32, 8);
	item_init(&big, 500, 0, NULL, 0, 1);
	item_init(&little, 12, 0, NULL, 0, 2);
	assert_true(loom_runner_add(&runner, &big.seq));
	loom_runner_step(&runner);
	assert_true(loom_runner_add(&runner, &little.seq));
	loom_runner_step(&runner);
	assert_int_equal(little.seq.phase, LOOM_PHASE_DONE);
	assert_int_equal(big.seq.n_done, 32 + 20);
	run_all();
	check_item(&big);
	item_release(&big);
	item_release(&little);
	loom_runner_release(&runner);
}

static void test_a_broken_step_ends_its_sequences(void **state_)
{
	static struct item a, b;
	(void)state_;
	setup(true, 64, 8);
	state.fail_at = 2;
	item_init(&a, 10, 5, specs, 1, 1);
	item_init(&b, 10, 0, specs, 1, 2);
	assert_true(loom_runner_add(&runner, &a.seq));
	assert_true(loom_runner_add(&runner, &b.seq));
	run_all();
	assert_int_equal(a.seq.err.status, LOOM_E_INTERNAL);
	assert_int_equal(b.seq.err.status, LOOM_OK);
	assert_int_equal(loom_kv_available(&runner.kv), N_PAGE);
	item_release(&a);
	item_release(&b);
	loom_runner_release(&runner);
}

/* ---- text ---- */

static const char tokenizer_json[] =
	"{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
	"\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false},"
	"\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
	"\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
	"\"fuse_unk\":false,\"byte_fallback\":false,\"merges\":[],\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,"
	"\"h\":7,\"i\":8,\"j\":9,\"k\":10}}}";

struct heard {
	char text[256];
	size_t n, calls;
};

static void hear(void *ctx, int32_t id, const char *piece, size_t n)
{
	struct heard *h = ctx;
	(void)id;
	assert_true(h->n + n < sizeof h->text);
	memcpy(h->text + h->n, piece, n);
	h->n += n;
	h->calls++;
}

static void run_text(struct item *it, const struct loom_tokenizer *t, struct heard *h, const char *const *stops, const size_t *len,
	int n_stop)
{
	memset(h, 0, sizeof *h);
	item_init(it, 5, 40, NULL, 0, 11);
	it->seq.tokenizer = t;
	it->seq.stops = stops;
	it->seq.stop_len = len;
	it->seq.n_stop = n_stop;
	it->seq.want_offsets = true;
	it->seq.on_token = hear;
	it->seq.on_token_ctx = h;
	assert_true(loom_runner_add(&runner, &it->seq));
	run_all();
	assert_int_equal(it->seq.err.status, LOOM_OK);
	assert_int_equal(h->n, it->seq.text.len);
	assert_int_equal(h->calls, loom_seq_n_new(&it->seq));
	if (h->n)
		assert_memory_equal(h->text, it->seq.text.data, h->n);
}

static void test_stop_strings_over_tokens(void **state_)
{
	static struct item whole, cut;
	static struct heard h, hc;
	struct loom_tokenizer *t = NULL;
	struct loom_err err;
	(void)state_;
	setup(true, 64, 8);
	if (loom_tokenizer_open_json(tokenizer_json, sizeof tokenizer_json - 1, &t, &err))
		fail_msg("%s", err.message);
	run_text(&whole, t, &h, NULL, NULL, 0);
	assert_int_equal(whole.seq.text.len, 40);
	for (size_t at = 0; at < 37; at++) {
		char stop[4];
		const char *const stops[] = {"zzz", stop};
		const size_t len[] = {3, 3};
		memcpy(stop, whole.seq.text.data + at, 3);
		stop[3] = 0;
		size_t first = (size_t)(strstr(whole.seq.text.data, stop) - whole.seq.text.data);
		run_text(&cut, t, &hc, stops, len, 2);
		assert_true(cut.seq.stopped);
		assert_int_equal(cut.seq.text.len, first);
		assert_int_equal(loom_seq_n_new(&cut.seq), first + 3);
		assert_memory_equal(hc.text, h.text, first);
		assert_int_equal(cut.seq.ends[loom_seq_n_new(&cut.seq) - 1], first);
		item_release(&cut);
	}
	item_release(&whole);
	loom_tokenizer_free(t);
	loom_runner_release(&runner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_packing_gives_the_same),
		cmocka_unit_test(test_positions_from_the_end),
		cmocka_unit_test(test_reduce),
		cmocka_unit_test(test_end_of_sequence),
		cmocka_unit_test(test_encoders_go_in_whole),
		cmocka_unit_test(test_pages_run_out_and_come_back),
		cmocka_unit_test(test_too_long_for_all_pages_is_not_taken),
		cmocka_unit_test(test_prompts_that_begin_alike_share_pages),
		cmocka_unit_test(test_short_prompts_do_not_wait_for_long_ones),
		cmocka_unit_test(test_a_broken_step_ends_its_sequences),
		cmocka_unit_test(test_stop_strings_over_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
