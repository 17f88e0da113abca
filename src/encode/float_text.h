/* float_text.h: floats as decimal text. */
#ifndef LOOM_FLOAT_TEXT_H
#define LOOM_FLOAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The shortest decimal that reads back as v (finite), and of those the nearest to v, as Python writes floats: "0.1", "1e-07", "-2.0". Returns its
 * length, at most 24. */
size_t loom_float_text(float v, char out[32]);

#endif
