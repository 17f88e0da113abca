/* quantize_convert.c: a folder of safetensors → a GGUF file. See quantize.h. What the file holds is told by the tables that read it (model/layout.h,
 * model/gguf_say.h, tokenizer/gguf_words.h); when it is written it is opened as any other and compared, so that nothing is written that would run
 * otherwise. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dequant.h"
#include "family.h"
#include "file.h"
#include "gguf_pooling.h"
#include "gguf_rows.h"
#include "gguf_say.h"
#include "gguf_words.h"
#include "layout.h"
#include "mem.h"
#include "quantize.h"
#include "str.h"

#define KEPT_ELEMENTS ((int64_t)1 << 24) /* a weight up to this size is read whole */

struct converting {
	const struct loom_source *in;
	struct loom_opened opened;
	struct loom_layout layout;
	struct loom_gguf_out out;
	struct loom_arena arena;
	struct loom_gguf_small small[LOOM_MAX_SMALL];
	int n_small;
	enum loom_dtype type;
	char arch[64];
	/* the tensor that is being written */
	struct loom_layout_row *rows;
	int32_t kept;   /* number of the weight in wide; -1 none */
	float *wide;    /* [n_row, n_col] of it */
	char *raw;      /* stored bytes */
	size_t raw_cap;
};

static const struct loom_plan *plan_of(const struct converting *c)
{
	return &c->opened.model->plan;
}

static bool room(struct converting *c, size_t n)
{
	char *p = n <= c->raw_cap ? c->raw : loom_realloc(c->raw, n);

	if (p && n > c->raw_cap) {
		c->raw_cap = n;
	}
	c->raw = p ? p : c->raw;
	return p != NULL;
}

/* n stored rows of `cols` elements, from row on, as float32. */
static enum loom_status read_stored(struct converting *c, const struct loom_tensor *t, int64_t row, int64_t n, int64_t cols, float *out,
	struct loom_err *err)
{
	uint64_t off = 0, bytes = 0;
	enum loom_status rc;

	(void)loom_dtype_bytes(t->dtype, (uint64_t)(row * cols), &off);
	(void)loom_dtype_bytes(t->dtype, (uint64_t)(n * cols), &bytes);
	if (!room(c, (size_t)bytes + 1)) {
		return loom_err_nomem(err, t->name, bytes);
	}
	rc = loom_store_read(&c->opened.model->store, t, off, c->raw, (size_t)bytes, err);
	if (rc == LOOM_OK) {
		loom_dequant(t->dtype, c->raw, out, (size_t)(n * cols));
	}
	return rc;
}

/* All rows of a part that is stored the other way round: [columns, rows]. */
static enum loom_status read_turned(struct converting *c, const struct loom_weight_part *p, int64_t cols, float *out, struct loom_err *err)
{
	float *stored = loom_reallocarray(NULL, (size_t)(p->n_row * cols) + 1, sizeof(float));
	enum loom_status rc = stored ? read_stored(c, p->tensor, p->row0, cols, p->n_row, stored, err)
		: loom_err_nomem(err, p->tensor->name, (uint64_t)(p->n_row * cols) * sizeof(float));

	for (int64_t k = 0; rc == LOOM_OK && k < cols; k++) {
		for (int64_t r = 0; r < p->n_row; r++) {
			out[r * cols + k] = stored[k * p->n_row + r];
		}
	}
	loom_free(stored);
	return rc;
}

/* Rows row .. row + n - 1 of a part, which is not turned. */
static enum loom_status read_rows(struct converting *c, const struct loom_weight_part *p, int64_t row, int64_t n, int64_t cols, float *out,
	struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;

	if (p->group == 0) {
		return read_stored(c, p->tensor, p->row0 + row, n, cols, out, err);
	}
	for (int64_t i = 0; rc == LOOM_OK && i < n; i++) {
		int64_t r = row + i;
		rc = read_stored(c, p->tensor, p->row0 + r / p->group * p->stride + r % p->group, 1, cols, out + i * cols, err);
	}
	return rc;
}

