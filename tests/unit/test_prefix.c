/* Addresses: text forms in and out, refusals, and longest-prefix lookup with ties. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/prefix.h"

static void same_text(const char *in, const char *want)
{
	struct ipaddr a;
	char out[46];
	assert_int_equal(ipaddr_parse(sv_cstr(in), &a), 0);
	assert_int_equal(ipaddr_text(&a, out), strlen(want));
	assert_string_equal(out, want);
}

static void test_canonical(void **state)
{
	(void)state;
	same_text("192.0.2.1", "192.0.2.1");
	same_text("[192.0.2.255]", "192.0.2.255");
	same_text("0.0.0.0", "0.0.0.0");
	same_text("::ffff:198.51.100.7", "198.51.100.7");
	same_text("2001:DB8:0:0:0:0:0:1", "2001:db8::1");
	same_text("[IPv6:2001:db8::1]", "2001:db8::1");
	same_text("IPv6:2001:db8::", "2001:db8::");
	same_text("::", "::");
	same_text("::1", "::1");
	same_text("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
	same_text("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
	same_text("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	same_text("fe80:0:0:0:204:61ff:fe9d:f156", "fe80::204:61ff:fe9d:f156");
	same_text("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0");
	same_text("64:ff9b::192.0.2.33", "64:ff9b::c000:221");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", ".1.2.3.4", "1..2.3", "1.2.3.4x",
		":", ":1", "1:", "1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "12345::", "g::", "1:2:3:4:5:6:7:8::",
		"::1.2.3", "unknown", "mail.example", "[192.0.2.1", "::1%eth0", "1:2:3:4:5:6:7:1.2.3.4",
	};
	struct ipaddr a;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (ipaddr_parse(sv_cstr(bad[i]), &a) != -1)
			fail_msg("accepted \"%s\"", bad[i]);
}

static void test_loopback(void **state)
{
	struct ipaddr a;
	(void)state;
	assert_int_equal(ipaddr_parse(SV("127.3.2.1"), &a), 0);
	assert_true(ipaddr_is_loopback(&a) && ipaddr_is_v4(&a));
	assert_int_equal(ipaddr_parse(SV("::1"), &a), 0);
	assert_true(ipaddr_is_loopback(&a) && !ipaddr_is_v4(&a));
	assert_int_equal(ipaddr_parse(SV("128.0.0.1"), &a), 0);
	assert_false(ipaddr_is_loopback(&a));
}

static void test_prefix_parse(void **state)
{
	struct prefix p;
	(void)state;
	assert_int_equal(prefix_parse(SV("198.18.0.0/15"), &p), 0);
	assert_int_equal(p.bits, 111);
	assert_int_equal(prefix_parse(SV("198.51.100.25"), &p), 0);
	assert_int_equal(p.bits, 128);
	assert_int_equal(prefix_parse(SV("2001:db8::/32"), &p), 0);
	assert_int_equal(p.bits, 32);
	assert_int_equal(prefix_parse(SV("0.0.0.0/0"), &p), 0);
	assert_int_equal(p.bits, 96);
	assert_int_equal(prefix_parse(SV("198.51.100.1/24"), &p), -2);
	assert_int_equal(prefix_parse(SV("2001:db8::1/64"), &p), -2);
	assert_int_equal(prefix_parse(SV("198.51.100.0/33"), &p), -1);
	assert_int_equal(prefix_parse(SV("198.51.100.0/"), &p), -1);
	assert_int_equal(prefix_parse(SV("198.51.100.0/+4"), &p), -1);
	assert_int_equal(prefix_parse(SV("2001:db8::/129"), &p), -1);
}

static void add(struct prefix_table *t, const char *text, uint32_t value)
{
	struct prefix p;
	assert_int_equal(prefix_parse(sv_cstr(text), &p), 0);
	p.value = value;
	prefix_table_add(t, &p);
}

static uint32_t find(const struct prefix_table *t, const char *text)
{
	struct ipaddr a;
	assert_int_equal(ipaddr_parse(sv_cstr(text), &a), 0);
	const struct prefix *p = prefix_table_find(t, &a);
	return p ? p->value : 0;
}

static void test_longest_match(void **state)
{
	struct prefix_table t = { 0 };
	(void)state;
	assert_int_equal(find(&t, "192.0.2.1"), 0);
	add(&t, "198.18.0.0/15", 1);
	add(&t, "198.18.7.0/24", 2);
	add(&t, "198.18.7.9", 3);
	add(&t, "2001:db8::/32", 4);
	add(&t, "2001:db8:1::/48", 5);
	add(&t, "198.18.7.0/24", 6); /* again: the later one counts */
	prefix_table_seal(&t);
	assert_int_equal(t.n, 5);
	assert_int_equal(find(&t, "198.19.255.255"), 1);
	assert_int_equal(find(&t, "198.18.7.1"), 6);
	assert_int_equal(find(&t, "198.18.7.9"), 3);
	assert_int_equal(find(&t, "198.20.0.0"), 0);
	assert_int_equal(find(&t, "2001:db8:1::25"), 5);
	assert_int_equal(find(&t, "2001:db8:2::25"), 4);
	assert_int_equal(find(&t, "2001:db9::"), 0);
	prefix_table_fini(&t);
}

