/* cmd_generate.c: loom generate and loom embed: the HTTP calls without a server. Flags become the JSON body that a client would send and
 * go through the same parser, so the answers are the same, bit for bit. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "cli.h"
#include "exchange.h"
#include "jsonx.h"
#include "request_parse.h"

static int write_all(const char *path, const struct loom_body *b)
{
	FILE *f = path && strcmp(path, "-") != 0 ? fopen(path, "wb") : stdout;
	int bad = 0;

	if (!f) {
		(void)fprintf(stderr, "loom: %s: %s\n", path, strerror(errno));
		return LOOM_EXIT_FAILED;
	}
	bad |= fwrite(b->head.data, 1, b->head.len, f) != b->head.len;
	for (size_t i = 0; i < b->n_part; i++) {
		bad |= fwrite(b->parts[i].data, 1, b->parts[i].n, f) != b->parts[i].n;
	}
	if (f == stdout) {
		bad |= b->n_part == 0 && fputc('\n', f) == EOF;
		bad |= fflush(f) != 0;
	} else {
		bad |= fclose(f) != 0;
	}
	if (bad) {
		(void)fprintf(stderr, "loom: %s: %s\n", path ? path : "standard output", strerror(errno));
		return LOOM_EXIT_FAILED;
	}
	return LOOM_EXIT_OK;
}

/* Runs one body (taken) and writes the answer. */
static int run_body(struct loom_engine *e, struct loom_resident *r, json_t *root, bool embed, const char *out)
{
	struct loom_parsed p;
	struct loom_answer a;
	struct loom_body b;
	struct loom_err err = {0};
	enum loom_status rc;
	int status;

	loom_parsed_init(&p);
	loom_answer_init(&a);
	loom_body_init(&b);
	rc = loom_parse_bare(&p, root, embed, &err);
	rc = rc ? rc : loom_answer_parsed(e, r, &p, &a, &b, &err);
	status = rc ? loom_fail(&err) : write_all(out, &b);
	loom_body_release(&b);
	loom_answer_release(&a);
	loom_parsed_release(&p);
	return status;
}

/* A flag whose value is JSON ("[0, -1]", "\"all\"") or, when it is not JSON, a plain string (all). */
static json_t *json_or_string(const char *text)
{
	json_t *v = NULL;

	if (loom_json_parse(text, strlen(text), "", LOOM_E_INVALID, &v, NULL) == LOOM_OK) {
		return v;
	}
	return json_string(text);
}

/* What the flags of loom generate say; negative numbers and NULLs: not given. */
struct flags {
	struct loom_opt_list stops, captures;
	const char *prompt, *ids, *layers, *format, *state_dtype, *out;
	int64_t max_tokens, top_k, seed, logprobs;
	double temperature, top_p, min_p, penalty;
	bool no_hidden, full, attention, tokens, dry, no_special;
};

static void put_numbers(json_t *root, const struct flags *f)
{
	const struct {
		const char *key;
		int64_t v;
	} ints[] = {{"max_tokens", f->max_tokens}, {"top_k", f->top_k}, {"seed", f->seed}, {"logprobs", f->logprobs}};
	const struct {
		const char *key;
		double v;
	} nums[] = {{"temperature", f->temperature}, {"top_p", f->top_p}, {"min_p", f->min_p}, {"repetition_penalty", f->penalty}};

	for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
		if (ints[i].v >= 0) {
			(void)json_object_set_new(root, ints[i].key, json_integer(ints[i].v));
		}
	}
	for (size_t i = 0; i < sizeof(nums) / sizeof(nums[0]); i++) {
		if (nums[i].v >= 0) {
			(void)json_object_set_new(root, nums[i].key, json_real(nums[i].v));
		}
	}
}

