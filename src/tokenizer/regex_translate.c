/* regex_translate.c: one pattern from Oniguruma's syntax (Ruby, UTF-8) to PCRE2's. See regex.h for what
 * differs. It reads the pattern once, left to right; only {n,m}+ needs to know where its atom began. */
#include "regex.h"

#include <ctype.h>
#include <string.h>

#include "str.h"
#include "unicode.h"

#define REGEX_MAX_GROUPS 200
#define REGEX_MAX_CLASS_DEPTH 16

struct translation {
	const char *p, *end;
	struct loom_buf *out;
	const char *where;
	struct loom_err *err;
	size_t atom;                      /* where in out the last atom starts; SIZE_MAX: none */
	size_t groups[REGEX_MAX_GROUPS];  /* where in out each open group starts */
	int n_group;
};

/* utf8proc's categories in its order, as PCRE2 names them. */
static const char *const categories[] = { "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd",
	"Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co" };

static const struct loom_uc_range spaces[] = { { 9, 13 }, { 32, 32 }, { 0x85, 0x85 }, { 0xA0, 0xA0 }, { 0x1680, 0x1680 },
	{ 0x2000, 0x200A }, { 0x2028, 0x2029 }, { 0x202F, 0x202F }, { 0x205F, 0x205F }, { 0x3000, 0x3000 } };

static const struct {
	const char *name; /* lower case */
	enum loom_uc cls;
} properties[] = { { "l", LOOM_UC_ONIG_L }, { "letter", LOOM_UC_ONIG_L }, { "n", LOOM_UC_ONIG_N }, { "number", LOOM_UC_ONIG_N },
	{ "m", LOOM_UC_ONIG_M }, { "mark", LOOM_UC_ONIG_M }, { "p", LOOM_UC_ONIG_P }, { "punctuation", LOOM_UC_ONIG_P },
	{ "s", LOOM_UC_ONIG_S }, { "symbol", LOOM_UC_ONIG_S }, { "lu", LOOM_UC_ONIG_LU }, { "ll", LOOM_UC_ONIG_LL },
	{ "lm", LOOM_UC_ONIG_LM }, { "lo", LOOM_UC_ONIG_LO }, { "nd", LOOM_UC_ONIG_ND }, { "digit", LOOM_UC_ONIG_ND },
	{ "word", LOOM_UC_ONIG_W } };

static enum loom_status refuse(struct translation *t, const char *what)
{
	return loom_err_set(t->err, LOOM_E_MODEL, "%s: pattern uses %s, which is not supported", t->where, what);
}

static void put_range(struct loom_buf *out, uint32_t first, uint32_t last)
{
	loom_buf_printf(out, first == last ? "\\x{%x}" : "\\x{%x}-\\x{%x}", first, last);
}

/* The members of a class, without brackets. Inside brackets Oniguruma's \w is without the No of Latin-1. */
static void put_members(struct loom_buf *out, enum loom_uc cls, bool negated, bool inside)
{
	const struct loom_uc_class *c = &loom_uc_classes[cls];
	bool no_latin1 = inside && cls == LOOM_UC_ONIG_W;
	for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
		if ((c->categories >> i & 1) != negated)
			loom_buf_printf(out, "\\p{%s}", categories[i]);
	for (size_t i = 0; !negated && i < c->set.n; i++)
		if (!no_latin1 || c->set.r[i].first > 0xFF)
			put_range(out, c->set.r[i].first, c->set.r[i].last);
}

static void put_spaces(struct loom_buf *out, bool negated)
{
	uint32_t from = 0;
	for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
		if (!negated)
			put_range(out, spaces[i].first, spaces[i].last);
		else
			put_range(out, from, spaces[i].first - 1);
		from = spaces[i].last + 1;
	}
	if (negated)
		put_range(out, from, 0x10FFFF);
}

static void put_class(struct translation *t, enum loom_uc cls, bool negated, bool inside)
{
	if (!inside)
		loom_buf_puts(t->out, negated ? "[^" : "[");
	put_members(t->out, cls, inside && negated, inside);
	if (!inside)
		loom_buf_putc(t->out, ']');
}

