/* Pieces of bytes kept in order (collector/cold.c), and their index, against plain models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/cold.h"
#include "lib/buf.h"

static uint32_t rnd_state;
static uint32_t rnd(uint32_t n)
{
	rnd_state = rnd_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)rnd_state * n >> 32);
}

/* Pieces by their numbers; order: when they came. */
#define PIECES 4000u
struct model { uint32_t at[PIECES], seed[PIECES]; size_t n[PIECES]; uint64_t order[PIECES], next; unsigned moved; };

static void on_moved(void *ctx, uint32_t number, uint32_t at)
{
	struct model *m = ctx;
	assert_true(number < PIECES && m->at[number] != COLD_NONE);
	m->at[number] = at;
	m->moved++;
}

static char *bytes_of(uint32_t seed, size_t n)
{
	char *p = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(seed = seed * 1103515245u + 12345u, seed >> 16);
	return p;
}

static size_t some_size(unsigned kind)
{
	static const uint32_t most[] = { 40, 400, 5000, 9000, 70000, 300000 };
	return rnd(200) ? rnd(most[kind % 3]) : rnd(most[kind % 6]);
}

static void add(struct cold *c, struct model *m, uint32_t number, size_t n)
{
	m->seed[number] = rnd(UINT32_MAX);
	m->n[number] = n;
	char *p = bytes_of(m->seed[number], n);
	m->at[number] = cold_add(c, number, sv_make(p, n));
	assert_true(m->at[number] < COLD_PLACES);
	m->order[number] = ++m->next;
	free(p);
}

static void same_as(const struct cold *c, const struct model *m)
{
	uint64_t last = 0;
	uint32_t n = 0, walked = 0, number;
	size_t bytes = 0;
	for (uint32_t i = 0; i < PIECES; i++) {
		if (m->at[i] == COLD_NONE)
			continue;
		struct sv s = cold_get(c, m->at[i], &number);
		char *p = bytes_of(m->seed[i], m->n[i]);
		assert_int_equal(number, i);
		assert_int_equal(s.n, m->n[i]);
		assert_memory_equal(s.p, p, s.n);
		bytes += cold_takes(s.n);
		n++;
		free(p);
	}
	for (uint32_t at = cold_first(c); at != COLD_NONE; at = cold_next(c, at), walked++) {
		(void)cold_get(c, at, &number);
		assert_int_equal(m->at[number], at);
		assert_true(m->order[number] > last);
		last = m->order[number];
	}
	assert_int_equal(walked, n);
	assert_int_equal(c->n, n);
	assert_int_equal(c->bytes, bytes);
	assert_true(c->dead <= c->bytes / COLD_DEAD_SHARE + 65536);
}

/* Pieces of all sizes come and go, at random or the oldest first. */
static void pieces_stay_what_they_are(void **state)
{
	struct model *m = xcalloc(1, sizeof *m);
	(void)state;
	for (unsigned kind = 0; kind < 12; kind++) {
		struct cold c;
		cold_init(&c, on_moved, m);
		memset(m->at, 0xff, sizeof m->at);
		m->moved = 0;
		rnd_state = kind;
		for (unsigned step = 0; step < 20000; step++) {
			uint32_t number = kind % 2 ? rnd(PIECES) : step % PIECES;
			if (m->at[number] == COLD_NONE) {
				add(&c, m, number, some_size(kind));
			} else {
				cold_remove(&c, m->at[number]);
				m->at[number] = COLD_NONE;
			}
			if (step % 4000 == 3999)
				same_as(&c, m);
		}
		assert_true(m->moved || kind % 2 == 0);
		for (uint32_t i = 0; i < PIECES; i++)
			if (m->at[i] != COLD_NONE) {
				cold_remove(&c, m->at[i]);
				m->at[i] = COLD_NONE;
			}
		assert_int_equal(c.n + c.bytes + c.dead, 0);
		assert_int_equal(cold_first(&c), COLD_NONE);
		for (uint32_t i = 0; i < c.n_block; i++)
			assert_null(c.block[i]);
		cold_fini(&c);
	}
	free(m);
}

static void what_is_too_long_is_refused(void **state)
{
	struct cold c;
	(void)state;
	cold_init(&c, NULL, NULL);
	assert_int_equal(cold_add(&c, 1, sv_make("", (size_t)COLD_PIECE_MAX + 1)), COLD_NONE);
	assert_int_equal(c.n + c.bytes, 0);
	cold_fini(&c);
}

static bool finds(const struct cold_index *x, uint32_t hash, uint32_t number)
{
	uint32_t at = 0, found, n = 0, times = 0;
	while ((found = cold_index_find(x, hash, &at)) != COLD_NONE) {
		times += found == number;
		assert_true(++n <= x->size);
	}
	assert_true(times <= 1);
	return times;
}

/* Hashes of all kinds: far apart, all in one place, at the end so that it goes on at the beginning. */
static uint32_t some_hash(unsigned kind)
{
	return kind == 0 ? rnd(UINT32_MAX) : kind == 1 ? rnd(50) << 20 | rnd(3) : kind == 2 ? UINT32_MAX - rnd(1000) : 0x80000000u;
}

static void the_index_finds_what_is_in_it(void **state)
{
	uint32_t hash[3000];
	bool in[3000];
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		struct cold_index x = { 0 };
		uint32_t n = 0, n_numbers = kind == 3 ? 500 : 3000;
		rnd_state = kind;
		memset(in, 0, sizeof in);
		cold_index_make(&x, 0);
		for (unsigned step = 0; step < 30000; step++) {
			uint32_t i = rnd(n_numbers);
			if (in[i]) {
				cold_index_remove(&x, hash[i], i);
			} else {
				hash[i] = some_hash(kind);
				if (cold_index_full(&x, 1)) {
					cold_index_make(&x, n + 1);
					for (uint32_t j = 0; j < n_numbers; j++)
						if (in[j])
							cold_index_put(&x, hash[j], j);
				}
				cold_index_put(&x, hash[i], i);
			}
			in[i] = !in[i];
			n += in[i] ? 1 : UINT32_MAX;
			assert_int_equal(x.n, n);
			for (uint32_t j = step % 2000 ? i : 0; j < (step % 2000 ? i + 1 : n_numbers); j++)
				if (in[j] || j == i)
					assert_int_equal(finds(&x, hash[j], j), in[j]);
		}
		for (uint32_t i = 0; i < x.size; i++)
			x.gone -= x.tag[i] == 1;
		assert_int_equal(x.gone, 0);
		cold_index_fini(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pieces_stay_what_they_are), cmocka_unit_test(what_is_too_long_is_refused), cmocka_unit_test(the_index_finds_what_is_in_it) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
