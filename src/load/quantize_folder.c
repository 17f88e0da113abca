/* quantize_folder.c: a folder of float safetensors → a folder with the tensors that bitsandbytes writes. See quantize.h. Which matrices are
 * quantized is what loading with the same quantization would make of the model: the plan says. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bounds.h"
#include "buf.h"
#include "file.h"
#include "jsonx.h"
#include "mem.h"
#include "module.h"
#include "quantize.h"
#include "str.h"

#define COPY_BYTES (4u << 20)

struct writing {
	const struct loom_source *in;
	const char *dir;
	struct loom_opened opened;
	const struct loom_quant **quant; /* [n_tensor] what is made of the tensor; NULL: copied */
	struct loom_buf head;
	uint64_t at;                     /* of the next tensor's data */
	FILE *f;
	char *copy;                      /* [COPY_BYTES] */
	bool first;
};

static const struct loom_store *store_of(const struct writing *w)
{
	return &w->opened.model->store;
}

static bool join(struct writing *w, const char *name, char path[PATH_MAX])
{
	return loom_path_join(path, PATH_MAX, w->dir, name);
}

/* Which tensors the plan would quantize. */
static enum loom_status find_modules(struct writing *w, struct loom_err *err)
{
	const struct loom_store *s = store_of(w);
	const struct loom_plan *p = &w->opened.model->plan;

	w->quant = loom_calloc(s->n_tensor, sizeof(const struct loom_quant *));
	w->copy = loom_malloc(COPY_BYTES);
	if (!w->quant || !w->copy) {
		return loom_err_nomem(err, "quantizing", s->n_tensor * sizeof(const struct loom_quant *));
	}
	for (int32_t i = 0; i < p->n_weight; i++) {
		for (int k = 0; k < p->weights[i].n_part; k++) {
			const struct loom_weight_part *part = &p->weights[i].part[k];
			if (part->quant && part->quant->n_plane == 0) { /* bitsandbytes has no form for all experts in one tensor */
				w->quant[part->tensor - s->tensors] = part->quant;
			}
		}
	}
	return LOOM_OK;
}

static const char *type_name(enum loom_dtype t)
{
	static const struct {
		enum loom_dtype t;
		const char *name;
	} names[] = {{LOOM_F32, "F32"}, {LOOM_F16, "F16"}, {LOOM_BF16, "BF16"}, {LOOM_F64, "F64"}, {LOOM_I8, "I8"}, {LOOM_U8, "U8"}, {LOOM_I16, "I16"},
		{LOOM_U16, "U16"}, {LOOM_I32, "I32"}, {LOOM_U32, "U32"}, {LOOM_I64, "I64"}, {LOOM_U64, "U64"}, {LOOM_BOOL, "BOOL"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].t == t) {
			return names[i].name;
		}
	}
	return NULL;
}

static void entry(struct writing *w, const char *name, const char *suffix, const char *type, int n_dim, const int64_t *shape, uint64_t bytes)
{
	char dims[128];

	loom_shape_show(n_dim, shape, dims, sizeof(dims));
	(void)loom_buf_printf(&w->head, "%s\"%s%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%llu,%llu]}", w->first ? "" : ",", name, suffix,
		type, dims, (unsigned long long)w->at, (unsigned long long)w->at + bytes);
	w->at += bytes;
	w->first = false;
}

static int64_t blocks_of(const struct loom_quant *q)
{
	return (q->n_row * q->n_col + 63) / 64;
}

static int64_t nests_of(const struct loom_quant *q)
{
	return (blocks_of(q) + LOOM_NEST_GROUP - 1) / LOOM_NEST_GROUP;
}

/* The same length for every offset, which the header's entry needs before it is known. */
static int state_text(const struct loom_quant *q, float offset, char *out, size_t cap)
{
	int n = snprintf(out, cap, "{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"%s\", \"shape\": [%lld, %lld]",
		loom_dtype_name(q->codes->dtype), (long long)q->n_row, (long long)q->n_col);

	n += snprintf(out + n, cap - (size_t)n, q->nested ? ", \"nested_blocksize\": %d, \"nested_dtype\": \"float32\", \"nested_offset\": %.8e}" : "}",
		LOOM_NEST_GROUP, (double)offset);
	return n;
}

