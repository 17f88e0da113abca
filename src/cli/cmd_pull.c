/* cmd_pull.c: loom pull: a model from the hub into the cache, with a bar on a terminal and lines elsewhere; the path on stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "hub.h"
#include "str.h"

#define MAX_FILES 32

static void print_size(uint64_t bytes, char *out, size_t cap)
{
	double n = (double)bytes;
	const char *unit = n >= 1e9 ? "GB" : n >= 1e6 ? "MB" : "kB";

	(void)snprintf(out, cap, "%.1f %s", n / (n >= 1e9 ? 1e9 : n >= 1e6 ? 1e6 : 1e3), unit);
}

static void show_bar(struct loom_pull_view *v, const struct loom_hub_progress *p)
{
	char done[32], total[32], speed[32], bar[31];
	double seconds = (loom_clock_ms() - v->start_ms) / 1000;
	uint64_t fresh = p->done_bytes > v->first_bytes ? p->done_bytes - v->first_bytes : 0;
	int full = p->total_bytes ? (int)(30 * p->done_bytes / p->total_bytes) : 0;

	full = full > 30 ? 30 : full;
	memset(bar, '=', (size_t)full);
	memset(bar + full, ' ', (size_t)(30 - full));
	bar[30] = '\0';
	print_size(p->done_bytes, done, sizeof(done));
	print_size(p->total_bytes, total, sizeof(total));
	print_size(seconds > 0.2 ? (uint64_t)((double)fresh / seconds) : 0, speed, sizeof(speed));
	(void)fprintf(stderr, "\r[%s] %s of %s, %zu of %zu files, %s/s\x1b[K", bar, done, total, p->n_done, p->n_file, speed);
	v->shown = true;
}

bool loom_pull_show(void *ctx, const struct loom_hub_progress *p)
{
	struct loom_pull_view *v = ctx;
	char size[32], total[32];

	if (v->start_ms == 0) {
		v->start_ms = v->line_ms = loom_clock_ms();
		v->first_bytes = p->done_bytes; /* what an earlier try left is no speed */
	}
	if (v->terminal) {
		show_bar(v, p);
	} else if (p->file) {
		print_size(p->file_bytes, size, sizeof(size));
		(void)fprintf(stderr, "fetched %s (%s)\n", p->file, size);
	} else if (loom_clock_ms() - v->line_ms > 10000) {
		v->line_ms = loom_clock_ms();
		print_size(p->done_bytes, size, sizeof(size));
		print_size(p->total_bytes, total, sizeof(total));
		(void)fprintf(stderr, "fetching: %s of %s\n", size, total);
	}
	return true;
}

void loom_pull_view_init(struct loom_pull_view *v)
{
	const char *off = getenv("HF_HUB_DISABLE_PROGRESS_BARS");

	memset(v, 0, sizeof(*v));
	v->terminal = isatty(STDERR_FILENO) && !(off && off[0] && !loom_str_eq(off, "0"));
}

void loom_pull_view_end(struct loom_pull_view *v)
{
	if (v->shown) {
		(void)fputc('\n', stderr);
	}
}

bool loom_find_source(const char *model, const char *cache_dir, enum loom_hub_need need, struct loom_source *s)
{
	struct loom_pull_view view;
	struct loom_err err = {0};

	loom_pull_view_init(&view);
	struct loom_hub_opts o = {.cache_dir = cache_dir, .allow_local = true, .need = need};
	if (view.terminal) {
		o.progress = loom_pull_show;
		o.ctx = &view;
	}
	enum loom_status rc = loom_hub_source(model, &o, s, &err);
	loom_pull_view_end(&view);
	return rc == LOOM_OK || (loom_fail(&err), false);
}

int loom_cmd_pull(int argc, char **argv)
{
	const char *words[1 + MAX_FILES];
	struct loom_run_options files = {.config = NULL};
	struct loom_settings settings;
	bool small = false;
	const struct loom_opt table[] = {
		LOOM_FILE_OPTIONS(files),
		{"--config-only", 0, LOOM_OPT_FLAG, &small, 0, 0, NULL, "configuration and tokenizer, no weights"},
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL},
	};
	struct loom_pull_view view;
	struct loom_source s;
	struct loom_err err = {0};
	size_t n;
	int rc = loom_options(argc, argv, table, "loom pull ID[@REVISION] [FILE…]",
		"Fetches what is needed of a model (or these files of it) into the Hugging Face cache, or brings it up to date;\n"
		"prints the folder.", words, 1 + MAX_FILES, &n);

	if (rc >= 0) {
		return rc;
	}
	if (n == 0) {
		return loom_fail_usage("which model? usage: loom pull ID[@REVISION] [FILE…]");
	}
	rc = loom_open_settings(&files, &settings);
	if (rc) {
		return rc;
	}
	loom_pull_view_init(&view);
	struct loom_hub_opts o = {.cache_dir = settings.models.cache_dir,
		.need = small ? LOOM_HUB_SMALL : LOOM_HUB_WEIGHTS, .progress = loom_pull_show, .ctx = &view};
	enum loom_status st = loom_hub_pull(words[0], n > 1 ? words + 1 : NULL, n - 1, &o, &s, &err);
	loom_pull_view_end(&view);
	loom_settings_release(&settings);
	if (st) {
		return loom_fail(&err);
	}
	(void)printf("%s%s%s\n", s.path, n == 2 ? "/" : "", n == 2 ? words[1] : "");
	return LOOM_EXIT_OK;
}
