/* open: the table of messages that are not finished. Internal to the correlator.
 * Messages and keys live in arrays and are named by index, so that lists and snapshots need no pointers. */
#ifndef COLLECTOR_OPEN_H
#define COLLECTOR_OPEN_H

#include "collector/correlate.h"
#include "collector/cwd.h"
#include "collector/pool.h"
#include "lib/buf.h"
#include "lib/near.h"

#define OPEN_NONE UINT32_MAX
#define OPEN_ID_BYTES 24
#define OPEN_ID_WORDS 3
#define OPEN_KEYS_MAX 64u /* queue ids of a message */

/* Text in a message's own bytes. */
struct open_ref { uint32_t at, n; }; /* at == OPEN_NONE: absent */

/* Bytes that are kept of a text at most. */
#define ADDRESS_MAX 512u
#define NAME_MAX_BYTES 256u
#define REPLY_MAX 400u

/* In a recipient's status: the operator took it out of the queue as it was. Nothing comes any more. */
#define OPEN_GONE 8u
_Static_assert(TXN_STATUS_COUNT <= OPEN_GONE, "a status and that bit");

struct open_rcpt {
	struct open_ref recipient, orig, dsn, reply, relay_host, relay_ip;
	int64_t time_us;
	uint32_t attempts, hash; /* hash: of the recipient; of the first one only when there are others */
	uint8_t status;
	bool local, changed;
	bool handed; /* "sent" only means: given to something that may be a content filter */
	bool final_hop; /* the outcome comes from the re-injected copy */
};

/* Each from the message that was heard of least lately to the latest. FRESH: it did not reach the queue yet; of those that did, when they are not
 * folded: IDLE might have been by their age, but something waits for them; AGAIN were folded before; QUEUED, the others. One that was only looked at
 * since it was folded stands first in its list, and then last of those that are folded or IDLE: it ends later than by its age. */
enum open_list { OPEN_FRESH, OPEN_IDLE, OPEN_QUEUED, OPEN_AGAIN, OPEN_LISTS };
_Static_assert((OPEN_IDLE | 1) == OPEN_IDLE && (OPEN_QUEUED | 1) == OPEN_AGAIN, "open_touch() makes one of the other");
/* Folded messages, each from the one that was heard of least lately, too: those that were folded once, and more than once. */
enum { OPEN_ONCE, OPEN_MORE, OPEN_FOLDS };
enum open_due { OPEN_DUE_NOT, OPEN_DUE_REPORT, OPEN_DUE_LINGER, OPEN_DUES };

/* T(name): every text of a message's head. */
#define OPEN_TEXTS(T) T(message_id) T(client_ip) T(client_name) T(helo) T(account) T(auth_method) T(sender) T(parent) T(local_user) T(subject) T(cwd)

struct open_msg {
	uint32_t host, first_key, n_keys, keys_open; /* keys_open: other queue ids of it that are not removed yet */
	uint32_t due_prev, due_next;
	uint32_t maybe_parent, first_child, next_child; /* a guess that waits for proof */
	int64_t first_us, last_us, due_us, uid, size, nrcpt;
	int32_t utc_offset_s;
#define T(name) struct open_ref name;
	OPEN_TEXTS(T)
#undef T
	struct open_ref lines[TXN_LINES];
	struct open_rcpt *rcpt;
	size_t rcpt_cap; /* bytes */
	uint32_t *rcpt_slot; /* of a message with many: index + 1, by hash; open addressing */
	uint32_t rcpt_slots, rcpt_indexed; /* indexed: the first of them */
	uint32_t n_rcpt, n_known, n_waiting; /* waiting: not final and not changed since the last report */
	uint32_t n_again; /* final outcomes of recipients that had one: an address that was given twice has two */
	char *text;
	size_t text_cap;
	uint32_t text_n, text_lost;
	const char *mta;
	uint8_t due;
	bool line_refused[TXN_LINES];
	bool head, sender_known, submission, bounce, forward, probe, loopback, piped, stitched;
	bool removed, reported, dirty, shown, keeps_removed;
};

/* What is known of a message without looking at it. */
struct open_stub {
	uint32_t list_prev, list_next;
	uint32_t node; /* OPEN_NONE: it is not in the index of message-ids */
	uint8_t list;
	bool used;
	uint8_t again;     /* 1: it was folded before */
	uint64_t id_order; /* of coming into the index */
};

/* A message in the index of message-ids, folded (fold.c) or not; of one that is folded also what its queue ids lead to. */
struct open_node {
	uint32_t prev, next; /* in its bucket, the newest first */
	uint32_t hash;
	uint32_t ref; /* the message; OPEN_COLD, which table it is in (from OPEN_COLD_TABLE on), and its place there */
};
#define OPEN_COLD (1u << 31)
#define OPEN_COLD_TABLE 30 /* the bit */

