#include "lib/users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A hash of nothing anybody knows, so that unknown names cost the same time as known ones. */
static char users_nobody[crypto_pwhash_STRBYTES];

bool users_name_ok(const char *name)
{
	size_t n = strlen(name);
	return n && n <= USERS_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@") == n;
}

static int hash_password(const char *password, char out[crypto_pwhash_STRBYTES])
{
	return crypto_pwhash_str(out, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE);
}

/* The hash of name goes to out. */
static bool find_user(const char *path, const char *name, char out[crypto_pwhash_STRBYTES])
{
	char line[512];
	bool found = false;
	FILE *f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = 0;
		colon[1 + strcspn(colon + 1, "\r\n")] = 0;
		if (strcmp(line, name) == 0 && strlen(colon + 1) < crypto_pwhash_STRBYTES) {
			memset(out, 0, crypto_pwhash_STRBYTES);
			memcpy(out, colon + 1, strlen(colon + 1));
			found = true;
		}
	}
	if (f)
		fclose(f);
	return found;
}

bool users_has(const char *path, const char *name)
{
	char hash[crypto_pwhash_STRBYTES];
	return users_name_ok(name) && find_user(path, name, hash);
}

bool users_check(const char *path, const char *name, const char *password)
{
	char hash[crypto_pwhash_STRBYTES];
	if (sodium_init() < 0 || strlen(password) > USERS_PASSWORD_MAX)
		return false;
	if (!users_nobody[0]) {
		unsigned char noise[16];
		char text[33];
		randombytes_buf(noise, sizeof noise);
		sodium_bin2hex(text, sizeof text, noise, sizeof noise);
		if (hash_password(text, users_nobody) != 0)
			return false;
	}
	bool known = users_name_ok(name) && find_user(path, name, hash);
	return crypto_pwhash_str_verify(known ? hash : users_nobody, password, strlen(password)) == 0 && known;
}

bool users_mark(const char *path, const char *name, unsigned char ret_mark[16])
{
	char hash[crypto_pwhash_STRBYTES];
	if (!users_name_ok(name) || !find_user(path, name, hash))
		return false;
	crypto_generichash(ret_mark, 16, (const unsigned char *)hash, strlen(hash), NULL, 0);
	return true;
}

int users_list(const char *path, struct buf *out, struct err *e)
{
	char line[512];
	int n = 0;
	FILE *f = fopen(path, "re");
	if (!f && errno != ENOENT)
		return err_set(e, "cannot read %s: %s", path, strerror(errno));
	while (f && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = 0;
		buf_printf(out, "%s\n", line);
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

static int write_all(int fd, struct sv s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			s = sv_skip(s, (size_t)n);
	}
	return fsync(fd);
}

/* Who owns the file, or the folder when there is none yet. */
static int owner_of(const char *path, struct stat *ret)
{
	struct buf folder = { 0 };
	const char *slash = strrchr(path, '/');
	if (stat(path, ret) == 0)
		return 0;
	buf_add(&folder, path, slash ? (size_t)(slash - path) + 1 : 0);
	int r = stat(folder.n ? buf_cstr(&folder) : ".", ret);
	buf_fini(&folder);
	return r;
}

/* Other readers see the old file or the new one, never a part. The owner of the old file stays the owner; a new one is its folder's owner's. */
static int replace_file(const char *path, struct sv text, struct err *e)
{
	struct buf tmp = { 0 };
	struct stat st;
	int r = -1;
	buf_printf(&tmp, "%s.new.%d", path, (int)getpid());
	int fd = open(buf_cstr(&tmp), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_set(e, "cannot write %s: %s", tmp.p, strerror(errno));
		buf_fini(&tmp);
		return -1;
	}
	if (owner_of(path, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) != 0 && geteuid() == 0)
		err_set(e, "cannot keep the owner of %s: %s", path, strerror(errno));
	else if (write_all(fd, text) == 0 && rename(tmp.p, path) == 0)
		r = 0;
	else
		err_set(e, "cannot write %s: %s", path, strerror(errno));
	close(fd);
	if (r < 0)
		unlink(tmp.p);
	buf_fini(&tmp);
	return r;
}

/* --- changes: one at a time ---------------------------------------------------------------------------------------- */

/* A file of nobody, to lock, of its folder's owner. -1 with errno. */
static int make_empty(const char *path)
{
	struct stat st;
	bool known = owner_of(path, &st) == 0;
	int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && known && geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) != 0) {
		int bad = errno;
		unlink(path);
		close(fd);
		errno = bad;
		return -1;
	}
	return fd;
}

