/* cmd_plan.c: loom plan and loom probe: what Loom would run, and which loader would take it. No weight is read. */
#include <stdio.h>

#include "cli.h"
#include "mem.h"
#include "plan.h"
#include "source.h"

static int find_source(int argc, char **argv, const char *usage, struct loom_source *s, int *status)
{
	const char *cache_dir = NULL, *model = NULL;
	const struct loom_opt opts[] = {
		{"--cache-dir", 0, LOOM_OPT_STRING, &cache_dir, 0, 0, "LOOM_MODELS__CACHE_DIR", "DIR", "Hugging Face cache"},
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL, NULL},
	};
	size_t n;

	*status = loom_options(argc, argv, opts, usage, &model, 1, &n);
	if (*status >= 0) {
		return 0;
	}
	if (n == 0) {
		*status = loom_fail_usage("which model? usage: %s", usage);
		return 0;
	}
	*status = LOOM_EXIT_FAILED;
	return loom_find_source(model, cache_dir, LOOM_HUB_SMALL, s);
}

int loom_cmd_plan(int argc, char **argv)
{
	struct loom_source s;
	struct loom_model *m = NULL;
	struct loom_err err = {0};
	struct loom_buf out;
	int status;

	if (!find_source(argc, argv, "loom plan MODEL", &s, &status)) {
		return status;
	}
	if (loom_source_plan(&s, &m, &err)) {
		return loom_fail(&err);
	}
	loom_buf_init(&out, 256u << 20);
	loom_plan_print(&m->plan, &m->cfg, &out);
	(void)fwrite(out.data, 1, out.len, stdout);
	status = out.failed || ferror(stdout) ? LOOM_EXIT_FAILED : LOOM_EXIT_OK;
	loom_buf_release(&out);
	loom_model_release(m);
	loom_free(m);
	return status;
}

int loom_cmd_probe(int argc, char **argv)
{
	struct loom_source s;
	struct loom_probe p;
	struct loom_err err = {0};
	int status;

	if (!find_source(argc, argv, "loom probe MODEL", &s, &status)) {
		return status;
	}
	if (loom_source_probe(&s, &p, &err)) {
		return loom_fail(&err);
	}
	(void)printf("model         %s\narchitecture  %s\nloader        %s\n", s.id, p.architecture[0] ? p.architecture : "unknown",
		p.selected < 0 ? "none" : loom_loader_name((enum loom_loader)p.selected));
	for (int l = 0; l < LOOM_N_LOADER; l++) {
		(void)printf("  %-22s %-4s %s\n", loom_loader_name((enum loom_loader)l), p.can[l] ? "yes" : "no", p.reason[l]);
	}
	return p.selected < 0 ? LOOM_EXIT_FAILED : LOOM_EXIT_OK;
}
