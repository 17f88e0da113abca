/* layout.h: what a GGUF file of a model would hold: its tensors' names and shapes, and for each of their rows the row of a weight of the model's
 * plan that it is. The plan is made once more as if from a GGUF file, and the binder (weights.c), instead of looking for tensors, writes down what it
 * would look for: so one table of names and one idea of what is permuted, stacked or split serves both directions. */
#ifndef LOOM_LAYOUT_H
#define LOOM_LAYOUT_H

#include "family.h"
#include "model.h"

struct loom_bind;
struct loom_bind_part;

/* One part of a weight, as it stands in a tensor. */
struct loom_layout_piece {
	char name[64];       /* the tensor's */
	char other[64];      /* what it is called when another role has that name; "": nothing else */
	enum loom_role role;
	enum loom_weight_kind kind;
	int32_t weight;      /* of the plan */
	int64_t dst0, n_row; /* rows of the weight */
	int64_t n_stored, n_col, n_plane; /* of the tensor: rows of one plane, columns; planes (0: it is a matrix) */
	int64_t row0, group, stride; /* as in struct loom_weight_part */
	int64_t n_wide;      /* as in struct loom_bind_part */
	int unpermute;
	bool turned;         /* the tensor is [columns, rows] of the weight */
};
struct loom_layout_tensor {
	const char *name;
	int n_dim;
	int64_t shape[4];    /* outermost first */
	int64_t n_row, n_col; /* all its rows, and elements of a row: 1 of vectors */
	bool turned;
	int32_t weight;      /* the first that it has rows of */
	size_t first, n;     /* its pieces */
};
struct loom_layout {
	const struct loom_family *family;
	struct loom_layout_piece *pieces; /* [n_piece] those of a tensor side by side, when it is made */
	size_t n_piece, cap;
	struct loom_layout_tensor *tensors; /* [n_tensor] */
	size_t n_tensor;
	int64_t alternate;   /* rows of an expert's gate: the plan's gates and ups alternate where the file has one behind the other; 0: they do not */
	int64_t skipped;     /* rows of the table of positions that no text uses, which the file leaves out */
	bool no_memory;
	char lacking[96];    /* a weight for which the family has no name in GGUF files; "": none */
};
/* A row of a tensor: row `row` of weight `weight`; of a turned tensor: its column, from row `from` on. */
struct loom_layout_row {
	int32_t weight;
	int64_t row, from;
};

void loom_layout_init(struct loom_layout *l);
void loom_layout_release(struct loom_layout *l);
/* m: a model whose plan is bound to safetensors. LOOM_E_MODEL: no GGUF file can hold it, with the reason. */
enum loom_status loom_layout_make(struct loom_layout *l, const struct loom_model *m, struct loom_err *err) LOOM_MUST_CHECK;
/* rows [t->n_row]. */
void loom_layout_rows(const struct loom_layout *l, const struct loom_layout_tensor *t, struct loom_layout_row *rows);

/* ---- for the binder ---- */
void loom_layout_note(struct loom_layout *l, int32_t weight, const struct loom_bind *what, const struct loom_bind_part *parts, int n);
/* Would a file of the family hold this role's tensor? */
bool loom_layout_has(const struct loom_layout *l, enum loom_role role);

#endif
