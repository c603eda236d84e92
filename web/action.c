/* What people do to a case. The analyzer is the only writer: it is asked, and its answer is told. */
#include <stdio.h>
#include "lib/control.h"
#include "lib/msg.h"
#include "web/route.h"
#include "web/rows.h"

#define ACTION_TEXT_MAX 4000
#define ACTION_WAIT_MS 5000

struct action { const char *name, *done; bool needs_text; };

static const struct action actions[] = {
	{ "acknowledge", "Acknowledged. It is yours now.", false },
	{ "note", "Note added.", true },
	{ "notify", "A letter to the customer is on its way.", false },
	{ "false-positive", "Marked as a false alarm and closed. The detectors start afresh for this principal.", false },
	{ "close", "Closed.", false },
	{ "reopen", "Open again.", false },
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

static void ask(struct call *c, const struct action *a, int64_t id, const char *text)
{
	struct err e = { "" };
	struct json_object *rq = json_object_new_object();
	char verb[48];
	(void)snprintf(verb, sizeof verb, "case-%s", a->name);
	json_put_text(rq, "do", verb);
	json_put_int(rq, "case", id);
	json_put_text(rq, "actor", c->session->user);
	json_put_text(rq, "text", text);
	struct json_object *rs = control_ask(conf_control_socket(c->web->conf).s, rq, ACTION_WAIT_MS, &e);
	if (rs && strcmp(a->name, "notify") == 0 && !c->web->conf->notify.enabled)
		call_flash(c, false, "A letter is asked for, but sending is switched off in the configuration (notify { enabled }).");
	else if (rs)
		call_flash(c, false, "%s", a->done);
	else
		call_flash(c, true, "Nothing was changed: %s", e.text);
	msg_info("audit: user %s from %s: %s on case %lld: %s", c->session->user, c->client, a->name, (long long)id, rs ? "done" : e.text);
	json_object_put(rs);
	json_object_put(rq);
}

void action_answer(struct call *c, int64_t id)
{
	const struct action *a = find_action(form_get(&c->body, "do"));
	const char *text = form_get(&c->body, "text");
	char back[48];
	(void)snprintf(back, sizeof back, "/case/%lld", (long long)id);
	if (!a) {
		call_error(c, 400, "There is no such action.");
		return;
	}
	if (strlen(text) > ACTION_TEXT_MAX)
		call_flash(c, true, "Nothing was changed: a note may have at most %d characters.", ACTION_TEXT_MAX);
	else if (a->needs_text && !text[strspn(text, " \t\r\n")])
		call_flash(c, true, "Nothing was changed: the note is empty.");
	else
		ask(c, a, id, text);
	call_redirect(c, back);
}
