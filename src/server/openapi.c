/* openapi.c: GET /openapi.json: the route table and the tables of fields as an OpenAPI 3.1 document. */
#include <string.h>

#include "exchange.h"
#include "json_out.h"

#define LOOM_ERROR_SCHEMA "\"Error\":{\"type\":\"object\",\"required\":[\"error\",\"detail\"],\"properties\":{\"detail\":{\"type\":\"string\"}," \
	"\"error\":{\"type\":\"object\",\"required\":[\"message\",\"type\",\"param\",\"code\"],\"properties\":{\"message\":{\"type\":\"string\"}," \
	"\"type\":{\"type\":\"string\"},\"param\":{\"type\":[\"string\",\"null\"]},\"code\":{\"type\":\"string\"}}}}}"

static void named(struct loom_json_out *j, const char *key, const char *value)
{
	loom_json_key(j, key);
	loom_json_put_str(j, value);
}

static void raw(struct loom_json_out *j, const char *key, const char *json)
{
	loom_json_key(j, key);
	loom_json_raw(j);
	(void)loom_buf_puts(j->b, json);
}

/* A last star becomes {model_id}. */
static void path_key(struct loom_json_out *j, const char *path)
{
	char text[160];
	size_t n = strlen(path);

	memcpy(text, path, n + 1);
	if (path[n - 1] == '*') {
		memcpy(text + n - 1, "{model_id}", 11);
	}
	loom_json_key(j, text);
}

static void put_parameters(struct loom_json_out *j, const struct loom_route *r)
{
	if (r->path[strlen(r->path) - 1] == '*') {
		raw(j, "parameters", "[{\"name\":\"model_id\",\"in\":\"path\",\"required\":true,\"description\":\"org--name, percent-encoded, or with "
			"plain slashes\",\"schema\":{\"type\":\"string\",\"minLength\":1}}]");
	}
}

static void put_body(struct loom_json_out *j, const struct loom_route *r)
{
	if (!r->body) {
		return;
	}
	loom_json_key(j, "requestBody");
	loom_json_open(j, '{');
	raw(j, "required", "true");
	loom_json_key(j, "content");
	loom_json_open(j, '{');
	loom_json_key(j, "application/json");
	loom_json_open(j, '{');
	loom_json_key(j, "schema");
	loom_input_schema(r->body, !r->lenient, j);
	for (int i = 0; i < 3; i++) {
		loom_json_close(j, '}');
	}
}

static void put_error(struct loom_json_out *j, const char *status, const char *about)
{
	loom_json_key(j, status);
	loom_json_open(j, '{');
	named(j, "description", about);
	raw(j, "content", "{\"application/json\":{\"schema\":{\"$ref\":\"#/components/schemas/Error\"}}}");
	loom_json_close(j, '}');
}

static void put_responses(struct loom_json_out *j, const struct loom_route *r)
{
	bool binary = r->answer && r->body && !r->answer_type; /* hidden_state_format "safetensors" */

	loom_json_key(j, "responses");
	loom_json_open(j, '{');
	loom_json_key(j, "200");
	loom_json_open(j, '{');
	named(j, "description", r->summary);
	loom_json_key(j, "content");
	loom_json_open(j, '{');
	loom_json_key(j, r->answer_type ? r->answer_type : "application/json");
	loom_json_open(j, '{');
	raw(j, "schema", r->answer ? r->answer : "{\"type\":\"string\"}");
	loom_json_close(j, '}');
	if (binary) {
		raw(j, "application/octet-stream", "{}");
	}
	loom_json_close(j, '}');
	loom_json_close(j, '}');
	put_error(j, "400", "not HTTP or JSON as it should be");
	put_error(j, "404", "no such route, model or file");
	put_error(j, "422", "a field or a model file is wrong");
	put_error(j, "503", "no memory, loading failed, or shutting down");
	put_error(j, "default", "another error");
	loom_json_close(j, '}');
}

static void put_operation(struct loom_json_out *j, const struct loom_route *r)
{
	char method[8];
	size_t n = strlen(r->method);

	for (size_t i = 0; i <= n; i++) {
		method[i] = (char)(r->method[i] >= 'A' && r->method[i] <= 'Z' ? r->method[i] + 32 : r->method[i]);
	}
	loom_json_key(j, method);
	loom_json_open(j, '{');
	named(j, "summary", r->summary);
	put_parameters(j, r);
	put_body(j, r);
	put_responses(j, r);
	loom_json_close(j, '}');
}

static bool first_of_path(const struct loom_route *r)
{
	for (const struct loom_route *q = loom_routes; q < r; q++) {
		if (strcmp(q->path, r->path) == 0) {
			return false;
		}
	}
	return true;
}

static void put_paths(struct loom_json_out *j)
{
	loom_json_key(j, "paths");
	loom_json_open(j, '{');
	for (const struct loom_route *r = loom_routes; r->method; r++) {
		if (!first_of_path(r)) {
			continue;
		}
		path_key(j, r->path);
		loom_json_open(j, '{');
		for (const struct loom_route *q = r; q->method; q++) {
			if (strcmp(q->path, r->path) == 0) {
				put_operation(j, q);
			}
		}
		loom_json_close(j, '}');
	}
	loom_json_close(j, '}');
}

enum loom_status loom_api_openapi(struct loom_exchange *x, struct loom_err *err)
{
	struct loom_json_out j;
	bool keyed = x->opts->api_key && x->opts->api_key[0];

	loom_json_out_init(&j, &x->body.head);
	loom_json_open(&j, '{');
	named(&j, "openapi", "3.1.0");
	loom_json_key(&j, "info");
	loom_json_open(&j, '{');
	named(&j, "title", "Loom");
	named(&j, "version", LOOM_VERSION);
	named(&j, "summary", "Hidden states of transformer models at any layer, position and site; generation and embeddings.");
	loom_json_close(&j, '}');
	put_paths(&j);
	raw(&j, "components", keyed ? "{\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\"}},\"schemas\":{" LOOM_ERROR_SCHEMA "}}"
		: "{\"schemas\":{" LOOM_ERROR_SCHEMA "}}");
	if (keyed) {
		raw(&j, "security", "[{\"key\":[]}]");
	}
	loom_json_close(&j, '}');
	return loom_exchange_done(x, err);
}
