#include "ctl/txn_out.h"

#include <stdio.h>

#include "lib/csv.h"
#include "lib/plain.h"
#include "lib/reply_class.h"
#include "lib/times.h"

#define TOGETHER_BYTES (32u << 10) /* written at once: a call of the kernel for each four of them would cost as much as making them */

void txn_out_begin(struct txn_out *o, enum command_format format)
{
	*o = (struct txn_out){ .format = format, .first = true };
	if (format == FORMAT_CSV)
		puts("time,host,queue_id,client_ip,account,sender,recipient,status,dsn,relay,reply,reply_class\r");
	if (format == FORMAT_JSON)
		puts("[");
}

/* The time is that of the last line: both commands print in its order. */
static void table_row(const struct txn *t, struct buf *out)
{
	buf_printf(out, "%s  %-12.*s %.*s <%.*s>%s%.*s\n", times_text(t->last_us, t->utc_offset_s).s, SVARG(t->queue_id), SVARG(t->client_ip),
	           SVARG(t->sender), t->account.n ? " account " : "", SVARG(t->account));
	if (t->local_user.n || t->cwd.n)
		buf_printf(out, "    %s%.*s%s%.*s\n", t->local_user.n ? "user " : "", SVARG(t->local_user), t->cwd.n ? " in " : "", SVARG(t->cwd));
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
		csv_put(out, false, sv_cstr(r->reply_class ? reply_class_name(r->reply_class) : ""));
		csv_end_row(out);
	}
}

/* As a terminal may have it. */
static void table_rows(const struct txn *t, struct buf *out)
{
	struct buf raw = { 0 };
	table_row(t, &raw);
	plain_show(out, buf_sv(&raw), "\n");
	buf_fini(&raw);
}

static bool put_out(struct txn_out *o)
{
	bool well = fwrite(o->text.p ? o->text.p : "", 1, o->text.n, stdout) == o->text.n;
	buf_clear(&o->text);
	return well;
}

bool txn_out_add(struct txn_out *o, const struct txn *t)
{
	if (o->format == FORMAT_JSON && !o->first)
		buf_addc(&o->text, ',');
	switch (o->format) {
	case FORMAT_TABLE: table_rows(t, &o->text); break;
	case FORMAT_CSV: csv_rows(t, &o->text); break;
	default: txn_json(t, &o->text); break;
	}
	o->first = false;
	return (o->format != FORMAT_TABLE && o->text.n < TOGETHER_BYTES) || put_out(o); /* somebody may look at a table while it grows */
}

void txn_out_end(struct txn_out *o)
{
	(void)put_out(o);
	if (o->format == FORMAT_JSON)
		puts("]");
	buf_fini(&o->text);
}
