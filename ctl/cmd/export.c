/* abusewatch export: CSV for other teams. */
#include <getopt.h>
#include <string.h>

#include "ctl/common.h"
#include "report/export.h"

typedef int export_fn(struct db *, const struct conf *, int64_t, struct buf *, struct err *);
static const struct { const char *name; export_fn *fn; } exports[] = {
	{ "compromised-hosts", export_compromised_hosts },
	{ "cases", export_cases },
	{ "violations", export_violations },
};

static void help(FILE *f)
{
	fputs("usage: abusewatch export [-c CONF] [--since T] compromised-hosts|cases|violations\n"
	      "  compromised-hosts   one row per open case of a broken-in account, host or script\n"
	      "  cases               one row per case\n"
	      "  violations          one row per broken policy rule, principal and day\n"
	      "  --since T           what changed since T (of compromised hosts also closed cases): RFC 3339, a date, or back from now: 2h, 7d\n"
	      "CSV (RFC 4180) on standard output.\n", f);
}

static int export(const char *conf_path, int64_t since_us, export_fn *fn)
{
	struct conf *conf;
	struct db db;
	struct err e;
	struct buf out = { 0 };
	if (common_open(conf_path, &conf, &db) < 0)
		return COMMAND_FAILED;
	int bad = fn(&db, conf, since_us, &out, &e);
	if (bad)
		(void)command_fail("%s", e.text);
	else if (fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
		bad = command_fail("cannot write to standard output: %m");
	buf_fini(&out);
	common_close(conf, &db);
	return bad ? COMMAND_FAILED : COMMAND_DONE;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "since", 1, 0, 's' }, { "format", 1, 0, 'f' }, { "help", 0, 0, 'h' }, { 0 } };
	extern const struct command command_export;
	const char *conf_path = common_default_conf();
	int64_t since_us = 0;
	int c;
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (c) {
		case 'c': conf_path = optarg; break;
		case 's':
			if (common_time(optarg, &since_us) < 0)
				return command_misuse(&command_export, "--since %s: not a time (2026-11-23T10:00:00+00:00, 2026-11-23, 2h, 7d)", optarg);
			break;
		case 'f':
			if (strcmp(optarg, "csv") != 0)
				return command_misuse(&command_export, "--format %s: exports are csv", optarg);
			break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_misuse(&command_export, "unknown option");
		}
	if (argc - optind != 1)
		return command_misuse(&command_export, "say which export: compromised-hosts, cases or violations");
	for (size_t i = 0; i < sizeof exports / sizeof *exports; i++)
		if (strcmp(argv[optind], exports[i].name) == 0)
			return export(conf_path, since_us, exports[i].fn);
	return command_misuse(&command_export, "no export \"%s\": there are compromised-hosts, cases and violations", argv[optind]);
}

const struct command command_export = { "export", "CSV for other teams", help, run };
