/* servers: which of our and our customers' addresses answer as mail servers on port 25 in captured sessions, what software their greetings name, and
 * when that changed for good: a relay that was closed often opens again when its server was patched or replaced. And facts about the network that are
 * nobody's abuse (analyzer/detect/interception.c). Events, not cases: they open nothing.
 * A change needs a software that was settled (seen some times over some time), another one that is so too, and none of the former since. Where
 * both were seen by turns, several servers share the address: then the former must have been away for a week, and for so many sessions that it is no
 * chance. What fewer than three clients saw must last a day.
 * A function of the sessions, kept in the store in the same transaction. Bounded: SERVERS_MAX addresses, those not seen for longest go first; four
 * greetings each; one change a day each. */
#ifndef ANALYZER_SERVERS_H
#define ANALYZER_SERVERS_H

#include "analyzer/banner.h"
#include "analyzer/judge.h"

#define SERVERS_MAX 8192u /* some 4 MiB; more answering addresses than nearly every provider has */
#define SERVER_FACES 4
#define SERVER_EVENTS_KEPT 20000

struct server_face { char software[BANNER_SOFTWARE]; int64_t first_us, last_us; uint32_t sessions; };

struct server {
	struct ipaddr ip;
	uint64_t key;
	bool dirty;
	uint8_t settled;         /* 1 + index of the face that is its software; 0: none yet */
	char host[BANNER_HOST], was[BANNER_SOFTWARE]; /* its newest name; its software before the last change */
	int64_t first_us, last_us, changed_us; /* changed_us: 0: never */
	uint64_t sessions;
	uint32_t alone;          /* sessions since the settled one was last seen */
	uint64_t alone_nets;     /* of so many clients */
	struct server_face face[SERVER_FACES]; /* unused: sessions 0 */
};

#define NETWORK_WHATS(W) W(SOFTWARE, "software") W(MASKED, "masked") W(PROXIED, "proxied") W(STRIPPED, "stripped") W(ENDED, "ended")
enum network_what {
#define W(e, name) NETWORK_##e,
	NETWORK_WHATS(W)
#undef W
	NETWORK_WHAT_COUNT
};
const char *network_what_name(enum network_what w);

/* What waits for the commit. */
struct network_event {
	int64_t at_us, since_us;
	uint8_t what;            /* enum network_what */
	bool has_ip;
	struct ipaddr ip;        /* of the server whose software changed */
	char host[BANNER_HOST], before[BANNER_SOFTWARE], after[BANNER_SOFTWARE];
	char *text;              /* owned; a sentence */
};

struct servers {
	struct server **v;
	size_t n, cap;
	uint32_t *slot; size_t n_slots; /* 1 + index, by key */
	struct ipaddr *gone; size_t n_gone, cap_gone; /* evicted since the commit */
	struct network_event *event; size_t n_events, cap_events;
};

/* Of the open-relay detector's section (analyzer/detect/open-relay.c). */
struct servers_options { int64_t sessions, settle_s, turns_s, counts_s, domains; };
const struct servers_options *servers_options(const struct judge *j);

struct servers *servers_new(void);
void servers_free(struct servers *x);
/* One captured session, whoever it is between. */
void servers_session(struct judge *j, const struct smtp_session *s);
/* Event time was put back (judge_put_back()). */
void servers_put_back(struct servers *x, int64_t now_us);
/* NULL: it never answered. */
const struct server *servers_find(const struct judge *j, const struct ipaddr *ip);
/* "" while it is not settled. */
const char *servers_software(const struct server *v);
/* Takes e->text. */
void servers_tell(struct judge *j, const struct network_event *e);

/* From the store; NULL when there is no room. */
struct server *servers_loaded(struct judge *j, const struct ipaddr *ip);
/* After a commit. */
void servers_committed(struct servers *x);

#endif
