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
	int64_t group, super, panel, k;
};

PACKQ_INLINE struct scale_at scale_place(const struct loom_packed *p, int64_t panel, int64_t k, int64_t g)
{
	int64_t n_super = (p->n_col + 255) / 256;

	return (struct scale_at){(panel * p->q.n_group + g) * LOOM_PANEL, (panel * n_super + k / 256) * LOOM_PANEL, panel, k};
}

/* Nested: of each row the outer scale of its span. */
PACKQ_INLINE vec16 scale_nested(const struct loom_packed *p, struct scale_at at, int64_t v)
{
	const struct loom_packq *q = &p->q;
	const uint8_t *code = (const uint8_t *)p->data + q->a_at + at.group + v;
	const float *nest = (const float *)(const void *)((const char *)p->data + q->nest_at) + at.panel * (1 + q->n_nest) * LOOM_PANEL + v;
	const float *map = (const float *)(const void *)((const char *)p->data + q->map_at);
	vec16 place = vec_add(vec_load(nest), vec_set1((float)at.k)), outer = vec_load(nest + LOOM_PANEL);
	float inner[16];

	for (int i = 0; i < 16; i++) {
		inner[i] = map[1 + code[i]];
	}
	for (int i = 1; i < q->n_nest; i++) {
		outer = vec_select(vec_less(place, vec_set1((float)(i * q->nest_span))), outer, vec_load(nest + (1 + i) * LOOM_PANEL));
	}
	return vec_add(vec_mul(vec_load(inner), outer), vec_set1(map[0]));
}

/* The first numbers of rows v .. v+15 of the panel. */
PACKQ_INLINE vec16 scale_first(const struct loom_packed *p, struct scale_at at, int64_t v)
{
	const struct loom_packq *q = &p->q;
	const char *data = p->data;
	vec16 a = q->scale == LOOM_U8 ? scale_nested(p, at, v) : scale_load(q, data + q->a_at, (q->sub ? at.super : at.group) + v);

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