/* -- what a snapshot says of each, and a folded message keeps. -- */
/* Plain figures of a message: F(member). Signed ones travel zig-zag. */
#define MSG_FIGURES(F)                                                                               \
	F(first_us) F(last_us) F(due_us) F(uid) F(size) F(nrcpt) F(n_again) F(utc_offset_s) F(text_lost)             \
	F(head) F(sender_known) F(submission) F(bounce) F(forward) F(probe) F(loopback)        \
	F(piped) F(stitched) F(removed) F(reported) F(dirty) F(shown) F(keeps_removed)
#define RCPT_FIGURES(F) F(time_us) F(attempts) F(status) F(local) F(changed) F(handed) F(final_hop)
#define RCPT_TEXTS(T) T(recipient) T(orig) T(dsn) T(reply) T(relay_host) T(relay_ip)

/* A queue id on a host; a message that was re-injected has several. */
struct open_key {
	uint64_t id[OPEN_ID_WORDS]; /* its bytes, zero padded */
	uint32_t host, msg, next; /* next key of the same message */
	uint32_t hash;
	bool seen, head, removed; /* of a further key: whether lines with it came; "client=" or "uid="; "removed" */
	bool used;
};

struct open_host { char *name; size_t n; };

/* The queue id of the record at hand; the text is known by its place. not_folded: no folded message has it. */
struct open_place { struct sv text; uint32_t host, hash; uint64_t id[OPEN_ID_WORDS]; bool not_folded; };

/* What a webmail said of a message of which its server's lines did not come yet: its clock or its way to us is the quicker one. */
#define OPEN_EARLY 32u
enum { EARLY_ID, EARLY_MESSAGE_ID, EARLY_ACCOUNT, EARLY_CLIENT_IP, EARLY_LINE, EARLY_TEXTS };
struct open_early {
	int64_t time_us;
	uint32_t end[EARLY_TEXTS];
	char text[OPEN_ID_BYTES + ADDRESS_MAX + NAME_MAX_BYTES + 48 + TXN_LINE_BYTES];
};

struct open_ends { uint32_t first, last; };

struct correlate {
	struct correlate_sink sink;
	size_t max_bytes, max_saved;
	size_t text_bytes, rcpts; /* of all messages: what a snapshot's size is estimated by */
	int64_t fold_after_us;
	size_t fold_beyond; /* while the messages that are not folded take more */
	bool final_only, keeps_removed; /* the latter: of the format of the line at hand */
	uint64_t seed[4];
	int64_t now_us;
	uint64_t seq, txns, facts, head_missing, tail_missing, evicted;
	struct pool pool;
	struct open_msg **msg; /* NULL: not in use. Folded messages have no place here */
	struct open_stub *stub;
	struct open_msg *spare; /* of messages that ended: the next one by its text */
	uint32_t n_msg, cap_msg, free_msg, live; /* live: and folded */
	struct fold *fold;
	/* Of all folded messages: how many, what they take, in a snapshot, too; when the first of a table was last heard of, or somewhat earlier. */
	struct { uint32_t n; size_t bytes, saved_bytes; int64_t from_us; } folded;
	struct open_key *key;
	uint32_t n_key, cap_key, free_key, live_keys;
	struct open_place at;
	uint32_t *slot;      /* key index + 1; open addressing */
	uint32_t slot_mask;
	uint32_t *bucket;    /* message-id → node + 1, chained */
	uint32_t bucket_mask, indexed;
	struct open_node *node;
	uint32_t n_node, cap_node, free_node;
	uint64_t id_order;
	struct open_host *host;
	uint32_t n_host, cap_host, last_host, host_mask;
	uint32_t *host_slot; /* index + 1; open addressing */
	struct open_ends list[OPEN_LISTS], due[OPEN_DUES];
	struct cwd_table cwd;
	struct open_early *early; /* OPEN_EARLY of them, the oldest is replaced. NULL: no webmail spoke yet */
	uint32_t n_early;         /* so many ever */
	struct txn_rcpt *out; /* scratch of a report */
	size_t out_cap;
};

/* -- open.c: the table -- */
/* A host of another name than the one asked for last. */
uint32_t open_other_host(struct correlate *c, struct sv name);
void open_hosts_free(struct correlate *c);

static inline uint32_t open_host(struct correlate *c, struct sv name)
{
	if (c->n_host && c->host[c->last_host].n == name.n && near_same(c->host[c->last_host].name, name.p, name.n))
		return c->last_host;
	return open_other_host(c, name);
}

