/* regex.c: compiled patterns and their bounded running. PCRE2's limits hold for one starting point each, so
 * a search goes in windows of starting points and looks at the clock between them. */
#include "regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "clock.h"
#include "mem.h"

#define REGEX_MAX_PATTERN (64u << 10)
#define REGEX_MAX_TRANSLATED (1u << 20)
#define REGEX_MATCH_LIMIT 2000000
#define REGEX_WINDOW 256               /* starting points tried by one call */
#define REGEX_BUDGET_NS 3000000000ull  /* for one text, and a microsecond for each byte */
#define REGEX_STACK_BYTES (4u << 20)

struct loom_regex {
	pcre2_code *code;
	pcre2_compile_context *compile;
	bool jit;
};

struct loom_regex_run {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	uint64_t deadline;
	unsigned calls;
};

static void *regex_malloc(size_t n, void *unused)
{
	(void)unused;
	return loom_malloc(n);
}
static void regex_free(void *p, void *unused)
{
	(void)unused;
	loom_free(p);
}

static enum loom_status compile(struct loom_regex *r, const char *pattern, size_t n, bool literal, const char *where,
	struct loom_err *err)
{
	uint32_t options = PCRE2_UTF | PCRE2_USE_OFFSET_LIMIT |
	                   (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
	int code;
	PCRE2_SIZE at;
	PCRE2_UCHAR text[160];
	pcre2_general_context *general = pcre2_general_context_create(regex_malloc, regex_free, NULL);
	if (general)
		r->compile = pcre2_compile_context_create(general);
	pcre2_general_context_free(general);
	if (!r->compile)
		return loom_err_nomem(err, "a pattern", n);
	pcre2_set_newline(r->compile, PCRE2_NEWLINE_LF);
	r->code = pcre2_compile((PCRE2_SPTR)pattern, n, options, &code, &at, r->compile);
	if (!r->code && code == PCRE2_ERROR_HEAP_FAILED)
		return loom_err_nomem(err, "a pattern", n);
	if (!r->code) {
		pcre2_get_error_message(code, text, sizeof text);
		return loom_err_set(err, LOOM_E_MODEL, "%s: bad pattern: %s", where, (const char *)text);
	}
	r->jit = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
	return LOOM_OK;
}

enum loom_status loom_regex_open(const char *pattern, size_t n, bool literal, const char *where, struct loom_regex **out,
	struct loom_err *err)
{
	struct loom_buf buf;
	enum loom_status status = LOOM_OK;
	*out = NULL;
	if (n > REGEX_MAX_PATTERN)
		return loom_err_set(err, LOOM_E_MODEL, "%s: pattern of %zu bytes, at most %u", where, n, REGEX_MAX_PATTERN);
	struct loom_regex *r = loom_calloc(1, sizeof *r);
	if (!r)
		return loom_err_nomem(err, "a pattern", sizeof *r);
	loom_buf_init(&buf, REGEX_MAX_TRANSLATED);
	if (literal)
		status = compile(r, pattern, n, true, where, err);
	else if ((status = loom_regex_translate(pattern, n, where, &buf, err)) == LOOM_OK)
		status = compile(r, buf.data ? buf.data : "", buf.len, false, where, err);
	loom_buf_release(&buf);
	if (status) {
		loom_regex_free(r);
		return status;
	}
	*out = r;
	return LOOM_OK;
}

void loom_regex_free(struct loom_regex *r)
{
	if (!r)
		return;
	pcre2_code_free(r->code);
	pcre2_compile_context_free(r->compile);
	loom_free(r);
}

void loom_regex_run_free(struct loom_regex_run *run)
{
	if (!run)
		return;
	pcre2_match_data_free(run->data);
	pcre2_match_context_free(run->context);
	pcre2_jit_stack_free(run->stack);
	loom_free(run);
}

static struct loom_regex_run *run_new(size_t n)
{
	struct loom_regex_run *run = loom_calloc(1, sizeof *run);
	pcre2_general_context *general = pcre2_general_context_create(regex_malloc, regex_free, NULL);
	if (run && general) {
		run->data = pcre2_match_data_create(1, general);
		run->context = pcre2_match_context_create(general);
	}
	pcre2_general_context_free(general);
	if (!run || !run->data || !run->context) {
		loom_regex_run_free(run);
		return NULL;
	}
	pcre2_set_match_limit(run->context, REGEX_MATCH_LIMIT);
	run->deadline = loom_clock_ns() + REGEX_BUDGET_NS + (uint64_t)n * 1000;
	return run;
}

static int too_slow(struct loom_work *w)
{
	w->status = loom_err_set(w->err, LOOM_E_INVALID, "the tokenizer's pattern takes too long on this text");
	return -1;
}

static int match_at(const struct loom_regex *r, struct loom_regex_run *run, const char *s, size_t n, size_t from)
{
	PCRE2_SPTR text = (PCRE2_SPTR)s;
	if (!r->jit)
		return pcre2_match(r->code, text, n, from, PCRE2_NO_UTF_CHECK, run->data, run->context);
	int rc = pcre2_jit_match(r->code, text, n, from, 0, run->data, run->context);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !run->stack) {
		run->stack = pcre2_jit_stack_create(64u << 10, REGEX_STACK_BYTES, NULL);
		if (!run->stack)
			return PCRE2_ERROR_NOMEMORY;
		pcre2_jit_stack_assign(run->context, NULL, run->stack);
		rc = pcre2_jit_match(r->code, text, n, from, 0, run->data, run->context);
	}
	return rc;
}

