/* Message trace: find messages by who sent them, who got them, or what they are called. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/prefix.h"
#include "lib/times.h"
#include "web/list.h"
#include "web/message.h"
#include "web/page.h"
#include "web/rows.h"

static const char *const fields[ARCHIVE_KEYS] = { "sender", "recipient", "account", "client", "queue_id", "message_id" };

struct hits { const struct archive_query *query; struct json_object *all; };

/* Who looks for a recipient shall see that one, whatever others there are. */
static void put_recipient_asked_for(struct json_object *o, const struct txn *t, const struct archive_query *q)
{
	const struct sv key = q->key[ARCHIVE_RECIPIENT];
	for (size_t i = 0; key.n && i < t->n_rcpt; i++) {
		const struct sv address[] = { t->rcpt[i].recipient, t->rcpt[i].orig_recipient };
		for (size_t k = 0; k < 2; k++)
			if (archive_key_matches(address[k], key, q->substring)) {
				json_put(o, "first_recipient", json_text(address[k]));
				return;
			}
	}
}

static bool on_hit(void *ctx, const struct txn *t)
{
	struct hits *h = ctx;
	struct json_object *o = message_json(t);
	put_recipient_asked_for(o, t, h->query);
	json_object_array_add(h->all, o);
	return true;
}

static struct sv trimmed(const char *s)
{
	struct sv v = sv_cstr(s + strspn(s, " \t"));
	while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
		v.n--;
	return v;
}

/* A time as people and date fields write it: RFC 3339, "2026-11-23", "2026-11-23T19:47" — without a zone it is the site's. */
static int read_time(const struct call *c, const char *field, bool end_of_day, int64_t *ret_us, struct err *e)
{
	struct sv s = trimmed(form_get(&c->query, field));
	*ret_us = 0;
	if (!s.n)
		return 0;
	if ((end_of_day ? times_parse_local_end(s, ret_us) : times_parse_local(s, ret_us)) < 0)
		return err_set(e, "\"%.*s\" is not a time. Write 2026-11-23, 2026-11-23 19:47 or a full RFC 3339 time.", SVARG(s));
	return 0;
}

/* A typing error must not look like "there was no such message". */
static int check_client(const struct archive_query *q, struct err *e)
{
	struct ipaddr a;
	const struct sv s = q->key[ARCHIVE_CLIENT];
	if (s.n && ipaddr_parse(s, &a) < 0)
		return err_set(e, "\"%.*s\" is not an IP address. Networks and names of hosts cannot be searched for as the client.", SVARG(s));
	return 0;
}

static bool read_query(const struct call *c, struct archive_query *q, struct json_object *filter)
{
	bool any = false;
	for (size_t i = 0; i < ARCHIVE_KEYS; i++) {
		const char *text = form_get(&c->query, fields[i]);
		struct sv v = trimmed(text);
		json_put(filter, fields[i], json_text(v));
		if (!v.n)
			continue;
		any = true;
		q->key[i] = archive_bare(v); /* <> is the null sender */
	}
	json_put_text(filter, "since", form_get(&c->query, "since"));
	json_put_text(filter, "until", form_get(&c->query, "until"));
	q->substring = *form_get(&c->query, "substring") != 0;
	json_put_bool(filter, "substring", q->substring);
	return any || *form_get(&c->query, "since") || *form_get(&c->query, "until") || *form_get(&c->query, "all");
}

static int run(struct call *c, const struct archive_query *q, struct json_object *out, bool *ret_more, struct err *e)
{
	struct hits h = { q, json_object_new_array() };
	struct archive *a = call_archive(c, e);
	int64_t n = a ? archive_search(a, q, on_hit, &h, ret_more, e) : -1;
	json_put(out, "messages", h.all);
	if (n < 0 && a) /* what could be read is worth showing */
		json_put_text(out, "fault", e->text);
	return a ? 0 : -1;
}

/* Older ones are not counted, only known to exist: counting them would read the whole archive. */
static void add_pages(const struct call *c, struct json_object *out, struct json_object *ui, const struct list *l, bool more)
{
	char number[24];
	json_put_int(out, "page", l->page);
	json_put_bool(out, "more", more);
	json_put_bool(ui, "many", more || l->page > 1);
	(void)snprintf(number, sizeof number, "%lld", (long long)l->page + 1);
	char *next = list_url(c, "page", number);
	(void)snprintf(number, sizeof number, "%lld", (long long)l->page - 1);
	char *previous = list_url(c, "page", l->page > 2 ? number : NULL);
	if (more)
		json_put_text(ui, "next_url", next);
	if (l->page > 1)
		json_put_text(ui, "previous_url", previous);
	free(next);
	free(previous);
}

/* What was searched for, not what else stood in the address: a line of the log has an end. */
static void audit(const struct call *c, struct json_object *filter)
{
	struct form said = { .n = 0 };
	struct buf b = { 0 };
	for (size_t i = 0; i < ARCHIVE_KEYS; i++)
		form_set(&said, fields[i], json_str(filter, fields[i]));
	form_set(&said, "since", form_get(&c->query, "since"));
	form_set(&said, "until", form_get(&c->query, "until"));
	form_set(&said, "substring", *form_get(&c->query, "substring") ? "1" : NULL);
	form_query(&said, &b);
	call_audit(c, "searched %s", buf_cstr(&b));
	form_fini(&said);
	buf_fini(&b);
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	static const char *const columns[] = { "-time", NULL };
	struct archive_query q = { .limit = 0 };
	struct json_object *ui = json_object_new_object(), *filter = json_object_new_object();
	struct list l = list_of(c, columns);
	bool more = false, asked = read_query(c, &q, filter);
	json_put(out, "ui", ui);
	json_put(out, "filter", filter);
	json_put_bool(ui, "asked", asked);
	if (read_time(c, "since", false, &q.since_us, e) < 0 || read_time(c, "until", true, &q.until_us, e) < 0 || check_client(&q, e) < 0)
		return 400;
	q.limit = (size_t)l.limit;
	q.offset = (size_t)l.offset;
	q.listed = c->format == FORMAT_HTML;
	if (asked && run(c, &q, out, &more, e) < 0)
		return 500;
	if (!asked)
		json_put(out, "messages", json_object_new_array());
	add_pages(c, out, ui, &l, more);
	if (asked)
		audit(c, filter);
	return 200;
}

static const struct page_column csv[] = {
	{ "first", "first_at" }, { "last", "last_at" }, { "host", "host" }, { "queue_id", "queue_id" }, { "message_id", "message_id" },
	{ "client_ip", "client_ip" }, { "account", "account" }, { "local_user", "local_user" }, { "sender", "sender" }, { "recipients", "recipient_count" },
	{ "outcome", "summary" }, { "size", "size" }, { "took_s", "took_s" }, { NULL, NULL },
};

const struct page page_search = {
	.path = "/search", .title = "Search messages", .template = "search", .nav = "search", .csv_rows = "messages", .csv = csv, .build = build,
};
