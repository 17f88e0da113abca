/* routes.c: the whole API as a table, and finding a request's row. openapi.c writes the same table as a document. */
#include <string.h>

#include "exchange.h"
#include "request_parse.h"
#include "str.h"

/* Answers, as schemas: the keys that clients rely on. */
#define OBJECT(properties, required) "{\"type\":\"object\",\"properties\":{" properties "},\"required\":[" required "]}"
#define STRING "{\"type\":\"string\"}"
#define INTEGER "{\"type\":\"integer\"}"
#define NUMBER "{\"type\":\"number\"}"
#define BOOLEAN "{\"type\":\"boolean\"}"
#define MAP "{\"type\":\"object\"}"
#define MAYBE_MAP "{\"type\":[\"object\",\"null\"]}"
#define LIST "{\"type\":\"array\"}"
#define MAYBE_STRING "{\"type\":[\"string\",\"null\"]}"
#define LIST_OF(what) "{\"type\":\"array\",\"items\":" what "}"

/* With "dry_run": estimates. */
#define ESTIMATE OBJECT("\"prompt_tokens\":" INTEGER ",\"bytes\":" INTEGER ",\"captures\":" MAP, "\"prompt_tokens\",\"bytes\",\"captures\"")
#define ESTIMATES OBJECT("\"results\":" LIST_OF(ESTIMATE) ",\"bytes\":" INTEGER, "\"results\",\"bytes\"")
#define OR(a, b) "{\"anyOf\":[" a "," b "]}"
#define GENERATED "{\"type\":\"object\",\"required\":[\"text\",\"token_count\",\"token_ids\",\"finish_reason\",\"hidden_states\"," \
	"\"sequence_hidden_states\",\"attention_weights\",\"metadata\"]," \
	"\"properties\":{\"text\":" STRING ",\"token_count\":" INTEGER ",\"token_ids\":" LIST_OF(INTEGER) \
	",\"finish_reason\":" STRING ",\"hidden_states\":" MAYBE_MAP ",\"sequence_hidden_states\":" MAYBE_MAP ",\"attention_weights\":" MAYBE_MAP \
	",\"captures\":" MAP ",\"metadata\":" MAP "}}"
#define EMBEDDED "{\"type\":\"object\",\"required\":[\"embedding\",\"shape\",\"metadata\"]," \
	"\"properties\":{\"embedding\":{\"type\":[\"array\",\"string\",\"object\"]},\"shape\":" LIST_OF(INTEGER) \
	",\"metadata\":" MAP "}}"

static const char answer_health[] = OBJECT("\"status\":" STRING ",\"model_loaded\":" MAYBE_STRING ",\"gpu_info\":" MAP ",\"config\":" MAP
	",\"cpu_info\":" MAP ",\"version\":" STRING, "\"status\",\"model_loaded\",\"gpu_info\",\"config\",\"cpu_info\",\"version\"");
static const char answer_generate[] = OR(GENERATED, ESTIMATE);
static const char answer_generate_batch[] = OR(OBJECT("\"results\":" LIST_OF(GENERATED) ",\"total_tokens\":" INTEGER ",\"total_time_ms\":" NUMBER
	",\"prompts_processed\":" INTEGER, "\"results\",\"total_tokens\",\"total_time_ms\",\"prompts_processed\""), ESTIMATES);
static const char answer_embed[] = OR(EMBEDDED, ESTIMATE);
static const char answer_embed_batch[] = OR(OBJECT("\"embeddings\":" LIST ",\"shapes\":" LIST_OF(LIST_OF(INTEGER)) ",\"total_time_ms\":" NUMBER
	",\"texts_processed\":" INTEGER ",\"metadata\":" MAP, "\"embeddings\",\"shapes\",\"total_time_ms\",\"texts_processed\""), ESTIMATES);
static const char answer_rerank[] = OBJECT("\"results\":"
	LIST_OF(OBJECT("\"index\":" INTEGER ",\"score\":{\"type\":[\"number\",\"null\"]}", "\"index\",\"score\""))
	",\"total_time_ms\":" NUMBER ",\"texts_processed\":" INTEGER ",\"metadata\":" MAP, "\"results\",\"total_time_ms\",\"texts_processed\"");
