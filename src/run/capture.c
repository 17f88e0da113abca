/* capture.c: from a client's words to ops and positions. Stands between the request and the first step: everything that can be refused
 * is refused here. Rows are moved in capture_rows.c. */
#include "capture.h"

#include <stdio.h>
#include <string.h>

#include "str.h"

/* ---- Python's slices ---- */

struct range {
	int64_t start, stop, step;
};

static int64_t clip(int64_t i, int64_t n)
{
	if (i < 0)
		i += n;
	return i < 0 ? 0 : i > n ? n : i;
}

static struct range slice_range(const struct loom_slice *s, int64_t n)
{
	return (struct range){
		.start = s->has_start ? clip(s->start, n) : 0,
		.stop = s->has_stop ? clip(s->stop, n) : n,
		.step = s->step > 0 ? s->step : 1,
	};
}

static size_t range_count(const struct range *r)
{
	return r->stop <= r->start ? 0 : (size_t)((r->stop - r->start - 1) / r->step + 1);
}

/* ---- sites and layers ---- */

static enum loom_status unknown_site(const struct loom_model *m, enum loom_site site, struct loom_err *err)
{
	char list[400] = "";
	size_t n = 0;
	for (int i = 0; i < LOOM_N_SITE; i++) {
		struct loom_site_info info;
		loom_model_site(m, (enum loom_site)i, &info);
		const char *name = loom_site_name((enum loom_site)i);
		size_t len = strlen(name);
		if (!info.present || n + len + 3 > sizeof list)
			continue;
		if (n)
			n += loom_str_copy(list + n, sizeof list - n, ", ");
		n += loom_str_copy(list + n, sizeof list - n, name);
	}
	return loom_err_param(err, LOOM_E_INVALID, "capture.site", "site %s: this model has no such place; it has %s",
		loom_site_name(site), list);
}

/* The indices as asked, negative ones counted from the end, into c->layers; of a range those layers that have the site. */
static enum loom_status resolve_layers(struct loom_capture *c, const struct loom_model *m, int64_t n, const char *param,
	struct loom_arena *arena, struct loom_err *err)
{
	const struct loom_capture_spec *s = c->spec;
	size_t kept = 0;
	struct range r = {0, n, 1};
	if (s->layer_select == LOOM_SELECT_SLICE)
		r = slice_range(&s->layer_slice, n);
	c->n_layer = s->layer_select == LOOM_SELECT_LIST ? s->n_layer : range_count(&r);
	c->layers = loom_arena_alloc(arena, c->n_layer, sizeof *c->layers);
	if (!c->layers)
		return loom_err_nomem(err, "layers of a capture", c->n_layer * sizeof *c->layers);
	for (size_t i = 0; i < c->n_layer; i++) {
		int64_t k = s->layer_select == LOOM_SELECT_LIST ? s->layers[i] : r.start + (int64_t)i * r.step;
		if (k < -n || k >= n)
			return loom_err_param(err, LOOM_E_INVALID, param, "layer %lld: site %s of this model has layers 0..%lld and -%lld..-1",
				(long long)k, loom_site_name(s->site), (long long)(n - 1), (long long)n);
		c->layers[kept] = (int32_t)(k < 0 ? k + n : k);
		kept += s->layer_select == LOOM_SELECT_LIST || loom_plan_tap(&m->plan, s->site, c->layers[kept]) >= 0;
	}
	c->n_layer = kept;
	return LOOM_OK;
}

static bool layers_said(const struct loom_capture_spec *s)
{
	bool last = s->layer_select == LOOM_SELECT_LIST && s->n_layer == 1 && s->layers[0] == -1;
	return s->layer_select == LOOM_SELECT_SLICE || (s->layer_select == LOOM_SELECT_LIST && s->n_layer > 0 && !last);
}

static enum loom_status no_site_there(const struct loom_model *m, enum loom_site site, int32_t layer, const char *param,
	struct loom_err *err)
{
	char list[160] = "";
	size_t n = 0;
	for (int32_t l = 0; l < m->plan.n_layer && n + 16 < sizeof list; l++) {
		if (loom_plan_tap(&m->plan, site, l) >= 0)
			n += (size_t)snprintf(list + n, sizeof list - n, "%s%d", n ? ", " : "", (int)l);
	}
	return loom_err_param(err, LOOM_E_INVALID, param, "layer %d of this model has no site %s; layers that have it: %s%s", (int)layer,
		loom_site_name(site), list, n + 16 < sizeof list ? "" : " …");
}

