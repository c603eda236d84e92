/* abusewatch rbl: what DNS block lists say of addresses, networks and domains. */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/rbl_out.h"
#include "lib/plain.h"
#include "probe/asker.h"

enum { EXIT_LISTED = 3, EXIT_CANNOT_TELL = 4 };

static void help(FILE *f)
{
	fputs("usage: abusewatch rbl [-c CONF] [options] ADDRESS|NETWORK|DOMAIN…\n"
	      "       abusewatch rbl [-c CONF] --zones\n"
	      "  -c CONF          the config (abusewatch.conf(5)); without it and without one in its usual place, what is built in\n"
	      "  --zone ZONE      only this list; may be given several times\n"
	      "  --forward SERVER a resolver to ask, as 192.0.2.53 or 192.0.2.53@5353, instead of own recursion\n"
	      "  --table FILE     the table of lists (dnsbl.conf(5)) instead of the config's\n"
	      "  --timeout TIME   how long to wait for an answer [5s]\n"
	      "  --no-texts       do not ask for the lists' own words\n"
	      "  --all            in the table, also the lists on which a target is not\n"
	      "  --alone          not through the running probe\n"
	      "  --zones          which lists there are, and how they are\n"
	      "  --colour WHEN    auto, always or never\n"
	      "  --format F       table on a terminal, ndjson in a pipe, unless said otherwise; json, csv\n"
	      "Each list gives one verdict: listed, clean, refused (it does not serve us), unknown (no usable answer) or dead.\n"
	      "Exit status: 0 clean, 3 listed on at least one list, 4 not listed but some lists could not tell or none is alive, 1 failed, 2 wrong use.\n", f);
}

struct wanted {
	struct target *target; size_t n_target;
	const struct dnsbl_zone **zone; size_t n_zone;
	const char **zone_name; size_t n_zone_name;
	const char **forward; size_t n_forward;
	struct asker_options o;
	const char *conf_path;
	bool conf_given, list, all;
	int format, colour;
};

static void add(const char ***v, size_t *n, const char *text)
{
	*v = xrealloc(*v, (*n + 1) * sizeof **v);
	(*v)[(*n)++] = text;
}

extern const struct command command_rbl;

static int misuse(const char *what, const char *text, const char *want)
{
	return command_misuse(&command_rbl, "%s%s%s", what, text, want);
}

static int option(struct wanted *w, int c)
{
	switch (c) {
	case 'c': w->conf_path = optarg; w->conf_given = true; return 0;
	case 'z': add(&w->zone_name, &w->n_zone_name, optarg); return 0;
	case 'r': add(&w->forward, &w->n_forward, optarg); return 0;
	case 't': w->o.zones_path = optarg; return 0;
	case 'n': w->o.no_texts = true; return 0;
	case 'a': w->all = true; return 0;
	case 'A': w->o.alone = true; return 0;
	case 'l': w->list = true; return 0;
	case 'T':
		w->o.timeout_s = opt_duration_s(optarg);
		return w->o.timeout_s > 0 && w->o.timeout_s <= 60 ? 0 : misuse("--timeout ", optarg, ": want 1s to 60s");
	case 'C':
		w->colour = rbl_out_colour(optarg);
		return w->colour < 0 ? misuse("--colour ", optarg, ": want auto, always or never") : 0;
	case 'f':
		w->format = command_format_named(optarg);
		return w->format < 0 ? misuse("--format ", optarg, ": want table, ndjson, json or csv") : 0;
	default: return command_wrong_option(&command_rbl);
	}
}

static int targets(struct wanted *w, char *const *word, size_t n)
{
	struct err e;
	w->target = xcalloc(n + 1, sizeof *w->target);
	for (size_t i = 0; i < n; i++) {
		if (target_parse(sv_cstr(word[i]), &w->target[i], &e) < 0)
			return misuse(e.text, "", "");
		w->n_target++;
	}
	return n || w->list ? 0 : misuse("say whom to look up", "", "");
}