static void test_default_route(void **state)
{
	struct prefix_table t = { 0 };
	(void)state;
	add(&t, "0.0.0.0/0", 1);
	prefix_table_seal(&t);
	assert_int_equal(find(&t, "203.0.113.1"), 1);
	assert_int_equal(find(&t, "2001:db8::1"), 0);
	add(&t, "::/0", 2);
	prefix_table_seal(&t);
	assert_int_equal(find(&t, "2001:db8::1"), 2);
	assert_int_equal(find(&t, "203.0.113.1"), 1);
	prefix_table_fini(&t);
}

static bool holds(const struct prefix *p, const struct ipaddr *a)
{
	for (unsigned bit = 0; bit < p->bits; bit++)
		if ((p->addr.b[bit / 8] ^ a->b[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

/* The table finds what looking at each prefix, bit by bit, finds. */
static void test_agrees_with_a_slow_search(void **state)
{
	static const uint8_t lengths[] = { 0, 1, 7, 8, 31, 32, 33, 63, 64, 65, 95, 96, 104, 111, 120, 127, 128 };
	struct prefix_table t = { 0 };
	uint32_t r = 1;
	(void)state;
	for (uint32_t i = 0; i < 400; i++) {
		struct prefix p = { .bits = lengths[i % sizeof lengths], .value = i };
		for (unsigned bit = 0; bit < p.bits; bit++) { /* few addresses, so that many lie in one another */
			r = r * 1664525u + 1013904223u;
			p.addr.b[bit / 8] |= (uint8_t)((r >> 24 > 200 ? 1u : 0u) << (7 - bit % 8));
		}
		prefix_table_add(&t, &p);
	}
	prefix_table_seal(&t);
	for (unsigned i = 0; i < 3000; i++) {
		struct ipaddr a = t.v[i % t.n].addr;
		r = r * 1664525u + 1013904223u;
		a.b[r >> 28] ^= (uint8_t)(r >> 16);
		const struct prefix *want = NULL, *got = prefix_table_find(&t, &a);
		for (size_t k = 0; k < t.n; k++)
			if (holds(&t.v[k], &a) && (!want || t.v[k].bits > want->bits))
				want = &t.v[k];
		assert_ptr_equal(got, want);
	}
	prefix_table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical), cmocka_unit_test(test_refused),       cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_prefix_parse), cmocka_unit_test(test_longest_match), cmocka_unit_test(test_default_route),
		cmocka_unit_test(test_agrees_with_a_slow_search),
	};
	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
