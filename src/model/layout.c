/* layout.c: see layout.h. */
#include "layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"
#include "mem.h"
#include "weights.h"

void loom_layout_init(struct loom_layout *l)
{
	memset(l, 0, sizeof(*l));
}

void loom_layout_release(struct loom_layout *l)
{
	loom_free(l->pieces);
	loom_free(l->tensors);
	loom_layout_init(l);
}

bool loom_layout_has(const struct loom_layout *l, enum loom_role role)
{
	/* q, k and v each by itself where the family has names for both */
	return l->family->roles[role].gguf && !(role == LOOM_ROLE_QKV && l->family->roles[LOOM_ROLE_Q].gguf);
}

/* Another role has taken the name: the one that may be called otherwise gives way. */
static void give_way(struct loom_layout *l, const char *name, enum loom_role role)
{
	for (size_t i = 0; i < l->n_piece; i++) {
		struct loom_layout_piece *p = &l->pieces[i];
		if (p->role != role && p->other[0] && strcmp(p->name, name) == 0) {
			memcpy(p->name, p->other, sizeof(p->name));
			p->other[0] = '\0';
		}
	}
}

static struct loom_layout_piece *add_piece(struct loom_layout *l)
{
	if (l->n_piece == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		struct loom_layout_piece *p = loom_reallocarray(l->pieces, cap, sizeof(*p));
		if (!p) {
			l->no_memory = true;
			return NULL;
		}
		l->pieces = p;
		l->cap = cap;
	}
	memset(&l->pieces[l->n_piece], 0, sizeof(*l->pieces));
	return &l->pieces[l->n_piece++];
}

