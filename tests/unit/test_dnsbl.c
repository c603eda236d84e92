/* Block lists: names and messages, what an answer means, how a zone's tests are read, the cache's times, what is kept between runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/times.h"
#include "probe/cache.h"
#include "probe/dnsmsg.h"
#include "probe/state.h"
#include "probe/target.h"
#include "probe/verdict.h"
#include "probe/zonefile.h"

static void name_is(const struct dnsname *n, const char *want)
{
	char text[4 * DNSMSG_NAME];
	dnsname_text(n, text);
	assert_string_equal(text, want);
}

static void test_names(void **state)
{
	struct dnsname zone, n;
	struct ipaddr a;
	char longest[256];
	(void)state;
	assert_int_equal(dnsname_parse(SV("Zen.Example."), &zone), 0);
	name_is(&zone, "zen.example");
	assert_int_equal(ipaddr_parse(SV("192.0.2.255"), &a), 0);
	assert_true(dnsname_of_address(&a, false, &zone, &n));
	name_is(&n, "255.2.0.192.zen.example");
	assert_true(dnsname_of_address(&a, true, &zone, &n));
	name_is(&n, "f.f.2.0.0.0.0.c.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.zen.example");
	assert_true(dnsname_of_domain(SV("Shop.Example"), &zone, &n));
	name_is(&n, "shop.example.zen.example");
	memset(longest, 'a', sizeof longest);
	for (int i = 49; i < 250; i += 50)
		longest[i] = '.';
	assert_false(dnsname_of_domain(sv_make(longest, 249), &zone, &n));
	static const char *const bad[] = { "", ".", "a..b", "a b.example", "\xc3\xa4.example", "a/b" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(dnsname_parse(sv_cstr(bad[i]), &n), -1);
}

static uint8_t more; /* records in the additional section */

/* The answer to name and type with these records behind the question. */
static int answer(const char *name, uint16_t type, unsigned rcode, unsigned answers, unsigned authorities, const void *rest, size_t n, struct dnsmsg *ret)
{
	uint8_t p[2048];
	struct dnsname q;
	assert_int_equal(dnsname_parse(sv_cstr(name), &q), 0);
	size_t at = dnsmsg_put_query(p, 7, &q, type, true) - 11;
	p[2] = 0x81;
	p[3] = (uint8_t)(0x80 | rcode);
	p[7] = (uint8_t)answers;
	p[9] = (uint8_t)authorities;
	p[11] = more;
	memcpy(p + at, rest, n);
	return dnsmsg_parse(p, at + n, &q, type, ret);
}
#define ANSWER(name, type, rcode, an, ns, rest, m) answer(name, type, rcode, an, ns, rest, sizeof rest - 1, m)

/* Nothing but these records in the additional section. */
static int additional(const char *name, const void *rest, size_t n, struct dnsmsg *ret)
{
	more = 1;
	int got = answer(name, DNS_A, 0, 0, 0, rest, n, ret);
	more = 0;
	return got;
}
#define ADDITIONAL(name, rest, m) additional(name, rest, sizeof rest - 1, m)

