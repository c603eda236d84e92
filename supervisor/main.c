/* abusewatchd: starts the other programs, starts them again when they die, tells them to reload and to end. It reads no
 * mail data itself. */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/detector.h"
#include "lib/buf.h"
#include "lib/lock.h"
#include "lib/msg.h"
#include "lib/privileges.h"
#include "lib/proc.h"
#include "supervisor/children.h"
#include "supervisor/handover.h"

/* Ending runs from the front of the flow to its end, so that what was read is still judged and stored. */
static const struct child_spec collector = { .program = "abusewatch-collector", .stop_order = 1 };
static const struct child_spec probe = { .program = "abusewatch-probe", .stop_order = 1 };
static const struct child_spec capture = { .program = "abusewatch-capture", .stop_order = 1, .raw_packets = true };
static const struct child_spec mailer = { .program = "abusewatch-mailer", .stop_order = 1 };
static const struct child_spec web = { .program = "abusewatch-web", .stop_order = 1 };
static const struct child_spec analyzer = { .program = "abusewatch-analyzer", .stop_order = 2 };

struct supervisor {
	uv_loop_t loop;
	struct proc proc;
	struct children *children;
	const char *conf_path, *bin_dir;
	struct conf *conf; /* as it was when we started: some of it cannot change */
	bool debug, background, has_raw;
};

static void usage(FILE *f)
{
	fputs("usage: abusewatchd -c CONF [-d] [-D] [-b DIR]\n"
	      "  -c CONF   the config (abusewatch.conf(5))\n"
	      "  -d        say more\n"
	      "  -D        go to the background (log to syslog)\n"
	      "  -b DIR    where the other programs are [beside this one]\n"
	      "  --help    this text; --version\n"
	      "Runs in the foreground unless -D; SIGHUP reloads, SIGTERM ends everything.\n", f);
}

/* The programs lie beside this one, in the build folder as in /usr/sbin. */
static const char *own_dir(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	if (n <= 0)
		return BINDIR;
	path[n] = 0;
	return dirname(path);
}

static void options(struct supervisor *s, int argc, char **argv)
{
	static const struct option longs[] = { { "help", 0, 0, 'h' }, { "version", 0, 0, 'V' }, { 0 } };
	int c;
	s->conf_path = SYSCONFDIR "/abusewatch.conf";
	s->bin_dir = own_dir();
	static char name[] = "abusewatchd";
	argv[0] = name; /* getopt begins its sentences with it */
	while ((c = getopt_long(argc, argv, "c:dDb:hV", longs, NULL)) != -1)
		switch (c) {
		case 'c': s->conf_path = optarg; break;
		case 'd': s->debug = true; break;
		case 'D': s->background = true; break;
		case 'b': s->bin_dir = optarg; break;
		case 'h': usage(stdout); exit(0);
		case 'V': puts("abusewatchd " VERSION); exit(0);
		default: usage(stderr); exit(2);
		}
	if (optind < argc) {
		fprintf(stderr, "abusewatchd: \"%s\" is not expected here; name the config with -c\n", argv[optind]);
		exit(2);
	}
}

/* As root: become the configured user, keeping the groups that may read logs, and the right to raw packets when there is something to capture: it is lent
 * to that program alone. made: a folder that is to be the user's, too, or NULL. */
static void drop_root(const struct conf *conf, const char *made)
{
	struct err e;
	if (geteuid() != 0 || !conf->user || !*conf->user)
		return;
	struct passwd *pw = getpwnam(conf->user);
	if (!pw)
		fatal("%s: there is no user \"%s\"; make it (adduser --system --group %s) or set another one", conf->path, conf->user, conf->user);
	if (conf->n_capture && privileges_keep_raw(&e) < 0)
		fatal("%s", e.text);
	if (chown(conf->state_dir, pw->pw_uid, pw->pw_gid) < 0)
		msg_warn("%s: cannot give it to %s: %m", conf->state_dir, conf->user);
	if (made && chown(made, pw->pw_uid, pw->pw_gid) < 0)
		msg_warn("%s: cannot give it to %s: %m", made, conf->user);
	handover(conf, pw->pw_uid, pw->pw_gid);
	if (privileges_become_reader(conf->user, &e) < 0)
		fatal("%s", e.text);
	if (conf->n_capture && privileges_kept(&e) < 0)
		msg_warn("%s; interfaces cannot be captured", e.text);
}

static void make_folder(const char *path)
{
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		fatal("%s: cannot make this folder: %m", path);
}

