/* Every piece of a job is done once, however many there are and however often the threads are asked; by one worker at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "analyzer/crew.h"

#define PIECES 40

struct job { atomic_uint done[PIECES]; atomic_uint at_work[CREW_MOST]; atomic_bool wrong; };

static void piece(void *ctx, unsigned worker, size_t i)
{
	struct job *j = ctx;
	if (worker >= CREW_MOST || i >= PIECES || atomic_fetch_add(&j->at_work[worker], 1)) {
		atomic_store(&j->wrong, true);
		return;
	}
	if (worker)
		usleep(100); /* who asked is done before */
	atomic_fetch_add(&j->done[i], 1);
	atomic_fetch_sub(&j->at_work[worker], 1);
}

static void every_piece_once(void **state)
{
	struct crew *c = crew_new();
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct job j = { .wrong = false };
		size_t n = round * 7 % (PIECES + 1);
		crew_run(c, n, piece, &j);
		assert_false(j.wrong);
		for (size_t i = 0; i < PIECES; i++)
			assert_int_equal(j.done[i], i < n);
	}
	crew_free(c);
	crew_free(NULL);
	crew_free(crew_new()); /* that was never asked */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_piece_once) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
