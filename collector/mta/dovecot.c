/* The Dovecot format: IMAP, POP3, submission and ManageSieve logins, LMTP and LDA. Through syslog ("dovecot: imap-login: …",
 * or a program of its own per process), or Dovecot's own file ("Nov 24 10:00:00 imap-login: Info: …", no host). */
#include "collector/dovecot/dovecot.h"

enum { WITH_PROCESS = 0 }; /* the text names the process; else 1 + index of the process */

enum sort { LOGIN, AUTH, MAIL, DELIVER, REST };

static const struct { struct sv name; enum sort sort; bool alone; } processes[] = { /* alone: as a program's name it can be nobody else's */
	{ SCAN_S("imap-login"), LOGIN, true }, { SCAN_S("pop3-login"), LOGIN, true }, { SCAN_S("submission-login"), LOGIN, true },
	{ SCAN_S("managesieve-login"), LOGIN, true }, { SCAN_S("auth-worker"), AUTH, true }, { SCAN_S("auth"), AUTH, true },
	{ SCAN_S("dovecot-auth"), AUTH, true }, { SCAN_S("imap"), MAIL, false }, { SCAN_S("IMAP"), MAIL, false }, { SCAN_S("pop3"), MAIL, false },
	{ SCAN_S("POP3"), MAIL, false }, { SCAN_S("submission"), MAIL, false }, { SCAN_S("managesieve"), MAIL, true }, { SCAN_S("lmtp"), DELIVER, true },
	{ SCAN_S("lda"), DELIVER, false }, { SCAN_S("deliver"), DELIVER, false }, { SCAN_S("dovecot-lda"), DELIVER, true }, { SCAN_S("master"), REST, false },
	{ SCAN_S("indexer-worker"), REST, false }, { SCAN_S("indexer"), REST, false }, { SCAN_S("anvil"), REST, false }, { SCAN_S("config"), REST, false },
	{ SCAN_S("log"), REST, false }, { SCAN_S("stats"), REST, false }, { SCAN_S("old-stats"), REST, false }, { SCAN_S("director"), REST, false },
	{ SCAN_S("doveadm"), REST, false }, { SCAN_S("doveadm-server"), REST, false }, { SCAN_S("dict"), REST, false }, { SCAN_S("dict-async"), REST, false },
	{ SCAN_S("dsync"), REST, false }, { SCAN_S("dsync-local"), REST, false }, { SCAN_S("dsync-server"), REST, false }, { SCAN_S("replicator"), REST, false },
	{ SCAN_S("aggregator"), REST, false }, { SCAN_S("quota-status"), REST, false }, { SCAN_S("imap-hibernate"), REST, false },
	{ SCAN_S("imap-urlauth"), REST, false }, { SCAN_S("imap-urlauth-login"), REST, false }, { SCAN_S("imap-urlauth-worker"), REST, false },
	{ SCAN_S("ssl-params"), REST, false }, { SCAN_S("ssl-build-param"), REST, false }, { SCAN_S("dns-client"), REST, false }, { SCAN_S("dns_client"), REST, false },
	{ SCAN_S("ipc"), REST, false }, { SCAN_S("script"), REST, false }, { SCAN_S("script-login"), REST, false }, { SCAN_S("welcome"), REST, false },
	{ SCAN_S("quota-warning"), REST, false }, { SCAN_S("checkpassword"), REST, false }, { SCAN_S("decode2text"), REST, false },
};
#define PROCESSES ((int)(sizeof processes / sizeof *processes))

static int process_named(struct sv name)
{
	for (int i = 0; i < PROCESSES; i++)
		if (sv_eq(name, processes[i].name))
			return i;
	return -1;
}

static int program(struct sv p)
{
	if (sv_eq(p, SV("dovecot")))
		return WITH_PROCESS;
	bool ours = scan_lit(&p, SV("dovecot/"));
	int i = process_named(p);
	return i >= 0 && (ours || processes[i].alone) ? i + 1 : -1;
}