static void test_messages(void **state)
{
	struct dnsmsg m;
	(void)state;
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 2, 0, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\2" "\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\x7f\0\0\xb", &m), 0);
	assert_int_equal(m.n_address, 2);
	assert_int_equal(m.address[0], 0x7f000002);
	assert_int_equal(m.address[1], 0x7f00000b);
	assert_int_equal(m.ttl_s, 30);
	/* an address of another name says nothing about ours */
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 1, 0, "\1b\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\2", &m), 0);
	assert_int_equal(m.n_address, 0);
	/* through an alias */
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 2, 0, "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0c" "\1b\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\2", &m), 0);
	assert_int_equal(m.n_address, 1);
	/* how long "no" holds: RFC 2308 */
	assert_int_equal(ANSWER("a.example", DNS_A, 3, 0, 1, "\xc0\x0e\0\6\0\1\0\0\x0e\x10\0\x16\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x78", &m), 0);
	assert_int_equal(m.ttl_s, 120);
	assert_int_equal(m.rcode, DNS_NXDOMAIN);
	assert_int_equal(ANSWER("a.example", DNS_A, 3, 0, 0, "", &m), 0);
	assert_int_equal(m.ttl_s, 0);
	/* neither an answer nor a "no": a referral, an alias whose end is not told (also one that comes behind it), an extended rcode */
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 0, 1, "\xc0\x0e\0\2\0\1\0\0\0\x3c\0\2\xc0\x0e", &m), 0);
	assert_int_equal(m.rcode, DNS_SERVFAIL);
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 1, 0, "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0c", &m), 0);
	assert_int_equal(m.rcode, DNS_SERVFAIL);
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 2, 0, "\1b\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\2" "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0c", &m), 0);
	assert_int_equal(m.rcode, DNS_SERVFAIL);
	assert_int_equal(ADDITIONAL("a.example", "\0\0\x29\4\xd0\1\0\0\0\0\0", &m), 0);
	assert_int_equal(m.rcode, 16);
	assert_int_equal(ADDITIONAL("a.example", "\0\0\x29\4\xd0\0\0\0\0\0\0", &m), 0);
	assert_int_equal(m.rcode, DNS_NOERROR);
	/* a SOA says that there is nothing, also at the end of an alias */
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 1, 1, "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0c" "\xc0\x0e\0\6\0\1\0\0\x0e\x10\0\x16\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\x78", &m), 0);
	assert_int_equal(m.rcode, DNS_NOERROR);
	assert_int_equal(ANSWER("a.example", DNS_TXT, 0, 1, 0, "\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\7\2no\3yes", &m), 0);
	assert_int_equal(m.n_text, 5);
	assert_memory_equal(m.text, "noyes", 5);
	/* malformed: a pointer to itself, data beyond the end, a length of three bytes */
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 1, 0, "\xc0\x1b\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\2", &m), -1);
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 1, 0, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\x40\x7f\0\0\2", &m), -1);
	assert_int_equal(ANSWER("a.example", DNS_A, 0, 1, 0, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\3\x7f\0\0", &m), 0);
	assert_int_equal(m.n_address, 0);
	/* an answer to another question is none */
	struct dnsname other;
	uint8_t p[DNSMSG_QUERY];
	assert_int_equal(dnsname_parse(SV("b.example"), &other), 0);
	size_t n = dnsmsg_put_query(p, 7, &other, DNS_A, true);
	p[2] |= 0x80;
	struct dnsname ours;
	assert_int_equal(dnsname_parse(SV("a.example"), &ours), 0);
	assert_int_equal(dnsmsg_parse(p, n, &ours, DNS_A, &m), -1);
	assert_int_equal(dnsmsg_parse(p, n, &other, DNS_TXT, &m), -1);
	assert_int_equal(dnsmsg_parse(p, n, &other, DNS_A, &m), 0);
	p[2] &= 0x7f; /* a question is no answer */
	assert_int_equal(dnsmsg_parse(p, n, &other, DNS_A, &m), -1);
}

static const struct dnsbl_zone *zone_of(const char *text, struct dnsbl_zones **ret)
{
	char path[] = "/tmp/aw-dnsbl.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	*ret = dnsbl_zones_load(path, "", NULL, NULL);
	unlink(path);
	return *ret ? &(*ret)->v[0] : NULL;
}

static void meaning_is(const struct dnsbl_zone *z, uint32_t a, uint32_t b, uint8_t verdict, uint8_t kind, int32_t points, const char *words)
{
	struct buf m = { 0 };
	uint32_t v[2] = { a, b };
	struct verdict got = verdict_of(z, OUTCOME_ANSWER, v, b ? 2 : 1, &m);
	assert_int_equal(got.verdict, verdict);
	if (verdict == DNSBL_LISTED) {
		assert_int_equal(got.kind, kind);
		assert_int_equal(got.points, points);
	}
	if (words)
		assert_string_equal(buf_cstr(&m), words);
	buf_fini(&m);
}

static void test_verdicts(void **state)
{
	struct dnsbl_zones *all;
	const struct dnsbl_zone *z = zone_of("zone \"a.example\" { targets = { \"ip4\" } points = 3 codes = { \"127.0.0.2 8 = spam\", \"127.0.0.4-127.0.0.7 = bot\", \"127.0.0.10 policy 0 = dynamic\","
	                                     " \"127.0.*.20 allow = good\", \"127.0.0.99 refusal = no\", \"127.0.0.50 neutral = so so\" } }", &all);
	(void)state;
	assert_non_null(z);
	meaning_is(z, 0x7f000002, 0, DNSBL_LISTED, DNSBL_BLOCK, 8, "spam");
	meaning_is(z, 0x7f000006, 0, DNSBL_LISTED, DNSBL_BLOCK, 3, "bot");
	meaning_is(z, 0x7f000008, 0, DNSBL_LISTED, DNSBL_BLOCK, 3, "listed");
	meaning_is(z, 0x7f00000a, 0, DNSBL_LISTED, DNSBL_POLICY, 0, "dynamic");
	meaning_is(z, 0x7f000914, 0, DNSBL_LISTED, DNSBL_ALLOW, 0, "good");
	meaning_is(z, 0x7f000032, 0, DNSBL_CLEAN, 0, 0, "so so");
	meaning_is(z, 0x7f000063, 0, DNSBL_REFUSED, 0, 0, NULL);
	/* the heaviest of several counts; one that is no answer, or a refusal, voids all */
	meaning_is(z, 0x7f00000a, 0x7f000002, DNSBL_LISTED, DNSBL_BLOCK, 8, "dynamic; spam");
	meaning_is(z, 0x7f000002, 0x7fffffff, DNSBL_REFUSED, 0, 0, NULL);
	meaning_is(z, 0x7f000002, 0xc0000201, DNSBL_UNKNOWN, 0, 0, NULL);
	for (uint32_t last = 0xf0; last <= 0xff; last++)
		meaning_is(z, 0x7fffff00 | last, 0, DNSBL_REFUSED, 0, 0, NULL);
	meaning_is(z, 0x7f000001, 0, DNSBL_UNKNOWN, 0, 0, NULL);
	meaning_is(z, 0x7f003535, 0, DNSBL_UNKNOWN, 0, 0, NULL);
	/* of several bits of one answer a refusal voids the rest, whatever stands first */
	struct dnsbl_zones *of_bits;
	const struct dnsbl_zone *b = zone_of("zone \"b.example\" { targets = { \"ip4\" } codes = { \"bit:2 5 = black\", \"bit:1 refusal = no\", \"bit:4 policy = grey\" } }", &of_bits);
	meaning_is(b, 0x7f000003, 0, DNSBL_REFUSED, 0, 0, NULL);
	meaning_is(b, 0x7f000006, 0, DNSBL_LISTED, DNSBL_BLOCK, 5, "black");
	dnsbl_zones_free(of_bits);
	static const struct { enum outcome o; uint8_t verdict; } outcomes[] = { { OUTCOME_NONE, DNSBL_CLEAN }, { OUTCOME_ANSWER, DNSBL_CLEAN }, { OUTCOME_REFUSED, DNSBL_REFUSED },
		{ OUTCOME_FAILED, DNSBL_UNKNOWN }, { OUTCOME_TIMEOUT, DNSBL_UNKNOWN }, { OUTCOME_MALFORMED, DNSBL_UNKNOWN } };
	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
		struct buf m = { 0 };
		assert_int_equal(verdict_of(z, outcomes[i].o, NULL, 0, &m).verdict, outcomes[i].verdict);
		buf_fini(&m);
	}
	dnsbl_zones_free(all);
}

