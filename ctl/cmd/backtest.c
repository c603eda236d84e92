/* abusewatch backtest: what would have opened and closed with other settings. The files are replayed twice, side by side, into stores of
 * their own that are gone afterwards; the real one is not touched. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyzer/detector.h"
#include "analyzer/store_ro.h"
#include "ctl/backtest_out.h"
#include "ctl/common.h"
#include "ctl/replay.h"
#include "lib/buf.h"
#include "lib/msg.h"

#define SIDES 2
#define SETTINGS_MAX 64

static void help(FILE *f)
{
	fputs("usage: abusewatch backtest [-c CONF] [--set DETECTOR.OPTION=VALUE]... [--format table|ndjson|json|csv] FILE...\n"
	      "  -c CONF      the config (abusewatch.conf(5)); its store is not touched\n"
	      "  --set D.O=V  an option of a detector, or of fusion, as it might be; without it: what today's settings give\n"
	      "  --format F   table on a terminal, ndjson in a pipe, unless said otherwise\n"
	      "  FILE         a log, also .gz, .xz, .zst; in any order\n"
	      "Replays the logs with today's settings and with the others, and prints the cases of both side by side: those of one only,\n"
	      "those that would have opened earlier or later, and the same. Works in $TMPDIR, else beside the store.\n", f);
}

struct side { pid_t pid; char *store, *said; };

/* What a signal must end. */
static volatile pid_t running[SIDES];
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
	for (int i = 0; i < SIDES; i++)
		if (running[i] > 0)
			(void)kill(running[i], SIGTERM);
}

/* --- settings ----------------------------------------------------------------------------------------------------- */

static const struct opt_table *table_named(const char *title)
{
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(tables[i]->section, "detector") == 0 && strcmp(tables[i]->title, title) == 0)
			return tables[i];
	return NULL;
}

static const char *nearest_detector(const char *title)
{
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	const char *names[65];
	size_t n_names = 0;
	for (size_t i = 0; i < n && n_names < 65; i++)
		if (strcmp(tables[i]->section, "detector") == 0)
			names[n_names++] = tables[i]->title;
	return opt_nearest(title, names, n_names);
}

static const char *nearest_option(const struct opt_table *t, const char *name)
{
	const char *names[65];
	size_t n = 0;
	for (const struct opt_row *r = t->rows; r->name && n < 65; r++)
		names[n++] = r->name;
	return opt_nearest(name, names, n);
}

static void meant(struct buf *why, const char *near)
{
	if (near)
		buf_printf(why, "; did you mean \"%s\"?", near);
}

