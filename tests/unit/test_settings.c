/* test_settings.c: the table of settings, values from text, YAML, environment; one message for each thing that can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "settings.h"

static enum loom_status read_text(struct loom_settings *s, const char *text, struct loom_err *err)
{
	enum loom_status rc;
	loom_settings_init(s);
	rc = loom_settings_load(s, NULL, err);
	if (rc)
		fail_msg("defaults: %s", err->message);
	return loom_settings_yaml(s, text, strlen(text), "c.yaml", err);
}

static void good(struct loom_settings *s, const char *text)
{
	struct loom_err err = {0};
	if (read_text(s, text, &err))
		fail_msg("%s: %s", text, err.message);
}

static void test_defaults(void **state)
{
	struct loom_settings s;
	(void)state;
	good(&s, "");
	assert_string_equal(s.server.host, "0.0.0.0");
	assert_int_equal(s.server.port, 8080);
	assert_string_equal(s.server.unix_socket, "/tmp/loom.sock");
	assert_int_equal(s.server.unix_mode, 0600);
	assert_int_equal(s.server.max_body_bytes, 64 << 20);
	assert_int_equal(s.server.max_response_bytes, 1 << 30);
	assert_int_equal(s.server.drain_seconds, 10);
	assert_null(s.server.api_key);
	assert_string_equal(s.gpu.default_device, "cuda:0");
	assert_true(s.gpu.memory_fraction == 0.9 && s.gpu.fallback);
	assert_int_equal(s.models.max_loaded, 3);
	assert_true(s.models.auto_unload_minutes == 20);
	assert_int_equal(s.hidden_states.default_layers.n, 1);
	assert_int_equal(s.hidden_states.default_layers.v[0], -1);
	assert_string_equal(s.hidden_states.precision, "float32");
	assert_int_equal(s.loaders.fallback_order.n, 4);
	assert_int_equal(s.threads, 0);
	for (size_t i = 0; i < loom_n_setting; i++)
		assert_string_equal(s.origin[i], "default");
	loom_settings_release(&s);
}

static void test_the_table_is_sound(void **state)
{
	char a[64], b[64];
	(void)state;
	for (size_t i = 0; i < loom_n_setting; i++) {
		const struct loom_setting *t = &loom_setting_table[i];
		struct loom_settings s;
		struct loom_err err = {0};
		char text[160];
		loom_setting_env(t, a, sizeof a);
		assert_int_equal(loom_setting_find(t->path), i);
		assert_true(strlen(t->help) > 0 && strlen(t->arg) > 0);
		for (size_t k = 0; k < i; k++) {
			const struct loom_setting *o = &loom_setting_table[k];
			loom_setting_env(o, b, sizeof b);
			assert_string_not_equal(a, b);
			assert_true(o->offset != t->offset);
			assert_false(o->flag && t->flag && strcmp(o->flag, t->flag) == 0);
			assert_false(o->letter && o->letter == t->letter);
		}
		/* its section is one that a file may have, and its default may stand there */
		const char *dot = strchr(t->path, '.');
		if (dot)
			snprintf(text, sizeof text, "%.*s:\n  %s: %s\n", (int)(dot - t->path), t->path, dot + 1, t->fallback);
		else
			snprintf(text, sizeof text, "%s: %s\n", t->path, t->fallback);
		if (read_text(&s, text, &err))
			fail_msg("%s: %s", text, err.message);
		assert_string_equal(s.origin[i], t->fallback[0] ? dot ? "c.yaml:2" : "c.yaml:1" : "default");
		loom_settings_release(&s);
	}
	assert_int_equal(loom_setting_find("server"), -1);
}

static void test_the_seeds_own_example(void **state)
{
	struct loom_settings s;
	(void)state;
	good(&s, "server:\n  http_port: 8080\n\ngpu:\n  devices: [0, 1]\n  default_device: 0\n  memory_fraction: 0.9\n\nmodels:\n  max_loaded: 3\n"
		"  default_dtype: auto\n\nhidden_states:\n  default_layers: [-1]\n  precision: float32\n");
	assert_int_equal(s.gpu.devices.n, 2);
	assert_string_equal(s.gpu.devices.v[0], "cuda:0");
	assert_string_equal(s.gpu.devices.v[1], "cuda:1");
	assert_string_equal(s.gpu.default_device, "cuda:0");
	assert_string_equal(s.origin[loom_setting_find("gpu.memory_fraction")], "c.yaml:7");
	loom_settings_release(&s);
}

