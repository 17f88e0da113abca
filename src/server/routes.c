/* routes.c: the whole API as a table, and finding a request's row. */
#include <string.h>

#include "exchange.h"
#include "str.h"

const struct loom_route loom_routes[] = {
	{"GET", "/health", loom_api_health, false, false, "is the server well, and what has it loaded"},
	{"POST", "/generate", loom_api_generate, true, false, "continue a prompt; hidden states and captures"},
	{"POST", "/v1/generate", loom_api_generate, true, true, "the same"},
	{"POST", "/embed", loom_api_embed, true, false, "one text to one vector"},
	{"POST", "/tokenize", loom_api_tokenize, true, false, "text to ids and offsets"},
	{"POST", "/detokenize", loom_api_detokenize, true, false, "ids to text"},
	{"GET", "/models", loom_api_models, false, false, "loaded models"},
	{"POST", "/models/load", loom_api_model_load, true, false, "load a model"},
	{"GET", "/models/*", loom_api_model, false, false, "one loaded model, with its sites"},
	{"DELETE", "/models/*", loom_api_model_unload, false, false, "unload a model"},
	{NULL, NULL, NULL, false, false, NULL},
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

enum loom_status loom_route_find(const char *method, const char *path, const struct loom_route **route, const char **rest, char *allow,
	size_t cap, struct loom_err *err)
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method, *names[32], *near;
	size_t n = 0, used = 0;

	allow[0] = '\0';
	for (const struct loom_route *r = loom_routes; r->method; r++) {
		if (!matches(r->path, path, rest)) {
			names[n++] = r->path;
			continue;
		}
		if (strcmp(r->method, wanted) == 0) {
			*route = r;
			return LOOM_OK;
		}
		used += loom_str_copy(allow + used, cap - used, used ? ", " : "");
		used += loom_str_copy(allow + used, cap - used, r->method);
	}
	names[n] = NULL;
	if (used > 0) {
		return loom_err_set(err, LOOM_E_METHOD, "%.20s is not allowed on %.100s: it takes %s", method, path, allow);
	}
	near = loom_str_nearest(path, names);
	return loom_err_set(err, LOOM_E_NOT_FOUND, "no route %.100s%s%s%s", path, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}
