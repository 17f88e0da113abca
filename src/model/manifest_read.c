/* manifest_read.c: a loom.json manifest → struct loom_family in an arena. */
#include <stdio.h>
#include <string.h>

#include "manifest_internal.h"

/* Names hold "%" only as "%d" and "%h". */
static bool name_ok(const char *names)
{
	for (const char *p = names; names && (p = strchr(p, '%')) != NULL; p += 2) {
		if (p[1] != 'd' && p[1] != 'h') {
			return false;
		}
	}
	return true;
}

static enum loom_status read_roles(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f)
{
	static const char *const names[] = {"safetensors", "gguf", NULL};
	const json_t *obj = json_object_get(root, "weights"), *v;
	const char *key;
	char path[128];

	if (!json_is_object(obj)) {
		return loom_manifest_fail(r, "weights", "expected an object");
	}
	json_object_foreach((json_t *)obj, key, v)
	{
		enum loom_role role = loom_role_find(key);
		enum loom_status rc;
		(void)snprintf(path, sizeof(path), "weights.%.100s", key);
		if (role == LOOM_N_ROLE) {
			return loom_manifest_fail(r, path, "there is no weight of this name");
		}
		if (json_is_string(v) || json_is_array(v)) {
			rc = loom_manifest_list(r, v, path, &f->roles[role].hf);
		} else {
			rc = loom_manifest_only(r, v, path, names);
			rc = rc ? rc : loom_manifest_list(r, json_object_get(v, "safetensors"), path, &f->roles[role].hf);
			rc = rc ? rc : loom_manifest_list(r, json_object_get(v, "gguf"), path, &f->roles[role].gguf);
		}
		if (rc) {
			return rc;
		}
		if (!name_ok(f->roles[role].hf) || !name_ok(f->roles[role].gguf)) {
			return loom_manifest_fail(r, path, "\"%%\" in a name is \"%%d\" for the layer or \"%%h\" for the head");
		}
	}
	return f->roles[LOOM_ROLE_EMBED_TOKEN].hf ? LOOM_OK : loom_manifest_fail(r, "weights", "no name for embed_tokens, which every model needs");
}

static enum loom_status read_names(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f)
{
	static const char *const gguf_names[] = {"architecture", "permuted", NULL};
	const json_t *version = json_object_get(root, "loom"), *gguf = json_object_get(root, "gguf");
	enum loom_status rc;

	if (!json_is_integer(version) || json_integer_value(version) != LOOM_MANIFEST_VERSION) {
		return loom_manifest_fail(r, "loom", "expected %d, the version of manifests that this program reads", LOOM_MANIFEST_VERSION);
	}
	if ((rc = loom_manifest_text(r, json_object_get(root, "name"), "name", &f->name)) ||
		(rc = loom_manifest_list(r, json_object_get(root, "model_type"), "model_type", &f->types)) ||
		(rc = loom_manifest_list(r, json_object_get(root, "architectures"), "architectures", &f->architectures)) ||
		(rc = loom_manifest_list(r, json_object_get(root, "prefixes"), "prefixes", &f->prefixes)) ||
		(rc = loom_manifest_list(r, json_object_get(root, "ignored"), "ignored", &f->ignored)) ||
		(rc = loom_manifest_text(r, json_object_get(root, "adapters"), "adapters", &f->adapters)) ||
		(rc = loom_manifest_text(r, json_object_get(root, "adapter_prompts"), "adapter_prompts", &f->adapter_prompts))) {
		return rc;
	}
	f->name = f->name ? f->name : "custom";
	f->types = f->types ? f->types : f->name;
	f->architectures = f->architectures ? f->architectures : "CustomForCausalLM";
	f->prefixes = f->prefixes ? f->prefixes : "";
	if (gguf) {
		rc = loom_manifest_only(r, gguf, "gguf", gguf_names);
		rc = rc ? rc : loom_manifest_text(r, json_object_get(gguf, "architecture"), "gguf.architecture", &f->gguf);
		rc = rc ? rc : loom_manifest_flag(r, json_object_get(gguf, "permuted"), "gguf.permuted", &f->gguf_permuted);
	}
	return rc;
}

static enum loom_status read_rope(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f)
{
	const json_t *rope = json_object_get(root, "rope");
	json_free_t release;
	char *text;

	if (!rope) {
		return LOOM_OK;
	}
	if (!json_is_object(rope)) {
		return loom_manifest_fail(r, "rope", "expected an object, as rope_parameters");
	}
	text = json_dumps(rope, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
	f->rope = text ? loom_arena_strdup(r->arena, text) : NULL;
	json_get_alloc_funcs(NULL, &release);
	if (text) {
		release(text);
	}
	return f->rope ? LOOM_OK : loom_manifest_no_memory(r);
}

enum loom_status loom_manifest_read(const char *text, size_t n, const char *where, struct loom_arena *arena, const struct loom_family **out,
	struct loom_err *err)
{
	static const char *const names[] = {"loom", "name", "model_type", "architectures", "prefixes", "config", "layers", "rules", "ignored", "adapters",
		"adapter_prompts", "rope", "weights", "blocks", "gguf", NULL};
	const struct loom_manifest_reader r = {text, where, n, arena, err};
	struct loom_family *f = loom_arena_alloc(arena, 1, sizeof(*f));
	json_t *root = NULL;
	enum loom_status rc = f ? loom_json_parse(text, n, where, LOOM_E_MODEL, &root, err) : loom_err_nomem(err, "manifest", sizeof(*f));

	rc = rc ? rc : loom_manifest_only(&r, root, "", names);
	rc = rc ? rc : read_names(&r, root, f);
	rc = rc ? rc : loom_manifest_keys(&r, root, f);
	rc = rc ? rc : loom_manifest_layers(&r, root, f);
	rc = rc ? rc : loom_manifest_rules(&r, root, f);
	rc = rc ? rc : read_rope(&r, root, f);
	rc = rc ? rc : read_roles(&r, root, f);
	rc = rc ? rc : loom_manifest_blocks(&r, root, f);
	json_decref(root);
	*out = rc == LOOM_OK ? f : NULL;
	return rc;
}
