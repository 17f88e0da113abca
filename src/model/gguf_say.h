/* gguf_say.h: the other direction of config_gguf.c: a config as GGUF metadata, by the same tables. What no key can say is not said: the caller reads
 * the file back and compares (plan_same.h). */
#ifndef LOOM_GGUF_SAY_H
#define LOOM_GGUF_SAY_H

#include "config.h"
#include "gguf_write.h"
#include "plan.h"

/* Small float32 tensors that belong to the metadata: factors of rotary frequencies. */
struct loom_gguf_small {
	const char *name;
	const float *v; /* [n] */
	int32_t n;
};
#define LOOM_MAX_SMALL 2

/* general.architecture, also into arch, and that architecture's keys; *n of small [LOOM_MAX_SMALL] are filled, from arena. */
enum loom_status loom_gguf_say(struct loom_gguf_out *o, const struct loom_config *cfg, char arch[64], struct loom_gguf_small *small, int *n,
	struct loom_arena *arena, struct loom_err *err) LOOM_MUST_CHECK;

/* Are two plans the same computation, wherever each weight is stored? A head that one of them lacks is passed over. false: what differs is in
 * why. plan_same.c */
bool loom_plan_same(const struct loom_plan *a, const struct loom_plan *b, char *why, size_t cap);

#endif
