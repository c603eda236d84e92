/* abusewatch search: message trace. */
#include <getopt.h>
#include <stdlib.h>

#include "analyzer/archive.h"
#include "ctl/common.h"
#include "lib/buf.h"
#include "lib/csv.h"
#include "lib/times.h"

static void help(FILE *f)
{
	fputs("usage: abusewatch search [-c CONF] [--sender X] [--recipient X] [--account X] [--client IP] [--queue-id ID]\n"
	      "                         [--message-id ID] [--since T] [--until T] [--substring] [--limit N] [--format F]\n"
	      "  --sender, --recipient  an address, @domain for all of a domain, \"\" for the null sender\n"
	      "  --substring            sender, recipient and account match anywhere inside\n"
	      "  --since, --until T     RFC 3339, a date, or back from now: 2h, 7d\n"
	      "  --limit N              at most N messages, newest first [100; 0 = all]\n"
	      "  --format F             table, ndjson, json or csv: table on a terminal, ndjson in a pipe\n"
	      "All that is given must match.\n", f);
}

struct printer { enum command_format format; bool first; struct buf out; };

static void table_row(const struct txn *t, struct buf *out)
{
	buf_printf(out, "%s  %-12.*s %.*s <%.*s>%s%.*s\n", times_text(t->first_us, t->utc_offset_s).s, SVARG(t->queue_id), SVARG(t->client_ip),
	           SVARG(t->sender), t->account.n ? " account " : "", SVARG(t->account));
	for (size_t i = 0; i < t->n_rcpt; i++)
		buf_printf(out, "    %-8s %.*s %.*s\n", txn_status_name((enum txn_status)t->rcpt[i].status), SVARG(t->rcpt[i].recipient), SVARG(t->rcpt[i].reply));
}

static void csv_rows(const struct txn *t, struct buf *out)
{
	for (size_t i = 0; i < t->n_rcpt; i++) {
		const struct txn_rcpt *r = &t->rcpt[i];
		csv_put(out, true, sv_cstr(times_text(t->first_us, t->utc_offset_s).s));
		csv_put(out, false, t->host);
		csv_put(out, false, t->queue_id);
		csv_put(out, false, t->client_ip);
		csv_put(out, false, t->account);
		csv_put(out, false, t->sender);
		csv_put(out, false, r->recipient);
		csv_put(out, false, sv_cstr(txn_status_name((enum txn_status)r->status)));
		csv_put(out, false, r->dsn);
		csv_put(out, false, r->relay_host);
		csv_put(out, false, r->reply);
		csv_end_row(out);
	}
}

/* Control characters of a log line must not reach a terminal. */
static void defuse(struct buf *b)
{
	for (size_t i = 0; i < b->n; i++)
		if ((unsigned char)b->p[i] < 32 && b->p[i] != '\n')
			b->p[i] = '?';
}

static bool print(void *ctx, const struct txn *t)
{
	struct printer *p = ctx;
	buf_clear(&p->out);
	if (p->format == FORMAT_JSON && !p->first)
		buf_addc(&p->out, ',');
	switch (p->format) {
	case FORMAT_TABLE:
		table_row(t, &p->out);
		defuse(&p->out);
		break;
	case FORMAT_CSV: csv_rows(t, &p->out); break;
	default: txn_json(t, &p->out); break;
	}
	p->first = false;
	return fwrite(p->out.p, 1, p->out.n, stdout) == p->out.n;
}

static int search(const char *conf_path, const struct archive_query *q, enum command_format format)
{
	struct printer p = { .format = format, .first = true };
	struct conf *conf;
	struct db db;
	struct err e;
	bool more = false;
	if (common_open(conf_path, &conf, &db) < 0)
		return COMMAND_FAILED;
	if (format == FORMAT_CSV)
		puts("time,host,queue_id,client_ip,account,sender,recipient,status,dsn,relay,reply\r");
	if (format == FORMAT_JSON)
		puts("[");
	struct archive *a = archive_open(db.h, conf->store, false, &e);
	int64_t n = a ? archive_search(a, q, print, &p, &more, &e) : -1;
	if (format == FORMAT_JSON)
		puts("]");
	if (n < 0)
		(void)command_fail("%s", e.text);
	if (format == FORMAT_TABLE)
		printf("%lld message%s%s\n", (long long)(n < 0 ? 0 : n), n == 1 ? "" : "s", more ? "; there are older ones (--limit)" : "");
	archive_free(a);
	buf_fini(&p.out);
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
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		if (c >= 256) {
			q.key[c - 256] = sv_cstr(optarg);
			continue;
		}
		switch (c) {
		case 'c': conf_path = optarg; break;
		case 's':
		case 'u':
			if (common_time(optarg, c == 's' ? &q.since_us : &q.until_us) < 0)
				return command_misuse(&command_search, "%s: not a time (2026-11-23T10:00:00+00:00, 2026-11-23, 2h, 7d)", optarg);
			break;
		case 'b': q.substring = true; break;
		case 'l': q.limit = (size_t)strtoul(optarg, NULL, 10); break;
		case 'f':
			if ((format = command_format_named(optarg)) < 0)
				return command_misuse(&command_search, "--format %s: want table, ndjson, json or csv", optarg);
			break;
		case 'h': help(stdout); return COMMAND_DONE;
		default: return command_misuse(&command_search, "unknown option");
		}
	}
	if (optind < argc)
		return command_misuse(&command_search, "unexpected \"%s\" (say what it is: --sender, --recipient, …)", argv[optind]);
	return search(conf_path, &q, (enum command_format)format);
}

const struct command command_search = { "search", "find messages", help, run };
