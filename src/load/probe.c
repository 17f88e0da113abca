/* probe.c: which loaders could open a source, in words for people. Reads only configs and file lists. */
#include <string.h>

#include "file.h"
#include "mem.h"
#include "source.h"
#include "str.h"

static bool there(const struct loom_source *s, const char *name)
{
	char path[PATH_MAX];

	return loom_path_join(path, sizeof(path), s->path, name) && loom_path_is_file(path);
}

static void say(struct loom_probe *p, enum loom_loader l, bool can, const char *reason)
{
	p->can[l] = can;
	(void)loom_str_copy(p->reason[l], sizeof(p->reason[l]), reason);
}

static void probe_gguf_only(struct loom_probe *p)
{
	say(p, LOOM_LOADER_TRANSFORMERS, false, "a GGUF file, not a folder with config.json");
	say(p, LOOM_LOADER_SENTENCE_TRANSFORMERS, false, "a GGUF file, not a folder with modules.json");
	say(p, LOOM_LOADER_CUSTOM, false, "a GGUF file, not a folder with loom.json");
}

enum loom_status loom_source_probe(const struct loom_source *s, struct loom_probe *out, struct loom_err *err)
{
	struct loom_model *m = NULL;
	struct loom_err why = {0};
	enum loom_status rc = loom_source_plan(s, &m, &why);

	memset(out, 0, sizeof(*out));
	out->selected = -1;
	if (rc == LOOM_E_MEMORY) {
		*err = why;
		return rc;
	}
	if (m) {
		(void)loom_str_copy(out->architecture, sizeof(out->architecture), m->cfg.architecture);
		loom_model_release(m);
		loom_free(m);
	}
	if (s->is_gguf) {
		probe_gguf_only(out);
		say(out, LOOM_LOADER_GGUF, rc == LOOM_OK, rc == LOOM_OK ? "a GGUF file of a supported architecture" : why.message);
		out->selected = rc == LOOM_OK ? LOOM_LOADER_GGUF : -1;
		return LOOM_OK;
	}
	bool remote = s->remote_weights[0] != '\0', gguf = loom_str_ends(s->remote_weights, ".gguf");
	bool weights = there(s, "model.safetensors") || there(s, "model.safetensors.index.json") || (remote && !gguf);
	bool can = rc == LOOM_OK && weights;
	const char *reason = rc ? why.message
		: !weights      ? "no model.safetensors or model.safetensors.index.json"
		: remote	? "config.json of a supported architecture; the weights are on the hub, not here yet"
				: "config.json of a supported architecture, with safetensors weights";
	say(out, LOOM_LOADER_TRANSFORMERS, can, reason);
	say(out, LOOM_LOADER_GGUF, gguf, gguf ? "a GGUF file on the hub, not here yet: its architecture is seen when it is loaded"
		: "a folder, not a GGUF file");
	say(out, LOOM_LOADER_CUSTOM, false, there(s, "loom.json") ? "loom.json manifests are not read by this version" : "no loom.json");
	if (!there(s, "modules.json")) {
		say(out, LOOM_LOADER_SENTENCE_TRANSFORMERS, false, "no modules.json");
	} else {
		struct loom_st_config st;
		loom_st_config_init(&st);
		bool ok = loom_st_config_load(&st, s->path, &why) == LOOM_OK;
		say(out, LOOM_LOADER_SENTENCE_TRANSFORMERS, ok && can, ok ? can ? "modules.json with supported modules" : reason : why.message);
		loom_st_config_release(&st);
	}
	out->selected = out->can[LOOM_LOADER_SENTENCE_TRANSFORMERS] ? (int)LOOM_LOADER_SENTENCE_TRANSFORMERS
		: out->can[LOOM_LOADER_TRANSFORMERS]			    ? (int)LOOM_LOADER_TRANSFORMERS
		: out->can[LOOM_LOADER_GGUF]				    ? (int)LOOM_LOADER_GGUF
									    : -1;
	return LOOM_OK;
}
