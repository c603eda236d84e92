/* What Exim says of itself: starts, queue runs, configuration, look-ups; and what the operator has it say. */
#include "collector/exim/exim.h"

static struct sv until_space(struct sv *s)
{
	ptrdiff_t sp = sv_chr(*s, ' ');
	struct sv w = sp < 0 ? *s : sv_take(*s, (size_t)sp);
	*s = sv_skip(*s, w.n);
	return w;
}

/* "cwd=/home/web12/public_html 3 args: /usr/sbin/sendmail -t -i": somebody ran Exim. */
static bool arguments(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("cwd=")))
		return false;
	struct sv cwd;
	int64_t n;
	for (struct sv t = s; scan_before(&t, SV(" args: "), &cwd);) { /* a folder's name may hold spaces */
		cwd = sv_make(s.p, (size_t)(cwd.p + cwd.n - s.p));
		ptrdiff_t sp = sv_rchr(cwd, ' ');
		if (sp <= 0)
			continue;
		struct sv count = sv_skip(cwd, (size_t)sp + 1);
		if (scan_int(&count, &n) && !count.n) {
			r->cwd = sv_take(cwd, (size_t)sp);
			r->reason = t;
			return true;
		}
	}
	r->cwd = until_space(&s);
	return true;
}

/* cPanel: "Sender identification U=web12 D=customer.example S=web12@customer.example" */
static bool identification(struct sv s, struct record *r)
{
	if (!scan_lit(&s, SV("Sender identification U=")))
		return false;
	r->local_user = until_space(&s);
	return true;
}

/* cPanel, of a connection that a program of this host made: "SMTP connection identification H=localhost A=127.0.0.1 P=41000 U=web12 ID=1012 S=web12
 * B=identify_local_connection", before the message, which has the same port. */
static bool local_connection(struct sv s, struct record *r)
{
	struct sv address, user;
	int64_t port;
	r->reason = s;
	if (!scan_lit(&s, SV("SMTP connection identification H=localhost A=")) || !sv_ends(s, SV(" B=identify_local_connection")))
		return false;
	address = until_space(&s);
	if (!scan_lit(&s, SV(" P=")) || !scan_int(&s, &port) || !scan_lit(&s, SV(" U=")))
		return false;
	user = until_space(&s);
	r->client_ip = scan_ip(address);
	r->client_port = port;
	r->local_user = user;
	r->local_port = user.n && exim_local_port(r);
	return true;
}

/* ACLs, routers and filters have Exim write what the operator likes, so any text may be a line. Not understood is only what is
 * about a client or a refusal, as far as one can see, and was none of the forms we know. */
static bool concerns_mail(struct sv s)
{
	static const struct sv begins[] = { SCAN_S("H="), SCAN_S("U="), SCAN_S("F="), SCAN_S("<= "), SCAN_S("=> "), SCAN_S("** "), SCAN_S("== ") };
	static const struct sv inside[] = { SCAN_S("rejected "), SCAN_S("refused "), SCAN_S(" authenticator failed for "), SCAN_S(" dropped: ") };
	if (SCAN_ANY(s, begins))
		return true;
	if (sv_starts(s, SV("TLS client disconnected"))) /* "… cleanly (rejected our certificate?)" names nobody */
		return false;
	s = sv_take(s, 256);
	for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
		if (sv_find(s, inside[i]) >= 0)
			return true;
	return false;
}

bool exim_other(struct sv s, struct record *r)
{
	r->kind = RECORD_OTHER;
	r->reason = s;
	return arguments(s, r) || identification(s, r) || local_connection(s, r) || !concerns_mail(s);
}
