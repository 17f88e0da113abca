/* input_fields.h: the fields of a request body as tables. One table parses, names what is wrong, and writes the OpenAPI document, so that the three
 * can't drift apart. */
#ifndef LOOM_INPUT_FIELDS_H
#define LOOM_INPUT_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "json_out.h"

enum loom_input_kind { LOOM_INPUT_BOOL, LOOM_INPUT_INT, LOOM_INPUT_NUM, LOOM_INPUT_STR, LOOM_INPUT_WORD, LOOM_INPUT_OTHER };

/* One of the words that a field takes, and what it means. */
struct loom_input_word {
	const char *name;       /* NULL ends the list */
	int value;
};
struct loom_input_field {
	const char *name;       /* NULL ends the table */
	enum loom_input_kind kind;
	size_t offset;          /* into the target: bool, int64_t, double, const char *, int (WORD) */
	double min, max;        /* INT, NUM */
	bool above;             /* NUM: min itself is not allowed */
	bool required;
	const struct loom_input_word *words; /* WORD */
	/* OTHER: v is there and not null */
	enum loom_status (*parse)(void *target, const char *name, const json_t *v, struct loom_err *err);
	const char *expected;   /* OTHER: in words, for messages */
	const char *schema;     /* OTHER: as JSON schema; "null" is added where the field is optional */
	const char *fallback;   /* the default as JSON; NULL: none that can be named */
	const char *help;
};

/* Fills target from root by the tables (NULL-terminated list). strict: other fields are refused, the nearest name suggested. Absent and null
 * leave the target as it is. LOOM_E_INVALID names the field. */
enum loom_status loom_input_parse(const struct loom_input_field *const *tables, void *target, const json_t *root, bool strict, struct loom_err *err)
	LOOM_MUST_CHECK;
/* The tables as the schema of an object. */
void loom_input_schema(const struct loom_input_field *const *tables, bool strict, struct loom_json_out *j);

/* "name: expected …, found …", or "name: required: expected …" when found is NULL. */
enum loom_status loom_input_wrong(const char *name, const char *expected, const json_t *found, struct loom_err *err);
/* An object with fields of the list only (NULL-terminated), nearest name suggested. */
enum loom_status loom_check_fields(const json_t *root, const char *const *fields, struct loom_err *err) LOOM_MUST_CHECK;

#endif
