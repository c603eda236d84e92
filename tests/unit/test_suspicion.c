/* What a case shows: sources, recipients' domains and lines are bounded, and what says most stays; the folder is where most came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "analyzer/suspicion.h"

static struct sv text(const char *before, unsigned n, const char *behind)
{
	static char room[64];
	(void)snprintf(room, sizeof room, "%s%u%s", before, n, behind);
	return sv_cstr(room);
}

static const struct suspicion_domain *domain(const struct suspicion *s, const char *name)
{
	for (size_t i = 0; i < s->n_domains; i++)
		if (strcmp(s->domain[i].domain, name) == 0)
			return &s->domain[i];
	return NULL;
}

static const struct suspicion_source *source(const struct suspicion *s, const char *ip)
{
	for (size_t i = 0; i < s->n_sources; i++)
		if (strcmp(s->source[i].ip, ip) == 0)
			return &s->source[i];
	return NULL;
}

static void domains(void **state)
{
	struct suspicion *s = suspicion_new(1);
	(void)state;
	suspicion_add_domain(s, SV(""), true);
	assert_int_equal(s->n_domains, 0);
	for (unsigned i = 0; i < 3; i++)
		suspicion_add_domain(s, SV("victim-a.example"), i == 0);
	suspicion_add_domain(s, SV("victim-b.example"), false); /* eight letters alike, and as long */
	suspicion_add_domain(s, SV("victim-a.exam"), true);     /* the beginning of one */
	assert_int_equal(s->n_domains, 3);
	assert_int_equal(domain(s, "victim-a.example")->recipients, 3);
	assert_int_equal(domain(s, "victim-a.example")->refused, 1);
	assert_int_equal(domain(s, "victim-b.example")->refused, 0);
	suspicion_free(s);
}

/* The least one makes room, and who comes takes over its count: so what is shown is at least what there was. */
static void many_domains(void **state)
{
	struct suspicion *s = suspicion_new(1);
	(void)state;
	for (unsigned i = 0; i < SUSPICION_DOMAINS; i++)
		for (unsigned k = 0; k < (i == 5 ? 2 : 3); k++)
			suspicion_add_domain(s, text("d", i, ".example"), true);
	suspicion_add_domain(s, SV("late.example"), false);
	assert_int_equal(s->n_domains, SUSPICION_DOMAINS);
	assert_null(domain(s, "d5.example"));
	assert_int_equal(domain(s, "d4.example")->recipients, 3);
	assert_int_equal(domain(s, "late.example")->recipients, 3);
	assert_int_equal(domain(s, "late.example")->refused, 0);
	suspicion_free(s);
}

static void sources(void **state)
{
	struct suspicion *s = suspicion_new(1);
	(void)state;
	suspicion_add_source(s, "192.0.2.1", SV("a"), "XA", 64501, false, 10); /* a log-in */
	suspicion_add_source(s, "192.0.2.1", SV("b"), "XB", 64502, true, 20);
	assert_int_equal(s->n_sources, 1);
	assert_int_equal(source(s, "192.0.2.1")->messages, 1);
	assert_true(source(s, "192.0.2.1")->first_us == 10 && source(s, "192.0.2.1")->last_us == 20);
	assert_string_equal(source(s, "192.0.2.1")->country, "XA");
	for (unsigned i = 1; i < SUSPICION_SOURCES; i++)
		suspicion_add_source(s, text("198.51.100.", i, "").p, SV(""), "", 0, true, 100 - i);
	suspicion_add_source(s, "198.51.100.23", SV(""), "", 0, true, 200); /* the one that was silent longest, and wrote most */
	suspicion_add_source(s, "203.0.113.1", SV("new"), "XC", 64503, true, 300);
	assert_int_equal(s->n_sources, SUSPICION_SOURCES);
	assert_null(source(s, "192.0.2.1")); /* of those with one message the one that was silent longest */
	assert_non_null(source(s, "198.51.100.22"));
	assert_non_null(source(s, "198.51.100.23"));
	suspicion_add_source(s, "203.0.113.2", SV(""), "", 0, false, 400);
	assert_null(source(s, "198.51.100.22"));
	suspicion_add_source(s, "203.0.113.3", SV(""), "", 0, true, 500); /* a log-in without a message shows least */
	assert_null(source(s, "203.0.113.2"));
	suspicion_free(s);
}

