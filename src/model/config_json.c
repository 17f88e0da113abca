/* config_json.c: config.json → struct loom_config: finding the family, the text tower of a larger model, token ids. What the keys mean is
 * the family's table (config_keys.c, config_layers.c). */
#include <string.h>

#include "buf.h"
#include "config_internal.h"
#include "rope.h"
#include "str.h"

/* Keys that a configuration of any model may have, and that have no part in what Loom computes. */
static const char common_keys[] =
	"architectures|model_type|text_config|tie_word_embeddings|torch_dtype|dtype|bos_token_id|eos_token_id|pad_token_id|sep_token_id|"
	"cls_token_id|mask_token_id|decoder_start_token_id|transformers_version|use_cache|initializer_range|quantization_config|pruned_heads|"
	"chunk_size_feed_forward|is_encoder_decoder|add_cross_attention|_name_or_path|name_or_path|auto_map|id2label|label2id|problem_type|"
	"classifier_dropout|finetuning_task|task_specific_params|tokenizer_class|gradient_checkpointing|return_dict|output_attentions|"
	"output_hidden_states|torchscript|use_bfloat16|tf_legacy_loss|attn_implementation|_attn_implementation|_attn_implementation_autoset|"
	"unsloth_version|unsloth_fixed|max_length|min_length|do_sample|num_beams|temperature|top_k|top_p|repetition_penalty|"
	"rope_scaling|rope_parameters|rope_theta|original_max_position_embeddings|attention_dropout|hidden_dropout|embedding_dropout|"
	"ignore_keys_at_rope_validation|resid_pdrop|embd_pdrop|attn_pdrop|suppress_tokens|prefix|num_labels";

bool loom_config_common_key(const char *key)
{
	return loom_words_have(common_keys, key);
}

static enum loom_status unknown(const char *where, const char *arch, struct loom_err *err)
{
	char word[128], near[128] = "";
	struct loom_buf names;
	const char *pair[] = {word, NULL};
	enum loom_status rc;

	loom_buf_init(&names, 4096);
	for (size_t i = 0; loom_families[i]; i++) {
		(void)loom_buf_printf(&names, "%s%s", i ? ", " : "", loom_families[i]->name);
		for (const char *p = loom_families[i]->architectures; p && !near[0]; p = loom_words_next(p)) {
			(void)snprintf(word, sizeof(word), "%.*s", (int)(loom_word_len(p) < 120 ? loom_word_len(p) : 120), p);
			if (loom_str_nearest(arch, pair)) {
				(void)snprintf(near, sizeof(near), "%s", word);
			}
		}
	}
	rc = loom_err_set(err, LOOM_E_MODEL, "%s: architecture \"%.80s\" is not supported%s%s%s; supported families: %.700s", where, arch,
		near[0] ? " (did you mean \"" : "", near, near[0] ? "\"?)" : "", names.failed || !names.data ? "?" : names.data);
	loom_buf_release(&names);
	return rc;
}

/* The first word of a list, in the config's arena. */
static const char *first_word(struct loom_config *cfg, const char *list)
{
	return loom_arena_strndup(&cfg->arena, list, loom_word_len(list));
}

static bool speaks(const char *architecture)
{
	return loom_str_ends(architecture, "ForCausalLM") || loom_str_ends(architecture, "LMHeadModel") ||
		loom_str_ends(architecture, "ForConditionalGeneration");
}

static enum loom_status read_names(const json_t *root, const char *where, const char **arch, const char **type, struct loom_err *err)
{
	const json_t *list = json_object_get(root, "architectures");
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	enum loom_status rc = loom_json_str(&c, root, "model_type", type, err);

	*arch = NULL;
	if (rc) {
		return rc;
	}
	if (json_is_array(list) && json_array_size(list) > 0) {
		*arch = json_string_value(json_array_get(list, 0));
		if (!*arch) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: architectures[0]: expected a string", where);
		}
	} else if (list && !json_is_null(list) && !json_is_array(list)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: architectures: expected a list of strings", where);
	}
	return LOOM_OK;
}

/* By architectures[0]; a larger model by its text_config's model_type; a config without architectures by its own model_type. */
static enum loom_status find_family(const struct loom_family **f, const json_t *root, const char *where, struct loom_err *err)
{
	const char *arch = NULL, *type = NULL;
	const json_t *tower = json_object_get(root, "text_config");
	enum loom_status rc = read_names(root, where, &arch, &type, err);

