/* Message tracking: what happened to a message, one row an event; recipients and their states are lists. The queue id is
 * internal-message-id. Nothing says that a message left the queue. */
#include "collector/exchange/exchange.h"

static struct sv unbracket(struct sv a)
{
	return a.n > 1 && a.p[0] == '<' && a.p[a.n - 1] == '>' ? sv_make(a.p + 1, a.n - 2) : a;
}

static size_t parts(struct sv list)
{
	size_t n = 1;
	for (ptrdiff_t i; (i = sv_chr(list, ';')) >= 0; list = sv_skip(list, (size_t)i + 1))
		n++;
	return n;
}

static struct sv part(struct sv list, size_t at)
{
	struct sv p = list;
	for (size_t i = 0; i <= at; i++)
		if (!scan_until(&list, ';', &p))
			p = list;
	return p;
}

static int64_t number(struct sv s)
{
	int64_t n;
	return scan_int(&s, &n) && !s.n ? n : RECORD_UNSET;
}

static void reply_of(struct sv s, struct record *r)
{
	int64_t code;
	struct sv t = s, skipped;
	if (!s.n)
		return;
	r->reply = s;
	if (exchange_reply(s, &code, r))
		return;
	if (scan_before(&t, SV("LED="), &skipped) && exchange_reply(t, &code, r)) /* "[{LED=550 5.1.1 …};{MSG=…};…]" */
		(void)scan_until(&t, '}', &r->reply);
}

/* The n-th recipient of the row, and what is said of it. */
static void recipient(const struct exchange_row *row, size_t at, struct record *r)
{
	struct sv list = row->v[EXCHANGE_RECIPIENTS], states = row->v[EXCHANGE_STATUSES], related = row->v[EXCHANGE_RELATED];
	r->recipient = list.n ? part(list, at) : (struct sv){ 0 };
	r->reply = r->dsn = r->orig_recipient = (struct sv){ 0 };
	if (related.n)
		r->orig_recipient = parts(related) == parts(list) ? part(related, at) : parts(related) == 1 ? related : (struct sv){ 0 };
	if (r->kind == RECORD_DELIVERY)
		reply_of(parts(states) == parts(list) ? part(states, at) : states, r);
	if (r->kind == RECORD_DELIVERY && !r->reply.p)
		reply_of(row->v[EXCHANGE_SOURCE_CONTEXT], r);
}

static void common(const struct exchange_row *row, struct record *r)
{
	struct sv sender = row->v[EXCHANGE_RETURN_PATH];
	if (row->v[EXCHANGE_INTERNAL_ID].n)
		r->queue_id = row->v[EXCHANGE_INTERNAL_ID];
	if (row->v[EXCHANGE_MESSAGE_ID].n)
		r->message_id = unbracket(row->v[EXCHANGE_MESSAGE_ID]);
	if (!sender.n && row->v[EXCHANGE_SENDER].n)
		sender = row->v[EXCHANGE_SENDER];
	if (sender.n)
		r->sender = unbracket(sender);
	if (row->v[EXCHANGE_SUBJECT].n)
		r->subject = row->v[EXCHANGE_SUBJECT];
	r->size = number(row->v[EXCHANGE_TOTAL_BYTES]);
}

static bool is(const struct exchange_row *row, enum exchange_column c, struct sv text)
{
	return sv_eq(row->v[c], text);
}

static void client(const struct exchange_row *row, struct record *r)
{
	struct sv t = row->v[EXCHANGE_CUSTOM], skipped;
	r->client_ip = scan_ip(row->v[EXCHANGE_ORIGINAL_CLIENT_IP]);
	if (!r->client_ip.p) {
		r->client_ip = scan_ip(row->v[EXCHANGE_CLIENT_IP]);
		if (row->v[EXCHANGE_CLIENT_HOSTNAME].n)
			r->client_name = row->v[EXCHANGE_CLIENT_HOSTNAME];
	} else if (scan_before(&t, SV("S:ProxiedClientHostname="), &skipped)) {
		if (!scan_until(&t, ';', &r->client_name))
			r->client_name = t;
	}
}

/* A message came in. What a mailbox submitted (SUBMIT, STOREDRIVER) its owner sent; the SMTP row that follows on the same
 * server says the same message-id, and is told by it who that was. */
