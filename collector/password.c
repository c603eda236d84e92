#include "collector/password.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collector/scan.h"

/* "PLAIN AGFubgB3cm9uZw== ann": what follows the mechanism, unless it was taken out already. */
static ptrdiff_t initial_response(struct sv line, struct sv t, size_t *ret_end)
{
	(void)scan_word(&t);
	ptrdiff_t at = (ptrdiff_t)(line.n - t.n) + 1;
	if (!scan_char(&t, ' ') || sv_starts(t, SV("(")))
		return -1;
	while (t.n && !strchr(" \",:;", t.p[0]))
		t = sv_skip(t, 1);
	*ret_end = line.n - t.n;
	return at;
}

/* What a client tried to log in with: Courier's ",cmd: AUTH PLAIN AGFubgB3cm9uZw== ann", vchkpw's "(pass: 'wrong')", what OpenSMTPD and Exim refuse
 * at once. *ret_end: where it ends. */
static ptrdiff_t tried_password(struct sv line, size_t *ret_end)
{
	static const struct sv cmds[] = { SCAN_S(",cmd: AUTH "), SCAN_S(" command=\"AUTH "), SCAN_S(" rejected AUTH ") }, pass = SCAN_S(" (pass: '");
	*ret_end = line.n;
	for (size_t i = 0; i < sizeof cmds / sizeof *cmds; i++) {
		ptrdiff_t at = i ? sv_find(line, sv_take(cmds[i], i > 1 ? cmds[i].n : 10)) : scan_rfind(line, SV(",cmd: "));
		struct sv t = sv_skip(line, at < 0 ? line.n : (size_t)at);
		if (t.n >= cmds[i].n && strncasecmp(t.p, cmds[i].p, cmds[i].n) == 0)
			return initial_response(line, sv_skip(t, cmds[i].n), ret_end);
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
