/* grapheme.h: grapheme clusters (UAX #29) as far as the charsmap of SentencePiece needs them: classes come
 * from the library's Unicode version and are exact for clusters of less than six bytes, which is where it looks. */
#ifndef LOOM_GRAPHEME_H
#define LOOM_GRAPHEME_H

#include <stddef.h>

/* Bytes of the first cluster of s, n > 0 bytes of valid UTF-8. */
size_t loom_grapheme(const char *s, size_t n);

#endif
