/* metrics.c: counting and writing. See metrics.h. */
#include "metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "keep.h"
#include "mem.h"
#include "str.h"

bool loom_metrics_init(struct loom_metrics *m)
{
	memset(m, 0, sizeof(*m));
	m->started_ns = loom_clock_ns();
	return pthread_mutex_init(&m->lock, NULL) == 0;
}

void loom_metrics_release(struct loom_metrics *m)
{
	(void)pthread_mutex_destroy(&m->lock);
}

/* ---- counting ---- */

static const char *method_label(const char *method)
{
	static const char *const known[] = {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(method, known[i]) == 0) {
			return known[i];
		}
	}
	return "other";
}

void loom_metrics_request(struct loom_metrics *m, const char *endpoint, const char *method, int status, double seconds)
{
	size_t i = 0;

	endpoint = endpoint ? endpoint : "none";
	method = method_label(method);
	(void)pthread_mutex_lock(&m->lock);
	while (i < m->n_request && (m->requests[i].endpoint != endpoint || m->requests[i].method != method || m->requests[i].status != status)) {
		i++;
	}
	if (i == m->n_request && i < LOOM_MAX_REQUEST_COUNTS) {
		m->requests[m->n_request++] = (struct loom_request_count){endpoint, method, status, 0};
	}
	if (i < LOOM_MAX_REQUEST_COUNTS) {
		m->requests[i].n++;
	}
	for (i = 0; i < m->n_endpoint && m->endpoints[i].endpoint != endpoint; i++) {
	}
	if (i == m->n_endpoint && i < LOOM_MAX_ENDPOINTS) {
		m->endpoints[m->n_endpoint++].endpoint = endpoint;
	}
	if (i < LOOM_MAX_ENDPOINTS) {
		loom_hist_add(&m->endpoints[i].hist, seconds);
	}
	(void)pthread_mutex_unlock(&m->lock);
}

/* Lock held. Beyond the table's end models share its last row. */
static struct loom_model_count *model_row(struct loom_metrics *m, const char *model)
{
	for (size_t i = 0; i < m->n_model; i++) {
		if (strcmp(m->models[i].id, model) == 0) {
			return &m->models[i];
		}
	}
	if (m->n_model == LOOM_MAX_MODEL_COUNTS) {
		return &m->models[LOOM_MAX_MODEL_COUNTS - 1];
	}
	(void)loom_str_copy(m->models[m->n_model].id, sizeof(m->models[0].id), m->n_model + 1 == LOOM_MAX_MODEL_COUNTS ? "others" : model);
	return &m->models[m->n_model++];
}

void loom_metrics_generated(struct loom_metrics *m, const char *model, int64_t prompt_tokens, int64_t tokens, double ms)
{
	(void)pthread_mutex_lock(&m->lock);
	struct loom_model_count *c = model_row(m, model);
	c->prompt_tokens += (uint64_t)prompt_tokens;
	c->generated_tokens += (uint64_t)tokens;
	(void)pthread_mutex_unlock(&m->lock);
	loom_hist_add(&m->generation, ms * 1e-3);
}

void loom_metrics_embedded(struct loom_metrics *m, const char *model, int64_t prompt_tokens, int64_t n, double ms)
{
	(void)pthread_mutex_lock(&m->lock);
	struct loom_model_count *c = model_row(m, model);
	c->prompt_tokens += (uint64_t)prompt_tokens;
	c->embeddings += (uint64_t)n;
	(void)pthread_mutex_unlock(&m->lock);
	loom_hist_add(&m->embedding, ms * 1e-3);
}

void loom_metrics_batch(struct loom_metrics *m, size_t n_item)
{
	(void)pthread_mutex_lock(&m->lock);
	m->n_batch++;
	m->n_batch_item += n_item;
	(void)pthread_mutex_unlock(&m->lock);
}

void loom_metrics_stream(struct loom_metrics *m, bool cut)
{
	(void)pthread_mutex_lock(&m->lock);
	m->n_stream++;
	m->n_stream_cut += cut;
	(void)pthread_mutex_unlock(&m->lock);
}

/* ---- writing ---- */

