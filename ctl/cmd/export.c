/* abusewatch export: CSV for other teams, and a zone of compromised hosts for own relays. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/acase.h"
#include "ctl/common.h"
#include "report/export.h"

extern const struct command command_export;

static int every_case(struct db *db, const struct conf *conf, int64_t since_us, struct buf *out, struct err *e)
{
	struct case_filter f = { .since_us = since_us };
	return export_cases(db, conf, &f, out, e);
}

typedef int export_fn(struct db *, const struct conf *, int64_t, struct buf *, struct err *);
static const struct { const char *name; export_fn *fn; } exports[] = { /* fn NULL: the zone */
	{ "compromised-hosts", export_compromised_hosts },
	{ "cases", every_case },
	{ "violations", export_violations },
	{ "dnsbl-zone", NULL },
};

struct wanted { const char *conf, *file; int64_t since_us; export_fn *fn; struct export_dnsbl zone; bool says_since, says_zone; };

static void help(FILE *f)
{
	fputs("usage: abusewatch export [-c CONF] [-o FILE] [--since T] compromised-hosts|cases|violations\n"
	      "       abusewatch export [-c CONF] [-o FILE] [--level confirmed|likely|suspected] [--ttl S] [--zone-name NAME] dnsbl-zone\n"
	      "  compromised-hosts   one row per open case of a broken-in account, host or script\n"
	      "  cases               one row per case\n"
	      "  violations          one row per broken policy rule, principal and day\n"
	      "  dnsbl-zone          a zone file for rbldnsd (ZONE:combined:FILE) of hosts with an open case, for own relays to refuse\n"
	      "  -o FILE             into FILE, which is replaced at once, instead of standard output;\n"
	      "              CSV for its owner and group only\n"
	      "  --since T           what changed since T (of compromised hosts also closed cases): RFC 3339, a date, or back from now: 2h, 7d\n"
	      "  --level LEVEL       hosts whose case reached it [confirmed]\n"
	      "  --ttl S             of the zone's records, in seconds, or 5m, 1h [300]\n"
	      "  --zone-name NAME    adds SOA and NS records for that zone\n"
	      "CSV is RFC 4180.\n", f);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static int to_stdout(struct sv text)
{
	return fwrite(text.p, 1, text.n, stdout) != text.n || fflush(stdout) != 0 ? command_fail("cannot write to standard output: %m") : COMMAND_DONE;
}

static int write_all(int fd, struct sv text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text = sv_skip(text, (size_t)n);
	}
	return fsync(fd);
}

/* A list of hosts is for rbldnsd to read, which is another user. All else says who did what: nobody but owner and group reads it; what else was set
 * for the file that is replaced stays. */
static int set_mode(int fd, const char *path, bool is_zone)
{
	struct stat st;
	bool replaced = stat(path, &st) == 0 && S_ISREG(st.st_mode);
	mode_t mode = replaced ? st.st_mode & (is_zone ? 0666 : 0660) : is_zone ? 0644 : 0640;
	if (replaced && fchown(fd, (uid_t)-1, st.st_gid) < 0)
		mode &= 0606; /* not for the group that we are in */
	return fchmod(fd, mode);
}

/* Who reads the file sees the old one or the new one, never half of it. */
static int to_file(const char *path, struct sv text, bool is_zone)
{
	struct buf part = { 0 };
	buf_printf(&part, "%s.XXXXXX", path);
	int fd = mkostemp(part.p, O_CLOEXEC), status = COMMAND_DONE;
	if (fd < 0)
		status = command_fail("%s: cannot make a file beside it: %m", path);
	else if (write_all(fd, text) < 0 || set_mode(fd, path, is_zone) < 0 || rename(buf_cstr(&part), path) < 0) {
		status = command_fail("%s: cannot be written: %m", path);
		(void)unlink(buf_cstr(&part));
	}
	if (fd >= 0)
		close(fd);
	buf_fini(&part);
	return status;
}

