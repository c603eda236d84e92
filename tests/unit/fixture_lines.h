/* Lines of the fixtures, and what a line is to each format. */
#ifndef TESTS_UNIT_FIXTURE_LINES_H
#define TESTS_UNIT_FIXTURE_LINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <glob.h>

#include "collector/mta.h"
#include "collector/syslog.h"
#include "lib/buf.h"

typedef void fixture_check(const struct mta *m, int number, const struct logline *l);

static void native_line(fixture_check *check, const struct mta *m, struct stamp *s, struct sv line)
{
	struct buf heading = { 0 };
	struct native n = { s, &heading };
	struct logline l = { .raw = line, .pid = RECORD_UNSET, .program = SV("") };
	int number = m->native(&n, line, &l);
	l.native = m;
	if (number >= 0)
		check(m, number, &l);
	buf_fini(&heading);
}

/* Asks every format that may have written the line. */
static void line_of_any(fixture_check *check, struct sv line)
{
	struct stamp s;
	struct zone z;
	struct err e;
	struct logline l = { .native = NULL };
	(void)zone_init(&z, "UTC", &e);
	stamp_init(&s, &z, 2026, 0);
	bool headed = syslog_read(&s, line, &l);
	for (const struct mta *const *m = mta_registry; *m; m++) {
		int number = headed ? (*m)->program(l.program) : -1;
		if (number >= 0)
			check(*m, number, &l);
		else if ((*m)->native)
			native_line(check, *m, &s, line);
	}
}

static void each_line(void (*f)(struct sv line))
{
	glob_t g;
	char line[65536];
	assert_int_equal(glob("tests/mta/*/*.log", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *in = fopen(g.gl_pathv[i], "r");
		while (in && fgets(line, sizeof line, in))
			f(sv_make(line, strcspn(line, "\n")));
		if (in)
			fclose(in);
	}
	globfree(&g);
}

#endif