static void lines(void **state)
{
	struct suspicion *s = suspicion_new(1);
	(void)state;
	suspicion_add_line(s, 1, 2, SV(""));
	assert_int_equal(s->lines_added, 0);
	for (unsigned i = 0; i < 40; i++)
		suspicion_add_line(s, i, i % 3, text("line ", i, ""));
	for (uint32_t i = 0; i < 40; i++) {
		int at = suspicion_slot(s, i);
		assert_int_equal(at >= 0, i < SUSPICION_FIRST || i >= 40 - (SUSPICION_LINES - SUSPICION_FIRST));
		if (at >= 0)
			assert_string_equal(s->line[at].text, text("line ", i, "").p);
	}
	assert_int_equal(suspicion_slot(s, 40), -1);
	suspicion_free(s);
}

static void folder(void **state)
{
	struct suspicion *s = suspicion_new(1);
	(void)state;
	suspicion_add_folder(s, SV("/home/a"));
	suspicion_add_folder(s, SV("/home/a"));
	suspicion_add_folder(s, SV("/home/b"));
	assert_string_equal(s->folder, "/home/a");
	suspicion_add_folder(s, SV("/home/b"));
	suspicion_add_folder(s, SV("/home/b"));
	assert_string_equal(s->folder, "/home/b");
	suspicion_free(s);
}

static struct suspicion *all_of(void)
{
	struct suspicion *s = suspicion_new(7);
	s->messages = 11;
	s->recipients = 13;
	for (unsigned i = 0; i < 10; i++)
		suspicion_add_line(s, 100 + i, i, text("line ", i, ""));
	suspicion_add_source(s, "2001:db8::1", SV("name.example"), "XA", 64501, true, 17);
	suspicion_add_source(s, "2001:db8::1", SV("name.example"), "XA", 64501, true, 19);
	suspicion_add_domain(s, SV("victim.example"), true);
	suspicion_add_domain(s, SV("victim.example"), false);
	suspicion_add_folder(s, SV("/home/a"));
	suspicion_add_folder(s, SV("/home/a"));
	return s;
}

static void copied(void **state)
{
	struct suspicion *s = all_of(), *c = suspicion_copy(s);
	struct buf a = { 0 }, b = { 0 };
	(void)state;
	suspicion_encode(s, &a);
	suspicion_encode(c, &b);
	assert_true(sv_eq(buf_sv(&a), buf_sv(&b)));
	assert_true(c->since_us == 7 && c->messages == 11 && c->recipients == 13 && c->lines_added == 10);
	assert_true(c->line[9].at_us == 109 && c->line[9].detector == 9);
	const struct suspicion_source *x = source(c, "2001:db8::1");
	assert_true(x && x->messages == 2 && x->asn == 64501 && x->first_us == 17 && x->last_us == 19);
	assert_string_equal(x->name, "name.example");
	assert_string_equal(x->country, "XA");
	suspicion_add_domain(c, SV("victim.example"), true); /* found again */
	assert_true(c->n_domains == 1 && domain(c, "victim.example")->recipients == 3 && domain(c, "victim.example")->refused == 2);
	suspicion_add_folder(c, SV("/home/b"));
	assert_string_equal(c->folder, "/home/a");
	for (size_t n = 0; n < a.n; n++) /* cut anywhere */
		assert_null(suspicion_decode(sv_take(buf_sv(&a), n)));
	buf_fini(&a);
	buf_fini(&b);
	suspicion_free(s);
	suspicion_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(domains), cmocka_unit_test(many_domains), cmocka_unit_test(sources), cmocka_unit_test(lines), cmocka_unit_test(folder), cmocka_unit_test(copied) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
