/* settings_print.c: the table of settings as text: the help of loom serve, loom config, docs/configuration.md. See settings.h. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "settings.h"
#include "str.h"

/* A word as YAML reads it back: quoted when it is more than letters, digits and harmless marks. */
static void put_word(struct loom_buf *out, const char *w)
{
	bool plain = w[0] && strspn(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-:+") == strlen(w) && w[0] != '-' &&
		w[strlen(w) - 1] != ':';

	if (plain) {
		(void)loom_buf_puts(out, w);
		return;
	}
	(void)loom_buf_putc(out, '\'');
	for (; *w; w++) {
		(void)loom_buf_puts(out, *w == '\'' ? "'" : "");
		(void)loom_buf_putc(out, *w);
	}
	(void)loom_buf_putc(out, '\'');
}

static void put_bytes(struct loom_buf *out, int64_t v)
{
	static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
	size_t u = 0;

	while (u < 4 && v && v % 1024 == 0) {
		v /= 1024;
		u++;
	}
	(void)loom_buf_printf(out, "%lld%s", (long long)v, units[u]);
}

void loom_setting_show(const struct loom_settings *s, size_t row, struct loom_buf *out)
{
	const struct loom_setting *t = &loom_setting_table[row];
	const void *at = (const char *)s + t->offset;
	const struct loom_words *words = at;
	const struct loom_layer_list *layers = at;
	const char *text;

	switch (t->kind) {
	case LOOM_SET_BOOL:
		(void)loom_buf_puts(out, *(const bool *)at ? "true" : "false");
		return;
	case LOOM_SET_INT:
		(void)loom_buf_printf(out, "%lld", (long long)*(const int64_t *)at);
		return;
	case LOOM_SET_MODE:
		(void)loom_buf_printf(out, "%04llo", (unsigned long long)*(const int64_t *)at);
		return;
	case LOOM_SET_BYTES:
		put_bytes(out, *(const int64_t *)at);
		return;
	case LOOM_SET_NUMBER:
		(void)loom_buf_printf(out, "%.10g", *(const double *)at);
		return;
	case LOOM_SET_SECRET:
		(void)loom_buf_puts(out, *(const char *const *)at ? "set" : "unset");
		return;
	case LOOM_SET_WORDS:
	case LOOM_SET_DEVICES:
		(void)loom_buf_putc(out, '[');
		for (size_t i = 0; i < words->n; i++) {
			(void)loom_buf_puts(out, i ? ", " : "");
			put_word(out, words->v[i]);
		}
		(void)loom_buf_putc(out, ']');
		return;
	case LOOM_SET_LAYERS:
		(void)loom_buf_puts(out, layers->all ? "all" : "[");
		for (size_t i = 0; i < layers->n; i++) {
			(void)loom_buf_printf(out, "%s%lld", i ? ", " : "", (long long)layers->v[i]);
		}
		(void)loom_buf_puts(out, layers->all ? "" : "]");
		return;
	default:
		text = *(const char *const *)at;
		if (text) {
			put_word(out, text);
		} else {
			(void)loom_buf_puts(out, "null");
		}
	}
}

/* "server" of "server.http_port"; "" of "threads". */
static void section_of(const char *path, char *out, size_t cap)
{
	const char *dot = strchr(path, '.');
	size_t n = dot ? (size_t)(dot - path) : 0;

	(void)loom_str_copy(out, n + 1 < cap ? n + 1 : cap, path);
}

static const char *key_of(const char *path)
{
	const char *dot = strchr(path, '.');

	return dot ? dot + 1 : path;
}

/* A new section's line when row begins one. true when it does. */
static bool begins_section(size_t row, char *section, size_t cap)
{
	char before[32] = "-";

	section_of(loom_setting_table[row].path, section, cap);
	if (row > 0) {
		section_of(loom_setting_table[row - 1].path, before, sizeof(before));
	}
	return strcmp(before, section) != 0;
}

void loom_settings_print(const struct loom_settings *s, struct loom_buf *out)
{
	char section[32];

	(void)loom_buf_printf(out, "# file: %s\n", s->file ? s->file : "none found");
	for (size_t i = 0; i < loom_n_setting; i++) {
		size_t start;
		if (begins_section(i, section, sizeof(section)) && section[0]) {
			(void)loom_buf_printf(out, "%s:\n", section);
		}
		start = out->len;
		(void)loom_buf_printf(out, "%s%s: ", section[0] ? "  " : "", key_of(loom_setting_table[i].path));
		loom_setting_show(s, i, out);
		(void)loom_buf_printf(out, "%*s  # %s\n", out->len - start < 40 ? (int)(40 - (out->len - start)) : 0, "", s->origin[i]);
	}
	if (s->n_override > 0) {
		(void)loom_buf_puts(out, "model_overrides:\n");
	}
	for (size_t i = 0; i < s->n_override; i++) {
		const struct loom_model_override *o = &s->overrides[i];
		const char *const names[] = {"loader", "dtype", "device", "quantization"}, *const values[] = {o->loader, o->dtype, o->device,
			o->quantization};
		const char *comma = "";
		(void)loom_buf_puts(out, "  ");
		put_word(out, o->id);
		(void)loom_buf_puts(out, ": {");
		for (size_t k = 0; k < 4; k++) {
			if (values[k]) {
				(void)loom_buf_printf(out, "%s%s: ", comma, names[k]);
				put_word(out, values[k]);
				comma = ", ";
			}
		}
		(void)loom_buf_puts(out, "}\n");
	}
}

/* The default as people read it. */
static const char *shown_default(const struct loom_setting *t)
{
	return t->fallback[0] ? t->fallback : t->kind == LOOM_SET_WORDS || t->kind == LOOM_SET_DEVICES ? "[]" : "not set";
}

void loom_settings_print_help(struct loom_buf *out)
{
	(void)loom_buf_puts(out, "usage: loom serve [options] [MODEL...]\n\nServes models over HTTP; plain `loom` does too. "
		"MODELs are loaded at start, as with --preload.\n\noptions:\n"
		"  -c, --config FILE              configuration (default: ./config.yaml, ./config.yml, ./loom.yaml,\n"
		"                                 ~/.config/loom/config.yaml, config.yml there, /etc/loom/config.yaml)\n");
	for (size_t i = 0; i < loom_n_setting; i++) {
		const struct loom_setting *t = &loom_setting_table[i];
		char left[64], letter[8] = "   ", env[64], expected[320] = "", text[640];
		bool list = t->kind == LOOM_SET_WORDS || t->kind == LOOM_SET_DEVICES;
		if (!t->flag) {
			continue;
		}
		if (t->letter) {
			(void)snprintf(letter, sizeof(letter), "-%c,", t->letter);
		}
		if (t->kind == LOOM_SET_CHOICE) {
			loom_setting_expected(t, expected, sizeof(expected));
		}
		loom_setting_env(t, env, sizeof(env));
		(void)snprintf(left, sizeof(left), "%s %s %s", letter, t->flag, t->arg);
		(void)snprintf(text, sizeof(text), "%s%s%s%s", t->help, expected[0] ? ": " : "", expected, list ? " (may be given again)" : "");
		loom_help_row(out, left, text);
		(void)snprintf(text, sizeof(text), "default: %s; environment: %s%s%s", shown_default(t), t->env ? t->env : "", t->env ? ", " : "", env);
		loom_help_row(out, "", text);
	}
	(void)loom_buf_puts(out, "\nEvery setting can stand in the configuration file or in the environment: docs/configuration.md lists them,\n"
		"`loom config` prints the values in force and where each comes from.\n");
}

static const char intro[] =
	"# Configuration\n"
	"\n"
	"<!-- Written by `loom config --docs` from the table in src/cli/settings.c; a test holds this page against it. -->\n"
	"\n"
	"Plain `loom` serves with the defaults below. A value can come from, first wins: a flag of `loom serve`, the environment, the YAML file, the default.\n"
	"`loom config` takes the same flags and prints every value in force with the place it comes from (secrets as set or unset).\n"
	"\n"
	"The file is `--config FILE`, else the first of `./config.yaml`, `./config.yml`, `./loom.yaml`, `~/.config/loom/config.yaml`,\n"
	"`~/.config/loom/config.yml`, `/etc/loom/config.yaml`. In the environment a setting is `LOOM_SECTION__KEY`; some have a second, shorter name, which wins.\n"
	"Lists are separated by commas there (`LOOM_MODELS__PRELOAD=org/a,org/b`; an item with a comma stands in quotes).\n"
	"\n"
	"```yaml\n"
	"server:\n"
	"  http_port: 8080\n"
	"gpu:\n"
	"  devices: [0, 1]\n"
	"  default_device: 0\n"
	"  memory_fraction: 0.9\n"
	"models:\n"
	"  max_loaded: 3\n"
	"  default_dtype: auto\n"
	"hidden_states:\n"
	"  default_layers: [-1]\n"
	"  precision: float32\n"
	"model_overrides:\n"
	"  org/name: {loader: transformers, dtype: bfloat16, device: cpu, quantization: none}\n"
	"```\n"
	"\n"
	"A wrong value ends the program with status 2 and one line that names file, line, key, what was expected and what was found; an unknown key or\n"
	"`LOOM_A__B` variable is refused with the nearest name there is. Anchors, aliases and tags are not read.\n";

static const char outro[] =
	"\n"
	"## model_overrides\n"
	"\n"
	"A mapping from a model's id, as requests write it, to any of `loader`, `dtype`, `device`, `quantization`: what is used for that\n"
	"model when a request does not say. In the file only.\n"
	"\n"
	"## Other variables\n"
	"\n"
	"| variable | |\n"
	"| --- | --- |\n"
	"| `HF_TOKEN`, `HF_TOKEN_PATH` | token for gated models, or the file that holds it (else `HF_HOME/token`) |\n"
	"| `HF_HOME`, `HF_HUB_CACHE` | where the Hugging Face cache is, when `models.cache_dir` does not say |\n"
	"| `HF_ENDPOINT`, `HF_HUB_OFFLINE` | the hub's address; 1: never ask it |\n"
	"| `CUDA_VISIBLE_DEVICES` | the GPUs that may be seen |\n"
	"| `LOOM_CPU` | `ref`, `avx2` or `avx512`: use these kernels; the numbers are the same |\n"
	"| `LOOM_MEMORY_LIMIT_BYTES` | count with no more free memory than this |\n";

void loom_settings_print_docs(struct loom_buf *out)
{
	char section[32], env[64], expected[320];

	(void)loom_buf_puts(out, intro);
	for (size_t i = 0; i < loom_n_setting; i++) {
		const struct loom_setting *t = &loom_setting_table[i];
		if (begins_section(i, section, sizeof(section))) {
			(void)loom_buf_printf(out, "\n## %s\n\n| key | default | meaning | value | variables | flag |\n| --- | --- | --- | --- | --- | --- |\n",
				section[0] ? section : "at the top");
		}
		loom_setting_env(t, env, sizeof(env));
		loom_setting_expected(t, expected, sizeof(expected));
		(void)loom_buf_printf(out, "| `%s` | %s%s%s | %s | %s |", key_of(t->path), t->fallback[0] ? "`" : "", shown_default(t),
			t->fallback[0] ? "`" : "", t->help, expected);
		(void)loom_buf_printf(out, " `%s%s%s` |", t->env ? t->env : "", t->env ? "`, `" : "", env);
		if (t->flag) {
			char letter[8] = "";
			if (t->letter) {
				(void)snprintf(letter, sizeof(letter), ", `-%c`", t->letter);
			}
			(void)loom_buf_printf(out, " `%s`%s |\n", t->flag, letter);
		} else {
			(void)loom_buf_puts(out, " |\n");
		}
	}
	(void)loom_buf_puts(out, outro);
}
