/* abusewatch login-link: an address that logs one person in, once. */
#include <getopt.h>
#include <time.h>

#include "ctl/common.h"
#include "lib/users.h"

#define LINK_VALID_S 3600

static void help(FILE *f)
{
	fputs("usage: abusewatch login-link [-c CONF] [-u NAME]\n"
	      "  -c CONF      the config (abusewatch.conf(5))\n"
	      "  -u NAME      log in as NAME [operator]\n"
	      "Prints an address of the dashboard that logs in whoever opens it first, within an hour.\n", f);
}

const struct command command_login_link;

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' }, { "user", required_argument, NULL, 'u' }, { NULL, 0, NULL, 0 } };
	const char *path = common_default_conf(), *user = "operator";
	struct login_token t;
	struct err e;
	int o;
	optind = 1;
	while ((o = getopt_long(argc, argv, "c:u:", longs, NULL)) != -1) {
		if (o == 'c')
			path = optarg;
		else if (o == 'u')
			user = optarg;
		else
			return command_wrong_option(&command_login_link);
	}
	if (optind < argc)
		return command_misuse(&command_login_link, "\"%s\" is not expected here", argv[optind]);
	struct conf *conf = conf_load_or_die(path, NULL, 0);
	int r = COMMAND_DONE;
	common_make_state(conf);
	if (login_token_make(conf->state_dir, user, time(NULL), LINK_VALID_S, &t, &e) < 0)
		r = command_fail("%s", e.text);
	else
		printf("%s/login?token=%s\n", conf->web.base_url, t.s);
	conf_free(conf);
	return r;
}

const struct command command_login_link = { "login-link", "an address that logs in to the dashboard once", help, run };