/* \p{Name}, \P{Name}, \p{^Name}; t->p stands after the letter. */
static enum loom_status property(struct translation *t, bool negated, bool inside)
{
	char name[64];
	size_t n = 0;
	if (t->p == t->end || *t->p != '{')
		return refuse(t, "\\p without braces");
	for (t->p++; t->p < t->end && *t->p != '}'; t->p++) {
		if (*t->p == '^' && n == 0)
			negated = !negated;
		else if (*t->p != ' ' && *t->p != '_' && *t->p != '-' && n + 1 < sizeof name)
			name[n++] = (char)tolower((unsigned char)*t->p);
	}
	if (t->p == t->end || n == 0)
		return refuse(t, "an unfinished \\p{");
	t->p++;
	name[n] = '\0';
	for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
		if (strcmp(name, properties[i].name) == 0) {
			put_class(t, properties[i].cls, negated, inside);
			return LOOM_OK;
		}
	if (strcmp(name, "space") == 0) {
		loom_buf_puts(t->out, inside ? "" : "[");
		put_spaces(t->out, negated);
		loom_buf_puts(t->out, inside ? "" : "]");
		return LOOM_OK;
	}
	/* PCRE2 reads a bare script name as Script_Extensions. */
	bool plain = n <= 2 || strcmp(name, "any") == 0 || strncmp(name, "alpha", 5) == 0 || strncmp(name, "upper", 5) == 0 ||
	             strncmp(name, "lower", 5) == 0;
	const char *full = strcmp(name, "alpha") == 0 ? "alphabetic" : strcmp(name, "upper") == 0 ? "uppercase"
	                   : strcmp(name, "lower") == 0 ? "lowercase" : name;
	if (n <= 2)
		name[0] = (char)toupper((unsigned char)name[0]);
	loom_buf_printf(t->out, "\\%c{%s%s}", negated ? 'P' : 'p', plain ? "" : "sc:", full);
	return LOOM_OK;
}

/* \b and \B by Oniguruma's \w, which has the marks that PCRE2's lacks. */
static void put_boundary(struct translation *t, bool negated)
{
	static const char *const parts[2][3] = { { "(?:(?<=", ")(?!", ")|(?<!" }, { "(?:(?<=", ")(?=", ")|(?<!" } };
	for (int i = 0; i < 3; i++) {
		loom_buf_puts(t->out, parts[negated][i]);
		put_class(t, LOOM_UC_ONIG_W, false, false);
	}
	loom_buf_puts(t->out, negated ? ")(?!" : ")(?=");
	put_class(t, LOOM_UC_ONIG_W, false, false);
	loom_buf_puts(t->out, "))");
}

static enum loom_status escape(struct translation *t, bool inside)
{
	uint32_t cp;
	if (t->p + 1 >= t->end)
		return refuse(t, "a backslash at its end");
	char c = t->p[1];
	t->p += 2;
	switch (c) {
	case 'p': case 'P':
		return property(t, c == 'P', inside);
	case 'd': case 'D':
		put_class(t, LOOM_UC_ONIG_ND, c == 'D', inside);
		return LOOM_OK;
	case 'w': case 'W':
		put_class(t, LOOM_UC_ONIG_W, c == 'W', inside);
		return LOOM_OK;
	case 's': case 'S':
		loom_buf_puts(t->out, inside ? "" : "[");
		put_spaces(t->out, c == 'S');
		loom_buf_puts(t->out, inside ? "" : "]");
		return LOOM_OK;
	case 'b': case 'B':
		if (inside)
			loom_buf_puts(t->out, c == 'b' ? "\\x08" : "B");
		else
			put_boundary(t, c == 'B');
		return LOOM_OK;
	case 'h':
		loom_buf_puts(t->out, inside ? "0-9a-fA-F" : "[0-9a-fA-F]");
		return LOOM_OK;
	case 'H':
		if (inside)
			return refuse(t, "\\H in a class");
		loom_buf_puts(t->out, "[^0-9a-fA-F]");
		return LOOM_OK;
	case 'u':
		if (t->end - t->p < 4)
			return refuse(t, "an unfinished \\u");
		loom_buf_printf(t->out, "\\x{%.4s}", t->p);
		t->p += 4;
		return LOOM_OK;
	case 'C': case 'M': case 'c': case 'g': case 'y': case 'Y':
		return refuse(t, "an escape of Oniguruma alone");
	default: {
		size_t n = loom_next_char(t->p - 1, &cp);
		loom_buf_putc(t->out, '\\');
		loom_buf_append(t->out, t->p - 1, n);
		t->p += n - 1;
		return LOOM_OK;
	}
	}
}