void loom_layout_note(struct loom_layout *l, int32_t weight, const struct loom_bind *what, const struct loom_bind_part *parts, int n)
{
	int64_t dst = 0;

	for (int i = 0; i < n; i++) {
		const struct loom_bind_part *b = &parts[i];
		const char *names = l->family->roles[b->role].gguf, *last = names;
		struct loom_layout_piece *p = names ? add_piece(l) : NULL;
		if (!p) {
			(void)snprintf(l->lacking, sizeof(l->lacking), "%s", l->lacking[0] ? l->lacking : loom_role_name(b->role));
			return;
		}
		while (loom_words_next(last)) {
			last = loom_words_next(last);
		}
		loom_weight_name(p->name, sizeof(p->name), last, what->layer, b->head, what->suffix);
		if (last != names) {
			loom_weight_name(p->other, sizeof(p->other), names, what->layer, b->head, what->suffix);
		} else {
			give_way(l, p->name, b->role);
		}
		p->role = b->role;
		p->kind = what->kind;
		p->weight = weight;
		p->dst0 = dst;
		p->n_row = b->n_row;
		p->n_stored = b->n_stored ? b->n_stored : b->n_row;
		p->n_col = what->n_col;
		p->n_plane = b->n_plane;
		p->row0 = b->plane * p->n_stored + b->row0;
		p->group = b->group;
		p->stride = b->stride;
		p->n_wide = b->n_wide;
		p->unpermute = b->unpermute;
		p->turned = b->turned && (what->kind == LOOM_WEIGHT_TABLE || b->role == LOOM_ROLE_K_B);
		dst += b->n_row;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct loom_layout_piece *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->weight != y->weight ? (x->weight > y->weight) - (x->weight < y->weight) : (x->dst0 > y->dst0) - (x->dst0 < y->dst0);
}

/* The file has them in the order of the plan. */
static int by_weight(const void *a, const void *b)
{
	const struct loom_layout_tensor *x = a, *y = b;

	return x->weight != y->weight ? (x->weight > y->weight) - (x->weight < y->weight) : strcmp(x->name, y->name);
}

static void shape(struct loom_layout_tensor *t, const struct loom_layout_piece *p)
{
	int64_t dims[3] = {p->n_plane, p->n_stored, p->n_col};
	int skip = p->n_plane > 0 ? 0 : 1;

	t->turned = p->turned;
	t->n_row = (p->turned ? p->n_col : p->n_stored) * (p->n_plane > 0 ? p->n_plane : 1);
	t->n_col = p->turned ? p->n_row : p->n_col;
	if (p->kind == LOOM_WEIGHT_VECTOR) {
		dims[1] = p->n_wide > 0 ? p->n_stored / p->n_wide : 1;
		dims[2] = p->n_wide > 0 ? p->n_wide : p->n_stored;
		skip = p->n_wide > 0 ? 1 : 2;
	} else if (p->turned) {
		dims[1] = p->n_col;
		dims[2] = t->n_col;
	} else if (p->kind == LOOM_WEIGHT_MATRIX && t->n_row == 1) { /* a shared expert's gate */
		skip = 2;
	}
	t->n_dim = 3 - skip;
	memcpy(t->shape, dims + skip, (size_t)t->n_dim * sizeof(*dims));
}

/* The pieces of each name become a tensor. */
static enum loom_status gather(struct loom_layout *l, struct loom_err *err)
{
	qsort(l->pieces, l->n_piece, sizeof(*l->pieces), by_name);
	l->tensors = loom_reallocarray(NULL, l->n_piece + 1, sizeof(*l->tensors));
	if (!l->tensors) {
		return loom_err_nomem(err, "tensors", l->n_piece * sizeof(*l->tensors));
	}
	for (size_t i = 0; i < l->n_piece; i++) {
		struct loom_layout_tensor *t = l->n_tensor ? &l->tensors[l->n_tensor - 1] : NULL;
		if (t && strcmp(t->name, l->pieces[i].name) == 0) {
			t->n++;
			continue;
		}
		t = &l->tensors[l->n_tensor++];
		memset(t, 0, sizeof(*t));
		t->name = l->pieces[i].name;
		t->weight = l->pieces[i].weight;
		t->first = i;
		t->n = 1;
		shape(t, &l->pieces[i]);
	}
	qsort(l->tensors, l->n_tensor, sizeof(*l->tensors), by_weight);
	return LOOM_OK;
}

/* Every row must come from somewhere, and the weights must be those of the model's own plan. */
static enum loom_status check(const struct loom_layout *l, const struct loom_plan *from, const struct loom_plan *to, struct loom_err *err)
{
	for (int32_t i = 0; i < to->n_weight; i++) {
		bool positions = l->skipped > 0 && strcmp(to->weights[i].name, "embed_positions.weight") == 0;
		if (i >= from->n_weight || from->weights[i].n_row != to->weights[i].n_row + (positions ? l->skipped : 0) ||
			from->weights[i].n_col != to->weights[i].n_col) {
			return loom_err_set(err, LOOM_E_MODEL, "a GGUF file of %s has %s in another form than the model", l->family->name,
				to->weights[i].name);
		}
	}
	for (size_t i = 0; i < l->n_tensor; i++) {
		const struct loom_layout_tensor *t = &l->tensors[i];
		int64_t n = 0;
		for (size_t k = t->first; k < t->first + t->n; k++) {
			n += t->turned ? l->pieces[k].n_col : l->pieces[k].n_row;
		}
		if (n != t->n_row) {
			return loom_err_set(err, LOOM_E_MODEL, "tensor %s: %lld of its %lld rows are known", t->name, (long long)n, (long long)t->n_row);
		}
	}
	return LOOM_OK;
}

/* The features of the model as its GGUF file would state them. */
static enum loom_status as_gguf(struct loom_config *c, struct loom_err *err)
{
	const struct loom_role_name *roles = c->family->roles;
	enum loom_status rc = LOOM_OK;

	c->qkv = roles[LOOM_ROLE_QKV].gguf && !roles[LOOM_ROLE_Q].gguf ? LOOM_QKV_STACKED : LOOM_QKV_SPLIT;
	c->fused_gate = c->gated_ffn && !roles[LOOM_ROLE_GATE].gguf;
	c->qk_norm = c->qk_norm == LOOM_QK_HEAD_TENSORS ? LOOM_QK_EACH_HEAD : c->qk_norm;
	c->has_head = c->has_head && roles[LOOM_ROLE_HEAD].gguf && !c->masked_head;
	c->masked_head = false;
	if (c->pos_whole) {
		c->pos_offset = 0;
		c->pos_whole = false;
	}
	c->tied = c->tied && !c->family->gguf_head;
	/* the rows that hold for every file: words without a key */
	for (const struct loom_key *k = c->family->gguf_keys; rc == LOOM_OK && k && (k->keys || k->value); k++) {
		if (!k->keys && loom_field_type(k->field) > LOOM_FIELD_NUM) {
			rc = loom_field_set_text(c, k->field, k->value, "GGUF", err);
		}
	}
	return rc;
}

/* The rows of a head that the model has not are its embeddings'. */
static void lend_head(struct loom_layout *l, struct loom_plan *to)
{
	int32_t embed = to->ops[0].w;

	for (size_t i = 0; i < l->n_piece; i++) {
		if (l->pieces[i].role == LOOM_ROLE_HEAD && l->pieces[i].kind == LOOM_WEIGHT_MATRIX) {
			to->n_weight = l->pieces[i].weight == to->n_weight - 1 ? to->n_weight - 1 : to->n_weight; /* the last, unless it has a bias */
			l->pieces[i].weight = embed;
		}
	}
}

enum loom_status loom_layout_make(struct loom_layout *l, const struct loom_model *m, struct loom_err *err)
{
	struct loom_config c = m->cfg; /* its arena stays the model's */
	struct loom_plan plan;
	struct loom_arena arena;
	enum loom_status rc;

	l->family = c.family;
	loom_arena_init(&arena);
	rc = as_gguf(&c, err);
	l->skipped = m->cfg.pos_whole && m->cfg.pos == LOOM_POS_LEARNED ? m->cfg.pos_offset : 0;
	l->alternate = m->cfg.expert_glu == LOOM_GLU_CLAMPED && c.expert_glu == LOOM_GLU_CLAMPED_HALVES ? c.n_ffn_expert : 0;
	rc = rc ? rc : loom_plan_layout(&plan, &c, l, &arena, err);
	if (rc == LOOM_OK && l->no_memory) {
		rc = loom_err_nomem(err, "tensors", l->n_piece * sizeof(*l->pieces));
	} else if (rc == LOOM_OK && l->lacking[0]) {
		rc = loom_err_set(err, LOOM_E_MODEL, "%s: GGUF files have no name for %s", c.family->name, l->lacking);
	}
	if (rc == LOOM_OK && m->cfg.tied && !c.tied) {
		lend_head(l, &plan);
	}
	rc = rc ? rc : gather(l, err);
	rc = rc ? rc : check(l, &m->plan, &plan, err);
	loom_arena_release(&arena);
	return rc;
}

/* The place in its part of row x as a GGUF file has it, whose heads' rows alternate between the two halves. */
static int64_t half_split(int64_t x, int64_t d)
{
	int64_t in_head = x % d;

	return x - in_head + in_head / 2 + (d / 2) * (in_head % 2);
}

void loom_layout_rows(const struct loom_layout *l, const struct loom_layout_tensor *t, struct loom_layout_row *rows)
{
	for (const struct loom_layout_piece *p = &l->pieces[t->first]; p < &l->pieces[t->first + t->n]; p++) {
		for (int64_t c = 0; t->turned && c < p->n_col; c++) {
			rows[p->row0 / p->n_stored * p->n_col + c] = (struct loom_layout_row){p->weight, c, p->dst0};
		}
		bool gates = l->alternate > 0 && (p->role == LOOM_ROLE_EXPERTS_GATE || p->role == LOOM_ROLE_EXPERTS_UP ||
			p->role == LOOM_ROLE_EXPERTS_GATE_BIAS || p->role == LOOM_ROLE_EXPERTS_UP_BIAS);
		for (int64_t r = 0; !t->turned && r < p->n_row; r++) {
			int64_t at = p->row0 + (p->group > 0 ? r / p->group * p->stride + r % p->group : r);
			int64_t row = p->dst0 + (p->unpermute > 0 ? half_split(r, p->n_row / p->unpermute) : r);
			row += p->role == LOOM_ROLE_EMBED_POSITION ? l->skipped : 0;
			row = gates ? row % l->alternate * 2 + row / l->alternate : row;
			rows[at] = (struct loom_layout_row){p->weight, row, 0};
		}
	}
}