	if (rc) {
		return rc;
	}
	if (!arch && !type) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: neither \"architectures\" nor \"model_type\" is there: not a model's config", where);
	}
	*f = arch ? loom_family_of_architecture(arch) : loom_family_of_type(type);
	if (!*f && json_is_object(tower) && (!arch || loom_str_ends(arch, "ForConditionalGeneration") || loom_str_ends(arch, "Model"))) {
		*f = loom_family_of_type(json_string_value(json_object_get(tower, "model_type")));
	}
	return *f ? LOOM_OK : unknown(where, arch ? arch : type, err);
}

/* What the text tower's keys are: text_config over the keys around it. A new reference; NULL: out of memory. */
static json_t *flatten(json_t *root)
{
	json_t *tower = json_object_get(root, "text_config"), *flat, *v;
	const char *key;

	if (!json_is_object(tower)) {
		return json_incref(root);
	}
	flat = json_object();
	json_object_foreach(root, key, v)
	{
		if (v != tower && json_object_set_nocheck(flat, key, v)) {
			json_decref(flat);
			return NULL;
		}
	}
	v = json_object_get(root, "tie_word_embeddings"); /* the larger model's word counts: the head is its own */
	if (json_object_update(flat, tower) || (json_is_boolean(v) && json_is_boolean(json_object_get(flat, "tie_word_embeddings")) &&
		json_object_set(flat, "tie_word_embeddings", v))) {
		json_decref(flat);
		return NULL;
	}
	return flat;
}

/* What the family says of rotation where the config says nothing: into a copy of its keys. NULL: out of memory. */
static json_t *with_rope(json_t *flat, const char *rope)
{
	const json_t *old = json_object_get(flat, "rope_scaling"), *new = json_object_get(flat, "rope_parameters");
	json_t *copy;

	if (!flat || !rope || (old && !json_is_null(old)) || (new && !json_is_null(new))) {
		return flat;
	}
	copy = json_copy(flat);
	json_decref(flat);
	if (json_object_set_new(copy, "rope_parameters", json_loads(rope, 0, NULL))) {
		json_decref(copy);
		return NULL;
	}
	return copy;
}

/* A number or a list of them; null gives none. */
static enum loom_status read_eos(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const json_t *v = json_object_get(root, "eos_token_id");
	size_t n = json_is_array(v) ? json_array_size(v) : 1;
	size_t cap = sizeof(cfg->eos_ids) / sizeof(cfg->eos_ids[0]);

	if (!v || json_is_null(v)) {
		return LOOM_OK;
	}
	if (n > cap) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: eos_token_id: more than %zu ids", where, cap);
	}
	cfg->n_eos = 0;
	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_is_array(v) ? json_array_get(v, i) : v;
		if (!json_is_integer(e) || json_integer_value(e) < -1 || json_integer_value(e) > LOOM_MAX_VOCAB) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: eos_token_id: expected a token id or a list of them", where);
		}
		if (json_integer_value(e) >= 0) {
			cfg->eos_ids[cfg->n_eos++] = (int32_t)json_integer_value(e);
		}
	}
	return LOOM_OK;
}

static enum loom_status read_ids(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	int64_t bos = cfg->bos_id;
	enum loom_status rc = loom_json_int(&c, root, "bos_token_id", -1, LOOM_MAX_VOCAB, &bos, err);

	cfg->bos_id = (int32_t)bos;
	return rc ? rc : read_eos(cfg, root, where, err);
}

static enum loom_status read_dtype(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const struct loom_json_ctx c = {where, LOOM_E_MODEL};
	const char *dtype = NULL;
	enum loom_status rc = loom_json_str(&c, root, "torch_dtype", &dtype, err);

	rc = rc ? rc : loom_json_str(&c, root, "dtype", &dtype, err);
	cfg->dtype = rc == LOOM_OK && dtype ? loom_dtype_from_torch(dtype) : LOOM_DTYPE_UNKNOWN;
	return rc;
}

/* Which head the architecture has: one that guesses masked words, or the next one; of encoders with a head of a dense layer only the former. */
static void choose_head(struct loom_config *cfg)
{
	const struct loom_role_name *roles = cfg->family->roles;
	bool masked = loom_str_ends(cfg->architecture, "ForMaskedLM"), dense = roles[LOOM_ROLE_HEAD_DENSE].hf != NULL;
	bool next = speaks(cfg->architecture) && (cfg->causal || !dense);

	cfg->has_head = roles[LOOM_ROLE_HEAD].hf && (masked || next);
	cfg->masked_head = cfg->has_head && dense;
}