/* The header's entries of a tensor; the data follows in the same order (put_made). */
static enum loom_status describe(struct writing *w, const struct loom_tensor *t, const struct loom_quant *q, struct loom_err *err)
{
	char state[256], stem[LOOM_MAX_TENSOR_NAME];

	if (!q) {
		if (!type_name(t->dtype)) {
			return loom_err_set(err, LOOM_E_MODEL, "%s is %s: the model is quantized already", t->name, loom_dtype_name(t->dtype));
		}
		entry(w, t->name, "", type_name(t->dtype), t->n_dim, t->shape, t->bytes);
		return LOOM_OK;
	}
	(void)snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(t->name) - strlen(".weight")), t->name);
	if (q->kind == LOOM_QUANT_MAKE_INT8) {
		entry(w, t->name, "", "I8", 2, (const int64_t[]){q->n_row, q->n_col}, (uint64_t)(q->n_row * q->n_col));
		entry(w, stem, ".SCB", "F32", 1, &q->n_row, (uint64_t)q->n_row * 4);
		entry(w, stem, ".weight_format", "U8", 0, NULL, 1);
		return LOOM_OK;
	}
	int64_t bytes = (q->n_row * q->n_col + 1) / 2, n_blocks = blocks_of(q), n_nest = nests_of(q), n_state = state_text(q, 0, state, sizeof(state));
	entry(w, t->name, "", "U8", 2, (const int64_t[]){bytes, 1}, (uint64_t)bytes);
	entry(w, t->name, ".absmax", q->nested ? "U8" : "F32", 1, &n_blocks, (uint64_t)n_blocks * (q->nested ? 1 : 4));
	if (q->nested) {
		entry(w, t->name, ".nested_absmax", "F32", 1, &n_nest, (uint64_t)n_nest * 4);
		entry(w, t->name, ".nested_quant_map", "F32", 1, (const int64_t[]){256}, 1024);
	}
	entry(w, t->name, ".quant_map", "F32", 1, (const int64_t[]){16}, 64);
	entry(w, t->name, ".quant_state.bitsandbytes__nf4", "U8", 1, &n_state, (uint64_t)n_state);
	return LOOM_OK;
}

static bool put(struct writing *w, const void *data, size_t n)
{
	return fwrite(data, 1, n, w->f) == n;
}

static enum loom_status unwritten(const struct writing *w, struct loom_err *err)
{
	(void)w;
	return loom_err_set(err, errno == ENOSPC ? LOOM_E_DISK_FULL : LOOM_E_IO, "model.safetensors: cannot be written: %s", strerror(errno));
}

static enum loom_status put_copy(struct writing *w, const struct loom_tensor *t, struct loom_err *err)
{
	for (uint64_t at = 0; at < t->bytes; at += COPY_BYTES) {
		size_t n = t->bytes - at < COPY_BYTES ? (size_t)(t->bytes - at) : COPY_BYTES;
		enum loom_status rc = loom_store_read(store_of(w), t, at, w->copy, n, err);
		if (rc) {
			return rc;
		}
		if (!put(w, w->copy, n)) {
			return unwritten(w, err);
		}
	}
	return LOOM_OK;
}

static enum loom_status put_made(struct writing *w, const struct loom_quant *q, struct loom_err *err)
{
	struct loom_module m;
	enum loom_status rc = loom_module_open(&m, q, store_of(w), err);
	size_t total = (size_t)(q->n_row * q->n_col), n_blocks = (size_t)blocks_of(q), cols = (size_t)q->n_col;
	uint8_t *codes = loom_malloc(total + 1), zero = 0;
	float *scale = loom_malloc((size_t)q->n_row * sizeof(float));
	char state[256];
	bool ok = true;

