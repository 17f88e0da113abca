/* config_layers.c: what is particular to each layer, by the family's layer rules: windows, rotation, experts, and from these bits the block
 * program. */
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"
#include "str.h"

struct rule_reader {
	const struct loom_config *cfg;
	const json_t *root;
	const char *where;
	struct loom_err *err;
};

/* GPT-Neo's [[["global", "local"], 12]]: the word of layer l, each inner list repeated so many times. */
static const json_t *repeated(const json_t *list, int32_t l)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i), *inner = json_array_get(pair, 0);
		int64_t n = (int64_t)json_array_size(inner), times = json_integer_value(json_array_get(pair, 1));
		if (n > 0 && times > 0 && times <= LOOM_MAX_LAYER && l < n * times) {
			return json_array_get(inner, (size_t)(l % n));
		}
		l -= (int32_t)(times > 0 && times <= LOOM_MAX_LAYER ? n * times : 0);
	}
	return NULL;
}

static bool listed(const json_t *list, int32_t l)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		if (json_is_integer(e) && json_integer_value(e) == l) {
			return true;
		}
	}
	return false;
}

static bool nonzero(const json_t *v)
{
	return json_is_true(v) || (json_is_number(v) && json_number_value(v) != 0);
}

/* The test of a rule at layer l with the value v of its key, which is of the right kind. offset: of PERIOD. */
static bool holds(const struct loom_layer_rule *r, const json_t *v, int32_t l, int64_t offset)
{
	const json_t *e = json_array_get(v, (size_t)l);
	int64_t n = json_integer_value(v);

	switch (r->test) {
	case LOOM_TEST_FLAG:
		return json_is_true(v);
	case LOOM_TEST_IS:
		return loom_config_text_is(v, r->word, strlen(r->word));
	case LOOM_TEST_WORD:
		e = json_is_array(json_array_get(v, 0)) ? repeated(v, l) : e;
		return json_is_string(e) && loom_words_have(r->word, json_string_value(e));
	case LOOM_TEST_LETTER:
		return json_string_value(v)[l] == r->word[0];
	case LOOM_TEST_FLAGS:
		return nonzero(e);
	case LOOM_TEST_LISTED:
		return listed(v, l);
	case LOOM_TEST_FROM:
		return l >= n;
	case LOOM_TEST_ABOVE:
		return n >= 0 && l > n;
	case LOOM_TEST_BELOW:
		return l < n;
	case LOOM_TEST_EVERY:
		if (json_is_array(v)) { /* GGUF: which layers have the bits */
			return nonzero(e) != r->negate;
		}
		return n > 0 && (l + 1) % n == 0;
	case LOOM_TEST_MULTIPLE:
		return n > 0 && l % n == 0;
	case LOOM_TEST_PERIOD:
		return n > 0 && l % n == offset;
	case LOOM_TEST_END:
		break;
	}
	return false;
}

static enum loom_status check_kind(const struct rule_reader *x, const struct loom_layer_rule *r, const char *key, const json_t *v)
{
	bool list = r->test == LOOM_TEST_WORD || r->test == LOOM_TEST_FLAGS;
	bool ok = r->test == LOOM_TEST_IS ? true
		: r->test == LOOM_TEST_LETTER ? json_is_string(v)
		: r->test == LOOM_TEST_FLAG ? json_is_boolean(v)
		: list || r->test == LOOM_TEST_LISTED ? json_is_array(v)
		: r->test == LOOM_TEST_EVERY && json_is_array(v) ? json_array_size(v) >= (size_t)x->cfg->n_layer
						      : json_is_integer(v) && json_integer_value(v) >= (r->test == LOOM_TEST_ABOVE ? -1 : 0);
	/* a GGUF file counts layers that guess further tokens behind the model's own */
	const int64_t extra = json_integer_value(json_object_get(x->root, "nextn_predict_layers"));
	char shown[64];

	if (!ok) {
		loom_json_show(v, shown, sizeof(shown));
		return loom_err_set(x->err, LOOM_E_MODEL, "%s: %s: expected %s, found %s", x->where, key, r->test == LOOM_TEST_FLAG ? "true or false"
			: list || r->test == LOOM_TEST_LISTED ? "a list" : r->test == LOOM_TEST_LETTER ? "a text" : "an integer from 0", shown);
	}
	if (r->test == LOOM_TEST_LETTER && json_string_length(v) != (size_t)x->cfg->n_layer) {
		return loom_err_set(x->err, LOOM_E_MODEL, "%s: %s: expected %d letters, found %zu", x->where, key, x->cfg->n_layer,
			json_string_length(v));
	}
	if (list && !json_is_array(json_array_get(v, 0)) && json_array_size(v) != (size_t)x->cfg->n_layer &&
		json_array_size(v) != (size_t)(x->cfg->n_layer + extra)) {
		return loom_err_set(x->err, LOOM_E_MODEL, "%s: %s: expected %d entries, found %zu", x->where, key, x->cfg->n_layer,
			json_array_size(v));
	}
	return LOOM_OK;
}