static struct verdict told(uint8_t verdict, uint32_t code)
{
	return (struct verdict){ .verdict = verdict, .code = code, .reason = "" };
}

static void test_health(void **state)
{
	struct verdict listed = told(DNSBL_LISTED, 0x7f000002), none = told(DNSBL_CLEAN, 0), neutral = told(DNSBL_CLEAN, 0x7f000002), lie = told(DNSBL_UNKNOWN, 0xcb007150),
		late = told(DNSBL_UNKNOWN, 0), refused = told(DNSBL_REFUSED, 0x7ffffffe), bare = told(DNSBL_UNKNOWN, 0x7f000001);
	(void)state;
	assert_int_equal(health_of(true, &listed, true, &none), HEALTH_GOOD);
	assert_int_equal(health_of(true, &neutral, true, &none), HEALTH_GOOD);
	assert_int_equal(health_of(true, &listed, true, &listed), HEALTH_WILDCARD);
	assert_int_equal(health_of(true, &listed, true, &bare), HEALTH_WILDCARD);
	assert_int_equal(health_of(true, &none, true, &none), HEALTH_SILENT);
	assert_int_equal(health_of(true, &late, true, &none), HEALTH_UNREACHABLE);
	assert_int_equal(health_of(true, &listed, true, &late), HEALTH_UNREACHABLE);
	assert_int_equal(health_of(true, &refused, true, &refused), HEALTH_REFUSED);
	assert_int_equal(health_of(true, &lie, true, &lie), HEALTH_REWRITTEN);
	assert_int_equal(health_of(false, NULL, true, &none), HEALTH_GOOD);
	assert_int_equal(health_of(false, NULL, false, NULL), HEALTH_GOOD);
	for (uint8_t h = 0; h < HEALTHS; h++) {
		assert_int_equal(health_named(sv_cstr(health_name(h))), h);
		assert_true(h == HEALTH_GOOD || verdict_tell(none, h).verdict != DNSBL_CLEAN);
		assert_true(h == HEALTH_GOOD || verdict_tell(none, h).reason[0]);
	}
	assert_int_equal(verdict_tell(listed, HEALTH_SILENT).verdict, DNSBL_LISTED);
	assert_int_equal(verdict_tell(listed, HEALTH_WILDCARD).verdict, DNSBL_DEAD);
}

