/* regex_class.c: classes of characters: escapes, properties and [...], with the members that the library's version
 * of Unicode has. Ruby's nested classes and && become look-aheads where PCRE2's classes can't say them. */
#include <ctype.h>
#include <string.h>

#include "regex_translate.h"
#include "str.h"
#include "unicode.h"

#define REGEX_MAX_CLASS_DEPTH 16

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

static void put_range(struct loom_buf *out, uint32_t first, uint32_t last)
{
	loom_buf_printf(out, first == last ? "\\x{%x}" : "\\x{%x}-\\x{%x}", first, last);
}

/* The members of a class, without brackets. Inside brackets Oniguruma's \w is without the No of Latin-1. */
static void put_members(struct loom_buf *out, enum loom_uc cls, bool inside)
{
	const struct loom_uc_class *c = &loom_uc_classes[cls];
	bool no_latin1 = inside && cls == LOOM_UC_ONIG_W;
	for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
		if (c->categories >> i & 1)
			loom_buf_printf(out, "\\p{%s}", categories[i]);
	for (size_t i = 0; i < c->set.n; i++)
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

/* A negated class inside brackets is an alternative to them: what is not in it has no short list. */
static void put_class(struct loom_regex_translation *t, enum loom_uc cls, bool negated, bool inside)
{
	bool apart = inside && negated;
	struct loom_buf *out = apart ? t->others : t->out;
	loom_buf_puts(out, apart ? "|[^" : inside ? "" : negated ? "[^" : "[");
	put_members(out, cls, inside);
	loom_buf_puts(out, apart || !inside ? "]" : "");
}

/* \p{Name}, \P{Name}, \p{^Name}; t->p stands after the letter. */
static enum loom_status property(struct loom_regex_translation *t, bool negated, bool inside)
{
	char name[64];
	size_t n = 0;
	if (t->p == t->end || *t->p != '{')
		return loom_regex_refuse(t, "\\p without braces");
	for (t->p++; t->p < t->end && *t->p != '}'; t->p++) {
		if (*t->p == '^' && n == 0)
			negated = !negated;
		else if (*t->p != ' ' && *t->p != '_' && *t->p != '-' && n + 1 < sizeof name)
			name[n++] = (char)tolower((unsigned char)*t->p);
	}
	if (t->p == t->end || n == 0)
		return loom_regex_refuse(t, "an unfinished \\p{");
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
static void put_boundary(struct loom_regex_translation *t, bool negated)
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

enum loom_status loom_regex_escape(struct loom_regex_translation *t, bool inside)
{
	uint32_t cp;
	if (t->p + 1 >= t->end)
		return loom_regex_refuse(t, "a backslash at its end");
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
			return loom_regex_refuse(t, "\\H in a class");
		loom_buf_puts(t->out, "[^0-9a-fA-F]");
		return LOOM_OK;
	case 'u':
		if (t->end - t->p < 4)
			return loom_regex_refuse(t, "an unfinished \\u");
		loom_buf_printf(t->out, "\\x{%.4s}", t->p);
		t->p += 4;
		return LOOM_OK;
	case 'C': case 'M': case 'c': case 'g': case 'y': case 'Y':
		return loom_regex_refuse(t, "an escape of Oniguruma alone");
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
static enum loom_status posix_class(struct loom_regex_translation *t)
{
	static const struct {
		const char *name, *yes, *no; /* NULL: not as simple as that */
	} simple[] = { { "alpha", "\\p{Alphabetic}", "\\P{Alphabetic}" }, { "upper", "\\p{Uppercase}", "\\P{Uppercase}" },
		{ "lower", "\\p{Lowercase}", "\\P{Lowercase}" }, { "cntrl", "\\p{Cc}", "\\P{Cc}" }, { "ascii", "\\x00-\\x7F", NULL },
		{ "xdigit", "0-9A-Fa-f", NULL }, { "blank", "\\t\\p{Zs}", NULL } };
	const char *close = memmem(t->p, (size_t)(t->end - t->p), ":]", 2), *name = t->p + 2;
	if (!close)
		return loom_regex_refuse(t, "an unfinished [:");
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
		put_class(t, LOOM_UC_ONIG_ND, negated, true);
	} else if (n == 4 && memcmp(name, "word", 4) == 0) {
		put_class(t, LOOM_UC_ONIG_W, negated, true);
	} else if (n == 5 && memcmp(name, "punct", 5) == 0 && !negated) {
		put_members(t->out, LOOM_UC_ONIG_P, true);
		put_members(t->out, LOOM_UC_ONIG_S, true);
	} else if (n == 5 && memcmp(name, "alnum", 5) == 0 && !negated) {
		loom_buf_puts(t->out, "\\p{Alphabetic}");
		put_members(t->out, LOOM_UC_ONIG_ND, true);
	} else {
		return loom_regex_refuse(t, "a [:class:] of this name");
	}
	return LOOM_OK;
}

/* A class being read: members that PCRE2's brackets can hold, alternatives that they can't, and the operands of
 * && that are done, as look-aheads. */
struct class {
	struct loom_buf flat, others, also;
	bool negated;
};

static void class_init(struct class *c)
{
	loom_buf_init(&c->flat, 1u << 20);
	loom_buf_init(&c->others, 1u << 20);
	loom_buf_init(&c->also, 1u << 20);
	c->negated = false;
}

static void class_release(struct class *c)
{
	loom_buf_release(&c->flat);
	loom_buf_release(&c->others);
	loom_buf_release(&c->also);
}

static void append(struct loom_buf *to, const struct loom_buf *b)
{
	if (b->len)
		loom_buf_append(to, b->data, b->len);
	to->failed = to->failed || b->failed;
}

/* The union read so far, as one atom. */
static void put_union(struct loom_buf *out, const struct class *c)
{
	if (c->others.len == 0 || c->flat.len) {
		loom_buf_puts(out, c->others.len ? "(?:[" : "[");
		append(out, &c->flat);
		loom_buf_putc(out, ']');
	} else {
		loom_buf_puts(out, "(?:(?!)");
	}
	append(out, &c->others);
	loom_buf_puts(out, c->others.len ? ")" : "");
}

/* The whole class as one atom. */
static void put_whole(struct loom_buf *out, const struct class *c)
{
	if (c->also.len == 0 && c->others.len == 0) {
		loom_buf_puts(out, c->negated ? "[^" : "[");
		append(out, &c->flat);
		loom_buf_putc(out, ']');
		return;
	}
	loom_buf_puts(out, c->negated ? "(?:(?!" : "(?:");
	append(out, &c->also);
	put_union(out, c);
	loom_buf_puts(out, c->negated ? ")(?s:.))" : ")");
}

static enum loom_status read_class(struct loom_regex_translation *t, struct class *c, int depth);

/* A class inside a class: its members join, or it is an alternative. */
static enum loom_status read_inner(struct loom_regex_translation *t, struct class *c, int depth)
{
	struct class inner;
	struct loom_buf *out = t->out;
	class_init(&inner);
	t->p++;
	enum loom_status status = read_class(t, &inner, depth + 1);
	t->out = out;
	t->others = &c->others;
	if (!status && !inner.negated && inner.also.len == 0) {
		append(&c->flat, &inner.flat);
		append(&c->others, &inner.others);
	} else if (!status) {
		loom_buf_putc(&c->others, '|');
		put_whole(&c->others, &inner);
	}
	class_release(&inner);
	return status;
}

/* From after '[' to after ']'. */
static enum loom_status read_class(struct loom_regex_translation *t, struct class *c, int depth)
{
	bool first = true;
	if (depth > REGEX_MAX_CLASS_DEPTH)
		return loom_regex_refuse(t, "classes nested too deep");
	t->out = &c->flat;
	t->others = &c->others;
	if (t->p < t->end && *t->p == '^') {
		c->negated = true;
		t->p++;
	}
	for (; t->p < t->end; first = false) {
		enum loom_status status = LOOM_OK;
		uint32_t cp;
		char ch = *t->p;
		bool two = t->end - t->p > 1;
		if (ch == ']' && !first) {
			t->p++;
			return LOOM_OK;
		}
		if (ch == '\\') {
			status = loom_regex_escape(t, true);
		} else if (ch == '[' && two && t->p[1] == ':') {
			status = posix_class(t);
		} else if (ch == '[') {
			status = read_inner(t, c, depth);
		} else if (ch == '&' && two && t->p[1] == '&') {
			if (c->flat.len == 0 && c->others.len == 0)
				return loom_regex_refuse(t, "&& without anything before it");
			loom_buf_puts(&c->also, "(?=");
			put_union(&c->also, c);
			loom_buf_putc(&c->also, ')');
			loom_buf_reset(&c->flat);
			loom_buf_reset(&c->others);
			t->p += 2;
		} else {
			size_t n = loom_next_char(t->p, &cp);
			if (ch == ']')
				loom_buf_putc(t->out, '\\');
			loom_buf_append(t->out, t->p, n);
			t->p += n;
		}
		if (status)
			return status;
	}
	return loom_regex_refuse(t, "an unfinished class");
}

enum loom_status loom_regex_class(struct loom_regex_translation *t)
{
	struct class c;
	struct loom_buf *out = t->out;
	class_init(&c);
	enum loom_status status = read_class(t, &c, 0);
	t->out = out;
	if (!status && c.also.len && c.flat.len == 0 && c.others.len == 0)
		status = loom_regex_refuse(t, "&& without anything after it");
	if (!status)
		put_whole(out, &c);
	class_release(&c);
	return status;
}
