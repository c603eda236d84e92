/* Names, addresses and ids as Sendmail writes them. */
#include "collector/sendmail/sendmail.h"

#include <ctype.h>

#include "lib/near.h"

/* 8 characters for the time and five or more digits of the process; before 8.10 three letters and five digits. */
#define DIGITS_MIN 5u

/* The same where it is shorter than sixteen bytes, as it is now. */
static inline bool short_id(struct sv *s, struct sv *ret)
{
	unsigned digits, dots, other = ~near_alnum(s->p) & 0xffff;
	size_t n = other ? (size_t)__builtin_ctz(other) : 0;
	if (n < 8 || n > 14 || s->p[n] != ':' || s->p[n + 1] != ' ')
		return false;
	near_digits_dots(s->p, 16, &digits, &dots);
	if ((digits >> (n - DIGITS_MIN) & ((1u << DIGITS_MIN) - 1)) != (1u << DIGITS_MIN) - 1)
		return false;
	*ret = sv_take(*s, n);
	*s = sv_skip(*s, n + 2);
	return true;
}

bool sendmail_id(struct sv *s, struct sv *ret)
{
	if (s->n >= 16 && short_id(s, ret))
		return true;
	size_t n = 0, digits = 0;
	for (; n < s->n && n < 20 && isalnum((unsigned char)s->p[n]); n++)
		digits = isdigit((unsigned char)s->p[n]) ? digits + 1 : 0;
	if (n < 8 || digits < DIGITS_MIN || n + 1 >= s->n || s->p[n] != ':' || s->p[n + 1] != ' ')
		return false;
	*ret = sv_take(*s, n);
	*s = sv_skip(*s, n + 2);
	return true;
}

static struct sv bare_ip(struct sv a)
{
	(void)scan_lit(&a, SV("IPv6:"));
	return a;
}

/* "ident@" before a name is the word of the client's host; a bracketed name is none. */
static struct sv bare_name(struct sv n)
{
	ptrdiff_t at = sv_rchr(n, '@');
	if (at >= 0)
		n = sv_skip(n, (size_t)at + 1);
	if (n.n && n.p[n.n - 1] == '.')
		n.n--;
	return n.n && n.p[0] == '[' ? sv_make(n.p, 0) : n;
}

/* What stands before "[ip]". Right before it, "ident@" has no name behind it. */
static struct sv name_before(struct sv s, size_t open)
{
	return sv_take(s, open && s.p[open - 1] == ' ' ? open - 1 : 0);
}

/* "host.example. [192.0.2.1]" with a name that needs no second look, and nothing in brackets after it. */
static inline bool usual_peer(struct sv *s, struct sendmail_peer *p)
{
	size_t n = near_first_of(s->p, s->n, ' ', '[', '@');
	if (!n || n > 255 || n + 2 >= s->n || s->p[n] != ' ' || s->p[n + 1] != '[' || s->p[n + 2] == 'I')
		return false;
	struct sv t = sv_skip(*s, n + 2);
	const char *q = memchr(t.p, ']', t.n < 65 ? t.n : 65); /* too short for near_first_of() */
	size_t end = q ? (size_t)(q - t.p) : 65;
	if (end > 64 || memchr(t.p, ' ', end) || (end + 1 < t.n && t.p[end + 1] == ' '))
		return false;
	*p = (struct sendmail_peer){ sv_take(*s, n - (s->p[n - 1] == '.')), sv_take(t, end) };
	*s = sv_skip(t, end + 1);
	return true;
}

bool sendmail_peer(struct sv *s, struct sendmail_peer *p)
{
	if (usual_peer(s, p))
		return true;
	struct sv t = *s;
	*p = (struct sendmail_peer){ 0 };
	ptrdiff_t open = sv_chr(t, '['), space = sv_chr(t, ' ');
	if (open < 0 || (space >= 0 && space < open && space + 1 != open)) /* a name is one word */
		return false;
	if (space > open && sv_starts(sv_skip(t, (size_t)space), SV(" ["))) /* "[ip] [ip]", "host[ip] [ip]": the name has brackets */
		open = space + 1;
	p->name = bare_name(name_before(t, (size_t)open));
	t = sv_skip(t, (size_t)open + 1);
	if (p->name.n > 255 || !scan_until(&t, ']', &p->addr) || p->addr.n > 64 || sv_chr(p->addr, ' ') >= 0)
		return false;
	p->addr = bare_ip(p->addr);
	(void)scan_lit(&t, SV(" (may be forged)"));
	*s = t;
	return true;
}