/* Held for as long as this program lives. Taken as the user: the folder is his, and may hold links. */
static void be_the_only_one(const char *state_dir)
{
	struct buf path = { 0 };
	struct err e;
	buf_printf(&path, "%s/abusewatchd", state_dir);
	if (lock_take(buf_cstr(&path), "another abusewatchd runs (systemctl status abusewatch; pgrep -a abusewatchd); there can be one for a state folder", &e) < 0)
		fatal("%s", e.text);
	buf_fini(&path);
}

/* Makes the folders and gives up root. A store's folder that was there is not ours to give away. */
static void settle(struct supervisor *s, const struct conf *conf)
{
	char *folder = conf_store_folder(conf);
	make_folder(conf->state_dir);
	bool was_there = access(folder, F_OK) == 0;
	make_folder(folder);
	drop_root(conf, was_there ? NULL : folder);
	s->has_raw = geteuid() == 0; /* nobody was to become */
	if (access(folder, W_OK | X_OK) < 0)
		fatal("%s: the store's folder: %m; it has to be the user's who runs the programs (chown %s %s)", folder, *conf->user ? conf->user : "USER", folder);
	be_the_only_one(conf->state_dir);
	free(folder);
}

/* What root could read the programs have to read as the user that they are. */
static void check_readable(const char *path)
{
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	struct conf *conf = conf_load(path, tables, n, NULL, NULL);
	if (!conf)
		fatal("%s: the user of the programs has to read it and the files that it names, too, and cannot", path);
	conf_free(conf);
}

/* What was done with rights that are given up, or is open. */
static void tell_what_stays(const struct conf *was, const struct conf *now)
{
	const struct { const char *name, *was, *now; } v[] = { { "store", was->store, now->store }, { "state-dir", was->state_dir, now->state_dir }, { "user", was->user, now->user },
		{ "log { level }", was->log_level, now->log_level }, { "log { dest }", was->log_dest, now->log_dest } };
	for (size_t i = 0; i < sizeof v / sizeof *v; i++)
		if (strcmp(v[i].was, v[i].now) != 0)
			msg_warn("%s: %s is another one than when abusewatchd was started (%s): that takes a restart of it", now->path, v[i].name, v[i].was);
}

/* Who may not read a file here may not in the programs. So mistakes are told once, and nobody reads half of a config. */
static void on_reload(void *ctx)
{
	struct supervisor *s = ctx;
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	struct conf *conf = conf_load(s->conf_path, tables, n, NULL, NULL);
	if (!conf) {
		msg_error("reload: the config has mistakes: all programs go on with the old one");
		return;
	}
	msg_info("reload");
	tell_what_stays(s->conf, conf);
	children_reload(s->children);
	if (conf->n_capture && !s->conf->n_capture && !s->has_raw)
		msg_warn("%s: there was nothing to capture when abusewatchd was started, so it gave up the right to: that takes a restart of it", conf->path);
	else
		children_want(s->children, &capture, conf->n_capture > 0);
	children_want(s->children, &web, conf->web.enabled);
	conf_free(conf);
}

static void on_all_ended(void *ctx)
{
	struct supervisor *s = ctx;
	uv_stop(&s->loop);
}

static void on_stop(void *ctx)
{
	struct supervisor *s = ctx;
	msg_info("ending");
	children_stop(s->children, on_all_ended, s);
}

static void prepare(struct supervisor *s)
{
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	static char absolute[PATH_MAX];
	struct conf *conf = conf_load_or_die(s->conf_path, tables, n);
	conf_log(conf);
	if (!realpath(s->conf_path, absolute))
		fatal("%s: %m", s->conf_path);
	if (strcmp(absolute, s->conf_path) != 0) { /* its paths shall hold wherever we go */
		s->conf_path = absolute;
		conf_free(conf);
		conf = conf_load_or_die(absolute, tables, n);
	}
	settle(s, conf);
	if (!s->has_raw)
		check_readable(s->conf_path);
	if (s->background) {
		msg_to(MSG_SYSLOG);
		if (daemon(0, 0) < 0)
			fatal("cannot go to the background: %m");
	}
	s->conf = conf;
}

int main(int argc, char **argv)
{
	static struct supervisor s;
	msg_init("abusewatchd");
	options(&s, argc, argv);
	if (s.debug)
		msg_level(MSG_DEBUG);
	prepare(&s);
	uv_loop_init(&s.loop);
	proc_init(&s.proc, &s.loop, on_reload, on_stop, &s);
	s.children = children_new(&s.loop, s.bin_dir, s.conf_path, s.debug);
	children_add(s.children, &analyzer);
	children_add(s.children, &collector);
	if (s.conf->n_capture)
		children_add(s.children, &capture);
	children_add(s.children, &probe);
	children_add(s.children, &mailer);
	if (s.conf->web.enabled)
		children_add(s.children, &web);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	children_free(s.children);
	conf_free(s.conf);
	msg_info("ended");
	return 0;
}
