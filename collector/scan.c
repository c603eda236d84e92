#include "collector/scan.h"

#include "lib/near.h"
#include "lib/prefix.h"

bool scan_until(struct sv *s, char c, struct sv *ret)
{
	ptrdiff_t i = sv_chr(*s, c);
	if (i < 0)
		return false;
	*ret = sv_take(*s, (size_t)i);
	*s = sv_skip(*s, (size_t)i + 1);
	return true;
}

bool scan_before(struct sv *s, struct sv end, struct sv *ret)
{
	const char *p = end.n ? near_find(s->p, s->n, end.p, end.n) : NULL;
	if (!p)
		return false;
	*ret = sv_make(s->p, (size_t)(p - s->p));
	*s = sv_skip(*s, ret->n + end.n);
	return true;
}

ptrdiff_t scan_rfind(struct sv s, struct sv needle)
{
	for (size_t end = s.n; needle.n && end >= needle.n;) {
		ptrdiff_t i = sv_rchr(sv_take(s, end - needle.n + 1), needle.p[0]);
		if (i < 0)
			break;
		if (memcmp(s.p + i, needle.p, needle.n) == 0)
			return i;
		end = (size_t)i + needle.n - 1;
	}
	return -1;
}

struct sv scan_queued_as(struct sv reply)
{
	static const struct sv words[] = { SCAN_S("queued as "), SCAN_S("OK id=") };
	ptrdiff_t at = sv_find(reply, SV(" Message accepted for delivery"));
	bool any = at > 0;
	if (any) {
		struct sv before = sv_take(reply, (size_t)at);
		reply = sv_skip(before, (size_t)(sv_rchr(before, ' ') + 1));
	}
	for (size_t i = 0; i < 2 && !any; i++) {
		any = (at = scan_rfind(reply, words[i])) >= 0;
		reply = any ? sv_skip(reply, (size_t)at + words[i].n) : reply;
	}
	size_t n = 0;
	while (n < reply.n && reply.p[n] != ' ' && reply.p[n] != ')' && reply.p[n] != '>' && reply.p[n] != ',')
		n++;
	return any && n >= 5 ? sv_take(reply, n) : (struct sv){ 0 };
}

bool scan_once(struct sv s, struct sv what)
{
	ptrdiff_t at = sv_find(s, what);
	return at >= 0 && at == scan_rfind(s, what);
}

bool scan_int(struct sv *s, int64_t *ret)
{
	int64_t v = 0;
	size_t i = 0;
	for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		if (i == 18)
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	if (!i)
		return false;
	*ret = v;
	*s = sv_skip(*s, i);
	return true;
}

struct sv scan_decimal(char *b, size_t size, int64_t v)
{
	size_t at = size;
	uint64_t left = (uint64_t)v;
	do
		b[--at] = (char)('0' + left % 10);
	while ((left /= 10) > 0 && at);
	return sv_make(b + at, size - at);
}

struct sv scan_word(struct sv *s)
{
	size_t i = 0;
	while (i < s->n && s->p[i] != ' ' && s->p[i] != ',' && s->p[i] != ';')
		i++;
	struct sv w = sv_take(*s, i);
	if (i)
		*s = sv_skip(*s, i);
	return w;
}

/* Index of the '>' that ends an address which holds quotes, or -1. */
static ptrdiff_t angle_end_quoted(struct sv s)
{
	bool quoted = false;
	for (size_t i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && s.p[i] == '>')
			return (ptrdiff_t)i;
	}
	return -1;
}

bool scan_angle(struct sv *s, struct sv *ret)
{
	if (!s->n || s->p[0] != '<')
		return false;
	struct sv t = sv_skip(*s, 1);
	ptrdiff_t end = sv_chr(t, '>');
	if (end < 0)
		return false;
	if (memchr(t.p, '"', (size_t)end)) {
		ptrdiff_t far = angle_end_quoted(t);
		end = far < 0 ? end : far;
	}
	*ret = sv_take(t, (size_t)end);
	*s = sv_skip(t, (size_t)end + 1);
	return true;
}

