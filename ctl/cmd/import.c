/* abusewatch import: finished logs into the store. */
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/detector.h"
#include "ctl/common.h"
#include "ctl/replay.h"
#include "lib/control.h"

static void help(FILE *f)
{
	fputs("usage: abusewatch import [-c CONF] [--listings FILE] FILE...\n"
	      "  -c CONF   the config (abusewatch.conf(5)); its store is created when it is missing\n"
	      "  FILE      a log, also .gz, .xz, .zst; - is standard input. In any order: they are read in order of time.\n"
	      "            Captures (pcap, pcapng) are known by their first bytes and read one by one, after the logs.\n"
	      "  --listings FILE   what DNS block lists said, one JSON object a line: {\"at\":TIME,\"target\":ADDRESS,\"zone\":ZONE,\n"
	      "            \"verdict\":\"listed\",\"kind\":\"block\",\"code\":\"127.0.0.2\",\"points\":5,\"meaning\":TEXT,\"text\":TEXT}; judged in\n"
	      "            order of time with the logs, or alone (abusewatch(1) says more)\n"
	      "Gives the same messages and cases as following the files live. What was imported before is left out.\n"
	      "A folder or a file that cannot be read is named and passed over, the others are read; exit status 1.\n"
	      "A running analyzer must be stopped first: it is the only writer of the store.\n", f);
}

static bool analyzer_runs(const struct conf *conf)
{
	struct json_object *ask = json_object_new_object();
	json_object_object_add(ask, "do", json_object_new_string("ping"));
	struct json_object *answer = control_ask(conf_control_socket(conf).s, ask, 500, NULL);
	bool runs = answer != NULL;
	json_object_put(answer);
	json_object_put(ask);
	return runs;
}

static bool any_bytes(char **files, size_t n)
{
	struct stat st;
	for (size_t i = 0; i < n; i++)
		if (stat(files[i], &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
			return true;
	return false;
}

static void tell_totals(const struct replay *r, bool logs)
{
	if (logs && (r->lines || !r->sessions))
		fprintf(stderr, "%" PRId64 " line%s read, %" PRId64 " of them of mail servers; %" PRId64 " message%s reported, %" PRId64 " still open\n", r->lines, r->lines == 1 ? "" : "s",
		        r->recognised, r->txns, r->txns == 1 ? "" : "s", r->open);
	if (r->skipped)
		fprintf(stderr, "%" PRId64 " line%s no time at the beginning and %s skipped (abusewatch parse --coverage FILE says which is the first)\n", r->skipped,
		        r->skipped == 1 ? " has" : "s have", r->skipped == 1 ? "was" : "were");
	if (r->sessions)
		fprintf(stderr, "%" PRId64 " captured session%s\n", r->sessions, r->sessions == 1 ? "" : "s");
	if (r->evicted)
		fprintf(stderr, "%" PRIu64 " time%s a principal was put away to the store for want of memory (fusion's principals-bytes)\n", r->evicted, r->evicted == 1 ? "" : "s");
}

static int import(const char *conf_path, const char *listings, char **files, size_t n_files)
{
	size_t n;
	struct err e = { "" };
	struct replay r = { .show = isatty(STDERR_FILENO), .pass_over = true, .listings = listings };
	const struct opt_table *const *tables = detector_option_tables(&n);
	struct conf *conf = conf_load_or_die(conf_path, tables, n);
	int status = COMMAND_DONE;
	if (analyzer_runs(conf)) {
		conf_free(conf);
		return command_fail("an analyzer is running on this store; stop it first, or let a collector follow the files");
	}
	common_make_state(conf);
	if (replay_files(&r, conf, files, n_files, &e) < 0)
		status = e.text[0] ? command_fail("%s", e.text) : COMMAND_FAILED;
	else
		status = replay_said_nothing(&r, conf);
	if (status == COMMAND_DONE && !(r.partial && !r.lines && !r.sessions))
		tell_totals(&r, n_files > 0);
	if (status == COMMAND_DONE && !r.partial && !r.lines && !r.sessions && any_bytes(files, n_files))
		fputs("nothing is new: all of it was imported before\n", stderr);
	if (status == COMMAND_DONE && r.partial)
		status = COMMAND_FAILED;
	conf_free(conf);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = { { "listings", 1, 0, 'l' }, { "help", 0, 0, 'h' }, { 0 } };
	extern const struct command command_import;
	const char *conf_path = common_default_conf(), *listings = NULL;
	int c;
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (c) {
		case 'c': conf_path = optarg; break;
		case 'l': listings = optarg; break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_wrong_option(&command_import);
		}
	if (optind == argc && !listings)
		return command_misuse(&command_import, "no file given");
	return import(conf_path, listings, argv + optind, (size_t)(argc - optind));
}

const struct command command_import = { "import", "read finished logs into the store", help, run };
