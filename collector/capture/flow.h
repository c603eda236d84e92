/* flow: one TCP connection that is being followed, and the table of all. A quiet one takes one block of the pool. What the session said is
 * kept as notes (struct note) in a chain of blocks until it ends. Internal to collector/capture/. */
#ifndef COLLECTOR_CAPTURE_FLOW_H
#define COLLECTOR_CAPTURE_FLOW_H

#include "collector/capture/capture.h"
#include "collector/capture/packet.h"
#include "collector/capture/cells.h"
#include "lib/arena.h"

enum { CLIENT, SERVER };

/* One direction. */
#define HALF_ANCHORED 1u /* next is known */
#define HALF_SYN 2u      /* from its SYN */
#define HALF_FIN 4u      /* its FIN is seen, at fin */
#define HALF_ENDED 8u    /* and everything before it was read */
#define HALF_SEEN 16u    /* a packet of it was seen */
#define HALF_ACKED 32u   /* acked is known */
struct half {
	uint32_t isn, next, fin, acked; /* acked: highest that the other side acknowledged */
	uint32_t held;             /* block of the first piece that waits for what is before it */
	uint32_t held_bytes;
	uint32_t line;             /* block with the beginning of a line, or 0 */
	uint16_t line_n;
	uint8_t flags;
	bool line_long;            /* more of it was thrown away */
};

/* A piece of a segment that waits. */
#define PIECE_BYTES (CELL_BYTES - 16)
struct piece { uint32_t next, seq, ack; uint16_t n; uint8_t flags, pad; uint8_t bytes[PIECE_BYTES]; };

#define LINE_BYTES CELL_BYTES

enum client_state { C_COMMAND, C_WAIT, C_AUTH, C_DATA, C_CHUNK, C_TLS, C_LOST };
enum server_state { S_REPLY, S_LOST, S_TLS };
enum end_of_data { EOD_MID, EOD_START, EOD_DOT, EOD_DOTCR };

/* Replies that are due: runs of the same command. */
#define PENDING_RUNS 14
struct pending { uint8_t verb; uint8_t pad; uint16_t count; };
#define PENDING_BANNER 100 /* besides enum smtp_verb: */
#define PENDING_AUTH_LINE 101
#define PENDING_BODY 102

#define BODIES 6
struct smtp {
	uint32_t flags;
	uint8_t client_state, server_state, eod, n_pending;
	uint8_t reply_verb;        /* of the reply of several lines that is being read */
	bool assumed;              /* went on without a reply that should say how */
	bool reply_open, has_banner, spoke, bdat_last, after_gap, answered; /* answered: since the gap */
	uint16_t reply_code, reply_n;
	uint32_t reply;            /* block with its text */
	struct pending pending[PENDING_RUNS];
	uint32_t chunk_left;
	uint32_t banner_end, reply_end; /* sequence numbers of the server: behind the banner, the last reply */
	uint32_t first_ack;        /* what the client had seen when it first spoke; 0: unknown */
	uint16_t n_messages, message, former; /* message: number of the one being made, from 1, 0: none; former: before the newest MAIL */
	uint16_t n_mail_answered, helo_message; /* helo_message: the message that a HELO ends, if it is taken */
	uint16_t body_of[BODIES];  /* the messages whose reply to DATA, BDAT or body is due */
	uint8_t n_body;
	bool refused, replied;     /* replied: the server said anything */
	uint32_t n_rcpt, n_rcpt_answered;
	uint64_t data_bytes;
	uint32_t body;             /* block with struct body while a message is read */
	uint8_t auth_method, auth_step, last_verb;
	uint32_t dialect;
	uint16_t verbs[SMTP_VERB_COUNT], replies[6];
	uint32_t tls_bytes[2];     /* since the handshake's end, about */
	uint32_t hello, hello_last; /* blocks (struct hello_part) with the beginning of the client's hello, while it is not complete */
	uint16_t hello_n;          /* bytes */
};

#define HELLO_BYTES 8192u /* those with a key share for ML-KEM take two segments; no program is known to send more than half of it */
#define HELLO_PART (CELL_BYTES - sizeof(uint32_t))
struct hello_part { uint32_t next; uint8_t bytes[HELLO_PART]; };

/* -- notes -- */
enum note_type { NOTE_BANNER = 1, NOTE_HELO, NOTE_AUTH, NOTE_ACCOUNT, NOTE_MAIL, NOTE_RCPT, NOTE_REPLY_MAIL, NOTE_REPLY_RCPT, NOTE_REPLY_BODY,
	NOTE_DATA, NOTE_HEADER, NOTE_ATTACHMENT, NOTE_HASH, NOTE_SNI, NOTE_TLS, NOTE_REFUSAL, NOTE_HELO_REFUSED };
struct note { uint8_t type; uint8_t which; uint16_t code, n; uint32_t of; uint64_t number; struct sv text; };

struct flow {
	uint64_t address[2][2];    /* client, server */
	uint16_t port[2];
	uint32_t hash;
	uint32_t prev, after;      /* in its list */
	uint8_t list;              /* enum flow_list */
	uint8_t end;
	bool swapped;              /* the table's order of the ends is server, client */
	int64_t first_us, last_us, moved_us, stall_us, closed_us;
	uint32_t stall_packets;
	struct half half[2];
	uint32_t notes, notes_last; /* blocks */
	uint16_t notes_used;       /* bytes in the last one */
	uint32_t notes_bytes;
	bool notes_full, notes_dead; /* no more messages and recipients are kept; nothing at all */
	uint32_t retransmits, overlaps, lost_bytes;
	uint64_t bytes[2];
	struct smtp smtp;
};
_Static_assert(sizeof(struct flow) <= CELL_BYTES, "a quiet flow takes one block");

