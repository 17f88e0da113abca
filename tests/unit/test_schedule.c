/* test_schedule.c: the scheduler alone, a million random events in virtual time: arrivals, clients that leave, steps. No model: a page
 * holds the hash of all ids up to each position, so that a page given to the wrong sequence, shared wrongly or read before it was
 * written shows at once. A failure names its seed: test_schedule SEED [EVENTS] plays it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "runner.h"

#define N_PAGE 48
#define N_LOGIT 5
#define MAX_TOK 96
#define MAX_OUT 24
#define MAX_LIVE 64
#define MAX_IDS (LOOM_PAGE * 30)

static uint64_t chance;

static uint32_t roll(uint32_t n)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(chance >> 33) % n;
}

/* ---- the backend ---- */

struct loom_device_state {
	uint32_t hash[N_PAGE][LOOM_PAGE];
	float logits[MAX_OUT][N_LOGIT];
	bool decoding[MAX_TOK];
	uint64_t n_rows;
};
static struct loom_device_state state;
static double now, last_step_ms;

static double virtual_ms(void)
{
	return now;
}

static uint32_t next_hash(uint32_t h, int32_t id)
{
	return (h ^ (uint32_t)id) * 2654435761u + 12345u;
}

static enum loom_status fake_exec(struct loom_device_state *s, const struct loom_batch *b, const struct loom_tap_copy *copies,
	size_t n_copy, const float **logits, struct loom_err *err)
{
	static uint32_t hash[MAX_TOK];
	(void)copies;
	(void)n_copy;
	(void)err;
	assert_true(b->n_tok > 0 && b->n_tok <= MAX_TOK && b->n_out <= MAX_OUT);
	for (int32_t i = 0; i < b->n_seq; i++) {
		const struct loom_batch_seq *q = &b->seqs[i];
		for (int32_t k = 0; k < q->n_row; k++) {
			int32_t pos = q->pos0 + k, before = pos - 1, row = q->row0 + k;
			uint32_t h = pos ? s->hash[q->pages[before / LOOM_PAGE]][before % LOOM_PAGE] : 7;
			hash[row] = s->hash[q->pages[pos / LOOM_PAGE]][pos % LOOM_PAGE] = next_hash(h, b->ids[row]);
		}
	}
	for (int32_t i = 0; i < b->n_out; i++) {
		for (int32_t v = 0; v < N_LOGIT; v++)
			s->logits[i][v] = (float)((hash[b->out_rows[i]] >> 4) * 31u % 1009u * (unsigned)(v + 1) % 101u);
	}
	last_step_ms = 1.0 + 0.05 * b->n_tok;
	now += last_step_ms;
	s->n_rows += (uint64_t)b->n_tok;
	*logits = s->logits[0];
	return LOOM_OK;
}

static const struct loom_backend backend = {.name = "fake", .exec = fake_exec};

/* ---- a crowd of sequences ---- */

struct client {
	struct loom_seq seq;
	bool live;
	int32_t n_seen;      /* positions that were checked */
	uint32_t hash;       /* of those */
	uint64_t since;      /* step at which it was taken */
	uint64_t first;      /* step of its first row; 0: none yet */
};
static struct client crowd[MAX_LIVE];
static struct loom_runner runner;
static struct loom_plan plan;
static uint64_t n_step, n_taken, n_done, n_cancelled, n_preempted, n_found, worst_short;

/* Prompts that often begin like others: a shared stem of some pages, then their own. */
static void fill_prompt(int32_t *ids, int32_t n)
{
	int32_t stem = roll(2) ? (int32_t)roll(5) * LOOM_PAGE : 0, kind = (int32_t)roll(3);
	for (int32_t i = 0; i < n; i++)
		ids[i] = i < stem ? (i * 7 + kind) % 50 : (int32_t)roll(50);
}