/* The whole weight into c->wide, as the backend would have it. */
static enum loom_status keep_weight(struct converting *c, int32_t number, struct loom_err *err)
{
	const struct loom_weight *w = &plan_of(c)->weights[number];
	int64_t row = 0, cols = w->n_col;
	enum loom_status rc = LOOM_OK;

	if (c->kept == number) {
		return LOOM_OK;
	}
	loom_free(c->wide);
	c->kept = -1;
	c->wide = loom_reallocarray(NULL, (size_t)(w->n_row * cols) + 1, sizeof(float));
	if (!c->wide) {
		return loom_err_nomem(err, w->name, (uint64_t)(w->n_row * cols) * sizeof(float));
	}
	for (int k = 0; rc == LOOM_OK && k < w->n_part; k++) {
		const struct loom_weight_part *p = &w->part[k];
		rc = p->transposed ? read_turned(c, p, cols, c->wide + row * cols, err) : read_rows(c, p, 0, p->n_row, cols, c->wide + row * cols, err);
		row += p->n_row;
	}
	for (int64_t i = 0; rc == LOOM_OK && i < w->n_row * cols; i++) {
		c->wide[i] = w->kind == LOOM_WEIGHT_VECTOR ? c->wide[i] + w->add : c->wide[i];
		c->wide[i] = w->neg_exp ? (float)-exp((double)c->wide[i]) : c->wide[i];
	}
	c->kept = rc ? -1 : number;
	return rc;
}

/* One row of a weight that is too large to keep. */
static enum loom_status read_row(struct converting *c, const struct loom_weight *w, int64_t row, float *out, struct loom_err *err)
{
	const struct loom_weight_part *p = w->part;

	while (row >= p->n_row) {
		row -= p->n_row;
		p++;
	}
	return read_rows(c, p, row, 1, w->n_col, out, err);
}

struct tensor_rows {
	struct converting *c;
	const struct loom_layout_tensor *t;
};

static enum loom_status next_rows(void *ctx, int64_t row, int64_t n, float *out, struct loom_err *err)
{
	const struct tensor_rows *x = ctx;
	struct converting *c = x->c;
	int64_t cols = x->t->n_col;
	enum loom_status rc = LOOM_OK;

	for (int64_t i = 0; rc == LOOM_OK && i < n; i++) {
		const struct loom_layout_row *from = &c->rows[row + i];
		const struct loom_weight *w = &plan_of(c)->weights[from->weight];
		bool turned = x->t->turned || (w->n_part > 0 && w->part[0].transposed);
		if (!turned && w->kind != LOOM_WEIGHT_VECTOR && w->n_row * w->n_col > KEPT_ELEMENTS) {
			rc = read_row(c, w, from->row, out + i * cols, err);
			continue;
		}
		rc = keep_weight(c, from->weight, err);
		for (int64_t k = 0; rc == LOOM_OK && k < cols; k++) {
			out[i * cols + k] = x->t->turned ? c->wide[(from->from + k) * w->n_col + from->row] : c->wide[from->row * w->n_col + k];
		}
	}
	return rc;
}

static enum loom_dtype type_of(const struct converting *c, const struct loom_layout_tensor *t)
{
	return loom_gguf_type(t->name, t->n_dim, t->n_col, LOOM_F32, c->type);
}

static enum loom_status put_tensor(struct converting *c, const struct loom_layout_tensor *t, struct loom_err *err)
{
	struct tensor_rows x = {c, t};
	const struct loom_rows rows = {.n_row = t->n_row, .n_col = t->n_col, .read = next_rows, .ctx = &x, .name = t->name};
	enum loom_status rc;

