/* quantcase.h: a tiny quantized checkpoint of tests/quant in memory, to be spoilt and opened again. */
#ifndef LOOM_TESTS_QUANTCASE_H
#define LOOM_TESTS_QUANTCASE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "mem.h"
#include "module.h"
#include "source.h"
#include "tempdir.h"

struct quantcase {
	char *weights, *config; /* model.safetensors, config.json */
	size_t n_weights, n_config;
};

static inline void quantcase_read(const char *folder, const char *name, char **data, size_t *n)
{
	char path[512];
	struct loom_err err;
	snprintf(path, sizeof path, "%s/quant/%s/%s", LOOM_TEST_DIR, folder, name);
	if (loom_file_slurp(path, name, 1 << 20, data, n, &err)) {
		fprintf(stderr, "%s: %s\n", folder, err.message);
		exit(1);
	}
}

static inline void quantcase_open(struct quantcase *c, const char *folder)
{
	quantcase_read(folder, "model.safetensors", &c->weights, &c->n_weights);
	quantcase_read(folder, "config.json", &c->config, &c->n_config);
}

static inline void quantcase_close(struct quantcase *c)
{
	loom_free(c->weights);
	loom_free(c->config);
}

/* Writes it into d and opens it as a load would: binds, reads every quantized matrix and takes every row. */
static inline enum loom_status quantcase_try(const struct quantcase *c, const struct tempdir *d, struct loom_err *err)
{
	struct loom_source s = {.is_gguf = false};
	struct loom_opened o;
	enum loom_status rc;
	tempdir_write(d, "model.safetensors", c->weights, c->n_weights);
	tempdir_write(d, "config.json", c->config, c->n_config);
	snprintf(s.id, sizeof s.id, "m");
	snprintf(s.path, sizeof s.path, "%s", d->path);
	loom_opened_init(&o);
	rc = loom_source_open(&s, LOOM_LOADER_TRANSFORMERS, NULL, LOOM_DTYPE_UNKNOWN, NULL, &o, err);
	for (int32_t i = 0; rc == LOOM_OK && i < o.model->plan.n_weight; i++) {
		const struct loom_weight *w = &o.model->plan.weights[i];
		for (int k = 0; rc == LOOM_OK && k < w->n_part; k++) {
			const struct loom_quant *q = w->part[k].quant;
			struct loom_module m;
			if (!q)
				continue;
			rc = loom_module_open(&m, q, &o.model->store, err);
			float *row = malloc((size_t)q->n_col * sizeof *row);
			void *scratch = malloc(loom_module_scratch(&m.form, q->n_col));
			for (int64_t r = 0; rc == LOOM_OK && row && scratch && r < q->n_row; r++)
				loom_module_row(&m, r, row, scratch);
			free(row);
			free(scratch);
			loom_module_release(&m);
		}
	}
	loom_opened_release(&o);
	return rc;
}

#endif