static void test_cache(void **state)
{
	struct cache *c = cache_new(16);
	struct dnsname n;
	uint32_t code = 0x7f000002;
	(void)state;
	assert_int_equal(dnsname_parse(SV("a.example"), &n), 0);
	uint64_t k = cache_key(c, &n);
	cache_put(c, k, 1000 * US_PER_S, 60, &code, 1, SV("why"));
	assert_non_null(cache_get(c, k, 1059 * US_PER_S));
	assert_int_equal(cache_get(c, k, 1059 * US_PER_S)->code[0], code);
	assert_null(cache_get(c, k, 1060 * US_PER_S));
	assert_null(cache_get(c, k, 900 * US_PER_S)); /* the clock was put back */
	cache_put(c, k, 2000 * US_PER_S, 0, &code, 1, SV("")); /* not to be kept */
	assert_null(cache_get(c, k, 2000 * US_PER_S));
	static const uint32_t nothing = 0, many[5] = { 0x7f000002, 0x7f000003, 0x7f000004, 0x7f000005, 0x7fffffff };
	cache_put(c, k, 2000 * US_PER_S, 60, &nothing, 1, SV("")); /* 0.0.0.0 is an answer */
	assert_int_equal(cache_get(c, k, 2000 * US_PER_S)->n_code, 1);
	cache_put(c, k, 2000 * US_PER_S, 60, NULL, 0, SV(""));
	assert_int_equal(cache_get(c, k, 2000 * US_PER_S)->n_code, 0);
	assert_int_equal(dnsname_parse(SV("many.example"), &n), 0);
	cache_put(c, cache_key(c, &n), 2000 * US_PER_S, 60, many, 5, SV("")); /* a part of it would say something else */
	assert_null(cache_get(c, cache_key(c, &n), 2000 * US_PER_S));
	for (int i = 0; i < 1000; i++) { /* bounded: the newest is there, most others are not */
		char text[32];
		(void)snprintf(text, sizeof text, "n%d.example", i);
		assert_int_equal(dnsname_parse(sv_cstr(text), &n), 0);
		cache_put(c, cache_key(c, &n), 3000 * US_PER_S, 60 + (uint32_t)i, NULL, 0, SV(""));
		assert_non_null(cache_get(c, cache_key(c, &n), 3001 * US_PER_S));
	}
	cache_free(c);
}