/* "key=4": the key's integer, 4 where it is absent; -1 for tests that have none. */
static int64_t offset_of(const struct rule_reader *x, const struct loom_layer_rule *r)
{
	char key[64];
	const json_t *v;
	size_t n = r->word ? strcspn(r->word, "=") : sizeof(key);

	if (r->test != LOOM_TEST_PERIOD || n >= sizeof(key)) {
		return -1;
	}
	memcpy(key, r->word, n);
	key[n] = '\0';
	v = json_object_get(x->root, key);
	return json_is_integer(v) ? json_integer_value(v) : r->word[n] ? strtoll(r->word + n + 1, NULL, 10) : 0;
}

static void give(const struct rule_reader *x, const struct loom_layer_rule *r, const json_t *v)
{
	int64_t offset = offset_of(x, r);

	for (int32_t l = 0; l < x->cfg->n_layer; l++) {
		uint32_t *bits = &x->cfg->layers[l].bits;
		*bits = holds(r, v, l, offset) != r->negate ? *bits | r->bits : *bits & ~r->bits;
	}
}

/* The value of a rule whose key is absent: a number or a boolean. */
static enum loom_status give_absent(const struct rule_reader *x, const struct loom_layer_rule *r)
{
	json_t *v = json_loads(r->value, JSON_DECODE_ANY, NULL);

	if (!v) {
		return loom_err_nomem(x->err, "layer rules", 32);
	}
	give(x, r, v);
	json_decref(v);
	return LOOM_OK;
}

/* Rules first..end, all of the same bits: one of them decides. */
static enum loom_status decide(const struct rule_reader *x, const struct loom_layer_rule *first, const struct loom_layer_rule *end)
{
	char buf[64];
	const char *leaf;

	for (const struct loom_layer_rule *r = first; r < end; r++) {
		const json_t *obj = r->key ? loom_config_find(x->root, r->key, buf, &leaf) : NULL;
		const json_t *v = obj ? json_object_get(obj, leaf) : NULL;
		if (v && !json_is_null(v) && loom_config_when(x->cfg, x->root, r->when)) {
			enum loom_status rc = check_kind(x, r, leaf, v);
			if (rc == LOOM_OK) {
				give(x, r, v);
			}
			return rc;
		}
	}
	for (const struct loom_layer_rule *r = first; r < end; r++) {
		if (r->value && loom_config_when(x->cfg, x->root, r->when)) {
			return give_absent(x, r);
		}
	}
	return LOOM_OK;
}

/* Window, rope and block of a layer from its bits. */
static enum loom_status settle(const struct loom_config *cfg, struct loom_layer *l, const char *where, struct loom_err *err)
{
	l->window = l->bits & LOOM_LAYER_WINDOW && !(l->bits & LOOM_LAYER_WHOLE) ? cfg->window : 0;
	l->rope = -1;
	if (cfg->pos == LOOM_POS_ROTARY && (l->bits & LOOM_LAYER_ROPE)) {
		l->rope = l->bits & LOOM_LAYER_LOCAL_ROPE && cfg->n_rope > 1 ? 1 : 0;
	}
	for (const struct loom_block_choice *b = cfg->family->blocks; b->block; b++) {
		if ((l->bits & b->bits) == b->bits) {
			l->block = b->block;
			return LOOM_OK;
		}
	}
	return loom_err_set(err, LOOM_E_MODEL, "%s: layer %d is of a kind that family %s has no block for", where, (int)(l - cfg->layers),
		cfg->family->name);
}

enum loom_status loom_config_layers(struct loom_config *cfg, const json_t *root, const char *where, struct loom_err *err)
{
	const struct rule_reader x = {cfg, root, where, err};
	const struct loom_layer_rule *r = cfg->family->layers;
	enum loom_status rc = LOOM_OK;

	cfg->layers = loom_arena_alloc(&cfg->arena, (size_t)cfg->n_layer, sizeof(*cfg->layers));
	if (!cfg->layers) {
		return loom_err_nomem(err, "layers", (unsigned long long)cfg->n_layer * sizeof(*cfg->layers));
	}
	for (int32_t l = 0; l < cfg->n_layer; l++) {
		cfg->layers[l].bits = LOOM_LAYER_WINDOW | LOOM_LAYER_ROPE;
	}
	while (rc == LOOM_OK && r && r->test != LOOM_TEST_END) {
		const struct loom_layer_rule *end = r + 1;
		while (end->test != LOOM_TEST_END && end->bits == r->bits) {
			end++;
		}
		rc = decide(&x, r, end);
		r = end;
	}
	for (int32_t l = 0; rc == LOOM_OK && l < cfg->n_layer; l++) {
		rc = settle(cfg, &cfg->layers[l], where, err);
	}
	return rc;
}