enum flow_list { LIST_ANSWERED, LIST_NEW, LIST_CLOSING, LISTS }; /* each oldest first */

struct slot { uint32_t hash, flow; };
#define BATCH 16

struct capture {
	struct capture_options o;
	capture_sink *sink;
	void *ctx;
	struct cells cells;
	struct decoder decoder;
	struct slot *table;
	uint32_t mask, n_flows;
	struct { uint32_t head, tail, n; } list[LISTS];
	uint64_t key[2];
	int64_t now_us;
	struct segment batch[BATCH];
	uint32_t batch_hash[BATCH];
	bool batch_swapped[BATCH];
	unsigned n_batch;
	uint8_t port_bits[8192];
	struct capture_stats stats;
	struct arena arena;
	uint8_t *scratch;          /* the notes of the session that is being finished */
	uint32_t cur_ack;          /* of the segment that is being read */
	uint32_t cur_seq;          /* sequence number of the first byte that is being read */
	bool ending;               /* a flow is being reported: nothing else may be ended for it */
};

static inline struct flow *flow_at(struct capture *c, uint32_t i) { return cells_at(&c->cells, i); }
static inline uint32_t flow_index(const struct capture *c, const struct flow *f)
{
	return (uint32_t)((size_t)((const uint8_t *)f - c->cells.base) / CELL_BYTES);
}
static inline bool seq_lt(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

/* table.c */
uint32_t flow_hash(const struct capture *c, const struct segment *s, bool *ret_swapped);
struct flow *flow_find(struct capture *c, const struct segment *s, uint32_t hash, bool swapped);
/* A new one whose client is the segment's sender (from_client) or receiver; NULL when there is no memory although everything else was ended. */
struct flow *flow_new(struct capture *c, const struct segment *s, uint32_t hash, bool swapped, bool from_client);
/* Who sent a segment of the flow. */
static inline int flow_direction(const struct flow *f, bool swapped) { return f->swapped == swapped ? CLIENT : SERVER; }
void flow_move(struct capture *c, struct flow *f, enum flow_list to); /* to that list's young end */
/* A block, if need be by ending the oldest flow but keep. 0 when that does not help. */
uint32_t flow_block(struct capture *c, const struct flow *keep);
/* Reports the session and forgets the flow. */
void flow_end(struct capture *c, struct flow *f, enum smtp_end end);
void flow_expire(struct capture *c);
/* It is now_us, and not as late as the packets said: the clock was put back. What is waited for is waited for as long as before. */
void flow_put_back(struct capture *c, int64_t now_us);

/* tcp.c */
void tcp_segment(struct capture *c, struct flow *f, struct segment *s, int dir);
/* Whatever waits is read, holes or not. */
void tcp_flush(struct capture *c, struct flow *f);

/* smtp.c and its kin: each gets bytes in order and says how many it read. smtp_client() leaves some unread while a reply must come first, unless all;
 * smtp_server() those behind such a reply, so that the client's bytes are read before them. */
size_t smtp_client(struct capture *c, struct flow *f, uint8_t *p, size_t n, bool all);
size_t smtp_server(struct capture *c, struct flow *f, uint8_t *p, size_t n);
void smtp_gap(struct capture *c, struct flow *f, int dir, uint32_t n);
void smtp_free(struct capture *c, struct flow *f);
/* The next whole line of p[*at..n): true, with the line borrowed until the next call; false: the rest was put aside. */
/* bare: it ended without CR. */
bool smtp_line(struct capture *c, struct flow *f, int dir, uint8_t *p, size_t n, size_t *at, struct sv *ret_line, bool *ret_bare);
void smtp_line_done(struct capture *c, struct flow *f, int dir); /* wipes what was put aside of it */
void pending_add(struct smtp *s, uint8_t verb);
int pending_first(const struct smtp *s); /* -1: none */
void pending_drop(struct smtp *s);
void bodies_add(struct smtp *s, uint16_t message);
uint16_t bodies_drop(struct smtp *s); /* 0: none */
void smtp_reply_line(struct capture *c, struct flow *f, struct sv line);
void smtp_auth_begin(struct capture *c, struct flow *f, struct sv args);
bool smtp_auth_more(const struct smtp *s); /* the mechanism wants another line of the client's */
void smtp_auth_line(struct capture *c, struct flow *f, struct sv line);
size_t smtp_body(struct capture *c, struct flow *f, const uint8_t *p, size_t n);      /* DATA: what was used */
void smtp_body_chunk(struct capture *c, struct flow *f, const uint8_t *p, size_t n);  /* BDAT */
void smtp_body_begin(struct capture *c, struct flow *f);
void smtp_body_end(struct capture *c, struct flow *f);
void smtp_tls(struct capture *c, struct flow *f, int dir, const uint8_t *p, size_t n, bool first);
void smtp_tls_forget(struct capture *c, struct flow *f); /* an incomplete hello */

/* notes.c */
void note_add(struct capture *c, struct flow *f, const struct note *n);
void session_report(struct capture *c, struct flow *f, enum smtp_end end);

#endif