	if (rc == LOOM_OK && (!codes || !scale)) {
		rc = loom_err_nomem(err, q->codes->name, total);
	}
	if (rc == LOOM_OK && q->kind == LOOM_QUANT_MAKE_INT8) {
		for (int64_t r = 0; r < q->n_row; r++) {
			loom_module_codes(&m, r, codes + (size_t)r * cols, &scale[r], NULL);
		}
		ok = put(w, codes, total) && put(w, scale, (size_t)q->n_row * sizeof(float)) && put(w, &zero, 1);
	} else if (rc == LOOM_OK) {
		codes[total] = 7; /* an odd count is padded with a zero */
		for (size_t b = 0; b < n_blocks; b++) {
			size_t at = b * 64, n = total - at < 64 ? total - at : 64;
			(void)loom_nf4_block(m.wide + at, n, n == 64, codes + at);
		}
		for (size_t i = 0; i < (total + 1) / 2; i++) { /* the first of two is the high nibble */
			codes[i] = (uint8_t)(codes[2 * i] << 4 | codes[2 * i + 1]);
		}
		int n_state = state_text(q, m.nest_offset, state, sizeof(state));
		ok = put(w, codes, (total + 1) / 2);
		if (q->nested) {
			ok = ok && put(w, m.scale, n_blocks) && put(w, m.outer, (size_t)nests_of(q) * sizeof(float)) && put(w, m.nest_map, 256 * sizeof(float));
		} else {
			ok = ok && put(w, m.absmax, n_blocks * sizeof(float));
		}
		ok = ok && put(w, loom_nf4_values, 64) && put(w, state, (size_t)n_state);
	}
	loom_free(codes);
	loom_free(scale);
	loom_module_release(&m);
	return rc ? rc : ok ? LOOM_OK : unwritten(w, err);
}

static enum loom_status put_weights(struct writing *w, const struct loom_quantize_opts *o, struct loom_err *err)
{
	const struct loom_store *s = store_of(w);
	enum loom_status rc = LOOM_OK;
	char path[PATH_MAX];
	unsigned char size[8];

	w->first = true;
	(void)loom_buf_puts(&w->head, "{\"__metadata__\":{\"format\":\"pt\"},");
	for (size_t i = 0; rc == LOOM_OK && i < s->n_tensor; i++) {
		rc = describe(w, &s->tensors[i], w->quant[i], err);
	}
	(void)loom_buf_putc(&w->head, '}');
	while (w->head.len % 8) {
		(void)loom_buf_putc(&w->head, ' ');
		if (w->head.failed) {
			return loom_err_nomem(err, "the header", w->head.len);
		}
	}
	if (rc) {
		return rc;
	}
	if (!join(w, "model.safetensors", path) || !(w->f = fopen(path, "wb"))) {
		return unwritten(w, err);
	}
	for (int i = 0; i < 8; i++) {
		size[i] = (unsigned char)((uint64_t)w->head.len >> 8 * i);
	}
	if (!put(w, size, 8) || !put(w, w->head.data, w->head.len)) {
		return unwritten(w, err);
	}
	for (size_t i = 0; rc == LOOM_OK && i < s->n_tensor; i++) {
		rc = w->quant[i] ? put_made(w, w->quant[i], err) : put_copy(w, &s->tensors[i], err);
		if (o->progress) {
			o->progress(o->ctx, i + 1, s->n_tensor);
		}
	}
	return rc;
}

/* config.json with what bitsandbytes says in it. */
static enum loom_status put_config(struct writing *w, const char *quantization, struct loom_err *err)
{
	char path[PATH_MAX];
	json_t *root = NULL, *q = NULL;
	char *text = NULL;
	FILE *f = NULL;
	enum loom_status rc = loom_path_join(path, sizeof(path), w->in->path, "config.json") ? loom_json_load(path, "config.json", LOOM_MAX_CONFIG_BYTES,
		&root, err) : loom_err_nomem(err, "a path", PATH_MAX);