static void put_switches(json_t *root, const struct flags *f)
{
	const struct {
		const char *key;
		bool set, v;
	} switches[] = {{"return_hidden_states", f->no_hidden, false}, {"return_full_sequence", f->full, true},
		{"return_attention", f->attention, true}, {"return_tokens", f->tokens, true}, {"dry_run", f->dry, true},
		{"add_special_tokens", f->no_special, false}};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (switches[i].set) {
			(void)json_object_set_new(root, switches[i].key, json_boolean(switches[i].v));
		}
	}
}

/* Each --capture is an object or a list of them; all go into one list. */
static enum loom_status put_captures(json_t *root, const struct loom_opt_list *captures, struct loom_err *err)
{
	json_t *all = captures->n > 0 ? json_array() : NULL;

	for (size_t i = 0; i < captures->n; i++) {
		json_t *c = NULL;
		enum loom_status rc = loom_json_parse(captures->v[i], strlen(captures->v[i]), "--capture", LOOM_E_INVALID, &c, err);
		if (rc) {
			json_decref(all);
			return rc;
		}
		if (json_is_array(c)) {
			(void)json_array_extend(all, c);
			json_decref(c);
		} else {
			(void)json_array_append_new(all, c);
		}
	}
	if (all) {
		(void)json_object_set_new(root, "capture", all);
	}
	return LOOM_OK;
}

static enum loom_status put_lists(json_t *root, const struct flags *f, struct loom_err *err)
{
	for (size_t i = 0; i < f->stops.n; i++) {
		if (i == 0) {
			(void)json_object_set_new(root, "stop", json_array());
		}
		(void)json_array_append_new(json_object_get(root, "stop"), json_string(f->stops.v[i]));
	}
	return put_captures(root, &f->captures, err);
}

/* The body that a client would send; NULL after a message. */
static json_t *make_body(const struct flags *f)
{
	json_t *root = json_object();
	struct loom_err err = {0};

	(void)json_object_set_new(root, "prompt", f->ids ? json_or_string(f->ids) : json_string(f->prompt));
	if (!json_object_get(root, "prompt")) {
		json_decref(root);
		(void)loom_fail_usage("--prompt: the text is not valid UTF-8");
		return NULL;
	}
	put_numbers(root, f);
	put_switches(root, f);
	if (f->layers) {
		(void)json_object_set_new(root, "hidden_state_layers", json_or_string(f->layers));
	}
	if (f->format || f->out) {
		(void)json_object_set_new(root, "hidden_state_format", json_string(f->format ? f->format : "safetensors"));
	}
	if (f->state_dtype) {
		(void)json_object_set_new(root, "hidden_state_dtype", json_string(f->state_dtype));
	}
	if (put_lists(root, f, &err)) {
		json_decref(root);
		(void)loom_fail(&err);
		return NULL;
	}
	return root;
}

