/* What the store forgets, and when: each kind of row after the time that the config gives it, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/times.h"
#include "tests/unit/store_run.h"

#define NOW (20000LL * US_PER_DAY)

static void add_case(int id, const char *kind_of_end, int64_t closed_days_ago)
{
	char text[800];
	(void)snprintf(text, sizeof text,
	               "INSERT INTO acase (id, kind, principal_kind, principal_id, state, level, severity, score, peak_score, threshold, first_seen_us, opened_us, updated_us, closed_us, sentence)"
	               " VALUES (%d, 'stolen-account', 'account', 'ann%d', '%s', 'likely', 'high', 1, 1, 1, 1, 1, 1, nullif(%lld, 0), 'why');"
	               "INSERT INTO case_evidence (case_id, seq, at_us, detector, line) VALUES (%d, 0, 1, 'x', 'a line'), (%d, 1, 1, 'x', 'another');"
	               "INSERT INTO case_source (case_id, ip, first_us, last_us, messages) VALUES (%d, '192.0.2.1', 1, 1, 1)",
	               id, id, kind_of_end, closed_days_ago ? (long long)(NOW - closed_days_ago * US_PER_DAY) : 0, id, id, id);
	sql(text);
}

static void retain(int64_t now_us)
{
	struct err e = { "" };
	struct open o = open_store();
	assert_int_equal(store_retention(o.store, &conf, now_us, &e), 0);
	close_store(&o);
}

static void empty(void)
{
	fresh();
	struct open o = open_store();
	close_store(&o);
}

/* retention { lines }: the lines of logs, which name people, go before the case that they opened. */
static void lines_of_closed_cases_go_first(void **state)
{
	(void)state;
	empty();
	conf.keep_messages_days = conf.keep_recipients_days = 30;
	conf.keep_cases_days = 365;
	conf.keep_lines_days = 90;
	add_case(1, "closed", 100);
	add_case(2, "false-positive", 80);
	add_case(3, "open", 0);
	add_case(4, "closed", 400);
	retain(NOW);
	struct open o = open_store();
	assert_true(store_retained_us(o.store) == NOW);
	close_store(&o);
	assert_int_equal(number("SELECT count(*) FROM acase"), 3);
	assert_int_equal(number("SELECT count(*) FROM case_evidence WHERE case_id = 1"), 0);
	assert_int_equal(number("SELECT count(*) FROM case_evidence WHERE case_id = 2"), 2);
	assert_int_equal(number("SELECT count(*) FROM case_evidence WHERE case_id = 3"), 2);
	assert_int_equal(number("SELECT count(*) FROM case_source"), 3);
	conf.keep_lines_days = 1000; /* longer than the case itself */
	add_case(5, "closed", 400);
	retain(NOW);
	assert_int_equal(number("SELECT count(*) FROM case_evidence WHERE case_id = 5"), 0);
}

static void add_principal(const char *id, int64_t heard_days_ago, int case_id)
{
	char text[300];
	(void)snprintf(text, sizeof text, "INSERT INTO principal (kind, id, first_us, last_us, case_id, state) VALUES ('account', '%s', 1, %lld, nullif(%d, 0), x'')",
	               id, (long long)(NOW - heard_days_ago * US_PER_DAY), case_id);
	sql(text);
}

/* An account that was closed years ago is a name of somebody, too; one with an open case stays. */
static void who_is_heard_of_no_more_is_forgotten(void **state)
{
	struct err e = { "" };
	(void)state;
	empty();
	conf.keep_messages_days = conf.keep_recipients_days = conf.keep_lines_days = 30;
	conf.keep_cases_days = 365;
	add_case(7, "open", 0);
	add_principal("gone@isp.example", 366, 0);
	add_principal("here@isp.example", 364, 0);
	add_principal("ann7", 400, 7);
	struct open o = open_store();
	assert_int_equal(store_retention(o.store, &conf, NOW, &e), 0);
	assert_int_equal(number("SELECT count(*) FROM principal"), 2);
	assert_int_equal(number("SELECT count(*) FROM principal WHERE id = 'gone@isp.example'"), 0);
	assert_int_equal(store_retention(o.store, &conf, NOW + 2 * US_PER_DAY, &e), 0);
	assert_int_equal(number("SELECT count(*) FROM principal"), 1);
	close_store(&o);
}

static void add_target(const char *name, int64_t heard_days_ago, const char *state)
{
	char text[900];
	(void)snprintf(text, sizeof text,
	               "INSERT INTO listing_target (target, kind, first_us, heard_us, points, lists, main_lists) VALUES ('%s', 'host', 1, %lld, 0, 0, 0);"
	               "INSERT INTO listing (target, zone, state, verdict, entry, code, points, meaning, text, heard_us, since_us, listed_us, negative_us, negatives, named, named_us, named_from_us, fresh)"
	               " SELECT target, 'bl.example', '%s', 'clean', 'block', 0, 0, '', '', heard_us, 0, 0, 0, 0, 0, 0, 0, 0 FROM listing_target WHERE target = '%s'",
	               name, (long long)(heard_days_ago ? NOW - heard_days_ago * US_PER_DAY : 0), state, name);
	sql(text);
}

/* Addresses of customers of former years take the room of those of today. */
static void targets_that_nobody_looks_at_are_forgotten(void **state)
{
	(void)state;
	empty();
	conf.keep_messages_days = conf.keep_recipients_days = conf.keep_lines_days = 30;
	conf.keep_cases_days = 365;
	add_target("192.0.2.1", 366, "clear");
	add_target("192.0.2.2", 364, "clear");
	add_target("192.0.2.3", 366, "listed");
	add_target("192.0.2.4", 0, "listed"); /* never an answer: one of ours, of which the risk is reckoned */
	retain(NOW);
	assert_int_equal(number("SELECT count(*) FROM listing_target"), 3);
	assert_int_equal(number("SELECT count(*) FROM listing_target WHERE target = '192.0.2.1'"), 0);
	assert_int_equal(number("SELECT count(*) FROM listing"), 3);
}

static bool exists(const char *end)
{
	char name[160];
	(void)snprintf(name, sizeof name, "%s%s", path, end);
	return access(name, F_OK) == 0;
}

static void make(const char *end)
{
	char command[400];
	(void)snprintf(command, sizeof command, "mkdir -p %s.d && echo x >%s%s", path, path, end);
	assert_int_equal(system(command), 0);
}

/* What no commit knows is left by who was killed. But where there is no store at all, somebody moved it away and may want it back: the messages are not swept. */
static void messages_without_a_store_are_set_aside(void **state)
{
	(void)state;
	for (int i = 1; i <= 2; i++) {
		if (i == 1)
			fresh();
		(void)remove(path);
		make(".d/20000-00000001.seg");
		struct open o = open_store();
		close_store(&o);
		assert_true(exists(i == 1 ? ".d.before/20000-00000001.seg" : ".d.before-2/20000-00000001.seg"));
		assert_false(exists(".d/20000-00000001.seg"));
	}
	make(".d/20000-00000009.seg");
	struct open o = open_store();
	close_store(&o);
	assert_false(exists(".d/20000-00000009.seg"));
	assert_false(exists(".d.before-3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lines_of_closed_cases_go_first), cmocka_unit_test(who_is_heard_of_no_more_is_forgotten),
		cmocka_unit_test(targets_that_nobody_looks_at_are_forgotten),
		cmocka_unit_test(messages_without_a_store_are_set_aside) };
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
