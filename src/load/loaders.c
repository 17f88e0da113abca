/* loaders.c: the table of loaders: what each opens, by which mark it is recognised, and whether it could open a source, in words for people. Reads
 * only configs and file lists; open.c opens. */
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "jsonx.h"
#include "mem.h"
#include "source.h"
#include "str.h"

/* What every loader's probe looks at, found out once. */
struct look {
	const struct loom_source *s;
	enum loom_status plan;       /* of the config alone */
	struct loom_err why;         /* plan failed */
	enum loom_status custom;     /* of the plan through loom.json, when that is there */
	struct loom_err custom_why;
	bool weights, remote_gguf;   /* safetensors are here or on the hub; a GGUF file is on the hub */
	char body[256];              /* loom_st_body */
	bool fixed;
};

static bool there(const struct loom_source *s, const char *name)
{
	char path[PATH_MAX];

	return !s->is_gguf && loom_path_join(path, sizeof(path), s->path, name) && loom_path_is_file(path);
}

static bool is_gguf(const struct loom_source *s)
{
	return s->is_gguf || loom_str_ends(s->remote_weights, ".gguf");
}

static bool has_manifest(const struct loom_source *s)
{
	return there(s, "loom.json");
}

static bool has_modules(const struct loom_source *s)
{
	return there(s, "modules.json");
}

static bool has_config(const struct loom_source *s)
{
	return there(s, "config.json");
}

/* In the folder, or in the one inside it that modules.json names for the transformer. */
static bool weights_there(const struct look *l)
{
	char name[320];

	(void)snprintf(name, sizeof(name), "%s%smodel.safetensors", l->body, l->body[0] ? "/" : "");
	if (there(l->s, name)) {
		return true;
	}
	(void)snprintf(name, sizeof(name), "%s%smodel.safetensors.index.json", l->body, l->body[0] ? "/" : "");
	return there(l->s, name);
}

/* Each says yes or no, and why. */
static bool say(char *out, size_t cap, bool can, const char *reason)
{
	(void)loom_str_copy(out, cap, reason);
	return can;
}

/* Does the plan stand, and are there weights for it? */
static bool probe_model(const struct look *l, char *out, size_t cap)
{
	if (l->plan) {
		return say(out, cap, false, l->why.message);
	}
	if (!l->weights) {
		return say(out, cap, false, "no model.safetensors or model.safetensors.index.json");
	}
	return say(out, cap, true, l->s->remote_weights[0] ? "config.json of a supported architecture; the weights are on the hub, not here yet"
		: "config.json of a supported architecture, with safetensors weights");
}

static bool probe_transformers(const struct look *l, char *out, size_t cap)
{
	if (l->s->is_gguf) {
		return say(out, cap, false, "a GGUF file, not a folder with config.json");
	}
	if (l->fixed || l->body[0]) {
		return say(out, cap, false, l->fixed ? "a table of words without a transformer (modules.json)"
			: "the transformer is in a folder inside, which modules.json names");
	}
	return probe_model(l, out, cap);
}

static bool probe_sentence_transformers(const struct look *l, char *out, size_t cap)
{
	struct loom_st_config st;
	struct loom_err why = {0};
	bool ok;

	if (l->s->is_gguf) {
		return say(out, cap, false, "a GGUF file, not a folder with modules.json");
	}
	if (!has_modules(l->s)) {
		return say(out, cap, false, "no modules.json");
	}
	loom_st_config_init(&st);
	ok = loom_st_config_load(&st, l->s->path, &why) == LOOM_OK;
	loom_st_config_release(&st);
	if (!ok) {
		return say(out, cap, false, why.message);
	}
	return probe_model(l, out, cap) && say(out, cap, true, l->s->remote_weights[0]
		? "modules.json with supported modules; the weights are on the hub, not here yet" : "modules.json with supported modules");
}

static bool probe_custom(const struct look *l, char *out, size_t cap)
{
	if (l->s->is_gguf) {
		return say(out, cap, false, "a GGUF file, not a folder with loom.json");
	}
	if (!has_manifest(l->s)) {
		return say(out, cap, false, "no loom.json");
	}
	if (l->custom) {
		return say(out, cap, false, l->custom_why.message);
	}
	return say(out, cap, l->weights, l->weights ? "loom.json states the architecture; safetensors weights"
		: "no model.safetensors or model.safetensors.index.json");
}

static bool probe_gguf(const struct look *l, char *out, size_t cap)
{
	if (!l->s->is_gguf) {
		return say(out, cap, l->remote_gguf, l->remote_gguf ? "a GGUF file on the hub, not here yet: its architecture is seen when it is loaded"
			: "a folder, not a GGUF file");
	}
	return say(out, cap, l->plan == LOOM_OK, l->plan ? l->why.message : "a GGUF file of a supported architecture");
}

