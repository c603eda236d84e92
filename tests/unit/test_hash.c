/* Hashes of texts in lower case against libsodium's of a copy in lower case, for every length and place around the sizes of its steps. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/hash.h"

static void folded(void **state)
{
	struct hash_key key;
	(void)state;
	for (size_t i = 0; i < sizeof key.b; i++)
		key.b[i] = (unsigned char)(i * 37 + 200);
	for (size_t n = 0; n < 400; n++) {
		char *p = malloc(n ? n : 1), low[HASH_FOLDED_BYTES];
		assert_non_null(p);
		for (size_t i = 0; i < n; i++)
			p[i] = (char)(i * 151 + n * 7);
		size_t most = n < sizeof low ? n : sizeof low;
		for (size_t i = 0; i < most; i++)
			low[i] = (unsigned char)p[i] < 0x80 ? (char)tolower((unsigned char)p[i]) : p[i];
		assert_true(hash_folded(&key, sv_make(p, n)) == hash_sv(&key, sv_make(low, most)));
		free(p);
	}
	assert_true(hash_folded(&key, (struct sv){ 0 }) == hash_sv(&key, SV("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(folded) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
