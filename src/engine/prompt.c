/* prompt.c: from what a client wrote to the ids that the model reads: prompts of the model's own configuration, tokens, truncation.
 *
 * Stands first in a job. Refuses what has no tokens, ids without an embedding row, and what is longer than the model reads. */
#include "engine_internal.h"

#include <string.h>

#include "str.h"

static const char *param_of(const struct loom_request *q)
{
	return q->kind == LOOM_REQUEST_EMBED ? "text" : "prompt";
}

static const char *prompt_text(const struct loom_st_config *st, const char *name)
{
	for (int i = 0; i < st->n_prompt; i++) {
		if (loom_str_eq(st->prompts[i].name, name))
			return st->prompts[i].text;
	}
	return NULL;
}

static enum loom_status unknown_prompt(const struct loom_st_config *st, const char *name, struct loom_err *err)
{
	char list[400] = "none";
	size_t n = 0;
	for (int i = 0; i < st->n_prompt && n + 3 < sizeof list; i++) {
		if (n)
			n += loom_str_copy(list + n, sizeof list - n, ", ");
		n += loom_str_copy(list + n, sizeof list - n, st->prompts[i].name);
	}
	return loom_err_param(err, LOOM_E_INVALID, "prompt_name", "no prompt is named \"%.64s\"; this model has: %s", name, list);
}

/* A table of words gets the words alone, as sentence-transformers does it. */
static bool special_tokens(const struct loom_job *j)
{
	return j->req->add_special_tokens && !j->r->opened.st.fixed;
}

/* Tokens of the prompt alone, a special one at its end left out: they are not pooled. */
static enum loom_status count_prompt(struct loom_job *j, const char *text, size_t n, struct loom_err *err)
{
	struct loom_encoding e;
	loom_encoding_init(&e);
	enum loom_status st = loom_tokenizer_encode(j->r->opened.tokenizer, text, n, special_tokens(j), &e, err);
	if (!st)
		j->n_skip = (int32_t)e.n - (e.n > 0 && loom_tokenizer_is_special(j->r->opened.tokenizer, e.ids[e.n - 1]));
	loom_encoding_release(&e);
	return st;
}

/* The number of the task's adapter in j->adapter. */
static enum loom_status find_task(struct loom_job *j, struct loom_err *err)
{
	const struct loom_config *cfg = &j->r->opened.model->cfg;
	int32_t n_adapter = j->r->opened.model->plan.n_adapter;
	char list[400] = "none";
	size_t n = 0;
	for (int32_t i = 0; j->req->task && i < n_adapter; i++) {
		if (loom_str_eq(cfg->adapter_names[i], j->req->task))
			j->adapter = i + 1;
		if (n + 3 < sizeof list && n)
			n += loom_str_copy(list + n, sizeof list - n, ", ");
		if (n + 3 < sizeof list)
			n += loom_str_copy(list + n, sizeof list - n, cfg->adapter_names[i]);
	}
	if (!j->req->task || j->adapter)
		return LOOM_OK;
	return loom_err_param(err, LOOM_E_INVALID, "task", "no task is named \"%.64s\"; this model has adapters for: %s", j->req->task, list);
}

/* The prompt that stands before the text: the one asked for, that of the task, or the one that the model always wants. */
static enum loom_status choose_prompt(const struct loom_job *j, const char **out, struct loom_err *err)
{
	const struct loom_st_config *st = &j->r->opened.st;
	const char *name = j->req->prompt_name;
	*out = NULL;
	if (name && name[0]) {
		*out = prompt_text(st, name);
		return *out ? LOOM_OK : unknown_prompt(st, name, err);
	}
	if (!name && j->adapter) {
		*out = prompt_text(st, j->req->task);
		*out = *out ? *out : j->r->opened.model->cfg.adapter_prompts[j->adapter - 1];
	} else if (!name && st->default_prompt) {
		*out = prompt_text(st, st->default_prompt);
	}
	return LOOM_OK;
}

/* *text, *n: the text with its prompt before it. */
static enum loom_status with_prompt(struct loom_job *j, const char **text, size_t *n, struct loom_err *err)
{
	const struct loom_st_config *st = &j->r->opened.st;
	const char *before;
	if (j->req->kind != LOOM_REQUEST_EMBED || j->req->scores)
		return LOOM_OK;
	enum loom_status rc = choose_prompt(j, &before, err);
	if (rc || !before || before[0] == 0)
		return rc;
	size_t n_before = strlen(before);
	char *both = loom_arena_alloc(&j->answer->arena, n_before + *n + 1, 1);
	if (!both)
		return loom_err_nomem(err, "prompt and text", n_before + *n);
	loom_str_copy(both, n_before + 1, before);
	memcpy(both + n_before, *text, *n);
	*text = both;
	*n += n_before;
	return st->include_prompt ? LOOM_OK : count_prompt(j, before, n_before, err);
}

