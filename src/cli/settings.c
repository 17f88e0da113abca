/* settings.c: the table of settings, and where values come from. See settings.h. settings_value.c makes values of texts, settings_yaml.c
 * reads files, settings_print.c prints. */
#include "settings.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounds.h"
#include "file.h"
#include "mem.h"
#include "str.h"

#define AT(field) offsetof(struct loom_settings, field)
#define MAX_FILE_BYTES ((size_t)1 << 20)

static const char *const transports[] = {"http", "unix", "both", NULL};
static const char *const dtypes[] = {"auto", "float32", "float16", "bfloat16", NULL};
static const char *const computes[] = {"float32", "bf16", "int8", "llm.int8", NULL};
static const char *const precisions[] = {"float32", "float16", "bfloat16", NULL};
static const char *const loaders[] = {"transformers", "sentence_transformers", "custom", "gguf", NULL};
static const char *const levels[] = {"debug", "info", "warning", "error", NULL};
static const char *const formats[] = {"text", "json", NULL};

const struct loom_setting loom_setting_table[] = {
	{"server.transport", NULL, "--transport", 't', LOOM_SET_CHOICE, AT(server.transport), 0, 0, transports, "http", "KIND",
		"listen on TCP, on a unix socket, or on both"},
	{"server.http_host", "LOOM_HOST", "--host", 0, LOOM_SET_STRING, AT(server.host), 0, 0, NULL, "0.0.0.0", "ADDRESS",
		"address to listen on; 127.0.0.1 keeps other machines out"},
	{"server.http_port", "LOOM_PORT", "--port", 'p', LOOM_SET_INT, AT(server.port), 0, 65535, NULL, "8080", "N", "port; 0: any free one"},
	{"server.unix_socket", NULL, "--unix-socket", 'u', LOOM_SET_STRING, AT(server.unix_socket), 0, 0, NULL, "/tmp/loom.sock", "PATH",
		"the unix socket"},
	{"server.unix_mode", NULL, NULL, 0, LOOM_SET_MODE, AT(server.unix_mode), 0, 0777, NULL, "0600", "MODE", "who may open the unix socket"},
	{"server.api_key", "LOOM_API_KEY", "--api-key", 0, LOOM_SET_SECRET, AT(server.api_key), 0, 0, NULL, "", "KEY",
		"clients must send it as Authorization: Bearer KEY; better in the environment than among the flags, which ps shows"},
	{"server.cors_origins", NULL, "--cors-origin", 0, LOOM_SET_WORDS, AT(server.cors_origins), 0, 0, NULL, "", "ORIGIN",
		"origins whose pages may call, or *"},
	{"server.allowed_hosts", NULL, "--allowed-hosts", 0, LOOM_SET_WORDS, AT(server.allowed_hosts), 0, 0, NULL, "", "NAME",
		"names accepted in Host beside localhost, when only loopback is listened on"},
	{"server.max_body_bytes", NULL, NULL, 0, LOOM_SET_BYTES, AT(server.max_body_bytes), 1024, 4e9, NULL, "64MiB", "N",
		"largest request body"},
	{"server.max_response_bytes", NULL, NULL, 0, LOOM_SET_BYTES, AT(server.max_response_bytes), 1024, 1e15, NULL, "1GiB", "N",
		"answers estimated larger are refused before any work"},
	{"server.max_connections", NULL, NULL, 0, LOOM_SET_INT, AT(server.max_connections), 1, 65536, NULL, "1024", "N", "connections at once"},
	{"server.max_requests_per_connection", NULL, NULL, 0, LOOM_SET_INT, AT(server.max_requests_per_connection), 0, 1e9, NULL, "0", "N",
		"a connection is closed after this many; 0: no limit"},
	{"server.max_batch_items", NULL, NULL, 0, LOOM_SET_INT, AT(server.max_batch_items), 1, 4096, NULL, "100", "N",
		"prompts or texts in one batch request"},
	{"server.max_queue", NULL, NULL, 0, LOOM_SET_INT, AT(server.max_queue), 1, 65536, NULL, "512", "N",
		"sequences that may wait for one model; more get 429"},
	{"server.stream_buffer_bytes", NULL, NULL, 0, LOOM_SET_BYTES, AT(server.stream_buffer_bytes), 4096, 4e9, NULL, "4MiB", "N",
		"events that the reader of a stream may be behind before its work is stopped"},
	{"server.stream_stall_seconds", NULL, NULL, 0, LOOM_SET_INT, AT(server.stream_stall_seconds), 1, 3600, NULL, "5", "N",
		"a stream's reader that takes nothing for so long is given up, while its model is at work for it"},
	{"server.header_seconds", NULL, NULL, 0, LOOM_SET_INT, AT(server.header_seconds), 1, 3600, NULL, "15", "N",
		"a request's head must be there after this"},
	{"server.idle_seconds", NULL, NULL, 0, LOOM_SET_INT, AT(server.idle_seconds), 1, 3600, NULL, "30", "N",
		"a silent body, or a reader that takes nothing, is given up after this"},
	{"server.keep_alive_seconds", NULL, NULL, 0, LOOM_SET_INT, AT(server.keep_alive_seconds), 1, 86400, NULL, "60", "N",
		"a connection without requests is closed after this"},
	{"server.drain_seconds", NULL, "--drain-seconds", 0, LOOM_SET_INT, AT(server.drain_seconds), 0, 3600, NULL, "10", "N",
		"what unloading and shutting down wait for requests in flight"},
	{"gpu.default_device", "LOOM_DEFAULT_DEVICE", "--device", 'd', LOOM_SET_DEVICE, AT(gpu.default_device), 0, 0, NULL, "cuda:0", "NAME",
		"where models run: cpu, cuda:N or N"},
	{"gpu.devices", NULL, NULL, 0, LOOM_SET_DEVICES, AT(gpu.devices), 0, 0, NULL, "", "LIST",
		"devices that requests may name; empty: all there are"},
	{"gpu.memory_fraction", "LOOM_MEMORY_FRACTION", "--memory-fraction", 0, LOOM_SET_NUMBER, AT(gpu.memory_fraction), 0.01, 1, NULL, "0.9", "X",
		"share of the free memory (of the device that serves) that loading may use"},
	{"gpu.fallback", NULL, NULL, 0, LOOM_SET_BOOL, AT(gpu.fallback), 0, 0, NULL, "true", "BOOL",
		"no GPU here: serve from the CPU and say so; false: answer 422"},
	{"models.max_loaded", "LOOM_MAX_MODELS", "--max-models", 0, LOOM_SET_INT, AT(models.max_loaded), 1, 1024, NULL, "3", "N",
		"most models in memory; the least recently used idle one makes room"},
	{"models.auto_unload_minutes", "LOOM_AUTO_UNLOAD_MINUTES", "--auto-unload-minutes", 0, LOOM_SET_NUMBER, AT(models.auto_unload_minutes), 0,
		1e6, NULL, "20", "X", "unload a model idle this long; 0 never"},
	{"models.default_dtype", NULL, "--dtype", 0, LOOM_SET_CHOICE, AT(models.default_dtype), 0, 0, dtypes, "auto", "TYPE",
		"how matrices are kept; auto: as stored"},
	{"models.compute", NULL, "--compute", 0, LOOM_SET_CHOICE, AT(models.compute), 0, 0, computes, "float32", "MODE",
		"how matrix products are computed: exactly (float32), or faster from rounded numbers (docs/numerics.md)"},
	{"models.cache_dir", NULL, "--cache-dir", 0, LOOM_SET_STRING, AT(models.cache_dir), 0, 0, NULL, "", "DIR",
		"Hugging Face cache; not set: HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub"},
	{"models.preload", NULL, "--preload", 0, LOOM_SET_WORDS, AT(models.preload), 0, 0, NULL, "", "MODEL",
		"load at start, in this order; what fails is logged"},
	{"models.local_roots", NULL, "--local-root", 0, LOOM_SET_WORDS, AT(models.local_roots), 0, 0, NULL, "", "DIR",
		"folders below which clients of other machines may name local models"},
	{"models.max_context", NULL, NULL, 0, LOOM_SET_INT, AT(models.max_context), 1, LOOM_MAX_CONTEXT, NULL, "131072", "N",
		"most positions of a sequence where positions are computed (the model's own length, if larger)"},
	{"hidden_states.default_layers", NULL, NULL, 0, LOOM_SET_LAYERS, AT(hidden_states.default_layers), 0, 0, NULL, "[-1]", "LIST",
		"hidden_state_layers of requests that do not say: indices, or all"},
	{"hidden_states.precision", NULL, NULL, 0, LOOM_SET_CHOICE, AT(hidden_states.precision), 0, 0, precisions, "float32", "TYPE",
		"hidden_state_dtype of requests that do not say (binary formats)"},
	{"loaders.fallback_order", NULL, NULL, 0, LOOM_SET_WORDS, AT(loaders.fallback_order), 0, 0, loaders,
		"[transformers, sentence_transformers, custom, gguf]", "LIST", "loaders that may open a model, in the order in which they are tried when "
		"the one that recognises it cannot"},
	{"logging.level", "LOOM_LOG_LEVEL", "--log-level", 0, LOOM_SET_CHOICE, AT(logging.level), 0, 0, levels, "info", "LEVEL", "what is logged"},
	{"logging.file", NULL, "--log-file", 0, LOOM_SET_STRING, AT(logging.file), 0, 0, NULL, "", "PATH", "append the log here; not set: standard error"},
	{"logging.format", NULL, "--log-format", 0, LOOM_SET_CHOICE, AT(logging.format), 0, 0, formats, "text", "KIND",
		"a line of text or a JSON object for each event (a Python format string, as The Loom has, counts as text)"},
	{"threads", NULL, "--threads", 0, LOOM_SET_INT, AT(threads), 0, LOOM_MAX_THREADS, NULL, "0", "N",
		"compute threads; 0: physical cores"},
};
const size_t loom_n_setting = sizeof(loom_setting_table) / sizeof(loom_setting_table[0]);
_Static_assert(sizeof(loom_setting_table) / sizeof(loom_setting_table[0]) <= LOOM_MAX_SETTING, "LOOM_MAX_SETTING is too small");

