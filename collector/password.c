#include "collector/password.h"

#include <stdio.h>
#include <strings.h>

#include "collector/scan.h"

/* A command before its name, which the client may write in either case, with that, and what ends it. */
static const struct { struct sv before, with; const char *end; bool last; } commands[] = {
	{ SCAN_S(",cmd: "), SCAN_S(",cmd: AUTH "), " ", true },                  /* Courier */
	{ SCAN_S(" command=\""), SCAN_S(" command=\"AUTH "), "\"", false },     /* OpenSMTPD */
	{ SCAN_S(" rejected AUTH "), SCAN_S(" rejected AUTH "), ": ", false },   /* Exim */
	{ SCAN_S(" rejected \""), SCAN_S(" rejected \"AUTH "), "\" ", false },  /* Exim, too early */
};

/* "PLAIN AGFubgB3cm9uZw==": what follows the mechanism, unless it was taken out already. */
static ptrdiff_t initial_response(struct sv line, struct sv t, const char *ends, size_t *ret_end)
{
	(void)scan_word(&t);
	ptrdiff_t at = (ptrdiff_t)(line.n - t.n) + 1;
	if (!scan_char(&t, ' ') || sv_starts(t, SV("(")))
		return -1;
	ptrdiff_t end = sv_find(t, sv_cstr(ends));
	*ret_end = end < 0 ? line.n : line.n - t.n + (size_t)end;
	return at;
}

/* What a client tried to log in with: Courier's ",cmd: AUTH PLAIN AGFubgB3cm9uZw== ann", vchkpw's "(pass: 'wrong')", what OpenSMTPD and Exim refuse
 * at once. *ret_end: where it ends. */
static ptrdiff_t tried_password(struct sv line, size_t *ret_end)
{
	static const struct sv pass = SCAN_S(" (pass: '");
	*ret_end = line.n;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		struct sv with = commands[i].with;
		ptrdiff_t at = commands[i].last ? scan_rfind(line, commands[i].before) : sv_find(line, commands[i].before);
		struct sv t = sv_skip(line, at < 0 ? line.n : (size_t)at);
		if (t.n >= with.n && strncasecmp(t.p, with.p, with.n) == 0)
			return initial_response(line, sv_skip(t, with.n), commands[i].end, ret_end);
	}
	ptrdiff_t at = sv_find(line, pass);
	ptrdiff_t end = at < 0 ? -1 : scan_rfind(line, SV("')"));
	if (end < at + (ptrdiff_t)pass.n)
		return at < 0 ? -1 : at + 1;
	*ret_end = (size_t)end + 2;
	return at + 1;
}

struct sv password_hidden(struct sv line, char *room, size_t size)
{
	size_t end;
	ptrdiff_t at = tried_password(line, &end);
	if (at < 0)
		return line;
	int n = snprintf(room, size, "%.*s(...)%.*s", (int)at, line.p, (int)(line.n - end), line.p + end);
	return sv_make(room, n < (int)size ? (size_t)n : size - 1);
}
