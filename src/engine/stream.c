/* stream.c: a generated token on its way to whoever listens: its text, and where asked the states that predicted it, straight from the rows
 * that the captures keep. On the worker's thread, which must never wait: listeners copy. */
#include "engine_internal.h"

/* Row of the position that predicted the newest token. */
static float *row_of(const struct loom_capture *c, int64_t position)
{
	return c->data + (size_t)(position - c->lo) * c->row_floats;
}

static void on_token(void *ctx, int32_t id, const char *piece, size_t n_piece)
{
	struct loom_job *j = ctx;
	struct loom_token_event t = {.id = id, .piece = piece, .n_piece = n_piece, .states = j->states, .n_state = j->n_state};
	int64_t position = j->seq.n_id - 2;
	size_t k = 0;
	for (size_t i = 0; i < j->n_capture && k < j->n_state; i++) {
		if (j->groups[i] != LOOM_GROUP_STREAM)
			continue;
		j->states[k].positions[0] = position;
		j->states[k++].data = row_of(&j->captures[i], position);
	}
	if (!j->req->on_token(j->req->on_token_ctx, &t))
		atomic_store(&j->seq.cancelled, true);
	if (j->seq.owner)
		loom_ticket_poke(j->seq.owner);
}

enum loom_status loom_job_stream(struct loom_job *j, struct loom_err *err)
{
	struct loom_arena *arena = &j->answer->arena;
	j->seq.on_token = on_token;
	j->seq.on_token_ctx = j;
	if (!j->req->stream_hidden_states)
		return LOOM_OK;
	j->states = loom_arena_alloc(arena, j->n_capture, sizeof *j->states);
	for (size_t i = 0; j->states && i < j->n_capture; i++) {
		struct loom_answer_tensor *t = &j->states[j->n_state];
		if (j->groups[i] != LOOM_GROUP_STREAM)
			continue;
		*t = (struct loom_answer_tensor){.n_dim = 2, .shape = {1, j->captures[i].width}, .n_position = 1};
		t->positions = loom_arena_alloc(arena, 1, sizeof *t->positions);
		enum loom_status st = loom_job_label(j, i, t, err);
		if (st)
			return st;
		if (!t->positions)
			break;
		j->n_state++;
	}
	size_t n = 0;
	for (size_t i = 0; i < j->n_capture; i++)
		n += j->groups[i] == LOOM_GROUP_STREAM;
	return n == j->n_state ? LOOM_OK : loom_err_nomem(err, "states of a stream", n * sizeof *j->states);
}
