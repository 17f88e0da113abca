/* folder.c: see folder.h. */
#include "folder.h"

#include <string.h>

#include "bounds.h"
#include "file.h"
#include "mem.h"
#include "str.h"

static const char config_name[] = "tokenizer_config.json";
static const char map_name[] = "special_tokens_map.json";
static const char *const roles[LOOM_N_ROLE] = { "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token",
	"mask_token" };

enum loom_status loom_folder_json(const struct loom_folder *f, const char *name, bool optional, size_t max, json_t **out,
	struct loom_err *err)
{
	char path[4096];
	*out = NULL;
	if (!loom_path_join(path, sizeof path, f->dir, name))
		return loom_err_set(err, LOOM_E_MODEL, "%s: path too long", name);
	if (optional && !loom_path_is_file(path))
		return LOOM_OK;
	enum loom_status status = loom_json_load(path, name, max, out, err);
	if (!status && !json_is_object(*out))
		status = loom_err_set(err, LOOM_E_MODEL, "%s: expected an object", name);
	return status;
}

enum loom_status loom_folder_slurp(const struct loom_folder *f, const char *name, bool text, char **data, size_t *n,
	struct loom_err *err)
{
	char path[4096];
	*data = NULL;
	if (!loom_path_join(path, sizeof path, f->dir, name))
		return loom_err_set(err, LOOM_E_MODEL, "%s: path too long", name);
	enum loom_status status = loom_file_slurp(path, name, LOOM_MAX_TOKENIZER_BYTES, data, n, err);
	if (!status && text && !loom_utf8_valid(*data, *n))
		status = loom_err_set(err, LOOM_E_MODEL, "%s: not valid UTF-8 at byte %zu", name, loom_utf8_valid_prefix(*data, *n));
	return status;
}

enum loom_status loom_folder_bool(const struct loom_folder *f, const char *key, bool *out, struct loom_err *err)
{
	const struct loom_json_ctx c = { config_name, LOOM_E_MODEL };
	return loom_json_bool(&c, f->config, key, out, err);
}

/* The map's word goes before the configuration's, but where that describes its tokens itself, as in `transformers`. */
static enum loom_status find_special(struct loom_folder *f, struct loom_err *err)
{
	if (json_object_get(f->config, "added_tokens_decoder")) {
		json_decref(f->map);
		f->map = NULL;
	}
	for (int i = 0; i < LOOM_N_ROLE; i++) {
		const json_t *v = json_object_get(f->map, roles[i]);
		const char *where = v ? map_name : config_name;
		if (!v)
			v = json_object_get(f->config, roles[i]);
		if (!v || json_is_null(v) || json_is_false(v))
			continue;
		const json_t *s = json_is_object(v) ? json_object_get(v, "content") : v;
		if (!json_is_string(s))
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s: expected a string or an object with content", where, roles[i]);
		f->special[i] = (struct loom_role_token){ json_string_value(s), json_string_length(s), json_is_object(v) ? v : NULL, false };
	}
	return LOOM_OK;
}

void loom_folder_default(struct loom_folder *f, enum loom_role role, const char *s)
{
	if (!f->special[role].s)
		f->special[role] = (struct loom_role_token){ s, strlen(s), NULL, false };
}

enum loom_status loom_folder_id(const struct loom_folder *f, enum loom_role role, const char *where, int32_t *out,
	struct loom_err *err)
{
	const struct loom_role_token *r = &f->special[role];
	*out = r->s ? loom_tokenizer_id(f->t, r->s, r->n) : -1;
	if (*out < 0)
		return loom_err_set(err, LOOM_E_MODEL, "%s: the %s \"%.60s\" is not in it", where, roles[role], r->s ? r->s : "");
	return LOOM_OK;
}

/* --- added tokens */

static bool read_id(const char *key, int64_t *id)
{
	*id = 0;
	for (const char *c = key; *c; c++) {
		if (*c < '0' || *c > '9' || *id >= LOOM_MAX_VOCAB)
			return false;
		*id = *id * 10 + (*c - '0');
	}
	return *key && *id < LOOM_MAX_VOCAB;
}