bool sendmail_peer_at_end(struct sv s, struct sendmail_peer *p)
{
	*p = (struct sendmail_peer){ 0 };
	if (sv_ends(s, SV(" (may be forged)")))
		s.n -= 16;
	ptrdiff_t open = sv_rchr(s, '[');
	if (open < 0 || s.p[s.n - 1] != ']')
		return false;
	p->addr = bare_ip(sv_make(s.p + open + 1, s.n - (size_t)open - 2));
	struct sv name = name_before(s, (size_t)open);
	ptrdiff_t space = sv_rchr(name, ' ');
	name = sv_skip(name, (size_t)(space + 1));
	if (!sv_eq(name, SV("from"))) /* "… from [ip]" */
		p->name = bare_name(name);
	return p->addr.n <= 64;
}

void sendmail_set_client(struct record *r, const struct sendmail_peer *p)
{
	r->client_ip = scan_ip(p->addr);
	if (p->name.n && p->name.n <= 255)
		r->client_name = p->name;
}

void sendmail_session(struct record *r, bool with_address)
{
	static _Thread_local char key[96];
	char number[24];
	if (r->pid == RECORD_UNSET || (with_address && !r->client_ip.p))
		return;
	struct sv pid = scan_decimal(number, sizeof number, r->pid);
	struct sv ip = with_address ? r->client_ip : (struct sv){ 0 };
	if (pid.n + 1 + ip.n >= sizeof key)
		return;
	near_copy(key, pid.p, pid.n);
	if (with_address) {
		key[pid.n++] = ' ';
		near_copy(key + pid.n, ip.p, ip.n);
	}
	r->session = sv_make(key, pid.n + ip.n);
}

/* The last byte of what a backslash begins: Sendmail writes its own as "\\351", and that of an address twice, with what it escapes after it. */
static size_t escaped(struct sv s, size_t i)
{
	if (i + 1 >= s.n || s.p[i + 1] != '\\')
		return i + 1;
	return i + 2 < s.n && s.p[i + 2] == '\\' ? i + 3 : i + 2;
}

size_t sendmail_outside(struct sv s, char stop)
{
	bool quoted = false;
	size_t depth = 0, plain = near_first_of(s.p, s.n, stop, '"', '(');
	if (plain < s.n && s.p[plain] == stop && !memchr(s.p, '\\', plain))
		return plain;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\\')
			i = escaped(s, i);
		else if (quoted)
			quoted = c != '"';
		else if (c == '(')
			depth++;
		else if (depth)
			depth -= c == ')';
		else if (c == '"')
			quoted = true;
		else if (c == stop)
			return i;
	}
	return s.n;
}

/* Sendmail takes brackets within those of an address, where they balance. */
static size_t within_brackets(struct sv s)
{
	size_t n = sendmail_outside(s, '>'), open = 0;
	if (!memchr(s.p, '<', n))
		return n;
	for (struct sv part = sv_take(s, n); n < s.n; n += 1 + part.n) {
		for (size_t i; (i = sendmail_outside(part, '<')) < part.n; open++)
			part = sv_skip(part, i + 1);
		if (!open--)
			return n;
		part = sv_skip(s, n + 1);
		part.n = sendmail_outside(part, '>');
	}
	return s.n;
}

bool sendmail_angle(struct sv *s, struct sv *ret)
{
	if (!s->n || s->p[0] != '<')
		return false;
	struct sv t = sv_skip(*s, 1);
	size_t n = within_brackets(t);
	if (n >= t.n)
		return false;
	*ret = sv_take(t, n);
	*s = sv_skip(t, n + 1);
	while (ret->n > 1 && ret->p[0] == '<' && ret->p[ret->n - 1] == '>') /* "<<a@b>>" is a@b */
		*ret = sv_make(ret->p + 1, ret->n - 2);
	return true;
}

bool sendmail_address(struct sv *s, struct sv *ret)
{
	if (sendmail_angle(s, ret) || scan_angle(s, ret))
		return true;
	size_t i = sendmail_outside(*s, ',');
	struct sv a = sv_take(*s, i);
	*s = sv_skip(*s, i);
	ptrdiff_t open = a.n && a.p[a.n - 1] == '>' ? sv_rchr(a, '<') : -1;
	if (open > 0 && a.p[open - 1] == ' ') /* as it was given to a program: "Anna <anna@x.example>" */
		a = sv_make(a.p + open + 1, a.n - (size_t)open - 2);
	while (a.n > 1 && a.p[0] == '\\') /* a .forward's "\\anna": with no further look at it */
		a = sv_skip(a, 1);
	*ret = a;
	return i > 0;
}
