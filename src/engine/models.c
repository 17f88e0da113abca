/* models.c: which models are in memory: what a request asks for becomes what the registry knows (load/registry.h), and what the
 * registry opens becomes a resident (resident.c). */
#include "engine_internal.h"

#include <stdio.h>
#include <string.h>

#include "hub.h"
#include "mem.h"
#include "str.h"

/* ---- what is asked for ---- */

/* A spec that outlives the request: the load runs on a thread of its own. */
struct kept {
	struct loom_load_spec spec;
	char device[64], quantization[64], compute[16];
};

static void *keep(const void *spec)
{
	struct kept *k = loom_calloc(1, sizeof *k);
	if (!k)
		return NULL;
	k->spec = *(const struct loom_load_spec *)spec;
	k->spec.id = NULL; /* the registry has it */
	k->spec.cancelled = NULL;
	loom_str_copy(k->device, sizeof k->device, k->spec.device ? k->spec.device : "");
	loom_str_copy(k->quantization, sizeof k->quantization, k->spec.quantization ? k->spec.quantization : "");
	loom_str_copy(k->compute, sizeof k->compute, k->spec.compute ? k->spec.compute : "");
	k->spec.compute = k->spec.compute ? k->compute : NULL;
	k->spec.device = k->spec.device ? k->device : NULL;
	k->spec.quantization = k->spec.quantization ? k->quantization : NULL;
	return k;
}

static bool given(const char *s)
{
	return s && s[0];
}

/* What the request states beyond the id, as text. */
static void variant_of(const struct loom_engine *e, const struct loom_load_spec *s, char *out, size_t cap)
{
	char device[64] = "";
	if (given(s->device))
		loom_engine_device(e, s->device, device, sizeof device);
	snprintf(out, cap, "%s%s%s%s%s%s%s%s%s%s", s->dtype == LOOM_DTYPE_UNKNOWN ? "" : " dtype ", s->dtype == LOOM_DTYPE_UNKNOWN ? "" : loom_dtype_name(s->dtype),
		s->loader < 0 ? "" : " loader ", s->loader < 0 ? "" : loom_loader_name((enum loom_loader)s->loader), device[0] ? " device " : "", device,
		given(s->quantization) ? " quantization " : "", given(s->quantization) ? s->quantization : "",
		given(s->compute) ? " compute " : "", given(s->compute) ? s->compute : "");
}

static bool matches(void *ctx, const void *resident, const void *spec)
{
	return loom_resident_matches(ctx, resident, spec);
}

static const struct loom_model_override *override_of(const struct loom_engine *e, const char *id)
{
	for (size_t i = 0; i < e->opts.n_override; i++) {
		if (strcmp(e->opts.overrides[i].id, id) == 0)
			return &e->opts.overrides[i];
	}
	return NULL;
}

/* What the request leaves open is as the model's overrides say, else as the engine's options do. */
static void fill_in(const struct loom_engine *e, struct loom_load_spec *s)
{
	const struct loom_model_override *o = override_of(e, s->id);
	bool auto_dtype = o && o->dtype && strcmp(o->dtype, "auto") == 0;
	if (s->dtype == LOOM_DTYPE_UNKNOWN && !auto_dtype)
		s->dtype = o && o->dtype ? loom_dtype_from_torch(o->dtype) : e->opts.dtype;
	if (s->loader < 0 && o && o->loader)
		s->loader = loom_loader_parse(o->loader);
	if (!s->device || !s->device[0])
		s->device = o && o->device ? o->device : e->opts.device;
	if (!s->quantization && o)
		s->quantization = o->quantization;
}

