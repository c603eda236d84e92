#include "lib/plain.h"

#include <string.h>

#include "lib/buf.h"
#include "lib/jsonw.h"

static bool is_control(struct sv s, size_t n, const char *keep)
{
	uint8_t c = (uint8_t)s.p[0];
	if (n == 2)
		return c == 0xc2 && (uint8_t)s.p[1] < 0xa0;
	return n == 1 && (c < 0x20 || c == 0x7f) && !(c && strchr(keep, c));
}

static bool turns_text(struct sv s, size_t n)
{
	if (n != 3 || (uint8_t)s.p[0] != 0xe2)
		return false;
	uint8_t b = (uint8_t)s.p[1], c = (uint8_t)s.p[2];
	return (b == 0x80 && c >= 0xaa && c <= 0xae) || (b == 0x81 && c >= 0xa6 && c <= 0xa9);
}

static void put(struct buf *out, struct sv s, const char *keep, bool shown)
{
	while (s.n) {
		size_t n = utf8_length(s);
		if (!n || is_control(s, n, keep) || (shown && turns_text(s, n)))
			buf_add(out, "\xef\xbf\xbd", 3);
		else
			buf_add(out, s.p, n);
		s = sv_skip(s, n ? n : 1);
	}
}

void plain_put(struct buf *out, struct sv s, const char *keep)
{
	put(out, s, keep, false);
}

void plain_show(struct buf *out, struct sv s, const char *keep)
{
	put(out, s, keep, true);
}
