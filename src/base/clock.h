/* clock.h: monotonic time. */
#ifndef LOOM_CLOCK_H
#define LOOM_CLOCK_H

#include <stdint.h>

uint64_t loom_clock_ns(void);      /* monotonic */
double loom_clock_ms(void);        /* monotonic, milliseconds */
void loom_sleep_ms(unsigned ms);

#endif
