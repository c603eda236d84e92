/* The tables of analyzer/servers.h. */
#include <inttypes.h>

#include "analyzer/servers.h"
#include "analyzer/store.h"

static void copy(char *to, size_t room, struct sv text)
{
	text = sv_take(text, room - 1);
	memcpy(to, text.p ? text.p : "", text.n);
	to[text.n] = 0;
}

static void load_faces(struct store *s, struct server *v, struct sv address)
{
	sqlite3_stmt *st = db_query(&s->db, Q_SERVER_FACES, "t", address);
	while (db_row(&s->db, st)) {
		int64_t slot = sqlite3_column_int64(st, 0);
		if (slot < 0 || slot >= SERVER_FACES)
			continue;
		struct server_face *f = &v->face[slot];
		copy(f->software, sizeof f->software, db_text(st, 1));
		f->first_us = sqlite3_column_int64(st, 2);
		f->last_us = sqlite3_column_int64(st, 3);
		f->sessions = (uint32_t)sqlite3_column_int64(st, 4);
	}
	sqlite3_reset(st);
}

void store_servers_load(struct store *s, struct judge *j)
{
	sqlite3_stmt *st = db_query(&s->db, Q_SERVER_ALL, "");
	while (db_row(&s->db, st)) {
		struct ipaddr ip;
		struct server *v = ipaddr_parse(db_text(st, 0), &ip) == 0 ? servers_loaded(j, &ip) : NULL;
		if (!v)
			continue;
		int64_t settled = sqlite3_column_int64(st, 3);
		copy(v->host, sizeof v->host, db_text(st, 1));
		copy(v->was, sizeof v->was, db_text(st, 2));
		v->settled = (uint8_t)(settled < 0 || settled > SERVER_FACES ? 0 : settled);
		v->first_us = sqlite3_column_int64(st, 4);
		v->last_us = sqlite3_column_int64(st, 5);
		v->changed_us = sqlite3_column_int64(st, 6);
		v->sessions = (uint64_t)sqlite3_column_int64(st, 7);
		v->alone = (uint32_t)sqlite3_column_int64(st, 8);
		v->alone_nets = (uint64_t)sqlite3_column_int64(st, 9);
		load_faces(s, v, db_text(st, 0));
	}
	sqlite3_reset(st);
}

static int drop(struct store *s, const struct ipaddr *ip, struct err *e)
{
	char text[48];
	text[ipaddr_text(ip, text)] = 0;
	return db_run(&s->db, e, Q_SERVER_DROP, "s", text) || db_run(&s->db, e, Q_SERVER_FACE_DROP, "s", text);
}

static const char *customer_of(const struct judge *j, const char *address)
{
	return enrich_customer(j->enrich, PRINCIPAL_HOST, sv_cstr(address));
}

static int write_server(struct store *s, const struct judge *j, const struct server *v, struct err *e)
{
	char text[48];
	text[ipaddr_text(&v->ip, text)] = 0;
	int bad = db_run(&s->db, e, Q_SERVER_PUT, "sssssiiiiiii", text, customer_of(j, text), v->host, servers_software(v), v->was, (int64_t)v->settled,
	                 v->first_us, v->last_us, v->changed_us, (int64_t)v->sessions, (int64_t)v->alone, (int64_t)v->alone_nets);
	for (size_t i = 0; i < SERVER_FACES && !bad; i++) {
		const struct server_face *f = &v->face[i];
		if (f->sessions)
			bad = db_run(&s->db, e, Q_SERVER_FACE_PUT, "sisiii", text, (int64_t)i, f->software, f->first_us, f->last_us, (int64_t)f->sessions);
	}
	return bad;
}

/* What happens on the way is told at once; servers' software goes along in the hour's letter, if there is one. nth of its moment: rows are told apart
 * by their time, so it is later by so many microseconds. */
static int write_event(struct store *s, const struct judge *j, const struct network_event *x, int64_t nth, struct err *e)
{
	char text[48] = "";
	int64_t at_us = x->at_us + nth;
	if (x->has_ip)
		text[ipaddr_text(&x->ip, text)] = 0;
	int bad = db_run(&s->db, e, Q_NETWORK_EVENT_PUT, "isssssssi", at_us, network_what_name((enum network_what)x->what), text,
	                 x->has_ip ? customer_of(j, text) : "", x->host, x->before, x->after, x->text, x->since_us);
	if (!bad && x->what != NETWORK_SOFTWARE)
		bad = db_run(&s->db, e, Q_SERVICE_ALERT_PUT, "ssiissi", "", "network", at_us, at_us, "", x->text, (int64_t)0);
	return bad;
}

int store_servers_write(struct store *s, const struct judge *j, struct err *e)
{
	const struct servers *x = j->servers;
	int bad = 0;
	for (size_t i = 0; i < x->n_gone && !bad; i++)
		bad = drop(s, &x->gone[i], e);
	for (size_t i = 0; i < x->n && !bad; i++)
		if (x->v[i]->dirty)
			bad = write_server(s, j, x->v[i], e);
	int64_t nth = 0;
	for (size_t i = 0; i < x->n_events && !bad; i++) {
		nth = i && x->event[i].at_us == x->event[i - 1].at_us ? nth + 1 : 0;
		bad = write_event(s, j, &x->event[i], nth, e);
	}
	if (!bad && x->n_events)
		bad = db_run(&s->db, e, Q_NETWORK_EVENT_TRIM, "i", (int64_t)SERVER_EVENTS_KEPT - 1);
	return bad;
}
