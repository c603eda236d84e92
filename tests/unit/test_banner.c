#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "analyzer/banner.h"

/* Greetings of real servers (names changed), without the code. */
static const struct { const char *banner, *host, *software; } known[] = {
	{ "mx.a.example ESMTP Postfix (Debian/GNU)", "mx.a.example", "Postfix (Debian/GNU)" },
	{ "MX.A.example ESMTP Exim 4.96 Thu, 26 Nov 2026 04:18:03 +0000", "mx.a.example", "Exim 4.96" },
	{ "mx.a.example ESMTP Exim 4.97.1-2 #2 Thu, 26 Nov 2026 04:18:03 +0000 ", "mx.a.example", "Exim 4.97.1-2" },
	{ "mx.a.example ESMTP Exim 4.96-15+deb12u4 Ubuntu Thu, 26 Nov 2026 04:18:03 +0000", "mx.a.example", "Exim 4.96-15+deb12u4 Ubuntu" },
	{ "mx.a.example ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2; Thu, 26 Nov 2026 04:18:03 GMT; (No UCE/UBE) logging access from: a", "mx.a.example", "Sendmail 8.17.1.9/8.17.1.9/Debian-2" },
	{ "ex1.a.example Microsoft ESMTP MAIL Service ready at Thu, 26 Nov 2026 05:18:03 +0100", "ex1.a.example", "Microsoft MAIL Service" },
	{ "a Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  Thu, 26 Nov 2026 05:18:03 +0100 ", "a", "Microsoft MAIL Service, Version: 6.0.3790.4675" },
	{ "mx.a.example ESMTP OpenSMTPD", "mx.a.example", "OpenSMTPD" },
	{ "mx.a.example ESMTP", "mx.a.example", "" },
	{ "[192.0.2.25] ESMTP ready", "[192.0.2.25]", "" },
	{ "mx.google.example ESMTP a640c23a62f3a-b6a5e1b2c3dsi123456.12 - gsmtp", "mx.google.example", "gsmtp" },
	{ "mx.google.example ESMTP h12si123456qkb.5 - gsmtp", "mx.google.example", "gsmtp" },
	{ "mx.a.example ESMTP Haraka/2.8.25 ready (B5E6C0C9-8D1F-4F3A-9C0F-2B1D3E4F5A6B)", "mx.a.example", "Haraka/2.8.25" },
	{ "mx.a.example ESMTP MDaemon 21.0.2; Thu, 26 Nov 2026 04:18:03 +0000", "mx.a.example", "MDaemon 21.0.2" },
	{ "mx.a.example ESMTP MailEnable Service, Version: 10.20-- ready at 11/26/26 04:18:03", "mx.a.example", "MailEnable Service, Version: 10.20" },
	{ "dom.a.example ESMTP Service (Lotus Domino Release 8.5.3FP6) ready at Thu, 26 Nov 2026 04:18:03 +0100", "dom.a.example", "Service (Lotus Domino Release 8.5.3FP6)" },
	{ "mx.a.example Kerio Connect 9.4.2 ESMTP ready", "mx.a.example", "Kerio Connect 9.4.2" },
	{ "mx.a.example ESMTP CommuniGate Pro 6.2.14", "mx.a.example", "CommuniGate Pro 6.2.14" },
	{ "mx.a.example ESMTP ready 2026-11-26T04:18:03Z x", "mx.a.example", "" },
	{ "mx.a.example ESMTP (8f1c2d3e4b5a69788796a5b4c3d2e1f0)", "mx.a.example", "" },
	{ "mx.a.example ESMTP ArGoSoft Mail Server .NET v.1.0.8.4", "mx.a.example", "ArGoSoft Mail Server .NET v.1.0.8.4" },
	{ "mx.a.example ESMTP 123456 mailserver build 77", "mx.a.example", "mailserver build 77" },
	{ "ESMTP Postfix", "", "Postfix" },
	{ "", "", "" },
	{ "   ", "", "" },
};

static void what_changes_with_every_session_is_left_out(void **state)
{
	char host[BANNER_HOST], software[BANNER_SOFTWARE];
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		banner_read(sv_cstr(known[i].banner), host, software);
		assert_string_equal(host, known[i].host);
		assert_string_equal(software, known[i].software);
	}
}

static void anything_comes_out_short_and_printable(void **state)
{
	char host[BANNER_HOST], software[BANNER_SOFTWARE], text[700];
	uint32_t x = 12345;
	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)(round % (int)sizeof text);
		for (size_t i = 0; i < n; i++) {
			x = x * 1664525u + 1013904223u;
			text[i] = round % 2 ? (char)(x >> 24) : "a9. (:-/#;\n"[x >> 24 & 0xff ? (x >> 24) % 11 : 0];
		}
		banner_read(sv_make(text, n), host, software);
		assert_true(strlen(host) < sizeof host && strlen(software) < sizeof software);
		for (const char *p = host; *p; p++)
			assert_true(*p >= 0x20 && *p < 0x7f);
		for (const char *p = software; *p; p++)
			assert_true(*p >= 0x20 && *p < 0x7f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_changes_with_every_session_is_left_out),
		cmocka_unit_test(anything_comes_out_short_and_printable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
