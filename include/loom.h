/* loom.h: libloom, the C interface: open a model, tokenize, run with taps, embed, close.
 *
 *   struct loom_handle *h;
 *   char why[LOOM_ERROR_BYTES];
 *   if (loom_open("path/or/org/name", NULL, &h, why)) { fprintf(stderr, "%s\n", why); return 1; }
 *   struct loom_tap tap = {.site = "hidden", .layer = -1};
 *   struct loom_tensor_out states = {0};
 *   loom_run_text(h, "Hello", 5, &tap, 1, &states, why);     // states.data is [1, T, D]
 *   loom_tensor_free(&states);
 *   loom_close(h);
 *
 * Every function returns 0 when it worked and an HTTP-like status (404, 422, 503, …) when not, with one line in why. All numbers are
 * float32, row-major, and the same bits that the server sends. A handle may be used by several threads. */
#ifndef LOOM_H
#define LOOM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LOOM_API __attribute__((visibility("default")))
#define LOOM_ERROR_BYTES 1024
#define LOOM_LAYER_ALL INT32_MIN

struct loom_handle;

struct loom_open_options {
	int threads;             /* 0: physical cores */
	const char *device;      /* NULL: "cpu" */
	const char *dtype;       /* how matrices are kept: NULL or "auto", "float32", "float16", "bfloat16" */
	const char *cache_dir;   /* Hugging Face cache; NULL: its usual place */
	double memory_fraction;  /* of free memory; 0: 0.9 */
};

struct loom_facts {
	int32_t n_layer, n_embd, n_vocab;
	int64_t n_context;
	char architecture[96], dtype[16], device[16];
};

/* One site of the block ("hidden", "resid_post", "attn_out", … as docs/api.md lists them) at all positions. */
struct loom_tap {
	const char *site;
	int32_t layer;           /* negative counts from the end; LOOM_LAYER_ALL; ignored by sites without layers */
};

/* data [shape[0], …, shape[n_dim-1]]: layers, positions, width; free with loom_tensor_free. */
struct loom_tensor_out {
	float *data;
	int n_dim;
	int64_t shape[4];
	size_t map_bytes;        /* for freeing */
};

/* options may be NULL. why: LOOM_ERROR_BYTES, may be NULL. */
LOOM_API int loom_open(const char *model, const struct loom_open_options *options, struct loom_handle **out, char *why);
LOOM_API void loom_close(struct loom_handle *h);
LOOM_API void loom_describe(const struct loom_handle *h, struct loom_facts *out);

/* text: n bytes of UTF-8. *ids [*n_ids], free with loom_release. */
LOOM_API int loom_tokenize(struct loom_handle *h, const char *text, size_t n, int add_special, int32_t **ids, size_t *n_ids, char *why);
/* *text NUL-terminated UTF-8 of *n bytes, free with loom_release. */
LOOM_API int loom_detokenize(struct loom_handle *h, const int32_t *ids, size_t n_ids, int skip_special, char **text, size_t *n, char *why);
LOOM_API void loom_release(void *p);

/* Runs a prompt through the model and copies out what stands at the taps: out [n_tap], zeroed by the caller; released here on failure. */
LOOM_API int loom_run_ids(struct loom_handle *h, const int32_t *ids, size_t n_ids, const struct loom_tap *taps, size_t n_tap,
	struct loom_tensor_out *out, char *why);
/* The same from text, with the special tokens that the tokenizer adds. */
LOOM_API int loom_run_text(struct loom_handle *h, const char *text, size_t n, const struct loom_tap *taps, size_t n_tap,
	struct loom_tensor_out *out, char *why);
/* Greedy continuation: *text as loom_detokenize gives it. */
LOOM_API int loom_continue(struct loom_handle *h, const char *text, size_t n, int64_t max_tokens, char **out, size_t *n_out, char *why);
/* The model's own pooling and normalization; out [1, width]. */
LOOM_API int loom_embed_text(struct loom_handle *h, const char *text, size_t n, struct loom_tensor_out *out, char *why);
LOOM_API void loom_tensor_free(struct loom_tensor_out *t);

LOOM_API const char *loom_version(void);

#ifdef __cplusplus
}
#endif
#endif
