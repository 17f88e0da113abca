/* flow.h: the one arrow of Loom as structs, read this first.
 *
 *   struct loom_request   what a client asked, parsed and checked in form     (server/ or cli/ fills it)
 *     → tokens            struct loom_encoding                                (tokenizer/)
 *     → struct loom_seq   one sequence on its way through the model           (run/seq.h)
 *     → struct loom_batch rows of many sequences in one step                  (include/loom_backend.h)
 *     → rows of float32   copied out at taps while the step runs              (run/capture.h)
 *     → struct loom_answer what the client gets, still as numbers             (encode/ makes bytes of it)
 *
 * engine.c is the same line as code. */
#ifndef LOOM_FLOW_H
#define LOOM_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "capture.h"
#include "bounds.h"
#include "sample.h"
#include "st_config.h"

enum loom_request_kind { LOOM_REQUEST_GENERATE, LOOM_REQUEST_EMBED };

struct loom_answer_tensor;
/* What a stream is told of a generated token. All of it is valid during the call only. */
struct loom_token_event {
	int32_t id;
	const char *piece;         /* [n_piece] text that is settled now: whole characters, none that a stop string may take back */
	size_t n_piece;
	const struct loom_answer_tensor *states; /* [n_state] when stream_hidden_states: the state that predicted it, [1, H], a layer each */
	size_t n_state;
};

/* Lifetime: the caller's, from submit to answer. Strings are valid UTF-8, lengths in bytes. */
struct loom_request {
	enum loom_request_kind kind;
	const char *text;          /* [n_text] prompt or text; NULL when ids are given */
	size_t n_text;
	const char *pair;          /* [n_pair] a second text, for classifiers of pairs; NULL: none */
	size_t n_pair;
	const int32_t *ids;        /* [n_ids] */
	size_t n_ids;
	bool add_special_tokens;
	uint64_t client;           /* who asks: clients share a model fairly; 0: nobody in particular */
	/* generate */
	int64_t max_tokens;        /* 0: only run the prompt */
	struct loom_sampling sampling;
	const char *stops[LOOM_MAX_STOPS]; /* [n_stop], each n_stops_len[i] bytes */
	size_t stop_len[LOOM_MAX_STOPS];
	int n_stop;
	int n_logprobs;            /* 0: none */
	bool return_tokens;
	/* hidden states of the seed's fields: layer indices as the client wrote them */
	bool return_hidden_states, return_full_sequence, return_attention;
	bool stream_hidden_states; /* each token's state to on_token */
	const int64_t *hidden_layers; /* [n_hidden_layer]; all_layers: "all" */
	size_t n_hidden_layer;
	bool all_layers;
	/* captures as parsed (names and forms); resolved against the model by the engine */
	const struct loom_capture_spec *captures; /* [n_capture] */
	size_t n_capture;
	bool dry_run;              /* estimate only */
	uint64_t max_response_bytes; /* 0: no limit */
	/* embed */
	bool scores;               /* what the model's classifier says instead of a vector */
	int pooling;               /* enum loom_pooling, -1: the model's own */
	int normalize;             /* -1: the model's own */
	bool truncate;
	const char *prompt_name;   /* NULL: the task's, else the model's default; "": none */
	const char *task;          /* whose adapter computes the text; NULL none */
	int64_t dimensions;        /* 0: all */
	int64_t layer;             /* index of hidden */
	/* told while running; from the worker's thread, must not block. false ends the work at the next step. NULL: none */
	bool (*on_token)(void *ctx, const struct loom_token_event *t);
	void *on_token_ctx;
	/* polled about every 50 ms while waiting: true ends the work at the next step. NULL: never */
	bool (*cancelled)(void *ctx);
	void *cancelled_ctx;
};

struct loom_token_info {
	int64_t position;
	int32_t id;
	const char *text;          /* surface text of the token */
	uint32_t start, end;       /* code points in the prompt, or in the generated text */
	bool special, generated;
};
struct loom_logprob {
	int32_t id;
	float logprob;
	int n_top;
	struct { int32_t id; float logprob; } top[LOOM_MAX_LOGPROBS];
};
/* One tensor of the answer, float32, contiguous. */
struct loom_answer_tensor {
	const char *name;          /* capture's name, or the layer key as the client wrote it ("-1") */
	enum loom_site site;
	int n_dim;
	int64_t shape[4];
	float *data;               /* product(shape) floats, pages of the answer */
	size_t map_bytes;          /* for freeing */
	int32_t *layers;           /* [n_layer] resolved: 0..L for hidden */
	size_t n_layer;
	int64_t *positions;        /* [n_position] absolute */
	size_t n_position;
	int final_norm;            /* 1 in the numbers, 0 not, 2: only in `layers` entry == final_norm_layer */
	int32_t final_norm_layer;
	enum loom_dtype dtype;     /* asked for on the wire: F32, F16, BF16 */
	const char *reduce;        /* NULL, "mean", "max", "sum" */
};

struct loom_answer {
	struct loom_arena arena;   /* owns everything but tensor data */
	char *text;                /* [n_text] decoded continuation, without special tokens */
	size_t n_text;
	int32_t *ids;              /* [n_ids] generated */
	size_t n_ids;
	int32_t *prompt_ids;       /* [n_prompt] */
	size_t n_prompt;
	const char *finish_reason; /* "stop" | "length" */
	bool beyond_context;
	struct loom_answer_tensor *hidden; size_t n_hidden;       /* [1, H] each */
	struct loom_answer_tensor *sequence; size_t n_sequence;   /* [N, H] each */
	struct loom_answer_tensor *attention; size_t n_attention; /* [1, heads, keys] each */
	struct loom_answer_tensor *captures; size_t n_capture;
	struct loom_token_info *tokens; size_t n_tokens;          /* when return_tokens */
	struct loom_logprob *logprobs; size_t n_logprobs;         /* [N] when asked */
	/* embed */
	float *embedding;          /* [n_row, width]; n_row 1 unless pooling none */
	int64_t n_row, width;
	enum loom_pooling pooling;
	bool normalized, truncated;
	bool sparse;               /* most numbers of the vector are 0, which lists leave out */
	bool sigmoid;              /* scores are to be squashed: the model's classifier says so */
	/* dry run */
	uint64_t estimate_bytes;
	double inference_ms;
	double load_ms;
};
void loom_answer_init(struct loom_answer *a);
void loom_answer_release(struct loom_answer *a);

#endif
