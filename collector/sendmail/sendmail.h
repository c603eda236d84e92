/* The Sendmail format, in parts. Lines are "id: key=value, key=value": what clients chose stands in the first values (quoted
 * or in angle brackets) or is bounded by the key that Sendmail writes next. */
#ifndef COLLECTOR_SENDMAIL_SENDMAIL_H
#define COLLECTOR_SENDMAIL_SENDMAIL_H

#include "collector/mta.h"
#include "collector/scan.h"

/* "6AO81xYz001234: " at the start: the queue id. */
bool sendmail_id(struct sv *s, struct sv *ret);

/* "host.example [192.0.2.1] (may be forged)", "[IPv6:2001:db8::1]", "ident@host [ip]": moves past it. */
struct sendmail_peer { struct sv name, addr; };
bool sendmail_peer(struct sv *s, struct sendmail_peer *ret);
/* The same as the last thing in s. */
bool sendmail_peer_at_end(struct sv s, struct sendmail_peer *ret);
void sendmail_set_client(struct record *r, const struct sendmail_peer *p);
/* Names the session of a line that says the client: its process and address, as numbers of processes are used again. */
void sendmail_session(struct record *r, bool with_address);

/* Where the first stop stands that is neither quoted nor in a comment, "(…)", in which an address may hold anything; s.n: nowhere. */
size_t sendmail_outside(struct sv s, char stop);
/* "<a@b>"; *s moves past it. */
bool sendmail_angle(struct sv *s, struct sv *ret);
/* "<a@b>", "quoted"@b or bare: an address of a list; *s moves past it. */
bool sendmail_address(struct sv *s, struct sv *ret);

/* Each reads one kind of line; false: it is none of that kind. */
bool sendmail_arrival(struct sv s, struct record *r);  /* "from=…" */
bool sendmail_delivery(struct sv s, struct record *r); /* "to=…" */
bool sendmail_next(const struct logline *l, struct record *r); /* the next recipient of that line */
bool sendmail_refusal(struct sv s, struct record *r);  /* rulesets, milters, log-ins */
/* "<a@b>... User unknown", the address as the client wrote it: before all else, as it may look like the beginning of any line. */
bool sendmail_unknown_user(struct sv s, struct record *r);
bool sendmail_client(struct sv s, struct record *r);   /* connections and misbehaviour */
/* What follows the message id in a from= line says that the client had logged in. */
bool sendmail_logged_in(struct sv s);
/* "AUTH=server, …": who logged in. */
bool sendmail_login(struct sv s, struct record *r);

/* The values of from= and to= lines. */
void sendmail_set_origin(struct sv relay, struct record *r); /* relay= of from=: who gave us the message */
void sendmail_set_relay(struct sv relay, struct record *r);  /* relay= of to= */
void sendmail_set_delay(struct sv v, struct record *r);
void sendmail_set_mailer(struct sv v, struct record *r);
bool sendmail_set_status(struct sv stat, struct record *r); /* false: it only waits */
void sendmail_control_address(struct sv *s, struct record *r); /* ", ctladdr=…", if it is there */

enum mta_hot sendmail_hot(const struct logline *l, struct record *r);

#endif