/* [:name:] and [:^name:]; t->p stands at its '['. PCRE2 knows the names too, but some as other sets. */
static enum loom_status posix_class(struct translation *t)
{
	static const struct {
		const char *name, *yes, *no; /* NULL: not as simple as that */
	} simple[] = { { "alpha", "\\p{Alphabetic}", "\\P{Alphabetic}" }, { "upper", "\\p{Uppercase}", "\\P{Uppercase}" },
		{ "lower", "\\p{Lowercase}", "\\P{Lowercase}" }, { "cntrl", "\\p{Cc}", "\\P{Cc}" }, { "ascii", "\\x00-\\x7F", NULL },
		{ "xdigit", "0-9A-Fa-f", NULL }, { "blank", "\\t\\p{Zs}", NULL } };
	const char *close = memmem(t->p, (size_t)(t->end - t->p), ":]", 2), *name = t->p + 2;
	if (!close)
		return refuse(t, "an unfinished [:");
	bool negated = name < close && *name == '^';
	name += negated;
	size_t n = name < close ? (size_t)(close - name) : 0;
	t->p = close + 2;
	for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++)
		if (n == strlen(simple[i].name) && memcmp(name, simple[i].name, n) == 0 && (!negated || simple[i].no)) {
			loom_buf_puts(t->out, negated ? simple[i].no : simple[i].yes);
			return LOOM_OK;
		}
	if (n == 5 && memcmp(name, "space", 5) == 0) {
		put_spaces(t->out, negated);
	} else if (n == 5 && memcmp(name, "digit", 5) == 0) {
		put_members(t->out, LOOM_UC_ONIG_ND, negated, true);
	} else if (n == 4 && memcmp(name, "word", 4) == 0) {
		put_members(t->out, LOOM_UC_ONIG_W, negated, true);
	} else if (n == 5 && memcmp(name, "punct", 5) == 0 && !negated) {
		put_members(t->out, LOOM_UC_ONIG_P, false, true);
		put_members(t->out, LOOM_UC_ONIG_S, false, true);
	} else if (n == 5 && memcmp(name, "alnum", 5) == 0 && !negated) {
		loom_buf_puts(t->out, "\\p{Alphabetic}");
		put_members(t->out, LOOM_UC_ONIG_ND, false, true);
	} else {
		return refuse(t, "a [:class:] of this name");
	}
	return LOOM_OK;
}

/* The inside of a class up to its ']'; t->p stands after '[' and '^'. Nested classes are unions. */
static enum loom_status class_members(struct translation *t, int depth)
{
	bool first = true;
	if (depth > REGEX_MAX_CLASS_DEPTH)
		return refuse(t, "classes nested too deep");
	for (; t->p < t->end; first = false) {
		enum loom_status status = LOOM_OK;
		uint32_t cp;
		char c = *t->p;
		if (c == ']' && !first) {
			t->p++;
			return LOOM_OK;
		}
		if (c == '\\') {
			status = escape(t, true);
		} else if (c == '[' && t->end - t->p > 1 && t->p[1] == ':') {
			status = posix_class(t);
		} else if (c == '[') {
			if (t->end - t->p > 1 && t->p[1] == '^')
				return refuse(t, "a negated class inside a class");
			t->p++;
			status = class_members(t, depth + 1);
		} else if (c == '&' && t->end - t->p > 1 && t->p[1] == '&') {
			return refuse(t, "&& in a class");
		} else {
			size_t n = loom_next_char(t->p, &cp);
			if (c == ']')
				loom_buf_putc(t->out, '\\');
			loom_buf_append(t->out, t->p, n);
			t->p += n;
		}
		if (status)
			return status;
	}
	return refuse(t, "an unfinished class");
}

