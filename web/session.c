#include "web/session.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/msg.h"
#include "lib/times.h"

#define SESSIONS_MAX 1024
#define SESSION_LIFE_US (7 * US_PER_DAY) /* however busy: log in again once a week */
#define THROTTLE_SLOTS 2048
#define THROTTLE_WINDOW_US (5 * 60 * US_PER_S)

struct throttle { uint64_t key; int64_t begun_us, failures; };

struct sessions {
	struct session v[SESSIONS_MAX];
	size_t n;
	int64_t idle_us;
	unsigned char csrf_key[crypto_generichash_KEYBYTES], hash_key[crypto_shorthash_KEYBYTES];
	struct throttle throttle[THROTTLE_SLOTS];
	ino_t users_ino;
	struct timespec users_time;
};

struct sessions *sessions_new(int64_t idle_s)
{
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	struct sessions *s = xcalloc(1, sizeof *s);
	randombytes_buf(s->csrf_key, sizeof s->csrf_key);
	randombytes_buf(s->hash_key, sizeof s->hash_key);
	sessions_idle(s, idle_s);
	return s;
}

void sessions_free(struct sessions *s)
{
	if (s)
		sodium_memzero(s, sizeof *s);
	free(s);
}

void sessions_idle(struct sessions *s, int64_t idle_s)
{
	s->idle_us = idle_s * US_PER_S;
}

static void hash_token(const char *token, unsigned char out[32])
{
	crypto_generichash(out, 32, (const unsigned char *)token, strlen(token), NULL, 0);
}

static bool is_over(const struct sessions *s, const struct session *x, int64_t now_us)
{
	return now_us - x->used_us > s->idle_us || now_us - x->begun_us > SESSION_LIFE_US;
}

static void drop(struct sessions *s, size_t i)
{
	s->v[i] = s->v[--s->n];
	sodium_memzero(&s->v[s->n], sizeof s->v[s->n]);
}

static void make_room(struct sessions *s, int64_t now_us)
{
	size_t oldest = 0;
	for (size_t i = 0; i < s->n;) {
		if (is_over(s, &s->v[i], now_us))
			drop(s, i);
		else
			i++;
	}
	if (s->n < SESSIONS_MAX)
		return;
	for (size_t i = 1; i < s->n; i++)
		if (s->v[i].used_us < s->v[oldest].used_us)
			oldest = i;
	drop(s, oldest);
}

void session_random(char ret_token[SESSION_TOKEN_HEX])
{
	unsigned char noise[32];
	randombytes_buf(noise, sizeof noise);
	sodium_bin2hex(ret_token, SESSION_TOKEN_HEX, noise, sizeof noise);
}

struct session *session_begin(struct sessions *s, const char *users_file, const char *user, int64_t now_us, char ret_token[SESSION_TOKEN_HEX])
{
	make_room(s, now_us);
	struct session *x = &s->v[s->n++];
	*x = (struct session){ .used_us = now_us, .begun_us = now_us };
	size_t n = strlen(user) < USERS_NAME_MAX ? strlen(user) : USERS_NAME_MAX;
	memcpy(x->user, user, n);
	x->known = users_mark(users_file, x->user, x->mark);
	session_random(ret_token);
	hash_token(ret_token, x->hash);
	return x;
}

struct session *session_find(struct sessions *s, const char *token, int64_t now_us, bool touch)
{
	unsigned char hash[32];
	if (strlen(token) != SESSION_TOKEN_HEX - 1)
		return NULL;
	hash_token(token, hash);
	for (size_t i = 0; i < s->n; i++) {
		if (sodium_memcmp(s->v[i].hash, hash, sizeof hash) != 0)
			continue;
		if (is_over(s, &s->v[i], now_us)) {
			drop(s, i);
			return NULL;
		}
		if (touch)
			s->v[i].used_us = now_us;
		return &s->v[i];
	}
	return NULL;
}

