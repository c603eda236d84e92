/* smtp_session: one SMTP session as seen on the wire, finished. Text is borrowed: from the capture's scratch memory during the sink's
 * call, or from the bytes it was decoded from. No password and no message body is ever part of it. */
#ifndef LIB_SMTP_SESSION_H
#define LIB_SMTP_SESSION_H

#include "lib/err.h"
#include "lib/prefix.h"

struct arena;
struct buf;

/* What is true of the session as a whole: F(bit, name in JSON). */
#define SMTP_FLAGS(F)                                                                                                     \
	F(0, EARLY_TALKER, "early_talker") /* spoke before it had seen the whole banner */                                \
	F(1, QUIT, "quit")                                                                                                \
	F(2, GAP, "gap")                 /* packets are missing: what is not said here may still have happened */         \
	F(3, ESMTP, "esmtp")                                                                                              \
	F(4, STARTTLS, "starttls")       /* the session went on encrypted */                                              \
	F(5, STARTTLS_OFFERED, "starttls_offered")                                                                        \
	F(6, TLS, "tls")                 /* encrypted from the first byte, or after STARTTLS */                           \
	F(7, AUTH_OFFERED, "auth_offered")                                                                                \
	F(8, AUTH_OK, "auth_ok")                                                                                          \
	F(9, AUTH_FAILED, "auth_failed")                                                                                  \
	F(10, PIPELINING_OFFERED, "pipelining_offered")                                                                   \
	F(11, PIPELINED, "pipelined")    /* sent a command before the reply to the one before it */                       \
	F(12, BARE_LF, "bare_lf")                                                                                         \
	F(13, LONG_LINE, "long_line")                                                                                     \
	F(14, BAD_SYNTAX, "bad_syntax")  /* MAIL or RCPT not as RFC 5321 has them */                                      \
	F(15, MASKED, "masked")          /* a firewall has starred out banner or keywords */                              \
	F(16, ONE_SIDED, "one_sided")    /* only one direction was captured */                                            \
	F(17, MID_STREAM, "mid_stream")  /* its beginning was not captured */                                             \
	F(18, CUT, "cut")                /* more than is kept of one session */                                           \
	F(19, EVICTED, "evicted")        /* ended by the capture for want of memory */                                    \
	F(20, UNANSWERED, "unanswered")  /* nobody answered the SYN */                                                    \
	F(21, REFUSED, "refused")        /* the server answered the SYN with RST */                                       \
	F(22, CHUNKED, "bdat")                                                                                            \
	F(23, UTF8, "smtputf8")                                                                                           \
	F(24, TLS_MESSAGE, "tls_message") /* the sizes of the encrypted flow look like a message that was taken */        \
	F(25, HELO_CHANGED, "helo_changed")                                                                               \
	F(26, NOT_SMTP, "not_smtp")      /* the client spoke another protocol */                                          \
	F(27, PROGRAM, "program")        /* an attachment's name ends as programs' names do */

enum smtp_flag {
#define F(bit, e, name) SMTP_##e = 1u << (bit),
	SMTP_FLAGS(F)
#undef F
};

/* Commands that are counted. V(enum suffix, word). */
#define SMTP_VERBS(V)                                                                                                     \
	V(EHLO, "EHLO") V(HELO, "HELO") V(MAIL, "MAIL") V(RCPT, "RCPT") V(DATA, "DATA") V(BDAT, "BDAT") V(RSET, "RSET")   \
	V(VRFY, "VRFY") V(EXPN, "EXPN") V(NOOP, "NOOP") V(AUTH, "AUTH") V(STARTTLS, "STARTTLS") V(QUIT, "QUIT")           \
	V(HELP, "HELP") V(OTHER, "other")

enum smtp_verb {
#define V(e, word) SMTP_VERB_##e,
	SMTP_VERBS(V)
#undef V
	SMTP_VERB_COUNT
};

enum smtp_end { SMTP_END_FIN, SMTP_END_RST, SMTP_END_TIMEOUT, SMTP_END_EOF, SMTP_END_EVICTED, SMTP_END_COUNT };

#define SMTP_MINHASHES 32
struct smtp_rcpt { struct sv recipient, dsn, reply; uint16_t code; /* 0: no reply seen */ };

struct smtp_message {
	struct sv sender, sender_args;  /* absent: MAIL was not seen; empty: the null sender */
	struct smtp_rcpt *rcpt;
	size_t n_rcpt;
	uint64_t data_bytes;
	bool has_data, accepted, cut;   /* cut: there were more recipients than are kept */
	uint16_t mail_code, code;       /* 0: not seen. code: of the message, or of what refused it */
	struct sv reply, message_id, subject, from, mailer;
	uint64_t subject_hash;          /* 0: no subject */
	struct sv *attachment;
	size_t n_attachments;
	bool has_hash;
	uint16_t hash[SMTP_MINHASHES];  /* fuzzy fingerprint: two bodies are alike when 20 of 32 are equal */
};

struct smtp_session {
	uint64_t seq;                   /* ordinal in its source's stream; 0: none */
	int64_t first_us, last_us;
	struct ipaddr client, server;
	uint16_t client_port, server_port;
	uint32_t flags;
	uint8_t end;                    /* enum smtp_end */
	struct sv banner, helo, auth_method, account, sni, tls_print;
	struct sv refusal;              /* the first 4xx or 5xx reply, whatever it refused */
	uint32_t commands, verbs[SMTP_VERB_COUNT], replies[6]; /* by first digit */
	uint32_t overlaps, retransmits, lost_bytes;
	uint32_t dialect;               /* hash of how commands are written; 0: none was */
	uint64_t client_bytes, server_bytes;
	struct smtp_message *message;
	size_t n_messages;
};

const char *smtp_verb_name(enum smtp_verb v);
const char *smtp_end_name(enum smtp_end e);

/* Appends the binary form (lib/wire.h); reading it back borrows text from bytes, arrays live in a. Hostile bytes: -1 and e. */
void smtp_session_encode(const struct smtp_session *s, struct buf *out);
int smtp_session_decode(struct sv bytes, struct arena *a, struct smtp_session *ret, struct err *e);
/* One line of NDJSON as docs/contract.md says (with the newline). */
void smtp_session_json(const struct smtp_session *s, struct buf *out);
/* The same number of equal hashes counts as likeness: 0..SMTP_MINHASHES. */
unsigned smtp_hash_likeness(const uint16_t *a, const uint16_t *b);

#endif
