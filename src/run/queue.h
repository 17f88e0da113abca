/* queue.h: sequences that wait for their start, fair between clients.
 *
 * Start-time fair queueing (Goyal, Vin, Cheng, 1996): a sequence's start tag is the larger of the queue's clock and the end tag of its
 * client's sequence before it; its end tag lies its cost (the positions it may have) behind that. The smallest start tag is next, equal
 * ones in order of arrival, and the clock is the tag of the last one taken. So a client alone is served first come, first served, and one with
 * a single request does not stand behind the hundredth of another. No lock: the caller's. */
#ifndef LOOM_QUEUE_H
#define LOOM_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "seq.h"

#define LOOM_QUEUE_CLIENTS 256 /* clients told apart at once; those that collide share a turn */

struct loom_queue {
	struct loom_seq *head, *tail; /* by start tag */
	size_t n;
	double clock;
	double end[LOOM_QUEUE_CLIENTS]; /* end tags, by hash of the client */
};

/* s->client says whose it is. */
void loom_queue_push(struct loom_queue *q, struct loom_seq *s);
/* The next one, which is taken out; NULL when none waits. q->head looks without taking. */
struct loom_seq *loom_queue_pop(struct loom_queue *q);
/* Takes out one whose cancelled flag is set; NULL when there is none. */
struct loom_seq *loom_queue_cancelled(struct loom_queue *q);

#endif