/* A token that the vocabulary lacks takes the id that its file gives it. */
static enum loom_status claim(struct loom_tokenizer *t, const json_t *content, int64_t id, struct loom_err *err)
{
	if (!json_is_string(content) || loom_vocab_id(&t->vocab, json_string_value(content), json_string_length(content)) >= 0)
		return LOOM_OK;
	return loom_vocab_add(&t->vocab, json_string_value(content), json_string_length(content), id, err);
}

/* Runs over {"id": {content, …}} of the configuration; ids first, then (add) the tokens themselves. */
static enum loom_status read_decoder(struct loom_folder *f, bool add, struct loom_err *err)
{
	json_t *list = json_object_get(f->config, "added_tokens_decoder");
	for (void *it = json_object_iter(list); it; it = json_object_iter_next(list, it)) {
		const json_t *spec = json_object_iter_value(it);
		enum loom_status status;
		int64_t id;
		if (!read_id(json_object_iter_key(it), &id))
			return loom_err_set(err, LOOM_E_MODEL, "%s: added_tokens_decoder: \"%.40s\" is no token id", config_name,
				json_object_iter_key(it));
		status = add ? loom_tokenizer_added(f->t, spec, "tokenizer_config.json: added_tokens_decoder", err)
		             : claim(f->t, json_object_get(spec, "content"), id, err);
		if (status)
			return status;
	}
	return LOOM_OK;
}

/* added_tokens.json: {"token": id}. */
static enum loom_status read_added_file(struct loom_folder *f, bool add, struct loom_err *err)
{
	for (void *it = json_object_iter(f->added); it; it = json_object_iter_next(f->added, it)) {
		const char *s = json_object_iter_key(it);
		const json_t *id = json_object_iter_value(it);
		struct loom_added_token a = { .content = s, .n_content = json_object_iter_key_len(it), .normalized = true };
		enum loom_status status = LOOM_OK;
		if (!json_is_integer(id))
			return loom_err_set(err, LOOM_E_MODEL, "added_tokens.json: \"%.60s\": expected an integer id", s);
		if (!add && loom_vocab_id(&f->t->vocab, s, a.n_content) < 0)
			status = loom_vocab_add(&f->t->vocab, s, a.n_content, json_integer_value(id), err);
		else if (add && loom_table_get(&f->t->added.by_content, s, a.n_content, -1) < 0)
			status = loom_added_add(&f->t->added, &a, &f->t->vocab, &f->t->normalizer, err);
		if (status)
			return status;
	}
	return LOOM_OK;
}

/* A special token; one that added_tokens_decoder describes keeps that description. */
static enum loom_status add_special(struct loom_folder *f, const struct loom_role_token *r, const char *where, struct loom_err *err)
{
	const struct loom_json_ctx c = { where, LOOM_E_MODEL };
	struct loom_added_token a = { .content = r->s, .n_content = r->n, .special = true, .lstrip = r->lstrip };
	enum loom_status status;
	if (loom_table_get(&f->t->added.special, r->s, r->n, -1) >= 0)
		return LOOM_OK;
	int64_t known = loom_table_get(&f->t->added.by_content, r->s, r->n, -1);
	if (known >= 0) {
		a = f->t->added.tokens[known];
		a.special = true;
		return loom_added_add(&f->t->added, &a, &f->t->vocab, &f->t->normalizer, err);
	}
	if (r->spec && ((status = loom_json_bool(&c, r->spec, "lstrip", &a.lstrip, err)) ||
	                (status = loom_json_bool(&c, r->spec, "rstrip", &a.rstrip, err)) ||
	                (status = loom_json_bool(&c, r->spec, "single_word", &a.single_word, err)) ||
	                (status = loom_json_bool(&c, r->spec, "normalized", &a.normalized, err))))
		return status;
	return loom_added_add(&f->t->added, &a, &f->t->vocab, &f->t->normalizer, err);
}

