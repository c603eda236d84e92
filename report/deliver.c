#include "report/deliver.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/control.h"
#include "lib/msg.h"

struct due_list { struct letter_due *v; size_t n; };

static void collect(void *ctx, const struct letter_due *due)
{
	struct due_list *l = ctx;
	l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
	l->v[l->n++] = *due;
}

static void put(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

/* What became of the last letter, while the analyzer cannot write it down (a full disk): until it has, nothing more is sent. */
static struct json_object *untold;

static int tell(const struct conf *conf, struct err *e)
{
	if (!untold)
		return 0;
	struct json_object *answer = control_ask(conf_control_socket(conf).s, untold, 5000, e);
	if (!answer)
		return -1;
	json_object_put(answer);
	json_object_put(untold);
	untold = NULL;
	return 0;
}

static int record(const struct conf *conf, const struct letter_due *due, const char *status, const char *error, const char *message_id, struct err *e)
{
	struct json_object *o = json_object_new_object();
	put(o, "do", "notification-result");
	json_object_object_add(o, "id", json_object_new_int64(due->notification_id));
	json_object_object_add(o, "case", json_object_new_int64(due->case_id));
	json_object_object_add(o, "alert", json_object_new_int64(due->alert_id));
	put(o, "kind", due->kind);
	put(o, "recipient", due->recipient);
	put(o, "language", due->language);
	put(o, "status", status);
	put(o, "error", error);
	put(o, "message_id", message_id);
	untold = o;
	return tell(conf, e);
}

/* The analyzer must be there before a letter goes out. */
static int analyzer_listens(const struct conf *conf, struct err *e)
{
	struct json_object *o = json_object_new_object();
	put(o, "do", "ping");
	struct json_object *answer = control_ask(conf_control_socket(conf).s, o, 5000, e);
	json_object_put(o);
	json_object_put(answer);
	return answer ? 0 : -1;
}

static int deliver_one(struct db *d, const struct conf *conf, const struct letter_due *due, int64_t now_us, struct err *e)
{
	const char *about = due->alert_id ? "service alert" : "case";
	long long number = due->alert_id ? due->alert_id : due->case_id;
	struct letter l;
	struct err why;
	if (letter_write(d, conf, due, now_us, &l, &why) < 0) {
		msg_error("%s %lld: %s", about, number, why.text);
		return record(conf, due, "failed", why.text, "", e);
	}
	int bad = letter_send(conf, due, &l, &why);
	if (bad)
		msg_error("%s %lld: letter to %s: %s", about, number, due->recipient, why.text);
	else
		msg_info("%s %lld: letter (%s) sent to %s", about, number, due->kind, due->recipient);
	bad = record(conf, due, bad ? "failed" : "sent", bad ? why.text : "", l.message_id, e);
	letter_fini(&l);
	return bad;
}

static int deliver_all(struct db *d, const struct conf *conf, int64_t now_us, struct err *e)
{
	struct due_list list = { 0 };
	int bad = tell(conf, e) < 0 ? -1 : plan_letters(d, conf, now_us, collect, &list, e);
	if (!bad && list.n)
		bad = analyzer_listens(conf, e);
	for (size_t i = 0; i < list.n && !bad; i++)
		bad = deliver_one(d, conf, &list.v[i], now_us, e);
	free(list.v);
	return bad;
}

/* The mailer and `abusewatch notify` would both send what neither has recorded yet. The folder is locked: a file of root's would shut the mailer out. */
int deliver_due(struct db *d, const struct conf *conf, int64_t now_us, struct err *e)
{
	int fd = open(conf->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, "%s: %m", conf->state_dir);
	int bad = flock(fd, LOCK_EX | LOCK_NB) < 0 ? err_set(e, "another program is sending letters; they are not sent twice") : deliver_all(d, conf, now_us, e);
	close(fd);
	return bad;
}