static int export(const struct wanted *w)
{
	struct conf *conf;
	struct db db;
	struct err e;
	struct buf out = { 0 };
	if (common_open(w->conf, &conf, &db) < 0)
		return COMMAND_FAILED;
	int bad = w->fn ? w->fn(&db, conf, w->since_us, &out, &e) : export_dnsbl(&db, conf, &w->zone, &out, &e);
	int status = bad ? command_fail("%s", e.text) : w->file ? to_file(w->file, buf_sv(&out), !w->fn) : to_stdout(buf_sv(&out));
	buf_fini(&out);
	common_close(conf, &db);
	return status;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

/* Letters, digits, dots and hyphens: it goes into a file that rbldnsd reads. */
static bool is_zone_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
	return n && n < 240 && !name[n] && name[0] != '.';
}

static int zone_option(struct wanted *w, int c, const char *text)
{
	w->says_zone = true;
	if (c == 'l') {
		w->zone.least_level = case_level_named(text);
		return w->zone.least_level < 0 ? command_misuse(&command_export, "--level %s: want confirmed, likely or suspected", text) : 0;
	}
	if (c == 't') {
		w->zone.ttl_s = opt_duration_s(text);
		return w->zone.ttl_s < 1 || w->zone.ttl_s > 604800 ? command_misuse(&command_export, "--ttl %s: want 1 second to 7 days", text) : 0;
	}
	w->zone.zone_name = text;
	return is_zone_name(text) ? 0 : command_misuse(&command_export, "--zone-name %s: not the name of a zone", text);
}

static int option(struct wanted *w, int c, const char *text)
{
	switch (c) {
	case 'c': w->conf = text; return 0;
	case 'o': w->file = text; return 0;
	case 's':
		w->says_since = true;
		return common_time(text, &w->since_us) < 0 ? command_misuse(&command_export, "--since %s: not a time (2026-11-23T10:00:00+00:00, 2026-11-23, 2h, 7d)", text)
		                                           : 0;
	case 'f': return strcmp(text, "csv") != 0 ? command_misuse(&command_export, "--format %s: exports are csv", text) : 0;
	case 'l':
	case 't':
	case 'z': return zone_option(w, c, text);
	default: return command_wrong_option(&command_export);
	}
}

static int which(struct wanted *w, const char *name)
{
	for (size_t i = 0; i < sizeof exports / sizeof *exports; i++) {
		if (strcmp(name, exports[i].name) != 0)
			continue;
		w->fn = exports[i].fn;
		if (w->fn && w->says_zone)
			return command_misuse(&command_export, "--level, --ttl and --zone-name are for dnsbl-zone");
		return !w->fn && w->says_since ? command_misuse(&command_export, "--since is not for dnsbl-zone: it has what is open now") : 0;
	}
	return command_misuse(&command_export, "no export \"%s\": there are compromised-hosts, cases, violations and dnsbl-zone", name);
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "since", 1, 0, 's' }, { "format", 1, 0, 'f' }, { "output", 1, 0, 'o' }, { "level", 1, 0, 'l' },
		                               { "ttl", 1, 0, 't' }, { "zone-name", 1, 0, 'z' }, { "help", 0, 0, 'h' }, { 0 } };
	struct wanted w = { .conf = common_default_conf(), .zone = { CASE_CONFIRMED, 300, NULL } };
	int c, status;
	while ((c = getopt_long(argc, argv, "c:o:", longs, NULL)) != -1) {
		if (c == 'h') {
			help(stdout);
			return COMMAND_DONE;
		}
		if ((status = option(&w, c, optarg)) != 0)
			return status;
	}
	if (argc - optind != 1)
		return command_misuse(&command_export, "say which export: compromised-hosts, cases, violations or dnsbl-zone");
	status = which(&w, argv[optind]);
	return status ? status : export(&w);
}

const struct command command_export = { "export", "CSV for other teams; a block list of compromised hosts", help, run };
