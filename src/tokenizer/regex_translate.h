/* regex_translate.h: the state of one translation, between regex_translate.c and regex_class.c. */
#ifndef LOOM_REGEX_TRANSLATE_H
#define LOOM_REGEX_TRANSLATE_H

#include "regex.h"

#define LOOM_REGEX_MAX_GROUPS 200

struct loom_regex_translation {
	const char *p, *end;
	struct loom_buf *out;
	struct loom_buf *others; /* inside a class: alternatives to what its brackets hold, each after a bar */
	const char *where;
	struct loom_err *err;
	size_t atom;                          /* where in out the last atom starts; SIZE_MAX: none */
	size_t groups[LOOM_REGEX_MAX_GROUPS]; /* where in out each open group starts */
	int n_group;
};

enum loom_status loom_regex_refuse(struct loom_regex_translation *t, const char *what) LOOM_MUST_CHECK;
/* A backslash and what follows; t->p stands at it. inside: in a class. */
enum loom_status loom_regex_escape(struct loom_regex_translation *t, bool inside) LOOM_MUST_CHECK;
/* A class; t->p stands after its '['. */
enum loom_status loom_regex_class(struct loom_regex_translation *t) LOOM_MUST_CHECK;

#endif
