#include "collector/put_off.h"

#include "collector/scan.h"
#include "lib/buf.h"

#define TEXT_MAX 512u
static const struct sv cut_off = SCAN_S("\t\t"); /* a refusal says why */

/* Tabs are what divides. */
static void put_part(struct buf *line, struct sv part)
{
	part = sv_take(part, TEXT_MAX);
	for (size_t i = 0; i < part.n; i++)
		buf_addc(line, part.p[i] == '\t' ? ' ' : part.p[i]);
}

void put_off_keep(struct sessions *s, const struct record *r)
{
	if (r->kind == RECORD_WARNING) {
		session_table_put_off(s, r, cut_off, 0);
		return;
	}
	struct buf line = { 0 };
	put_part(&line, r->recipient);
	buf_addc(&line, '\t');
	put_part(&line, r->reply);
	buf_addc(&line, '\t');
	put_part(&line, r->reason);
	session_table_put_off(s, r, buf_sv(&line), cut_off.n + 1); /* however many are refused, that the client left is remembered */
	buf_fini(&line);
}

int64_t put_off_tell(struct sessions *s, struct correlate *c, const struct record *r, struct sv line, bool keeps_removed)
{
	struct sv all = session_table_put_off_of(s, r), one;
	int64_t n = 0;
	bool cut = false;
	if (!all.p)
		return 0;
	while (scan_until(&all, '\n', &one)) {
		if (sv_eq(one, cut_off)) {
			cut = true;
			continue;
		}
		n++;
		struct record told;
		record_clear(&told);
		told.time_us = r->time_us;
		told.utc_offset_s = r->utc_offset_s;
		told.pid = r->pid;
		told.host = r->host;
		told.program = r->program;
		told.mta = r->mta;
		told.kind = RECORD_REJECT;
		told.queue_id = r->queue_id;
		told.client_ip = r->client_ip;
		told.client_name = r->client_name;
		told.account = r->account;
		told.auth_method = r->auth_method;
		told.sender = r->sender;
		struct sv reply;
		(void)scan_until(&one, '\t', &told.recipient);
		if (scan_until(&one, '\t', &reply))
			told.reason = one;
		else /* of a snapshot from before reasons were kept */
			reply = one, told.reason = SV("RCPT");
		scan_set_reply(&told, reply);
		correlate_record(c, &told, line, keeps_removed);
	}
	session_table_told(s, r);
	return cut ? PUT_OFF_CUT : n;
}
