/* test_regex.c: patterns in Oniguruma's syntax: what they match, what is refused by name, and that none of them can hang or exhaust memory. What is
 * expected here is what `tokenizers` 0.23 cuts with Split, isolated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "regex.h"

/* The text cut by the pattern, "|" between. */
static void expect(const char *pattern, const char *text, const char *pieces)
{
	struct loom_regex *r;
	struct loom_work w;
	struct loom_err err = { 0 };
	char found[256] = "";
	size_t len = 0;
	if (loom_regex_open(pattern, strlen(pattern), false, "test", &r, &err))
		fail_msg("%s: %s", pattern, err.message);
	loom_work_init(&w, &err);
	assert_true(loom_work_start(&w, text, strlen(text)));
	w.n_range = 0;
	assert_true(loom_regex_ranges(r, &w, text, strlen(text), false));
	for (size_t i = 0; i < w.n_range; i++)
		if (w.ranges[i].end > w.ranges[i].start)
			len += (size_t)snprintf(found + len, sizeof found - len, "%s%.*s", len ? "|" : "", (int)(w.ranges[i].end - w.ranges[i].start),
				text + w.ranges[i].start);
	assert_string_equal(found, pieces);
	loom_work_release(&w);
	loom_regex_free(r);
}

static void as_oniguruma(void **state)
{
	(void)state;
	expect("(?i:'s|'t)|\\p{L}+", "it's IT'S", "it|'s| |IT|'S");
	expect("^b|c$", "a\nb c\nd", "a\n|b| |c|\nd");   /* per line */
	expect("\\h+", "xfade9y", "x|fade9|y");           /* hex digits */
	expect("(?m:a.b)", "a\nb", "a\nb");               /* dot-all */
	expect("a{2}+", "aaaaa", "aaaa|a");               /* not possessive */
	expect("[^\\W\\d_]+", "a1_\xF0\x9E\x97\xAA>", "a|1_|\xF0\x9E\x97\xAA|>"); /* U+1E5EA came with Unicode 16 */
	expect("[\\D]+", "1a\xF0\x90\xB5\x80", "1|a|\xF0\x90\xB5\x80");           /* U+10D40 is a digit since */
	expect("[^a[^\\W]]+", "a-b-", "a|-|b|-");
	expect("[\\w&&[^a-c]]+", "abcd-e", "abc|d|-|e");
	expect("[a-z&&[^\\P{L}]&&[^x]]+", "axb1", "a|x|b|1");
	expect("\\s+(?!\\S)|\\s+", "a   b  ", "a|  | |b|  ");
	expect("(?<=a)b", "abcb", "a|b|cb");
}

static void refuse(const char *pattern, size_t n, const char *message)
{
	struct loom_regex *r;
	struct loom_err err = { 0 };
	int64_t live = loom_mem_live();
	assert_int_equal(loom_regex_open(pattern, n, false, "test", &r, &err), LOOM_E_MODEL);
	assert_null(r);
	if (!strstr(err.message, message))
		fail_msg("%.60s: %s", pattern, err.message);
	assert_int_equal(loom_mem_live(), live);
}

static void what_is_not_supported_is_named(void **state)
{
	(void)state;
	refuse("(?~ab)", 6, "an absent group");
	refuse("(?(1)a|b)", 9, "a conditional group");
	refuse("(*NO_JIT)a", 10, "a verb of PCRE");
	refuse("(?R)", 4, "a group of PCRE alone");
	refuse("(a)(?1)", 7, "a group of PCRE alone");
	refuse("\\g<1>", 5, "an escape of Oniguruma alone");
	refuse("(a", 2, "an unmatched (");
	refuse("a)", 2, "an unmatched )");
	refuse("[a", 2, "an unfinished class");
	refuse("[&&a]", 5, "&& without anything before it");
	refuse("\\p{", 3, "an unfinished \\p{");
	refuse("\\p{Nothing}", 11, "bad pattern");
	refuse("[[:nothing:]]", 13, "a [:class:] of this name");
	refuse("a\\", 2, "a backslash at its end");
}

static void hostile_patterns_end(void **state)
{
	static const char *const slow[] = { "(a+)+$", "(a|aa)+$", "(?:a?){40}a{40}$", "((a*)*)*b", "(.*)*\\1x", "(?=(a+)+$)b", "(a|b|ab)*c" };
	static char text[4000], nested[3000], wide[70000];
	(void)state;
	memset(text, 'a', sizeof text - 2);
	text[sizeof text - 2] = '!';
	for (size_t i = 0; i < sizeof slow / sizeof slow[0]; i++) { /* found to be slow, or done: in bounded time either way */
		struct loom_regex *r;
		struct loom_work w;
		struct loom_err err = { 0 };
		int64_t live = loom_mem_live();
		assert_int_equal(loom_regex_open(slow[i], strlen(slow[i]), false, "test", &r, &err), LOOM_OK);
		loom_work_init(&w, &err);
		assert_true(loom_work_start(&w, text, strlen(text)));
		w.n_range = 0;
		if (!loom_regex_ranges(r, &w, text, strlen(text), false)) {
			assert_int_equal(w.status, LOOM_E_INVALID);
			assert_non_null(strstr(err.message, "takes too long"));
		}
		loom_work_release(&w);
		loom_regex_free(r);
		assert_int_equal(loom_mem_live(), live);
	}
	memset(nested, '(', sizeof nested);
	refuse(nested, sizeof nested, "groups nested too deep");
	memset(nested, '[', sizeof nested);
	refuse(nested, sizeof nested, "classes nested too deep");
	memset(wide, 'x', sizeof wide);
	refuse(wide, sizeof wide, "pattern of 70000 bytes");
	refuse("(((a{1000}){1000}){1000}){1000}", 31, "bad pattern");
	refuse("a{99999999999}", 14, "bad pattern");
	refuse("(?<=a+)b", 8, "bad pattern");
}

/* A pattern whose translation grows far beyond it. */
static void long_translations_are_bounded(void **state)
{
	static char pattern[60000];
	struct loom_regex *r;
	struct loom_err err = { 0 };
	int64_t live = loom_mem_live();
	(void)state;
	for (size_t i = 0; i + 2 <= sizeof pattern; i += 2)
		memcpy(pattern + i, "\\w", 2);
	enum loom_status status = loom_regex_open(pattern, sizeof pattern, false, "test", &r, &err);
	assert_true(status == LOOM_E_MEMORY || status == LOOM_E_MODEL);
	assert_null(r);
	assert_int_equal(loom_mem_live(), live);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_oniguruma), cmocka_unit_test(what_is_not_supported_is_named),
		cmocka_unit_test(hostile_patterns_end), cmocka_unit_test(long_translations_are_bounded) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
