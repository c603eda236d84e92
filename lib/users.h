/* users: who may log in to the dashboard. A file of "name:hash" lines (Argon2id, mode 0600), replaced as a whole with
 * every change. Also one-time login tokens: files named after a hash of the token, so that reading them lets nobody in. */
#ifndef LIB_USERS_H
#define LIB_USERS_H

#include "lib/buf.h"
#include "lib/err.h"

#define USERS_NAME_MAX 32
#define USERS_PASSWORD_MIN 8
#define USERS_PASSWORD_MAX 1024

/* a-z A-Z 0-9 . _ - @, at most USERS_NAME_MAX bytes. */
bool users_name_ok(const char *name);
/* True when the password is right. Takes as long for a name that does not exist. A missing file holds nobody. */
bool users_check(const char *path, const char *name, const char *password);
/* Whether the name is there. */
bool users_has(const char *path, const char *name);
/* A short hash that changes with the password; false when there is no such user. */
bool users_mark(const char *path, const char *name, unsigned char ret_mark[16]);
/* Adds the user or changes the password. -1 and e. */
int users_set(const char *path, const char *name, const char *password, struct err *e);
/* Removes the user; -1 and e when there is none. */
int users_delete(const char *path, const char *name, struct err *e);
/* Appends the names, one a line. Returns how many (none where there is no file), or -1 and e when it cannot be read. */
int users_list(const char *path, struct buf *out, struct err *e);

struct login_token { char s[64]; };
/* Makes a token for user, valid until now_s + valid_s. -1 and e. */
int login_token_make(const char *state_dir, const char *user, int64_t now_s, int64_t valid_s, struct login_token *ret_token, struct err *e);
/* Makes those of the user void. */
void login_tokens_forget(const char *state_dir, const char *user);
/* Uses the token up. 0 and the user's name when it was valid, else -1. */
int login_token_use(const char *state_dir, const char *token, int64_t now_s, char ret_user[USERS_NAME_MAX + 1]);

#endif