/* Most tokens that are read. */
static int64_t longest(const struct loom_job *j)
{
	int64_t n = j->r->max_position, own = j->r->opened.max_seq;
	return j->req->kind == LOOM_REQUEST_EMBED && own > 0 && own < n ? own : n;
}

static enum loom_status encode(struct loom_job *j, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	const struct loom_tokenizer *t = j->r->opened.tokenizer;
	const char *text = q->text ? q->text : "";
	size_t n = q->n_text;
	if (!t)
		return loom_err_param(err, LOOM_E_INVALID, param_of(q), "this model has no tokenizer: send token ids");
	enum loom_status st = with_prompt(j, &text, &n, err);
	if (st)
		return st;
	const struct loom_input in = {.text = text, .n = n, .pair = q->pair, .n_pair = q->n_pair, .add_special = special_tokens(j),
		.left = loom_tokenizer_cuts_left(t), .max = q->kind == LOOM_REQUEST_EMBED && q->truncate ? (size_t)longest(j) : 0};
	return loom_tokenizer_encode_input(t, &in, &j->enc, &j->answer->truncated, err);
}

static enum loom_status check_ids(const struct loom_job *j, size_t n, struct loom_err *err)
{
	int32_t rows = j->r->opened.model->plan.n_vocab, mask = j->r->opened.model->cfg.mask_id;
	for (size_t i = 0; i < n; i++) {
		if (j->ids[i] < 0 || j->ids[i] >= rows)
			return loom_err_param(err, LOOM_E_INVALID, param_of(j->req), "token %zu is %d: this model has embeddings for 0..%d", i,
				(int)j->ids[i], (int)(rows - 1));
		if (mask > 0 && j->ids[i] == mask)
			return loom_err_param(err, LOOM_E_INVALID, param_of(j->req), "token %zu is the mask token %d: this model rescales the other "
				"tokens by the share of masks (token_dropout), which is not supported", i, (int)mask);
	}
	return LOOM_OK;
}

static enum loom_status check_length(struct loom_job *j, size_t *n, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	size_t most = (size_t)longest(j);
	if (*n == 0)
		return loom_err_param(err, LOOM_E_INVALID, param_of(q), "no tokens: the text is empty and this tokenizer adds none of its own");
	if (*n <= most)
		return LOOM_OK;
	if (q->kind == LOOM_REQUEST_EMBED && q->truncate) {
		*n = most;
		j->answer->truncated = true;
		return LOOM_OK;
	}
	if (j->r->page_bound && (int64_t)most == j->r->max_position) {
		const struct loom_state_opts *o = &j->r->state_opts;
		return loom_err_param(err, LOOM_E_INVALID, param_of(q), "%zu tokens need %d KV pages of %d positions; the memory budget has room for "
			"%d of them, %zu tokens", *n, (int)loom_kv_need((int64_t)*n), LOOM_PAGE, (int)o->n_page, most);
	}
	return loom_err_param(err, LOOM_E_INVALID, param_of(q), "%zu tokens: this model reads at most %zu here", *n, most);
}

/* The rows of the table that the tokens have. */
static enum loom_status map_rows(struct loom_job *j, size_t n, struct loom_err *err)
{
	const struct loom_st_config *st = &j->r->opened.st;
	int32_t *rows = st->rows ? loom_arena_alloc(&j->answer->arena, n + 1, sizeof *rows) : NULL;
	if (st->rows && !rows)
		return loom_err_nomem(err, "rows", n * sizeof *rows);
	for (size_t i = 0; i < n && st->n_rows > 0; i++) {
		if (j->ids[i] < 0 || j->ids[i] >= st->n_rows)
			return loom_err_param(err, LOOM_E_INVALID, param_of(j->req), "token %zu is %d: this model has embeddings for 0..%d", i, (int)j->ids[i],
				(int)(st->n_rows - 1));
		if (rows)
			rows[i] = st->rows[j->ids[i]];
	}
	j->words = j->ids;
	j->ids = rows ? rows : j->ids;
	return LOOM_OK;
}

enum loom_status loom_job_tokens(struct loom_job *j, struct loom_err *err)
{
	const struct loom_request *q = j->req;
	size_t n = q->n_ids;
	enum loom_status st = find_task(j, err);
	if (st)
		return st;
	j->ids = q->ids;
	if (!q->ids) {
		st = encode(j, err);
		if (st)
			return st;
		j->ids = j->enc.ids;
		n = j->enc.n;
	}
	st = check_length(j, &n, err);
	if (!st)
		st = map_rows(j, n, err);
	if (!st)
		st = check_ids(j, n, err);
	j->n_prompt = (int32_t)n;
	return st;
}