static void test_what_yaml_may_say(void **state)
{
	struct loom_settings s;
	(void)state;
	good(&s, "\xef\xbb\xbf# a comment\r\nserver: {http_host: '::1', api_key: \"12345\", max_body_bytes: 2 MiB, cors_origins: ['*']}\r\ngpu:\r\n"
		"  default_device: \"cpu\"\r\n  fallback: no\r\nmodels:\r\n  preload:\r\n    - org/a\r\n    - \"/b, c\"\r\n  cache_dir: ~\r\n  max_loaded:\r\n"
		"hidden_states: {default_layers: all, precision: BFLOAT16}\r\nlogging: {level: WARNING, format: \"%(asctime)s - %(message)s\"}\r\n"
		"loaders: {fallback_order: [gguf, transformers]}\r\nthreads: 2\r\nmodel_overrides:\r\n  org/a: {dtype: float16, device: 1}\r\n"
		"  org/b:\r\n    loader: gguf\r\n    quantization: 4bit\r\n  org/c:\r\n");
	assert_string_equal(s.server.host, "::1");
	assert_string_equal(s.server.api_key, "12345");
	assert_int_equal(s.server.max_body_bytes, 2 << 20);
	assert_string_equal(s.server.cors_origins.v[0], "*");
	assert_string_equal(s.gpu.default_device, "cpu");
	assert_false(s.gpu.fallback);
	assert_int_equal(s.models.preload.n, 2);
	assert_string_equal(s.models.preload.v[1], "/b, c");
	assert_null(s.models.cache_dir);
	assert_int_equal(s.models.max_loaded, 3);
	assert_true(s.hidden_states.default_layers.all);
	assert_string_equal(s.hidden_states.precision, "bfloat16");
	assert_string_equal(s.logging.level, "warning");
	assert_string_equal(s.logging.format, "text");
	assert_int_equal(s.loaders.fallback_order.n, 2);
	assert_int_equal(s.threads, 2);
	assert_int_equal(s.n_override, 3);
	assert_string_equal(s.overrides[0].dtype, "float16");
	assert_string_equal(s.overrides[0].device, "cuda:1");
	assert_null(s.overrides[0].loader);
	assert_string_equal(s.overrides[1].loader, "gguf");
	assert_string_equal(s.overrides[1].quantization, "4bit");
	assert_string_equal(s.overrides[2].id, "org/c");
	loom_settings_release(&s);
}

