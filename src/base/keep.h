/* keep.h: pages for what a request captures and answers, megabytes that come and go with it.
 *
 * Freed ones are kept for a moment and given to the next request: the first touch of fresh pages costs more than the copying into them, most
 * of all in a virtual machine whose host takes free pages back at once. Nobody's memory grows by that for long: at most LOOM_KEEP_BYTES bytes
 * are kept, the oldest go first, the engine gives back what lay idle for seconds, and all of it when memory is short. */
#ifndef LOOM_KEEP_H
#define LOOM_KEEP_H

#include <stddef.h>

#define LOOM_KEEP_BYTES ((size_t)256 << 20)

/* n bytes, aligned to a page, their content undefined; NULL: no memory. Free with the same n. */
void *loom_keep_alloc(size_t n);
void loom_keep_free(void *p, size_t n);
/* Bytes kept now. */
size_t loom_keep_bytes(void);
/* Gives back what has been kept for longer than that; 0: everything. */
void loom_keep_sweep(unsigned older_than_ms);

#endif
