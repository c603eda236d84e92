/* The whole story of one message on one host. */
#include <stdio.h>
#include <stdlib.h>

#include "web/message.h"
#include "web/page.h"
#include "web/rows.h"

struct wanted {
	const struct call *c;
	int64_t first_us;
	struct json_object *hit;
};

static bool on_hit(void *ctx, const struct txn *t)
{
	struct wanted *w = ctx;
	if (t->first_us != w->first_us || !sv_eq(t->host, sv_cstr(w->c->segment[1])))
		return true;
	w->hit = message_json(t);
	return false;
}

static int by_time(const void *x, const void *y)
{
	struct json_object *a = *(struct json_object *const *)x, *b = *(struct json_object *const *)y;
	return strcmp(json_str(a, "at"), json_str(b, "at"));
}

static void add_step(struct json_object *steps, const char *at, const char *what, const char *label, struct json_object *detail)
{
	struct json_object *o = json_object_new_object();
	json_put_text(o, "at", at);
	json_put_text(o, "what", what);
	json_put_text(o, "label", label);
	json_put(o, "recipient", detail ? json_object_get(detail) : NULL);
	json_object_array_add(steps, o);
}

/* Accepted, then each recipient's latest outcome in the order of time, then gone from the queue. */
static void add_timeline(struct json_object *out)
{
	struct json_object *steps = json_object_new_array(), *rcpts = json_object_object_get(out, "recipients");
	for (size_t i = 0; i < json_object_array_length(rcpts); i++) {
		struct json_object *r = json_object_array_get_idx(rcpts, i);
		const char *at = json_str(r, "time_at"), *status = json_str(r, "status");
		add_step(steps, *at ? at : json_str(out, "last_at"), status, status, r);
	}
	json_object_array_sort(steps, by_time);
	struct json_object *all = json_object_new_array();
	add_step(all, json_str(out, "first_at"), "accepted", "accepted", NULL);
	for (size_t i = 0; i < json_object_array_length(steps); i++)
		json_object_array_add(all, json_object_get(json_object_array_get_idx(steps, i)));
	json_object_put(steps);
	if (json_object_get_boolean(json_object_object_get(out, "complete")))
		add_step(all, json_str(out, "last_at"), "removed", "done, removed from the queue", NULL);
	json_put(out, "timeline", all);
}

static int build(struct call *c, struct json_object *out, struct err *e)
{
	struct wanted w = { c, call_number(c, 3), NULL };
	struct archive_query q = { .since_us = w.first_us, .until_us = w.first_us, .limit = 200 };
	q.key[ARCHIVE_QUEUE_ID] = sv_cstr(c->segment[2]);
	struct archive *a = call_archive(c, e);
	if (!a || (archive_search(a, &q, on_hit, &w, NULL, e) < 0 && !w.hit))
		return 500;
	if (!w.hit) {
		err_set(e, "This message is not in the archive (any more). Messages are kept for %lld day%s.", (long long)c->web->conf->keep_messages_days,
		        c->web->conf->keep_messages_days == 1 ? "" : "s");
		return 404;
	}
	json_merge(out, w.hit);
	add_timeline(out);
	struct json_object *ui = json_object_new_object();
	char title[96];
	(void)snprintf(title, sizeof title, "Message %.60s", c->segment[2]);
	json_put_text(ui, "title", title);
	json_put_bool(ui, "has_sender", *json_str(out, "sender") != 0);
	json_put_bool(ui, "null_sender", json_object_get_boolean(json_object_object_get(out, "sender_known")) && !*json_str(out, "sender"));
	json_put(out, "ui", ui);
	call_audit(c, "viewed message %s on %s", c->segment[2], c->segment[1]);
	return 200;
}

static const struct page_column csv[] = {
	{ "time", "time_at" }, { "recipient", "recipient" }, { "orig_recipient", "orig_recipient" }, { "status", "status" }, { "dsn", "dsn" },
	{ "relay_host", "relay_host" }, { "relay_ip", "relay_ip" }, { "attempts", "attempts" }, { "reply", "reply" }, { NULL, NULL },
};

const struct page page_message = {
	.path = "/message/*/*/#", .title = "Message", .template = "message", .nav = "search", .csv_rows = "recipients", .csv = csv, .build = build,
};