static const char answer_analyze[] = OR(OBJECT("\"mean\":{\"type\":[\"number\",\"null\"]},\"std\":{\"type\":[\"number\",\"null\"]},\"shape\":"
	LIST_OF(INTEGER) ",\"layer\":" INTEGER ",\"dtype\":" STRING ",\"embedding_shape\":" LIST_OF(INTEGER) ",\"metadata\":" MAP,
	"\"mean\",\"std\",\"min\",\"max\",\"l2_norm\",\"sparsity\",\"percentile_25\",\"percentile_50\",\"percentile_75\",\"shape\",\"layer\","
	"\"dtype\",\"embedding_shape\",\"metadata\""), ESTIMATE);
static const char answer_tokenize[] = OBJECT("\"ids\":" LIST_OF(INTEGER) ",\"tokens\":" LIST_OF(STRING) ",\"offsets\":" LIST_OF(LIST_OF(INTEGER))
	",\"special_tokens_mask\":" LIST_OF(INTEGER), "\"ids\",\"tokens\",\"offsets\",\"special_tokens_mask\"");
static const char answer_detokenize[] = OBJECT("\"text\":" STRING, "\"text\"");
static const char answer_models[] = OBJECT("\"loaded_models\":" LIST_OF(MAP) ",\"max_models\":" INTEGER ",\"auto_unload_minutes\":" NUMBER,
	"\"loaded_models\",\"max_models\",\"auto_unload_minutes\"");
static const char answer_load[] = OBJECT("\"model_id\":" STRING ",\"device\":" STRING ",\"dtype\":" STRING ",\"hidden_size\":" INTEGER
	",\"num_layers\":" INTEGER ",\"load_time_seconds\":" NUMBER ",\"loader_type\":" STRING ",\"quantization\":" MAYBE_STRING,
	"\"model_id\",\"device\",\"dtype\",\"hidden_size\",\"num_layers\",\"load_time_seconds\",\"loader_type\",\"quantization\"");
static const char answer_model[] = OBJECT("\"model_id\":" STRING ",\"state\":" STRING ",\"sites\":" MAP ",\"prompts\":" LIST_OF(STRING)
	",\"tasks\":" LIST_OF(STRING), "\"model_id\",\"state\",\"sites\",\"prompts\",\"tasks\"");
static const char answer_unload[] = OBJECT("\"status\":" STRING ",\"model_id\":" STRING, "\"status\",\"model_id\"");
static const char answer_loaders[] = OBJECT("\"loaders\":" MAP ",\"fallback_order\":" LIST_OF(STRING), "\"loaders\",\"fallback_order\"");
static const char answer_probe[] = OBJECT("\"model_id\":" STRING ",\"configured_loader\":" MAYBE_STRING ",\"detected_loader\":" MAYBE_STRING
	",\"can_load\":" MAP ",\"selected_loader\":" MAYBE_STRING ",\"reasons\":" MAP, "\"model_id\",\"configured_loader\",\"detected_loader\","
	"\"can_load\",\"selected_loader\",\"reasons\"");
static const char answer_any[] = "{\"type\":\"object\"}";