/* A queue id's bytes, zero padded; false when it is too long to be one. */
bool open_id(struct sv queue_id, uint64_t ret[OPEN_ID_WORDS]);
/* Looks at the id of the record at hand once; what asks for the same text on the same host later finds it done. False as open_id(). */
bool open_at(struct correlate *c, uint32_t host, struct sv queue_id);
/* The key of that id, or OPEN_NONE. A message that was folded is so no more: numbers stay what they are, pointers into arrays do not. */
uint32_t open_find(struct correlate *c, uint32_t host, struct sv queue_id);
uint32_t open_new(struct correlate *c, uint32_t host, struct sv queue_id);
uint32_t open_bare(struct correlate *c, uint32_t host); /* without a key, in no list */
/* Gives message m one more queue id. */
uint32_t open_add_key(struct correlate *c, uint32_t m, struct sv queue_id);
/* The same, by its id's bytes; there must be room for one. */
uint32_t open_key_new(struct correlate *c, uint32_t m, const uint64_t id[OPEN_ID_WORDS]);
/* Takes key k away from its message. */
void open_drop_key(struct correlate *c, uint32_t k);
/* Moves every key of `from` to `to`, as further ids. */
void open_move_keys(struct correlate *c, uint32_t from, uint32_t to);
void open_free(struct correlate *c, uint32_t m);
void open_leave(struct correlate *c, uint32_t m); /* the same, but its node stays */
uint32_t open_id_hash(const struct correlate *c, const uint64_t id[OPEN_ID_WORDS], uint32_t host);
struct sv open_key_text(const struct open_key *k);
struct sv open_queue_id(const struct correlate *c, uint32_t m);
uint64_t open_hash(const struct correlate *c, struct sv s, uint64_t more);
/* After loading: hash tables from arrays. all: what is in the index of message-ids. */
struct open_indexed { uint64_t order; uint32_t node; };
void open_rebuild(struct correlate *c, struct open_indexed *all, uint32_t n);
void open_rebuild_index(struct correlate *c, struct open_indexed *all, uint32_t n);

/* -- lists: oldest first. What was folded before and goes to QUEUED comes into AGAIN. -- */
void open_touch(struct correlate *c, uint32_t m, enum open_list list);
/* m was heard of: of those that did or did not reach the queue it is the latest. */
static inline void open_heard(struct correlate *c, uint32_t m)
{
	open_touch(c, m, c->stub[m].list == OPEN_FRESH ? OPEN_FRESH : OPEN_QUEUED);
}
void open_touch_first(struct correlate *c, uint32_t m, enum open_list list); /* the same, but m becomes the oldest */
void open_set_due(struct correlate *c, uint32_t m, enum open_due due);

/* -- open_index.c: message-ids -- */
void open_index(struct correlate *c, uint32_t m);
void open_unindex(struct correlate *c, uint32_t m);
/* A node in no bucket. */
uint32_t open_node_new(struct correlate *c, uint32_t ref, uint32_t hash);
void open_node_free(struct correlate *c, uint32_t node);

/* -- open_text.c: a message's texts -- */
/* Replaces one, takes it away (s.p is NULL), or finds that there is no room. */
void open_reset(struct correlate *c, struct open_msg *m, struct open_ref *ref, struct sv s);

static inline __attribute__((always_inline)) void open_set(struct correlate *c, struct open_msg *m, struct open_ref *ref, struct sv s)
{
	if (ref->at != OPEN_NONE || !s.p || m->text_cap - m->text_n < s.n) {
		if (s.p || ref->at != OPEN_NONE)
			open_reset(c, m, ref, s);
		return;
	}
	ref->at = m->text_n;
	ref->n = (uint32_t)s.n;
	if (s.n) /* else there may be no memory yet */
		near_copy(m->text + m->text_n, s.p, s.n);
	m->text_n += (uint32_t)s.n;
	c->text_bytes += s.n;
}

static inline __attribute__((always_inline)) struct sv open_get(const struct open_msg *m, struct open_ref ref)
{
	if (ref.at == OPEN_NONE)
		return (struct sv){ 0 };
	return sv_make(ref.n ? m->text + ref.at : "", ref.n);
}

/* hash: open_hash() of recipient. */
struct open_rcpt *open_rcpt_find(struct open_msg *m, struct sv recipient, uint32_t hash);
void open_rcpt_unindex(struct open_msg *m);
/* A new, pending recipient; NULL when the message has too many. */
struct open_rcpt *open_rcpt_add(struct correlate *c, struct open_msg *m, struct sv recipient, uint32_t hash);
/* Keeps a raw line as evidence of an outcome. */
void open_add_line(struct correlate *c, struct open_msg *m, struct sv line, bool refused);
void open_count(struct open_msg *m); /* n_known, n_waiting anew */
/* Outcome lines so far: an address that was given twice counts twice in nrcpt, but is one recipient here. */
int64_t open_outcomes(const struct open_msg *m);

