/* family.c: finding a family by what a model calls itself, and lists of words in its table. */
#include "family.h"

#include <stdio.h>
#include <string.h>

#include "str.h"

static const char *const role_names[LOOM_N_ROLE] = {
#define X(id, word) word,
	LOOM_ROLE_LIST(X)
#undef X
};

const char *loom_role_name(enum loom_role r)
{
	return (unsigned)r < LOOM_N_ROLE ? role_names[r] : "?";
}

enum loom_role loom_role_find(const char *word)
{
	int r = 0;

	while (r < LOOM_N_ROLE && !loom_str_eq(role_names[r], word)) {
		r++;
	}
	return (enum loom_role)r;
}

size_t loom_word_len(const char *p)
{
	return strcspn(p, "|");
}

const char *loom_words_next(const char *p)
{
	p += loom_word_len(p);
	return *p == '|' ? p + 1 : NULL;
}

bool loom_words_have(const char *list, const char *word)
{
	size_t n = word ? strlen(word) : 0;

	for (const char *p = list; word && p; p = loom_words_next(p)) {
		if (loom_word_len(p) == n && memcmp(p, word, n) == 0) {
			return true;
		}
	}
	return false;
}

const struct loom_family *loom_family_named(const char *name)
{
	for (size_t i = 0; loom_families[i]; i++) {
		if (loom_str_eq(loom_families[i]->name, name)) {
			return loom_families[i];
		}
	}
	return NULL;
}

const struct loom_family *loom_family_of_type(const char *model_type)
{
	for (size_t i = 0; loom_families[i]; i++) {
		if (loom_words_have(loom_families[i]->types, model_type)) {
			return loom_families[i];
		}
	}
	return NULL;
}

static const struct loom_family *of_architecture(const char *architecture)
{
	for (size_t i = 0; loom_families[i]; i++) {
		if (loom_words_have(loom_families[i]->architectures, architecture)) {
			return loom_families[i];
		}
	}
	return NULL;
}

const struct loom_family *loom_family_of_architecture(const char *architecture)
{
	static const char tail[] = "ForSequenceClassification", *const bodies[] = {"Model", "ForCausalLM"};
	const struct loom_family *f = of_architecture(architecture);
	size_t n = strlen(architecture);
	char body[128];

	if (f || n < sizeof(tail) || n - sizeof(tail) + 1 > 100 || !loom_str_ends(architecture, tail)) {
		return f;
	}
	/* Every body may have a classifier on top. */
	for (size_t i = 0; i < 2 && !f; i++) {
		(void)snprintf(body, sizeof(body), "%.*s%s", (int)(n - sizeof(tail) + 1), architecture, bodies[i]);
		f = of_architecture(body);
	}
	return f;
}

/* Does a word "name:key" of the list stand for this file? */
static bool has_key(const char *list, const struct loom_gguf *g, const char *architecture)
{
	size_t n = strlen(architecture);
	char key[128];
	int64_t v;
	bool set;

	for (const char *p = list; p; p = loom_words_next(p)) {
		if (strncmp(p, architecture, n) == 0 && p[n] == ':') {
			(void)snprintf(key, sizeof(key), "%.60s.%.*s", architecture, (int)(loom_word_len(p) - n - 1), p + n + 1);
			if ((loom_gguf_int(g, key, &v) && v > 0) || (loom_gguf_bool(g, key, &set) && set)) {
				return true;
			}
		}
	}
	return false;
}

const struct loom_family *loom_family_of_gguf(const struct loom_gguf *g, const char *architecture)
{
	const struct loom_family *bare = NULL;

	for (size_t i = 0; loom_families[i]; i++) {
		const char *words = loom_families[i]->gguf;
		if (words && has_key(words, g, architecture)) {
			return loom_families[i];
		}
		bare = !bare && words && loom_words_have(words, architecture) ? loom_families[i] : bare;
	}
	return bare;
}

/* The outermost part of each "a.b" of the list. */
static bool outer_have(const char *list, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = list; p; p = loom_words_next(p)) {
		if (strncmp(p, key, n) == 0 && (p[n] == '.' || p[n] == '|' || p[n] == '\0')) {
			return true;
		}
	}
	return false;
}

bool loom_family_knows(const struct loom_family *f, const char *key)
{
	for (const struct loom_key *k = f->keys; k->keys || k->value; k++) {
		if (outer_have(k->keys, key) || (k->when && outer_have(k->when + (*k->when == '!'), key))) {
			return true;
		}
	}
	for (const struct loom_layer_rule *r = f->layers; r && r->test != LOOM_TEST_END; r++) {
		if (outer_have(r->key, key)) {
			return true;
		}
	}
	for (const struct loom_key_rule *r = f->rules; r && r->key; r++) {
		if (outer_have(r->key, key)) {
			return true;
		}
	}
	return loom_words_have(f->ignored, key) || (f->adapters && strcmp(f->adapters, key) == 0) ||
		(f->adapter_prompts && strcmp(f->adapter_prompts, key) == 0);
}
