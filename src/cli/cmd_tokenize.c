/* cmd_tokenize.c: loom tokenize and loom detokenize: one JSON object a line in, its answer a line out. Needs only the tokenizer's files. */
#include <stdio.h>

#include "bounds.h"
#include "cli.h"
#include "exchange.h"
#include "jsonx.h"
#include "source.h"

typedef enum loom_status (*convert)(const struct loom_tokenizer *t, const json_t *root, bool with_model, struct loom_buf *out,
	struct loom_err *err);

static enum loom_status one_line(const struct loom_tokenizer *t, convert fn, const char *line, size_t n, struct loom_buf *out,
	struct loom_err *err)
{
	json_t *root = NULL;
	enum loom_status rc = loom_json_parse(line, n, "", LOOM_E_BAD_REQUEST, &root, err);

	loom_buf_reset(out);
	rc = rc ? rc : fn(t, root, false, out, err);
	json_decref(root);
	return rc;
}

static int run(int argc, char **argv, const char *usage, const char *about, convert fn)
{
	struct loom_run_options files = {.config = NULL};
	struct loom_settings settings;
	const char *model = NULL;
	const struct loom_opt opts[] = {
		LOOM_FILE_OPTIONS(files),
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL},
	};
	struct loom_source s;
	struct loom_tokenizer *t = NULL;
	struct loom_err err = {0};
	struct loom_buf out, line;
	size_t words;
	unsigned long number = 0;
	int rc = loom_options(argc, argv, opts, usage, about, &model, 1, &words);

	if (rc >= 0) {
		return rc;
	}
	if (words == 0) {
		return loom_fail_usage("which model? usage: %s", usage);
	}
	rc = loom_open_settings(&files, &settings);
	if (rc) {
		return rc;
	}
	bool found = loom_find_source(model, settings.models.cache_dir, LOOM_HUB_SMALL, &s);
	loom_settings_release(&settings);
	if (!found) {
		return LOOM_EXIT_FAILED;
	}
	if (loom_source_tokenizer(&s, &t, &err)) {
		return loom_fail(&err);
	}
	rc = LOOM_EXIT_OK;
	loom_buf_init(&out, SIZE_MAX / 4);
	loom_buf_init(&line, LOOM_MAX_BODY_BYTES);
	while (rc == LOOM_EXIT_OK && loom_read_line(stdin, &line)) {
		number++;
		if (line.len == 0) {
			continue;
		}
		if (one_line(t, fn, line.data, line.len, &out, &err)) {
			(void)loom_err_prefix(&err, "line %lu", number);
			rc = loom_fail(&err);
		} else if (fwrite(out.data, 1, out.len, stdout) != out.len || fputc('\n', stdout) == EOF) {
			rc = LOOM_EXIT_FAILED;
		}
	}
	if (line.failed) {
		(void)fprintf(stderr, "loom: line %lu is over %u bytes\n", number + 1, LOOM_MAX_BODY_BYTES);
		rc = LOOM_EXIT_FAILED;
	}
	loom_buf_release(&line);
	loom_buf_release(&out);
	loom_tokenizer_free(t);
	return fflush(stdout) ? LOOM_EXIT_FAILED : rc;
}

int loom_cmd_tokenize(int argc, char **argv)
{
	return run(argc, argv, "loom tokenize MODEL",
		"Standard input: one JSON object a line, {\"text\": …} and the other fields of POST /tokenize; standard output: its answers.", loom_tokenize_json);
}

int loom_cmd_detokenize(int argc, char **argv)
{
	return run(argc, argv, "loom detokenize MODEL",
		"Standard input: one JSON object a line, {\"ids\": […]} and the other fields of POST /detokenize; standard output: its answers.", loom_detokenize_json);
}
