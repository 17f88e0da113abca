/* jsonline.h: where in a JSON text a value is, for messages about files that people write by hand. */
#ifndef LOOM_JSONLINE_H
#define LOOM_JSONLINE_H

#include <stddef.h>

/* The line (from 1) of the value that path leads to ("blocks[0].steps[3]"; a member's line is that of its name) in a text that has been
 * parsed without error; when the path ends early, of the innermost value that is there. */
int loom_json_line(const char *text, size_t n, const char *path);

#endif
