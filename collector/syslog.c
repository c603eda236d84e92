#include "collector/syslog.h"

#define REPEATS_MAX 10000u /* a forged figure must not keep us busy */

static struct sv word(struct sv *t)
{
	ptrdiff_t sp = sv_chr(*t, ' ');
	size_t n = sp < 0 ? t->n : (size_t)sp;
	struct sv w = sv_take(*t, n);
	*t = sv_skip(*t, n + (sp >= 0));
	return w;
}

static int64_t number(struct sv s)
{
	int64_t v = 0;
	if (!s.n || s.n > 10)
		return RECORD_UNSET;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return RECORD_UNSET;
		v = v * 10 + (s.p[i] - '0');
	}
	return v;
}

static bool is_priority(struct sv s);

/* "<22>", "<mail.info>" and "mail.info: "; leaves *t alone when there is none. True when a version digit follows (RFC 5424). */
static bool priority(struct sv *t)
{
	if (t->n && t->p[0] >= 'a' && t->p[0] <= 'z') { /* s6-overlay's syslogd */
		ptrdiff_t colon = sv_find(sv_take(*t, 20), SV(": "));
		if (colon > 0 && is_priority(sv_take(*t, (size_t)colon)))
			*t = sv_skip(*t, (size_t)colon + 2);
		return false;
	}
	if (!t->n || t->p[0] != '<')
		return false;
	ptrdiff_t gt = sv_chr(sv_take(*t, 20), '>');
	if (gt < 0)
		return false;
	*t = sv_skip(*t, (size_t)gt + 1);
	if (t->n > 2 && t->p[0] == '1' && t->p[1] == ' ') {
		*t = sv_skip(*t, 2);
		return true;
	}
	if (t->n && t->p[0] == ' ')
		*t = sv_skip(*t, 1);
	return false;
}

/* Skips "-" or [id k="v" …][…]; quotes inside values may hold brackets. */
static void structured_data(struct sv *t)
{
	if (t->n && t->p[0] == '-') {
		*t = sv_skip(*t, 1);
		return;
	}
	while (t->n && t->p[0] == '[') {
		size_t i = 1;
		for (bool quoted = false; i < t->n && (quoted || t->p[i] != ']'); i++) {
			if (t->p[i] == '\\' && quoted)
				i++;
			else if (t->p[i] == '"')
				quoted = !quoted;
		}
		*t = sv_skip(*t, i + 1);
	}
}

static void header_5424(struct sv t, struct logline *l)
{
	l->host = word(&t);
	l->program = word(&t);
	l->pid = number(word(&t));
	(void)word(&t); /* MSGID */
	structured_data(&t);
	while (t.n && t.p[0] == ' ')
		t = sv_skip(t, 1);
	if (sv_starts(t, SV("\xef\xbb\xbf")))
		t = sv_skip(t, 3);
	l->text = t;
}

static bool is_one_of(struct sv s, const char *names)
{
	for (; *names; names += strlen(names) + 1)
		if (sv_eq(s, sv_cstr(names)))
			return true;
	return false;
}

/* "mail.info": what some daemons write between host and program, or into the text. */
static bool is_priority(struct sv s)
{
	ptrdiff_t dot = sv_chr(s, '.');
	return dot > 0 && is_one_of(sv_take(s, (size_t)dot), "mail\0daemon\0user\0auth\0authpriv\0security\0syslog\0cron\0kern\0lpr\0news\0uucp\0ftp\0"
	                                                     "local0\0local1\0local2\0local3\0local4\0local5\0local6\0local7\0") &&
	       is_one_of(sv_skip(s, (size_t)dot + 1), "info\0notice\0warn\0warning\0err\0error\0crit\0alert\0emerg\0panic\0debug\0");
}

/* Solaris' syslogd: "[ID 197553 mail.info] text" */
static struct sv without_message_id(struct sv text)
{
	struct sv t = text, id;
	if (!sv_starts(t, SV("[ID ")))
		return text;
	t = sv_skip(t, 4);
	id = word(&t);
	ptrdiff_t end = sv_chr(sv_take(t, 20), ']');
	if (number(id) < 0 || end < 0 || !is_priority(sv_take(t, (size_t)end)))
		return text;
	t = sv_skip(t, (size_t)end + 1);
	return t.n && t.p[0] == ' ' ? sv_skip(t, 1) : t;
}