/* The next match at or after from: 1 found, 0 none, -1 failed. */
static int next_match(const struct loom_regex *r, struct loom_work *w, const char *s, size_t n, size_t from, size_t *start,
	size_t *end)
{
	struct loom_regex_run *run = w->run;
	for (;;) {
		size_t limit = n - from > REGEX_WINDOW ? from + REGEX_WINDOW : n;
		pcre2_set_offset_limit(run->context, limit);
		int rc = match_at(r, run, s, n, from);
		if ((rc < 0 || ++run->calls % 64 == 0) && loom_clock_ns() > run->deadline)
			return too_slow(w);
		if (rc >= 0) {
			const PCRE2_SIZE *at = pcre2_get_ovector_pointer(run->data);
			*start = at[0];
			*end = at[1] < at[0] ? at[0] : at[1]; /* \K in a look-ahead */
			return 1;
		}
		if (rc == PCRE2_ERROR_NOMEMORY) {
			loom_work_nomem(w);
			return -1;
		}
		if (rc != PCRE2_ERROR_NOMATCH)
			return too_slow(w);
		if (limit == n)
			return 0;
		for (from = limit + 1; from < n && ((unsigned char)s[from] & 0xC0) == 0x80; from++)
			;
		if (from > n)
			return 0;
	}
}

bool loom_regex_ranges(const struct loom_regex *r, struct loom_work *w, const char *s, size_t n, bool invert)
{
	size_t from = 0, previous = 0, start, end;
	bool any = false;
	if (n == 0)
		return loom_work_range(w, 0, 0, invert);
	if (!w->run && !(w->run = run_new(w->now.n)))
		return loom_work_nomem(w);
	while (from <= n) {
		int found = next_match(r, w, s, n, from, &start, &end);
		if (found < 0)
			return false;
		if (!found)
			break;
		if (start == end && any && previous == end) {
			/* An empty match right after a match does not count. */
			for (from++; from < n && ((unsigned char)s[from] & 0xC0) == 0x80; from++)
				;
			continue;
		}
		if ((start > previous && !loom_work_range(w, previous, start, invert)) || !loom_work_range(w, start, end, !invert))
			return false;
		previous = from = end;
		any = true;
	}
	return previous == n || loom_work_range(w, previous, n, invert);
}