static enum loom_status add_more(struct loom_folder *f, const char *key, struct loom_err *err)
{
	json_t *more = json_object_get(f->map, key);
	enum loom_status status = LOOM_OK;
	if (!more)
		more = json_object_get(f->config, key);
	void *it = json_object_iter(more); /* a list, or an object of names and tokens */
	for (size_t i = 0; !status && (it || i < json_array_size(more)); i++, it = it ? json_object_iter_next(more, it) : NULL) {
		const json_t *v = it ? json_object_iter_value(it) : json_array_get(more, i), *s = json_is_object(v) ? json_object_get(v, "content") : v;
		const struct loom_role_token r = { json_string_value(s), json_string_length(s), json_is_object(v) ? v : NULL, false };
		status = r.s ? add_special(f, &r, key, err)
		             : loom_err_set(err, LOOM_E_MODEL, "%s: expected a string or an object with content", key);
	}
	return status;
}

enum loom_status loom_folder_claim(struct loom_folder *f, struct loom_err *err)
{
	enum loom_status status = read_decoder(f, false, err);
	return status ? status : read_added_file(f, false, err);
}

enum loom_status loom_folder_add_tokens(struct loom_folder *f, struct loom_err *err)
{
	enum loom_status status = read_decoder(f, true, err);
	for (int i = 0; !status && i < LOOM_N_ROLE; i++)
		if (f->special[i].s)
			status = add_special(f, &f->special[i], roles[i], err);
	if (status || (status = add_more(f, "additional_special_tokens", err)) || (status = add_more(f, "extra_special_tokens", err)) ||
	    (status = read_added_file(f, true, err)) || (status = loom_folder_bool(f, "split_special_tokens", &f->t->added.split_special, err)))
		return status;
	return loom_added_finish(&f->t->added, err);
}

enum loom_status loom_folder_around(struct loom_folder *f, bool bos, struct loom_err *err)
{
	bool eos = false;
	int32_t ids[2] = { -1, -1 };
	enum loom_status status;
	if (!bos && !json_object_get(f->config, "add_bos_token") && !json_object_get(f->config, "add_eos_token"))
		return LOOM_OK;
	if ((status = loom_folder_bool(f, "add_bos_token", &bos, err)) || (status = loom_folder_bool(f, "add_eos_token", &eos, err)) ||
	    (bos && f->special[LOOM_ROLE_BOS].s && (status = loom_folder_id(f, LOOM_ROLE_BOS, config_name, &ids[0], err))) ||
	    (eos && f->special[LOOM_ROLE_EOS].s && (status = loom_folder_id(f, LOOM_ROLE_EOS, config_name, &ids[1], err))))
		return status;
	return loom_post_around(&f->t->post, &f->t->arena, ids[0], ids[1], err);
}

/* --- opening */

enum loom_status loom_folder_open(struct loom_folder *f, const char *dir, size_t n_vocab, struct loom_err *err)
{
	enum loom_status status;
	*f = (struct loom_folder){ .dir = dir };
	if ((status = loom_folder_json(f, config_name, true, LOOM_MAX_CONFIG_BYTES, &f->config, err)) ||
	    (status = loom_folder_json(f, map_name, true, LOOM_MAX_CONFIG_BYTES, &f->map, err)) ||
	    (status = loom_folder_json(f, "added_tokens.json", true, LOOM_MAX_CONFIG_BYTES, &f->added, err)) ||
	    (status = loom_folder_json(f, "config.json", true, LOOM_MAX_CONFIG_BYTES, &f->model, err)) ||
	    (status = find_special(f, err)))
		return status;
	return n_vocab ? loom_tokenizer_new(&f->t, n_vocab, err) : LOOM_OK;
}

enum loom_status loom_folder_close(struct loom_folder *f, enum loom_status status, struct loom_tokenizer **out)
{
	json_decref(f->config);
	json_decref(f->map);
	json_decref(f->added);
	json_decref(f->model);
	*out = NULL;
	if (status)
		loom_tokenizer_free(f->t);
	else
		*out = f->t;
	return status;
}