void loom_settings_init(struct loom_settings *s)
{
	memset(s, 0, sizeof(*s));
	loom_arena_init(&s->arena);
}

void loom_settings_release(struct loom_settings *s)
{
	loom_arena_release(&s->arena);
	memset(s, 0, sizeof(*s));
}

int loom_setting_find(const char *path)
{
	for (size_t i = 0; i < loom_n_setting; i++) {
		if (strcmp(loom_setting_table[i].path, path) == 0) {
			return (int)i;
		}
	}
	return -1;
}

void loom_setting_env(const struct loom_setting *t, char *out, size_t cap)
{
	size_t n = loom_str_copy(out, cap, "LOOM_");

	for (const char *p = t->path; *p && n + 3 < cap; p++) {
		if (*p == '.') {
			out[n++] = '_';
			out[n++] = '_';
		} else {
			out[n++] = (char)toupper((unsigned char)*p);
		}
	}
	out[n] = '\0';
}

/* ---- where values come from ---- */

static enum loom_status set_defaults(struct loom_settings *s, struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;

	for (size_t i = 0; rc == LOOM_OK && i < loom_n_setting; i++) {
		const struct loom_setting *t = &loom_setting_table[i];
		if (t->fallback[0]) {
			rc = loom_settings_set(s, i, "default", t->fallback, err);
		} else {
			s->origin[i] = "default";
		}
	}
	return rc;
}

