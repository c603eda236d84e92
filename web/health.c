#include "web/health.h"

#include <stdio.h>
#include <string.h>

#include "lib/control.h"
#include "lib/times.h"
#include "web/rows.h"

#define HEALTH_QUIET_S 300
#define HEALTH_LAG_BYTES (8 << 20)

static struct json_object *share_text(int64_t part, int64_t all)
{
	char text[24];
	if (all <= 0)
		return NULL;
	double share = 100.0 * (double)part / (double)all;
	/* 99.98 % must not read as 100 %: what is missing is what matters. */
	if (share > 99.9 && share < 100)
		share = (double)(int64_t)(share * 100) / 100;
	(void)snprintf(text, sizeof text, part == all ? "%.0f" : share > 99.9 ? "%.2f" : "%.1f", share);
	return json_object_new_double_s(share, text);
}

/* One word for how it is, and why. */
static void judge(const struct call *c, struct json_object *in, int64_t heard_us, int64_t lag)
{
	int64_t silent_s = heard_us ? (c->now_us - heard_us) / US_PER_S : 0;
	const char *state = "live";
	if (!heard_us)
		state = "finished";
	else if (lag > HEALTH_LAG_BYTES)
		state = "behind";
	else if (silent_s > HEALTH_QUIET_S)
		state = "quiet"; /* nothing new: a small site at night, a finished import, or a log that goes elsewhere now */
	json_put_text(in, "state", state);
}

static void improve(const struct call *c, struct json_object *in)
{
	static const char *const copied[] = { "lines", "bytes", "recognised", "unrecognised", "foreign", "lag_bytes", "open_messages", "cut_lines",
		                              "bad_stamps", "future_stamps", "head_missing", "tail_missing", "evicted", "rotations", "truncations", "dropped", "txns", "records" };
	struct json_object *counters = json_object_object_get(in, "counters");
	for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
		json_put_int(in, copied[i], counters ? json_int(counters, copied[i]) : 0);
	json_object_object_del(in, "counters");
	int64_t good = json_int(in, "recognised"), bad = json_int(in, "unrecognised"), heard_us = 0;
	json_put_int(in, "mail_lines", good + bad);
	json_put(in, "recognised_percent", share_text(good, good + bad));
	json_put(in, "unrecognised_percent", share_text(bad, good + bad));
	(void)times_parse(sv_cstr(json_str(in, "heard_at")), &heard_us);
	judge(c, in, heard_us, json_int(in, "lag_bytes"));
	if (!json_int(in, "lines") && !json_int(in, "lag_bytes"))
		json_put_text(in, "state", "unread"); /* a path that is misspelled, or a log that has not begun */
}

/* Packet capture counts other things. */
static void improve_capture(const struct call *c, struct json_object *in)
{
	struct json_object *counters = json_object_get(json_object_object_get(in, "counters"));
	int64_t heard_us = 0;
	json_object_object_del(in, "counters");
	struct json_object_iterator i = json_object_iter_begin(counters), end = json_object_iter_end(counters);
	for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i))
		json_put(in, json_object_iter_peek_name(&i), json_object_get(json_object_iter_peek_value(&i)));
	json_object_put(counters);
	(void)times_parse(sv_cstr(json_str(in, "heard_at")), &heard_us);
	judge(c, in, heard_us, 0);
	if (json_int(in, "kernel_drops") || json_int(in, "evicted") || json_int(in, "sampled_out") || json_int(in, "unsent"))
		json_put_bool(in, "overloaded", true);
}

static bool is_capture(struct json_object *in)
{
	struct json_object *counters = json_object_object_get(in, "counters");
	return counters && json_object_get_boolean(json_object_object_get(counters, "capture"));
}

static bool is_there(struct json_object *logs, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(logs); i++)
		if (strcmp(json_str(json_object_array_get_idx(logs, i), "source"), name) == 0)
			return true;
	return false;
}

/* A source that nobody follows must not be missing without a word. */
static void add_unread(struct call *c, struct json_object *logs)
{
	const struct conf *conf = c->web->conf;
	for (size_t i = 0; i < conf->n_source; i++) {
		const struct conf_source *s = &conf->source[i];
		if (is_there(logs, s->name))
			continue;
		struct json_object *in = json_object_new_object();
		json_put_text(in, "source", s->name);
		json_put_text(in, "path", s->path);
		json_put_int(in, "applied_seq", 0);
		json_put(in, "last_event_at", NULL);
		json_put(in, "heard_at", NULL);
		improve(c, in);
		json_object_array_add(logs, in);
	}
}

/* What was heard a minute ago is not live when nobody hears any more. */
static void stopped(struct json_object *sources)
{
	for (size_t i = 0; i < json_object_array_length(sources); i++) {
		struct json_object *in = json_object_array_get_idx(sources, i);
		if (strcmp(json_str(in, "state"), "live") == 0 || strcmp(json_str(in, "state"), "behind") == 0)
			json_put_text(in, "state", "stopped");
	}
}

int health_add(struct call *c, struct json_object *out, struct err *e)
{
	struct db *d = &c->web->db;
	struct json_object *all = rows_all(d, db_query(d, Q_WEB_INPUTS, ""), e);
	if (!all)
		return -1;
	struct json_object *logs = json_object_new_array(), *captures = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *in = json_object_get(json_object_array_get_idx(all, i));
		bool capture = is_capture(in);
		(capture ? improve_capture : improve)(c, in);
		json_object_array_add(capture ? captures : logs, in);
	}
	json_object_put(all);
	add_unread(c, logs);
	bool away = !control_listens(conf_control_socket(c->web->conf).s);
	if (away) {
		stopped(logs);
		stopped(captures);
	}
	json_put_bool(out, "analyzer_away", away);
	json_put(out, "collectors", logs);
	json_put(out, "captures", captures);
	return 0;
}