/* The named zones; a dead one is told as such. */
static int zones(struct wanted *w, const struct dnsbl_zones *all)
{
	w->zone = xcalloc(w->n_zone_name + 1, sizeof *w->zone);
	for (size_t i = 0; i < w->n_zone_name; i++) {
		struct sv name = sv_cstr(w->zone_name[i]);
		const struct dnsbl_zone *z = dnsbl_zone_find(all, name);
		const struct dnsbl_dead *d = z ? NULL : dnsbl_dead_find(all, name);
		if (d)
			return command_fail("%s is not asked%s%s: %s", d->name, *d->since ? ", since " : "", d->since, d->reason);
		if (!z)
			return command_fail("there is no list %s in the table; abusewatch rbl --zones shows what there is", w->zone_name[i]);
		w->zone[w->n_zone++] = z;
	}
	return 0;
}

static int conclude(const struct rbl_out *out)
{
	const uint64_t *n = rbl_out_counts(out);
	if (n[RBL_LISTED])
		return EXIT_LISTED;
	return n[RBL_REFUSED] + n[RBL_UNKNOWN] || rbl_out_silent(out) ? EXIT_CANNOT_TELL : COMMAND_DONE;
}

static int look_up(struct wanted *w, struct asker *a)
{
	struct err e;
	int bad = zones(w, asker_zones(a));
	if (bad)
		return bad;
	struct rbl_out *out = rbl_out_new(w->format, w->colour, w->all, w->n_target);
	bad = asker_look_up(a, w->target, w->n_target, w->n_zone_name ? w->zone : NULL, w->n_zone, rbl_out_result,
	                    isatty(STDERR_FILENO) ? rbl_out_progress : NULL, out, &e);
	rbl_out_end(out);
	int status = bad ? command_fail("%s", e.text) : conclude(out);
	if (!bad && !rbl_out_total(out))
		status = command_fail("none of the lists has an opinion of such targets");
	rbl_out_free(out);
	return status;
}

static void say_mistake(void *ctx, const char *file, int line, const char *text)
{
	(void)ctx;
	struct buf b = { 0 }, plain = { 0 };
	buf_puts(&b, file);
	if (line)
		buf_printf(&b, ":%d", line);
	buf_printf(&b, ": %s", text);
	plain_show(&plain, buf_sv(&b), ""); /* what stands in a file that is no table may be anything */
	(void)command_fail("%s", buf_cstr(&plain));
	buf_fini(&b);
	buf_fini(&plain);
}

static int with_conf(struct wanted *w)
{
	struct err e;
	struct conf *conf = NULL;
	if (w->conf_given || access(w->conf_path, F_OK) == 0)
		conf = conf_load_or_die(w->conf_path, NULL, 0);
	w->o.conf = conf;
	w->o.mistake = say_mistake;
	w->o.forward = w->forward;
	w->o.n_forward = w->n_forward;
	w->o.alone = w->o.alone || w->list;
	struct asker *a = asker_new(&w->o, &e);
	int status = a ? w->list ? rbl_out_zones(a, w->format) : look_up(w, a) : *e.text ? command_fail("%s", e.text) : COMMAND_FAILED;
	if (a)
		asker_free(a);
	conf_free(conf);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "zone", 1, 0, 'z' }, { "forward", 1, 0, 'r' }, { "table", 1, 0, 't' }, { "timeout", 1, 0, 'T' }, { "no-texts", 0, 0, 'n' },
		{ "all", 0, 0, 'a' }, { "alone", 0, 0, 'A' }, { "zones", 0, 0, 'l' }, { "colour", 1, 0, 'C' }, { "color", 1, 0, 'C' }, { "format", 1, 0, 'f' },
		{ "help", 0, 0, 'h' }, { 0 } };
	struct wanted w = { .conf_path = common_default_conf(), .format = (int)command_default_format() };
	int c, bad = 0;
	while (!bad && (c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (c == 'h') {
			help(stdout);
			return COMMAND_DONE;
		}
		bad = option(&w, c);
	}
	if (!bad)
		bad = targets(&w, argv + optind, (size_t)(argc - optind));
	int status = bad ? bad : with_conf(&w);
	free(w.target);
	free(w.zone);
	free(w.zone_name);
	free(w.forward);
	return status;
}

const struct command command_rbl = { "rbl", "what DNS block lists say of an address, a network or a domain", help, run };
