/* abusewatch messages: one transaction per message. */
#include <stdlib.h>
#include <time.h>

#include "analyzer/reply.h"
#include "collector/merge.h"
#include "ctl/logs.h"
#include "ctl/txn_out.h"

#define OPEN_BYTES ((size_t)2 << 30) /* nothing has to be saved: let memory be the limit */

struct messages {
	struct txn_out out;
	struct reply_table *replies;
	struct logs_progress progress;
};

static void on_txn(void *ctx, const struct txn *t)
{
	struct messages *m = ctx;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		struct txn_rcpt *r = &t->rcpt[i];
		if (r->status != TXN_SENT && r->status != TXN_PENDING)
			r->reply_class = reply_classify(m->replies, r->reply, r->dsn).class;
	}
	(void)txn_out_add(&m->out, t); /* main() looks whether standard output is well */
}

static bool on_progress(void *ctx, uint64_t done, uint64_t lines)
{
	struct messages *m = ctx;
	logs_progress_at(&m->progress, done, lines);
	return true;
}

static void help(FILE *to)
{
	fputs("usage: abusewatch messages [OPTION …] FILE…\n"
	      "Joins the lines of mail logs into messages and prints each with all its recipients' outcomes.\n"
	      "Several files are read in the order of their times.\n", to);
	logs_help(to);
}

static int run(int argc, char **argv);
const struct command command_messages = { "messages", "one transaction per message, out of log files", help, run };

static int run(int argc, char **argv)
{
	struct logs_options o;
	struct err e;
	int status = logs_options(&command_messages, argc, argv, false, &o);
	if (status)
		return status;
	struct messages m = { .replies = reply_table_new(&e) };
	if (!m.replies)
		return command_fail("%s", e.text);
	txn_out_begin(&m.out, (enum command_format)o.format);
	struct pipeline_sink sink = { .ctx = &m, .txn = on_txn };
	struct pipeline_options po = { .mta = o.mta, .max_open_bytes = OPEN_BYTES, .final_only = true, .correlate = true };
	struct pipeline *pl = pipeline_new(&po, &sink);
	struct merge *mg = merge_new(o.mta, o.host, &o.zone, o.year, (int64_t)time(NULL) * 1000000);
	logs_progress_start(&m.progress, o.files, o.n_files);
	for (size_t i = 0; i < o.n_files; i++) /* what is wrong with one is no reason to leave out the others */
		if (merge_add(mg, o.files[i], &e) < 0)
			status = command_fail("%s", e.text);
	if (merge_run(mg, pl, on_progress, &m, &e) < 0)
		status = command_fail("%s", e.text);
	logs_progress_end(&m.progress);
	pipeline_idle(pl);
	const char *path;
	const struct feed *f;
	for (size_t i = 0; (f = merge_feed(mg, i, &path)); i++)
		logs_tell_skipped(path, f);
	merge_free(mg);
	pipeline_free(pl);
	txn_out_end(&m.out);
	reply_table_free(m.replies);
	return status;
}
