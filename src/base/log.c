/* log.c: one line a call on stderr. See log.h. */
#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static atomic_int least = LOOM_LOG_INFO;
static const char *const names[] = {"debug", "info", "warning", "error"};

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

void loom_log(enum loom_log_level level, const char *fmt, ...)
{
	char text[1500], line[1700];
	struct timespec now;
	struct tm tm;
	va_list ap;
	if ((int)level < atomic_load(&least))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (char *s = text; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?'; /* a client's text can't begin a line of its own */
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	int n = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s\n", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now.tv_nsec / 1000000), names[level], text);
	if (n > 0) {
		ssize_t ignored = write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
		(void)ignored; /* a log that can't be written stops nothing */
	}
}