static void received(const struct exchange_row *row, struct record *r, bool is_submit)
{
	bool store = is(row, EXCHANGE_SOURCE, SV("STOREDRIVER"));
	r->kind = RECORD_ACCEPT;
	client(row, r);
	r->nrcpt = number(row->v[EXCHANGE_RECIPIENT_COUNT]);
	if (parts(row->v[EXCHANGE_RECIPIENTS]) == 1 && row->v[EXCHANGE_RECIPIENTS].n)
		r->recipient = row->v[EXCHANGE_RECIPIENTS];
	r->submission = store || is(row, EXCHANGE_DIRECTION, SV("Originating"));
	if (store && row->v[EXCHANGE_SENDER].n)
		r->account = row->v[EXCHANGE_SENDER];
	if (r->submission && r->message_id.n) {
		r->session = r->message_id;
		r->session_end = !is_submit;
	}
	if (is_submit)
		r->queue_id = (struct sv){ 0 }; /* the RECEIVE that follows has the one that counts */
}

static void outcome(const struct exchange_row *row, struct record *r, struct sv status)
{
	r->kind = RECORD_DELIVERY;
	r->status = status;
	r->local = is(row, EXCHANGE_SOURCE, SV("STOREDRIVER"));
	if (!r->local && row->v[EXCHANGE_SERVER_HOSTNAME].n && sv_eq(status, SV("sent"))) {
		r->relay_host = row->v[EXCHANGE_SERVER_HOSTNAME];
		r->relay_ip = scan_ip(row->v[EXCHANGE_SERVER_IP]);
	}
	recipient(row, 0, r);
}

enum event { RECEIVE, SUBMIT, SENT, FAIL, DEFER, DSN, TRANSFER, MOVED, BAD, NOTED };

static enum event event_of(struct sv s)
{
	static const struct { struct sv name; enum event event; } events[] = {
		{ SCAN_S("RECEIVE"), RECEIVE }, { SCAN_S("SUBMIT"), SUBMIT }, { SCAN_S("SEND"), SENT }, { SCAN_S("SENDEXTERNAL"), SENT },
		{ SCAN_S("DELIVER"), SENT }, { SCAN_S("FAIL"), FAIL }, { SCAN_S("DEFER"), DEFER }, { SCAN_S("DSN"), DSN },
		{ SCAN_S("TRANSFER"), TRANSFER }, { SCAN_S("EXPAND"), MOVED }, { SCAN_S("REDIRECT"), MOVED }, { SCAN_S("RESOLVE"), MOVED },
		{ SCAN_S("POISONMESSAGE"), BAD }, { SCAN_S("BADMAIL"), BAD }, { SCAN_S("SUBMITFAIL"), BAD }, { SCAN_S("SUBMITDEFER"), BAD },
		{ SCAN_S("THROTTLE"), BAD },
	};
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		if (sv_eq(s, events[i].name))
			return events[i].event;
	return NOTED;
}

enum mta_result exchange_tracking(const struct exchange_row *row, struct record *r)
{
	struct sv name = row->v[EXCHANGE_EVENT_ID];
	if (!name.n)
		return MTA_UNRECOGNISED;
	enum event e = event_of(name);
	common(row, r);
	switch (e) {
	case RECEIVE: case SUBMIT:
		received(row, r, e == SUBMIT);
		break;
	case SENT: outcome(row, r, SV("sent")); break;
	case FAIL: outcome(row, r, SV("bounced")); break;
	case DEFER: outcome(row, r, SV("deferred")); break;
	case DSN: /* the notice is a message of its own; which message it is about is only said by message-id */
		r->kind = RECORD_BOUNCE;
		r->child_queue_id = r->queue_id;
		recipient(row, 0, r);
		break;
	case TRANSFER: /* some recipients go on under another id */
		r->kind = RECORD_ACCEPT;
		if (number(row->v[EXCHANGE_REFERENCE]) != RECORD_UNSET)
			r->orig_queue_id = row->v[EXCHANGE_REFERENCE];
		break;
	default:
		r->kind = e == BAD ? RECORD_WARNING : RECORD_OTHER;
		r->status = name;
		recipient(row, 0, r);
	}
	if (r->kind != RECORD_DELIVERY && row->v[EXCHANGE_SOURCE_CONTEXT].n && e != RECEIVE && e != SUBMIT)
		r->reason = row->v[EXCHANGE_SOURCE_CONTEXT];
	return MTA_RECORD;
}

/* Deliveries and the like: one record per recipient. Where in the list the last one was is told by its place in the text. */
bool exchange_tracking_next(const struct exchange_row *row, struct record *r)
{
	struct sv list = row->v[EXCHANGE_RECIPIENTS];
	if ((r->kind != RECORD_DELIVERY && r->kind != RECORD_OTHER) || !r->recipient.p || r->recipient.p < list.p || r->recipient.p + r->recipient.n >= list.p + list.n)
		return false;
	recipient(row, parts(sv_take(list, (size_t)(r->recipient.p + r->recipient.n - list.p) + 1)) - 1, r);
	return true;
}
