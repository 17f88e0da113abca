/* cmd_plan.c: loom plan and loom probe: what Loom would run, and which loader would take it. No weight is read. */
#include <stdio.h>

#include "cli.h"
#include "manifest.h"
#include "mem.h"
#include "plan.h"
#include "source.h"
#include "str.h"

/* family: where the name that --family gives goes; NULL: the command has no such option. */
static int find_source(int argc, char **argv, const char *usage, const char *about, const char **family, struct loom_source *s, struct loom_loader_order *order,
	int *status)
{
	bool json = false;
	struct loom_run_options run = {.config = NULL};
	struct loom_settings settings;
	struct loom_engine_opts engine;
	const char *model = NULL;
	const struct loom_opt opts[] = {
		LOOM_FILE_OPTIONS(run),
		{family ? "--family" : NULL, 0, LOOM_OPT_STRING, family, 0, 0, "NAME", "instead: a built-in family as a loom.json manifest"},
		{"--json", 0, LOOM_OPT_FLAG, &json, 0, 0, NULL, "with --family: a manifest is JSON anyway"},
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL},
	};
	size_t n;

	*status = loom_options(argc, argv, opts, usage, about, &model, 1, &n);
	if (*status >= 0) {
		return 0;
	}
	if (family && *family) {
		return 1;
	}
	if (n == 0) {
		*status = loom_fail_usage("which model? usage: %s", usage);
		return 0;
	}
	*status = loom_open_settings(&run, &settings);
	if (*status) {
		return 0;
	}
	*status = LOOM_EXIT_FAILED;
	loom_settings_engine(&settings, &engine);
	*order = engine.loaders;
	bool found = loom_find_source(model, settings.models.cache_dir, LOOM_HUB_SMALL, s);
	loom_settings_release(&settings);
	return found;
}

static int put_out(const struct loom_buf *out)
{
	(void)fwrite(out->data, 1, out->len, stdout);
	return out->failed || ferror(stdout) ? LOOM_EXIT_FAILED : LOOM_EXIT_OK;
}

static int plan_family(const char *name)
{
	const struct loom_family *f = loom_family_named(name);
	const char *names[256] = {NULL}, *near;
	struct loom_buf out;
	int status;

	if (!f) {
		for (size_t i = 0; loom_families[i] && i < 255; i++) {
			names[i] = loom_families[i]->name;
		}
		near = loom_str_nearest(name, names);
		return loom_fail_usage("there is no family \"%s\"%s%s%s", name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
	loom_buf_init(&out, 1u << 20);
	loom_manifest_write(f, &out);
	status = put_out(&out);
	loom_buf_release(&out);
	return status;
}

int loom_cmd_plan(int argc, char **argv)
{
	const char *family = NULL;
	struct loom_source s;
	struct loom_loader_order order;
	struct loom_model *m = NULL;
	struct loom_err err = {0};
	struct loom_buf out;
	int status;

	if (!find_source(argc, argv, "loom plan MODEL | --family NAME",
		"Prints the ops that a model's forward pass is made of, with shapes and the sites that can be captured. Reads no weights.",
			&family, &s, &order, &status)) {
		return status;
	}
	if (family) {
		return plan_family(family);
	}
	if (loom_source_plan(&s, &m, &err)) {
		return loom_fail(&err);
	}
	loom_buf_init(&out, 256u << 20);
	loom_plan_print(&m->plan, &m->cfg, &out);
	status = put_out(&out);
	loom_buf_release(&out);
	loom_model_release(m);
	loom_free(m);
	return status;
}

int loom_cmd_probe(int argc, char **argv)
{
	struct loom_source s;
	struct loom_loader_order order;
	struct loom_probe p;
	struct loom_err err = {0};
	int status;

	if (!find_source(argc, argv, "loom probe MODEL",
		"Says which loader opens a model, of which family it is, and what it lacks. Reads no weights.", NULL, &s, &order, &status)) {
		return status;
	}
	if (loom_source_probe(&s, &order, &p, &err)) {
		return loom_fail(&err);
	}
	(void)printf("model         %s\narchitecture  %s\nloader        %s\n", s.id, p.architecture[0] ? p.architecture : "unknown",
		p.selected < 0 ? "none" : loom_loader_name((enum loom_loader)p.selected));
	for (int l = 0; l < LOOM_N_LOADER; l++) {
		(void)printf("  %-22s %-4s %s\n", loom_loader_name((enum loom_loader)l), p.can[l] ? "yes" : "no", p.reason[l]);
	}
	return p.selected < 0 ? LOOM_EXIT_FAILED : LOOM_EXIT_OK;
}
