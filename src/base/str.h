/* str.h: UTF-8 and small string helpers. */
#ifndef LOOM_STR_H
#define LOOM_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one code point at s (n > 0 bytes left). Returns bytes used (1..4) and sets *cp; 0 when the
 * bytes are not valid UTF-8 (overlong, surrogate, > U+10FFFF, cut). */
size_t loom_utf8_decode(const char *s, size_t n, uint32_t *cp);
/* Writes 1..4 bytes to out; returns how many. cp must be a scalar value. */
size_t loom_utf8_encode(uint32_t cp, char out[4]);
bool loom_utf8_valid(const char *s, size_t n);
/* Offset of the first invalid byte, or n. */
size_t loom_utf8_valid_prefix(const char *s, size_t n);
/* Code points in valid UTF-8. */
size_t loom_utf8_count(const char *s, size_t n);

bool loom_str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool loom_str_starts(const char *s, const char *prefix);
bool loom_str_ends(const char *s, const char *suffix);
/* The nearest of `words` (NULL-terminated list) by edit distance, or NULL when none is close. */
const char *loom_str_nearest(const char *s, const char *const *words);
/* Copies at most cap-1 bytes, always NUL-terminated, cut at a character. Returns bytes written. */
size_t loom_str_copy(char *dst, size_t cap, const char *src);

#endif
