/* postfix: the parts of the Postfix format. Everything is read from positions that Postfix itself controls: what a peer
 * can choose (addresses, HELO names, replies, headers) is skipped by its quoting or found from the end of the line. */
#ifndef COLLECTOR_POSTFIX_POSTFIX_H
#define COLLECTOR_POSTFIX_POSTFIX_H

#include "collector/mta.h"
#include "collector/scan.h"

#define POSTFIX_DAEMONS(D)                                                                             \
	D(SMTPD, "smtpd") D(CLEANUP, "cleanup") D(QMGR, "qmgr") D(QMGR2, "oqmgr") D(SMTP, "smtp")       \
	D(LMTP, "lmtp") D(LOCAL, "local") D(VIRTUAL, "virtual") D(PIPE, "pipe") D(ERROR, "error")       \
	D(DISCARD, "discard") D(RETRY, "retry") D(BOUNCE, "bounce") D(DEFER, "defer") D(TRACE, "trace") \
	D(PICKUP, "pickup") D(POSTSCREEN, "postscreen") D(DNSBLOG, "dnsblog") D(ANVIL, "anvil")         \
	D(TLSPROXY, "tlsproxy") D(TLSMGR, "tlsmgr") D(SCACHE, "scache") D(REWRITE, "trivial-rewrite")   \
	D(MASTER, "master") D(SCRIPT, "postfix-script") D(SUPER, "postsuper") D(POSTDROP, "postdrop")   \
	D(SENDMAIL, "sendmail") D(POSTQUEUE, "postqueue") D(VERIFY, "verify") D(PROXYMAP, "proxymap")   \
	D(FLUSH, "flush") D(SHOWQ, "showq") D(NQMGR, "nqmgr") D(QMQPD, "qmqpd") D(SPAWN, "spawn")       \
	D(POLICY_SPF, "policy-spf") D(POSTLOG, "postlog")                 \
	D(POSTLOGD, "postlogd") D(POSTALIAS, "postalias") D(POSTMAP, "postmap") D(POSTMULTI, "postmulti") \
	D(POSTCONF, "postconf") D(POSTLOCK, "postlock") D(POSTKICK, "postkick") D(NEWALIASES, "newaliases") \
	D(MAILQ, "mailq") D(SET_PERM, "set-permissions") D(POST_INSTALL, "post-install") D(POSTFIX, "postfix") \
	D(POSTFINGER, "postfinger") D(TLSRPT, "postfix-tlsrpt") D(POSTTLS, "posttls-finger")

enum postfix_daemon {
#define D(e, name) POSTFIX_##e,
	POSTFIX_DAEMONS(D)
#undef D
	POSTFIX_DAEMON_COUNT,
	POSTFIX_CUT /* the program's name lacks the daemon's */
};

/* A program's number: its daemon, and whether it is a service for the customers' own programs. */
#define POSTFIX_DAEMON_MASK 0xff
#define POSTFIX_SUBMISSION 0x100

/* cut.c: which daemon wrote a line whose program is only "postfix". */
enum postfix_daemon postfix_cut(struct sv text);

/* What smtpd, cleanup, postscreen and the milter lines end with:
 * "; from=<a> to=<b> proto=ESMTP helo=<c> sasl_username=<d>", each part may be absent, "," may stand between. */
struct postfix_tail {
	struct sv before; /* the text in front of it */
	struct sv sender, recipient, proto, helo, account, method;
	struct sv after;  /* cleanup: ": text" that follows */
};
/* False when the line has no such end: then before is the whole text. */
bool postfix_tail(struct sv text, struct postfix_tail *ret);
void postfix_set_tail(struct record *r, const struct postfix_tail *t);

/* "4104E3D: " or "48rT2v1hQrz1J0N: " at the start: the queue id. "NOQUEUE: " gives an absent one. */
bool postfix_queue_id(struct sv *s, struct sv *ret);

/* What follows from who says it: submission, local, piped, killed. */
void postfix_hints(int number, struct record *r);
enum mta_hot postfix_hot(int number, const struct logline *l, struct record *r);

/* Each reads the text of one kind of daemon and sets kind and fields; false: not understood. */
bool postfix_smtpd(struct sv text, struct record *r);
bool postfix_cleanup(struct sv text, struct record *r);
bool postfix_agent_check(struct sv text, struct record *r); /* "replace: header …" of a delivery agent */
bool postfix_postscreen(struct sv text, struct record *r);
bool postfix_delivery(struct sv text, struct record *r); /* "to=<…>, relay=…" after the queue id */
bool postfix_client(struct sv text, struct record *r);   /* what smtp, lmtp and the like say besides deliveries */
bool postfix_tls(struct sv text, struct record *r);      /* "Trusted TLS connection established from|to …" */
/* What else is said of a handshake or a certificate; server: it is the server that we are the client of. */
bool postfix_tls_peer(struct sv text, bool server, struct record *r);
bool postfix_removed(struct sv s, struct record *r);
bool postfix_queue(enum postfix_daemon d, struct sv text, struct record *r); /* qmgr, bounce, pickup, postsuper */
bool postfix_other(enum postfix_daemon d, struct sv text, struct record *r); /* master, anvil, scache, … */
/* A line of "-v" or debug_peer_list? */
bool postfix_verbose(struct sv s);
/* After a queue id: "reject: RCPT from …", "milter-reject: …", "hold: …" and their kin. */
bool postfix_action(struct sv text, struct record *r);

#endif