/* Whether path is still the file that is open and now locked: who had the lock before may have put another one in its place. */
static bool still_there(int fd, const char *path)
{
	struct stat ours, there;
	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* The file for reading, locked until it is closed; make: an empty one when there is none. NULL and e. */
static FILE *open_locked(const char *path, bool make, struct err *e)
{
	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && make) {
			fd = make_empty(path);
			if (fd < 0 && errno == EEXIST)
				continue;
		}
		if (fd < 0) {
			err_set(e, "cannot read %s: %s", path, strerror(errno));
			return NULL;
		}
		int bad = flock(fd, LOCK_EX) < 0 ? errno : 0;
		FILE *f = !bad && still_there(fd, path) ? fdopen(fd, "r") : NULL;
		if (f)
			return f;
		close(fd);
		if (bad && bad != EINTR) {
			err_set(e, "cannot lock %s: %s", path, strerror(bad));
			return NULL;
		}
	}
}

/* The file without the lines of name. Returns how many these are, or -1: it cannot be read. */
static int copy_without(FILE *f, const char *name, struct buf *out)
{
	char *line = NULL;
	size_t cap = 0, n = strlen(name);
	int found = 0;
	for (ssize_t got; (got = getline(&line, &cap, f)) > 0;) {
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			found++;
		else
			buf_add(out, line, (size_t)got);
	}
	free(line);
	if (out->n && out->p[out->n - 1] != '\n')
		buf_addc(out, '\n');
	return feof(f) ? found : -1;
}

/* Puts the user's line, or nothing (line is NULL), in the place of that which is there. */
static int change(const char *path, const char *name, const char *line, struct err *e)
{
	struct buf text = { 0 };
	FILE *f = open_locked(path, line != NULL, e);
	if (!f)
		return -1;
	int r = -1, found = copy_without(f, name, &text);
	if (found < 0)
		err_set(e, "cannot read %s: %s", path, strerror(errno));
	else if (!found && !line)
		err_set(e, "there is no user %s in %s", name, path);
	else {
		buf_puts(&text, line ? line : "");
		r = replace_file(path, buf_sv(&text), e);
	}
	fclose(f); /* which unlocks */
	buf_fini(&text);
	return r;
}

int users_set(const char *path, const char *name, const char *password, struct err *e)
{
	char hash[crypto_pwhash_STRBYTES], line[USERS_NAME_MAX + sizeof hash + 3];
	if (!users_name_ok(name))
		return err_set(e, "\"%s\" cannot be a user name; take letters, digits and . _ - @, at most %d", name, USERS_NAME_MAX);
	if (strlen(password) < USERS_PASSWORD_MIN || strlen(password) > USERS_PASSWORD_MAX)
		return err_set(e, "a password needs at least %d characters", USERS_PASSWORD_MIN);
	if (sodium_init() < 0 || hash_password(password, hash) != 0)
		return err_set(e, "not enough memory to hash a password (it takes 64 MB)");
	(void)snprintf(line, sizeof line, "%s:%s\n", name, hash);
	return change(path, name, line, e);
}

int users_delete(const char *path, const char *name, struct err *e)
{
	if (!users_has(path, name)) /* also where there is no file */
		return err_set(e, "there is no user %s in %s", name, path);
	return change(path, name, NULL, e);
}

