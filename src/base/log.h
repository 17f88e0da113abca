/* log.h: the server's log on stderr (or a file). Only server/, engine/ and cli/ log. One line a call;
 * control characters are escaped, so that clients can't forge a line. No prompt text, no secrets. */
#ifndef LOOM_LOG_H
#define LOOM_LOG_H

#include "err.h"

enum loom_log_level { LOOM_LOG_DEBUG, LOOM_LOG_INFO, LOOM_LOG_WARNING, LOOM_LOG_ERROR };

void loom_log_set_level(enum loom_log_level level);
/* "debug", "info", "warning", "error" (any case) → level; -1 otherwise. */
int loom_log_parse_level(const char *name);
void loom_log(enum loom_log_level level, const char *fmt, ...) LOOM_PRINTF(2, 3);

#endif