bool session_looked(struct session *x, const char *what)
{
	unsigned char whole[32];
	uint64_t hash;
	hash_token(what, whole);
	memcpy(&hash, whole, sizeof hash);
	for (size_t i = 0; i < SESSION_LOOKS && i < x->n_looked; i++)
		if (x->looked[i] == hash)
			return true;
	x->looked[x->n_looked++ % SESSION_LOOKS] = hash;
	return false;
}

void session_end(struct sessions *s, const char *token)
{
	unsigned char hash[32];
	hash_token(token, hash);
	for (size_t i = 0; i < s->n; i++)
		if (sodium_memcmp(s->v[i].hash, hash, sizeof hash) == 0) {
			drop(s, i);
			return;
		}
}

/* Whether the user is gone or has another password now. Who got a user only since then (a one-time link is for any name) is known from now on. */
static bool is_out(struct session *x, const char *users_file)
{
	unsigned char mark[16];
	bool there = users_mark(users_file, x->user, mark);
	if (x->known)
		return !there || memcmp(mark, x->mark, sizeof mark) != 0;
	x->known = there;
	if (there)
		memcpy(x->mark, mark, sizeof mark);
	return false;
}

void sessions_check_users(struct sessions *s, const char *users_file)
{
	struct stat st;
	if (stat(users_file, &st) != 0)
		memset(&st, 0, sizeof st);
	if (st.st_ino == s->users_ino && st.st_mtim.tv_sec == s->users_time.tv_sec && st.st_mtim.tv_nsec == s->users_time.tv_nsec)
		return;
	s->users_ino = st.st_ino;
	s->users_time = st.st_mtim;
	for (size_t i = 0; i < s->n;) {
		if (is_out(&s->v[i], users_file))
			drop(s, i);
		else
			i++;
	}
}

void csrf_make(struct sessions *s, const char *cookie, char ret_token[SESSION_TOKEN_HEX])
{
	unsigned char mac[32];
	crypto_generichash(mac, sizeof mac, (const unsigned char *)cookie, strlen(cookie), s->csrf_key, sizeof s->csrf_key);
	sodium_bin2hex(ret_token, SESSION_TOKEN_HEX, mac, sizeof mac);
}

bool csrf_check(struct sessions *s, const char *cookie, const char *token)
{
	char want[SESSION_TOKEN_HEX];
	if (!*cookie || strlen(token) != SESSION_TOKEN_HEX - 1)
		return false;
	csrf_make(s, cookie, want);
	return sodium_memcmp(want, token, SESSION_TOKEN_HEX - 1) == 0;
}

/* Open addressing over a short run of slots; the emptiest of the run gives way when it is full. */
static struct throttle *slot_of(struct sessions *s, const char *key, int64_t now_us, bool make)
{
	unsigned char h[crypto_shorthash_BYTES];
	uint64_t k;
	struct throttle *least = NULL;
	crypto_shorthash(h, (const unsigned char *)key, strlen(key), s->hash_key);
	memcpy(&k, h, sizeof k);
	for (size_t i = 0; i < 8; i++) {
		struct throttle *t = &s->throttle[(k + i) % THROTTLE_SLOTS];
		if (now_us - t->begun_us > THROTTLE_WINDOW_US)
			*t = (struct throttle){ 0 };
		if (t->key == k)
			return t;
		if (!least || t->failures < least->failures)
			least = t;
	}
	if (!make)
		return NULL;
	*least = (struct throttle){ .key = k, .begun_us = now_us };
	return least;
}

int64_t throttle_wait_s(struct sessions *s, const char *key, int64_t most, int64_t now_us)
{
	const struct throttle *t = slot_of(s, key, now_us, false);
	if (!t || t->failures < most)
		return 0;
	return (t->begun_us + THROTTLE_WINDOW_US - now_us) / US_PER_S + 1;
}

void throttle_fail(struct sessions *s, const char *key, int64_t now_us)
{
	slot_of(s, key, now_us, true)->failures++;
}

void throttle_clear(struct sessions *s, const char *key)
{
	struct throttle *t = slot_of(s, key, 0, false);
	if (t)
		*t = (struct throttle){ 0 };
}