	if (rc) {
		return rc;
	}
	bool nested = loom_str_eq(quantization, "4bit-double"), eight = loom_str_eq(quantization, "8bit");
	q = !eight ? json_pack("{s:s,s:b,s:b,s:s,s:b,s:s}", "quant_method", "bitsandbytes", "load_in_4bit", 1, "load_in_8bit", 0, "bnb_4bit_quant_type", "nf4",
		"bnb_4bit_use_double_quant", nested, "bnb_4bit_compute_dtype", "float32")
		: json_pack("{s:s,s:b,s:b,s:f}", "quant_method", "bitsandbytes", "load_in_4bit", 0, "load_in_8bit", 1, "llm_int8_threshold", 6.0);
	if (!q || json_object_set_new(root, "quantization_config", q) || !(text = json_dumps(root, JSON_INDENT(1)))) {
		rc = loom_err_nomem(err, "config.json", 4096);
	} else if (!join(w, "config.json", path) || !(f = fopen(path, "wb")) || fputs(text, f) < 0) {
		rc = loom_err_set(err, LOOM_E_IO, "config.json: cannot be written: %s", strerror(errno));
	}
	if (f && fclose(f) && rc == LOOM_OK) {
		rc = loom_err_set(err, LOOM_E_IO, "config.json: cannot be written: %s", strerror(errno));
	}
	json_free_t release;
	json_get_alloc_funcs(NULL, &release);
	if (text) {
		release(text);
	}
	json_decref(root);
	return rc;
}

/* Tokenizer, generation settings and the like: small files whose names end in .json, .jinja, .txt or .model. */
static enum loom_status copy_rest(struct writing *w, struct loom_err *err)
{
	DIR *d = opendir(w->in->path);
	enum loom_status rc = LOOM_OK;

	for (struct dirent *e; d && rc == LOOM_OK && (e = readdir(d));) {
		const char *n = e->d_name;
		char from[PATH_MAX], to[PATH_MAX], *data = NULL;
		size_t len = 0;
		bool wanted = loom_str_ends(n, ".json") || loom_str_ends(n, ".jinja") || loom_str_ends(n, ".txt") || loom_str_ends(n, ".model");
		if (n[0] == '.' || !wanted || loom_str_eq(n, "config.json") || loom_str_ends(n, ".index.json") ||
			!loom_path_join(from, sizeof(from), w->in->path, n) || !join(w, n, to) || !loom_path_is_file(from)) {
			continue;
		}
		rc = loom_file_slurp(from, n, LOOM_MAX_TOKENIZER_BYTES, &data, &len, err);
		FILE *f = rc ? NULL : fopen(to, "wb");
		if (rc == LOOM_OK && (!f || fwrite(data, 1, len, f) != len)) {
			rc = loom_err_set(err, LOOM_E_IO, "%s: cannot be written: %s", n, strerror(errno));
		}
		if (f && fclose(f) && rc == LOOM_OK) {
			rc = loom_err_set(err, LOOM_E_IO, "%s: cannot be written: %s", n, strerror(errno));
		}
		loom_free(data);
	}
	if (d) {
		(void)closedir(d);
	}
	return rc;
}

enum loom_status loom_quantize_folder(const struct loom_source *in, const char *out, const char *quantization, const struct loom_quantize_opts *o,
	struct loom_err *err)
{
	struct writing w = {.in = in, .dir = out};
	enum loom_status rc;

	loom_opened_init(&w.opened);
	loom_buf_init(&w.head, LOOM_MAX_ST_HEADER_BYTES);
	rc = loom_source_open(in, LOOM_LOADER_TRANSFORMERS, NULL, LOOM_DTYPE_UNKNOWN, quantization, &w.opened, err);
	rc = rc ? rc : find_modules(&w, err);
	if (rc == LOOM_OK && mkdir(out, 0755)) {
		rc = loom_err_set(err, errno == EEXIST ? LOOM_E_CONFLICT : LOOM_E_IO, "%s: %s", out, strerror(errno));
	}
	rc = rc ? rc : put_weights(&w, o, err);
	if (w.f && fclose(w.f) && rc == LOOM_OK) {
		rc = unwritten(&w, err);
	}
	rc = rc ? rc : put_config(&w, quantization, err);
	rc = rc ? rc : copy_rest(&w, err);
	loom_free(w.quant);
	loom_free(w.copy);
	loom_buf_release(&w.head);
	loom_opened_release(&w.opened);
	return rc;
}
