/* txn: one message on one host, with every recipient's outcome so far.
 * A txn that came out of txn_decode() borrows its text from the bytes it was decoded from, and its
 * recipient array from the arena; one that the correlator hands out is valid during the call. */
#ifndef LIB_TXN_H
#define LIB_TXN_H

#include "lib/err.h"
#include "lib/prefix.h"
#include "lib/sv.h"

struct arena;
struct buf;

enum txn_status { TXN_PENDING, TXN_SENT, TXN_DEFERRED, TXN_BOUNCED, TXN_EXPIRED, TXN_STATUS_COUNT };
enum txn_origin { TXN_SMTP, TXN_SUBMISSION, TXN_LOCAL, TXN_SCRIPT, TXN_BOUNCE, TXN_FORWARD, TXN_ORIGIN_COUNT };

enum txn_client { TXN_CLIENT_UNREAD, TXN_CLIENT_ADDRESS, TXN_CLIENT_NONE };

/* Completeness flags. */
#define TXN_HEAD_MISSING 1u /* we did not see how it came in */
#define TXN_TAIL_MISSING 2u /* the log ended, or the queue id was used again, before its end */
#define TXN_GAP 4u          /* lines in the middle are missing (fewer outcomes than nrcpt at removal) */
#define TXN_PROVISIONAL 8u  /* for the archive only: not all outcomes are known yet; detectors skip it */
#define TXN_REPLAY 16u      /* an update of a txn that was reported before (see changed) */
#define TXN_REINJECTED 32u  /* passed a content filter and was stitched back into one message */

#define TXN_LINES 2         /* raw log lines kept as evidence, at most TXN_LINE_BYTES each */
#define TXN_LINE_BYTES 480

#define TXN_SUBJECT_BYTES 120
#define TXN_CWD_BYTES 200

struct txn_rcpt {
	struct sv recipient, orig_recipient; /* orig_recipient absent when the same */
	struct sv dsn, reply;                /* reply: remote text as logged, ≤ 400 bytes */
	struct sv relay_host, relay_ip;      /* absent for local delivery */
	int64_t time_us;                     /* of the latest outcome */
	uint32_t attempts;
	uint8_t status;                      /* enum txn_status */
	uint8_t reply_class;                 /* enum reply_class; the analyzer fills it */
	bool local;                          /* delivered by local, virtual, lmtp, pipe */
	bool changed;                        /* new since the last time this message was reported */
	uint32_t class_at;                   /* where reply_class stands in encoded */
	uint64_t hash;                       /* the analyzer's: keyed, of the recipient in lower case; 0: not taken yet */
};

struct txn {
	uint64_t seq;      /* ordinal of the report in its source's stream; 0 for provisional ones */
	int64_t at_us;     /* event time of the report (of the line that caused it) */
	int64_t first_us, last_us;
	int32_t utc_offset_s;
	struct sv host, mta, queue_id, message_id;
	struct sv client_ip, client_name, helo, account, auth_method, sender;
	bool sender_known; /* false: no envelope line seen; an empty known sender is the null sender <> */
	int64_t uid;       /* -1 absent */
	struct sv local_user; /* login name of the process that gave it to the MTA, where the log has no number */
	struct sv cwd;     /* the folder in which a local program called the server, where the log says it; the program chose it */
	struct sv subject; /* where the log has it, at most TXN_SUBJECT_BYTES; the archive does not keep it */
	int64_t size;      /* bytes, -1 absent */
	int64_t nrcpt;     /* as the envelope line says, -1 absent */
	struct sv parent_queue_id; /* of a bounce or forward: the message it comes from */
	uint8_t origin;    /* enum txn_origin */
	bool complete;     /* the queue manager removed it and every recipient has a final outcome */
	uint32_t flags;
	struct txn_rcpt *rcpt;
	size_t n_rcpt;
	struct sv lines[TXN_LINES]; /* evidence: how it came in, then outcomes, refused ones first */
	size_t n_lines;
	uint64_t owner_hash, sender_hash; /* as a recipient's; owner: whom the analyzer takes it for (account, script or host) */
	struct ipaddr client; /* the analyzer's: client_ip, read */
	uint8_t client_is;    /* enum txn_client */
	uint8_t owner_kind;   /* where owner_hash is there: enum principal_kind */
	struct sv encoded; /* what it was decoded from; absent otherwise */
	uint32_t lines_at; /* where n_lines stands in it, the last thing but the lines */
};

/* A line as it is kept: itself, or in room its beginning and "…", so that who reads it sees that there was more. */
static inline struct sv txn_line(struct sv line, char room[TXN_LINE_BYTES])
{
	static const char more[] = { '\xe2', '\x80', '\xa6' };
	size_t n = TXN_LINE_BYTES - sizeof more;
	if (line.n <= TXN_LINE_BYTES)
		return line;
	while (n > TXN_LINE_BYTES - sizeof more - 3 && ((unsigned char)line.p[n] & 0xc0) == 0x80)
		n--; /* not amid a letter */
	memcpy(room, line.p, n);
	memcpy(room + n, more, sizeof more);
	return sv_make(room, n + sizeof more);
}

const char *txn_status_name(enum txn_status s);
const char *txn_origin_name(enum txn_origin o);

/* Appends the binary form (varints, length-prefixed text; the same on the wire and in the store). */
void txn_encode(const struct txn *t, struct buf *out);
/* The same of a decoded one, without its lines: what was decoded, with the reply classes of now. Does not look at anything else of t. */
void txn_encode_again(const struct txn *t, struct buf *out);
/* Reads it back. Text is borrowed from bytes; the recipient array lives in a. Hostile bytes: -1 and e. */
int txn_decode(struct sv bytes, struct arena *a, struct txn *ret_txn, struct err *e);
/* Appends one line of NDJSON as docs/contract.md says (with the newline). */
void txn_json(const struct txn *t, struct buf *out);

#endif
