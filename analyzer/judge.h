/* judge: turns message reports and facts into opinions about principals, and opinions into cases.
 * Deterministic: its state is a function of the events it was given, in their order; time is event time.
 * The judge owns the principals in memory; the store (analyzer/store.h) loads and keeps them. */
#ifndef ANALYZER_JUDGE_H
#define ANALYZER_JUDGE_H

#include "analyzer/contacts.h"
#include "analyzer/enrich.h"
#include "analyzer/fixed.h"
#include "analyzer/hours.h"
#include "analyzer/reply.h"
#include "analyzer/suspicion.h"
#include "lib/arena.h"
#include "lib/obs.h"
#include "lib/principal.h"
#include "lib/smtp_session.h"
#include "lib/times.h"

struct acase;
struct asked;
struct backup;
struct backup_domain;
struct detector;
struct judge;
struct listing;
struct listing_view;
struct policy;
struct rollup;
struct servers;

/* Messages to strangers or with unknown recipients since something points at a principal, and those of them that come as its mail
 * always does: of an account from where it always writes from, of a host or script with a sender of its own. */
struct odd { uint32_t all, home, bad, recipients; /* bad: unknown ones among all recipients since then */ };

/* Log-ins to webmail: where mail comes from whose client, for the mail server, is webmail itself. */
struct browser {
	int64_t elsewhere_us;      /* of the last one from a place that is new for the account (auth-origin); 0: none */
	uint16_t first_day;        /* since 1970-01-01 UTC, of the first one; 0: none */
};

struct principal {
	uint64_t key;              /* keyed hash of kind and id */
	uint8_t kind;              /* enum principal_kind */
	bool dirty : 1, fresh : 1; /* fresh: not in the store yet */
	bool late : 1, shown : 1;  /* its row in the store is older than the last commit, which has it elsewhere; and says something about it (analyzer/store_principal.c) */
	uint32_t bytes;            /* of memory, as of the last commit, or of when it or suspicion of it began */
	int32_t utc_offset_s;
	uint32_t heard_s;          /* when it last changed since it came into memory */
	char *id;                  /* lies behind the state */
	int64_t first_us, last_us;
	uint64_t messages, recipients, bounced;
	int32_t score;             /* S of the last event, 1/4096 nat */
	struct acase *open_case;   /* NULL when there is none */
	struct odd odd;
	struct browser browser;
	const char *customer;      /* borrowed from the inventory; see judge_customer() */
	uint64_t customer_hash;    /* keyed, of its name */
	uint32_t inventory;
	int32_t top_day, top;      /* highest score of that day (since 1970-01-01 UTC); -1: a case stood */
	struct suspicion *suspicion; /* what would be shown, gathered while anything points at it; owned, may be NULL */
	struct hours hours;        /* what it does today */
	struct principal *next_dirty;
	_Alignas(8) unsigned char state[]; /* every detector's slab, one after the other; then the id */
};

/* What one recipient of a report means for the detectors. */
enum outcome { OUTCOME_OPEN, OUTCOME_GOOD, OUTCOME_BAD, OUTCOME_REFUSED };
struct rcpt_view {
	uint64_t hash, domain_hash;
	struct sv domain;     /* organisational, for showing; borrowed from the event's arena. domain_hash: of the domain as it is */
	uint64_t refuser;     /* whose server said so, where it is blamed or listed: hash of the organisation; many domains' mail is taken by a few */
	uint8_t outcome;      /* enum outcome: BAD = no such user or domain; REFUSED = any other final refusal */
	uint8_t class;        /* enum reply_class */
	bool known;           /* the principal wrote to it, or heard from it, before this message */
	bool changed;         /* this outcome is new */
	bool repeated;        /* the same unknown recipient was counted for this principal before */
	bool void_receiver;   /* the receiver refuses nearly everybody at the moment: its verdict says nothing */
	bool blamed;          /* refused, now or for good, as spam, by policy or for a listed domain: counted once per recipient */
	bool listed;          /* refused, now or for good, because our outgoing address is listed or of bad repute; counted once per recipient */
	bool again;           /* it was refused so before */
};