static void hold(struct loom_engine *e, int by)
{
	pthread_mutex_lock(&e->lock);
	e->n_held += by;
	if (e->n_held == 0 && atomic_load(&e->stopping)) /* before, nobody waits for it: the sweeper would wake up with each request */
		pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

static enum loom_status open_entry(void *ctx, struct loom_entry *entry, const char *id, const void *spec, void **resident, struct loom_err *err)
{
	struct loom_load_spec s = *(const struct loom_load_spec *)spec;
	struct loom_resident *r = NULL;
	s.id = id;
	fill_in(ctx, &s);
	hold(ctx, 1);
	struct loom_engine_stats *stats = &((struct loom_engine *)ctx)->stats;
	enum loom_status st = loom_resident_open(ctx, entry, &s, &r, err);
	hold(ctx, -1);
	if (st)
		atomic_fetch_add(&stats->n_load_failed, 1);
	else
		loom_hist_add(&stats->load_seconds, r->load_seconds);
	*resident = r;
	return st;
}

static void close_entry(void *ctx, void *resident)
{
	(void)ctx;
	loom_resident_close(resident);
}

struct loom_registry *loom_models_registry(struct loom_engine *e)
{
	struct loom_registry_ops ops = {.open = open_entry, .close = close_entry, .matches = matches, .keep = keep, .drop = loom_free, .ctx = e};
	return loom_registry_new(&ops, e->opts.max_models, e->opts.auto_unload_minutes);
}

/* ---- acquiring, unloading ---- */

enum loom_status loom_engine_acquire(struct loom_engine *e, const struct loom_load_spec *spec, struct loom_resident **out,
	struct loom_err *err)
{
	struct loom_entry *entry = NULL;
	char variant[160];
	struct loom_want want = {.id = spec->id, .variant = variant, .spec = spec, .prefer = spec->prefer, .cancelled = spec->cancelled,
		.cancelled_ctx = spec->cancelled_ctx};
	variant_of(e, spec, variant, sizeof variant);
	*out = NULL;
	hold(e, 1);
	enum loom_status st = loom_engine_refuse_when_stopping(e, err);
	if (!st)
		st = loom_registry_acquire(e->registry, &want, &entry, err);
	if (st) {
		hold(e, -1);
		return st;
	}
	*out = loom_entry_resident(entry);
	atomic_store(&(*out)->entry, entry);
	return LOOM_OK;
}

void loom_engine_release(struct loom_engine *e, struct loom_resident *r)
{
	if (!r)
		return;
	loom_registry_release(e->registry, atomic_load(&r->entry));
	hold(e, -1);
}

enum loom_status loom_engine_unload(struct loom_engine *e, const char *id, unsigned drain_ms, struct loom_err *err)
{
	enum loom_status st = loom_registry_unload(e->registry, id, drain_ms, err);
	const char *dashes = strstr(id, "--");
	char other[512];
	if (st != LOOM_E_NOT_FOUND || !dashes || strlen(id) >= sizeof other)
		return st;
	size_t n = 0;
	for (const char *p = id; *p; n++) {
		bool pair = p[0] == '-' && p[1] == '-';
		other[n] = pair ? '/' : *p;
		p += pair ? 2 : 1;
	}
	other[n] = 0;
	return loom_registry_unload(e->registry, other, drain_ms, err);
}

enum loom_status loom_engine_probe(struct loom_engine *e, const char *id, struct loom_probe *out, int *configured, struct loom_err *err)
{
	const struct loom_model_override *o = override_of(e, id);
	struct loom_hub_opts hub = {.cache_dir = e->opts.cache_dir, .allow_local = loom_engine_local(e, id), .need = LOOM_HUB_SMALL};
	struct loom_source s;
	*configured = o && o->loader ? loom_loader_parse(o->loader) : -1;
	enum loom_status st = loom_hub_source(id, &hub, &s, err);
	st = st ? st : loom_source_probe(&s, &e->opts.loaders, out, err);
	if (!st && *configured >= 0)
		out->selected = out->can[*configured] ? *configured : -1;
	return st;
}

/* ---- what is there ---- */

struct each {
	void (*fn)(void *ctx, const struct loom_model_info *i);
	void *ctx;
};

static const char *const phases[] = {[LOOM_LOAD_OPENING] = "opening", [LOOM_LOAD_DOWNLOADING] = "downloading",
	[LOOM_LOAD_READING] = "reading"};

static void each_entry(void *ctx, const struct loom_entry_info *i)
{
	const struct each *each = ctx;
	struct loom_model_info info;
	memset(&info, 0, sizeof info);
	info.loader = "";
	info.compute = "float32";
	if (i->resident)
		loom_resident_info(i->resident, &info);
	loom_str_copy(info.id, sizeof info.id, i->id);
	info.loading = i->loading;
	info.phase = phases[i->phase];
	info.progress = i->progress;
	info.in_flight = i->pins;
	info.idle_seconds = i->idle_seconds;
	info.auto_unload_in = i->unload_in_seconds;
	each->fn(each->ctx, &info);
}

void loom_engine_each(struct loom_engine *e, void (*fn)(void *ctx, const struct loom_model_info *i), void *ctx)
{
	struct each each = {fn, ctx};
	loom_registry_each(e->registry, each_entry, &each);
}

static void check_alive(void *ctx, const struct loom_entry_info *i)
{
	const struct loom_resident *r = i->resident;
	bool *healthy = ctx;
	if (r && !atomic_load(&r->worker.alive))
		*healthy = false;
}

bool loom_engine_healthy(struct loom_engine *e)
{
	bool healthy = true;
	loom_registry_each(e->registry, check_alive, &healthy);
	return healthy;
}