static const struct loader {
	struct loom_loader_facts facts;
	bool (*marked)(const struct loom_source *s); /* is the source what this loader is for? */
	bool (*probe)(const struct look *l, char *out, size_t cap);
} loaders[LOOM_N_LOADER] = {
	[LOOM_LOADER_TRANSFORMERS] = {{"transformers", "folder", "config.json of a known architecture, safetensors weights, a Hugging Face tokenizer"},
		has_config, probe_transformers},
	[LOOM_LOADER_SENTENCE_TRANSFORMERS] = {{"sentence_transformers", "folder", "the same with modules.json, which says how token states become an "
		"embedding"}, has_modules, probe_sentence_transformers},
	[LOOM_LOADER_CUSTOM] = {{"custom", "folder", "loom.json, a manifest that states an architecture as data: research models without code"},
		has_manifest, probe_custom},
	[LOOM_LOADER_GGUF] = {{"gguf", "file", "one .gguf file with weights, configuration and tokenizer"}, is_gguf, probe_gguf},
};
/* The narrower mark first. */
static const enum loom_loader by_mark[LOOM_N_LOADER] = {LOOM_LOADER_GGUF, LOOM_LOADER_CUSTOM, LOOM_LOADER_SENTENCE_TRANSFORMERS,
	LOOM_LOADER_TRANSFORMERS};
static const struct loom_loader_order every_one = {{LOOM_LOADER_TRANSFORMERS, LOOM_LOADER_SENTENCE_TRANSFORMERS, LOOM_LOADER_CUSTOM,
	LOOM_LOADER_GGUF}, LOOM_N_LOADER};

const struct loom_loader_facts *loom_loader_facts(enum loom_loader l)
{
	return &loaders[l].facts;
}

const char *loom_loader_name(enum loom_loader l)
{
	return (unsigned)l < LOOM_N_LOADER ? loaders[l].facts.name : "?";
}

int loom_loader_parse(const char *name)
{
	for (int i = 0; i < LOOM_N_LOADER; i++) {
		if (loom_str_eq(name, loaders[i].facts.name)) {
			return i;
		}
	}
	return -1;
}

const struct loom_loader_order *loom_loader_order(const struct loom_loader_order *o)
{
	return o && o->n > 0 ? o : &every_one;
}

static bool ordered(const struct loom_loader_order *o, enum loom_loader l)
{
	for (int i = 0; i < o->n; i++) {
		if (o->v[i] == l) {
			return true;
		}
	}
	return false;
}

bool loom_loader_marked(enum loom_loader l, const struct loom_source *s)
{
	return loaders[l].marked(s);
}

int loom_loader_detect(const struct loom_source *s, const struct loom_loader_order *order)
{
	order = loom_loader_order(order);
	for (int i = 0; i < LOOM_N_LOADER; i++) {
		if (ordered(order, by_mark[i]) && loaders[by_mark[i]].marked(s)) {
			return (int)by_mark[i];
		}
	}
	/* A folder with nothing in it: its lack of config.json is what there is to say. */
	return !s->is_gguf && ordered(order, LOOM_LOADER_TRANSFORMERS) ? (int)LOOM_LOADER_TRANSFORMERS : -1;
}

/* What a plan that was made says the model is; the plan is freed. */
static void name_architecture(struct loom_probe *out, struct loom_model *m)
{
	if (m) {
		(void)loom_str_copy(out->architecture, sizeof(out->architecture), m->cfg.architecture);
		loom_model_release(m);
		loom_free(m);
	}
}

enum loom_status loom_source_probe(const struct loom_source *s, const struct loom_loader_order *order, struct loom_probe *out, struct loom_err *err)
{
	struct look l = {.s = s};
	struct loom_model *m = NULL;

	memset(out, 0, sizeof(*out));
	order = loom_loader_order(order);
	if (!s->is_gguf) {
		loom_st_body(s->path, l.body, sizeof(l.body), &l.fixed);
	}
	l.plan = loom_source_plan_as(s, false, &m, &l.why);
	name_architecture(out, m);
	if (has_manifest(s)) {
		l.custom = loom_source_plan_as(s, true, &m, &l.custom_why);
		name_architecture(out, m);
	}
	if (l.plan == LOOM_E_MEMORY || l.custom == LOOM_E_MEMORY) {
		*err = l.plan == LOOM_E_MEMORY ? l.why : l.custom_why;
		return LOOM_E_MEMORY;
	}
	l.remote_gguf = !s->is_gguf && is_gguf(s);
	l.weights = weights_there(&l) || (s->remote_weights[0] && !l.remote_gguf);
	for (int i = 0; i < LOOM_N_LOADER; i++) {
		out->can[i] = loaders[i].probe(&l, out->reason[i], sizeof(out->reason[i]));
	}
	out->detected = loom_loader_detect(s, order);
	out->selected = out->detected >= 0 && out->can[out->detected] ? out->detected : -1;
	for (int i = 0; i < order->n && out->selected < 0; i++) {
		out->selected = out->can[order->v[i]] ? (int)order->v[i] : -1;
	}
	return LOOM_OK;
}
