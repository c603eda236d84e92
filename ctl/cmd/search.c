/* abusewatch search: message trace. */
#include <getopt.h>

#include "analyzer/archive.h"
#include "ctl/common.h"
#include "ctl/txn_out.h"
#include "lib/prefix.h"

static void help(FILE *f)
{
	fputs("usage: abusewatch search [-c CONF] [--sender X] [--recipient X] [--account X] [--client IP] [--queue-id ID]\n"
	      "                         [--message-id ID] [--since T] [--until T] [--substring] [--limit N] [--format F]\n"
	      "  --sender, --recipient  an address, @domain for all of a domain, \"\" for the null sender\n"
	      "  --account              who logged in, or the local user (script) who gave the message to the server\n"
	      "  --substring            sender, recipient and account match anywhere inside\n"
	      "  --since, --until T     RFC 3339, a date (--until: with all of that day), or back from now: 2h, 7d\n"
	      "  --limit N              at most N messages, newest first [100; 0 = all]\n"
	      "  --format F             table, ndjson, json or csv: table on a terminal, ndjson in a pipe\n"
	      "All that is given must match.\n", f);
}

static bool print(void *ctx, const struct txn *t)
{
	return txn_out_add(ctx, t);
}

static int search(const char *conf_path, const struct archive_query *q, enum command_format format)
{
	struct txn_out out;
	struct conf *conf;
	struct db db;
	struct err e;
	bool more = false;
	if (common_open(conf_path, &conf, &db) < 0)
		return COMMAND_FAILED;
	txn_out_begin(&out, format);
	struct archive *a = archive_open(db.h, conf->store, false, &e);
	int64_t n = a ? archive_search(a, q, print, &out, &more, &e) : -1;
	txn_out_end(&out);
	if (n < 0)
		(void)command_fail("%s", e.text);
	if (format == FORMAT_TABLE)
		printf("%lld message%s%s\n", (long long)(n < 0 ? 0 : n), n == 1 ? "" : "s", more ? "; there are older ones (--limit)" : "");
	archive_free(a);
	common_close(conf, &db);
	return n < 0 ? COMMAND_FAILED : COMMAND_DONE;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "sender", 1, 0, 256 + ARCHIVE_SENDER },     { "recipient", 1, 0, 256 + ARCHIVE_RECIPIENT },
		{ "account", 1, 0, 256 + ARCHIVE_ACCOUNT },   { "client", 1, 0, 256 + ARCHIVE_CLIENT },
		{ "queue-id", 1, 0, 256 + ARCHIVE_QUEUE_ID }, { "message-id", 1, 0, 256 + ARCHIVE_MESSAGE_ID },
		{ "since", 1, 0, 's' }, { "until", 1, 0, 'u' }, { "substring", 0, 0, 'b' }, { "limit", 1, 0, 'l' },
		{ "format", 1, 0, 'f' }, { "help", 0, 0, 'h' }, { 0 },
	};
	extern const struct command command_search;
	const char *conf_path = common_default_conf();
	struct archive_query q = { .limit = 100 };
	int format = (int)command_default_format(), c;
	int64_t limit;
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (c >= 256) {
			q.key[c - 256] = sv_cstr(optarg);
			continue;
		}
		switch (c) {
		case 'c': conf_path = optarg; break;
		case 's':
		case 'u':
			if ((c == 's' ? common_time(optarg, &q.since_us) : common_time_end(optarg, &q.until_us)) < 0)
				return command_misuse(&command_search, "--%s %s: not a time (2026-11-23T10:00:00+00:00, 2026-11-23, 2h, 7d)", c == 's' ? "since" : "until", optarg);
			break;
		case 'b': q.substring = true; break;
		case 'l':
			if (common_count(optarg, &limit) < 0)
				return command_misuse(&command_search, "--limit %s: not a whole number", optarg);
			q.limit = (size_t)limit;
			break;
		case 'f':
			if ((format = command_format_named(optarg)) < 0)
				return command_misuse(&command_search, "--format %s: want table, ndjson, json or csv", optarg);
			break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_wrong_option(&command_search);
		}
	}
	if (optind < argc)
		return command_misuse(&command_search, "unexpected \"%s\" (say what it is: --sender, --recipient, …)", argv[optind]);
	if (q.since_us && q.until_us && q.since_us > q.until_us)
		return command_misuse(&command_search, "--since is later than --until: nothing can lie between");
	if (q.substring && !q.key[ARCHIVE_SENDER].p && !q.key[ARCHIVE_RECIPIENT].p && !q.key[ARCHIVE_ACCOUNT].p)
		return command_misuse(&command_search, "--substring wants --sender, --recipient or --account: of these it may be a part");
	struct ipaddr client;
	if (q.key[ARCHIVE_CLIENT].p && ipaddr_parse(q.key[ARCHIVE_CLIENT], &client) < 0)
		return command_misuse(&command_search, "--client %.*s: not an IP address (a network or a host's name cannot be searched for)", SVARG(q.key[ARCHIVE_CLIENT]));
	return search(conf_path, &q, (enum command_format)format);
}

const struct command command_search = { "search", "find messages", help, run };
