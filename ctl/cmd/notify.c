/* abusewatch notify: the letters that are due, shown or sent. */
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "ctl/common.h"
#include "lib/times.h"
#include "report/deliver.h"

static void help(FILE *f)
{
	fputs("usage: abusewatch notify [-c CONF] [--dry-run] [--case N [--kind customer|desk] [--language L]]\n"
	      "  -c CONF      the config (abusewatch.conf(5))\n"
	      "  --dry-run    print the letters that are due instead of sending them\n"
	      "  --case N     print the letter of case N, due or not (never sent)\n"
	      "  --language   in this language (en, de, or one of your own templates)\n"
	      "Sending needs the analyzer, which records it, and notify { enabled = true }. The mailer does the same every two seconds.\n", f);
}

struct show { struct db *db; const struct conf *conf; int64_t now_us; int n, bad; };

static void print_letter(void *ctx, const struct letter_due *due)
{
	struct show *s = ctx;
	const char *about = due->alert_id ? "service alert" : "case";
	long long number = due->alert_id ? due->alert_id : due->case_id;
	struct letter l;
	struct err e;
	s->n++;
	if (letter_write(s->db, s->conf, due, s->now_us, &l, &e) < 0) {
		s->bad = command_fail("%s %lld: %s", about, number, e.text);
		return;
	}
	printf("# %s %lld: %s, to %s, Message-ID <%s>\nSubject: %s\n\n%s\n", about, number, due->kind, due->recipient, l.message_id,
	       buf_cstr(&l.subject), buf_cstr(&l.body));
	letter_fini(&l);
}

struct choice { const char *conf; bool dry_run; int64_t case_id; const char *kind, *language; };

static int work(const struct choice *w, struct db *db, const struct conf *conf)
{
	struct show s = { db, conf, (int64_t)time(NULL) * US_PER_S, 0, 0 };
	struct err e;
	if (w->case_id) {
		struct letter_due due = { .case_id = w->case_id };
		(void)snprintf(due.kind, sizeof due.kind, "%s", w->kind[0] == 'd' ? "desk" : "open");
		(void)snprintf(due.recipient, sizeof due.recipient, "nobody (shown only)");
		(void)snprintf(due.language, sizeof due.language, "%s", w->language ? w->language : conf->notify.default_language);
		print_letter(&s, &due);
		return s.bad;
	}
	if (!w->dry_run && !conf->notify.enabled)
		return command_fail("%s: letters are off (notify { enabled = false }); --dry-run shows what would be sent", conf->path);
	if (!w->dry_run)
		signal(SIGPIPE, SIG_IGN); /* of a sendmail that has gone: what was sent is still to be recorded */
	int bad = w->dry_run ? plan_letters(db, conf, s.now_us, print_letter, &s, &e) : deliver_due(db, conf, s.now_us, &e);
	if (bad)
		return command_fail("%s", e.text);
	if (w->dry_run)
		fprintf(stderr, "%d letter%s due\n", s.n, s.n == 1 ? " is" : "s are");
	return s.bad;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "dry-run", 0, 0, 'n' }, { "case", 1, 0, 'i' }, { "kind", 1, 0, 'k' },
		                               { "language", 1, 0, 'l' }, { "help", 0, 0, 'h' }, { 0 } };
	extern const struct command command_notify;
	struct choice w = { .conf = common_default_conf(), .kind = "customer" };
	int c;
	while ((c = getopt_long(argc, argv, "c:n", longs, NULL)) != -1)
		switch (c) {
		case 'c': w.conf = optarg; break;
		case 'n': w.dry_run = true; break;
		case 'i':
			if (common_count(optarg, &w.case_id) < 0 || !w.case_id)
				return command_misuse(&command_notify, "--case %s: not the number of a case", optarg);
			break;
		case 'k':
			if (strcmp(optarg, "customer") != 0 && strcmp(optarg, "desk") != 0)
				return command_misuse(&command_notify, "--kind %s: want customer or desk", optarg);
			w.kind = optarg;
			break;
		case 'l': w.language = optarg; break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_wrong_option(&command_notify);
		}
	if (optind < argc)
		return command_misuse(&command_notify, "unexpected \"%s\"", argv[optind]);
	struct conf *conf;
	struct db db;
	if (common_open(w.conf, &conf, &db) < 0)
		return COMMAND_FAILED;
	int bad = work(&w, &db, conf);
	common_close(conf, &db);
	return bad ? COMMAND_FAILED : COMMAND_DONE;
}

const struct command command_notify = { "notify", "letters that are due: show or send them", help, run };
