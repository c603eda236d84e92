#include "ctl/logs.h"

#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/opt.h"
#include "lib/plain.h"

void logs_help(FILE *to)
{
	fputs("  FILE               a log file, also .gz .xz .zst; - is standard input\n"
	      "  --mta FORMAT       auto (default: by the programs' names), ", to);
	for (const struct mta *const *m = mta_registry; *m; m++)
		if (!(*m)->filter)
			fprintf(to, "%s ", (*m)->name);
	fputs("\n  --year YEAR        of stamps without one (default: the newest that does not lie in the future)\n"
	      "  --timezone ZONE    of stamps without one: local (default), UTC, +02:00, Europe/Prague\n"
	      "  --host NAME        of lines that name none (servers' own logs; default: localhost)\n"
	      "  --format FORMAT    table (default on a terminal), ndjson (default in a pipe), json, csv\n", to);
}

static int set_year(const struct command *c, const char *text, int *ret)
{
	char *end;
	long y = strtol(text, &end, 10);
	if (*end || y < 1970 || y > 9998)
		return command_misuse(c, "--year %s: want a year from 1970 to 9998", text);
	*ret = (int)y;
	return 0;
}

static int no_mta(const struct command *c, const char *text)
{
	const char *names[64];
	size_t n = 0;
	for (const struct mta *const *m = mta_registry; *m && n < sizeof names / sizeof *names; m++)
		names[n++] = (*m)->name;
	const char *near = opt_nearest(text, names, n);
	return near ? command_misuse(c, "--mta %s: there is no such log format; did you mean %s?", text, near) : command_misuse(c, "--mta %s: there is no such log format", text);
}

static int set_mta(const struct command *c, const char *text, const struct mta **ret)
{
	*ret = NULL;
	if (!strcmp(text, "auto"))
		return 0;
	*ret = mta_named(sv_cstr(text));
	return *ret ? 0 : no_mta(c, text);
}

static int set_one(const struct command *c, int opt, const char *arg, struct logs_options *o)
{
	struct err e;
	switch (opt) {
	case 'm': return set_mta(c, arg, &o->mta);
	case 'y': return set_year(c, arg, &o->year);
	case 'z': return zone_init(&o->zone, arg, &e) < 0 ? command_misuse(c, "%s", e.text) : 0;
	case 'f':
		o->format = command_format_named(arg);
		return o->format < 0 ? command_misuse(c, "--format %s: want table, ndjson, json or csv", arg) : 0;
	case 'h': o->host = arg; return 0;
	case 'u': o->unrecognised = true; return 0;
	case 'c': o->coverage = true; return 0;
	default: return command_wrong_option(c);
	}
}

int logs_options(const struct command *c, int argc, char **argv, bool with_lines, struct logs_options *o)
{
	static const struct option all[] = {
		{ "mta", 1, 0, 'm' }, { "year", 1, 0, 'y' }, { "timezone", 1, 0, 'z' }, { "format", 1, 0, 'f' }, { "host", 1, 0, 'h' },
		{ "unrecognised", 0, 0, 'u' }, { "unrecognized", 0, 0, 'u' }, { "coverage", 0, 0, 'c' }, { 0, 0, 0, 0 },
	};
	struct err e;
	*o = (struct logs_options){ .format = (int)command_default_format() };
	(void)zone_init(&o->zone, "local", &e);
	optind = 0;
	for (int opt; (opt = getopt_long(argc, argv, "", all, NULL)) != -1;) {
		if ((opt == 'u' || opt == 'c') && !with_lines)
			return command_misuse(c, "--%s is for abusewatch parse", opt == 'c' ? "coverage" : "unrecognised");
		int status = set_one(c, opt, optarg, o);
		if (status)
			return status;
	}
	o->files = argv + optind;
	o->n_files = (size_t)(argc - optind);
	return o->n_files ? 0 : command_misuse(c, "name at least one log file, or - for standard input");
}

void logs_tell_skipped(const char *path, const struct feed *f)
{
	struct buf first = { 0 };
	if (!f->bad_stamps)
		return;
	plain_show(&first, sv_make(f->bad_text, f->bad_text_n), "");
	fprintf(stderr, "abusewatch: %s: %llu line%s not start with a time that is known and %s skipped; the first is line %llu: %s%s\n", path,
	        (unsigned long long)f->bad_stamps, f->bad_stamps == 1 ? " does" : "s do", f->bad_stamps == 1 ? "was" : "were", (unsigned long long)f->bad_line,
	        buf_cstr(&first), f->bad_text_n == sizeof f->bad_text ? "…" : "");
	buf_fini(&first);
}

static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void logs_progress_start(struct logs_progress *p, char *const *files, size_t n)
{
	*p = (struct logs_progress){ .on = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO), .start_us = wall_us() };
	p->next_us = p->start_us + 500000;
	struct stat st;
	for (size_t i = 0; i < n; i++)
		if (stat(files[i], &st) == 0)
			p->total += (uint64_t)st.st_size;
}

void logs_progress_at(struct logs_progress *p, uint64_t done, uint64_t lines)
{
	if (!p->on || wall_us() < p->next_us)
		return;
	int64_t now = wall_us();
	double s = (double)(now - p->start_us) / 1e6;
	double left = done && p->total > done ? s * (double)(p->total - done) / (double)done : 0;
	fprintf(stderr, "\r%llu of %llu MB, %.0f lines/s, %.0f s left \033[K", (unsigned long long)(done >> 20),
	        (unsigned long long)(p->total >> 20), (double)lines / s, left);
	p->next_us = now + 500000;
}

void logs_progress_end(struct logs_progress *p)
{
	if (p->on)
		fputs("\r\033[K", stderr);
}
