/* abusewatch cases: the cases, for people and for other programs. */
#include <getopt.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "ctl/common.h"
#include "lib/plain.h"
#include "report/export.h"

static void help(FILE *f)
{
	fputs("usage: abusewatch cases [-c CONF] [--open] [--since T] [--format table|ndjson|json|csv]\n"
	      "  -c CONF      the config (abusewatch.conf(5))\n"
	      "  --open       only open and acknowledged cases\n"
	      "  --since T    changed since T: RFC 3339, a date, or back from now: 2h, 7d\n"
	      "  --format F   table on a terminal, ndjson in a pipe, unless said otherwise\n", f);
}

struct printer { enum command_format format; bool first; };

static const char *field(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;
	return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "";
}

static void table_row(struct sv json)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o = json_tokener_parse_ex(t, json.p, (int)json.n), *p = NULL;
	struct buf row = { 0 }, plain = { 0 };
	if (o && json_object_object_get_ex(o, "principal", &p))
		buf_printf(&row, "%5s  %-9s %-10s %6s  %-12s %-19.19s  %-8s %s\n       %s\n", field(o, "id"), field(o, "severity"), field(o, "level"),
		       field(o, "score"), field(o, "state"), field(o, "opened_at"), field(p, "kind"), field(p, "id"), field(o, "sentence"));
	plain_show(&plain, buf_sv(&row), "\n");
	fwrite(plain.p, 1, plain.n, stdout);
	buf_fini(&row);
	buf_fini(&plain);
	json_object_put(o);
	json_tokener_free(t);
}

static bool print(void *ctx, struct sv json)
{
	struct printer *p = ctx;
	if (p->format == FORMAT_TABLE)
		table_row(json);
	else
		printf("%s%.*s\n", p->format == FORMAT_JSON && !p->first ? "," : "", SVARG(json));
	p->first = false;
	return true;
}

static int list(struct db *db, const struct conf *conf, const struct case_filter *f, enum command_format format, struct err *e)
{
	struct printer p = { format, true };
	struct buf csv = { 0 };
	int bad;
	if (format == FORMAT_CSV) {
		bad = export_cases(db, conf, f, &csv, e);
		fwrite(csv.p, 1, bad ? 0 : csv.n, stdout);
		buf_fini(&csv);
		return bad;
	}
	if (format == FORMAT_TABLE)
		printf("%5s  %-9s %-10s %6s  %-12s %-19s  %s\n", "case", "severity", "level", "score", "state", "opened", "principal");
	if (format == FORMAT_JSON)
		puts("[");
	bad = case_json_each(db, f, print, &p, e);
	if (format == FORMAT_JSON)
		puts("]");
	return bad;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "open", 0, 0, 'o' }, { "since", 1, 0, 's' }, { "format", 1, 0, 'f' }, { "help", 0, 0, 'h' }, { 0 } };
	extern const struct command command_cases;
	const char *conf_path = common_default_conf();
	struct case_filter f = { 0 };
	int format = (int)command_default_format(), c;
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (c) {
		case 'c': conf_path = optarg; break;
		case 'o': f.open_only = true; break;
		case 's':
			if (common_time(optarg, &f.since_us) < 0)
				return command_misuse(&command_cases, "--since %s: not a time (2026-11-23T10:00:00+00:00, 2026-11-23, 2h, 7d)", optarg);
			break;
		case 'f':
			if ((format = command_format_named(optarg)) < 0)
				return command_misuse(&command_cases, "--format %s: want table, ndjson, json or csv", optarg);
			break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_wrong_option(&command_cases);
		}
	if (optind < argc)
		return command_misuse(&command_cases, "unexpected \"%s\"", argv[optind]);
	struct conf *conf;
	struct db db;
	struct err e;
	if (common_open(conf_path, &conf, &db) < 0)
		return COMMAND_FAILED;
	int bad = list(&db, conf, &f, (enum command_format)format, &e);
	if (bad)
		(void)command_fail("%s", e.text);
	common_close(conf, &db);
	return bad ? COMMAND_FAILED : COMMAND_DONE;
}

const struct command command_cases = { "cases", "the cases", help, run };
