/* answer_writer.c: tensors as JSON lists, as base64, or as entries of a safetensors file. One writer makes the JSON of all three formats; in
 * safetensors the tensors lose their "data" there and follow as a file. */
#include "answer_writer.h"

#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "mem.h"
#include "model.h"
#include "str.h"

void loom_writer_begin(struct loom_writer *w, const struct loom_encode_opts *o, struct loom_err *err)
{
	memset(w, 0, sizeof(*w));
	w->o = o;
	w->item = -1;
	w->err = err;
	loom_buf_init(&w->json, SIZE_MAX / 4);
	loom_json_out_init(&w->j, &w->json);
	loom_arena_init(&w->arena);
}

enum loom_status loom_writer_finish(struct loom_writer *w, struct loom_body *b)
{
	if (w->rc == LOOM_OK && w->json.failed) {
		w->rc = loom_err_nomem(w->err, "answer", w->json.len);
	}
	if (w->rc == LOOM_OK && w->o->format == LOOM_FORMAT_SAFETENSORS) {
		w->rc = loom_body_safetensors(b, w->entries, w->n_entry, w->json.data, w->json.len, w->err);
	} else if (w->rc == LOOM_OK) {
		loom_buf_release(&b->head);
		b->head = w->json;
		loom_buf_init(&w->json, 0);
	}
	loom_buf_release(&w->json);
	loom_arena_release(&w->arena);
	loom_free(w->entries);
	return w->rc;
}

void loom_writer_entry(struct loom_writer *w, const char *group, const char *name, const struct loom_answer_tensor *t, enum loom_dtype dtype)
{
	char full[192], index[24] = "";

	if (w->n_entry == w->cap_entry) {
		size_t cap = w->cap_entry ? w->cap_entry * 2 : 16;
		struct loom_st_entry *more = loom_reallocarray(w->entries, cap, sizeof(*more));
		if (!more) {
			w->rc = loom_err_nomem(w->err, "answer", cap * sizeof(*more));
			return;
		}
		w->entries = more;
		w->cap_entry = cap;
	}
	if (w->item >= 0) {
		(void)snprintf(index, sizeof(index), "%lld.", (long long)w->item);
	}
	(void)snprintf(full, sizeof(full), "%s%s%s%s", index, group, name[0] ? "." : "", name);
	struct loom_st_entry e = {loom_arena_strdup(&w->arena, full), dtype, t->n_dim, t->shape, t->data};
	if (!e.name) {
		w->rc = loom_err_nomem(w->err, "answer", sizeof(full));
		return;
	}
	w->entries[w->n_entry++] = e;
}

void loom_writer_ints(struct loom_json_out *j, const char *key, const int64_t *v, size_t n)
{
	loom_json_key(j, key);
	loom_json_open(j, '[');
	for (size_t i = 0; i < n; i++) {
		loom_json_put_int(j, v[i]);
	}
	loom_json_close(j, ']');
}

size_t loom_writer_count(const struct loom_answer_tensor *t)
{
	size_t n = 1;

	for (int i = 0; i < t->n_dim; i++) {
		n *= (size_t)t->shape[i];
	}
	return n;
}

void loom_writer_base64(struct loom_writer *w, const float *v, size_t n, enum loom_dtype dtype)
{
	struct loom_body tmp;

	loom_json_raw(&w->j);
	(void)loom_buf_putc(&w->json, '"');
	if (dtype == LOOM_F32) {
		loom_base64_put(&w->json, v, n * sizeof(float));
	} else {
		loom_body_init(&tmp);
		w->rc = w->rc ? w->rc : loom_body_floats(&tmp, v, n, dtype, w->err);
		if (tmp.n_part > 0) {
			loom_base64_put(&w->json, tmp.parts[0].data, tmp.parts[0].n);
		}
		loom_body_release(&tmp);
	}
	(void)loom_buf_putc(&w->json, '"');
}

/* "data" of a tensor; nested: rows as lists. Returns how many numbers are not finite. */
static size_t put_data(struct loom_writer *w, const struct loom_answer_tensor *t, bool nested)
{
	size_t n = loom_writer_count(t), bad = 0;

	loom_json_key(&w->j, "data");
	if (!nested) {
		return loom_json_put_floats(&w->j, t->data, n);
	}
	size_t rows = (size_t)t->shape[0], width = rows ? n / rows : 0;
	loom_json_open(&w->j, '[');
	for (size_t r = 0; r < rows; r++) {
		bad += loom_json_put_floats(&w->j, t->data + r * width, width);
	}
	loom_json_close(&w->j, ']');
	return bad;
}