static void test_what_yaml_may_not_say(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"server:\n  http_port: x\n", "c.yaml:2: server.http_port: expected an integer 0..65535, found \"x\""},
		{"server:\n  http_port: 080\n", "c.yaml:2: server.http_port: expected an integer 0..65535, found \"080\""},
		{"server:\n  http_port: \"80\"\n", "expected an integer 0..65535"},
		{"server:\n  http_port: 18446744073709551616\n", "expected an integer"},
		{"server:\n  http_port: 80.0\n", "expected an integer"},
		{"server:\n  http_port: 0x50\n", "expected an integer"},
		{"server:\n  http_port: -1\n", "expected an integer"},
		{"server:\n  http_port: [80]\n", "found [80]"},
		{"server:\n  http_port: {a: 1}\n", "c.yaml:2: server.http_port: expected an integer 0..65535, found a mapping"},
		{"server:\n  http_prot: 80\n", "c.yaml:2: server.http_prot: no such setting (did you mean http_port?)"},
		{"server:\n  memory_fraction: 1\n", "server.memory_fraction: no such setting (did you mean gpu.memory_fraction?)"},
		{"sever:\n  http_port: 80\n", "c.yaml:1: sever: no such setting (did you mean server?)"},
		{"server.http_port: 80\n", "no such setting"},
		{"server:\n  http_port: 80\n  http_port: 81\n", "c.yaml:3: server.http_port: given twice"},
		{"gpu: {}\ngpu: {}\n", "c.yaml:2: gpu: given twice"},
		{"threads: 1\nthreads: 2\n", "given twice"},
		{"server: [1]\n", "c.yaml:1: server: expected a mapping of settings, found a list"},
		{"server: 8080\n", "expected a mapping of settings, found \"8080\""},
		{"- a\n", "c.yaml:1: the file: expected a mapping of sections, found a list"},
		{"x", "the file: expected a mapping of sections, found \"x\""},
		{"server:\n\thttp_port: 80\n", "c.yaml:2: not YAML"},
		{"a: [[[[", "no such setting"},
		{"models:\n  preload: [[a]]\n", "c.yaml:2: models.preload: expected a list of at most 64 strings, found a list"},
		{"models:\n  preload: [a, {b: c}]\n", "found a mapping"},
		{"models: &m\n  max_loaded: 1\n", "c.yaml:1: anchors are not read"},
		{"models:\n  cache_dir: &m x\n  preload: [*m]\n", "anchors are not read"},
		{"models: *m\n", "c.yaml:1: aliases are not read"},
		{"models:\n  max_loaded: !!int 3\n", "c.yaml:2: tags are not read"},
		{"models: !x\n  max_loaded: 3\n", "tags are not read"},
		{"threads: 1\n---\nthreads: 2\n", "c.yaml:2: a second document"},
		{"gpu:\n  fallback: maybe\n", "expected true or false, found \"maybe\""},
		{"gpu:\n  memory_fraction: 1.5\n", "expected a number 0.01..1, found \"1.5\""},
		{"gpu:\n  memory_fraction: nan\n", "expected a number"},
		{"gpu:\n  default_device: tpu\n", "expected cpu or cuda:N, found \"tpu\""},
		{"gpu:\n  default_device: cuda:x\n", "expected cpu or cuda:N"},
		{"gpu:\n  default_device: -2\n", "expected cpu or cuda:N"},
		{"gpu:\n  devices: [0, x]\n", "expected a list of devices (cpu, cuda:N or N), at most 64, found [0, x]"},
		{"hidden_states:\n  default_layers: []\n", "expected a list of 1..64 layer indices, or all"},
		{"hidden_states:\n  default_layers: [1.5]\n", "found [1.5]"},
		{"hidden_states:\n  default_layers: [99999]\n", "expected a list"},
		{"hidden_states:\n  precision: float64\n", "expected float32, float16 or bfloat16, found \"float64\""},
		{"loaders:\n  fallback_order: [pickle]\n", "expected a list of transformers, sentence_transformers, custom or gguf, found [pickle]"},
		{"loaders:\n  fallback_order: []\n", "expected a list of transformers"},
		{"logging:\n  level: loud\n", "expected debug, info, warning or error, found \"loud\""},
		{"server:\n  transport: tcp\n", "expected http, unix or both, found \"tcp\""},
		{"server:\n  unix_mode: 999\n", "expected an octal mode"},
		{"server:\n  max_body_bytes: 64MB\n", "KiB, MiB, GiB may follow), found \"64MB\""},
		{"server:\n  api_key: [hunter2]\n", "server.api_key: expected a string, found something else"},
		{"model_overrides: [a]\n", "model_overrides: expected a mapping from model ids, found a list"},
		{"model_overrides:\n  a: b\n", "a: expected a mapping with loader, dtype, device or quantization, found \"b\""},
		{"model_overrides:\n  a: {dtyp: x}\n", "model_overrides.a.dtyp: no such setting (did you mean dtype?)"},
		{"model_overrides:\n  a:\n    dtype: int8\n", "c.yaml:3: model_overrides.a.dtype: expected auto, float32, float16 or bfloat16, found \"int8\""},
		{"model_overrides:\n  a: {device: tpu}\n", "model_overrides.a.device: expected cpu or cuda:N, found \"tpu\""},
		{"model_overrides:\n  a: {loader: x}\n", "model_overrides.a.loader: expected transformers"},
		{"model_overrides:\n  a: {quantization: 3bit}\n", "expected none, 4bit, 8bit, gptq or awq"},
		{"model_overrides:\n  a: {dtype: auto, dtype: auto}\n", "model_overrides.a.dtype: given twice"},
		{"model_overrides:\n  a: {}\n  a: {}\n", "c.yaml:3: model_overrides.a: given twice"},
		{"? [a]\n: b\n", "expected a key, found a list"},
		{"threads: 1\n\"a\\0b\": 1\n", "expected a key"},
		{"threads: 1\n\xff: 1\n", "c.yaml:2: invalid UTF-8"},
		{"<<: {a: b}\n", "no such setting"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct loom_settings s;
		struct loom_err err = {0};
		if (read_text(&s, bad[i].text, &err) == LOOM_OK)
			fail_msg("taken: %s", bad[i].text);
		if (!strstr(err.message, bad[i].says) || strchr(err.message, '\n') || strncmp(err.message, "c.yaml:", 7) != 0)
			fail_msg("%s\n says: %s\n not: %s", bad[i].text, err.message, bad[i].says);
		loom_settings_release(&s);
	}
}

