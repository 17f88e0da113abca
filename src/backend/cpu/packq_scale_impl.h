/* packq_scale_impl.h: the scales of a panel at one k, for packq_impl.h and int8_impl.h. Included once in each of their files. */
#include "matmul.h"
#include "packq.h"
#include "packq_vec.h"

#define VECS (LOOM_PANEL / 16)

/* Vectors get a loop for each kind of codes, unrolled; plain C is one loop that asks at each step, which compiles in reasonable time. */
#if LOOM_VEC == LOOM_VEC_REF
#define PACKQ_INLINE static
#else
#define PACKQ_INLINE VEC_INLINE
#endif
/* Loops that are written out, so that shifts are by constants; not where every load is instrumented. */
#if LOOM_VEC == LOOM_VEC_REF || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PACKQ_FLAT 0
#define PACKQ_UNROLL
#else
#define PACKQ_FLAT 1
#define PACKQ_UNROLL _Pragma("GCC unroll 8")
#endif

PACKQ_INLINE vec16 scale_load(const struct loom_packq *q, const char *at, int64_t index)
{
	switch (q->scale) {
	case LOOM_F16: return vec_of_f16((const uint16_t *)(const void *)at + index);
	case LOOM_BF16: return vec_of_bf16((const uint16_t *)(const void *)at + index);
	case LOOM_F8_E8M0: return vec_of_e8((const uint8_t *)at + index, loom_e8_scale);
	default: return vec_load((const float *)(const void *)at + index);
	}
}

/* Where the scales of a panel at one k lie: group and super-block, as indices of their arrays. */
struct scale_at {
	int64_t group, super;
};

PACKQ_INLINE struct scale_at scale_place(const struct loom_packed *p, int64_t panel, int64_t k, int64_t g)
{
	int64_t n_super = (p->n_col + 255) / 256;

	return (struct scale_at){(panel * p->q.n_group + g) * LOOM_PANEL, (panel * n_super + k / 256) * LOOM_PANEL};
}

/* The first numbers of rows v .. v+15 of the panel. */
PACKQ_INLINE vec16 scale_first(const struct loom_packed *p, struct scale_at at, int64_t v)
{
	const struct loom_packq *q = &p->q;
	const char *data = p->data;
	vec16 a = scale_load(q, data + q->a_at, (q->sub ? at.super : at.group) + v);

	if (q->nibbles) {
		a = vec_mul(a, word_float(word_and(word_of_u8((const uint8_t *)data + q->sub_at + at.group + v), 15)));
	} else if (q->sub) {
		a = vec_mul(a, vec_of_i8((const int8_t *)data + q->sub_at + at.group + v));
	}
	return a;
}

/* And the second, of ADD and ZERO. */
PACKQ_INLINE vec16 scale_second(const struct loom_packed *p, struct scale_at at, int64_t v)
{
	const struct loom_packq *q = &p->q;
	const char *data = p->data;

	if (q->submin) {
		vec16 m = vec_of_f16((const uint16_t *)(const void *)(data + q->b_at) + at.super + v);
		word16 min = q->nibbles ? word_right(word_of_u8((const uint8_t *)data + q->sub_at + at.group + v), 4)
			: word_of_u8((const uint8_t *)data + q->min_at + at.group + v);
		return vec_mul(vec_mul(m, word_float(min)), vec_set1(-1.0f));
	}
	if (q->combine == LOOM_COMBINE_ADD) {
		return vec_of_f16((const uint16_t *)(const void *)(data + q->b_at) + at.group + v);
	}
	return vec_of_i8((const int8_t *)data + q->b_at + at.group + v);
}
