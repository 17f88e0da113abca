/* cli.h: the subcommands of the loom program. main.c holds the table; each cmd_*.c holds one or two of them. Only this folder prints. */
#ifndef LOOM_CLI_H
#define LOOM_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "buf.h"
#include "engine.h"
#include "err.h"
#include "hub.h"
#include "settings.h"

enum { LOOM_EXIT_OK, LOOM_EXIT_FAILED, LOOM_EXIT_USAGE };

/* argv[0] is the subcommand's own name. */
int loom_cmd_serve(int argc, char **argv);
int loom_cmd_config(int argc, char **argv);
int loom_cmd_generate(int argc, char **argv);
int loom_cmd_embed(int argc, char **argv);
int loom_cmd_tokenize(int argc, char **argv);
int loom_cmd_detokenize(int argc, char **argv);
int loom_cmd_plan(int argc, char **argv);
int loom_cmd_probe(int argc, char **argv);
int loom_cmd_pull(int argc, char **argv);
int loom_cmd_health(int argc, char **argv);
int loom_cmd_quantize(int argc, char **argv);
int loom_cmd_bench(int argc, char **argv);

/* ---- options: one table a command ---- */
enum loom_opt_kind { LOOM_OPT_FLAG, LOOM_OPT_STRING, LOOM_OPT_INT, LOOM_OPT_NUMBER, LOOM_OPT_LIST };
struct loom_opt_list {
	const char *v[32];
	size_t n;
};
struct loom_opt {
	const char *name;      /* "--port" */
	char letter;           /* 'p', 0 none */
	enum loom_opt_kind kind;
	void *out;             /* bool, const char *, int64_t, double, struct loom_opt_list */
	double min, max;       /* INT and NUMBER */
	const char *arg;       /* what stands for the value in --help */
	const char *help;
};
/* Reads the flags into the table's targets. Words that are no option go to rest, at most n_rest of them. --help prints the
 * usage, what the command is about, and the table. Returns -1 to go on, else the exit status. opts ends with a NULL name. */
int loom_options(int argc, char **argv, const struct loom_opt *opts, const char *usage, const char *about, const char **rest, size_t n_rest,
	size_t *n_found);
/* An option and its text in lines that a terminal shows. */
void loom_help_row(struct loom_buf *out, const char *left, const char *text);

/* "loom: message" on stderr; returns LOOM_EXIT_FAILED. */
int loom_fail(const struct loom_err *err);
int loom_fail_usage(const char *fmt, ...) LOOM_PRINTF(1, 2);

/* ---- cmd_pull.c: how a download looks on stderr; loom_pull_show is a progress callback of hub.h ---- */
struct loom_pull_view {
	bool terminal, shown;
	double start_ms, line_ms;
	uint64_t first_bytes;
};
void loom_pull_view_init(struct loom_pull_view *v);
bool loom_pull_show(void *ctx, const struct loom_hub_progress *p);
void loom_pull_view_end(struct loom_pull_view *v);
/* The files of a model for commands that need no engine: from the cache, else from the hub with progress. Prints what is wrong. */
bool loom_find_source(const char *model, const char *cache_dir, enum loom_hub_need need, struct loom_source *s);

/* One line of a file without its end, into line (reset first). false at the end of the file or when the line is too long for line->max
 * (line->failed). */
bool loom_read_line(FILE *f, struct loom_buf *line);

/* What every command that runs a model takes from the settings (settings.h); its flags go over environment and file. */
struct loom_run_options {
	const char *config, *device, *dtype, *quantization, *compute, *cache_dir, *threads, *memory_fraction, *log_level;
};
#define LOOM_RUN_OPTIONS(o) \
	{"--config", 'c', LOOM_OPT_STRING, &(o).config, 0, 0, "FILE", "configuration (loom serve --help says where it is looked for)"}, \
	{"--device", 'd', LOOM_OPT_STRING, &(o).device, 0, 0, "NAME", "cpu or cuda:N (default cuda:0, the CPU where there is no GPU)"}, \
	{"--dtype", 0, LOOM_OPT_STRING, &(o).dtype, 0, 0, "TYPE", "keep the matrices as auto, float32, float16 or bfloat16"}, \
	{"--quantization", 0, LOOM_OPT_STRING, &(o).quantization, 0, 0, "MODE", "4bit, 4bit-double or 8bit: quantize float matrices on loading"}, \
	{"--compute", 0, LOOM_OPT_STRING, &(o).compute, 0, 0, "MODE", "float32 (exact), bf16, int8 or llm.int8 (docs/numerics.md)"}, \
	{"--threads", 0, LOOM_OPT_STRING, &(o).threads, 0, 0, "N", "compute threads (default: physical cores)"}, \
	{"--cache-dir", 0, LOOM_OPT_STRING, &(o).cache_dir, 0, 0, "DIR", \
		"Hugging Face cache (default: HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub)"}, \
	{"--memory-fraction", 0, LOOM_OPT_STRING, &(o).memory_fraction, 0, 0, "X", "share of free memory to use (default 0.9)"}, \
	{"--log-level", 0, LOOM_OPT_STRING, &(o).log_level, 0, 0, "LEVEL", "debug, info, warning or error"}
/* The same for commands that only read files. */
#define LOOM_FILE_OPTIONS(o) \
	{"--config", 'c', LOOM_OPT_STRING, &(o).config, 0, 0, "FILE", "configuration (loom serve --help says where it is looked for)"}, \
	{"--cache-dir", 0, LOOM_OPT_STRING, &(o).cache_dir, 0, 0, "DIR", \
		"Hugging Face cache (default: HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub)"}
/* Settings with the flags of o over them; to be released also after a failure. */
enum loom_status loom_run_settings(const struct loom_run_options *o, struct loom_settings *s, struct loom_err *err) LOOM_MUST_CHECK;
/* The same with its message on stderr: 0, or the exit status. */
int loom_open_settings(const struct loom_run_options *o, struct loom_settings *s);
/* Into engine options, which point into s. */
void loom_settings_engine(const struct loom_settings *s, struct loom_engine_opts *o);
/* An engine with one model acquired. On failure prints the message, leaves both NULL and returns the exit status; 0 when all went well. */
int loom_open_one(const struct loom_run_options *o, const char *model, struct loom_engine **e, struct loom_resident **r);
void loom_close_one(struct loom_engine *e, struct loom_resident *r);

#endif
