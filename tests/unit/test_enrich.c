/* What is known of a domain is the same whether it is looked up or was kept, however it is written and whatever is asked in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analyzer/enrich.h"
#include "lib/buf.h"

static const struct hash_key key = { { 1, 2, 3 } };

static void same(struct enrich *e, struct sv domain)
{
	struct enrich_domain a = enrich_domain(e, &key, domain);
	char org[256];
	assert_true(a.org.n < sizeof org);
	memcpy(org, a.org.p, a.org.n);
	a.org.p = org;
	for (int i = 0; i < 3; i++) {
		struct enrich_domain b = enrich_domain(e, &key, domain);
		assert_true(sv_eq(a.org, b.org));
		assert_true(a.hash == b.hash && a.org_hash == b.org_hash && a.local == b.local);
		assert_string_equal(a.customer, b.customer);
	}
	assert_true(a.hash == hash_folded(&key, domain));
}

static void kept(void **state)
{
	struct conf_customer customers[] = { { .customer = "shop", .value = "shop.example", .kind = CUSTOMER_DOMAIN }, { .customer = "top", .value = "example", .kind = CUSTOMER_DOMAIN } };
	struct conf conf = { .customer = customers, .n_customer = 2 };
	struct err err;
	struct enrich *e = enrich_new(&conf, &err);
	(void)state;
	assert_non_null(e);
	static const struct sv domains[] = { { "", 0 }, { "shop.example", 12 }, { "WWW.Shop.Example", 16 }, { "www.shop.example", 16 }, { "example", 7 }, { "a.b.c.co.uk", 11 },
		{ "com", 3 }, { ".", 1 }, { "a..example", 10 }, { "shop.example.", 13 }, { "a.b\0c.example", 13 }, { "\0", 1 }, { "\xc3\x84.example", 10 }, { "[192.0.2.1]", 11 } };
	for (unsigned i = 0; i < sizeof domains / sizeof *domains; i++)
		same(e, domains[i]);
	assert_string_equal(enrich_domain(e, &key, SV("WWW.shop.example")).customer, "shop");
	assert_string_equal(enrich_domain(e, &key, SV("www.shop.example")).customer, "shop");
	assert_string_equal(enrich_domain(e, &key, SV("other.test")).customer, "");
	for (size_t n = 90; n <= 330; n++) { /* longer than what is kept, than what is looked at, than what is hashed */
		char text[336];
		memset(text, 'a', sizeof text);
		for (size_t i = 20; i < n; i += 20)
			text[i] = '.';
		same(e, sv_make(text, n));
	}
	enrich_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(kept) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