static enum loom_status resolve_ops(struct loom_capture *c, const struct loom_model *m, const char *param, struct loom_arena *arena,
	struct loom_err *err)
{
	enum loom_site site = c->spec->site;
	c->n_plane = c->layered ? c->n_layer : 1;
	c->ops = loom_arena_alloc(arena, c->n_plane, sizeof *c->ops);
	if (!c->ops)
		return loom_err_nomem(err, "taps of a capture", c->n_plane * sizeof *c->ops);
	for (size_t i = 0; i < c->n_plane; i++) {
		int32_t layer = c->layered ? c->layers[i] : -1;
		int32_t op = loom_plan_tap(&m->plan, site, layer);
		if (op < 0)
			return no_site_there(m, site, layer, param, err);
		int32_t width = c->keyed ? m->plan.n_head : m->plan.ops[op].a.width;
		if (i > 0 && width != c->width)
			return loom_err_param(err, LOOM_E_INVALID, param, "layers %d and %d have rows of %d and %d numbers: ask for them in "
				"captures of their own", (int)c->layers[0], (int)layer, (int)c->width, (int)width);
		c->width = width;
		c->out_rows = m->plan.ops[op].out_rows;
		c->ops[i] = op;
	}
	return LOOM_OK;
}

/* ---- positions ---- */

static struct range select_range(const struct loom_capture *c, int64_t total)
{
	int64_t p = c->n_prompt, last_predictor = total > p ? total - 2 : p - 1;
	switch (c->select) {
	case LOOM_SELECT_LAST:
		return (struct range){total - 1, total, 1};
	case LOOM_SELECT_PROMPT:
		return (struct range){0, p, 1};
	case LOOM_SELECT_GENERATED:
		return (struct range){p, total, 1};
	case LOOM_SELECT_PREDICTORS:
		return (struct range){p - 1, last_predictor + 1, 1};
	case LOOM_SELECT_LAST_PREDICTOR:
		return (struct range){last_predictor, last_predictor + 1, 1};
	case LOOM_SELECT_SLICE:
		return slice_range(&c->spec->slice, total);
	case LOOM_SELECT_ALL:
	case LOOM_SELECT_LIST:
		break;
	}
	return (struct range){0, total, 1};
}

enum loom_status loom_capture_positions(const struct loom_capture *c, int32_t total, int64_t *out, size_t *n, struct loom_err *err)
{
	const struct loom_capture_spec *s = c->spec;
	bool list = c->select == LOOM_SELECT_LIST;
	struct range r = select_range(c, total);
	*n = list ? s->n_position : range_count(&r);
	for (size_t i = 0; list && i < *n; i++) {
		int64_t p = s->positions[i];
		if (p < -(int64_t)total || p >= total)
			return loom_err_param(err, LOOM_E_INVALID, "capture.positions", "position %lld: there are %d (%d of the prompt and %d "
				"generated): 0..%d and -%d..-1", (long long)p, (int)total, (int)c->n_prompt, (int)(total - c->n_prompt),
				(int)(total - 1), (int)total);
		if (out)
			out[i] = p < 0 ? p + total : p;
	}
	for (size_t i = 0; !list && out && i < *n; i++)
		out[i] = r.start + (int64_t)i * r.step;
	return LOOM_OK;
}

bool loom_capture_needs_last(const struct loom_capture *c, int32_t total)
{
	const struct loom_capture_spec *s = c->spec;
	if (c->select != LOOM_SELECT_LIST) {
		struct range r = select_range(c, total);
		size_t n = range_count(&r);
		return n > 0 && r.start + (int64_t)(n - 1) * r.step == total - 1;
	}
	for (size_t i = 0; i < s->n_position; i++) {
		if (s->positions[i] == -1 || s->positions[i] == total - 1)
			return true;
	}
	return false;
}

/* Marks every position that some length P+1 .. n_limit of the sequence may select; more than that is harmless. */
static void mark(const struct loom_capture *c, uint8_t *want)
{
	const struct loom_capture_spec *s = c->spec;
	int64_t shortest = c->n_limit > c->n_prompt ? c->n_prompt + 1 : c->n_prompt;
	if (c->select == LOOM_SELECT_LIST) {
		for (size_t i = 0; i < s->n_position; i++) {
			int64_t p = s->positions[i], from = p < 0 ? shortest + p : p, to = p < 0 ? c->n_limit + p : p;
			for (int64_t k = from < 0 ? 0 : from; k <= to; k++)
				want[k] = 1;
		}
		return;
	}
	struct range r = select_range(c, c->n_limit);
	if (c->select == LOOM_SELECT_SLICE && s->slice.has_start && s->slice.start < 0 && shortest < c->n_limit) {
		r.start = clip(s->slice.start, shortest);
		r.step = 1;
	}
	for (int64_t k = r.start; k < r.stop; k += r.step)
		want[k] = 1;
}

