/* session: who is logged in, who tried too often, and the tokens that prove a form came from our own page.
 * All in memory: a restart logs people out. Cookies are kept as hashes only. */
#ifndef WEB_SESSION_H
#define WEB_SESSION_H

#include "lib/users.h"

#define SESSION_TOKEN_HEX 65
#define SESSION_LOOKS 64

struct session {
	unsigned char hash[32];
	char user[USERS_NAME_MAX + 1];
	int64_t used_us, begun_us;
	bool known;        /* the users' file has the name; one-time links may be for others, too */
	unsigned char mark[16]; /* of the password it began with; when known */
	char flash[400];   /* shown once on the next page */
	bool flash_bad;
	uint64_t looked[SESSION_LOOKS]; /* at what, newest over oldest: what a page asks by itself is not logged again */
	size_t n_looked;
};
struct sessions;

struct sessions *sessions_new(int64_t idle_s);
void sessions_free(struct sessions *s);
void sessions_idle(struct sessions *s, int64_t idle_s);
/* Begins one; the cookie's value goes to ret_token. Returns it, borrowed. */
struct session *session_begin(struct sessions *s, const char *users_file, const char *user, int64_t now_us, char ret_token[SESSION_TOKEN_HEX]);
/* The session of a cookie, kept alive by this use when touch; NULL when there is none or it went idle. Borrowed. */
struct session *session_find(struct sessions *s, const char *token, int64_t now_us, bool touch);
/* Whether the session looked at that before, by the words of the log; it has now. */
bool session_looked(struct session *x, const char *what);
void session_end(struct sessions *s, const char *token);
/* When the users' file changed: ends the sessions of users who are gone or have another password now, however they logged in. */
void sessions_check_users(struct sessions *s, const char *users_file);

/* A token for forms, bound to a cookie (of a session, or of the login page). */
void csrf_make(struct sessions *s, const char *cookie, char ret_token[SESSION_TOKEN_HEX]);
bool csrf_check(struct sessions *s, const char *cookie, const char *token);
/* 64 random hex digits. */
void session_random(char ret_token[SESSION_TOKEN_HEX]);

/* Failed logins by key ("user:ann", "addr:192.0.2.1"): seconds to wait before the next try, 0 = go ahead. */
int64_t throttle_wait_s(struct sessions *s, const char *key, int64_t most, int64_t now_us);
void throttle_fail(struct sessions *s, const char *key, int64_t now_us);
void throttle_clear(struct sessions *s, const char *key);

#endif