static void arrive(void)
{
	static int32_t ids[MAX_IDS];
	struct loom_err err;
	struct client *c = NULL;
	for (int i = 0; i < MAX_LIVE && !c; i++)
		c = crowd[i].live ? NULL : &crowd[i];
	if (!c)
		return;
	int32_t n = roll(3) ? 1 + (int32_t)roll(40) : 1 + (int32_t)roll(LOOM_PAGE * 8), more = roll(4) ? (int32_t)roll(30) : (int32_t)roll(600);
	fill_prompt(ids, n);
	memset(c, 0, sizeof *c);
	assert_int_equal(loom_seq_init(&c->seq, ids, n, n + more, &err), LOOM_OK);
	c->seq.sampling.temperature = 0;
	if (!loom_runner_add(&runner, &c->seq)) {
		loom_seq_release(&c->seq);
		return;
	}
	c->live = true;
	c->hash = 7;
	c->since = n_step;
	n_taken++;
}

static void leave(void)
{
	struct client *c = &crowd[roll(MAX_LIVE)];
	if (c->live && !atomic_load(&c->seq.cancelled)) {
		atomic_store(&c->seq.cancelled, true);
		n_cancelled++;
	}
}

/* ---- what must always hold ---- */

static void check_pages(void)
{
	static int32_t held[N_PAGE];
	int32_t n_held = 0;
	memset(held, 0, sizeof held);
	for (size_t i = 0; i < runner.n_seq; i++) {
		const struct loom_seq *s = runner.seqs[i];
		assert_true(s->n_done <= s->n_page * LOOM_PAGE && s->n_named <= s->n_page);
		for (int32_t k = 0; k < s->n_page; k++)
			held[s->pages[k]]++;
	}
	for (int32_t p = 0; p < N_PAGE; p++) {
		assert_int_equal(held[p], runner.kv.pages[p].n_ref);
		n_held += held[p] > 0;
	}
	assert_int_equal(n_held + loom_kv_available(&runner.kv), N_PAGE);
	assert_true(runner.kv.n_kept <= runner.kv.keep);
}

/* The hash that the sequence's pages end with is that of its own ids. */
static void check_content(struct client *c)
{
	const struct loom_seq *s = &c->seq;
	if (s->n_done == 0 || s->phase == LOOM_PHASE_DONE)
		return;
	if (s->n_done < c->n_seen) { /* run again */
		c->n_seen = 0;
		c->hash = 7;
	}
	for (; c->n_seen < s->n_done; c->n_seen++)
		c->hash = next_hash(c->hash, s->ids[c->n_seen]);
	int32_t last = s->n_done - 1;
	assert_int_equal(state.hash[s->pages[last / LOOM_PAGE]][last % LOOM_PAGE], c->hash);
}

static void check_end(struct client *c)
{
	struct loom_seq *s = &c->seq;
	assert_true(c->live);
	c->live = false;
	n_done++;
	assert_int_equal(s->phase, LOOM_PHASE_DONE);
	if (atomic_load(&s->cancelled) && s->err.status == LOOM_E_CANCELLED)
		return;
	assert_int_equal(s->err.status, LOOM_OK);
	assert_int_equal(s->n_id, s->n_limit);
	/* greedy tokens follow from the ids before them alone */
	uint32_t h = 7;
	for (int32_t i = 0; i + 1 < s->n_id; i++) {
		h = next_hash(h, s->ids[i]);
		int32_t best = 0;
		for (int32_t v = 1; v < N_LOGIT && i + 1 >= s->n_prompt; v++) {
			unsigned x = (h >> 4) * 31u % 1009u;
			best = x * (unsigned)(v + 1) % 101u > x * (unsigned)(best + 1) % 101u ? v : best;
		}
		if (i + 1 >= s->n_prompt)
			assert_int_equal(s->ids[i + 1], best);
	}
}

/* No starvation: whoever is the oldest gets a row at least every few steps (it may have to take turns where all generate). */
static void check_oldest(void)
{
	static const struct loom_seq *oldest;
	static uint64_t idle;
	bool ran = false;
	for (int32_t i = 0; i < runner.n_span; i++)
		ran = ran || runner.spans[i].seq == oldest;
	idle = ran || runner.n_seq == 0 || oldest != runner.seqs[0] ? 0 : idle + 1;
	assert_true(idle < 6);
	oldest = runner.n_seq ? runner.seqs[0] : NULL;
}

