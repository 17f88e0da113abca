/* iq_tables.h: the grids of ggml's IQ1, IQ2 and IQ3 block types (iq_tables.c, made by tools/make-iq-tables.py). */
#ifndef LOOM_IQ_TABLES_H
#define LOOM_IQ_TABLES_H

#include <stdint.h>

extern const uint16_t loom_grid_iq2_xxs[256], loom_grid_iq2_xs[512], loom_grid_iq2_s[1024], loom_grid_iq3_xxs[256], loom_grid_iq3_s[512],
	loom_grid_iq1[2048];

#endif
