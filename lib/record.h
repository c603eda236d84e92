/* record: one fact that one log line (or one SMTP command on the wire) states.
 * All text is borrowed from the line, or from the parser's scratch space until the next line. */
#ifndef LIB_RECORD_H
#define LIB_RECORD_H

#include "lib/sv.h"

#define RECORD_UNSET INT64_MIN

/* K(enum suffix, name in JSON) */
#define RECORD_KINDS(K)                                                                       \
	K(CONNECT, "connect") K(DISCONNECT, "disconnect") K(AUTH_OK, "auth_ok")               \
	K(AUTH_FAIL, "auth_fail") K(ACCEPT, "accept") K(ENVELOPE, "envelope")                 \
	K(MESSAGE_ID, "message_id") K(DELIVERY, "delivery") K(REJECT, "reject")               \
	K(BOUNCE, "bounce") K(EXPIRE, "expire") K(REMOVE, "remove") K(POLICY, "policy")       \
	K(WARNING, "warning") K(OTHER, "other")

enum record_kind {
#define K(e, name) RECORD_##e,
	RECORD_KINDS(K)
#undef K
	RECORD_KIND_COUNT
};

/* counts{} of a disconnect line: C(name). A value of -1 is absent. "_ok" are the accepted ones of `rcpt=3/5`. */
#define RECORD_COUNTS(C)                                                                      \
	C(ehlo) C(helo) C(starttls) C(auth) C(auth_ok) C(mail) C(mail_ok) C(rcpt) C(rcpt_ok)  \
	C(data) C(data_ok) C(bdat) C(bdat_ok) C(rset) C(noop) C(vrfy) C(xclient) C(xforward)  \
	C(quit) C(unknown) C(commands) C(commands_ok)

struct record_counts {
#define C(name) int32_t name;
	RECORD_COUNTS(C)
#undef C
};

struct record {
	int64_t time_us;       /* event time, microseconds since the epoch, UTC */
	int32_t utc_offset_s;  /* the zone the stamp was read in, for showing it again */
	int64_t pid;           /* RECORD_UNSET when the line has none */
	struct sv host, program;
	const char *mta;       /* static: "postfix", … */
	enum record_kind kind;
	/* What only the format knows and the correlator needs. Not part of the record as others see it. */
	bool submission;  /* accept: came through a service for the customers' own programs */
	bool local;       /* delivery: ended on this host (mailbox, program, LMTP) */
	bool piped;       /* delivery: to a program, which may be a content filter that gives the message back */
	bool logged_in;   /* of a session: the client has logged in, but lines about its messages do not say as whom */
	bool typed;       /* reject: the line shows what the client typed, perhaps its password */
	bool killed;      /* reject, policy, remove: the message as a whole never comes into being; remove with a recipient: that one copy was taken away */
	bool session_end; /* the session is over */
	bool session_asks; /* only asks what is known of the session: what it says itself is not worth beginning one */
	struct sv session; /* the server's name for the connection or attempt that the line belongs to; see collector/session.h */
	bool put_off;     /* reject: no client is known, but a later line with the queue id tells it, and then this is told; warning: the client left amid
	                     the message, which that later line tells as if it had come */
	bool tells_client; /* accept, other: the line that does */
	int8_t rcpt_change; /* policy: a filter added so many recipients, or (below zero) took them away */
	bool counts_refused; /* accept that tells_client: nrcpt counts those that were put off, too */
	bool local_port;  /* accept, connect, disconnect: client_port is that of a program of this host, and another line, other, may
	                     have told whose (local_user) */
	bool asked;       /* of a session: other: what the client asks for just now (sender, recipient); else: the answer to that */
	bool granted;     /* of a session: other: a recipient of the message that comes; without one: there are nrcpt of them */
	bool more;        /* delivery: says more of the attempt that was told before it; what it leaves out stands */
	bool untried;     /* delivery: nothing was attempted; if it is the message's own sender, who was to be told of a failure, that is no recipient */
	bool round;       /* remove: the message stays while recipients wait */
	bool unnamed;     /* delivery: of recipients that the line does not name (policy: all are thrown away): those at `domain` ("": anywhere) that wait, nrcpt of them (unset: all) */
	struct sv domain;
	struct sv recipients; /* envelope: who they are, one a line */
	bool has_counts;
	struct record_counts counts;
#define R_SV struct sv
#define R_IP struct sv
#define R_DEC struct sv
#define R_INT int64_t
#define R(name, type) R_##type name;
#include "lib/record_fields.def"
#undef R
#undef R_SV
#undef R_IP
#undef R_DEC
#undef R_INT
};

/* All fields absent. */
void record_clear(struct record *r);
const char *record_kind_name(enum record_kind kind);

struct buf;
/* Appends the record as one line of NDJSON (with the newline). Bytes that are not UTF-8 come out as U+FFFD. */
void record_json(const struct record *r, struct buf *out);

#endif
