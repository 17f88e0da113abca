/* manifest_write.c: a family's table as a loom.json manifest. */
#include "manifest.h"
#include "model.h"

#include <string.h>

static void put_string(struct loom_buf *out, const char *s, size_t n)
{
	(void)loom_buf_putc(out, '"');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"' || s[i] == '\\') {
			(void)loom_buf_putc(out, '\\');
		}
		(void)loom_buf_putc(out, s[i]);
	}
	(void)loom_buf_putc(out, '"');
}

/* "a|b" as ["a", "b"]. */
static void put_list(struct loom_buf *out, const char *list)
{
	(void)loom_buf_putc(out, '[');
	for (const char *p = list; p; p = loom_words_next(p)) {
		if (p != list) {
			(void)loom_buf_puts(out, ", ");
		}
		put_string(out, p, loom_word_len(p));
	}
	(void)loom_buf_putc(out, ']');
}

static void put_member(struct loom_buf *out, const char *name, const char *value)
{
	if (value) {
		(void)loom_buf_printf(out, ", \"%s\": ", name);
		put_string(out, value, strlen(value));
	}
}

static void put_keys(struct loom_buf *out, const struct loom_key *keys)
{
	(void)loom_buf_puts(out, "\t\"config\": [");
	for (const struct loom_key *k = keys; k->keys || k->value; k++) {
		(void)loom_buf_printf(out, "%s\n\t\t{\"field\": \"%s\"", k == keys ? "" : ",", loom_field_name(k->field));
		if (k->keys) {
			(void)loom_buf_puts(out, ", \"keys\": ");
			put_list(out, k->keys);
		}
		put_member(out, "value", k->value);
		put_member(out, "map", k->map);
		put_member(out, "when", k->when);
		(void)loom_buf_putc(out, '}');
	}
	(void)loom_buf_puts(out, "\n\t],\n");
}

static void put_bits(struct loom_buf *out, uint32_t bits)
{
	const char *comma = "";

	(void)loom_buf_putc(out, '[');
	for (uint32_t bit = 1; bit; bit <<= 1) {
		if (bits & bit) {
			(void)loom_buf_printf(out, "%s\"%s\"", comma, loom_layer_bit_name(bit) ? loom_layer_bit_name(bit) : "?");
			comma = ", ";
		}
	}
	(void)loom_buf_putc(out, ']');
}

static void put_layers(struct loom_buf *out, const struct loom_layer_rule *rules)
{
	(void)loom_buf_puts(out, "\t\"layers\": [");
	for (const struct loom_layer_rule *r = rules; r->test != LOOM_TEST_END; r++) {
		(void)loom_buf_printf(out, "%s\n\t\t{\"bits\": ", r == rules ? "" : ",");
		put_bits(out, r->bits);
		put_member(out, "test", loom_layer_test_name(r->test));
		if (r->negate) {
			(void)loom_buf_puts(out, ", \"not\": true");
		}
		if (r->key) {
			(void)loom_buf_puts(out, ", \"keys\": ");
			put_list(out, r->key);
		}
		put_member(out, "word", r->word);
		put_member(out, "value", r->value);
		put_member(out, "when", r->when);
		(void)loom_buf_putc(out, '}');
	}
	(void)loom_buf_puts(out, "\n\t],\n");
}

static void put_rules(struct loom_buf *out, const struct loom_key_rule *rules)
{
	(void)loom_buf_puts(out, "\t\"rules\": {");
	for (const struct loom_key_rule *r = rules; r->key; r++) {
		(void)loom_buf_puts(out, r == rules ? "\n\t\t" : ",\n\t\t");
		put_string(out, r->key, strlen(r->key));
		(void)loom_buf_puts(out, ": ");
		put_list(out, r->values);
	}
	(void)loom_buf_puts(out, "\n\t},\n");
}

