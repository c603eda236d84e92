/* The Exchange format: message tracking, SMTP receive and send protocol logs, POP3 and IMAP4 protocol logs, as Exchange
 * writes them itself: a heading ("#Fields: date-time,…") and rows of comma-separated values, times in UTC. */
#include "collector/exchange/exchange.h"

#include "lib/buf.h"

/* "#Software: …", "#Log-type: …" and "#Fields: …" are kept; the others are only known. */
static bool heading(struct native *n, struct sv line)
{
	static const struct sv kept[] = { SCAN_S("#Software: Microsoft Exchange"), SCAN_S("#Log-type: "), SCAN_S("#Fields: date-time,"), SCAN_S("#Fields: dateTime,") };
	if (!SCAN_ANY(line, kept))
		return n->heading->n && (sv_starts(line, SV("#Version: ")) || sv_starts(line, SV("#Date: ")));
	struct sv before = buf_sv(n->heading);
	if (line.p[1] == 'S' || sv_find(before, SV("#Fields: ")) >= 0) /* another heading begins */
		buf_clear(n->heading);
	if (n->heading->n + line.n + 1 < NATIVE_HEADING_MAX) {
		buf_addsv(n->heading, line);
		buf_addc(n->heading, '\n');
	}
	return true;
}

/* "date_time_utc,client_ip,…", the first line of Exchange Online's extended report: the same columns by other names, and not all of them. */
static bool heading_of_report(struct native *n, struct sv line)
{
	if (!sv_starts(line, SV("date_time_utc,")) && !sv_starts(line, SV("date_time,")))
		return false;
	buf_clear(n->heading);
	if (line.n + 32 >= NATIVE_HEADING_MAX)
		return true;
	buf_addsv(n->heading, SV("#Fields: "));
	for (size_t i = 0; i < line.n; i++)
		buf_addc(n->heading, line.p[i] == '_' ? '-' : line.p[i]);
	buf_addc(n->heading, '\n');
	return true;
}

/* "2026-11-24T10:00:00.000Z," */
static bool stamp(struct native *n, struct sv line, struct logline *l)
{
	char text[40];
	size_t i = 19;
	while (i < line.n && i < 36 && line.p[i] != ',')
		i++;
	if (line.n < 25 || line.p[10] != 'T' || i >= line.n || line.p[i] != ',' || line.p[i - 1] != 'Z')
		return false;
	memcpy(text, line.p, i);
	text[i] = ' ';
	struct sv t = sv_make(text, i + 1);
	return stamp_read(n->stamp, &t, &l->time_us, &l->utc_offset_s) && !t.n;
}

static int native(struct native *n, struct sv line, struct logline *l)
{
	if (sv_starts(line, SV("\xef\xbb\xbf")))
		line = sv_skip(line, 3);
	l->program = SV("exchange");
	l->text = line;
	if (line.n && line.p[0] == '#')
		return heading(n, line) ? EXCHANGE_HEADING : -1;
	if (heading_of_report(n, line))
		return EXCHANGE_HEADING;
	return stamp(n, line, l) ? (int)exchange_log_of(buf_sv(n->heading), line) : -1;
}

static int program(struct sv p)
{
	(void)p;
	return -1;
}

/* The row at hand: stands from parse() to the last next() of a line. */
static _Thread_local struct exchange_row row;

static enum mta_result parse(int log, const struct logline *l, struct record *r)
{
	if (log == EXCHANGE_HEADING)
		return MTA_NOTHING;
	exchange_split((enum exchange_log)log, l->heading, l->text, &row);
	if (log == EXCHANGE_TRACKING)
		return exchange_tracking(&row, r);
	if (log == EXCHANGE_POP_LOG)
		exchange_pop(&row, r);
	else
		exchange_protocol(log == EXCHANGE_SEND_LOG, &row, r);
	return MTA_RECORD;
}

static bool next(int log, const struct logline *l, struct record *r)
{
	(void)l;
	return log == EXCHANGE_TRACKING && exchange_tracking_next(&row, r);
}

const struct mta mta_exchange = { .name = "exchange", .keeps_removed = true, .program = program, .native = native, .parse = parse, .next = next };