size_t scan_quoted(struct sv s)
{
	for (size_t i = 1; i < s.n && s.p[0] == '"'; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

bool scan_balanced(struct sv a)
{
	bool quoted = false;
	for (size_t i = 0; i < a.n; i++) {
		if (quoted && a.p[i] == '\\')
			i++;
		else if (a.p[i] == '"')
			quoted = !quoted;
	}
	return !quoted;
}

bool scan_peer(struct sv *s, struct scan_peer *ret)
{
	struct sv t = *s;
	*ret = (struct scan_peer){ .port = RECORD_UNSET };
	if (!scan_until(&t, '[', &ret->name) || ret->name.n > 255 || sv_chr(ret->name, ' ') >= 0 ||
	    !scan_until(&t, ']', &ret->addr) || ret->addr.n > 128)
		return false;
	struct sv port = t;
	if (scan_char(&port, ':') && scan_int(&port, &ret->port))
		t = port;
	*s = t;
	return true;
}

/* A number up to 255 without a zero in front. */
static inline bool is_octet(const char *p, size_t n)
{
	if (n == 3)
		return p[0] == '1' || (p[0] == '2' && (p[1] < '5' || (p[1] == '5' && p[2] <= '5')));
	return n == 1 || (n == 2 && p[0] != '0');
}

/* Most addresses in logs are plain IPv4 in canonical form: say so without parsing them twice. */
static bool canonical_v4(struct sv s)
{
	unsigned digits, dots, at = 0;
	if (s.n < 7 || s.n > 15)
		return false;
	near_digits_dots(s.p, s.n, &digits, &dots);
	if ((digits | dots) != (1u << s.n) - 1)
		return false;
	for (unsigned i = 0; i < 3; i++, dots &= dots - 1) {
		unsigned end = dots ? (unsigned)__builtin_ctz(dots) : 0;
		if (!dots || !is_octet(s.p + at, end - at))
			return false;
		at = end + 1;
	}
	return !dots && is_octet(s.p + at, s.n - at);
}

struct sv scan_ip(struct sv text)
{
	static _Thread_local char scratch[4][64];
	static _Thread_local unsigned turn;
	if (canonical_v4(text))
		return text;
	struct ipaddr a;
	if (text.n > 60 || ipaddr_parse(text, &a) < 0)
		return (struct sv){ 0 };
	char *out = scratch[turn++ & 3];
	return sv_make(out, ipaddr_text(&a, out));
}

bool scan_ip_is_loopback(struct sv ip)
{
	return sv_starts(ip, SV("127.")) || sv_eq(ip, SV("::1"));
}

void scan_set_client(struct record *r, const struct scan_peer *p)
{
	r->client_ip = scan_ip(p->addr);
	if (p->name.n && !sv_eq(p->name, SV("unknown")))
		r->client_name = p->name;
	r->client_port = p->port;
}

void scan_set_relay(struct record *r, const struct scan_peer *p)
{
	r->relay_host = p->name;
	r->relay_ip = scan_ip(p->addr);
	r->relay_port = p->port;
}

/* "2.1.5" with one digit in each place, as nearly all are. */
static inline bool short_dsn(struct sv s)
{
	const char *p = s.p;
	return s.n >= 5 && p[1] == '.' && p[3] == '.' && (p[0] == '2' || p[0] == '4' || p[0] == '5') && p[2] >= '0' && p[2] <= '9' && p[4] >= '0' && p[4] <= '9' &&
	       (s.n == 5 || p[5] == ' ');
}

bool scan_dsn(struct sv s, struct sv *ret)
{
	if (short_dsn(s)) {
		*ret = sv_take(s, 5);
		return true;
	}
	struct sv t = s;
	int64_t class, subject, detail;
	if (!scan_int(&t, &class) || !scan_char(&t, '.') || !scan_int(&t, &subject) || !scan_char(&t, '.') || !scan_int(&t, &detail))
		return false;
	if ((class != 2 && class != 4 && class != 5) || subject > 999 || detail > 999 || (t.n && t.p[0] != ' '))
		return false;
	*ret = sv_take(s, s.n - t.n);
	return true;
}

bool scan_starts_any(struct sv s, const struct sv *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sv_starts(s, v[i]))
			return true;
	return false;
}

void scan_set_reply(struct record *r, struct sv reply)
{
	struct sv t = reply;
	int64_t code;
	r->reply = reply;
	if (t.n > 9 && t.p[0] >= '2' && t.p[0] <= '5' && (t.p[3] == ' ' || t.p[3] == '-') && t.p[1] >= '0' && t.p[1] <= '9' && t.p[2] >= '0' && t.p[2] <= '9') {
		(void)scan_dsn(sv_skip(t, 4), &r->dsn);
		return;
	}
	if (t.n > 4 && scan_int(&t, &code) && code >= 200 && code < 600 && t.n && (t.p[0] == ' ' || t.p[0] == '-'))
		(void)scan_dsn(sv_skip(t, 1), &r->dsn);
	else
		(void)scan_dsn(reply, &r->dsn);
}

void scan_login_unjudged(struct record *r)
{
	static const struct sv reasons[] = {
		SCAN_S("Connection lost to authentication server"), SCAN_S("generic failure"), SCAN_S("remote authentication server unavailable"), SCAN_S("transient failure"),
		SCAN_S("no mechanism available"), SCAN_S("bad protocol / cancel"), SCAN_S("no memory available"), SCAN_S("Temporary authentication failure"), SCAN_S("temporary failure"),
		SCAN_S("435 "), SCAN_S("454 "), SCAN_S("501 Authentication cancelled"), SCAN_S("501 Invalid base64 data"), SCAN_S("Unable to authenticate at present"),
	};
	if (r->kind != RECORD_AUTH_FAIL || !SCAN_ANY(r->reason, reasons))
		return;
	r->kind = RECORD_WARNING;
	r->account = (struct sv){ 0 };
}
