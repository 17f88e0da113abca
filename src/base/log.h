/* log.h: the server's log on stderr or in a file, as text or as one JSON object a line. Only server/, engine/ and cli/ log. One line a
 * call; control characters are escaped, so that clients can't forge a line. No prompt text, no secrets. */
#ifndef LOOM_LOG_H
#define LOOM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum loom_log_level { LOOM_LOG_DEBUG, LOOM_LOG_INFO, LOOM_LOG_WARNING, LOOM_LOG_ERROR };

void loom_log_set_level(enum loom_log_level level);
/* "debug", "info", "warning", "error" (any case) → level; -1 otherwise. */
int loom_log_parse_level(const char *name);
/* Appends to path from now on (made with mode 0640). On failure the log stays where it was. */
enum loom_status loom_log_open(const char *path, struct loom_err *err) LOOM_MUST_CHECK;
/* true: {"time", "level", "message", …} a line. */
void loom_log_set_json(bool json);
void loom_log(enum loom_log_level level, const char *fmt, ...) LOOM_PRINTF(2, 3);

enum loom_log_kind { LOOM_LOG_TEXT, LOOM_LOG_INTEGER, LOOM_LOG_NUMBER };
struct loom_log_field {
	const char *key;
	enum loom_log_kind kind;
	const char *text;    /* TEXT; NULL leaves the field out */
	int64_t integer;
	double number;       /* printed with one decimal */
};
/* "event key=value …", or a member a field. Texts with spaces are quoted. */
void loom_log_fields(enum loom_log_level level, const char *event, const struct loom_log_field *fields, size_t n);

#endif
