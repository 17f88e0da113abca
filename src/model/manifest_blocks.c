/* manifest_blocks.c: a manifest's block programs, step by step. */
#include <stdio.h>
#include <string.h>

#include "manifest_internal.h"
#include "model.h"
#include "str.h"

#define MAX_STEPS 96

/* The next word of a step; NULL at the end. */
static const char *next_word(const char **p, char out[64])
{
	size_t n;

	*p += strspn(*p, " ");
	n = strcspn(*p, " ");
	if (n == 0 || n >= 64) {
		return NULL;
	}
	memcpy(out, *p, n);
	out[n] = '\0';
	*p += n;
	return out;
}

static enum loom_slot slot_find(const char *word)
{
	for (int i = 0; word && i < LOOM_N_SLOT; i++) {
		if (loom_str_eq(loom_slot_name((enum loom_slot)i), word)) {
			return (enum loom_slot)i;
		}
	}
	return LOOM_SLOT_NONE;
}

/* "norm attn_norm resid x" */
static enum loom_status read_step(const struct loom_manifest_reader *r, const char *text, const char *path, struct loom_step *s)
{
	char word[64];
	const char *p = text, *w = next_word(&p, word);

	*s = (struct loom_step){.a = LOOM_SLOT_NONE, .b = LOOM_SLOT_NONE, .out = LOOM_SLOT_NONE};
	for (int k = LOOM_STEP_END + 1; w && k < LOOM_N_STEP; k++) {
		s->kind = loom_str_eq(loom_step_name((enum loom_step_kind)k), w) ? (enum loom_step_kind)k : s->kind;
	}
	if (s->kind == LOOM_STEP_END) {
		return loom_manifest_fail(r, path, "\"%.60s\" is no step", w ? w : "");
	}
	for (const char *o = loom_step_operands(s->kind); *o; o++) {
		enum loom_slot *slot = *o == 'a' ? &s->a : *o == 'b' ? &s->b : &s->out;
		w = next_word(&p, word);
		if (*o == 'r') {
			s->role = w ? loom_role_find(w) : LOOM_N_ROLE;
			if (s->role == LOOM_N_ROLE) {
				return loom_manifest_fail(r, path, "\"%.60s\" is no weight", w ? w : "");
			}
		} else if (*o == 's') {
			int site = w ? loom_site_parse(w) : -1;
			if (site < 0) {
				return loom_manifest_fail(r, path, "\"%.60s\" is no site", w ? w : "");
			}
			s->site = (enum loom_site)site;
		} else if (w) {
			*slot = slot_find(w);
			if (*slot == LOOM_SLOT_NONE) {
				return loom_manifest_fail(r, path, "\"%.60s\" is no buffer", w);
			}
		} else if (s->kind != LOOM_STEP_TAP) {
			return loom_manifest_fail(r, path, "%s needs more words", loom_step_name(s->kind));
		}
	}
	return next_word(&p, word) ? loom_manifest_fail(r, path, "\"%.60s\" is one word too many", word) : LOOM_OK;
}

static enum loom_status read_block(const struct loom_manifest_reader *r, const json_t *v, const char *path, void *row)
{
	static const char *const names[] = {"name", "bits", "steps", NULL};
	struct loom_block_choice *choice = row;
	struct loom_block *block = loom_arena_alloc(r->arena, 1, sizeof(*block));
	const json_t *list = json_object_get(v, "steps");
	struct loom_step *steps;
	size_t n = json_array_size(list), at;
	char full[128];
	const char *fault;
	enum loom_status rc = block ? loom_manifest_only(r, v, path, names) : loom_manifest_no_memory(r);

	if (rc || (rc = loom_manifest_text(r, json_object_get(v, "name"), path, &block->name)) ||
		(rc = loom_manifest_bits(r, json_object_get(v, "bits"), path, &choice->bits))) {
		return rc;
	}
	if (!block->name || n == 0 || n > MAX_STEPS) {
		return loom_manifest_fail(r, path, "expected a \"name\" and 1 to %d \"steps\"", MAX_STEPS);
	}
	steps = loom_arena_alloc(r->arena, n + 1, sizeof(*steps));
	if (!steps) {
		return loom_manifest_no_memory(r);
	}
	for (size_t i = 0; i < n && rc == LOOM_OK; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		(void)snprintf(full, sizeof(full), "%s.steps[%zu]", path, i);
		rc = text ? read_step(r, text, full, &steps[i]) : loom_manifest_fail(r, full, "expected a text");
	}
	block->steps = steps;
	choice->block = block;
	if (rc == LOOM_OK && (fault = loom_block_fault(block, &at)) != NULL) {
		(void)snprintf(full, sizeof(full), "%s.steps[%zu]", path, at);
		return loom_manifest_fail(r, full, "\"%.60s\": %s", json_string_value(json_array_get(list, at)), fault);
	}
	return rc;
}

enum loom_status loom_manifest_blocks(const struct loom_manifest_reader *r, const json_t *root, struct loom_family *f)
{
	size_t n;

	return loom_manifest_each(r, root, "blocks", sizeof(*f->blocks), read_block, &n, &f->blocks);
}
