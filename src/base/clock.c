/* clock.c: monotonic time. See clock.h. */
#include "clock.h"

#include <errno.h>
#include <time.h>

uint64_t loom_clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double loom_clock_ms(void)
{
	return (double)loom_clock_ns() / 1e6;
}

void loom_sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	while (nanosleep(&t, &t) != 0 && errno == EINTR) {
	}
}