static enum loom_status open_group(struct translation *t)
{
	if (t->n_group == REGEX_MAX_GROUPS)
		return refuse(t, "groups nested too deep");
	t->groups[t->n_group++] = t->out->len;
	loom_buf_putc(t->out, *t->p++);
	t->atom = SIZE_MAX;
	if (t->p == t->end || *t->p != '?')
		return LOOM_OK;
	const char *p = t->p + 1;
	if (p < t->end && (*p == '~' || *p == '('))
		return refuse(t, *p == '~' ? "an absent group" : "a conditional group");
	while (p < t->end && strchr("imx-", *p))
		p++;
	if (p == t->end || (*p != ':' && *p != ')') || p == t->p + 1)
		return LOOM_OK; /* (?: (?= (?! (?> (?< are the same; the rest of the group follows as usual */
	for (; t->p < p; t->p++)
		loom_buf_putc(t->out, *t->p == 'm' ? 's' : *t->p); /* Ruby's m is dot-all */
	return LOOM_OK;
}

/* {n}, {n,}, {,m}, {n,m}: its length, 0 when the brace is text. */
static size_t interval(const char *p, const char *end, bool *exact)
{
	const char *q = p + 1;
	bool digits = false;
	*exact = true;
	for (; q < end && isdigit((unsigned char)*q); q++)
		digits = true;
	if (q < end && *q == ',') {
		*exact = false;
		for (q++; q < end && isdigit((unsigned char)*q); q++)
			digits = true;
	}
	return digits && q < end && *q == '}' ? (size_t)(q + 1 - p) : 0;
}

/* Puts `(?:` before the last atom and closes after it. */
static enum loom_status wrap_atom(struct translation *t)
{
	char *room = loom_buf_reserve(t->out, 4);
	if (!room)
		return loom_err_nomem(t->err, "a pattern", t->out->len);
	memmove(t->out->data + t->atom + 3, t->out->data + t->atom, t->out->len - t->atom);
	memcpy(t->out->data + t->atom, "(?:", 3);
	t->out->len += 3;
	t->out->data[t->out->len] = '\0';
	loom_buf_putc(t->out, ')');
	return LOOM_OK;
}

static enum loom_status quantify(struct translation *t)
{
	bool exact;
	size_t n = interval(t->p, t->end, &exact);
	if (!n) {
		t->atom = t->out->len;
		loom_buf_puts(t->out, "\\{");
		t->p++;
		return LOOM_OK;
	}
	if (t->p[1] == ',') {
		loom_buf_puts(t->out, "{0");
		loom_buf_append(t->out, t->p + 1, n - 1);
	} else {
		loom_buf_append(t->out, t->p, n);
	}
	t->p += n;
	if (t->atom != SIZE_MAX && t->p < t->end && (*t->p == '+' || (*t->p == '?' && exact)))
		return wrap_atom(t); /* the sign then quantifies the whole, as in Ruby */
	return LOOM_OK;
}

static enum loom_status translate(struct translation *t)
{
	while (t->p < t->end) {
		enum loom_status status = LOOM_OK;
		uint32_t cp;
		char c = *t->p;
		if (c == '*' || c == '+' || c == '?') {
			loom_buf_putc(t->out, c);
			t->p++;
			continue;
		}
		if (c == '{') {
			status = quantify(t);
			if (status)
				return status;
			continue;
		}
		if (c == '(') {
			status = open_group(t);
			if (status)
				return status;
			continue;
		}
		t->atom = t->out->len;
		if (c == ')') {
			if (t->n_group == 0)
				return refuse(t, "an unmatched )");
			t->atom = t->groups[--t->n_group];
			loom_buf_putc(t->out, c);
			t->p++;
		} else if (c == '\\') {
			status = escape(t, false);
		} else if (c == '[') {
			loom_buf_putc(t->out, c);
			t->p++;
			if (t->p < t->end && *t->p == '^')
				loom_buf_putc(t->out, *t->p++);
			status = class_members(t, 0);
			loom_buf_putc(t->out, ']');
		} else {
			size_t n = loom_next_char(t->p, &cp);
			if (c == ']' || c == '}')
				loom_buf_putc(t->out, '\\');
			loom_buf_append(t->out, t->p, n);
			t->p += n;
		}
		if (status)
			return status;
	}
	return t->n_group ? refuse(t, "an unmatched (") : LOOM_OK;
}

enum loom_status loom_regex_translate(const char *pattern, size_t n, const char *where, struct loom_buf *out,
	struct loom_err *err)
{
	struct translation t = { .p = pattern, .end = pattern + n, .out = out, .where = where, .err = err, .atom = SIZE_MAX };
	enum loom_status status = translate(&t);
	if (!status && out->failed)
		return loom_err_nomem(err, "a pattern", n);
	return status;
}
