/* bench_encoder.c: loom bench of a model that embeds: many texts in one call, and one short text alone. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "file.h"
#include "mem.h"

/* The lines of a text file; *n of them. The text stays the caller's to free. */
static char **split_lines(char *text, size_t *n)
{
	size_t cap = 0;
	char **lines = NULL, *save = NULL;

	*n = 0;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (*n == cap) {
			char **more = loom_reallocarray(lines, cap ? cap * 2 : 64, sizeof(*lines));
			if (!more) {
				loom_free(lines);
				return NULL;
			}
			lines = more;
			cap = cap ? cap * 2 : 64;
		}
		lines[(*n)++] = l;
	}
	return lines;
}

static struct loom_request embed(const char *text)
{
	return (struct loom_request){.kind = LOOM_REQUEST_EMBED, .text = text, .n_text = strlen(text), .add_special_tokens = true, .pooling = -1,
		.normalize = -1, .truncate = true, .layer = -1};
}

/* All texts in one call. */
static double many_ms(struct loom_bench *b, char **lines, size_t n)
{
	struct loom_request *q = loom_calloc(n, sizeof(*q));
	double ms;

	if (!q) {
		(void)loom_err_nomem(&b->err, "requests", n * sizeof(*q));
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		q[i] = embed(lines[i]);
	}
	ms = loom_bench_median_ms(b, q, n, NULL, 0);
	loom_free(q);
	return ms;
}

int loom_bench_encoder(struct loom_bench *b, const char *path, bool json)
{
	static char sample[] = "A happy person in the rain\nThe quick brown fox jumps over the lazy dog and does not look back at all.\n"
			       "Hidden states are the numbers that a model thinks in; a probe reads them, and a steering vector changes them.\n";
	struct loom_request one = embed("A happy person in the rain");
	char *text = NULL, **lines;
	size_t n = 0, bytes = 0;
	double short_ms, batch_ms = -1;

	if (path && loom_file_slurp(path, path, 64u << 20, &text, &bytes, &b->err)) {
		return loom_fail(&b->err);
	}
	lines = split_lines(text ? text : sample, &n);
	short_ms = loom_bench_median_ms(b, &one, 1, NULL, 0);
	if (lines && short_ms >= 0) {
		batch_ms = many_ms(b, lines, n);
	}
	loom_free(lines);
	loom_free(text);
	if (batch_ms < 0) {
		return loom_fail(&b->err);
	}
	if (json) {
		(void)printf("{\"embed\": {\"texts\": %zu, \"ms\": %.3f, \"texts_per_second\": %.2f, \"one_short_ms\": %.4f}, \"isa\": \"%s\"}\n", n,
			batch_ms, (double)n * 1e3 / batch_ms, short_ms, loom_cpu_isa());
	} else {
		(void)printf("%zu texts in one batch     %8.1f ms  %8.1f texts/s\none short text           %8.2f ms\n", n, batch_ms,
			(double)n * 1e3 / batch_ms, short_ms);
	}
	return LOOM_EXIT_OK;
}