static void test_a_value_from_text(void **state)
{
	struct loom_settings s;
	struct loom_err err = {0};
	(void)state;
	good(&s, "");
	const struct {
		const char *path, *text;
		bool ok;
	} cases[] = {{"models.preload", "org/a, org/b", true}, {"models.preload", "[\"a,b\", 'c']", true}, {"models.preload", "", true},
		{"gpu.devices", "0,1", true}, {"gpu.devices", "[0, cuda:1]", true}, {"gpu.devices", "a", false},
		{"hidden_states.default_layers", "[0, -1]", true}, {"hidden_states.default_layers", "0,-1", true}, {"hidden_states.default_layers", "all", true},
		{"hidden_states.default_layers", "3", true}, {"hidden_states.default_layers", "some", false}, {"gpu.default_device", "CUDA:3", true},
		{"gpu.default_device", "-1", true}, {"gpu.fallback", "0", true}, {"server.api_key", "\xff", false}, {"server.max_body_bytes", "1gib", true},
		{"server.max_body_bytes", "99999999999999999999GiB", false}, {"gpu.memory_fraction", "0.5", true}, {"gpu.memory_fraction", "0x1p-1", false},
		{"server.unix_mode", "660", true}, {"server.unix_mode", "0o660", false}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum loom_status rc = loom_settings_set(&s, (size_t)loom_setting_find(cases[i].path), "--x", cases[i].text, &err);
		if ((rc == LOOM_OK) != cases[i].ok)
			fail_msg("%s = %s: %s", cases[i].path, cases[i].text, err.message);
	}
	assert_int_equal(s.models.preload.n, 0);
	assert_int_equal(loom_settings_set(&s, (size_t)loom_setting_find("models.preload"), "--x", "[\"a,b\", 'c']", &err), LOOM_OK);
	assert_int_equal(s.models.preload.n, 2);
	assert_string_equal(s.models.preload.v[0], "a,b");
	assert_string_equal(s.models.preload.v[1], "c");
	assert_string_equal(s.gpu.default_device, "cpu");
	assert_int_equal(s.server.unix_mode, 0660);
	assert_int_equal(s.hidden_states.default_layers.v[0], 3);
	loom_settings_release(&s);
}

static void test_the_environment(void **state)
{
	struct loom_settings s;
	struct loom_err err = {0};
	(void)state;
	setenv("LOOM_PORT", "81", 1);
	setenv("LOOM_SERVER__HTTP_PORT", "82", 1);
	setenv("LOOM_GPU__DEFAULT_DEVICE", "cpu", 1);
	setenv("LOOM_MODELS__PRELOAD", "[a, b]", 1);
	setenv("LOOM_LOGGING__LEVEL", "", 1);
	loom_settings_init(&s);
	assert_int_equal(loom_settings_load(&s, NULL, &err), LOOM_OK);
	assert_int_equal(s.server.port, 81);
	assert_string_equal(s.origin[loom_setting_find("server.http_port")], "LOOM_PORT");
	assert_string_equal(s.gpu.default_device, "cpu");
	assert_int_equal(s.models.preload.n, 2);
	assert_string_equal(s.logging.level, "info");
	loom_settings_release(&s);
	setenv("LOOM_MAX_MODELS", "many", 1);
	loom_settings_init(&s);
	assert_int_not_equal(loom_settings_load(&s, NULL, &err), LOOM_OK);
	assert_string_equal(err.message, "LOOM_MAX_MODELS: models.max_loaded: expected an integer 1..1024, found \"many\"");
	loom_settings_release(&s);
	unsetenv("LOOM_MAX_MODELS");
	setenv("LOOM_SERVER__HTTP_PROT", "1", 1);
	loom_settings_init(&s);
	assert_int_not_equal(loom_settings_load(&s, NULL, &err), LOOM_OK);
	assert_string_equal(err.message, "LOOM_SERVER__HTTP_PROT: no such setting (did you mean LOOM_SERVER__HTTP_PORT?)");
	loom_settings_release(&s);
	unsetenv("LOOM_SERVER__HTTP_PROT");
	unsetenv("LOOM_PORT");
	unsetenv("LOOM_SERVER__HTTP_PORT");
	unsetenv("LOOM_GPU__DEFAULT_DEVICE");
	unsetenv("LOOM_MODELS__PRELOAD");
	unsetenv("LOOM_LOGGING__LEVEL");
}

