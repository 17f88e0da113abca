/* metrics.h: what GET /metrics counts, in the text format of Prometheus. Thread-safe. Labels come from the route table and from models that
 * answered, so their number is bounded. */
#ifndef LOOM_METRICS_H
#define LOOM_METRICS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "engine.h"
#include "hist.h"

#define LOOM_MAX_REQUEST_COUNTS 512
#define LOOM_MAX_ENDPOINTS 40
#define LOOM_MAX_MODEL_COUNTS 256

struct loom_metrics {
	pthread_mutex_t lock;
	uint64_t started_ns;
	struct loom_request_count {
		const char *endpoint, *method;
		int status;
		uint64_t n;
	} requests[LOOM_MAX_REQUEST_COUNTS];
	size_t n_request;
	struct loom_endpoint_latency {
		const char *endpoint;
		struct loom_hist hist;
	} endpoints[LOOM_MAX_ENDPOINTS];
	size_t n_endpoint;
	struct loom_model_count {
		char id[256];
		uint64_t prompt_tokens, generated_tokens, embeddings;
	} models[LOOM_MAX_MODEL_COUNTS];
	size_t n_model;
	struct loom_hist generation, embedding; /* seconds in the model */
	uint64_t n_batch, n_batch_item, n_stream, n_stream_cut;
};

bool loom_metrics_init(struct loom_metrics *m);
void loom_metrics_release(struct loom_metrics *m);
/* endpoint: the route's pattern, NULL when there is none. */
void loom_metrics_request(struct loom_metrics *m, const char *endpoint, const char *method, int status, double seconds);
void loom_metrics_generated(struct loom_metrics *m, const char *model, int64_t prompt_tokens, int64_t tokens, double ms);
void loom_metrics_embedded(struct loom_metrics *m, const char *model, int64_t prompt_tokens, int64_t n, double ms);
void loom_metrics_batch(struct loom_metrics *m, size_t n_item);
/* cut: its reader was too slow or left. */
void loom_metrics_stream(struct loom_metrics *m, bool cut);
void loom_metrics_write(struct loom_metrics *m, struct loom_engine *e, struct loom_buf *out);

#endif
