/* blocks_check.c: does a block program make sense? Manifests are written by people, and a buffer that nobody filled holds what another request
 * left there. */
#include "manifest.h"

#define BIT(slot) (1u << LOOM_SLOT_##slot)

/* Buffers as wide as the stream: the only ones that a program may name. */
static bool is_stream(enum loom_slot s)
{
	return s == LOOM_SLOT_RESID || s == LOOM_SLOT_X || s == LOOM_SLOT_SUB || s == LOOM_SLOT_SUB2;
}

/* Norms may also stand on what the two products back to the stream read. */
static bool normed_in_place(const struct loom_step *s)
{
	return s->kind == LOOM_STEP_NORM && s->a == s->out && (s->a == LOOM_SLOT_HEADS || s->a == LOOM_SLOT_ACT);
}

/* The buffer that a site is usually in. */
static enum loom_slot site_slot(enum loom_site site)
{
	switch (site) {
	case LOOM_SITE_ATTN_NORM:
	case LOOM_SITE_MLP_NORM:
		return LOOM_SLOT_X;
	case LOOM_SITE_Q:
	case LOOM_SITE_K:
	case LOOM_SITE_V:
	case LOOM_SITE_ATTN_PROBS:
		return LOOM_SLOT_QKV;
	case LOOM_SITE_ATTN_HEADS:
		return LOOM_SLOT_HEADS;
	case LOOM_SITE_ROUTER:
		return LOOM_SLOT_ROUTER;
	case LOOM_SITE_ATTN_OUT:
	case LOOM_SITE_MLP_OUT:
		return LOOM_SLOT_SUB;
	case LOOM_SITE_MLP_ACT:
		return LOOM_SLOT_ACT;
	case LOOM_SITE_RESID_PRE:
	case LOOM_SITE_RESID_MID:
	case LOOM_SITE_RESID_POST:
		return LOOM_SLOT_RESID;
	default:
		return LOOM_SLOT_NONE;
	}
}

/* Buffers that a step reads and writes beyond those it names. */
static void hidden_slots(const struct loom_step *s, uint32_t *reads, uint32_t *writes)
{
	switch (s->kind) {
	case LOOM_STEP_QKV:
	case LOOM_STEP_LATENT:
		*writes |= BIT(QKV);
		break;
	case LOOM_STEP_CLIP:
	case LOOM_STEP_QK_NORM:
	case LOOM_STEP_ROTATE:
	case LOOM_STEP_TEMPER:
	case LOOM_STEP_KV_STORE:
		*reads |= BIT(QKV);
		break;
	case LOOM_STEP_ATTEND:
		*reads |= BIT(QKV);
		*writes |= BIT(HEADS);
		break;
	case LOOM_STEP_PROJECT:
	case LOOM_STEP_GATE_HEADS:
		*reads |= BIT(HEADS);
		break;
	case LOOM_STEP_ROUTE:
		*writes |= BIT(ROUTER) | BIT(CHOSEN);
		break;
	case LOOM_STEP_EXPERTS:
		*reads |= BIT(CHOSEN);
		break;
	case LOOM_STEP_SHARED:
		*reads |= 1u << s->out;
		*writes |= BIT(SUB2);
		break;
	case LOOM_STEP_FFN:
		*writes |= BIT(ACT);
		break;
	case LOOM_STEP_DOWN:
		*reads |= BIT(ACT);
		break;
	default:
		break;
	}
}

struct state {
	uint32_t written, stored, sites;
};

static const char *tap_fault(struct state *st, const struct loom_step *s)
{
	enum loom_slot usual = site_slot(s->site), at = s->a == LOOM_SLOT_NONE ? usual : s->a;

	if (usual == LOOM_SLOT_NONE) {
		return "this site is not inside a block";
	}
	if (at != usual && (!is_stream(at) || !is_stream(usual))) {
		return "the site has another width than this buffer";
	}
	if (st->sites & 1u << s->site) {
		return "the site is tapped twice";
	}
	st->sites |= 1u << s->site;
	return st->written & 1u << at ? NULL : "the site's buffer has not been written yet";
}

static const char *step_fault(struct state *st, const struct loom_step *s)
{
	uint32_t reads = 0, writes = 0;

	if (s->kind == LOOM_STEP_TAP) {
		return tap_fault(st, s);
	}
	for (const char *o = loom_step_operands(s->kind); *o; o++) {
		enum loom_slot slot = *o == 'a' ? s->a : *o == 'b' ? s->b : s->out;
		if (*o == 'r' || *o == 's') {
			continue;
		}
		if (!is_stream(slot) && !normed_in_place(s)) {
			return "only resid, x, sub and sub2 may be named; heads and act by a norm in place";
		}
		*(*o == 'o' ? &writes : &reads) |= 1u << slot;
	}
	hidden_slots(s, &reads, &writes);
	if (reads & ~st->written) {
		return "it reads a buffer that has not been written yet";
	}
	if (s->kind == LOOM_STEP_KV_STORE || s->kind == LOOM_STEP_ATTEND) {
		uint32_t bit = 1u << (s->kind == LOOM_STEP_ATTEND);
		if (st->stored & bit) {
			return "a block stores its keys once, and attends once";
		}
		if (s->kind == LOOM_STEP_ATTEND && !(st->stored & 1u)) {
			return "attend stands before kv_store";
		}
		st->stored |= bit;
	}
	st->written |= writes;
	return NULL;
}

const char *loom_block_fault(const struct loom_block *b, size_t *step)
{
	struct state st = {.written = BIT(RESID)};

	for (*step = 0; b->steps[*step].kind != LOOM_STEP_END; (*step)++) {
		const char *fault = step_fault(&st, &b->steps[*step]);
		if (fault) {
			return fault;
		}
	}
	return NULL;
}