/* Where something comes from. */
struct place {
	bool has_ip, own_network, egress; /* egress: one of our own outgoing addresses */
	struct ipaddr ip;
	uint64_t source;      /* hash of the address (IPv6: of the /64) */
	uint64_t net;         /* of the /24 (IPv6: /48) */
	uint64_t wide_net;    /* of the /16 (IPv6: /32) */
	struct geo geo;
	const struct asked *asked; /* what block lists say of it, of an account's submission or log-in to webmail where that is looked up (analyzer/asked.h); NULL */
	bool home;            /* our own network, or an AS (without AS data: wide_net) this principal used some days ago already */
};

/* A fact outside messages. */
struct fact_view {
	const struct record *record;
	struct sv line;
	int64_t at_us;
	uint8_t class;        /* of a refusal; enum reply_class */
	bool browser;         /* a log-in to webmail: its client is the account's user, not a program of a provider's that fetches the mail for him */
	struct place place;
};

/* How a client calls itself. */
enum helo_class { HELO_NONE, HELO_NAME, HELO_SHORT, HELO_LITERAL, HELO_ADDRESS, HELO_LOCALHOST, HELO_DYNAMIC, HELO_PEER };

/* A session out of captured packets. p is its client, or, when inbound, its server. */
struct session_view {
	const struct smtp_session *session;
	int64_t at_us;
	bool inbound;
	struct place peer;    /* the other end */
	uint8_t helo;         /* enum helo_class */
	uint64_t helo_org;    /* hash of the organisational domain that it names, or of the text */
	uint32_t n_rcpt, n_taken, n_refused, n_later; /* recipients by what the server said */
	uint32_t n_messages_taken;
	bool null_sender;     /* and nothing else */
	bool tried;           /* to deliver, as far as anybody can see */
	bool failed;          /* it is sure that nothing was delivered, and not only for now */
	struct sv line;       /* the session in one line, as evidence; in the scratch arena */
};

struct message_view {
	const struct txn *txn;
	int64_t at_us;
	const struct principal *sender; /* whose mail it is, where another principal is judged by it (own addresses); may be NULL */
	bool first_report;    /* false: outcomes of a message judged before */
	bool null_sender;
	uint32_t n_rcpt;      /* as the envelope says, at least as many as are listed */
	uint32_t n_more;      /* of these, those that no earlier report counted: all at first, later the ones that came to light since */
	struct rcpt_view *rcpt;
	size_t n_listed;
	bool strangers;       /* most of its recipients were never contacted before */
	bool expansion;       /* a list or forwarder of ours expands it (analyzer/phrase.h) */
	bool own_sender;      /* the envelope sender is the principal's own, of its customer's domains or of ours */
	bool sender_known;    /* that, or in a domain the principal used in an earlier week */
	uint64_t sender_hash, sender_domain_hash; /* 0 for the null sender */
	struct place place;
	uint8_t method_bit;   /* one of 8 bits for the mechanism of authentication; 0 without */
	struct sv line;       /* best evidence line of the report */
};

/* Populations: bucket sizes of all principals of one kind. */
enum { POPULATION_HOUR, POPULATION_DAY, POPULATIONS };
struct site_state { /* global, kept in the store as one piece of memory */
	int64_t now_us, first_us, generation_us, aged_us;
	uint32_t next_case, pad;
	uint64_t n_new, n_all;              /* decayed share of first contacts over the whole site, 1/65536 */
	struct surprise_population population[PRINCIPAL_KINDS][POPULATIONS];
};

