/* mix.h: kernels of the mixers that carry a state from token to token: short convolutions, selective scans, delta rules. One token a
 * call; columns beside each other, so that each number has its own chain (docs/numerics.md). One table for each instruction set. */
#ifndef LOOM_MIX_H
#define LOOM_MIX_H

#include <stddef.h>

#include "cpu_isa.h"

struct loom_delta_head {
	const float *q, *k, *v;      /* [dk], [dk], [dv] as they come */
	float scale;                 /* of q, after its normalization */
	float write, decay, a, bias; /* loom_backend.h, LOOM_OP_DELTA */
	size_t dk, dv;
};

struct loom_scan_head {
	const float *x, *b, *c;      /* [width], [n_state], [n_state] */
	float dt, bias, a, d;        /* loom_backend.h, LOOM_OP_SCAN_HEADS */
	size_t n_state, width;
};

struct loom_mix {
	/* y = sum over j of w[j] * x[j] (+ bias), j ascending in one chain of fused multiply-adds from 0. x [n_tap] rows of n, w [n_tap][ldw]. */
	void (*conv)(const float *const *x, int n_tap, const float *w, size_t ldw, const float *bias, float *y, size_t n);
	/* n columns: h [d_state][ldh] in and out, a [d_state][lda], x, dt, d [n], bc [2 d_state] as loom_backend.h's LOOM_OP_SCAN. */
	void (*scan)(float *h, size_t ldh, const float *a, size_t lda, int d_state, const float *x, const float *dt, const float *bc,
		const float *d, float *y, size_t n);
	/* h [n_state][width] in and out, y [width]. */
	void (*scan_head)(float *h, const struct loom_scan_head *s, float *y);
	/* s [dk][dv] in and out, y [dv]; work [2 dk + dv]. */
	void (*delta)(float *s, const struct loom_delta_head *h, float *y, float *work);
};

extern const struct loom_mix loom_mix_ref, loom_mix_avx2, loom_mix_avx512;
const struct loom_mix *loom_mix_for(enum loom_isa isa);

#endif