static void test_state(void **state)
{
	char path[] = "/tmp/aw-state.XXXXXX";
	struct err e;
	(void)state;
	close(mkstemp(path));
	struct state *s = state_load(path);
	state_zone(s, "a.example")->kind[1] = (struct state_health){ HEALTH_WILDCARD, 3, 10, 20, 30 };
	state_zone(s, "a.example")->day = 5;
	state_zone(s, "a.example")->way = 0x1234567890abcdef;
	state_zone(s, "a.example")->asked = 7;
	assert_int_equal(state_seen(s, 17, 100), 100);
	assert_int_equal(state_seen(s, 17, 200), 100);
	assert_int_equal(state_save(s, &e), 0);
	state_free(s);
	s = state_load(path);
	assert_int_equal(state_zone(s, "a.example")->kind[1].health, HEALTH_WILDCARD);
	assert_int_equal(state_zone(s, "a.example")->kind[1].next_us, 30);
	assert_int_equal(state_zone(s, "a.example")->asked, 7);
	assert_int_equal(state_zone(s, "a.example")->way, 0x1234567890abcdef);
	assert_int_equal(state_seen(s, 17, 300), 100);
	assert_int_equal(state_seen(s, 17, 300 + (STATE_SEEN_DAYS + 1) * US_PER_DAY), 300 + (STATE_SEEN_DAYS + 1) * US_PER_DAY);
	state_gone(s, 17);
	assert_int_equal(state_seen(s, 17, 900), 900);
	assert_int_equal(state_seen(s, 17, 800), 800); /* the clock was put back */
	assert_int_equal(state_seen(s, 17, 900), 800);
	unsigned kept = 0;
	for (int i = 0; i < 3 * STATE_SEEN_MOST; i++) /* bounded: the newest is known, most of the old ones are not */
		assert_int_equal(state_seen(s, state_pair(1, (uint64_t)i), 1000 + i), 1000 + i);
	for (int i = 1; i <= 1000; i++)
		kept += state_seen(s, state_pair(1, (uint64_t)(3 * STATE_SEEN_MOST - i)), 900000) != 900000;
	assert_in_range(kept, 950, 1000);
	assert_int_equal(state_seen(s, state_pair(1, 0), 900001), 900001);
	state_free(s);
	unlink(path);
}

static void test_targets(void **state)
{
	struct target t;
	struct err e;
	char text[TARGET_TEXT];
	(void)state;
	assert_int_equal(target_parse(SV("192.0.2.0/23"), &t, &e), 0);
	assert_int_equal(t.count, 512);
	(void)target_text(&t, 511, text);
	assert_string_equal(text, "192.0.3.255");
	assert_int_equal(target_parse(SV("2001:db8::fff0/124"), &t, &e), 0);
	(void)target_text(&t, 15, text);
	assert_string_equal(text, "2001:db8::ffff");
	assert_int_equal(target_parse(SV("::ffff:192.0.2.1"), &t, &e), 0);
	assert_int_equal(t.kind, DNSBL_IP4);
	assert_int_equal(target_parse(SV("WWW.Shop.co.uk."), &t, &e), 0);
	assert_string_equal(t.domain, "www.shop.co.uk");
	assert_string_equal(t.registered, "shop.co.uk");
	static const char *const bad[] = { "", "192.0.2.1/23", "1.2.3", "1.2.3.4.5", "http://a.example", "a@b.example", "-", "a..b", "::/0", "b\xc3\xbc.example", "localhost" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(target_parse(sv_cstr(bad[i]), &t, &e), -1);
}

static void test_dead(void **state)
{
	struct dnsbl_zones *all;
	(void)state;
	assert_non_null(zone_of("zone \"a.example\" { targets = { \"ip4\" } }\ndead \"*.gone.example\" { since = \"2020\" reason = \"x\" }\ndead \"one.example\" { reason = \"y\" }", &all));
	assert_non_null(dnsbl_dead_find(all, SV("gone.example")));
	assert_non_null(dnsbl_dead_find(all, SV("x.Gone.example.")));
	assert_null(dnsbl_dead_find(all, SV("begone.example")));
	assert_non_null(dnsbl_dead_find(all, SV("one.example")));
	assert_null(dnsbl_dead_find(all, SV("x.one.example")));
	dnsbl_zones_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_messages), cmocka_unit_test(test_verdicts), cmocka_unit_test(test_health),
		cmocka_unit_test(test_cache), cmocka_unit_test(test_state), cmocka_unit_test(test_targets), cmocka_unit_test(test_dead) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