/* What stands before a text of a task; NULL: out of memory. */
static const char *adapter_prompt(struct loom_config *cfg, const json_t *root, const char *name)
{
	const json_t *prompts = cfg->family->adapter_prompts ? json_object_get(root, cfg->family->adapter_prompts) : NULL;
	const char *text = json_string_value(json_object_get(prompts, name));

	return loom_arena_strdup(&cfg->arena, text ? text : "");
}

/* The names of the adapters, whose weights have those numbers. */
static enum loom_status read_adapters(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const char *key = cfg->family->adapters;
	const json_t *list = key ? json_object_get(root, key) : NULL;
	size_t n = json_array_size(list);

	if (!list || json_is_null(list)) {
		return LOOM_OK;
	}
	if (n == 0 || n > LOOM_MAX_ADAPTER || cfg->adapter_rank == 0 || (int64_t)n * cfg->adapter_rank > LOOM_MAX_EMBD) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: %s: expected a list of 1 to %d names, and a rank", where, key, LOOM_MAX_ADAPTER);
	}
	cfg->adapter_names = loom_arena_alloc(&cfg->arena, n, sizeof(*cfg->adapter_names));
	cfg->adapter_prompts = loom_arena_alloc(&cfg->arena, n, sizeof(*cfg->adapter_prompts));
	for (size_t i = 0; cfg->adapter_names && cfg->adapter_prompts && i < n; i++) {
		const char *name = json_string_value(json_array_get(list, i));
		if (!name || !*name) {
			return loom_err_set(err, LOOM_E_MODEL, "%s: %s[%zu]: expected a name", where, key, i);
		}
		cfg->adapter_names[i] = loom_arena_strdup(&cfg->arena, name);
		cfg->adapter_prompts[i] = adapter_prompt(cfg, root, name);
		if (!cfg->adapter_names[i] || !cfg->adapter_prompts[i]) {
			return loom_err_nomem(err, "adapters", n);
		}
	}
	cfg->n_adapter = (int32_t)n;
	return cfg->adapter_names && cfg->adapter_prompts ? LOOM_OK : loom_err_nomem(err, "adapters", n);
}

enum loom_status loom_config_of_family(struct loom_config *cfg, const struct loom_family *f, const json_t *root, const char *where,
	struct loom_err *err)
{
	const char *arch = NULL, *type = NULL;
	enum loom_status rc;
	json_t *flat;
	bool tower;

	if (!json_is_object(root)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: expected an object", where);
	}
	rc = read_names(root, where, &arch, &type, err);
	if (rc) {
		return rc;
	}
	loom_config_features(cfg, f);
	cfg->architecture = arch ? loom_arena_strdup(&cfg->arena, arch) : first_word(cfg, f->architectures);
	cfg->model_type = type ? loom_arena_strdup(&cfg->arena, type) : first_word(cfg, f->types);
	flat = flatten((json_t *)root);
	tower = flat != root;
	flat = with_rope(flat, f->rope);
	if (!cfg->architecture || !cfg->model_type || !flat) {
		json_decref(flat);
		return loom_err_nomem(err, "config", 128);
	}
	cfg->tower = tower;
	cfg->classifies = loom_str_ends(cfg->architecture, "ForSequenceClassification");
	rc = loom_config_rules(cfg, flat, where, err);
	rc = rc ? rc : loom_config_rows(cfg, f->keys, flat, where, err);
	choose_head(cfg);
	rc = rc ? rc : read_adapters(cfg, flat, where, err);
	rc = rc ? rc : loom_config_finish(cfg, where, err);
	rc = rc ? rc : loom_rope_from_json(cfg, flat, where, err);
	rc = rc ? rc : loom_config_layers(cfg, flat, where, err);
	rc = rc ? rc : read_ids(cfg, flat, where, err);
	rc = rc ? rc : read_dtype(cfg, flat, where, err);
	rc = rc ? rc : loom_quant_config_read(&cfg->quant, json_object_get(root, "quantization_config") ? json_object_get(root, "quantization_config")
		: json_object_get(flat, "quantization_config"), where, err);
	json_decref(flat);
	return rc;
}

enum loom_status loom_config_from_json(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const struct loom_family *f = NULL;
	enum loom_status rc;

	if (!json_is_object(root)) {
		return loom_err_set(err, LOOM_E_MODEL, "%s: expected an object", where);
	}
	rc = find_family(&f, root, where, err);
	return rc ? rc : loom_config_of_family(cfg, f, root, where, err);
}

enum loom_status loom_config_generation(struct loom_config *cfg, const json_t *root, struct loom_err *err)
{
	return root ? read_ids(cfg, root, "generation_config.json", err) : LOOM_OK;
}