int loom_cmd_generate(int argc, char **argv)
{
	struct loom_run_options run = {.config = NULL};
	struct flags f = {.max_tokens = -1, .top_k = -1, .seed = -1, .logprobs = -1, .temperature = -1, .top_p = -1, .min_p = -1,
		.penalty = -1};
	const char *model = NULL;
	struct loom_engine *e;
	struct loom_resident *r;
	size_t n;
	int rc;

	const struct loom_opt opts[] = {
		{"--prompt", 0, LOOM_OPT_STRING, &f.prompt, 0, 0, "TEXT", "the prompt"},
		{"--prompt-ids", 0, LOOM_OPT_STRING, &f.ids, 0, 0, "JSON", "the prompt as a list of token ids"},
		{"--max-tokens", 'n', LOOM_OPT_INT, &f.max_tokens, 0, 16777216, "N", "tokens to generate (default 256; 0 only runs the prompt)"},
		{"--temperature", 0, LOOM_OPT_NUMBER, &f.temperature, 0, 2, "X", "0 is greedy (default 0.7)"},
		{"--top-p", 0, LOOM_OPT_NUMBER, &f.top_p, 0, 1, "X", "default 0.9"},
		{"--top-k", 0, LOOM_OPT_INT, &f.top_k, 0, 2147483647, "N", "default 0, off"},
		{"--min-p", 0, LOOM_OPT_NUMBER, &f.min_p, 0, 1, "X", "default 0"},
		{"--repetition-penalty", 0, LOOM_OPT_NUMBER, &f.penalty, 0, 100, "X", "default 1"},
		{"--seed", 0, LOOM_OPT_INT, &f.seed, 0, 9e15, "N", "same seed, same text"},
		{"--stop", 0, LOOM_OPT_LIST, &f.stops, 0, 0, "TEXT", "end the text here (may be given again)"},
		{"--logprobs", 0, LOOM_OPT_INT, &f.logprobs, 0, 20, "N", "log probabilities of the best N"},
		{"--layers", 0, LOOM_OPT_STRING, &f.layers, 0, 0, "JSON", "hidden_state_layers: [0, -1] or all (default [-1])"},
		{"--capture", 0, LOOM_OPT_LIST, &f.captures, 0, 0, "JSON",
			"what to capture: an object, e.g. '{\"layers\": \"all\", \"positions\": \"all\"}', or a list (may be given again; docs/api.md)"},
		{"--format", 0, LOOM_OPT_STRING, &f.format, 0, 0, "NAME", "list, base64 or safetensors (default: safetensors with --out)"},
		{"--state-dtype", 0, LOOM_OPT_STRING, &f.state_dtype, 0, 0, "TYPE", "float32, float16 or bfloat16 in binary formats"},
		{"--no-hidden-states", 0, LOOM_OPT_FLAG, &f.no_hidden, 0, 0, NULL, "leave hidden_states out"},
		{"--full-sequence", 0, LOOM_OPT_FLAG, &f.full, 0, 0, NULL, "sequence_hidden_states: a row for each generated token"},
		{"--attention", 0, LOOM_OPT_FLAG, &f.attention, 0, 0, NULL, "attention_weights of the last row"},
		{"--tokens", 0, LOOM_OPT_FLAG, &f.tokens, 0, 0, NULL, "say which token each position is"},
		{"--no-special-tokens", 0, LOOM_OPT_FLAG, &f.no_special, 0, 0, NULL, "don't add the tokenizer's special tokens"},
		{"--dry-run", 0, LOOM_OPT_FLAG, &f.dry, 0, 0, NULL, "only estimate the answer's size"},
		{"--out", 'o', LOOM_OPT_STRING, &f.out, 0, 0, "FILE", "write the answer here"},
		LOOM_RUN_OPTIONS(run),
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL},
	};
	rc = loom_options(argc, argv, opts, "loom generate MODEL --prompt TEXT [options]",
		"Continues a prompt and prints what POST /generate would answer; --out writes its tensors as safetensors.", &model, 1, &n);
	if (rc >= 0) {
		return rc;
	}
	if (n == 0 || (!f.prompt && !f.ids)) {
		return loom_fail_usage("%s usage: loom generate MODEL --prompt TEXT [options]", n == 0 ? "which model?" : "which prompt?");
	}
	json_t *root = make_body(&f);
	if (!root) {
		return LOOM_EXIT_USAGE;
	}
	rc = loom_open_one(&run, model, &e, &r);
	if (rc) {
		json_decref(root);
		return rc;
	}
	rc = run_body(e, r, root, false, f.out);
	loom_close_one(e, r);
	return rc;
}

/* One answer a line of the input. */
static int embed_lines(struct loom_engine *e, struct loom_resident *r, FILE *in, const json_t *fields)
{
	struct loom_buf line;
	int rc = LOOM_EXIT_OK;

	loom_buf_init(&line, LOOM_MAX_BODY_BYTES);
	while (rc == LOOM_EXIT_OK && loom_read_line(in, &line)) {
		json_t *root = json_copy((json_t *)(uintptr_t)fields), *text = json_stringn(line.data ? line.data : "", line.len);
		if (!root || !text) {
			json_decref(root);
			json_decref(text);
			(void)fprintf(stderr, "loom: a line is not valid UTF-8\n");
			rc = LOOM_EXIT_FAILED;
			break;
		}
		(void)json_object_set_new(root, "text", text);
		rc = run_body(e, r, root, true, NULL);
	}
	if (line.failed) {
		(void)fprintf(stderr, "loom: a line is over %u bytes\n", LOOM_MAX_BODY_BYTES);
		rc = LOOM_EXIT_FAILED;
	}
	loom_buf_release(&line);
	return rc;
}

