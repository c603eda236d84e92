/* The Sendmail format (8.x): sendmail, sm-mta, sm-msp-queue and what else it is called. A message ends with "done;", which is
 * only logged from level 11 on; else with the last recipient's outcome. */
#include "collector/sendmail/sendmail.h"

static int program(struct sv p)
{
	return sv_eq(p, SV("sendmail")) || sv_starts(p, SV("sm-")) || sv_starts(p, SV("sendmail-")) || sv_starts(p, SV("sendmail.")) ? 0 : -1;
}

/* "child: DSN: User unknown", "child: return to sender: …", "child: postmaster notify: …": a report goes out under its own id. */
static bool notice(struct sv s, struct record *r)
{
	static const struct sv kinds[] = {
		SCAN_S("DSN: "), SCAN_S("return to sender: "), SCAN_S("postmaster notify: "), SCAN_S("sender notify: "), SCAN_S("return receipt: "), SCAN_S("error report"),
	};
	struct sv child;
	if (!sendmail_id(&s, &child))
		return false;
	r->kind = RECORD_OTHER;
	r->reason = s;
	if (SCAN_ANY(s, kinds)) {
		r->kind = RECORD_BOUNCE;
		r->child_queue_id = child;
		r->nrcpt = 1;
		if (sv_find(sv_take(s, 48), SV(": Cannot send message ")) >= 0) /* all that waited; no other line says so */
			r->status = SV("expired");
		r->unnamed = sv_starts(s, SV("DSN: Too many hops ")); /* of all recipients, of whom one was named */
	} else if (sv_starts(s, SV("clone: "))) { /* a list with an owner: the same message, its recipients under another id */
		r->kind = RECORD_ACCEPT;
		r->orig_queue_id = r->queue_id;
		r->queue_id = child;
	}
	return true;
}

/* An access map or a filter threw away what was taken; said once before, with the reason. */
static bool discarded(struct sv s, struct record *r)
{
	if (!r->queue_id.p || !sv_eq(s, SV("discarded")))
		return false;
	r->kind = RECORD_POLICY;
	r->reason = s;
	r->killed = true;
	return true;
}

/* "SYSERR(root): Too many hops 15 (10 max): from <a@b> via host, to <c@d>": no other line says that it failed. */
static bool looped(struct sv s, struct record *r)
{
	struct sv t = s, skipped;
	if (!r->queue_id.p || !scan_lit(&t, SV("SYSERR(")) || !scan_before(&t, SV("): "), &skipped) || !sv_starts(t, SV("Too many hops ")))
		return false;
	ptrdiff_t from = sv_find(t, SV(": from ")), to = scan_rfind(t, SV(", to <"));
	if (from < 0 || to < from)
		return false;
	struct sv last = sv_skip(t, (size_t)to + 5), recipient;
	if (!scan_angle(&last, &recipient) || last.n)
		return false;
	r->kind = RECORD_DELIVERY;
	r->recipient = recipient;
	r->status = SV("bounced");
	r->reply = sv_take(t, (size_t)from);
	r->local = true;
	return true;
}

/* What it dumps of its files and connections after a SYSERR: "  3: fl=0x2, mode=140777: SOCK …", "MCI@0x0: NULL". */
static bool dump(struct sv s, struct record *r)
{
	int64_t fd;
	struct sv t = s;
	while (scan_char(&t, ' '))
		;
	r->kind = RECORD_OTHER;
	r->reason = t;
	return sv_starts(t, SV("MCI@")) || (scan_int(&t, &fd) && sv_starts(t, SV(": fl=")));
}

static bool complaint(struct sv s, struct record *r)
{
	static const struct sv begins[] = {
		SCAN_S("SYSERR"), SCAN_S("WARNING"), SCAN_S("message size ("), SCAN_S("headers too large ("), SCAN_S("Warning"), SCAN_S("collect: "), SCAN_S("rejecting connections"), SCAN_S("unable to qualify"), SCAN_S("My unqualified host name "), SCAN_S("Too many "), SCAN_S("too many "),
		SCAN_S("timeout "), SCAN_S("error "), SCAN_S("error: "), SCAN_S("ERROR"), SCAN_S("queueup: "), SCAN_S("Losing "), SCAN_S("losing "), SCAN_S("runqueue: "),
		SCAN_S("makeconnection"), SCAN_S("deliver"), SCAN_S("putoutmsg"), SCAN_S("low on space"), SCAN_S("MX list"), SCAN_S("savemail"),
		SCAN_S("Truncated "), SCAN_S("Fixed MIME "), SCAN_S("milter_read("), SCAN_S("milter_write("), SCAN_S("milter_sys_read("), SCAN_S("milter_negotiate("),
		SCAN_S("reply: read error"), SCAN_S("smtpquit: "), SCAN_S("AUTH warning"), SCAN_S("SASL error"), SCAN_S("setsender: "), SCAN_S("Infinite loop "),
		SCAN_S("rewrite: "), SCAN_S("File descriptors missing "), SCAN_S("unable to write "), SCAN_S("Alias file "), SCAN_S("dangerous permissions"), SCAN_S("opendaemonsocket: "),
	};
	r->kind = RECORD_WARNING;
	r->reason = s;
	if (!SCAN_ANY(s, begins) && !sv_ends(s, SV(" parameter unrecognized")))
		return false;
	sendmail_session(r, false);
	return true;
}

