/* cpu_bias.c: what ATTEND adds to scores, as a table [head][...] made once a state, of which a row takes a stretch: the kernels know
 * only "bias[k] for key k". The table reaches as far as a sequence can. */
#include <math.h>

#include "cpu.h"
#include "f16.h"

static enum loom_score_bias kind_of(const struct loom_plan *p, float *scale)
{
	for (int32_t i = 0; i < p->n_op; i++) {
		if (p->ops[i].kind == LOOM_OP_ATTEND && p->ops[i].score_bias != LOOM_SCORE_PLAIN) {
			*scale = p->ops[i].scale;
			return p->ops[i].score_bias;
		}
	}
	return LOOM_SCORE_PLAIN;
}

int32_t loom_cpu_bias_stride(const struct loom_plan *p, int32_t n)
{
	float scale;

	switch (kind_of(p, &scale)) {
	case LOOM_SCORE_ALIBI: /* by distance: from k - q = 1 - n, and up to n - 1 where keys after q are seen */
		return p->causal ? n : 2 * n - 1;
	case LOOM_SCORE_ALIBI_BF16: /* by key */
		return n;
	case LOOM_SCORE_PLAIN:
		break;
	}
	return 0;
}

static float round_bf16(float x)
{
	uint16_t h;

	loom_f32_to_bf16_n(&x, &h, 1);
	return loom_bf16_to_f32(h);
}

void loom_cpu_bias_fill(struct loom_device_state *s)
{
	const struct loom_plan *p = s->plan;
	float scale = 1.0f;
	enum loom_score_bias kind = kind_of(p, &scale);
	int32_t n = kind == LOOM_SCORE_ALIBI && !p->causal ? (s->bias_stride + 1) / 2 : s->bias_stride;

	for (int32_t h = 0; h < p->n_head && s->score_bias; h++) {
		float *row = s->score_bias + (size_t)h * (size_t)s->bias_stride, slope = p->alibi[h];
		for (int32_t i = 0; i < s->bias_stride; i++) {
			if (kind == LOOM_SCORE_ALIBI) {
				row[i] = -slope * fabsf((float)(i - (n - 1)));
			} else {
				row[i] = scale * round_bf16(round_bf16(slope) * round_bf16((float)i));
			}
		}
	}
}

void loom_cpu_bias_row(const struct loom_device_state *s, const struct loom_op *op, int32_t head, int32_t pos, struct loom_attn_row *row)
{
	const float *table = s->score_bias + (size_t)head * (size_t)s->bias_stride;

	row->bias = table;
	row->last = INT32_MAX;
	if (op->score_bias == LOOM_SCORE_ALIBI) {
		int32_t n = s->plan->causal ? s->bias_stride : (s->bias_stride + 1) / 2;
		row->at = n - 1 - pos;
	} else {
		row->bias_base = table[pos];
	}
}
