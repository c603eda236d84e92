/* The webmail format: log-ins of accounts that a mail server only sees come from webmail's own address. Roundcube ("[24-Nov-2026 10:00:00 +0000]: <session> …",
 * by syslog "roundcube: <session> …"), SOGo ("Nov 24 10:00:00 sogod [1234]: SOGoRootPage …"), Horde (by syslog only) and Zimbra ("2026-11-24 10:00:00,123 INFO  [thread] [context] …").
 * It tells no messages: the mail server that takes them does. */
#include "collector/webmail/webmail.h"

#include <stdio.h>

enum { ROUNDCUBE, SOGO, ZIMBRA, HORDE };

static int program(struct sv p)
{
	if (sv_eq(p, SV("roundcube")) || sv_eq(p, SV("userlogins"))) /* the second with log_driver = stdout, where the log's name comes before */
		return ROUNDCUBE;
	return sv_eq(p, SV("sogod")) ? SOGO : sv_eq(p, SV("HORDE")) ? HORDE : -1;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Zimbra's own stamp with what follows, not yet read. */
static bool is_zimbra(struct sv s)
{
	if (s.n < 32 || s.p[4] != '-' || s.p[10] != ' ' || s.p[19] != ',' || !is_digit(s.p[20]) || !is_digit(s.p[22]) || s.p[23] != ' ')
		return false;
	s = sv_skip(s, 24);
	return webmail_zimbra_level(&s);
}

/* "[24-Nov-2026 10:00:00 +0000]: " (log_date_format; with a fraction, too) → as stamps are; *s moves behind. */
static bool take_roundcube_stamp(struct sv *s, char room[48], struct sv *ret)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const char *p = s->p;
	if (s->n < 30 || p[0] != '[' || p[3] != '-' || p[7] != '-' || p[12] != ' ' || p[15] != ':')
		return false;
	ptrdiff_t end = sv_find(sv_take(*s, 40), SV("]: "));
	const char *month = memmem(names, 36, p + 4, 3);
	if (end < 27 || !month || (month - names) % 3)
		return false;
	ptrdiff_t zone = end - 5; /* "+0000" */
	if (p[zone - 1] != ' ' || (p[zone] != '+' && p[zone] != '-'))
		return false;
	int n = snprintf(room, 48, "%.4s-%02d-%.2sT%.*s%.5s ", p + 8, (int)(month - names) / 3 + 1, p + 1, (int)(zone - 1 - 13), p + 13, p + zone);
	*ret = sv_make(room, (size_t)n);
	*s = sv_skip(*s, (size_t)end + 3);
	return true;
}

/* A line must have a session's name: a stranger's user name may hold a line end and a stamp, but not that; see collector/webmail/roundcube.c. */
static int native_roundcube(struct native *n, struct sv line, struct logline *l)
{
	char room[48];
	struct sv t = line, stamp, session;
	if (!take_roundcube_stamp(&t, room, &stamp))
		return -1;
	l->program = SV("roundcube");
	l->text = t;
	if (!webmail_roundcube_session(&t, &session) || !stamp_read(n->stamp, &stamp, &l->time_us, &l->utc_offset_s) || stamp.n)
		return -1;
	return ROUNDCUBE;
}

/* "Nov 24 10:00:00 sogod [1234]: " */
static int native_sogo(struct native *n, struct sv line, struct logline *l)
{
	struct sv t = line;
	if (line.n < 26 || !sv_starts(sv_skip(line, 15), SV(" sogod [")) || !stamp_read(n->stamp, &t, &l->time_us, &l->utc_offset_s))
		return -1;
	if (!scan_lit(&t, SV("sogod [")) || !scan_int(&t, &l->pid) || !scan_lit(&t, SV("]: ")))
		return -1;
	l->program = SV("sogod");
	l->text = t;
	return SOGO;
}

static int native(struct native *n, struct sv line, struct logline *l)
{
	struct sv t = line;
	if (line.n && line.p[0] == '[')
		return native_roundcube(n, line, l);
	if (!is_zimbra(line))
		return native_sogo(n, line, l);
	if (!stamp_read(n->stamp, &t, &l->time_us, &l->utc_offset_s))
		return -1;
	l->program = SV("zimbra");
	l->text = t;
	return ZIMBRA;
}

/* Of a line that was sent on as it is. */
static struct sv without_stamp(struct sv text)
{
	char room[48];
	struct sv stamp;
	(void)take_roundcube_stamp(&text, room, &stamp);
	return is_zimbra(text) ? sv_skip(text, 24) : text;
}

/* syslog_id may be anything, and so is the tag of whoever sends a file on, whose stamps then stand in the text. */
static int renamed(struct sv text)
{
	struct sv session, t = without_stamp(text);
	if (webmail_roundcube_session(&t, &session))
		return ROUNDCUBE;
	return sv_starts(text, SV("SOGoRootPage ")) ? SOGO : is_zimbra(text) ? ZIMBRA : webmail_is_horde(text) ? HORDE : -1;
}

static enum mta_result parse(int number, const struct logline *l, struct record *r)
{
	struct sv s = without_stamp(l->text);
	switch (number) {
	case ROUNDCUBE: return webmail_roundcube(s, r) ? MTA_RECORD : MTA_UNRECOGNISED;
	case SOGO: return webmail_sogo(s, r) ? MTA_RECORD : MTA_UNRECOGNISED;
	case HORDE: return webmail_horde(s, r) ? MTA_RECORD : MTA_UNRECOGNISED;
	default: return webmail_zimbra(s, r) ? MTA_RECORD : MTA_UNRECOGNISED;
	}
}

static bool next(int number, const struct logline *l, struct record *r)
{
	(void)l;
	return number == ROUNDCUBE && r->kind == RECORD_POLICY && webmail_roundcube_next(r);
}

const struct mta mta_webmail = { .name = "webmail", .accompanies = true, .program = program, .renamed = renamed, .native = native, .parse = parse, .next = next };