/* -- fold.c: messages that wait for long are kept as few bytes. What finds one opens it. -- */
/* What the messages take that are not folded. */
static inline size_t open_unfolded_bytes(const struct correlate *c)
{
	size_t n = c->live - c->folded.n;
	return c->pool.bytes + n * (sizeof **c->msg + sizeof *c->msg + sizeof *c->stub + sizeof *c->node) + c->live_keys * sizeof *c->key;
}
/* Folds what may be folded as of c->now_us. */
void fold_idle(struct correlate *c);
/* The folded message of that node is so no more. */
uint32_t fold_open(struct correlate *c, uint32_t node);
/* The key of that id; the message that has it is folded no more. OPEN_NONE: it has no folded one. */
uint32_t fold_find(struct correlate *c, struct open_place *at);
/* Of the first of a table's: whether there is one and that was heard of before us; its node, OPEN_NONE: there is none. */
bool fold_older(struct correlate *c, unsigned table, int64_t us);
uint32_t fold_first(const struct correlate *c, unsigned table);
int64_t fold_first_us(struct correlate *c, unsigned table); /* INT64_MAX: there is none */
/* The clock was put back: those that were heard of later are folded no more. */
void fold_put_back(struct correlate *c, int64_t now_us);
void fold_free(struct correlate *c);
/* For snapshots: what packs and unpacks, and all folded messages of a table. */
void fold_save_dictionary(const struct correlate *c, struct buf *out);
void fold_load_dictionary(struct correlate *c, struct wire *w);
void fold_save(const struct correlate *c, unsigned table, struct buf *out);
/* One of those that were saved. *ret_order: its place in the index of message-ids; 0: it is not in it. */
bool fold_load(struct correlate *c, struct wire *w, unsigned table, uint32_t *ret_node, uint64_t *ret_order);

/* Times of a snapshot, which is not trusted, are such that the difference of two and a few days more can be told. */
static inline bool open_sane_us(int64_t us)
{
	return us > -(INT64_C(1) << 60) && us < INT64_C(1) << 60;
}

/* -- report.c -- */
void report_now(struct correlate *c, uint32_t m, uint32_t flags);
/* The message's life is over: reports what is new, frees it. flags: TXN_TAIL_MISSING, TXN_GAP. */
void report_end(struct correlate *c, uint32_t m, uint32_t flags);
void report_timers(struct correlate *c);
void report_limit(struct correlate *c);

/* -- stitch.c -- */
/* m has a message-id and a client now: is it a copy that a content filter gave back? */
void stitch_child(struct correlate *c, uint32_t m);
/* "orig_queue_id=": m is such a copy of that message. */
void stitch_named(struct correlate *c, uint32_t m, struct sv orig_queue_id);
/* A recipient of m was handed to a filter that answered reply. */
void stitch_handed(struct correlate *c, uint32_t m, struct sv reply);
/* What the copy says of the sender, where the program that gave the message to the server left only its login name. */
void stitch_sender(struct correlate *c, uint32_t m, struct sv sender);
/* The first line of an announced copy came: m's hand-overs are no outcomes any more. */
void stitch_begun(struct correlate *c, uint32_t m);
/* m ends: whoever hoped to be its copy is a message of its own. */
void stitch_release(struct correlate *c, uint32_t m);

/* -- outcome.c -- */
struct outcome {
	struct sv recipient, orig, dsn, reply, relay_host, relay_ip;
	int64_t time_us;
	uint32_t attempts;
	uint8_t status;
	bool local, handed, final_hop;
};
void correlate_outcome(struct correlate *c, uint32_t m, const struct outcome *o);
/* Of recipients that the line does not name: n of those at domain ("": anywhere) that wait, first of those that were not tried yet. n < 0: all. */
void outcome_unnamed(struct correlate *c, uint32_t m, struct outcome *o, struct sv domain, int64_t n);
void outcome_gone(struct correlate *c, uint32_t m, struct sv recipient, int64_t us);
/* Recipients, one a line, of which deliveries will not speak by name. */
void outcome_expect(struct correlate *c, struct open_msg *m, struct sv recipients);
/* Whether an attempt is still to come. */
bool outcome_waits(const struct open_msg *m);

/* -- submitted.c -- */
/* A record without a queue id that names an account and the id of the server that took the message, child_queue_id. */
void submitted_by(struct correlate *c, const struct record *r, struct sv line);
/* m has its message-id now: did such a record come before? */
void submitted_early(struct correlate *c, uint32_t m);

/* -- correlate.c -- */
/* m was removed, or its last copy was: ends it unless something may still come. */
void correlate_removed(struct correlate *c, uint32_t m);

#endif