static void step(void)
{
	uint64_t before = state.n_rows;
	loom_runner_step(&runner);
	n_step++;
	assert_true(runner.n_seq == 0 || state.n_rows > before || runner.n_span == 0);
	for (int32_t i = 0; i < runner.n_span; i++) {
		struct client *c = (struct client *)(void *)runner.spans[i].seq;
		c->first = c->first ? c->first : n_step;
	}
	for (int i = 0; i < MAX_LIVE; i++) {
		if (crowd[i].live)
			check_content(&crowd[i]);
	}
	for (struct loom_seq *s; (s = loom_runner_reap(&runner)) != NULL; loom_seq_release(s)) {
		struct client *c = (struct client *)(void *)s;
		uint64_t waited = (c->first ? c->first : n_step) - c->since;
		worst_short = s->n_prompt <= 40 && waited > worst_short ? waited : worst_short;
		check_end(c);
	}
	check_oldest();
	check_pages();
}

static void play(uint64_t seed, uint64_t events)
{
	struct loom_state_opts o = {.max_tok = MAX_TOK, .max_out = MAX_OUT, .n_page = N_PAGE};
	struct loom_err err;
	chance = seed;
	now = 0;
	memset(&state, 0xff, sizeof state);
	state.n_rows = 0;
	memset(crowd, 0, sizeof crowd);
	n_step = n_taken = n_done = n_cancelled = worst_short = 0;
	plan = (struct loom_plan){.n_layer = 1, .n_logit = N_LOGIT, .causal = true};
	assert_int_equal(loom_runner_init(&runner, &backend, &state, &plan, &o, (int32_t)roll(2) * 12, &err), LOOM_OK);
	runner.now_ms = virtual_ms;
	for (uint64_t i = 0; i < events; i++) {
		uint32_t what = roll(100);
		if (what < 20)
			arrive();
		else if (what < 21)
			leave();
		else
			step();
	}
	/* nothing new comes: all must end, in no more steps than there are rows */
	for (uint64_t i = 0; runner.n_seq > 0; i++) {
		assert_true(i < (uint64_t)MAX_LIVE * MAX_IDS);
		step();
	}
	assert_int_equal(n_taken, n_done);
	n_preempted = runner.n_preempted;
	n_found = runner.n_found;
	assert_int_equal(loom_kv_available(&runner.kv), N_PAGE);
	loom_runner_release(&runner);
}

static void test_a_million_random_events(void **state_)
{
	(void)state_;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		printf("seed %llu", (unsigned long long)seed);
		play(seed, 100000);
		printf(": %llu taken, %llu left early, %llu steps, %llu sent back, %llu positions found, a short prompt waited %llu steps at most\n",
			(unsigned long long)n_taken, (unsigned long long)n_cancelled, (unsigned long long)n_step,
			(unsigned long long)n_preempted, (unsigned long long)n_found, (unsigned long long)worst_short);
	}
}

/* Beside eight sequences that generate, prompts stretch a step to about twice its time and no more. */
static void test_prompts_do_not_hold_up_those_that_generate(void **state_)
{
	struct loom_pace p = {0};
	(void)state_;
	assert_int_equal(loom_pace_rows(&p, 0, 512), 512);
	assert_int_equal(loom_pace_rows(&p, 8, 512), 64);
	for (int i = 0; i < 50; i++) {
		int32_t n = loom_pace_rows(&p, 8, 512);
		loom_pace_note(&p, 8, 0, 20.0);
		loom_pace_note(&p, 8, n, 20.0 + 0.5 * n);
	}
	assert_in_range(loom_pace_rows(&p, 8, 512), 38, 42);
	assert_int_equal(loom_pace_rows(&p, 8, 20), 20);
	loom_pace_note(&p, 8, 1, 1000.0);
	assert_int_equal(loom_pace_rows(&p, 8, 512), LOOM_PACE_LEAST);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_million_random_events),
		cmocka_unit_test(test_prompts_do_not_hold_up_those_that_generate),
	};
	if (argc > 1) {
		play(strtoull(argv[1], NULL, 10), argc > 2 ? strtoull(argv[2], NULL, 10) : 100000);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
