/* judge_int: the parts of the judge, for each other. */
#ifndef ANALYZER_JUDGE_INT_H
#define ANALYZER_JUDGE_INT_H

#include "analyzer/detector.h"

/* Marks an account as one of ours among the contacts, so that mail it receives may feed its contacts. */
#define IS_AN_ACCOUNT 0x61636374u

struct rollup_row;

/* The options that the table has, as the config says (judge_options.c); opt_fini() and free() end them. */
void *judge_options_new(const struct conf *conf, const struct opt_table *t);

/* judge.c: one report in the eyes of p. */
void judge_message(struct judge *j, struct principal *p, const struct txn *t);

/* principals.c */
static inline uint64_t judge_key_of(enum principal_kind kind, uint64_t hash)
{
	return hash_mix(hash, (uint64_t)kind + 1);
}
void principal_free(struct principal *p);
/* put_back.c: nothing of it is of later than now. */
void principal_put_back(struct principal *p, int64_t now_us);
/* NULL: not in memory. */
const struct principal *principal_in_memory(const struct judge *j, uint64_t key);

/* The hash of an address that a report names; see analyzer/ahead.h. */
static inline uint64_t judge_hash(const struct judge *j, uint64_t taken, struct sv address)
{
	return taken ? taken : hash_folded(&j->key, address);
}

/* Reads the client's address, unless that was done. */
static inline void judge_read_client(struct txn *t)
{
	if (t->client_is == TXN_CLIENT_UNREAD)
		t->client_is = ipaddr_parse(t->client_ip, &t->client) == 0 ? TXN_CLIENT_ADDRESS : TXN_CLIENT_NONE;
}

/* view.c: fills in the reply classes of t; prepares what detectors see, which lives in the judge's scratch arena. */
void view_replies(struct judge *j, struct txn *t);
void view_message(struct judge *j, const struct principal *p, const struct txn *t, struct message_view *ret_m);
/* ip: of the client, NULL: it has none. p may be NULL: then nothing is its home. */
void view_place(struct judge *j, const struct principal *p, const struct ipaddr *ip, struct place *ret_place);
/* Whether p was told before that this recipient does not exist; from now on it was. */
bool view_was_bad(struct judge *j, const struct principal *p, uint64_t recipient);
/* p writes to people it knows from there: if nothing speaks against it now, that is home later on. */
void view_remember_place(struct judge *j, const struct principal *p, const struct place *at);
bool view_is_by_browser(const struct record *r);

/* view_session.c: the same of a captured session. */
void view_session(struct judge *j, const struct principal *p, const struct smtp_session *s, bool inbound, struct session_view *ret_v);

/* attribute.c: NULL when it is nobody's: mail from outside, bounces, forwards. */
struct principal *attribute_txn(struct judge *j, const struct txn *t);
/* Who that is, seen or not; false: nobody. The client's address must have been read. */
struct owner { enum principal_kind kind; struct sv id; char room[24]; };
bool attribute_owner(const struct judge *j, const struct txn *t, struct owner *ret);
struct principal *attribute_record(struct judge *j, const struct record *r);
/* Whose session it is: a client of ours that talks to the world, or (*ret_inbound) a server of ours that a stranger made take mail for others. */
struct principal *attribute_session(struct judge *j, const struct smtp_session *s, bool *ret_inbound);
/* Our own outgoing addresses that a message speaks about: the one a refusal names, or all (there are few) that it may have left through.
 * ret_refused: a receiver refused it because of the address. */
#define ATTRIBUTE_EGRESS_MAX 8
/* quiet: only refusals matter. */
size_t attribute_egress(struct judge *j, const struct txn *t, bool quiet, bool *ret_refused, struct principal *ret_p[ATTRIBUTE_EGRESS_MAX]);
/* An outgoing address of ours that the text names, however it writes it: canonical, in room; "" when it names none. */
#define ATTRIBUTE_ADDRESS_BYTES 48
struct sv attribute_named_egress(const struct judge *j, struct sv text, char room[ATTRIBUTE_ADDRESS_BYTES]);
/* Mail that an account of ours received: who wrote to it is no stranger to it. */
void attribute_received(struct judge *j, const struct txn *t);

/* tally.c: p may be NULL. */
void tally_txn(struct judge *j, struct principal *p, const struct txn *t);
void tally_principal(struct judge *j, struct principal *p, const struct message_view *m);
void tally_session(struct judge *j, struct principal *p, const struct session_view *v);
/* more: by ROLLUP_ columns. */
void tally_hours(struct judge *j, struct principal *p, const uint32_t *more);

#endif
