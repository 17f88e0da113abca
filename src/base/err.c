/* err.c: fills struct loom_err. See err.h. */
#include "err.h"

#include <stdio.h>
#include <string.h>

#include "str.h"

static const struct {
	int http;
	const char *code;
} statuses[LOOM_N_STATUS] = {
#define X(name, http, code) {http, code},
	LOOM_STATUS_LIST(X)
#undef X
};

int loom_status_http(enum loom_status status)
{
	return (unsigned)status < LOOM_N_STATUS ? statuses[status].http : 500;
}

const char *loom_status_code(enum loom_status status)
{
	return (unsigned)status < LOOM_N_STATUS ? statuses[status].code : "internal";
}

void loom_err_clear(struct loom_err *err)
{
	if (err)
		memset(err, 0, sizeof *err);
}

/* One line of valid UTF-8: control characters and bytes that are no UTF-8 (a name cut by "%.80s") become '?'; a character cut at the
 * end is dropped. */
static void clean(char *s)
{
	size_t n = strlen(s), at = 0;
	while ((at += loom_utf8_valid_prefix(s + at, n - at)) < n) {
		if (n - at < 4 && n + 1 == sizeof((struct loom_err *)0)->message)
			s[at] = '\0';
		else
			s[at] = '?';
		n = strlen(s);
	}
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
}

static enum loom_status fill(struct loom_err *err, enum loom_status status, const char *param, const char *fmt, va_list ap)
{
	if (!err)
		return status;
	char message[sizeof err->message];
	vsnprintf(message, sizeof message, fmt, ap);
	clean(message);
	memcpy(err->message, message, sizeof message);
	err->status = status;
	loom_str_copy(err->code, sizeof err->code, loom_status_code(status));
	loom_str_copy(err->param, sizeof err->param, param);
	return status;
}

enum loom_status loom_err_set(struct loom_err *err, enum loom_status status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fill(err, status, "", fmt, ap);
	va_end(ap);
	return status;
}

enum loom_status loom_err_param(struct loom_err *err, enum loom_status status, const char *param, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fill(err, status, param, fmt, ap);
	va_end(ap);
	return status;
}

enum loom_status loom_err_prefix(struct loom_err *err, const char *fmt, ...)
{
	if (!err)
		return LOOM_E_INTERNAL;
	char whole[2 * sizeof err->message];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(whole, sizeof err->message, fmt, ap);
	va_end(ap);
	size_t at = n < 0 ? 0 : (size_t)n < sizeof err->message ? (size_t)n : sizeof err->message - 1;
	snprintf(whole + at, sizeof whole - at, ": %s", err->message);
	loom_str_copy(err->message, sizeof err->message, whole);
	clean(err->message);
	return err->status;
}

enum loom_status loom_err_nomem(struct loom_err *err, const char *what, unsigned long long bytes)
{
	return loom_err_set(err, LOOM_E_MEMORY, "out of memory (%s, %llu bytes)", what, bytes);
}