	c->rows = loom_reallocarray(NULL, (size_t)t->n_row + 1, sizeof(*c->rows));
	if (!c->rows) {
		return loom_err_nomem(err, t->name, (uint64_t)t->n_row * sizeof(*c->rows));
	}
	loom_layout_rows(&c->layout, t, c->rows);
	rc = loom_gguf_out_rows(&c->out, type_of(c, t), &rows, err);
	loom_gguf_out_pad(&c->out);
	loom_free(c->rows);
	c->rows = NULL;
	return rc;
}

/* Can this model be written at all? */
static enum loom_status check(const struct converting *c, struct loom_err *err)
{
	const struct loom_opened *o = &c->opened;
	const struct loom_config *cfg = &o->model->cfg;
	const struct loom_plan *p = &o->model->plan;

	if (o->st.fixed || !cfg->family->gguf) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: no GGUF file can be made of this family: %s", cfg->family->name,
			o->st.fixed ? "it is a table of words" : "no names of its weights in such files are known here");
	}
	if (o->loader == LOOM_LOADER_CUSTOM) {
		return loom_err_set(err, LOOM_E_MODEL, "a model that loom.json describes has no architecture that other readers of GGUF files know");
	}
	if (cfg->classifies) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: a classifier's head has no place in the GGUF files that are made here", cfg->architecture);
	}
	for (int32_t i = 0; i < p->n_weight; i++) {
		for (int k = 0; k < p->weights[i].n_part; k++) {
			if (p->weights[i].part[k].quant) {
				return loom_err_set(err, LOOM_E_MODEL, "%s: the model is quantized already: make a GGUF file of the model that it was made of",
					p->weights[i].part[k].tensor->name);
			}
		}
	}
	return LOOM_OK;
}

static enum loom_status say_pooling(struct converting *c, struct loom_err *err)
{
	const struct loom_st_config *st = &c->opened.st;
	char key[96];

	if (!st->present) {
		return LOOM_OK;
	}
	for (int i = 0; i < st->n_layer; i++) {
		if (st->layers[i].kind != LOOM_SMALL_UNIT) {
			return loom_err_set(err, LOOM_E_MODEL, "modules.json: a GGUF file has no place for the layers behind the pooling");
		}
	}
	if (st->sparse) {
		return loom_err_set(err, LOOM_E_MODEL, "modules.json: GGUF files have no place for vectors of words (SPLADE)");
	}
	if (st->n_pool != 1 || loom_gguf_pooling_number(st->pooling) < 0) {
		return loom_err_set(err, LOOM_E_MODEL, "modules.json: GGUF files have no number for pooling \"%s\"%s", loom_pooling_name(st->pooling),
			st->n_pool > 1 ? " and others behind it" : "");
	}
	(void)snprintf(key, sizeof(key), "%s.pooling_type", c->arch);
	loom_gguf_out_u32(&c->out, key, (uint32_t)loom_gguf_pooling_number(st->pooling));
	return LOOM_OK;
}

static enum loom_status describe(struct converting *c, struct loom_err *err)
{
	const struct loom_config *cfg = &c->opened.model->cfg;
	const struct loom_gguf_model words = {cfg->n_vocab, cfg->bos_id, cfg->eos_ids, cfg->n_eos};
	const char *slash = strrchr(c->in->id, '/'), *name = slash && slash[1] ? slash + 1 : c->in->id;
	char dir[PATH_MAX];
	enum loom_status rc = loom_gguf_say(&c->out, cfg, c->arch, c->small, &c->n_small, &c->arena, err);

	loom_gguf_out_string(&c->out, "general.name", name, strlen(name));
	loom_gguf_out_file_type(&c->out, c->type);
	rc = rc ? rc : say_pooling(c, err);
	if (rc == LOOM_OK && !loom_path_join(dir, sizeof(dir), c->in->path, c->opened.st.body)) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: the path is too long", c->opened.st.body);
	}
	rc = rc ? rc : loom_tokenizer_to_gguf(c->opened.tokenizer, dir, &words, &c->out, err);
	for (int i = 0; rc == LOOM_OK && i < c->n_small; i++) {
		int64_t n = c->small[i].n;
		(void)loom_gguf_out_tensor(&c->out, c->small[i].name, 1, &n, LOOM_F32);
	}
	for (size_t i = 0; rc == LOOM_OK && i < c->layout.n_tensor; i++) {
		const struct loom_layout_tensor *t = &c->layout.tensors[i];
		(void)loom_gguf_out_tensor(&c->out, t->name, t->n_dim, t->shape, type_of(c, t));
	}
	return rc;
}

