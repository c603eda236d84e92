#include "analyzer/act.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>

#include "analyzer/acase.h"
#include "analyzer/resting.h"
#include "lib/jsonw.h"

struct request { struct json_object *o; int64_t wall_us; };

static const char *text_of(const struct request *r, const char *key)
{
	struct json_object *v = NULL;
	if (!json_object_object_get_ex(r->o, key, &v) || !json_object_is_type(v, json_type_string))
		return "";
	return json_object_get_string(v);
}

static int64_t number_of(const struct request *r, const char *key)
{
	struct json_object *v = NULL;
	return json_object_object_get_ex(r->o, key, &v) ? json_object_get_int64(v) : 0;
}

static struct acase *case_of(struct judge *j, const struct request *r, struct err *e)
{
	int64_t id = number_of(r, "case");
	struct acase *c = id > 0 ? judge_case(j, id) : NULL;
	if (!c)
		(void)err_set(e, "there is no case %lld", (long long)id);
	return c;
}

static int case_action(struct store *s, struct judge *j, const struct request *r, const char *what, struct err *e)
{
	const char *actor = text_of(r, "actor");
	struct acase *c = case_of(j, r, e);
	if (!c)
		return -1;
	if (strcmp(what, "note") == 0 && !*text_of(r, "text"))
		return err_set(e, "a note needs a text");
	if (acase_act(j, c, what, *actor ? actor : "?", text_of(r, "text"), r->wall_us, e) < 0)
		return -1;
	return store_commit(s, j, e);
}

/* "Notify now": a row in the outbox, which the mailer looks for. */
static int case_notify(struct store *s, struct judge *j, const struct request *r, struct err *e)
{
	if (case_action(s, j, r, "notify-asked", e) < 0)
		return -1;
	return store_notification(s, 0, number_of(r, "case"), r->wall_us, "asked", text_of(r, "recipient"), "", "queued", "", "", e) < 0 ? -1 : 0;
}

static int notification_result(struct store *s, struct judge *j, const struct request *r, struct err *e)
{
	const char *status = text_of(r, "status"), *recipient = text_of(r, "recipient");
	char text[600];
	if (number_of(r, "alert") > 0) /* a service alert: in the outbox, in no case's history */
		return store_alert_letter(s, number_of(r, "alert"), r->wall_us, text_of(r, "kind"), recipient, text_of(r, "language"), status, text_of(r, "error"),
		                          text_of(r, "message_id"), e);
	struct acase *c = case_of(j, r, e);
	if (!c) /* forgotten meanwhile; who asks until it is recorded must not ask for ever */
		return 0;
	if (store_notification(s, number_of(r, "id"), c->id, r->wall_us, text_of(r, "kind"), recipient, text_of(r, "language"), status,
	                       text_of(r, "error"), text_of(r, "message_id"), e) < 0)
		return -1;
	bool sent = strcmp(status, "sent") == 0;
	if (!sent && strcmp(status, "failed") != 0)
		return 0;
	(void)snprintf(text, sizeof text, "%s to %s%s%s", text_of(r, "kind"), recipient, sent ? "" : ": ", sent ? "" : text_of(r, "error"));
	if (acase_act(j, c, sent ? "notified" : "notify-failed", "abusewatch", text, r->wall_us, e) < 0)
		return -1;
	return store_commit(s, j, e);
}

static int dispatch(struct store *s, struct judge *j, const struct request *r, struct err *e)
{
	static const struct { const char *verb, *what; } actions[] = {
		{ "case-acknowledge", "acknowledged" }, { "case-note", "note" },        { "case-false-positive", "false-positive" },
		{ "case-close", "closed" },             { "case-reopen", "reopened" },
	};
	const char *verb = text_of(r, "do");
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (strcmp(verb, actions[i].verb) == 0)
			return case_action(s, j, r, actions[i].what, e);
	if (strcmp(verb, "case-notify") == 0)
		return case_notify(s, j, r, e);
	if (strcmp(verb, "notification-result") == 0)
		return notification_result(s, j, r, e);
	if (strcmp(verb, "ping") == 0)
		return 0;
	return err_set(e, "unknown request \"%s\"", verb);
}

void act(struct store *s, struct judge *j, struct sv request, int64_t wall_us, struct buf *answer)
{
	struct err e = { "" };
	struct json_tokener *t = json_tokener_new_ex(8);
	struct request r = { json_tokener_parse_ex(t, request.p, (int)request.n), wall_us };
	int bad = -1;
	if (r.o && json_object_is_type(r.o, json_type_object))
		bad = dispatch(s, j, &r, &e);
	else
		(void)err_set(&e, "not a JSON object");
	json_object_put(r.o);
	json_tokener_free(t);
	if (!bad)
		buf_printf(answer, "{\"ok\":true,\"principals\":%zu,\"principals_bytes\":%" PRIu64 ",\"resting\":%zu,\"resting_bytes\":%" PRIu64 ",\"evicted\":%" PRIu64 "}",
		           j->n_principals, j->principals_bytes, resting_count(j->resting), resting_bytes(j->resting), j->evicted);
	if (bad) {
		buf_puts(answer, "{\"ok\":false,\"error\":");
		jsonw_text(answer, sv_cstr(e.text));
		buf_addc(answer, '}');
	}
}