struct judge_limits { /* from the config's detector "fusion" section */
	int64_t open, likely, confirmed, close_below; /* 1/4096 nat */
	int64_t quiet_s, reopen_s, merge_s, ready_days;
	int32_t unready_cap;
	int64_t contacts_bytes, principals_bytes, rest_s;
	int64_t home_cap, home_messages, home_bad, home_proof;
	int64_t budget_least;      /* the budget sets no lower threshold, 1/4096 nat */
	int64_t budget;            /* false cases per 10,000 active principals and day; 0: the threshold is fixed */
};

/* How the judge reaches the store; results live in the judge. */
struct judge_store {
	void *ctx;
	/* Fills p (id, kind, key set) from the store, and writes its id as it is written there; false when it is unknown. */
	bool (*load_principal)(void *ctx, struct judge *j, struct principal *p);
	struct acase *(*load_case)(void *ctx, struct judge *j, int64_t id);
	/* The newest closed case of p that was closed at or after since_us, or 0. */
	int64_t (*recent_case)(void *ctx, const struct principal *p, int64_t since_us);
	/* What is stored of a backup domain goes to d->health; false: nothing is. */
	bool (*load_backup)(void *ctx, struct backup_domain *d);
};

struct dialogues_of;
struct dialogues { struct dialogues_of **v; size_t n, cap; uint32_t *slot; size_t n_slots; }; /* analyzer/dialogues.h */

/* A detector that judges principals of some kind, where its slab lies in them, its number in the registry, and what of it is asked most. */
struct judge_detector { const struct detector *detector; void *options; size_t slab; uint32_t number; uint8_t group, walks; bool enabled, guarded; };

/* The key beside the principal: who sits elsewhere need not be fetched to be passed over. */
struct judge_seat { uint64_t key; struct principal *principal; };

struct judge {
	const struct conf *conf;
	struct enrich *enrich;
	struct reply_table *replies;
	struct hash_key key;
	struct judge_limits limits;
	struct judge_store store;
	void **options;                 /* one options struct per detector, in registry order */
	size_t *slab[PRINCIPAL_KINDS];  /* offset of each detector's state in a principal of that kind; of those that judge the kind */
	size_t slab_bytes[PRINCIPAL_KINDS];
	struct judge_detector *judging[PRINCIPAL_KINDS]; /* in registry order */
	size_t n_judging[PRINCIPAL_KINDS];
	struct judge_seat *table;       /* open addressing by key */
	size_t n_principals, cap;
	struct resting *resting;        /* those of whom nothing was heard for a while */
	int64_t rest_us;                /* when it is time again to look for such */
	uint64_t principals_bytes, evicted; /* in memory, see struct principal, without those that rest; let go since the start */
	uint64_t kept_bytes; /* of both, after the last commit */
	struct principal *dirty;
	struct acase **cases;           /* in memory: open ones and those changed since the last commit */
	size_t n_cases, cap_cases;
	struct contacts contacts;
	struct memory site_memory, outage_memory, budget_memory;
	struct memory *shared;          /* one per detector, in registry order; empty where it has none */
	struct site_state *site;        /* inside site_memory */
	int64_t tick_us;                /* until then time brings nothing that is due; 0: not known */
	bool egress_quiet;              /* no address of ours was refused since nothing was left of earlier refusals */
	uint32_t inventory;             /* how often the inventory was read: principals' customers are looked up anew after that */
	struct rollup *rollup;
	struct backup *backup;          /* the domains whose second MX we are */
	struct dialogues dialogues;     /* captured sessions that wait for the commit, for showing */
	struct policy *policy;          /* findings, beside the cases */
	struct servers *servers;        /* who answers on port 25 with what software, and facts about the network */
	struct listing *listing;        /* what DNS block lists say of our own addresses, customers' servers and domains */
	struct buf ended_days;          /* rows of principal_day that wait for the commit: kind, id, day, bytes (lib/wire.h) */
	struct arena scratch;           /* of the event being judged */
	struct enrich_domain *domain;   /* of the report being judged: of each recipient's; in scratch */
};

