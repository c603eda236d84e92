/* abusewatch user: who may log in to the dashboard. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/common.h"
#include "lib/users.h"

static void help(FILE *f)
{
	fputs("usage: abusewatch user [-c CONF] add|passwd NAME\n"
	      "       abusewatch user [-c CONF] delete NAME\n"
	      "       abusewatch user [-c CONF] list\n"
	      "  -c CONF      the config (abusewatch.conf(5))\n"
	      "Passwords are asked for on a terminal, else read as one line from standard input; they need at least 8 characters.\n", f);
}

const struct command command_user;

static int read_line(const char *prompt, char *out, size_t cap)
{
	struct termios before, quiet;
	bool tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
	if (tty) {
		fputs(prompt, stderr);
		quiet = before;
		quiet.c_lflag &= (tcflag_t)~ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	char *got = fgets(out, (int)cap, stdin);
	if (tty) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (!got)
		return -1;
	out[strcspn(out, "\r\n")] = 0;
	return 0;
}

static int set_password(const char *file, const char *name)
{
	char once[USERS_PASSWORD_MAX + 2], again[USERS_PASSWORD_MAX + 2];
	struct err e;
	if (read_line("Password: ", once, sizeof once) < 0)
		return command_fail("no password was given");
	if (isatty(STDIN_FILENO) && (read_line("Again: ", again, sizeof again) < 0 || strcmp(once, again) != 0))
		return command_fail("the two passwords differ; nothing was changed");
	int r = users_set(file, name, once, &e) < 0 ? command_fail("%s", e.text) : COMMAND_DONE;
	explicit_bzero(once, sizeof once);
	explicit_bzero(again, sizeof again);
	return r;
}

static int list(const char *file)
{
	struct buf b = { 0 };
	struct err e;
	int r = users_list(file, &b, &e) < 0 ? command_fail("%s", e.text) : COMMAND_DONE;
	fwrite(b.p, 1, b.n, stdout);
	buf_fini(&b);
	return r;
}

static int delete(const struct conf *conf, const char *name)
{
	struct err e;
	if (users_delete(conf->web.users_file, name, &e) < 0)
		return command_fail("%s", e.text);
	login_tokens_forget(conf->state_dir, name);
	return COMMAND_DONE;
}

static int work(const struct conf *conf, const char *verb, const char *name)
{
	const char *file = conf->web.users_file;
	if (strcmp(verb, "list") == 0)
		return name ? command_misuse(&command_user, "list takes no name") : list(file);
	if (strcmp(verb, "add") != 0 && strcmp(verb, "passwd") != 0 && strcmp(verb, "delete") != 0)
		return command_misuse(&command_user, "\"%s\" is none of add, passwd, delete, list", verb);
	if (!name)
		return command_misuse(&command_user, "%s needs a name", verb);
	if (strcmp(verb, "delete") == 0)
		return delete(conf, name);
	if (strcmp(verb, "add") == 0) {
		if (users_has(file, name))
			return command_fail("there is a user %s already; change the password with: abusewatch user passwd %s", name, name);
		return set_password(file, name);
	}
	if (!users_has(file, name))
		return command_fail("there is no user %s; make one with: abusewatch user add %s", name, name);
	return set_password(file, name);
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { NULL, 0, NULL, 0 } };
	const char *path = common_default_conf();
	int o;
	optind = 1;
	while ((o = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (o != 'c')
			return command_wrong_option(&command_user);
		path = optarg;
	}
	if (optind == argc || argc - optind > 2)
		return command_misuse(&command_user, "say add, passwd, delete or list, and a name");
	struct conf *conf = conf_load_or_die(path, NULL, 0);
	common_make_state(conf);
	int r = work(conf, argv[optind], optind + 1 < argc ? argv[optind + 1] : NULL);
	conf_free(conf);
	return r;
}

const struct command command_user = { "user", "who may log in to the dashboard", help, run };