int loom_cmd_embed(int argc, char **argv)
{
	struct loom_run_options run = {.config = NULL};
	const char *words[2] = {NULL, NULL}, *pooling = NULL, *encoding = NULL, *prompt_name = NULL, *task = NULL;
	int64_t dimensions = 0, layer = INT64_MIN;
	bool normalize = false, no_truncate = false;
	struct loom_engine *e;
	struct loom_resident *r;
	FILE *in = stdin;
	size_t n;
	int rc;

	const struct loom_opt opts[] = {
		{"--pooling", 0, LOOM_OPT_STRING, &pooling, 0, 0, "NAME", "last_token, mean, cls, max, … (default: the model's own)"},
		{"--normalize", 0, LOOM_OPT_FLAG, &normalize, 0, 0, NULL, "unit length"},
		{"--no-truncate", 0, LOOM_OPT_FLAG, &no_truncate, 0, 0, NULL, "fail on texts that are too long"},
		{"--prompt-name", 0, LOOM_OPT_STRING, &prompt_name, 0, 0, "NAME", "one of the model's prompts to put before each text"},
		{"--task", 0, LOOM_OPT_STRING, &task, 0, 0, "NAME", "the task whose adapter computes the texts"},
		{"--dimensions", 0, LOOM_OPT_INT, &dimensions, 1, 1 << 20, "N", "keep the first N"},
		{"--layer", 0, LOOM_OPT_INT, &layer, -1025, 1024, "N", "index of hidden (default -1)"},
		{"--encoding", 0, LOOM_OPT_STRING, &encoding, 0, 0, "NAME", "list or base64"},
		LOOM_RUN_OPTIONS(run),
		{NULL, 0, LOOM_OPT_FLAG, NULL, 0, 0, NULL, NULL},
	};
	rc = loom_options(argc, argv, opts, "loom embed MODEL [FILE|-] [options]",
		"Prints what POST /embed would answer for each line of FILE or of standard input.", words, 2, &n);
	if (rc >= 0) {
		return rc;
	}
	if (n == 0) {
		return loom_fail_usage("which model? usage: loom embed MODEL [FILE|-] [options]");
	}
	if (words[1] && strcmp(words[1], "-") != 0 && !(in = fopen(words[1], "rb"))) {
		(void)fprintf(stderr, "loom: %s: %s\n", words[1], strerror(errno));
		return LOOM_EXIT_FAILED;
	}
	json_t *fields = json_object();
	const struct {
		const char *key, *v;
	} strings[] = {{"pooling", pooling}, {"prompt_name", prompt_name}, {"task", task}, {"encoding", encoding}};
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (strings[i].v) {
			(void)json_object_set_new(fields, strings[i].key, json_string(strings[i].v));
		}
	}
	if (normalize) {
		(void)json_object_set_new(fields, "normalize", json_true());
	}
	if (no_truncate) {
		(void)json_object_set_new(fields, "truncate", json_false());
	}
	if (dimensions > 0) {
		(void)json_object_set_new(fields, "dimensions", json_integer(dimensions));
	}
	if (layer != INT64_MIN) {
		(void)json_object_set_new(fields, "layer", json_integer(layer));
	}
	rc = loom_open_one(&run, words[0], &e, &r);
	if (rc == LOOM_EXIT_OK) {
		rc = embed_lines(e, r, in, fields);
		loom_close_one(e, r);
	}
	json_decref(fields);
	if (in != stdin) {
		(void)fclose(in);
	}
	return rc;
}
