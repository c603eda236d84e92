/* session: what a server said of a connection (or of an attempt to deliver) before, for the lines that only name it.
 * A format that logs so sets record.session, the server's own name of it. What a record states of the client is remembered
 * under host and session, and fills what later records of it leave out (a warning's account: only that of the next failed log-in):
 *   always                 client_ip client_port client_name helo account auth_method
 *   a delivery without id  queue_id sender recipient, too (qmail's "delivery 7: success")
 *   an answer (asked)      sender recipient that the client asked for last
 *   an envelope            sender, and all recipients that were granted
 * A record that only asks (session_asks) begins no session, so that those of a server which never says how one ends leave room for those that matter.
 * After SESSION_STALE_US a session is forgotten, as not every log says how it ends (a newer one may have its name).
 * Bounded: beyond SESSIONS_MAX or SESSIONS_BYTES the session that was begun first is forgotten, and counted unless it began SESSION_YOUNG_US ago or
 * more: logs of servers that never say how a session ends always come to that. */
#ifndef COLLECTOR_SESSION_H
#define COLLECTOR_SESSION_H

#include "lib/record.h"

#define SESSIONS_MAX 16384u
#define SESSIONS_BYTES (8u << 20)
#define SESSION_STALE_US (6LL * 3600 * 1000000)
#define SESSION_YOUNG_US (600LL * 1000000) /* most sessions have said all by then */
#define SESSION_LOGIN_US (3600LL * 1000000)

struct sessions;
struct wire;
struct buf;

struct sessions *session_table_new(void);
void session_table_free(struct sessions *s);
/* The clock was put back: none began later. s may be NULL. */
void session_table_put_back(struct sessions *s, int64_t now_us);
/* Fills r, which has a session, and remembers what it adds. Filled text is borrowed from s until the next call. */
void session_table_apply(struct sessions *s, struct record *r);
/* For r with logged_in. auth_ok: remembers who logged in from that address. Else fills in the account that logged in from there last, not
 * more than SESSION_LOGIN_US ago, when the session itself did not say. To be called after session_table_apply(). */
void session_table_login(struct sessions *s, struct record *r);
/* For r with local_port. other: remembers whose connection that is, until it ends or SESSION_YOUNG_US have passed. accept
 * without an account: fills in local_user. */
void session_table_local(struct sessions *s, struct record *r);
/* A line about r's queue id (collector/put_off.h), kept until session_table_told(), if there is room for `after` bytes more. */
void session_table_put_off(struct sessions *s, const struct record *r, struct sv line, size_t after);
/* Those of r's queue id, each with a newline; borrowed from s until the next call. Absent: none. */
struct sv session_table_put_off_of(struct sessions *s, const struct record *r);
void session_table_told(struct sessions *s, const struct record *r);
uint64_t session_table_forgotten(const struct sessions *s);

/* State ↔ bytes; -1 when the bytes are no such state. s may be NULL when saving (none yet). */
void session_table_save(const struct sessions *s, struct buf *out);
int session_table_load(struct sessions *s, struct wire *w);
/* The granted recipients, which came later: a part of its own. */
void session_table_save_granted(const struct sessions *s, struct buf *out);
int session_table_load_granted(struct sessions *s, struct wire *w);

#endif
