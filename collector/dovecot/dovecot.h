/* Dovecot's log: what its processes say of logins and deliveries. Internal to the format. */
#ifndef COLLECTOR_DOVECOT_DOVECOT_H
#define COLLECTOR_DOVECOT_DOVECOT_H

#include "collector/mta.h"
#include "collector/scan.h"

/* What stands before a process's words: "imap(ann)<17><a8Xk…>: Error: …", "auth(ann,192.0.2.1,sasl:plain)<a8Xk…>: …". */
struct dovecot_head {
	struct sv process;  /* "imap-login", "auth-worker", "lmtp" */
	struct sv who;      /* in the parentheses: a user, a pid, or user,address,… */
	struct sv session;
	bool complaint;     /* Warning, Error, Fatal, Panic */
	bool leveled;       /* any of these or Info, Debug was said */
};

/* imap-login and its like: the beginning and the end of each session before and without a login. */
bool dovecot_login(struct sv s, struct record *r);
/* auth and auth-worker. */
bool dovecot_auth(const struct dovecot_head *h, struct sv s, struct record *r);
/* imap, pop3, submission, managesieve: after the login. */
bool dovecot_mail(const struct dovecot_head *h, struct sv s, struct record *r);
/* lmtp, lda, and Sieve in them. */
bool dovecot_deliver(const struct dovecot_head *h, struct sv s, struct record *r);

#endif
