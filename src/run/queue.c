/* queue.c: the waiting line before a runner. See queue.h. */
#include "queue.h"

void loom_queue_push(struct loom_queue *q, struct loom_seq *s)
{
	size_t at = (size_t)(s->client * 0x9e3779b97f4a7c15u >> 32) % LOOM_QUEUE_CLIENTS;
	double start = q->clock;
	struct loom_seq **link = &q->head;
	/* A slot whose end lies behind the clock says nothing any more, whoever left it. */
	if (q->end[at] > start)
		start = q->end[at];
	q->end[at] = start + s->n_limit;
	s->start_tag = start;
	if (q->tail && q->tail->start_tag <= start)
		link = &q->tail->next;
	while (*link && (*link)->start_tag <= start)
		link = &(*link)->next;
	s->next = *link;
	*link = s;
	if (!s->next)
		q->tail = s;
	q->n++;
}

static void retail(struct loom_queue *q)
{
	q->tail = q->head;
	while (q->tail && q->tail->next)
		q->tail = q->tail->next;
}

struct loom_seq *loom_queue_pop(struct loom_queue *q)
{
	struct loom_seq *s = q->head;
	if (!s)
		return NULL;
	q->head = s->next;
	if (!q->head)
		q->tail = NULL;
	q->n--;
	q->clock = s->start_tag;
	s->next = NULL;
	return s;
}

struct loom_seq *loom_queue_cancelled(struct loom_queue *q)
{
	for (struct loom_seq **link = &q->head; *link; link = &(*link)->next) {
		struct loom_seq *s = *link;
		if (!atomic_load_explicit(&s->cancelled, memory_order_relaxed))
			continue;
		*link = s->next;
		s->next = NULL;
		q->n--;
		retail(q);
		return s;
	}
	return NULL;
}