static bool level(struct sv *s, bool *ret_complaint)
{
	static const struct { struct sv text; bool complaint; } levels[] = {
		{ SCAN_S("Info: "), false }, { SCAN_S("Debug: "), false }, { SCAN_S("Warning: "), true }, { SCAN_S("Error: "), true },
		{ SCAN_S("Fatal: "), true }, { SCAN_S("Panic: "), true }, { SCAN_S("Warn: "), true },
	};
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		if (scan_lit(s, levels[i].text)) {
			*ret_complaint |= levels[i].complaint;
			return true;
		}
	}
	return false;
}

/* "(who)" with its end before "<" or ": ": users are known ones here, or pass auth_username_chars. */
static void in_parentheses(struct sv *s, struct sv *ret)
{
	struct sv t = *s;
	if (!scan_char(&t, '('))
		return;
	for (size_t i = 0; i + 1 < t.n && i < 320; i++) {
		if (t.p[i] == ')' && (t.p[i + 1] == '<' || t.p[i + 1] == ':')) {
			*ret = sv_take(t, i);
			*s = sv_skip(t, i + 1);
			return;
		}
	}
}

/* What follows the process's name, up to its words. */
static bool head_rest(struct sv *s, struct dovecot_head *h)
{
	struct sv in;
	in_parentheses(s, &h->who);
	while (s->n && s->p[0] == '<') { /* pid and session; either may be missing */
		if (!scan_until(s, '>', &in) || in.n > 128)
			return false;
		h->session = in.n > 1 && in.p[0] == '<' ? sv_skip(in, 1) : in;
	}
	if (!scan_lit(s, SV(": ")))
		return false;
	h->leveled = level(s, &h->complaint);
	return true;
}

static bool read_head(struct sv *s, struct dovecot_head *h)
{
	struct sv t = *s;
	size_t n = 0;
	while (n < t.n && n < 24 && t.p[n] != '(' && t.p[n] != '<' && t.p[n] != ':' && t.p[n] != ' ')
		n++;
	h->process = sv_take(t, n);
	t = sv_skip(t, n);
	if (!n || !head_rest(&t, h))
		return false;
	*s = t;
	return true;
}

/* Dovecot's own file. The process must be one we know and a level must be there: nobody else writes so. */
static int native(struct native *n, struct sv line, struct logline *l)
{
	struct sv t = line;
	bool complaint = false;
	(void)scan_lit(&t, SV("dovecot: ")); /* 1.x with info_log_path */
	if (t.n < 24 || !stamp_read(n->stamp, &t, &l->time_us, &l->utc_offset_s))
		return -1;
	struct dovecot_head h = { 0 };
	bool leveled = level(&t, &complaint); /* 1.x: before the process */
	struct sv text = t;
	if (!read_head(&t, &h) || process_named(h.process) < 0 || (!leveled && !h.leveled))
		return -1;
	l->program = SV("dovecot");
	l->text = text;
	return complaint ? PROCESSES + 1 : WITH_PROCESS;
}

static bool words(enum sort sort, const struct dovecot_head *h, struct sv s, struct record *r)
{
	switch (sort) {
	case LOGIN: return dovecot_login(s, r);
	case AUTH: return dovecot_auth(h, s, r);
	case MAIL: return dovecot_mail(h, s, r);
	case DELIVER: return dovecot_deliver(h, s, r);
	default: return false;
	}
}

static enum mta_result parse(int number, const struct logline *l, struct record *r)
{
	struct dovecot_head h = { .complaint = number == PROCESSES + 1 };
	struct sv s = l->text;
	int process = number - 1;
	if (number == WITH_PROCESS || h.complaint) {
		(void)level(&s, &h.complaint);
		process = read_head(&s, &h) ? process_named(h.process) : -1;
	} else {
		(void)level(&s, &h.complaint);
	}
	enum sort sort = process < 0 ? REST : processes[process].sort;
	if (sort == MAIL || sort == DELIVER)
		r->session = h.session;
	if (words(sort, &h, s, r) && !(h.complaint && r->kind == RECORD_OTHER))
		return MTA_RECORD;
	r->kind = h.complaint ? RECORD_WARNING : RECORD_OTHER;
	r->reason = s;
	return MTA_RECORD;
}

const struct mta mta_dovecot = { .name = "dovecot", .accompanies = true, .program = program, .native = native, .parse = parse };
