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

/* Scales of a panel's 48 rows at one k. */
struct scales {
	float a[LOOM_PANEL], b[LOOM_PANEL];
};

PACKQ_INLINE vec16 scale_load(const struct loom_packq *q, const char *at, int64_t index)
{
	switch (q->scale) {
	case LOOM_F16: return vec_of_f16((const uint16_t *)(const void *)at + index);
	case LOOM_BF16: return vec_of_bf16((const uint16_t *)(const void *)at + index);
	case LOOM_F8_E8M0: return vec_of_e8((const uint8_t *)at + index, loom_e8_scale);
	default: return vec_load((const float *)(const void *)at + index);
	}
}

static void scales_at(const struct loom_packed *p, int64_t panel, int64_t k, struct scales *s)
{
	const struct loom_packq *q = &p->q;
	const char *data = p->data;
	int64_t g = q->g_idx ? q->g_idx[k] : k / q->group, n_super = (p->n_col + 255) / 256;
	int64_t group = (panel * q->n_group + g) * LOOM_PANEL, super = (panel * n_super + k / 256) * LOOM_PANEL;

	for (int64_t v = 0; v < LOOM_PANEL; v += 16) {
		vec16 a = scale_load(q, data + q->a_at, (q->sub ? super : group) + v);
		const uint8_t *sub = (const uint8_t *)data + q->sub_at + group + v;
		if (q->nibbles) {
			a = vec_mul(a, word_float(word_and(word_of_u8(sub), 15)));
		} else if (q->sub) {
			a = vec_mul(a, vec_of_i8((const int8_t *)sub));
		}
		vec_store(s->a + v, a);
		if (q->submin) {
			vec16 m = vec_of_f16((const uint16_t *)(const void *)(data + q->b_at) + super + v);
			word16 min = q->nibbles ? word_right(word_of_u8(sub), 4) : word_of_u8((const uint8_t *)data + q->min_at + group + v);
			vec_store(s->b + v, vec_mul(vec_mul(m, word_float(min)), vec_set1(-1.0f)));
		} else if (q->combine == LOOM_COMBINE_ADD) {
			vec_store(s->b + v, vec_of_f16((const uint16_t *)(const void *)(data + q->b_at) + group + v));
		} else if (q->combine == LOOM_COMBINE_ZERO) {
			vec_store(s->b + v, vec_of_i8((const int8_t *)data + q->b_at + group + v));
		}
	}
}
