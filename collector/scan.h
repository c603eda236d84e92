/* scan: small steps over borrowed text that every log format needs. Each returns false and leaves *s alone when the
 * text does not have that form. */
#ifndef COLLECTOR_SCAN_H
#define COLLECTOR_SCAN_H

#include "lib/record.h"

static inline bool scan_lit(struct sv *s, struct sv lit)
{
	if (!sv_starts(*s, lit))
		return false;
	*s = sv_skip(*s, lit.n);
	return true;
}
static inline bool scan_char(struct sv *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = sv_skip(*s, 1);
	return true;
}
/* The text before the first c; *s moves past c. */
bool scan_until(struct sv *s, char c, struct sv *ret);
/* The text before the first `end`; *s moves past it. */
bool scan_before(struct sv *s, struct sv end, struct sv *ret);
/* Index of the last needle in s, or -1: for what the server writes after what a stranger chose. */
ptrdiff_t scan_rfind(struct sv s, struct sv needle);
/* The queue id that the next server says in its answer: "… queued as QID" (Postfix), "OK id=QID" (Exim), "QID Message accepted
 * for delivery" (Sendmail, OpenSMTPD). s.p is NULL: none. */
struct sv scan_queued_as(struct sv reply);
/* Whether what stands once in s: a stranger's text may hold it, too, and then nobody can tell which is the server's. */
bool scan_once(struct sv s, struct sv what);
/* Unsigned decimal, at most 18 digits. */
bool scan_int(struct sv *s, int64_t *ret);
/* A number that is not negative as text, at the end of b, which has room for 20 digits. */
struct sv scan_decimal(char *b, size_t size, int64_t v);
/* A run of bytes that are neither space nor one of , ; */
struct sv scan_word(struct sv *s);
/* "<address>": what is between the brackets. Brackets inside a quoted local part do not count. */
bool scan_angle(struct sv *s, struct sv *ret);
/* Length of the quoted text at the start of s, with its quotes; a backslash takes the next byte along. 0: none begins or ends. */
size_t scan_quoted(struct sv s);
/* Whether quotes are balanced, as in every address that the MTA writes. */
bool scan_balanced(struct sv address);

/* "name[address]" and "name[address]:port". The name's end is the first '[', as host names cannot hold one. */
struct scan_peer { struct sv name, addr; int64_t port; };
bool scan_peer(struct sv *s, struct scan_peer *ret);

/* The canonical form of an address: borrowed from text when it has it already, else written into one of a few
 * scratch places, which stand until the next line. Absent when text is no address. */
struct sv scan_ip(struct sv text);
bool scan_ip_is_loopback(struct sv canonical);

/* Sets client_ip, client_name (not "unknown"), client_port. */
void scan_set_client(struct record *r, const struct scan_peer *p);
void scan_set_relay(struct record *r, const struct scan_peer *p);

/* Whether s starts with one of an array of texts that were written with SCAN_S("…"). */
#define SCAN_S(lit) { (lit), sizeof(lit) - 1 }
/* A failed log-in's record, when the reason says that the server could not tell (its own authentication server was away, ...): then nobody's password
 * was wrong, and it becomes a warning. */
void scan_login_unjudged(struct record *r);
#define SCAN_ANY(s, array) scan_starts_any((s), (array), sizeof(array) / sizeof *(array))
bool scan_starts_any(struct sv s, const struct sv *v, size_t n);

/* "5.7.1" at the start of s, followed by the end or a space. */
bool scan_dsn(struct sv s, struct sv *ret);
/* Sets reply, and dsn when the reply says it: "550 5.1.1 text", "5.1.1 text". */
void scan_set_reply(struct record *r, struct sv reply);

#endif