/* LOOM_A__B that no setting has: a typo must not be a silent default. */
static enum loom_status refuse_unknown(const char *variable, struct loom_err *err)
{
	const char *names[LOOM_MAX_SETTING + 1], *near;
	char text[LOOM_MAX_SETTING][64], name[128];
	size_t n = strcspn(variable, "=");

	if (n >= sizeof(name)) {
		return LOOM_OK;
	}
	(void)loom_str_copy(name, n + 1, variable);
	if (!loom_str_starts(name, "LOOM_") || !strstr(name + 5, "__")) {
		return LOOM_OK;
	}
	for (size_t i = 0; i < loom_n_setting; i++) {
		loom_setting_env(&loom_setting_table[i], text[i], sizeof(text[i]));
		names[i] = text[i];
		if (strcmp(name, text[i]) == 0) {
			return LOOM_OK;
		}
	}
	names[loom_n_setting] = NULL;
	near = loom_str_nearest(name, names);
	return loom_err_set(err, LOOM_E_INVALID, "%s: no such setting%s%s%s", name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static enum loom_status read_environment(struct loom_settings *s, struct loom_err *err)
{
	enum loom_status rc = LOOM_OK;

	for (size_t i = 0; rc == LOOM_OK && i < loom_n_setting; i++) {
		const struct loom_setting *t = &loom_setting_table[i];
		char nested[64];
		loom_setting_env(t, nested, sizeof(nested));
		const char *name = t->env && getenv(t->env) && getenv(t->env)[0] ? t->env : nested, *text = getenv(name);
		if (text && text[0]) {
			rc = loom_settings_set(s, i, name, text, err);
		}
	}
	for (char **e = environ; rc == LOOM_OK && *e; e++) {
		rc = refuse_unknown(*e, err);
	}
	return rc;
}

/* The first file of the search list that is there, into out; false when none is. */
static bool search_file(char *out, size_t cap)
{
	static const char *const here[] = {"config.yaml", "config.yml", "loom.yaml"}, *const home[] = {"config.yaml", "config.yml"};
	const char *dir = getenv("HOME");
	char folder[PATH_MAX];

	for (size_t i = 0; i < 3; i++) {
		if (loom_path_is_file(here[i])) {
			return loom_str_copy(out, cap, here[i]) > 0;
		}
	}
	if (dir && dir[0] && loom_path_join(folder, sizeof(folder), dir, ".config/loom")) {
		for (size_t i = 0; i < 2; i++) {
			if (loom_path_join(out, cap, folder, home[i]) && loom_path_is_file(out)) {
				return true;
			}
		}
	}
	return loom_path_is_file("/etc/loom/config.yaml") && loom_str_copy(out, cap, "/etc/loom/config.yaml") > 0;
}

static enum loom_status read_file(struct loom_settings *s, const char *path, struct loom_err *err)
{
	char *text = NULL;
	size_t n = 0;
	struct stat st;
	enum loom_status rc = loom_file_slurp(path, path, MAX_FILE_BYTES, &text, &n, err);

	if (rc == LOOM_OK) {
		rc = loom_settings_yaml(s, text, n, path, err);
		s->file = loom_arena_strdup(&s->arena, path);
		s->exposed = s->server.api_key && stat(path, &st) == 0 && (st.st_mode & S_IROTH);
	}
	loom_free(text);
	return rc;
}

enum loom_status loom_settings_load(struct loom_settings *s, const char *path, struct loom_err *err)
{
	char found[PATH_MAX];
	enum loom_status rc = set_defaults(s, err);

	if (!path && search_file(found, sizeof(found))) {
		path = found;
	}
	if (rc == LOOM_OK && path) {
		rc = read_file(s, path, err);
	}
	return rc ? rc : read_environment(s, err);
}

/* What no single value shows. */
enum loom_status loom_settings_check(struct loom_settings *s, struct loom_err *err)
{
	size_t row = (size_t)loom_setting_find("gpu.default_device");
	const struct loom_words *d = &s->gpu.devices;
	bool listed = d->n == 0 || strcmp(s->gpu.default_device, "cpu") == 0;

	for (size_t i = 0; i < d->n; i++) {
		listed = listed || strcmp(d->v[i], s->gpu.default_device) == 0;
	}
	if (!listed && strcmp(s->origin[row], "default") == 0) {
		s->gpu.default_device = d->v[0];
		s->origin[row] = s->origin[loom_setting_find("gpu.devices")];
		return LOOM_OK;
	}
	return listed ? LOOM_OK : loom_err_set(err, LOOM_E_INVALID, "%s: gpu.default_device: expected one of gpu.devices (%s), found \"%s\"",
		s->origin[row], s->origin[loom_setting_find("gpu.devices")], s->gpu.default_device);
}