static enum loom_status resolve_positions(struct loom_capture *c, struct loom_arena *arena, struct loom_err *err)
{
	const struct loom_capture_spec *s = c->spec;
	size_t n = 0;
	c->select = s->select == LOOM_SELECT_LIST && s->n_position == 1 && s->positions[0] == -1 ? LOOM_SELECT_LAST : s->select;
	enum loom_status st = loom_capture_positions(c, c->n_limit, NULL, &n, err);
	if (st)
		return st;
	c->roll = c->n_limit > c->n_prompt && (c->select == LOOM_SELECT_LAST || c->select == LOOM_SELECT_LAST_PREDICTOR);
	if (c->roll) {
		c->n_row = 1;
		return LOOM_OK;
	}
	c->want = loom_arena_alloc(arena, (size_t)c->n_limit, 1);
	if (!c->want)
		return loom_err_nomem(err, "positions of a capture", (unsigned long long)c->n_limit);
	mark(c, c->want);
	int32_t end = c->n_limit;
	while (c->lo < end && !c->want[c->lo])
		c->lo++;
	while (end > c->lo && !c->want[end - 1])
		end--;
	c->n_row = end - c->lo;
	return LOOM_OK;
}

enum loom_status loom_capture_resolve(struct loom_capture *c, const struct loom_capture_spec *spec, const struct loom_model *m,
	int32_t n_prompt, int32_t n_limit, const char *layers_param, struct loom_arena *arena, struct loom_err *err)
{
	struct loom_site_info info;
	const char *param = layers_param ? layers_param : "capture.layers";
	*c = (struct loom_capture){.spec = spec, .n_prompt = n_prompt, .n_limit = n_limit, .causal = m->plan.causal};
	loom_model_site(m, spec->site, &info);
	if (!info.present)
		return unknown_site(m, spec->site, err);
	c->keyed = spec->site == LOOM_SITE_ATTN_PROBS;
	c->layered = info.n_layer > 0;
	if (!c->layered && layers_said(spec))
		return loom_err_param(err, LOOM_E_INVALID, param, "site %s has no layers: leave \"layers\" out", loom_site_name(spec->site));
	enum loom_status st = c->layered ? resolve_layers(c, m, info.n_layer, param, arena, err) : LOOM_OK;
	if (!st)
		st = resolve_ops(c, m, param, arena, err);
	if (!st)
		st = resolve_positions(c, arena, err);
	if (!st && c->n_plane == 0)
		c->width = c->keyed ? m->plan.n_head : info.width;
	return st;
}

/* ---- sizes ---- */

/* a*b*c*d, UINT64_MAX when it does not fit. */
static uint64_t product(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t p;
	if (__builtin_mul_overflow(a, b, &p) || __builtin_mul_overflow(p, c, &p) || __builtin_mul_overflow(p, d, &p))
		return UINT64_MAX;
	return p;
}

uint64_t loom_capture_work_bytes(const struct loom_capture *c)
{
	uint64_t keys = c->keyed ? (uint64_t)(c->roll || !c->causal ? c->n_limit : c->lo + c->n_row) : 1;
	return product(product(c->n_plane, (uint64_t)c->n_row, (uint64_t)c->width, keys), sizeof(float), 1, 1);
}

enum loom_status loom_capture_shape(const struct loom_capture *c, int32_t total, struct loom_capture_shape *s, struct loom_err *err)
{
	size_t n = 0;
	enum loom_status st = loom_capture_positions(c, total, NULL, &n, err);
	if (st)
		return st;
	*s = (struct loom_capture_shape){.n_plane = (int64_t)c->n_plane, .n_position = (int64_t)n, .width = c->width};
	if (c->keyed && c->causal) {
		/* up to the last position asked for, so that the shape does not depend on other captures */
		struct range r = select_range(c, total);
		int64_t top = n ? r.start + (int64_t)(n - 1) * r.step : -1;
		if (c->select == LOOM_SELECT_LIST) {
			top = -1;
			for (size_t i = 0; i < n; i++) {
				int64_t p = c->spec->positions[i] < 0 ? c->spec->positions[i] + total : c->spec->positions[i];
				top = p > top ? p : top;
			}
		}
		s->n_key = top + 1;
	} else if (c->keyed) {
		s->n_key = c->n_prompt;
	}
	if (c->keyed)
		s->width = (int64_t)c->width * s->n_key;
	if (c->spec->reduce != LOOM_REDUCE_NONE && n == 0)
		return loom_err_param(err, LOOM_E_INVALID, "capture.reduce", "capture %s: no positions to reduce", c->spec->name);
	s->n_float = product(c->n_plane, c->spec->reduce == LOOM_REDUCE_NONE ? n : 1, (uint64_t)s->width, 1);
	return LOOM_OK;
}
