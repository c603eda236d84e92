/* abusewatch check-config: every mistake in the config, with its line and what to do. */
#include <getopt.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/detector.h"
#include "analyzer/enrich.h"
#include "collector/mta.h"
#include "collector/source.h"
#include "ctl/as_user.h"
#include "ctl/common.h"
#include "lib/buf.h"
#include "lib/dnsbl_zones.h"
#include "lib/embed.h"
#include "lib/plain.h"

#define CHECK_TABLES 256
#define MISTAKES_SHOWN 200

extern const struct embed embed_letters[];
const struct command command_check_config;

static void help(FILE *f)
{
	fputs("usage: abusewatch check-config [-c CONF]\n"
	      "       abusewatch check-config --options\n"
	      "  -c CONF      the config to check (abusewatch.conf(5))\n"
	      "  --options    list the detectors and policy rules with their options, limits, defaults and reasons\n"
	      "Every mistake goes to standard error as FILE:LINE: what, and what to do. Exit status 1 when there is one.\n"
	      "As root also what the user in the config may not read, as the programs become that user.\n", f);
}

/* Names that are known words in the config, besides the detectors' option tables. */
struct words { struct opt_table v[CHECK_TABLES]; const struct opt_table *all[CHECK_TABLES]; size_t n, n_all; };

static void add_word(struct words *w, const char *section, const char *title)
{
	if (w->n == CHECK_TABLES || w->n_all == CHECK_TABLES)
		return;
	w->v[w->n] = (struct opt_table){ .section = section, .title = title };
	w->all[w->n_all++] = &w->v[w->n++];
}

/* customer.de.mustache → "de" */
static void add_language(struct words *w, const char *letter)
{
	static char code[16][8];
	static size_t n;
	const char *dot = strchr(letter, '.'), *end = dot ? strchr(dot + 1, '.') : NULL;
	if (!end || end - dot > 7 || n == 16)
		return;
	memcpy(code[n], dot + 1, (size_t)(end - dot - 1));
	for (size_t i = 0; i < n; i++)
		if (strcmp(code[i], code[n]) == 0)
			return;
	add_word(w, "language", code[n++]);
}

static void collect(struct words *w)
{
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	for (size_t i = 0; i < n && w->n_all < CHECK_TABLES; i++)
		w->all[w->n_all++] = tables[i];
	for (const struct mta *const *m = mta_registry; *m; m++)
		add_word(w, "mta", (*m)->name);
	for (const struct embed *l = embed_letters; l->name; l++)
		add_language(w, l->name);
}

static void print_row(const struct opt_row *r)
{
	static const char *const types[] = { "whole number", "number", "true or false", "text", "duration", "size" };
	bool unit = r->unit && *r->unit && r->type != OPT_TIME_S && r->type != OPT_BYTES; /* durations carry theirs */
	printf("  %-18s %s, default %s%s%s", r->name, types[r->type], r->fallback, unit ? " " : "", unit ? r->unit : "");
	if (r->min != 0 || r->max != 0)
		printf(", %.10g to %.10g%s", r->min, r->max, r->type == OPT_TIME_S ? " s" : r->type == OPT_BYTES ? " bytes" : "");
	printf("\n  %-18s %s\n", "", r->why);
}

static int print_options(void)
{
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	for (size_t i = 0; i < n; i++) {
		printf("%s%s \"%s\"\n", i ? "\n" : "", tables[i]->section, tables[i]->title);
		for (const struct opt_row *r = tables[i]->rows; r->name; r++)
			print_row(r);
	}
	return COMMAND_DONE;
}

struct tally { size_t n; };

static void say_plain(const struct buf *line)
{
	struct buf plain = { 0 };
	plain_show(&plain, buf_sv(line), "");
	fprintf(stderr, "abusewatch: %s\n", buf_cstr(&plain));
	buf_fini(&plain);
}

/* What stands in a file that is no config may be anything: nothing of it may reach a terminal as it is, nor fill it. */
static void say(struct tally *t, struct buf *line)
{
	if (++t->n > MISTAKES_SHOWN)
		return;
	say_plain(line);
	if (t->n == MISTAKES_SHOWN)
		fputs("abusewatch: the others are not shown\n", stderr);
}

static void tell(void *ctx, const char *file, int line, const char *text)
{
	struct buf b = { 0 };
	if (line)
		buf_printf(&b, "%s:%d: %s", file, line, text);
	else
		buf_printf(&b, "%s: %s", file, text);
	say(ctx, &b);
	buf_fini(&b);
}

static void tell_geo(void *ctx, const char *text)
{
	struct buf b = { 0 };
	buf_puts(&b, text);
	say(ctx, &b);
	buf_fini(&b);
}

