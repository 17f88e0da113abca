/* test_queue.c: the waiting line: first come, first served for one client, and a fair share for each of many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue.h"

static struct loom_seq seqs[300];
static struct loom_queue queue;

static void push(int i, uint64_t client, int32_t cost)
{
	memset(&seqs[i], 0, sizeof seqs[i]);
	seqs[i].client = client;
	seqs[i].n_limit = cost;
	loom_queue_push(&queue, &seqs[i]);
}

static int pop(void)
{
	struct loom_seq *s = loom_queue_pop(&queue);
	return s ? (int)(s - seqs) : -1;
}

static void test_one_client_is_served_in_order(void **state)
{
	(void)state;
	memset(&queue, 0, sizeof queue);
	for (int i = 0; i < 200; i++)
		push(i, 7, 1 + (i * 37) % 100);
	for (int i = 0; i < 200; i++) {
		if (i == 100)
			push(250, 7, 5);
		assert_int_equal(pop(), i);
	}
	assert_int_equal(pop(), 250);
	assert_int_equal(pop(), -1);
	assert_int_equal(queue.n, 0);
	assert_null(queue.tail);
}

/* One request of another client overtakes a flood; two floods take turns by what they cost. */
static void test_clients_share(void **state)
{
	int n = 0, of_a = 0, of_b = 0;
	(void)state;
	memset(&queue, 0, sizeof queue);
	for (int i = 0; i < 100; i++)
		push(i, 1, 100);
	assert_int_equal(pop(), 0);
	push(200, 2, 100);
	assert_int_equal(pop(), 200);
	for (int i = 100; i < 200; i++)
		push(i, 3, 50);
	for (; n < 90; n++) {
		int i = pop();
		of_a += i < 100;
		of_b += i >= 100;
	}
	assert_in_range(of_a, 28, 32);
	assert_in_range(of_b, 58, 62);
	while (pop() >= 0)
		;
}

static void test_who_left_is_taken_out(void **state)
{
	(void)state;
	memset(&queue, 0, sizeof queue);
	for (int i = 0; i < 5; i++)
		push(i, (uint64_t)i, 10);
	atomic_store(&seqs[4].cancelled, true);
	atomic_store(&seqs[1].cancelled, true);
	assert_ptr_equal(loom_queue_cancelled(&queue), &seqs[1]);
	assert_ptr_equal(loom_queue_cancelled(&queue), &seqs[4]);
	assert_null(loom_queue_cancelled(&queue));
	assert_ptr_equal(queue.tail, &seqs[3]);
	push(5, 9, 10);
	assert_int_equal(queue.n, 4);
	assert_int_equal(pop(), 0);
	assert_int_equal(pop(), 2);
	assert_int_equal(pop(), 3);
	assert_int_equal(pop(), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_client_is_served_in_order),
		cmocka_unit_test(test_clients_share),
		cmocka_unit_test(test_who_left_is_taken_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
