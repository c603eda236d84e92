#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "analyzer/literal.h"
#include "analyzer/reply.h"

static const struct { const char *reply, *dsn; uint8_t class; } texts[] = {
	{ "host mx.a.example[192.0.2.1] said: 550 5.1.1 <x@a.example>: Recipient address rejected: User unknown in virtual mailbox table (in reply to RCPT TO command)", "5.1.1", REPLY_UNKNOWN_USER },
	{ "host mx.a.example[192.0.2.1] said: 554 5.7.1 Service unavailable; Client host [198.51.100.25] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/198.51.100.25 (in reply to RCPT TO command)", "5.7.1", REPLY_IP_LISTED },
	{ "host mx.a.example[192.0.2.1] said: 450 4.2.0 <x@a.example>: Recipient address rejected: Greylisted, see http://postgrey.example/help (in reply to RCPT TO command)", "4.2.0", REPLY_GREYLIST },
	{ "host mx.a.example[192.0.2.1] said: 552 5.2.2 The email account that you tried to reach is over quota (in reply to RCPT TO command)", "5.2.2", REPLY_MAILBOX_FULL },
	{ "host mx.a.example[192.0.2.1] said: 550 5.7.1 Message rejected as spam by Content Filtering. (in reply to end of DATA command)", "5.7.1", REPLY_SPAM_CONTENT },
	{ "host mx.a.example[192.0.2.1] said: 550 5.7.23 The message was rejected because of Sender Policy Framework violation (in reply to MAIL FROM command)", "5.7.23", REPLY_AUTH_FAILURE },
	{ "connect to mx.a.example[192.0.2.1]:25: Connection timed out", "4.4.1", REPLY_OTHER },
	{ "host mx.a.example[192.0.2.1] said: 421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address. (in reply to end of DATA command)", "4.7.28", REPLY_RATE_LIMITED },
	/* a reject of the sender is not about a recipient, whatever its words */
	{ "host mx.a.example[192.0.2.1] said: 550 unknown user (in reply to MAIL FROM command)", "5.0.0", REPLY_POLICY_BLOCK },
	/* no text at all: the status code decides */
	{ "", "5.1.1", REPLY_UNKNOWN_USER },
};

static void all_patterns_compile(void **state)
{
	struct err e;
	struct reply_table *t = reply_table_new(&e);
	(void)state;
	assert_non_null(t);
	if (reply_table_compile(t, &e) < 0)
		fail_msg("%s", e.text);
	reply_table_free(t);
}

static void known_texts_get_their_class(void **state)
{
	struct reply_table *t = *state;
	for (int again = 0; again < 2; again++) /* the second round comes from the cache */
		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
			struct reply_verdict v = reply_classify(t, sv_cstr(texts[i].reply), sv_cstr(texts[i].dsn));
			if (v.class != texts[i].class)
				print_error("%s: %s\n", texts[i].reply, reply_class_name(v.class));
			assert_int_equal(v.class, texts[i].class);
		}
}

static void a_template_is_recognised_with_other_addresses_in_it(void **state)
{
	struct reply_table *t = *state;
	struct sv dsn = SV("5.1.1");
	struct reply_verdict a = reply_classify(t, SV("host m[192.0.2.1] said: 550 5.1.1 <one@x.example>... User unknown (in reply to RCPT TO command)"), dsn);
	struct reply_verdict b = reply_classify(t, SV("host m[192.0.2.77] said: 550 5.1.1 <two@y.example>... User unknown (in reply to RCPT TO command)"), dsn);
	assert_int_equal(a.class, b.class);
	assert_int_equal(a.row, b.row);
}

/* The same words may come with another code, and the code decides where no row knows the words. */
static void the_code_is_part_of_what_is_remembered(void **state)
{
	struct reply_table *t = *state;
	static const char words[] = "host mx.a.example[192.0.2.1] said: something else (in reply to DATA command)";
	for (int again = 0; again < 2; again++) {
		assert_int_equal(reply_classify(t, sv_cstr(words), SV("5.1.1")).class, REPLY_UNKNOWN_USER);
		assert_int_equal(reply_classify(t, sv_cstr(words), SV("5.2.2")).class, REPLY_MAILBOX_FULL);
	}
}

static void the_wrapper_is_cut_and_the_verb_kept(void **state)
{
	(void)state;
	enum reply_verb verb;
	struct sv s = reply_unwrap(SV("host spam.host.example[192.0.2.1] refused to talk to me: 554 no"), &verb);
	assert_true(sv_eq(s, SV("554 no")));
	assert_int_equal(verb, REPLY_AT_CONNECT);
	s = reply_unwrap(SV("host h[192.0.2.1] said: 550 said: never (in reply to end of DATA command)"), &verb);
	assert_true(sv_eq(s, SV("550 said: never ")));
	assert_int_equal(verb, REPLY_AT_DATA);
}

static void hostile_texts_are_only_text(void **state)
{
	struct reply_table *t = *state;
	char big[70000];
	memset(big, 'a', sizeof big);
	(void)reply_classify(t, sv_make(big, sizeof big), SV("5.0.0"));
	memset(big, 0, sizeof big);
	(void)reply_classify(t, sv_make(big, sizeof big), SV("5.0.0"));
	(void)reply_classify(t, SV("\xff\xfe\x80 550-550-550-"), SV(""));
}

static bool has(const struct literal_set *s, const char *word)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], word) == 0)
			return true;
	return false;
}

static void literals_of_patterns(void **state)
{
	(void)state;
	struct literal_set s;
	assert_int_equal(literal_extract("cbl\\.abuseat\\.org", &s), 0);
	assert_true(s.n == 1 && has(&s, "cbl.abuseat.org"));
	literal_fini(&s);
	assert_int_equal(literal_extract("spamcop\\.net|bl\\.spamcop", &s), 0);
	assert_true(s.n == 2 && has(&s, "spamcop.net") && has(&s, "bl.spamcop"));
	literal_fini(&s);
	assert_int_equal(literal_extract("(user|mailbox) ?full", &s), 0);
	assert_true(s.n == 2 && has(&s, "user"));
	literal_fini(&s);
	assert_int_equal(literal_extract("(unknown|invalid)x?", &s), 0);
	assert_true(s.n == 2 && has(&s, "unknown"));
	literal_fini(&s);
	assert_int_equal(literal_extract("[45]\\.[0-9]+", &s), -1);
	assert_int_equal(literal_extract("(abcdef)?x", &s), -1);
}

static int setup(void **state)
{
	*state = reply_table_new(NULL);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	reply_table_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_patterns_compile), cmocka_unit_test(known_texts_get_their_class),
		cmocka_unit_test(a_template_is_recognised_with_other_addresses_in_it),
		cmocka_unit_test(the_code_is_part_of_what_is_remembered),
		cmocka_unit_test(the_wrapper_is_cut_and_the_verb_kept),
		cmocka_unit_test(hostile_texts_are_only_text),
		cmocka_unit_test(literals_of_patterns),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