static bool other(struct sv s, struct record *r)
{
	static const struct sv begins[] = {
		SCAN_S("starting daemon"), SCAN_S("started as: "), SCAN_S("stopping daemon"), SCAN_S("restarting "), SCAN_S("accepting connections"), SCAN_S("alias database"), SCAN_S("clone"),
		SCAN_S("SMTP outgoing connect"), SCAN_S("gethostby"), SCAN_S("locked"), SCAN_S("grew WorkList"), SCAN_S("daemon "), SCAN_S("/etc/"), SCAN_S("/"), SCAN_S("sched"), SCAN_S("tls_"),
		SCAN_S("file="), SCAN_S("map "), SCAN_S("setting "), SCAN_S("Broken "), SCAN_S("quarantine"), SCAN_S("unquarantine"), SCAN_S("dropenvelope"), SCAN_S("split: "), SCAN_S("newaliases"),
		SCAN_S("Could not"), SCAN_S("could not"), SCAN_S("cannot "), SCAN_S("can't "), SCAN_S("getrequests"), SCAN_S("auth="), SCAN_S("control socket"), SCAN_S("ignoring"), SCAN_S("Discarding"),
		SCAN_S("--- "), SCAN_S("<-- "), SCAN_S("--> "), SCAN_S("ioctl"), SCAN_S("db_"), SCAN_S("ldap"), SCAN_S("Null connection"), SCAN_S("SMTP "), SCAN_S("discarded"), SCAN_S("proxy"), SCAN_S("user open"),
		SCAN_S("forward "), SCAN_S("truncated"), SCAN_S("queue "), SCAN_S("Queue "), SCAN_S("hash map"), SCAN_S("class hash"), SCAN_S("first open failed"),
		SCAN_S("alias "), SCAN_S("Sending "), SCAN_S("dns "), SCAN_S("poststats: "), SCAN_S("AUTH: available mech="), SCAN_S("engine=("),
	};
	r->kind = RECORD_OTHER;
	r->reason = s;
	return SCAN_ANY(s, begins);
}

/* "collect: …", "SYSERR(root): collect: …": the client was gone amid the message, or sent away ("…, where=body, status=tempfail"). Not so where what it wrote
 * was let through: "…, info=Bare linefeed (LF) not allowed, where=body, status=replaced". Sendmail's own words stand at the end. */
static bool is_cut_off(struct sv s)
{
	static const struct sv taken[] = { SCAN_S(", status=replaced"), SCAN_S(", where=header"), SCAN_S(", where=body"), SCAN_S(", where=header+body") };
	struct sv who;
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (sv_ends(s, taken[i]))
			return false;
	if (scan_lit(&s, SV("SYSERR(")) && !scan_before(&s, SV("): "), &who))
		return false;
	return sv_starts(s, SV("collect: "));
}

static bool line(struct sv s, struct record *r)
{
	if (!sendmail_id(&s, &r->queue_id))
		(void)scan_lit(&s, SV("NOQUEUE: "));
	if (sv_starts(s, SV("done; "))) {
		r->kind = RECORD_REMOVE;
		return true;
	}
	if (r->queue_id.p && sendmail_unknown_user(s, r))
		return true;
	r->put_off = r->queue_id.p && is_cut_off(s);
	return sendmail_arrival(s, r) || sendmail_delivery(s, r) || sendmail_refusal(s, r) || sendmail_client(s, r) || (r->queue_id.p && notice(s, r)) || discarded(s, r) ||
	       looped(s, r) || complaint(s, r) || other(s, r) || dump(s, r);
}

static enum mta_result parse(int number, const struct logline *l, struct record *r)
{
	(void)number;
	return line(l->text, r) ? MTA_RECORD : MTA_UNRECOGNISED;
}

static bool next(int number, const struct logline *l, struct record *r)
{
	(void)number;
	return sendmail_next(l, r);
}

static enum mta_hot hot(int number, const struct logline *l, struct record *r)
{
	(void)number;
	return sendmail_hot(l, r);
}

const struct mta mta_sendmail = { .name = "sendmail", .keeps_removed = true, .program = program, .parse = parse, .hot = hot, .next = next };