static void family(struct loom_buf *b, const char *name, const char *type, const char *help)
{
	(void)loom_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_label(struct loom_buf *b, const char *value)
{
	(void)loom_buf_putc(b, '"');
	for (; *value; value++) {
		if (*value == '"' || *value == '\\') {
			(void)loom_buf_putc(b, '\\');
		}
		if (*value == '\n') {
			(void)loom_buf_puts(b, "\\n");
		} else {
			(void)loom_buf_putc(b, *value);
		}
	}
	(void)loom_buf_putc(b, '"');
}

/* name{label="value"} number */
static void labelled(struct loom_buf *b, const char *name, const char *label, const char *value, double number)
{
	(void)loom_buf_printf(b, "%s{%s=", name, label);
	put_label(b, value);
	(void)loom_buf_printf(b, "} %.17g\n", number);
}

static void single(struct loom_buf *b, const char *name, const char *type, const char *help, double value)
{
	family(b, name, type, help);
	(void)loom_buf_printf(b, "%s %.17g\n", name, value);
}

/* endpoint NULL: no label. */
static void put_hist(struct loom_buf *b, const char *name, const char *endpoint, const struct loom_hist *h)
{
	unsigned long long sum = 0;
	char label[200] = "";

	if (endpoint) {
		(void)snprintf(label, sizeof(label), "endpoint=\"%.150s\",", endpoint);
	}
	for (int i = 0; i <= LOOM_N_HIST; i++) {
		sum += atomic_load(&h->buckets[i]);
		if (i < LOOM_N_HIST) {
			(void)loom_buf_printf(b, "%s_bucket{%sle=\"%g\"} %llu\n", name, label, loom_hist_bounds[i], sum);
		} else {
			(void)loom_buf_printf(b, "%s_bucket{%sle=\"+Inf\"} %llu\n", name, label, sum);
		}
	}
	if (endpoint) {
		label[strlen(label) - 1] = '\0';
	}
	(void)loom_buf_printf(b, "%s_sum%s%s%s %.9f\n%s_count%s%s%s %llu\n", name, endpoint ? "{" : "", label, endpoint ? "}" : "",
		(double)atomic_load(&h->nanoseconds) * 1e-9, name, endpoint ? "{" : "", label, endpoint ? "}" : "", sum);
}

/* Lock held. */
static void put_requests(const struct loom_metrics *m, struct loom_buf *b)
{
	family(b, "loom_requests_total", "counter", "Requests answered.");
	for (size_t i = 0; i < m->n_request; i++) {
		const struct loom_request_count *r = &m->requests[i];
		(void)loom_buf_printf(b, "loom_requests_total{endpoint=\"%s\",method=\"%s\",status=\"%d\"} %llu\n", r->endpoint, r->method, r->status,
			(unsigned long long)r->n);
	}
	family(b, "loom_request_latency_seconds", "histogram", "From a request's first byte to the last one of its answer.");
	for (size_t i = 0; i < m->n_endpoint; i++) {
		put_hist(b, "loom_request_latency_seconds", m->endpoints[i].endpoint, &m->endpoints[i].hist);
	}
}

static void put_models(const struct loom_metrics *m, struct loom_buf *b)
{
	family(b, "loom_tokens_generated_total", "counter", "Tokens generated.");
	for (size_t i = 0; i < m->n_model; i++) {
		labelled(b, "loom_tokens_generated_total", "model", m->models[i].id, (double)m->models[i].generated_tokens);
	}
	family(b, "loom_prompt_tokens_total", "counter", "Tokens read in prompts and texts.");
	for (size_t i = 0; i < m->n_model; i++) {
		labelled(b, "loom_prompt_tokens_total", "model", m->models[i].id, (double)m->models[i].prompt_tokens);
	}
	family(b, "loom_embeddings_total", "counter", "Texts embedded.");
	for (size_t i = 0; i < m->n_model; i++) {
		labelled(b, "loom_embeddings_total", "model", m->models[i].id, (double)m->models[i].embeddings);
	}
	family(b, "loom_generation_latency_seconds", "histogram", "Time of a generation in the engine, its queue included.");
	put_hist(b, "loom_generation_latency_seconds", NULL, &m->generation);
	family(b, "loom_embedding_latency_seconds", "histogram", "Time of an embedding in the engine, its queue included.");
	put_hist(b, "loom_embedding_latency_seconds", NULL, &m->embedding);
	single(b, "loom_batches_total", "counter", "Batch requests.", (double)m->n_batch);
	single(b, "loom_batch_items_total", "counter", "Prompts and texts in batch requests.", (double)m->n_batch_item);
	single(b, "loom_streams_total", "counter", "Streams begun.", (double)m->n_stream);
	single(b, "loom_streams_cut_total", "counter", "Streams whose client left or read too slowly.", (double)m->n_stream_cut);
}

/* One family of a value of each loaded model. */
struct gauge {
	struct loom_buf *b;
	const char *name;
	double (*value)(const struct loom_model_info *i);
	int n;
};

static void put_gauge(void *ctx, const struct loom_model_info *i)
{
	struct gauge *g = ctx;

	if (!i->loading) {
		g->n++;
		if (g->b) {
			labelled(g->b, g->name, "model", i->id, g->value(i));
		}
	}
}

static double waiting(const struct loom_model_info *i)
{
	return i->n_waiting;
}

static double running(const struct loom_model_info *i)
{
	return i->n_running;
}

static double steps(const struct loom_model_info *i)
{
	return (double)i->n_step;
}

static double step_rows(const struct loom_model_info *i)
{
	return (double)i->n_step_row;
}

static double memory(const struct loom_model_info *i)
{
	return (double)i->memory_bytes;
}

static double pages(const struct loom_model_info *i)
{
	return (double)i->n_page;
}

static double pages_touched(const struct loom_model_info *i)
{
	return (double)i->n_page_touched;
}

static double found(const struct loom_model_info *i)
{
	return (double)i->n_found;
}

static double preempted(const struct loom_model_info *i)
{
	return (double)i->n_preempted;
}

static void put_engine(struct loom_engine *e, struct loom_buf *b)
{
	static const struct {
		const char *name, *type, *help;
		double (*value)(const struct loom_model_info *i);
	} gauges[] = {
		{"loom_queue_waiting", "gauge", "Sequences that wait for their turn.", waiting},
		{"loom_batch_sequences", "gauge", "Sequences in the running batch.", running},
		{"loom_batch_steps_total", "counter", "Forward passes.", steps},
		{"loom_batch_rows_total", "counter", "Token rows in forward passes.", step_rows},
		{"loom_prompt_positions_shared_total", "counter", "Prompt positions taken from pages of earlier sequences.", found},
		{"loom_preemptions_total", "counter", "Sequences put back for want of pages, to run again.", preempted},
		{"loom_model_memory_bytes", "gauge", "Weights, workspace and touched KV pages.", memory},
		{"loom_kv_pages", "gauge", "KV pages that sequences may take.", pages},
		{"loom_kv_pages_touched", "gauge", "KV pages in memory.", pages_touched},
	};
	const struct loom_engine_stats *s = loom_engine_stats(e);
	struct gauge count = {NULL, NULL, NULL, 0};
	unsigned long long loads = 0;

	loom_engine_each(e, put_gauge, &count);
	single(b, "loom_models_loaded", "gauge", "Models in memory.", count.n);
	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		struct gauge g = {b, gauges[i].name, gauges[i].value, 0};
		family(b, g.name, gauges[i].type, gauges[i].help);
		loom_engine_each(e, put_gauge, &g);
	}
	for (int i = 0; i <= LOOM_N_HIST; i++) {
		loads += atomic_load(&s->load_seconds.buckets[i]);
	}
	family(b, "loom_model_loads_total", "counter", "Loads of models.");
	(void)loom_buf_printf(b, "loom_model_loads_total{status=\"ok\"} %llu\nloom_model_loads_total{status=\"failed\"} %llu\n", loads,
		atomic_load(&s->n_load_failed));
	family(b, "loom_model_load_latency_seconds", "histogram", "Time of a load that went well.");
	put_hist(b, "loom_model_load_latency_seconds", NULL, &s->load_seconds);
	single(b, "loom_captures_total", "counter", "Captures delivered.", (double)atomic_load(&s->n_capture));
	single(b, "loom_capture_bytes_total", "counter", "Bytes of rows in answers that had captures.", (double)atomic_load(&s->capture_bytes));
	family(b, "loom_gpu_memory_used_bytes", "gauge", "Memory in use on a GPU.");
	family(b, "loom_gpu_memory_total_bytes", "gauge", "Memory of a GPU.");
}

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and its own */

	while (d && readdir(d)) {
		n++;
	}
	if (d) {
		(void)closedir(d);
	}
	return n < 0 ? 0 : n;
}

void loom_metrics_write(struct loom_metrics *m, struct loom_engine *e, struct loom_buf *out)
{
	(void)pthread_mutex_lock(&m->lock);
	put_requests(m, out);
	put_models(m, out);
	(void)pthread_mutex_unlock(&m->lock);
	put_engine(e, out);
	single(out, "process_resident_memory_bytes", "gauge", "Resident memory.", (double)loom_mem_resident());
	single(out, "loom_pages_kept_bytes", "gauge", "Memory of answers that the next ones will take, for seconds.", (double)loom_keep_bytes());
	single(out, "process_open_fds", "gauge", "Open descriptors.", open_descriptors());
	single(out, "loom_uptime_seconds", "gauge", "Since the server began to listen.", (double)(loom_clock_ns() - m->started_ns) * 1e-9);
}