static enum loom_status put_all(struct converting *c, const struct loom_quantize_opts *o, struct loom_err *err)
{
	enum loom_status rc = loom_gguf_out_begin(&c->out, err);

	for (int i = 0; rc == LOOM_OK && i < c->n_small; i++) {
		loom_gguf_out_data(&c->out, c->small[i].v, (size_t)c->small[i].n * sizeof(float));
		loom_gguf_out_pad(&c->out);
	}
	for (size_t i = 0; rc == LOOM_OK && i < c->layout.n_tensor; i++) {
		rc = put_tensor(c, &c->layout.tensors[i], err);
		if (o->progress) {
			o->progress(o->ctx, i + 1, c->layout.n_tensor);
		}
	}
	return loom_gguf_out_close(&c->out, rc, err);
}

/* Opens what was written and compares: a model that would run otherwise is taken back. */
static enum loom_status compare(const struct converting *c, const char *path, struct loom_err *err)
{
	struct loom_source s = {.is_gguf = true};
	struct loom_opened back;
	char why[160] = "its size";
	bool same = false;
	enum loom_status rc;

	loom_opened_init(&back);
	(void)loom_str_copy(s.id, sizeof(s.id), path);
	(void)loom_str_copy(s.path, sizeof(s.path), path);
	rc = loom_source_open(&s, LOOM_LOADER_GGUF, NULL, LOOM_DTYPE_UNKNOWN, NULL, &back, err);
	if (rc == LOOM_E_MODEL) {
		(void)loom_err_prefix(err, "%s: GGUF files have no way to say what this model is: written as one it would not be read",
			c->opened.model->cfg.family->name);
	}
	if (rc == LOOM_OK && !loom_plan_same(plan_of(c), &back.model->plan, why, sizeof(why))) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: GGUF files have no way to say %s as this model has it", c->opened.model->cfg.family->name, why);
	}
	rc = rc ? rc : loom_tokenizer_same(c->opened.tokenizer, back.tokenizer, &same, err);
	if (rc == LOOM_OK && !same) {
		rc = loom_err_set(err, LOOM_E_MODEL, "the tokenizer: written as GGUF it would cut texts otherwise");
	}
	loom_opened_release(&back);
	if (rc) {
		(void)remove(path);
	}
	return rc;
}

enum loom_status loom_quantize_convert(const struct loom_source *in, const char *out, enum loom_dtype type, const struct loom_quantize_opts *o,
	struct loom_err *err)
{
	struct converting c = {.in = in, .type = type, .kept = -1};
	enum loom_status rc = loom_gguf_type_check(type, err);

	if (rc) {
		return rc;
	}
	loom_opened_init(&c.opened);
	loom_layout_init(&c.layout);
	loom_arena_init(&c.arena);
	loom_gguf_out_init(&c.out, out, 32);
	rc = loom_source_open(in, -1, NULL, LOOM_DTYPE_UNKNOWN, NULL, &c.opened, err);
	rc = rc ? rc : check(&c, err);
	rc = rc ? rc : loom_layout_make(&c.layout, c.opened.model, err);
	rc = rc ? rc : describe(&c, err);
	rc = rc ? rc : put_all(&c, o, err);
	rc = rc ? rc : compare(&c, out, err);
	loom_gguf_out_release(&c.out);
	loom_arena_release(&c.arena);
	loom_layout_release(&c.layout);
	loom_opened_release(&c.opened);
	loom_free(c.wide);
	loom_free(c.raw);
	return rc;
}