/* The table of block lists that it names, the keys, and the lists that it asks about clients. */
static void check_lists(const struct conf *c, struct tally *t)
{
	struct dnsbl_zones *z = dnsbl_zones_load(c->rbl.zones, c->rbl.keys, tell, t);
	for (size_t i = 0; z && i < c->rbl.client_zones.n; i++)
		if (!dnsbl_zone_find(z, sv_cstr(c->rbl.client_zones.v[i]))) {
			struct buf b = { 0 };
			buf_printf(&b, "%s: client-zones: there is no list \"%s\" in the table; abusewatch rbl --zones shows what there is", c->path, c->rbl.client_zones.v[i]);
			say(t, &b);
			buf_fini(&b);
		}
	dnsbl_zones_free(z);
}

/* No mistake, as the programs are somebody else; but who runs the check would take silence for the answer. */
static bool note_unreadable(const struct conf *c, const struct conf_source *s)
{
	const struct passwd *we = getpwuid(geteuid());
	char *path = as_user_unreadable(s);
	struct buf b = { 0 };
	if (!path)
		return false;
	buf_printf(&b, "note: %s:%d: source \"%s\": %s cannot be read by %s, who runs this check; ", c->path, s->line, s->name, path, we ? we->pw_name : "the user");
	if (c->user && we && strcmp(c->user, we->pw_name) == 0)
		buf_puts(&b, "the programs become that user, and get the groups of logs (adm): root's check-config says whether that is enough");
	else if (c->user && *c->user)
		buf_printf(&b, "what counts is whether user \"%s\", whom the programs become, can: root's check-config says so", c->user);
	else
		buf_puts(&b, "what counts is whether the user that the programs are started by can");
	say_plain(&b);
	buf_fini(&b);
	free(path);
	return true;
}

/* Where nothing is, something may come, so it is no mistake; but a path that is misspelled would be silent for ever. A folder never becomes a log. */
static void check_path(const struct conf *c, const struct conf_source *s, struct tally *t)
{
	glob_t g = { 0 };
	struct stat st;
	struct buf b = { 0 };
	if ((strcmp(s->type, "file") != 0 && strcmp(s->type, "archive") != 0) || note_unreadable(c, s))
		return;
	int bad = glob(s->path, GLOB_ERR, NULL, &g);
	if (bad == GLOB_NOMATCH) {
		buf_printf(&b, "note: %s:%d: source \"%s\": there is no %s yet; is the path spelled right?", c->path, s->line, s->name, s->path);
		say_plain(&b);
	} else if (!bad && strcmp(s->type, "file") == 0 && g.gl_pathc == 1 && stat(g.gl_pathv[0], &st) == 0 && S_ISDIR(st.st_mode)) {
		buf_printf(&b, "%s:%d: source \"%s\": %s is a folder; write a pattern such as %s/*.log, or type = \"archive\" for finished files", c->path, s->line, s->name, s->path, s->path);
		say(t, &b);
	}
	globfree(&g);
	buf_fini(&b);
}

/* SQLite would only say that it cannot open it. */
static void check_store_file(const struct conf *c, struct tally *t)
{
	struct stat st;
	struct buf b = { 0 };
	if (stat(c->store, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	buf_printf(&b, "%s: store: %s is a folder; name a file in it, such as %s/abusewatch.db", c->path, c->store, c->store);
	say(t, &b);
	buf_fini(&b);
}

static void note_nothing_read(const struct conf *c)
{
	struct buf b = { 0 };
	buf_printf(&b, "note: %s: no source and no capture: nothing will be read; a source says which log is followed", c->path);
	say_plain(&b);
	buf_fini(&b);
}

static int check(const char *path)
{
	struct words *w = calloc(1, sizeof *w);
	struct tally t = { 0 };
	if (!w)
		return command_fail("out of memory");
	collect(w);
	struct conf *c = conf_load(path, w->all, w->n_all, tell, &t);
	if (c)
		(void)enrich_check_geo(c, tell_geo, &t);
	if (c) {
		check_store_file(c, &t);
		check_lists(c, &t);
	}
	for (size_t i = 0; c && i < c->n_source; i++)
		check_path(c, &c->source[i], &t);
	if (c)
		as_user_check(c, w->all, w->n_all, tell, &t);
	if (c && !c->n_source && !c->n_capture)
		note_nothing_read(c);
	if (c && !t.n)
		printf("%s: no mistakes; %zu source%s, %zu rows of customers\n", path, c->n_source, c->n_source == 1 ? "" : "s", c->n_customer);
	else
		fprintf(stderr, "abusewatch: %s: %zu mistake%s\n", path, t.n, t.n == 1 ? "" : "s");
	conf_free(c);
	free(w);
	return t.n ? COMMAND_FAILED : COMMAND_DONE;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { "options", no_argument, NULL, 'o' }, { NULL, 0, NULL, 0 } };
	const char *path = common_default_conf();
	int o;
	optind = 1;
	while ((o = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (o == 'o')
			return print_options();
		if (o != 'c')
			return command_wrong_option(&command_check_config);
		path = optarg;
	}
	if (optind < argc)
		return command_misuse(&command_check_config, "\"%s\" is not expected here; name the config with -c", argv[optind]);
	return check(path);
}

const struct command command_check_config = { "check-config", "every mistake in the config, with its line", help, run };