static void test_devices_agree(void **state)
{
	struct loom_settings s;
	struct loom_err err = {0};
	(void)state;
	good(&s, "gpu: {devices: [1, 2]}\n");
	assert_int_equal(loom_settings_check(&s, &err), LOOM_OK);
	assert_string_equal(s.gpu.default_device, "cuda:1");
	loom_settings_release(&s);
	good(&s, "gpu:\n  devices: [1]\n  default_device: 0\n");
	assert_int_not_equal(loom_settings_check(&s, &err), LOOM_OK);
	assert_string_equal(err.message, "c.yaml:3: gpu.default_device: expected one of gpu.devices (c.yaml:2), found \"cuda:0\"");
	loom_settings_release(&s);
}

static void test_printing(void **state)
{
	struct loom_settings s, again;
	struct loom_buf a, b;
	struct loom_err err = {0};
	(void)state;
	good(&s, "server: {cors_origins: ['*', \"it's\"]}\nmodels: {preload: ['- x: y']}\nhidden_states: {default_layers: [0, -1]}\n"
		"model_overrides: {org/a: {dtype: float16}}\n");
	assert_int_equal(loom_settings_set(&s, (size_t)loom_setting_find("server.api_key"), "LOOM_API_KEY", "hunter2", &err), LOOM_OK);
	loom_buf_init(&a, 1 << 20);
	loom_buf_init(&b, 1 << 20);
	loom_settings_print(&s, &a);
	assert_null(strstr(a.data, "hunter2"));
	assert_non_null(strstr(a.data, "api_key: set"));
	good(&again, a.data); /* it reads back as what it was */
	loom_settings_print(&again, &b);
	assert_string_equal(again.server.cors_origins.v[1], "it's");
	assert_string_equal(again.models.preload.v[0], "- x: y");
	assert_string_equal(again.overrides[0].dtype, "float16");
	loom_buf_release(&a);
	loom_buf_release(&b);
	loom_settings_release(&s);
	loom_settings_release(&again);
}

static void test_memory_may_run_out(void **state)
{
	static const char text[] = "server: {http_host: a, cors_origins: [a, b]}\nmodel_overrides: {a: {device: 1}}\n";
	int64_t live = loom_mem_live();
	(void)state;
	for (uint64_t k = 1, calls = k; calls >= k; k++) {
		struct loom_settings s;
		struct loom_err err = {0};
		loom_settings_init(&s);
		loom_mem_fail_at(k, true);
		enum loom_status rc = loom_settings_load(&s, NULL, &err);
		rc = rc ? rc : loom_settings_yaml(&s, text, sizeof text - 1, "c.yaml", &err);
		calls = loom_mem_calls();
		loom_mem_fail_at(0, false);
		assert_true(rc == LOOM_OK || calls >= k);
		loom_settings_release(&s);
		assert_int_equal(loom_mem_live(), live);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_the_table_is_sound),
		cmocka_unit_test(test_the_seeds_own_example),
		cmocka_unit_test(test_what_yaml_may_say),
		cmocka_unit_test(test_what_yaml_may_not_say),
		cmocka_unit_test(test_a_value_from_text),
		cmocka_unit_test(test_the_environment),
		cmocka_unit_test(test_devices_agree),
		cmocka_unit_test(test_printing),
		cmocka_unit_test(test_memory_may_run_out),
	};
	/* A configuration of the machine that runs this is no part of it. */
	setenv("HOME", "/nonexistent", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