/* iRedAPD's "iredapd [192.0.2.1] RCPT, …" and "iredapd INFO: …": a tag without the colon, as Python writes what its own format did not end. */
static bool bare_tag(struct sv t, struct logline *l)
{
	if (!sv_starts(t, SV("iredapd ")))
		return false;
	l->program = sv_take(t, 7);
	l->text = sv_skip(t, 8);
	return true;
}

/* "program[123]: text", "program: text". Without a colon in reach everything is text. */
static void tag(struct sv t, struct logline *l)
{
	size_t i = 0;
	while (i < t.n && i < 128 && t.p[i] != '[' && t.p[i] != ':' && t.p[i] != ' ')
		i++;
	l->text = t;
	l->program = sv_make(t.p, 0);
	if (i == t.n || i == 128)
		return;
	struct sv rest = sv_skip(t, i);
	if (rest.p[0] == ' ' && bare_tag(t, l))
		return;
	if (rest.p[0] == '[') {
		ptrdiff_t end = sv_chr(sv_take(rest, 24), ']');
		if (end < 0)
			return;
		l->pid = number(sv_make(rest.p + 1, (size_t)end - 1));
		rest = sv_skip(rest, (size_t)end + 1);
	}
	if (!rest.n || rest.p[0] != ':')
		return;
	l->program = sv_take(t, i);
	rest = sv_skip(rest, 1);
	l->text = without_message_id(rest.n && rest.p[0] == ' ' ? sv_skip(rest, 1) : rest);
}

bool syslog_read(struct stamp *s, struct sv line, struct logline *l)
{
	struct sv t = line;
	l->raw = line;
	l->pid = RECORD_UNSET;
	bool is_5424 = priority(&t);
	if (!stamp_read(s, &t, &l->time_us, &l->utc_offset_s))
		return false;
	if (is_5424) {
		header_5424(t, l);
		return true;
	}
	(void)priority(&t); /* FreeBSD's syslogd -v puts <mail.info> here */
	struct sv rest = t;
	l->host = word(&t);
	if (sv_ends(l->host, SV("]:"))) { /* "postfix/smtpd[7]:", of syslogds that leave the host out */
		l->host = sv_make(rest.p, 0);
		t = rest;
	}
	tag(t, l);
	struct sv first = t.n && t.p[0] >= 'a' && !l->program.n ? word(&t) : (struct sv){ 0 };
	if (first.n && is_priority(first)) /* BusyBox' syslogd */
		tag(t, l);
	return true;
}

static unsigned times(struct sv *t)
{
	int64_t n = number(word(t));
	if (n < 1 || !sv_starts(*t, SV("time")))
		return 0;
	*t = sv_skip(*t, *(t->p + (t->n > 4 ? 4 : 3)) == 's' ? 5 : 4);
	return n > REPEATS_MAX ? REPEATS_MAX : (unsigned)n;
}

unsigned syslog_repeats(struct logline *l, bool *ret_again)
{
	struct sv t = l->text;
	*ret_again = false;
	if (t.n < 20 || (t.p[0] != 'm' && t.p[0] != 'l' && t.p[0] != '-'))
		return 1;
	if (sv_starts(t, SV("last message repeated ")) || (!l->program.n && sv_starts(t, SV("--- last message repeated ")))) {
		t = sv_skip(t, (size_t)sv_find(t, SV("repeated ")) + 9);
		unsigned n = times(&t);
		if (l->program.n && t.n)
			return 1;
		*ret_again = n != 0;
		return n ? n : 1;
	}
	if (!sv_starts(t, SV("message repeated ")))
		return 1;
	t = sv_skip(t, 17);
	unsigned n = times(&t);
	if (!n || !sv_starts(t, SV(": [")) || t.p[t.n - 1] != ']')
		return 1;
	t = sv_take(sv_skip(t, 3), t.n - 4);
	l->text = t.n && t.p[0] == ' ' ? sv_skip(t, 1) : t;
	return n;
}