/* Makes a judge with empty memory; store_load() then fills it. Option mistakes cannot happen: conf was checked. */
struct judge *judge_new(const struct conf *conf, struct enrich *enrich, struct err *e);
void judge_free(struct judge *j);
/* Takes another config and inventory (both must outlive it, or the next call). Memory sizes stay as they are. */
void judge_reconfigure(struct judge *j, const struct conf *conf, struct enrich *enrich);
/* Reads the options of a new judge and lays out the detectors' slabs (judge_options.c). */
void judge_load_options(struct judge *j);

/* The machine's clock stood far ahead, and was put back to now_us: event time goes back, and what was noted of then counts as of now. Cases, evidence and its lines stay. Principals
 * that are not in memory follow when they are, walks when they decay. No event: the caller, who knows the clock, says so. */
void judge_put_back(struct judge *j, int64_t now_us);
/* One message report. Fills in t's reply classes. Provisional ones only get their reply classes. */
void judge_txn(struct judge *j, struct txn *t);
/* One fact outside messages. */
void judge_record(struct judge *j, const struct record *r, struct sv line);

/* What lists say of p changed, or how near it is to being listed, or an address that it wrote from is listed (analyzer/listing.h). */
void judge_listing(struct judge *j, struct principal *p, const struct listing_view *v);
/* One SMTP session that was captured. */
void judge_session(struct judge *j, const struct smtp_session *s);

/* Finds or loads or makes. Never NULL. */
struct principal *judge_principal(struct judge *j, enum principal_kind kind, struct sv id, int64_t at_us);
/* The same of an id whose hash (hash_folded() of at most 320 bytes) is known. */
struct principal *judge_principal_hashed(struct judge *j, enum principal_kind kind, struct sv id, uint64_t hash, int64_t at_us);
/* The key of a principal; of its id at most 320 bytes count. */
uint64_t judge_key(const struct judge *j, enum principal_kind kind, struct sv id);
void judge_touch(struct judge *j, struct principal *p);
/* Those that are late are to be written, although they did not change. */
void judge_touch_late(struct judge *j);
/* After a commit (nothing is dirty): weighs those that were written; packs the least recently seen ones, down to seven eighths, when
 * all weigh more than the limit, and lets go of those packed first when these have half of it. Those with an open case stay. They come back
 * on their next event, as they were, the ones that were let go from the store. */
void judge_weigh(struct judge *j, struct principal *p);
void judge_evict(struct judge *j);
/* After a commit, when there is time: packs those of whom nothing was heard for a while. */
void judge_rest(struct judge *j);
bool judge_full(const struct judge *j); /* they weigh more than the limit */
/* They weigh half as much again, and more than after the last commit: another one is due. Since the last one only what began is weighed, not what grew. */
bool judge_crowded(const struct judge *j);
struct acase *judge_case(struct judge *j, int64_t id); /* in memory or from the store; NULL when there is none */

/* The customer's name of p, "" when it is nobody's. Borrowed from the inventory. */
const char *judge_customer(const struct judge *j, const struct principal *p);
/* The memory that a detector shares among all principals. Write with memory_touch(). */
struct memory *judge_shared(struct judge *j, const struct detector *d);
/* Every memory that the store keeps, one after the other from *i = 0; NULL at the end. */
struct memory *judge_memory(struct judge *j, size_t *i);
/* Once-only marks in the contact memory (they last 90 to 180 days): true when this mark stood there; else it is set. */
bool judge_mark(struct judge *j, const struct principal *p, uint64_t what, uint64_t mark);

/* detector options and slabs by registry index; slabs only of detectors that judge p's kind */
static inline void *judge_options(const struct judge *j, size_t d) { return j->options[d]; }
static inline void *judge_slab(const struct judge *j, const struct principal *p, size_t d)
{
	return (void *)(uintptr_t)(p->state + j->slab[p->kind][d]);
}

#endif