/* --- one-time logins ------------------------------------------------------------------------------------------------ */

static void token_path(const char *state_dir, const char *token, struct buf *out)
{
	unsigned char hash[32];
	char hex[65];
	crypto_generichash(hash, sizeof hash, (const unsigned char *)token, strlen(token), NULL, 0);
	sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
	buf_printf(out, "%s/login/%s", state_dir, hex);
}

int login_token_make(const char *state_dir, const char *user, int64_t now_s, int64_t valid_s, struct login_token *ret, struct err *e)
{
	unsigned char noise[24];
	struct buf path = { 0 }, text = { 0 };
	struct stat st;
	if (!users_name_ok(user))
		return err_set(e, "\"%s\" cannot be a user name", user);
	if (sodium_init() < 0)
		return err_set(e, "libsodium does not start");
	buf_printf(&path, "%s/login", state_dir);
	if (mkdir(buf_cstr(&path), 0700) == 0) { /* made by root for a service account: hand it over */
		if (geteuid() == 0 && stat(state_dir, &st) == 0 && chown(path.p, st.st_uid, st.st_gid) != 0) {
			err_set(e, "cannot hand %s over: %s", path.p, strerror(errno));
			buf_fini(&path);
			return -1;
		}
	} else if (errno != EEXIST) {
		err_set(e, "cannot make %s: %s%s", path.p, strerror(errno), errno == EACCES ? "; who may is root and the config's user" : "");
		buf_fini(&path);
		return -1;
	}
	randombytes_buf(noise, sizeof noise);
	sodium_bin2base64(ret->s, sizeof ret->s, noise, sizeof noise, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	buf_clear(&path);
	token_path(state_dir, ret->s, &path);
	buf_printf(&text, "%" PRId64 " %s\n", now_s + valid_s, user);
	int r = replace_file(buf_cstr(&path), buf_sv(&text), e);
	if (r == 0 && geteuid() == 0 && stat(state_dir, &st) == 0 && chown(path.p, st.st_uid, st.st_gid) != 0)
		r = err_set(e, "cannot hand %s over: %s", path.p, strerror(errno));
	buf_fini(&path);
	buf_fini(&text);
	return r;
}

/* "UNTIL USER" of the file: the time, and the user in ret; -1. */
static int64_t token_read(const char *path, char ret_user[USERS_NAME_MAX + 1])
{
	char line[128] = "", *user = line, *end;
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	if (!fgets(line, sizeof line, f))
		line[0] = 0;
	fclose(f);
	long long until = strtoll(line, &user, 10);
	if ((end = strchr(user, '\n')))
		*end = 0;
	if (*user++ != ' ' || !users_name_ok(user))
		return -1;
	memcpy(ret_user, user, strlen(user) + 1);
	return until;
}

int login_token_use(const char *state_dir, const char *token, int64_t now_s, char ret_user[USERS_NAME_MAX + 1])
{
	struct buf path = { 0 };
	if (sodium_init() < 0 || strlen(token) > sizeof(struct login_token))
		return -1;
	token_path(state_dir, token, &path);
	int64_t until = token_read(buf_cstr(&path), ret_user);
	int gone = unlink(path.p); /* whoever removes it has used it: two at once cannot both */
	buf_fini(&path);
	return gone != 0 || until < now_s ? -1 : 0;
}

void login_tokens_forget(const char *state_dir, const char *user)
{
	struct buf path = { 0 };
	char whose[USERS_NAME_MAX + 1];
	buf_printf(&path, "%s/login/", state_dir);
	size_t folder = path.n;
	DIR *d = opendir(buf_cstr(&path));
	for (const struct dirent *x; d && (x = readdir(d)) != NULL;) {
		path.n = folder;
		buf_puts(&path, x->d_name);
		if (x->d_name[0] != '.' && token_read(buf_cstr(&path), whose) >= 0 && strcmp(whose, user) == 0)
			unlink(path.p);
	}
	if (d)
		closedir(d);
	buf_fini(&path);
}
