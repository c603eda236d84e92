/* RFC 6587 octet counting: "83 <22>1 2026-11-24T10:00:00Z mx1 postfix/smtpd 12 - - connect from …". The line needs no opening. */
#include "collector/framing.h"

/* "123 <": the count's digits and the message's priority. Returns where the message begins, 0: it is none. */
static size_t count(struct sv s, size_t *ret_count)
{
	size_t i = 0, n = 0;
	for (; i < s.n && i < 6 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		n = n * 10 + (size_t)(s.p[i] - '0');
	*ret_count = n;
	return i && s.p[0] != '0' && i + 2 < s.n && s.p[i] == ' ' && s.p[i + 1] == '<' && s.p[i + 2] >= '0' && s.p[i + 2] <= '9' ? i + 1 : 0;
}

static bool begins(struct sv s)
{
	size_t n;
	return count(s, &n) > 0;
}

static size_t measure(struct sv s, size_t *ret_need)
{
	size_t n, head = count(s, &n);
	*ret_need = head + n;
	return s.n < head + n ? 0 : head + n;
}

const struct framing framing_octet = { .name = "octet", .begins = begins, .measure = measure };
