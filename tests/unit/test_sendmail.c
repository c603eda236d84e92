/* Handing letters to a sendmail that is slow, deaf or gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "report/letter_int.h"

static char program[64];

/* What becomes of a letter of n bytes with a sendmail that is this script. */
static int hand_over(const char *script, size_t n, struct err *e)
{
	struct conf conf = { .notify = { .sendmail = program, .from = "abuse@isp.example" } };
	struct letter l = { 0 };
	FILE *f = fopen(program, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	assert_int_equal(chmod(program, 0755), 0);
	while (l.message.n < n)
		buf_puts(&l.message, "a line of a letter\r\n");
	alarm(20); /* a mailer that waits for ever */
	int r = letter_to_sendmail(&conf, "ann@isp.example", &l, 1, e);
	alarm(0);
	buf_fini(&l.message);
	return r;
}

static void test_takes(void **state)
{
	struct err e;
	(void)state;
	assert_int_equal(hand_over("[ $(wc -c) -gt 280000 ]", 300000, &e), 0);
	assert_int_equal(hand_over("sleep 0.2; [ $(wc -l) = $((300000 / 20)) ]", 300000, &e), 0);
}

static void test_does_not_read(void **state)
{
	struct err e;
	(void)state;
	assert_int_equal(hand_over("exec sleep 30", 300000, &e), -1);
	assert_non_null(strstr(e.text, "did not take the letter within 1 s"));
	assert_int_equal(hand_over("exec sleep 30", 1000, &e), -1);
	assert_non_null(strstr(e.text, "did not end within 1 s"));
}

static void test_gone(void **state)
{
	struct err e;
	(void)state;
	assert_int_equal(hand_over("exit 75", 300000, &e), -1);
	assert_non_null(strstr(e.text, "status 75"));
	assert_int_equal(hand_over("exit 0", 300000, &e), -1);
	assert_non_null(strstr(e.text, "did not take the letter"));
}

static void test_signals(void **state)
{
	struct err e;
	(void)state; /* that the mailer ignores SIGPIPE (0x1000) is not passed on */
	assert_int_equal(hand_over("cat >/dev/null; grep -q '^SigIgn:.*[02468ace]...$' /proc/self/status", 1000, &e), 0);
}

static int begin(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	(void)snprintf(program, sizeof program, "/tmp/test-sendmail.%d", (int)getpid());
	return 0;
}

static int end(void **state)
{
	(void)state;
	return unlink(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_takes), cmocka_unit_test(test_does_not_read), cmocka_unit_test(test_gone),
		cmocka_unit_test(test_signals) };
	return cmocka_run_group_tests(tests, begin, end);
}
