/* static_table.c: see static_table.h. */
#include "static_table.h"

#include "bounds.h"
#include "config_internal.h"
#include "family.h"
#include "mem.h"
#include "st_modules.h"

#define TABLE "embedding.weight"

extern const struct loom_family loom_family_static_embedding;

/* model2vec's name for the table, under the name that the plan looks for. */
static enum loom_status name_table(struct loom_store *store, struct loom_err *err)
{
	const struct loom_tensor *t = loom_store_find(store, TABLE);
	struct loom_tensor alias;
	enum loom_status rc;

	if (!t && (t = loom_store_find(store, "embeddings"))) {
		alias = *t;
		alias.name = TABLE;
		rc = loom_store_reserve(store, 1, err);
		if (rc || (rc = loom_store_add(store, &alias, err))) {
			return rc;
		}
		t = loom_store_find(store, TABLE);
	}
	if (!t || t->n_dim != 2 || t->shape[0] < 1 || t->shape[1] < 1 || t->shape[0] > LOOM_MAX_VOCAB || t->shape[1] > LOOM_MAX_EMBD) {
		return loom_err_set(err, LOOM_E_MODEL, "StaticEmbedding: " TABLE " (or embeddings): %s", t ? "expected a matrix" : "it is missing");
	}
	return LOOM_OK;
}

/* A vector of whole numbers below n_row. */
static enum loom_status read_rows(const struct loom_store *store, const struct loom_tensor *t, int64_t n_row, struct loom_st_config *st,
	struct loom_err *err)
{
	size_t size = t->dtype == LOOM_I64 ? 8 : 4;
	unsigned char *raw;
	enum loom_status rc;

	if (t->n_dim != 1 || t->n_elem > LOOM_MAX_VOCAB || (t->dtype != LOOM_I64 && t->dtype != LOOM_I32)) {
		return loom_err_set(err, LOOM_E_MODEL, "StaticEmbedding: mapping: expected a vector of int32 or int64");
	}
	raw = loom_malloc((size_t)t->bytes + 1);
	st->rows = loom_arena_alloc(&st->arena, (size_t)t->n_elem + 1, sizeof(*st->rows));
	if (!raw || !st->rows) {
		loom_free(raw);
		return loom_err_nomem(err, "mapping", t->bytes);
	}
	rc = loom_store_read(store, t, 0, raw, (size_t)t->bytes, err);
	for (size_t i = 0; rc == LOOM_OK && i < t->n_elem; i++) {
		uint64_t v = 0;
		for (size_t k = size; k-- > 0;) {
			v = v << 8 | raw[i * size + k];
		}
		if (v >= (uint64_t)n_row) {
			rc = loom_err_set(err, LOOM_E_MODEL, "StaticEmbedding: mapping[%zu]: the table has %lld rows", i, (long long)n_row);
		} else {
			st->rows[i] = (int32_t)v;
		}
	}
	loom_free(raw);
	st->n_rows = (int32_t)t->n_elem;
	return rc;
}

enum loom_status loom_static_table_read(struct loom_config *cfg, struct loom_store *store, struct loom_st_config *st, struct loom_err *err)
{
	const struct loom_tensor *t, *mapping, *weights;
	enum loom_status rc = name_table(store, err);

	if (rc) {
		return rc;
	}
	t = loom_store_find(store, TABLE);
	mapping = loom_store_find(store, "mapping");
	weights = loom_store_find(store, "weights");
	loom_config_features(cfg, &loom_family_static_embedding);
	cfg->architecture = "StaticEmbedding";
	cfg->model_type = "static_embedding";
	cfg->n_vocab = (int32_t)t->shape[0];
	cfg->n_embd = (int32_t)t->shape[1];
	cfg->n_ctx = LOOM_MAX_CONTEXT;
	cfg->n_head = cfg->n_head_kv = cfg->d_head = cfg->d_value = cfg->n_ffn = 1;
	cfg->causal = true;       /* a row stands for itself: texts of any length run in steps */
	cfg->hidden_after = true; /* the only entry of hidden is the table's rows */
	cfg->dtype = t->dtype;
	if (mapping) {
		rc = read_rows(store, mapping, t->shape[0], st, err);
	}
	if (rc == LOOM_OK && weights) {
		int64_t n = mapping ? st->n_rows : t->shape[0];
		rc = loom_read_vector(&st->weights, store, "weights", (int32_t)n, &st->arena, err);
		st->n_rows = (int32_t)n;
	}
	return rc;
}
