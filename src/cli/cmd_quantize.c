/* cmd_quantize.c: loom quantize: a model file in, a smaller one out. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "quantize.h"
#include "str.h"

static void show(void *ctx, size_t done, size_t total)
{
	int *shown = ctx, percent = (int)(100 * done / total);

	if (percent != *shown && isatty(STDERR_FILENO)) {
		(void)fprintf(stderr, "\rquantizing: %3d%%%s", percent, done == total ? "\n" : "");
	}
	*shown = percent;
}

/* The type of a GGUF file by its name; UNKNOWN when there is none. */
static enum loom_dtype gguf_type(const char *name)
{
	static const struct {
		const char *name;
		enum loom_dtype type;
	} floats[] = {{"f32", LOOM_F32}, {"f16", LOOM_F16}, {"bf16", LOOM_BF16}};

	for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
		if (loom_str_eq(name, floats[i].name)) {
			return floats[i].type;
		}
	}
	for (int t = 0; t < LOOM_N_DTYPE; t++) {
		if (loom_dtype_block((enum loom_dtype)t) > 1 && loom_str_eq(name, loom_dtype_name((enum loom_dtype)t))) {
			return (enum loom_dtype)t;
		}
	}
	return LOOM_DTYPE_UNKNOWN;
}

/* What a folder's quantization is called on load; NULL: the type is none of folders. */
static const char *folder_type(const char *name)
{
	return loom_str_eq(name, "nf4") ? "4bit" : loom_str_eq(name, "nf4-double") ? "4bit-double" : loom_str_eq(name, "int8") ? "8bit" : NULL;
}

int loom_cmd_quantize(int argc, char **argv)
{
	static const char usage[] = "loom quantize IN OUT --type TYPE";
	struct loom_run_options run = {.config = NULL};
	const char *type = NULL, *names[2];
	int shown = -1;
	const struct loom_quantize_opts quantize = {.progress = show, .ctx = &shown};
	struct loom_settings settings;
	struct loom_source s;
	struct loom_err err = {0};
	const struct loom_opt opts[] = {
		{"--type", 't', LOOM_OPT_STRING, &type, 0, 0, "TYPE", "what the matrices become"},
		LOOM_FILE_OPTIONS(run),
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL},
	};
	size_t n;
	int status = loom_options(argc, argv, opts, usage,
		"Writes a model with other weights. IN is a GGUF file or a folder of safetensors for q8_0, q6_k, q5_k, q4_k, q5_1,\n"
		"q5_0, q4_1, q4_0, bf16, f16 and f32, which make a GGUF file; a folder of safetensors for nf4, nf4-double (scales\n"
		"in 8 bits too) and int8, which make a folder. OUT must not be there.", names, 2, &n);
	enum loom_status rc;

	if (status >= 0) {
		return status;
	}
	if (n != 2 || !type) {
		return loom_fail_usage("usage: %s", usage);
	}
	bool folder = folder_type(type) != NULL;
	if (!folder && gguf_type(type) == LOOM_DTYPE_UNKNOWN) {
		return loom_fail_usage("--type: \"%s\" is none of q8_0, q6_k, q5_k, q4_k, q5_1, q5_0, q4_1, q4_0, bf16, f16, f32, nf4, nf4-double and int8", type);
	}
	status = loom_open_settings(&run, &settings);
	if (status) {
		return status;
	}
	bool found = loom_find_source(names[0], settings.models.cache_dir, LOOM_HUB_WEIGHTS, &s);
	loom_settings_release(&settings);
	if (!found) {
		return LOOM_EXIT_FAILED;
	}
	if (s.is_gguf && folder) {
		return loom_fail_usage("%s is a GGUF file, and --type %s makes a folder of safetensors out of one", names[0], type);
	}
	rc = folder ? loom_quantize_folder(&s, names[1], folder_type(type), &quantize, &err)
		: s.is_gguf ? loom_quantize_gguf(s.path, names[1], gguf_type(type), &quantize, &err)
			    : loom_quantize_convert(&s, names[1], gguf_type(type), &quantize, &err);
	return rc ? loom_fail(&err) : LOOM_EXIT_OK;
}
