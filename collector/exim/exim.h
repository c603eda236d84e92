/* The Exim format, in parts. Every reader moves along text that Exim itself laid out, from left to right: what clients chose
 * (HELO, ident, addresses, subject, message-id) stands in places of its own there and is never searched. */
#ifndef COLLECTOR_EXIM_EXIM_H
#define COLLECTOR_EXIM_EXIM_H

#include "collector/mta.h"
#include "collector/scan.h"

/* "1wXyZa-00Ab12-3C " or "1wXyZa-000000012Ab-3CdE ": the message's id. */
bool exim_id(struct sv *s, struct sv *ret);

/* " KEY=value" or " WORD": the next field, *s moves past it. Quotes and angle brackets around the value are taken off. */
struct exim_field { struct sv key, value; }; /* value absent: a word */
bool exim_field(struct sv *s, struct exim_field *ret);

/* An address without brackets: a quoted local part may hold spaces. */
struct sv exim_address(struct sv *s);

/* A value that may hold spaces, and goes on to where Exim may write something else. */
struct sv exim_words(struct sv *s, struct sv value);
/* Of an arrival: past what a client's host says of itself (RFC 1413), which may look like any field, to Exim's own P=. False: there are two of
 * them, and nobody can tell whose each is. */
#define EXIM_IDENT_BYTES 520u /* 127 at the most, each perhaps as "\001", and the number of a connection */
bool exim_past_ident(struct sv *s);

/* "name (helo) [address]:port", each part but the address optional, as Exim names a host. In doubt: of an arrival the HELO, or the name that
 * logged in, imitates the rest of the line. */
struct exim_host { struct sv name, helo, addr; int64_t port; bool any, in_doubt; };
enum exim_line { EXIM_ANY_LINE, EXIM_ARRIVED, EXIM_LOGIN_FAILED }; /* where a message arrived or a log-in failed less can follow */
bool exim_host_in(enum exim_line line, struct sv *s, struct exim_host *ret);
static inline bool exim_host(struct sv *s, struct exim_host *ret)
{
	return exim_host_in(EXIM_ANY_LINE, s, ret);
}
void exim_set_client(struct record *r, const struct exim_host *h);
void exim_set_user(struct record *r, struct sv name);
/* Did a program of this host connect, of which a panel may log whose it is? */
bool exim_local_port(const struct record *r);
void exim_set_relay(struct record *r, const struct exim_host *h);
/* A host, or the login name of a local user, after "from": sets the client or local_user. */
bool exim_from(struct sv *s, struct record *r);
/* The fields that may follow a host: " I=[…]:25 U=ident X=… CV=no A=… F=<…>". Ends before what is none of them.
 * True: F= came behind text of the client's, which may hold it on a line where Exim writes none. */
bool exim_extras(struct sv *s, struct record *r);

/* Of a line with text of the client's and then, behind the mark, the client: the text may hold marks and hosts, and so may HELO, what the client's host
 * says of itself and what follows. The place counts whose rest is most likely Exim's, and none where two such differ. True: *s is that rest. The judge
 * gets what follows a client, or what follows it with what its host says, which may be anything. */
enum exim_sure { EXIM_NOT_SURE, EXIM_POSSIBLE, EXIM_LIKELY, EXIM_SURE };
typedef enum exim_sure exim_judge(struct sv rest, bool ident);
bool exim_behind(struct sv *s, struct sv mark, exim_judge *judge, struct record *r);
/* One such host: what the judge knows may follow it, too. */
bool exim_host_judged(struct sv *s, exim_judge *judge, struct exim_host *ret);

/* "authenticator:id" */
void exim_set_auth(struct record *r, struct sv value);
void exim_set_tls(struct record *r, struct sv value);

/* Did the client log in? Protocols of such end with "a". */
bool exim_logged_in(struct sv protocol);
void exim_set_transport(struct record *r, struct sv name);

/* Each reads one kind of line, after the id if there is one; false: it is none of that kind. */
bool exim_arrival(struct sv s, struct record *r);              /* after "<= " */
bool exim_delivery(struct sv mark, struct sv s, struct record *r); /* after "=> ", "** " and so on */
bool exim_refusal(struct sv s, struct record *r);              /* rejections, log-ins that failed, dropped connections */
bool exim_client(struct sv s, struct record *r);               /* connections and protocol errors */
bool exim_other(struct sv s, struct record *r);                /* what has no bearing on mail */

enum mta_hot exim_hot(const struct logline *l, struct record *r);

#endif
