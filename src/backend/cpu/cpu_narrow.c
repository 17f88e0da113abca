/* cpu_narrow.c: behind the last op that stores keys, rows are computed only if somebody asked for them: their logits, or a copy of a
 * site. Rows do not see each other there, so that no number changes; of a prompt whose last row is wanted, the last block is as good as
 * free. Of each sequence the rows from the first to the last that is wanted stay. */
#include <string.h>

#include "cpu.h"

int32_t loom_cpu_narrow_at(const struct loom_plan *p, bool live[static LOOM_MAX_SLOT])
{
	bool made[LOOM_MAX_SLOT] = {false};
	int32_t at = -1;

	memset(live, 0, LOOM_MAX_SLOT * sizeof(*live));
	for (int32_t i = 0; i < p->n_op; i++) {
		at = p->ops[i].kind == LOOM_OP_KV_STORE ? i : at;
	}
	for (int32_t i = at + 1; at >= 0 && i < p->n_op; i++) {
		const struct loom_op *op = &p->ops[i];
		const struct loom_view *read[] = {&op->a, &op->b, &op->c};
		if (op->kind == LOOM_OP_EMBED || op->kind == LOOM_OP_ROTATE || op->kind == LOOM_OP_CONV || op->kind == LOOM_OP_SCAN ||
			op->kind == LOOM_OP_DELTA) {
			return -1; /* they want the step's own rows */
		}
		for (int k = 0; k < 3; k++) {
			if (read[k]->slot >= 0 && !made[read[k]->slot] && !p->slot_out_rows[read[k]->slot]) {
				live[read[k]->slot] = true;
			}
		}
		if (op->out.slot >= 0 && op->out.col == 0 && op->out.width == p->slot_width[op->out.slot]) {
			made[op->out.slot] = true;
		}
	}
	return at;
}

static void want(struct loom_device_state *s, int32_t row, int32_t n)
{
	int32_t lo = loom_cpu_seq_at(s, row);

	s->kept_lo[lo] = row < s->kept_lo[lo] ? row : s->kept_lo[lo];
	s->kept_hi[lo] = row + n > s->kept_hi[lo] ? row + n : s->kept_hi[lo];
}

/* The rows of each sequence that are wanted, kept_lo .. kept_hi-1; returns how many in all. */
static int32_t choose(struct loom_device_state *s, const struct loom_tap_copy *copies, size_t n_copy)
{
	const struct loom_batch *b = s->batch;
	int32_t sum = 0;

	for (int32_t i = 0; i < b->n_seq; i++) {
		s->kept_lo[i] = INT32_MAX;
		s->kept_hi[i] = 0;
	}
	for (int32_t i = 0; i < b->n_out; i++) {
		want(s, b->out_rows[i], 1);
	}
	for (size_t i = 0; i < n_copy; i++) {
		if (!s->plan->ops[copies[i].op].out_rows && copies[i].n_row > 0) {
			want(s, copies[i].row0, copies[i].n_row);
		}
	}
	for (int32_t i = 0; i < b->n_seq; i++) {
		sum += s->kept_hi[i] > s->kept_lo[i] ? s->kept_hi[i] - s->kept_lo[i] : 0;
	}
	return sum;
}

void loom_cpu_narrow(struct loom_device_state *s, const struct loom_tap_copy *copies, size_t n_copy)
{
	const struct loom_batch *b = s->batch;
	int32_t n_row = choose(s, copies, n_copy), n = 0, row = 0;

	if (n_row == b->n_tok) {
		return;
	}
	for (int32_t i = 0; i < b->n_seq; i++) {
		int32_t lo = s->kept_lo[i], hi = s->kept_hi[i];
		struct loom_batch_seq q = b->seqs[i];
		if (hi <= lo) {
			continue;
		}
		for (int32_t k = 0; k < s->plan->n_slot; k++) {
			if (s->live[k]) {
				size_t width = (size_t)s->plan->slot_width[k];
				memmove(s->slots[k] + (size_t)row * width, s->slots[k] + (size_t)lo * width, (size_t)(hi - lo) * width * sizeof(float));
			}
		}
		s->kept_lo[n] = lo; /* n <= i */
		s->kept_keys[n] = q.pos0 + q.n_row;
		q.pos0 += lo - q.row0;
		q.row0 = row;
		q.n_row = hi - lo;
		s->kept_seqs[n++] = q;
		row += q.n_row;
	}
	s->kept = *b;
	s->kept.n_tok = n_row;
	s->kept.n_seq = n;
	s->kept.seqs = s->kept_seqs;
	s->batch = &s->kept;
	for (int32_t i = 0; i < b->n_out; i++) {
		s->kept_out[i] = loom_cpu_row_now(s, b->out_rows[i]);
	}
	s->kept.out_rows = s->kept_out;
}

int32_t loom_cpu_row_now(const struct loom_device_state *s, int32_t row)
{
	int32_t lo = 0, hi = s->kept.n_seq;

	if (s->batch != &s->kept) {
		return row;
	}
	while (hi - lo > 1) {
		int32_t mid = lo + (hi - lo) / 2;
		if (s->kept_lo[mid] <= row) {
			lo = mid;
		} else {
			hi = mid;
		}
	}
	return s->kept_seqs[lo].row0 + row - s->kept_lo[lo];
}

int32_t loom_cpu_keys(const struct loom_device_state *s, const struct loom_batch_seq *q)
{
	return s->batch == &s->kept ? s->kept_keys[q - s->kept_seqs] : q->pos0 + q->n_row;
}