static void put_roles(struct loom_buf *out, const struct loom_role_name *roles)
{
	const char *comma = "";

	(void)loom_buf_puts(out, "\t\"weights\": {");
	for (int i = 0; i < LOOM_N_ROLE; i++) {
		const struct loom_role_name *r = &roles[i];
		if (!r->hf && !r->gguf) {
			continue;
		}
		(void)loom_buf_printf(out, "%s\n\t\t\"%s\": {", comma, loom_role_name((enum loom_role)i));
		if (r->hf) {
			(void)loom_buf_puts(out, "\"safetensors\": ");
			put_list(out, r->hf);
		}
		if (r->gguf) {
			(void)loom_buf_printf(out, "%s\"gguf\": ", r->hf ? ", " : "");
			put_list(out, r->gguf);
		}
		(void)loom_buf_putc(out, '}');
		comma = ",";
	}
	(void)loom_buf_puts(out, "\n\t},\n");
}

static void put_step(struct loom_buf *out, const struct loom_step *s)
{
	(void)loom_buf_printf(out, "\"%s", loom_step_name(s->kind));
	for (const char *o = loom_step_operands(s->kind); *o; o++) {
		enum loom_slot slot = *o == 'a' ? s->a : *o == 'b' ? s->b : s->out;
		if (*o == 'r') {
			(void)loom_buf_printf(out, " %s", loom_role_name(s->role));
		} else if (*o == 's') {
			(void)loom_buf_printf(out, " %s", loom_site_name(s->site));
		} else if (slot != LOOM_SLOT_NONE) {
			(void)loom_buf_printf(out, " %s", loom_slot_name(slot));
		}
	}
	(void)loom_buf_putc(out, '"');
}

static void put_blocks(struct loom_buf *out, const struct loom_block_choice *blocks)
{
	(void)loom_buf_puts(out, "\t\"blocks\": [");
	for (const struct loom_block_choice *b = blocks; b->block; b++) {
		(void)loom_buf_printf(out, "%s\n\t\t{\"name\": \"%s\", \"bits\": ", b == blocks ? "" : ",", b->block->name);
		put_bits(out, b->bits);
		(void)loom_buf_puts(out, ", \"steps\": [");
		for (const struct loom_step *s = b->block->steps; s->kind != LOOM_STEP_END; s++) {
			(void)loom_buf_puts(out, s == b->block->steps ? "\n\t\t\t" : ",\n\t\t\t");
			put_step(out, s);
		}
		(void)loom_buf_puts(out, "\n\t\t]}");
	}
	(void)loom_buf_puts(out, "\n\t]");
}

void loom_manifest_write(const struct loom_family *f, struct loom_buf *out)
{
	(void)loom_buf_printf(out, "{\n\t\"loom\": %d,\n\t\"name\": \"%s\",\n\t\"model_type\": ", LOOM_MANIFEST_VERSION, f->name);
	put_list(out, f->types);
	(void)loom_buf_puts(out, ",\n\t\"architectures\": ");
	put_list(out, f->architectures);
	(void)loom_buf_puts(out, ",\n\t\"prefixes\": ");
	put_list(out, f->prefixes);
	(void)loom_buf_puts(out, ",\n");
	put_keys(out, f->keys);
	if (f->layers) {
		put_layers(out, f->layers);
	}
	if (f->rules) {
		put_rules(out, f->rules);
	}
	if (f->ignored) {
		(void)loom_buf_puts(out, "\t\"ignored\": ");
		put_list(out, f->ignored);
		(void)loom_buf_puts(out, ",\n");
	}
	if (f->adapters) {
		(void)loom_buf_printf(out, "\t\"adapters\": \"%s\",\n", f->adapters);
	}
	if (f->adapter_prompts) {
		(void)loom_buf_printf(out, "\t\"adapter_prompts\": \"%s\",\n", f->adapter_prompts);
	}
	if (f->rope) {
		(void)loom_buf_printf(out, "\t\"rope\": %s,\n", f->rope);
	}
	put_roles(out, f->roles);
	put_blocks(out, f->blocks);
	if (f->gguf) {
		(void)loom_buf_printf(out, ",\n\t\"gguf\": {\"architecture\": \"%s\", \"permuted\": %s}", f->gguf, f->gguf_permuted ? "true" : "false");
	}
	(void)loom_buf_puts(out, "\n}\n");
}
