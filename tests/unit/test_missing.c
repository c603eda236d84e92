/* Lines of the fixtures with a piece missing, wherever and how long it is: no field is longer than the line. Where two marks of a form overlap, as in
 * "user ' (password" of "user 'ann' (password", the text between them would have less than no bytes. */
#include <stdlib.h>

#include "tests/unit/fixture_lines.h"

#define PIECE_MOST 40u
#define LINE_MOST 600u

static size_t read_lines;

static void bounded(const struct logline *l, const char *name, struct sv v)
{
	if (v.n > l->raw.n + 320) /* a name may be put together out of two */
		fail_msg("%s has %zu bytes in: %.*s", name, v.n, SVARG(l->raw));
}

static void all_bounded(const struct logline *l, const struct record *r)
{
	bounded(l, "session", r->session);
#define R_SV(n) bounded(l, #n, r->n);
#define R_IP(n) R_SV(n)
#define R_DEC(n) R_SV(n)
#define R_INT(n)
#define R(name, type) R_##type(name)
#include "lib/record_fields.def"
#undef R
#undef R_SV
#undef R_IP
#undef R_DEC
#undef R_INT
}

static void check(const struct mta *m, int number, const struct logline *l)
{
	struct record r;
	record_clear(&r);
	r.program = l->program;
	r.pid = l->pid;
	if (m->parse(number, l, &r) != MTA_RECORD)
		return;
	do
		all_bounded(l, &r);
	while (m->next && m->next(number, l, &r));
	read_lines++;
}

static void without_piece(struct sv line)
{
	struct buf b = { 0 };
	for (size_t at = 15; at < line.n && at < LINE_MOST; at++)
		for (size_t n = 1; n <= PIECE_MOST && at + n <= line.n; n++) {
			buf_clear(&b);
			buf_addsv(&b, sv_take(line, at));
			buf_addsv(&b, sv_skip(line, at + n));
			line_of_any(check, buf_sv(&b));
		}
	buf_fini(&b);
}

static void fields_stay_in_their_line(void **state)
{
	(void)state;
	each_line(without_piece);
	assert_true(read_lines > 10000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fields_stay_in_their_line) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