const struct loom_route loom_routes[] = {
	{"GET", "/health", loom_api_health, NULL, false, "is the server well, and what has it loaded", answer_health, NULL},
	{"POST", "/generate", loom_api_generate, loom_generate_body, false, "continue a prompt; hidden states and captures", answer_generate, NULL},
	{"POST", "/v1/generate", loom_api_generate, loom_generate_body, true, "the same; unknown fields are ignored", answer_generate, NULL},
	{"POST", "/generate/stream", loom_api_generate_stream, loom_stream_body, false, "the same, token by token as server-sent events", NULL,
		"text/event-stream"},
	{"POST", "/generate/batch", loom_api_generate_batch, loom_generate_batch_body, false, "many prompts as one batch", answer_generate_batch, NULL},
	{"POST", "/embed", loom_api_embed, loom_embed_body, false, "one text to one vector", answer_embed, NULL},
	{"POST", "/embed/batch", loom_api_embed_batch, loom_embed_batch_body, false, "many texts as one batch", answer_embed_batch, NULL},
	{"POST", "/rerank", loom_api_rerank, loom_rerank_body, false, "texts scored against a query by a classifier of pairs", answer_rerank, NULL},
	{"POST", "/analyze", loom_api_analyze, loom_embed_body, false, "statistics of a text's vector", answer_analyze, NULL},
	{"POST", "/tokenize", loom_api_tokenize, loom_tokenize_body, false, "text to ids and offsets", answer_tokenize, NULL},
	{"POST", "/detokenize", loom_api_detokenize, loom_detokenize_body, false, "ids to text", answer_detokenize, NULL},
	{"GET", "/models", loom_api_models, NULL, false, "loaded models", answer_models, NULL},
	{"POST", "/models/load", loom_api_model_load, loom_load_body, false, "load a model", answer_load, NULL},
	{"GET", "/models/*", loom_api_model, NULL, false, "one loaded model, with its sites", answer_model, NULL},
	{"DELETE", "/models/*", loom_api_model_unload, NULL, false, "unload a model", answer_unload, NULL},
	{"GET", "/loaders", loom_api_loaders, NULL, false, "who can open models", answer_loaders, NULL},
	{"GET", "/loaders/probe/*", loom_api_probe, NULL, false, "who would open this model, and why not the others", answer_probe, NULL},
	{"GET", "/metrics", loom_api_metrics, NULL, false, "counters, for Prometheus", NULL, "text/plain"},
	{"GET", "/openapi.json", loom_api_openapi, NULL, false, "this interface as an OpenAPI document", answer_any, NULL},
	{NULL, NULL, NULL, NULL, false, NULL, NULL, NULL},
};

/* A pattern that ends in a star takes any longer path; rest is what the star stands for. */
static bool matches(const char *pattern, const char *path, const char **rest)
{
	size_t n = strlen(pattern);

	*rest = "";
	if (pattern[n - 1] != '*') {
		return strcmp(pattern, path) == 0;
	}
	if (strncmp(pattern, path, n - 1) != 0 || path[n - 1] == '\0') {
		return false;
	}
	*rest = path + n - 1;
	return true;
}

/* Adds a method to the list, once. */
static void allow_method(char *allow, size_t cap, const char *method)
{
	size_t n = strlen(allow);

	if (!strstr(allow, method)) {
		n += loom_str_copy(allow + n, cap - n, n ? ", " : "");
		(void)loom_str_copy(allow + n, cap - n, method);
	}
}

enum loom_status loom_route_find(const char *method, const char *path, const struct loom_route **route, const char **rest, char *allow,
	size_t cap, struct loom_err *err)
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method, *names[64], *near;
	const struct loom_route *found = NULL;
	bool options = strcmp(method, "OPTIONS") == 0;
	size_t n = 0;

	allow[0] = '\0';
	*rest = "";
	for (const struct loom_route *r = loom_routes; r->method; r++) {
		const char *tail;
		if (!matches(r->path, path, &tail)) {
			names[n++] = r->path;
			continue;
		}
		if (!found && (options || strcmp(r->method, wanted) == 0)) {
			found = r;
			*rest = tail;
		}
		allow_method(allow, cap, r->method);
		if (strcmp(r->method, "GET") == 0) {
			allow_method(allow, cap, "HEAD");
		}
	}
	names[n] = NULL;
	if (allow[0]) {
		allow_method(allow, cap, "OPTIONS");
	}
	if (found) {
		*route = found;
		return LOOM_OK;
	}
	if (options && strcmp(path, "*") == 0) {
		*route = loom_routes;
		(void)loom_str_copy(allow, cap, "GET, HEAD, POST, DELETE, OPTIONS");
		return LOOM_OK;
	}
	if (allow[0]) {
		return loom_err_set(err, LOOM_E_METHOD, "%.20s is not allowed on %.100s: it takes %s", method, path, allow);
	}
	near = loom_str_nearest(path, names);
	return loom_err_set(err, LOOM_E_NOT_FOUND, "no route %.100s%s%s%s", path, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}
