/* Who are you: the login form, one-time login links, logging out. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/msg.h"
#include "lib/times.h"
#include "web/route.h"
#include "web/rows.h"
#include "web/view.h"

#define LOGIN_TRIES_USER 5
#define LOGIN_TRIES_ADDRESS 20
#define LOGIN_FORM_S 3600

bool login_next_ok(const char *path)
{
	if (path[0] != '/' || path[1] == '/' || path[1] == '\\')
		return false;
	for (const char *s = path; *s; s++)
		if ((unsigned char)*s <= 32 || *s == 127 || *s == '\\')
			return false;
	return strlen(path) < 2048;
}

/* The form carries a token bound to a cookie of its own: nobody can log a clerk into another account unseen. */
static void show_form(struct call *c, int status, const char *problem)
{
	struct json_object *o = json_object_new_object();
	char token[SESSION_TOKEN_HEX];
	const char *next = form_get(strcmp(c->method, "POST") == 0 ? &c->body : &c->query, "next");
	if (!c->login_token[0]) {
		session_random(c->login_token);
		call_cookie(c, "aw_login", c->login_token, LOGIN_FORM_S);
	}
	csrf_make(c->web->sessions, c->login_token, token);
	json_put_text(o, "token", token);
	json_put_text(o, "next", login_next_ok(next) ? next : "");
	json_put_text(o, "name", form_get(&c->body, "user"));
	json_put_text(o, "problem", problem);
	c->session = NULL;
	c->format = FORMAT_HTML;
	view_html(c, status, "login", "Log in", "none", o);
	json_object_put(o);
}

static void begin(struct call *c, const char *user, bool by_password)
{
	char token[SESSION_TOKEN_HEX];
	const char *next = form_get(strcmp(c->method, "POST") == 0 ? &c->body : &c->query, "next");
	if (c->session)
		session_end(c->web->sessions, c->session_token);
	session_begin(c->web->sessions, c->web->conf->web.users_file, user, c->now_us, token);
	call_cookie(c, "aw_session", token, -1);
	call_cookie(c, "aw_login", "", 0);
	msg_info("audit: user %s from %s logged in with %s", user, c->client, by_password ? "a password" : "a one-time link");
	call_redirect(c, login_next_ok(next) ? next : "/");
}

static void key_of(char *out, size_t cap, const char *what, const char *value)
{
	(void)snprintf(out, cap, "%s:%s", what, value);
}

static bool too_many(struct call *c, const char *user_key, const char *addr_key)
{
	int64_t a = user_key ? throttle_wait_s(c->web->sessions, user_key, LOGIN_TRIES_USER, c->now_us) : 0;
	int64_t b = throttle_wait_s(c->web->sessions, addr_key, LOGIN_TRIES_ADDRESS, c->now_us);
	int64_t wait = a > b ? a : b;
	if (!wait)
		return false;
	char text[160];
	(void)snprintf(text, sizeof text, "Too many failed logins. Try again in %lld minute%s.", (long long)(wait + 59) / 60, wait > 60 ? "s" : "");
	c->answer.retry_after_s = wait;
	msg_warn("audit: login from %s held back for %lld s after too many failures", c->client, (long long)wait);
	show_form(c, 429, text);
	return true;
}

static void login_post(struct call *c)
{
	const char *user = form_get(&c->body, "user"), *password = form_get(&c->body, "password");
	char user_key[128], addr_key[80];
	if (!csrf_check(c->web->sessions, c->login_token, form_get(&c->body, "csrf"))) {
		show_form(c, 403, "The form was too old, or cookies are switched off. Please try again.");
		return;
	}
	key_of(user_key, sizeof user_key, "user", user);
	key_of(addr_key, sizeof addr_key, "addr", c->client);
	if (too_many(c, user_key, addr_key))
		return;
	if (users_check(c->web->conf->web.users_file, user, password)) {
		throttle_clear(c->web->sessions, user_key);
		begin(c, user, true);
		return;
	}
	throttle_fail(c->web->sessions, user_key, c->now_us);
	throttle_fail(c->web->sessions, addr_key, c->now_us);
	msg_warn("audit: failed login for \"%.40s\" from %s", user, c->client);
	show_form(c, 401, "The name or the password is wrong.");
}

static void login_token(struct call *c)
{
	char user[USERS_NAME_MAX + 1], addr_key[80];
	key_of(addr_key, sizeof addr_key, "addr", c->client);
	if (too_many(c, NULL, addr_key))
		return;
	if (login_token_use(c->web->conf->state_dir, form_get(&c->query, "token"), c->now_us / US_PER_S, user) == 0) {
		begin(c, user, false);
		return;
	}
	throttle_fail(c->web->sessions, addr_key, c->now_us);
	msg_warn("audit: a one-time login that is used up or too old, from %s", c->client);
	show_form(c, 403, "This one-time link was used already or is too old. Make a new one with: abusewatch login-link");
}

void login_answer(struct call *c)
{
	if (strcmp(c->method, "POST") == 0)
		login_post(c);
	else if (*form_get(&c->query, "token"))
		login_token(c);
	else if (c->session)
		call_redirect(c, "/");
	else
		show_form(c, 200, "");
}

void logout_answer(struct call *c)
{
	call_audit(c, "logged out");
	session_end(c->web->sessions, c->session_token);
	c->session = NULL;
	call_cookie(c, "aw_session", "", 0);
	call_redirect(c, "/login");
}
