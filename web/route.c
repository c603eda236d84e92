#include "web/route.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "lib/msg.h"
#include "web/lookup.h"
#include "web/page.h"
#include "web/rows.h"
#include "web/view.h"

static bool segment_is(const struct call *c, size_t i, const char *word)
{
	return i < c->n_segment && strcmp(c->segment[i], word) == 0;
}

static bool matches(const struct page *p, const struct call *c)
{
	const char *s = p->path + 1;
	size_t i = 0;
	if (!*s) /* the start page also has names that can carry a suffix */
		return c->n_segment == 0 || (c->n_segment == 1 && (segment_is(c, 0, "index") || segment_is(c, 0, "overview")));
	while (*s) {
		size_t n = strcspn(s, "/");
		if (i == c->n_segment)
			return false;
		if (n == 1 && *s == '#' && call_number(c, i) < 0)
			return false;
		if (!(n == 1 && (*s == '#' || *s == '*')) && (strlen(c->segment[i]) != n || memcmp(c->segment[i], s, n) != 0))
			return false;
		i++;
		s += n + (s[n] == '/');
	}
	return i == c->n_segment;
}

static const struct page *find_page(const struct call *c)
{
	for (const struct page *const *p = page_registry; *p; p++)
		if (matches(*p, c))
			return *p;
	return NULL;
}

/* Opened when first asked for, and again when the file was replaced (a fresh import into the same path). */
static int open_store(struct web *w, struct err *e)
{
	static dev_t dev;
	static ino_t ino;
	struct stat st;
	bool there = stat(w->conf->store, &st) == 0;
	if (w->db_open && there && st.st_dev == dev && st.st_ino == ino)
		return 0;
	if (w->db_open) {
		archive_free(w->archive);
		w->archive = NULL;
		db_close(&w->db);
		w->db_open = false;
	}
	if (store_ro_open(&w->db, w->conf->store, e) < 0)
		return -1;
	w->db_open = true;
	if (there) {
		dev = st.st_dev;
		ino = st.st_ino;
	}
	return 0;
}

struct archive *call_archive(struct call *c, struct err *e)
{
	if (!c->web->archive)
		c->web->archive = archive_open(c->web->db.h, c->web->conf->store, false, e);
	return c->web->archive;
}

static int build(struct call *c, const struct page *p, struct json_object *o, struct err *e)
{
	if (p->no_store)
		return p->build(c, o, e);
	if (open_store(c->web, e) < 0 || store_ro_begin(&c->web->db, e) < 0)
		return 503;
	int status = p->build(c, o, e);
	store_ro_end(&c->web->db);
	return status;
}

static void answer_page(struct call *c, const struct page *p)
{
	struct err e = { "" };
	struct json_object *o = json_object_new_object();
	int status = build(c, p, o, &e);
	if (status != 200)
		call_error(c, status, "%s", e.text[0] ? e.text : "This cannot be shown.");
	else if (c->format == FORMAT_JSON)
		view_json(c, status, o);
	else if (c->format == FORMAT_CSV)
		view_csv(c, p, o);
	else
		view_html(c, status, p->template, json_object_object_get(o, "ui") && *json_str(json_object_object_get(o, "ui"), "title")
		          ? json_str(json_object_object_get(o, "ui"), "title") : p->title, p->nav, o);
	json_object_put(o);
}

static void want_login(struct call *c)
{
	struct buf b = { 0 };
	if (c->format != FORMAT_HTML || c->live) {
		call_error(c, 401, "Log in first.");
		return;
	}
	buf_puts(&b, "/login");
	if (c->n_segment) {
		struct buf next = { 0 };
		for (size_t i = 0; i < c->n_segment; i++) {
			buf_addc(&next, '/');
			form_encode(&next, sv_cstr(c->segment[i]));
		}
		form_query(&c->query, &next);
		buf_puts(&b, "?next=");
		form_encode(&b, buf_sv(&next));
		buf_fini(&next);
	}
	call_redirect(c, buf_cstr(&b));
	buf_fini(&b);
}

static void answer_post(struct call *c)
{
	if (!c->session) {
		call_error(c, 403, "You are no longer logged in, so nothing was changed. Log in and try again.");
		return;
	}
	if (!csrf_check(c->web->sessions, c->session_token, form_get(&c->body, "csrf"))) {
		msg_warn("user %s from %s: a form without our token was refused", c->session->user, c->client);
		call_error(c, 403, "This form did not come from this site, or it is from before you logged in. Nothing was changed; reload the page and try again.");
		return;
	}
	if (segment_is(c, 0, "logout") && c->n_segment == 1)
		logout_answer(c);
	else if (segment_is(c, 0, "case") && c->n_segment == 2 && call_number(c, 1) > 0)
		action_answer(c, call_number(c, 1));
	else
		call_error(c, 404, "There is nothing to send a form to at this address.");
}

void route(struct call *c)
{
	bool post = strcmp(c->method, "POST") == 0;
	if (segment_is(c, 0, "static") && c->n_segment == 2 && !post) {
		asset_answer(c, c->segment[1]);
	} else if (segment_is(c, 0, "login") && c->n_segment == 1) {
		login_answer(c);
	} else if (post) {
		answer_post(c);
	} else if (segment_is(c, 0, "favicon.ico") && c->n_segment == 1) {
		asset_answer(c, "icon.svg");
	} else if (!c->session && !lookup_is_public(c)) {
		want_login(c);
	} else {
		const struct page *p = find_page(c);
		if (lookup_is_stream(c))
			lookup_answer(c);
		else if (p)
			answer_page(c, p);
		else
			call_error(c, 404, "There is no page at this address.");
	}
}
