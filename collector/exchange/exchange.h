/* Exchange's own logs: tables with a heading that names the columns. Internal to the format. */
#ifndef COLLECTOR_EXCHANGE_EXCHANGE_H
#define COLLECTOR_EXCHANGE_EXCHANGE_H

#include "collector/mta.h"
#include "collector/scan.h"

/* C(enum suffix, name as in #Fields). date-time (dateTime) is read before. */
#define EXCHANGE_COLUMNS(C)                                                                                                       \
	/* message tracking */                                                                                                    \
	C(CLIENT_IP, "client-ip") C(CLIENT_HOSTNAME, "client-hostname") C(SERVER_IP, "server-ip")                                 \
	C(SERVER_HOSTNAME, "server-hostname") C(SOURCE_CONTEXT, "source-context") C(SOURCE, "source") C(EVENT_ID, "event-id")     \
	C(INTERNAL_ID, "internal-message-id") C(MESSAGE_ID, "message-id") C(RECIPIENTS, "recipient-address")                      \
	C(STATUSES, "recipient-status") C(TOTAL_BYTES, "total-bytes") C(RECIPIENT_COUNT, "recipient-count")                       \
	C(RELATED, "related-recipient-address") C(REFERENCE, "reference") C(SUBJECT, "message-subject")                           \
	C(SENDER, "sender-address") C(RETURN_PATH, "return-path") C(DIRECTION, "directionality")                                  \
	C(ORIGINAL_CLIENT_IP, "original-client-ip") C(CUSTOM, "custom-data")                                                      \
	/* SMTP protocol logs */                                                                                                  \
	C(SESSION_ID, "session-id") C(LOCAL, "local-endpoint") C(REMOTE, "remote-endpoint") C(EVENT, "event") C(DATA, "data")      \
	C(CONTEXT, "context")                                                                                                     \
	/* POP3 and IMAP4 protocol logs; session and context as above */                                                          \
	C(POP_SESSION, "sessionId") C(POP_CLIENT, "cIp") C(POP_USER, "user") C(POP_COMMAND, "command") C(POP_PARAMETERS, "parameters")

enum exchange_column {
#define C(e, name) EXCHANGE_##e,
	EXCHANGE_COLUMNS(C)
#undef C
	EXCHANGE_COLUMN_COUNT
};

enum exchange_log { EXCHANGE_NONE = -1, EXCHANGE_HEADING, EXCHANGE_TRACKING, EXCHANGE_RECEIVE_LOG, EXCHANGE_SEND_LOG, EXCHANGE_POP_LOG };

/* A row taken apart. Values that held doubled quotes lie in the row. Stands until the next line. */
struct exchange_row {
	struct sv v[EXCHANGE_COLUMN_COUNT]; /* absent: no such column */
	size_t used;
	char unquoted[64u << 10];
};

/* Which log a row is of: by the heading, else by its shape. */
enum exchange_log exchange_log_of(struct sv heading, struct sv line);
/* Takes a line apart by the columns of the heading, or the usual ones of that log when there is none. */
void exchange_split(enum exchange_log log, struct sv heading, struct sv line, struct exchange_row *ret);

enum mta_result exchange_tracking(const struct exchange_row *row, struct record *r);
bool exchange_tracking_next(const struct exchange_row *row, struct record *r);
void exchange_protocol(bool is_send, const struct exchange_row *row, struct record *r);
void exchange_pop(const struct exchange_row *row, struct record *r);

/* "192.0.2.1:25", "[2001:db8::1]:25". */
void exchange_endpoint(struct sv s, struct sv *ret_ip, int64_t *ret_port);
/* Code and text of an SMTP reply, if s is one. */
bool exchange_reply(struct sv s, int64_t *ret_code, struct record *r);

#endif
