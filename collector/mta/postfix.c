/* The Postfix format: which daemon speaks, and to whom its line goes. */
#include "collector/postfix/postfix.h"

static const struct sv daemons[POSTFIX_DAEMON_COUNT] = {
#define D(e, name) SCAN_S(name),
	POSTFIX_DAEMONS(D)
#undef D
};

/* "postfix/smtpd", "postfix/submission/smtpd", "postfix-out/smtp", "mx-in/qmgr": instance / … / daemon. */
static int program(struct sv p)
{
	ptrdiff_t slash = sv_rchr(p, '/');
	struct sv last = slash < 0 ? p : sv_skip(p, (size_t)slash + 1);
	if (slash < 0 && (!sv_starts(p, SV("postfix")) || sv_eq(p, SV("postfix-local")))) /* Plesk's way into mailboxes */
		return -1;
	int service = sv_find(p, SV("submission")) >= 0 || sv_find(p, SV("smtps")) >= 0 ? POSTFIX_SUBMISSION : 0;
	if (sv_eq(p, SV("postfix")))
		return POSTFIX_CUT;
	for (int i = 0; i < POSTFIX_DAEMON_COUNT; i++)
		if (sv_eq(last, daemons[i]))
			return i | service;
	if (slash < 0 && sv_starts(p, SV("postfix-"))) /* an instance */
		return POSTFIX_CUT;
	return sv_starts(p, SV("postfix")) ? POSTFIX_DAEMON_COUNT : -1;
}

/* "warning: …" of any daemon: the operator's business, kept as text. */
static bool complaint(struct sv s, struct record *r)
{
	static const struct sv levels[] = { SCAN_S("warning: "), SCAN_S("error: "), SCAN_S("fatal: "), SCAN_S("panic: "), SCAN_S("info: ") };
	struct sv level, t = s;
	if (!SCAN_ANY(s, levels) || !scan_until(&t, ':', &level))
		return false;
	t = sv_skip(t, 1);
	r->kind = RECORD_WARNING;
	(void)postfix_queue_id(&t, &r->queue_id);
	r->reason = t;
	return true;
}

/* The delivery agents, and the queue manager when it speaks of deliveries itself. */
static bool agent(enum postfix_daemon d, struct sv s, struct record *r)
{
	if (!postfix_queue_id(&s, &r->queue_id))
		return postfix_tls(s, r) || postfix_client(s, r) || postfix_tls_peer(s, true, r) || postfix_other(d, s, r);
	return postfix_delivery(s, r) || postfix_queue(d, s, r) || postfix_client(s, r) || postfix_agent_check(s, r) || postfix_action(s, r);
}

static bool dispatch(int d, struct sv s, struct record *r)
{
	switch (d) {
	case POSTFIX_SMTPD: case POSTFIX_QMQPD:
		return postfix_smtpd(s, r);
	case POSTFIX_CLEANUP:
		return postfix_cleanup(s, r);
	case POSTFIX_POSTSCREEN: case POSTFIX_DNSBLOG: case POSTFIX_TLSPROXY:
		return postfix_postscreen(s, r);
	case POSTFIX_QMGR: case POSTFIX_QMGR2: case POSTFIX_NQMGR: case POSTFIX_PICKUP: case POSTFIX_BOUNCE: case POSTFIX_DEFER:
	case POSTFIX_TRACE: case POSTFIX_SUPER:
		if (postfix_queue_id(&s, &r->queue_id))
			return postfix_delivery(s, r) || postfix_queue((enum postfix_daemon)d, s, r);
		return postfix_other((enum postfix_daemon)d, s, r);
	case POSTFIX_SMTP: case POSTFIX_LMTP: case POSTFIX_LOCAL: case POSTFIX_VIRTUAL: case POSTFIX_PIPE: case POSTFIX_ERROR:
	case POSTFIX_DISCARD: case POSTFIX_RETRY:
		return agent((enum postfix_daemon)d, s, r);
	case POSTFIX_DAEMON_COUNT: /* a daemon of Postfix that we do not know: only what every daemon may say */
		return agent(POSTFIX_SMTP, s, r);
	default:
		return postfix_other((enum postfix_daemon)d, s, r) || postfix_tls(s, r);
	}
}

/* cleanup or smtpd refused or discarded the whole message. */
static bool kills(int d, const struct record *r)
{
	if (!r->queue_id.p || (r->kind == RECORD_POLICY && !sv_ends(r->status, SV("discard"))))
		return false;
	return d == POSTFIX_CLEANUP || sv_starts(r->reason, SV("END-OF-MESSAGE")) || sv_starts(r->reason, SV("END-OF-DATA"));
}

void postfix_hints(int number, struct record *r)
{
	int d = number & POSTFIX_DAEMON_MASK;
	if (r->kind == RECORD_DELIVERY) {
		r->piped = d == POSTFIX_PIPE;
		r->local = r->piped || d == POSTFIX_LOCAL || d == POSTFIX_LMTP || d == POSTFIX_VIRTUAL || sv_eq(r->relay_host, SV("local")) ||
		           sv_eq(r->relay_host, SV("virtual"));
	} else if (r->kind == RECORD_ACCEPT) {
		r->submission = number & POSTFIX_SUBMISSION;
	} else if (r->kind == RECORD_REJECT || r->kind == RECORD_POLICY) {
		r->killed = kills(d, r);
	}
}

static enum mta_result parse(int number, const struct logline *l, struct record *r)
{
	if (number == POSTFIX_CUT)
		number = (int)postfix_cut(l->text);
	if (dispatch(number & POSTFIX_DAEMON_MASK, l->text, r)) {
		postfix_hints(number, r);
		return MTA_RECORD;
	}
	struct record fresh; /* what a failed attempt left behind must not show */
	record_clear(&fresh);
	fresh.time_us = r->time_us, fresh.utc_offset_s = r->utc_offset_s;
	fresh.host = r->host, fresh.program = r->program, fresh.pid = r->pid, fresh.mta = r->mta;
	*r = fresh;
	if (complaint(l->text, r))
		return MTA_RECORD;
	return postfix_verbose(l->text) ? MTA_NOTHING : MTA_UNRECOGNISED;
}

const struct mta mta_postfix = { .name = "postfix", .program = program, .parse = parse, .hot = postfix_hot };