/* The three parts of text, cut apart in it. 0, or -1 and why. */
static int parse_setting(char *text, char **ret, struct buf *why)
{
	char *equals = strchr(text, '='), *dot = strchr(text, '.');
	struct err e;
	if (!equals || !dot || dot > equals) {
		buf_puts(why, "want DETECTOR.OPTION=VALUE");
		return -1;
	}
	*equals = *dot = 0;
	ret[0] = text, ret[1] = dot + 1, ret[2] = equals + 1;
	const struct opt_table *t = table_named(text);
	if (!t) {
		buf_printf(why, "there is no detector \"%s\"", text);
		meant(why, nearest_detector(text));
		return -1;
	}
	if (!opt_find(t, ret[1])) {
		buf_printf(why, "%s has no option \"%s\"", text, ret[1]);
		meant(why, nearest_option(t, ret[1]));
		return -1;
	}
	void *scratch = xcalloc(1, t->struct_bytes);
	opt_defaults(t, scratch);
	int bad = opt_set(t, scratch, ret[1], ret[2], &e);
	if (bad)
		buf_puts(why, e.text);
	opt_fini(t, scratch);
	free(scratch);
	return bad;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

/* An owned text. */
static char *format_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *format_text(const char *fmt, ...)
{
	char *text;
	va_list args;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		panic("no memory");
	va_end(args);
	return text;
}

static char *make_folder(const struct conf *conf, struct err *e)
{
	const char *where = getenv("TMPDIR"), *slash = strrchr(conf->store, '/');
	char *path = NULL;
	if (where && *where)
		path = format_text("%s/abusewatch-backtest.XXXXXX", where);
	else
		path = format_text("%.*sabusewatch-backtest.XXXXXX", slash ? (int)(slash - conf->store) + 1 : 0, conf->store);
	if (mkdtemp(path))
		return path;
	(void)err_set(e, "%s: %m; set TMPDIR to a folder with room", path);
	free(path);
	return NULL;
}

/* In a process of its own. */
static int replay_side(struct conf *conf, const struct side *s, bool show, char **files, size_t n)
{
	struct err e = { "" };
	struct replay r = { .show = show, .judge_only = true };
	free(conf->store);
	conf->store = xstrdup(s->store);
	if (replay_files(&r, conf, files, n, &e) < 0)
		return e.text[0] ? command_fail("%s", e.text) : COMMAND_FAILED;
	return r.partial ? COMMAND_FAILED : replay_said_nothing(&r, conf); /* what half of the logs give would pass for all of them */
}

static void start(struct conf *conf, struct side *s, bool show, char **files, size_t n)
{
	fflush(NULL);
	s->pid = fork();
	if (s->pid != 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		signal(ends[i], SIG_DFL);
	/* Two that show how far they are would write over each other; what this one has to say is said afterwards. */
	int fd = show ? -1 : open(s->said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)dup2(fd, STDERR_FILENO);
	_exit(replay_side(conf, s, show && isatty(STDERR_FILENO), files, n));
}

static void say_again(const char *path)
{
	char line[4096];
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		fputs(line, stderr);
	if (f)
		fclose(f);
}

/* 0 when it did its work. */
static int wait_for(struct side *s, volatile pid_t *slot)
{
	int status = 0;
	if (s->pid < 0)
		return command_fail("fork: %s", strerror(errno));
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	*slot = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : COMMAND_FAILED;
}

static int replay_both(struct conf *conf, struct conf *changed, struct side *side, char **files, size_t n)
{
	int status[SIDES] = { 0 };
	struct conf *confs[SIDES] = { conf, changed };
	for (int i = 0; i < SIDES && confs[i]; i++) {
		start(confs[i], &side[i], i == 0, files, n);
		running[i] = side[i].pid;
		if (caught)
			on_signal(caught);
	}
	for (int i = 0; i < SIDES && confs[i]; i++)
		status[i] = wait_for(&side[i], &running[i]);
	if (!status[0] && status[1] && !caught)
		say_again(side[1].said);
	return status[0] ? status[0] : status[1];
}

static int print(const struct side *side, bool changed, const char *settings, enum command_format format)
{
	struct db db[SIDES] = { 0 };
	struct err e;
	int opened = 0, bad = 0;
	while (opened < (changed ? 2 : 1) && !bad)
		if (!(bad = store_ro_open(&db[opened], side[opened].store, &e)))
			opened++;
	if (!bad)
		bad = backtest_out(&db[0], &db[changed ? 1 : 0], settings, format, &e);
	while (opened--)
		db_close(&db[opened]);
	return bad ? command_fail("%s", e.text) : COMMAND_DONE;
}

static int backtest(struct conf *conf, struct conf *changed, const char *settings, enum command_format format, char **files, size_t n)
{
	struct err e;
	struct side side[SIDES];
	struct sigaction sa = { .sa_handler = on_signal }, old;
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &sa, NULL);
	char *folder = make_folder(conf, &e);
	if (!folder)
		return command_fail("%s", e.text);
	for (int i = 0; i < SIDES; i++)
		side[i] = (struct side){ -1, format_text("%s/%d.db", folder, i), format_text("%s/%d.err", folder, i) };
	int status = caught ? COMMAND_FAILED : replay_both(conf, changed, side, files, n);
	if (!status)
		status = print(side, changed != NULL, settings, format);
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (int i = 0; i < SIDES; i++) {
		free(side[i].store);
		free(side[i].said);
	}
	free(folder);
	if (caught) {
		signal(caught, SIG_DFL);
		(void)raise(caught);
	}
	return status;
}

/* --- command ------------------------------------------------------------------------------------------------------ */

struct asked { const char *conf_path; char *set[SETTINGS_MAX][3]; size_t n_set; struct buf settings; enum command_format format; };

static int take_setting(struct asked *a, char *text)
{
	extern const struct command command_backtest;
	struct buf why = { 0 };
	int status = COMMAND_DONE;
	if (a->n_set == SETTINGS_MAX)
		return command_misuse(&command_backtest, "more than %d --set", SETTINGS_MAX);
	char *whole = xstrdup(text);
	buf_printf(&a->settings, "%s%s", a->settings.n ? ", " : "", text);
	if (parse_setting(text, a->set[a->n_set++], &why) < 0)
		status = command_misuse(&command_backtest, "--set %s: %.*s", whole, (int)why.n, why.p);
	free(whole);
	buf_fini(&why);
	return status;
}

static int work(struct asked *a, char **files, size_t n)
{
	size_t n_tables;
	const struct opt_table *const *tables = detector_option_tables(&n_tables);
	struct conf *conf = conf_load_or_die(a->conf_path, tables, n_tables), *changed = NULL;
	if (a->n_set) {
		changed = conf_load_or_die(a->conf_path, tables, n_tables);
		for (size_t i = 0; i < a->n_set; i++)
			conf_set_detector(changed, a->set[i][0], a->set[i][1], a->set[i][2]);
	}
	buf_addc(&a->settings, 0);
	int status = backtest(conf, changed, a->settings.p, a->format, files, n);
	conf_free(conf);
	conf_free(changed);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "set", 1, 0, 's' }, { "format", 1, 0, 'f' }, { "help", 0, 0, 'h' }, { 0 } };
	extern const struct command command_backtest;
	struct asked a = { .conf_path = common_default_conf(), .format = command_default_format() };
	int c, f, status = COMMAND_DONE;
	while (!status && (c = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (c) {
		case 'c': a.conf_path = optarg; break;
		case 's': status = take_setting(&a, optarg); break;
		case 'f':
			if ((f = command_format_named(optarg)) < 0)
				status = command_misuse(&command_backtest, "--format %s: want table, ndjson, json or csv", optarg);
			else
				a.format = (enum command_format)f;
			break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_wrong_option(&command_backtest);
		}
	if (!status && optind == argc)
		status = command_misuse(&command_backtest, "no file given");
	for (int i = optind; i < argc && !status; i++)
		if (strcmp(argv[i], "-") == 0)
			status = command_misuse(&command_backtest, "standard input cannot be read twice; give a file");
	if (!status)
		status = work(&a, argv + optind, (size_t)(argc - optind));
	buf_fini(&a.settings);
	return status;
}

const struct command command_backtest = { "backtest", "what other settings would have found in old logs", help, run };
