/* rope.h: rotary frequencies of every rope type, from what a config says. The formulas are those of transformers'
 * modeling_rope_utils.py, rounded where it rounds (float32 powers, float64 constants). */
#ifndef LOOM_ROPE_H
#define LOOM_ROPE_H

#include "arena.h"
#include "err.h"
#include "loom_backend.h"

/* What the types need; absent numbers are NAN, absent lists NULL. */
struct loom_rope_spec {
	enum loom_rope_type type;
	int32_t dim;
	int64_t max_position, original_max;
	double base, factor, attn_factor;
	double short_mscale, long_mscale;  /* LONGROPE's attention factors below and above original_max, where they are said */
	double beta_fast, beta_slow, mscale, mscale_all_dim, low_freq_factor, high_freq_factor;
	bool truncate;
	const float *short_ext, *long_ext; /* [dim/2] longrope's factors */
	const float *divide;               /* [dim/2] each frequency is divided by this (GGUF's rope_freqs); NULL none */
};
void loom_rope_spec_init(struct loom_rope_spec *s);
/* Fills r; arrays live in arena. LOOM_E_MODEL when a number the type needs is absent or out of range. */
enum loom_status loom_rope_make(struct loom_rope *r, const struct loom_rope_spec *s, const char *where, struct loom_arena *arena,
	struct loom_err *err) LOOM_MUST_CHECK;
#endif
