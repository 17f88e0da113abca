/* log.c: one line a call on stderr or in a file. See log.h.
 *
 * A line is made whole in memory and written with one write, so that lines of many threads never mix. A log that can't be written
 * stops nothing. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "str.h"

#define LINE_BYTES 8192
#define TEXT_BYTES 1024 /* of one text; all of them escaped still fit a line */

static atomic_int least = LOOM_LOG_INFO;
static atomic_int out_fd = STDERR_FILENO;
static atomic_bool as_json;
static const char *const names[] = {"debug", "info", "warning", "error"};

struct line {
	char text[LINE_BYTES];
	size_t n;
	bool cut;
};

void loom_log_set_level(enum loom_log_level level)
{
	atomic_store(&least, (int)level);
}

int loom_log_parse_level(const char *name)
{
	for (int i = 0; i < 4; i++) {
		if (strcasecmp(name, names[i]) == 0)
			return i;
	}
	return -1;
}

enum loom_status loom_log_open(const char *path, struct loom_err *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		return loom_err_set(err, LOOM_E_IO, "log file %.400s: %s", path, strerror(errno));
	int old = atomic_exchange(&out_fd, fd);
	if (old != STDERR_FILENO)
		close(old);
	return LOOM_OK;
}

void loom_log_set_json(bool json)
{
	atomic_store(&as_json, json);
}

/* ---- a line ---- */

static void put(struct line *l, const char *s, size_t n)
{
	size_t room = sizeof l->text - 8 - l->n; /* what closes the line always fits */
	l->cut = l->cut || n > room;
	n = n < room ? n : room;
	memcpy(l->text + l->n, s, n);
	l->n += n;
}

static void puts_(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* Control characters, quotes and what is no UTF-8 as escapes. */
static void put_escaped(struct line *l, const char *s)
{
	char esc[8];
	size_t n = strlen(s);
	n = n < TEXT_BYTES ? n : TEXT_BYTES;
	for (size_t i = 0, k; i < n; i += k) {
		uint32_t cp;
		unsigned char c = (unsigned char)s[i];
		k = loom_utf8_decode(s + i, n - i, &cp);
		if (k == 0 || c < 0x20 || c == 0x7f || (k == 2 && cp < 0xa0)) {
			int len = snprintf(esc, sizeof esc, "\\u%04x", k == 2 ? (unsigned)cp : c);
			put(l, esc, (size_t)len);
			k = k ? k : 1;
		} else if (c == '"' || c == '\\') {
			esc[0] = '\\';
			esc[1] = (char)c;
			put(l, esc, 2);
		} else {
			put(l, s + i, k);
		}
	}
}

static void put_quoted(struct line *l, const char *s)
{
	puts_(l, "\"");
	put_escaped(l, s);
	puts_(l, "\"");
}

static bool plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return true;
}

static void begin(struct line *l, enum loom_log_level level, bool json)
{
	struct timespec now;
	struct tm tm;
	char stamp[40];
	l->n = 0;
	l->cut = false;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	int n = snprintf(stamp, sizeof stamp, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec, (int)(now.tv_nsec / 1000000));
	puts_(l, json ? "{\"time\":\"" : "");
	put(l, stamp, (size_t)n);
	puts_(l, json ? "\",\"level\":\"" : " ");
	puts_(l, names[level]);
	puts_(l, json ? "\",\"message\":" : " ");
}

static void end(struct line *l, bool json)
{
	if (json)
		l->text[l->n++] = '}';
	l->text[l->n++] = '\n';
	ssize_t ignored = write(atomic_load(&out_fd), l->text, l->n);
	(void)ignored;
}

static bool wanted(enum loom_log_level level)
{
	return (int)level >= atomic_load(&least);
}

void loom_log(enum loom_log_level level, const char *fmt, ...)
{
	char text[1500];
	struct line l;
	bool json = atomic_load(&as_json);
	va_list ap;
	if (!wanted(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	begin(&l, level, json);
	if (json) {
		put_quoted(&l, text);
	} else {
		for (char *s = text; *s; s++) {
			if ((unsigned char)*s < 0x20 || *s == 0x7f)
				*s = '?'; /* a client's text can't begin a line of its own */
		}
		puts_(&l, text);
	}
	end(&l, json);
}

static void put_field(struct line *l, const struct loom_log_field *f, bool json)
{
	char number[64];
	puts_(l, json ? ",\"" : " ");
	puts_(l, f->key);
	puts_(l, json ? "\":" : "=");
	if (f->kind == LOOM_LOG_INTEGER) {
		snprintf(number, sizeof number, "%lld", (long long)f->integer);
		puts_(l, number);
	} else if (f->kind == LOOM_LOG_NUMBER) {
		snprintf(number, sizeof number, "%.1f", f->number);
		puts_(l, number);
	} else if (!json && plain(f->text)) {
		put_escaped(l, f->text);
	} else {
		put_quoted(l, f->text);
	}
}

void loom_log_fields(enum loom_log_level level, const char *event, const struct loom_log_field *fields, size_t n)
{
	struct line l;
	bool json = atomic_load(&as_json);
	if (!wanted(level))
		return;
	begin(&l, level, json);
	if (json)
		put_quoted(&l, event);
	else
		puts_(&l, event);
	for (size_t i = 0; i < n; i++) {
		size_t before = l.n;
		if (fields[i].kind != LOOM_LOG_TEXT || fields[i].text)
			put_field(&l, &fields[i], json);
		if (l.cut) /* a member is whole or not there */
			l.n = before;
	}
	end(&l, json);
}