static void put_final_norm(struct loom_json_out *j, const struct loom_answer_tensor *t)
{
	char text[32];

	loom_json_key(j, "final_norm");
	if (t->final_norm == 2) {
		(void)snprintf(text, sizeof(text), "layer %d only", t->final_norm_layer);
		loom_json_put_str(j, text);
	} else {
		loom_json_put_bool(j, t->final_norm != 0);
	}
}

static void put_tensor(struct loom_writer *w, const char *group, const struct loom_answer_tensor *t, enum loom_dtype dtype, bool nested)
{
	struct loom_json_out *j = &w->j;
	enum loom_dtype sent = w->o->format == LOOM_FORMAT_LIST ? LOOM_F32 : dtype;
	bool one_layer = !loom_str_eq(group, "captures");

	loom_json_key(j, t->name);
	loom_json_open(j, '{');
	if (w->o->format == LOOM_FORMAT_LIST) {
		size_t bad = put_data(w, t, nested);
		if (bad > 0) {
			loom_json_key(j, "nonfinite");
			loom_json_put_int(j, (int64_t)bad);
		}
	} else if (w->o->format == LOOM_FORMAT_BASE64) {
		loom_json_key(j, "data");
		loom_writer_base64(w, t->data, loom_writer_count(t), sent);
		loom_json_key(j, "encoding");
		loom_json_put_str(j, "base64");
	} else {
		loom_writer_entry(w, group, t->name, t, sent);
	}
	loom_writer_ints(j, "shape", t->shape, (size_t)t->n_dim);
	loom_json_key(j, "dtype");
	loom_json_put_str(j, loom_dtype_name(sent));
	loom_json_key(j, "site");
	loom_json_put_str(j, loom_site_name(t->site));
	if (one_layer && t->n_layer == 1) {
		loom_json_key(j, "layer");
		loom_json_put_int(j, t->layers[0]);
	} else {
		loom_json_key(j, "layers");
		loom_json_open(j, '[');
		for (size_t i = 0; i < t->n_layer; i++) {
			loom_json_put_int(j, t->layers[i]);
		}
		loom_json_close(j, ']');
	}
	loom_writer_ints(j, "positions", t->positions, t->n_position);
	if (t->reduce) {
		loom_json_key(j, "reduce");
		loom_json_put_str(j, t->reduce);
	}
	put_final_norm(j, t);
	loom_json_close(j, '}');
}

void loom_writer_members(struct loom_writer *w, const char *group, const struct loom_answer_tensor *t, size_t n, bool own, bool nested)
{
	loom_json_open(&w->j, '{');
	for (size_t i = 0; i < n; i++) {
		put_tensor(w, group, &t[i], own ? t[i].dtype : w->o->dtype, nested);
	}
	loom_json_close(&w->j, '}');
}

void loom_writer_tensors(struct loom_writer *w, const char *group, const struct loom_answer_tensor *t, size_t n, bool own, bool nested)
{
	loom_json_key(&w->j, group);
	loom_writer_members(w, group, t, n, own, nested);
}

void loom_writer_tokens(struct loom_json_out *j, const char *key, const struct loom_answer *a)
{
	if (key) {
		loom_json_key(j, key);
	}
	loom_json_open(j, '[');
	for (size_t i = 0; i < a->n_tokens; i++) {
		const struct loom_token_info *t = &a->tokens[i];
		loom_json_open(j, '{');
		loom_json_key(j, "position");
		loom_json_put_int(j, t->position);
		loom_json_key(j, "id");
		loom_json_put_int(j, t->id);
		loom_json_key(j, "text");
		loom_json_put_str(j, t->text);
		loom_json_key(j, "start");
		loom_json_put_int(j, t->start);
		loom_json_key(j, "end");
		loom_json_put_int(j, t->end);
		loom_json_key(j, "special");
		loom_json_put_bool(j, t->special);
		loom_json_key(j, "source");
		loom_json_put_str(j, t->generated ? "generated" : "prompt");
		loom_json_close(j, '}');
	}
	loom_json_close(j, ']');
}
