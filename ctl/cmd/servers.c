/* abusewatch servers: our and our customers' mail servers as captured sessions show them, and what changed. */
#include <getopt.h>

#include "ctl/common.h"
#include "lib/csv.h"
#include "lib/jsonw.h"
#include "lib/plain.h"
#include "lib/times.h"

static void help(FILE *f)
{
	fputs("usage: abusewatch servers [-c CONF] [--changes] [--since T] [--text T] [--format table|ndjson|json|csv]\n"
	      "The addresses of ours and of customers that answered on port 25 in captured sessions, with the software that their greetings name.\n"
	      "  -c CONF      the config (abusewatch.conf(5))\n"
	      "  --changes    what changed instead: their software, and what happens to port 25 on the way\n"
	      "  --since T    seen, or changed, since T: RFC 3339, a date, or back from now: 2h, 7d\n"
	      "  --text T     only addresses, names, customers and software with T in them (not with --changes)\n"
	      "  --format F   table on a terminal, ndjson in a pipe, unless said otherwise\n", f);
}

/* A column of the result. Times are microseconds; 0 is none. */
struct column { const char *name; int at; enum { TEXT, TIME, NUMBER } type; int width; };

static const struct column server_columns[] = {
	{ "address", 0, TEXT, 24 }, { "software", 3, TEXT, 34 }, { "customer", 1, TEXT, 14 }, { "host", 2, TEXT, 30 }, { "was", 4, TEXT, 0 }, { "changed", 8, TIME, 20 },
	{ "sessions", 9, NUMBER, 0 }, { "first_seen", 6, TIME, 0 }, { "last_seen", 7, TIME, 20 }, { NULL, 0, TEXT, 0 },
};
static const struct column change_columns[] = {
	{ "at", 0, TIME, 20 }, { "what", 1, TEXT, 9 }, { "address", 2, TEXT, 0 }, { "customer", 3, TEXT, 14 }, { "host", 4, TEXT, 0 }, { "before", 5, TEXT, 0 },
	{ "after", 6, TEXT, 0 }, { "text", 7, TEXT, 1 }, { "since", 8, TIME, 0 }, { NULL, 0, TEXT, 0 },
};

static struct sv cell(sqlite3_stmt *st, const struct column *c, struct buf *b)
{
	buf_clear(b);
	if (c->type == TEXT)
		return db_text(st, c->at);
	int64_t v = sqlite3_column_int64(st, c->at);
	if (c->type == NUMBER)
		buf_printf(b, "%lld", (long long)v);
	else if (v)
		buf_puts(b, times_text(v, 0).s);
	return buf_sv(b);
}

static void put_json(sqlite3_stmt *st, const struct column *c, struct buf *out)
{
	struct buf b = { 0 };
	buf_addc(out, '{');
	for (; c->name; c++) {
		if (c->type == NUMBER)
			jsonw_field_int(out, sv_cstr(c->name), sqlite3_column_int64(st, c->at));
		else if (c->type == TEXT || sqlite3_column_int64(st, c->at))
			jsonw_field_text(out, sv_cstr(c->name), cell(st, c, &b));
	}
	buf_puts(out, "}\n");
	buf_fini(&b);
}

static void put_csv(sqlite3_stmt *st, const struct column *c, struct buf *out)
{
	struct buf b = { 0 };
	for (const struct column *x = c; x->name; x++)
		csv_put(out, x == c, st ? cell(st, x, &b) : sv_cstr(x->name));
	csv_end_row(out);
	buf_fini(&b);
}

/* st NULL: the headings. */
static void put_row(sqlite3_stmt *st, const struct column *c, struct buf *out)
{
	struct buf b = { 0 }, row = { 0 };
	for (; c->name; c++) {
		if (!c->width)
			continue;
		struct sv v = st ? cell(st, c, &b) : sv_cstr(c->name);
		if (c->type == TIME && v.n >= 19)
			v.n = 19;
		buf_addsv(&row, v.n ? v : SV("-"));
		for (size_t n = v.n ? v.n : 1; n < (size_t)c->width; n++)
			buf_addc(&row, ' ');
		buf_puts(&row, "  ");
	}
	while (row.n && row.p[row.n - 1] == ' ')
		row.n--;
	plain_show(out, buf_sv(&row), "");
	buf_addc(out, '\n');
	buf_fini(&row);
	buf_fini(&b);
}

static int list(struct db *db, sqlite3_stmt *st, const struct column *c, int last, int64_t since_us, enum command_format format, struct err *e)
{
	struct buf out = { 0 };
	bool first = true;
	int rc;
	if (format == FORMAT_CSV)
		put_csv(NULL, c, &out);
	if (format == FORMAT_TABLE)
		put_row(NULL, c, &out);
	if (format == FORMAT_JSON)
		buf_puts(&out, "[\n");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (sqlite3_column_int64(st, last) < since_us)
			continue;
		if (format == FORMAT_JSON && !first)
			buf_addc(&out, ',');
		first = false;
		if (format == FORMAT_CSV)
			put_csv(st, c, &out);
		else if (format == FORMAT_TABLE)
			put_row(st, c, &out);
		else
			put_json(st, c, &out);
	}
	if (format == FORMAT_JSON)
		buf_puts(&out, "]\n");
	sqlite3_reset(st);
	fwrite(out.p, 1, rc == SQLITE_DONE ? out.n : 0, stdout);
	buf_fini(&out);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", db->path, sqlite3_errmsg(db->h));
}

static int show(const char *conf_path, bool changes, const char *text, int64_t since_us, enum command_format format)
{
	struct conf *conf;
	struct db db;
	struct err e;
	int64_t most = INT64_MAX, none = 0, up = 1;
	if (common_open(conf_path, &conf, &db) < 0)
		return COMMAND_FAILED;
	int bad = changes ? list(&db, db_query(&db, Q_NETWORK_EVENTS, "issi", since_us, "", "", most), change_columns, 0, since_us, format, &e)
	                  : list(&db, db_query(&db, Q_SERVERS_LIST, "ssiii", text, "address", up, most, none), server_columns, 7, since_us, format, &e);
	if (bad)
		(void)command_fail("%s", e.text);
	common_close(conf, &db);
	return bad ? COMMAND_FAILED : COMMAND_DONE;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "changes", 0, 0, 'C' }, { "since", 1, 0, 's' }, { "text", 1, 0, 't' }, { "format", 1, 0, 'f' }, { "help", 0, 0, 'h' }, { 0 } };
	extern const struct command command_servers;
	const char *conf_path = common_default_conf(), *text = "";
	int64_t since_us = 0;
	bool changes = false;
	int format = (int)command_default_format(), c;
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (c) {
		case 'c': conf_path = optarg; break;
		case 'C': changes = true; break;
		case 't': text = optarg; break;
		case 's':
			if (common_time(optarg, &since_us) < 0)
				return command_misuse(&command_servers, "--since %s: not a time (2026-11-23T10:00:00+00:00, 2026-11-23, 2h, 7d)", optarg);
			break;
		case 'f':
			if ((format = command_format_named(optarg)) < 0)
				return command_misuse(&command_servers, "--format %s: want table, ndjson, json or csv", optarg);
			break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_wrong_option(&command_servers);
		}
	if (optind < argc)
		return command_misuse(&command_servers, "unexpected \"%s\"", argv[optind]);
	if (changes && *text)
		return command_misuse(&command_servers, "--text does not go with --changes");
	return show(conf_path, changes, text, since_us, (enum command_format)format);
}

const struct command command_servers = { "servers", "mail servers' software and its changes, out of captured sessions", help, run };
