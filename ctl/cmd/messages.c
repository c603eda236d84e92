/* abusewatch messages: one transaction per message. */
#include <stdlib.h>
#include <time.h>

#include "collector/merge.h"
#include "ctl/logs.h"

#define OPEN_BYTES ((size_t)2 << 30) /* nothing has to be saved: let memory be the limit */

static const char *const columns[] = {
	"first_time", "host", "queue_id", "origin", "client_ip", "account", "sender", "size", "nrcpt", "complete", "recipients",
};

struct messages {
	struct logs_out *out;
	struct buf text;
	struct logs_progress progress;
};

static void on_txn(void *ctx, const struct txn *t)
{
	struct messages *m = ctx;
	buf_clear(&m->text);
	txn_json(t, &m->text);
	logs_out_add(m->out, buf_sv(&m->text));
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
	struct messages m = { .out = logs_out_new(o.format, columns, sizeof columns / sizeof *columns) };
	struct pipeline_sink sink = { .ctx = &m, .txn = on_txn };
	struct pipeline_options po = { .mta = o.mta, .max_open_bytes = OPEN_BYTES, .final_only = true, .correlate = true };
	struct pipeline *pl = pipeline_new(&po, &sink);
	struct merge *mg = merge_new(&o.zone, o.year, (int64_t)time(NULL) * 1000000);
	logs_progress_start(&m.progress, o.files, o.n_files);
	for (size_t i = 0; i < o.n_files && !status; i++)
		if (merge_add(mg, o.files[i], &e) < 0)
			status = command_fail("%s", e.text);
	if (!status && merge_run(mg, pl, on_progress, &m, &e) < 0)
		status = command_fail("%s", e.text);
	logs_progress_end(&m.progress);
	pipeline_idle(pl);
	merge_free(mg);
	pipeline_free(pl);
	logs_out_free(m.out);
	buf_fini(&m.text);
	return status;
}
