#include "collector/password.h"

#include <stdio.h>
#include <strings.h>

#include "collector/scan.h"

/* What a client tried to log in with: Courier's ",cmd: AUTH PLAIN AGFubgB3cm9uZw== ann", vchkpw's "(pass: 'wrong')". *ret_end: where it ends. */
static ptrdiff_t tried_password(struct sv line, size_t *ret_end)
{
	static const struct sv cmd = SCAN_S(",cmd: AUTH "), pass = SCAN_S(" (pass: '");
	ptrdiff_t at = scan_rfind(line, SV(",cmd: "));
	struct sv t = sv_skip(line, at < 0 ? line.n : (size_t)at);
	*ret_end = line.n;
	if (t.n >= cmd.n && strncasecmp(t.p, cmd.p, cmd.n) == 0) {
		t = sv_skip(t, cmd.n);
		(void)scan_word(&t);
		at = (ptrdiff_t)(line.n - t.n) + 1;
		if (!scan_char(&t, ' '))
			return -1;
		(void)scan_word(&t);
		*ret_end = line.n - t.n;
		return at;
	}
	at = sv_find(line, pass);
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
