/* Rows of Exchange's logs: which column a value belongs to, and CSV quoting (RFC 4180). */
#include "collector/exchange/exchange.h"

#define COLUMNS_MAX 64

static const struct sv names[EXCHANGE_COLUMN_COUNT] = {
#define C(e, name) SCAN_S(name),
	EXCHANGE_COLUMNS(C)
#undef C
};

/* The columns of Exchange 2013 and later, for files whose heading is missing. */
#define TRACKING_FIELDS                                                                                                        \
	"date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,connector-id,source,event-id,"           \
	"internal-message-id,message-id,network-message-id,recipient-address,recipient-status,total-bytes,recipient-count,"    \
	"related-recipient-address,reference,message-subject,sender-address,return-path,message-info,directionality,"          \
	"tenant-id,original-client-ip,original-server-ip,custom-data,transport-traffic-type,log-id,schema-version"
#define PROTOCOL_FIELDS "date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context"
#define POP_FIELDS "dateTime,sessionId,seqNumber,sIp,cIp,user,duration,rqsize,rpsize,command,parameters,context,puid"

static struct sv fields_of(enum exchange_log log, struct sv heading)
{
	struct sv t = heading, skipped;
	if (scan_before(&t, SV("#Fields: "), &skipped)) {
		ptrdiff_t end = sv_chr(t, '\n');
		return end < 0 ? t : sv_take(t, (size_t)end);
	}
	return log == EXCHANGE_TRACKING ? SV(TRACKING_FIELDS) : log == EXCHANGE_POP_LOG ? SV(POP_FIELDS) : SV(PROTOCOL_FIELDS);
}

static int column_named(struct sv name)
{
	while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\r'))
		name.n--;
	for (int i = 0; i < EXCHANGE_COLUMN_COUNT; i++)
		if (sv_eq(name, names[i]))
			return i;
	return -1;
}

/* Which column the n-th value is. Lines of one file share their heading: remembered. */
static const int8_t *columns(struct sv fields)
{
	static _Thread_local char last[NATIVE_HEADING_MAX];
	static _Thread_local size_t last_n;
	static _Thread_local int8_t index[COLUMNS_MAX];
	if (fields.n > sizeof last)
		fields.n = sizeof last;
	if (last_n == fields.n && memcmp(last, fields.p, fields.n) == 0)
		return index;
	memcpy(last, fields.p, fields.n);
	last_n = fields.n;
	memset(index, -1, sizeof index);
	for (unsigned i = 0; i < COLUMNS_MAX && fields.n; i++) {
		struct sv name;
		if (!scan_until(&fields, ',', &name)) {
			name = fields;
			fields.n = 0;
		}
		index[i] = (int8_t)column_named(name);
	}
	return index;
}

/* The next value of *s, which moves past its comma. */
static struct sv value(struct sv *s, struct exchange_row *row)
{
	struct sv v;
	if (!s->n || s->p[0] != '"') {
		if (!scan_until(s, ',', &v)) {
			v = *s;
			*s = sv_skip(*s, s->n);
		}
		return v;
	}
	size_t i = 1, begin = row->used;
	bool doubled = false;
	for (; i < s->n; i++) {
		if (s->p[i] == '"' && (i + 1 == s->n || s->p[i + 1] != '"'))
			break;
		doubled |= s->p[i] == '"';
		if (row->used < sizeof row->unquoted)
			row->unquoted[row->used++] = s->p[i];
		i += s->p[i] == '"';
	}
	v = doubled ? sv_make(row->unquoted + begin, row->used - begin) : sv_make(s->p + 1, (i < s->n ? i : s->n) - 1);
	if (!doubled)
		row->used = begin;
	*s = sv_skip(*s, i + 1);
	(void)scan_char(s, ',');
	return v;
}

void exchange_split(enum exchange_log log, struct sv heading, struct sv line, struct exchange_row *ret)
{
	const int8_t *index = columns(fields_of(log, heading));
	memset(ret->v, 0, sizeof ret->v);
	ret->used = 0;
	for (unsigned i = 0; i < COLUMNS_MAX && line.n; i++) {
		struct sv v = value(&line, ret);
		if (index[i] >= 0)
			ret->v[index[i]] = v;
	}
}

static enum exchange_log by_type(struct sv heading)
{
	static const struct { struct sv name; enum exchange_log log; } types[] = {
		{ SCAN_S("#Log-type: Message Tracking Log"), EXCHANGE_TRACKING }, { SCAN_S("#Log-type: SMTP Receive"), EXCHANGE_RECEIVE_LOG },
		{ SCAN_S("#Log-type: SMTP Send"), EXCHANGE_SEND_LOG }, { SCAN_S("#Log-type: POP3"), EXCHANGE_POP_LOG },
		{ SCAN_S("#Log-type: IMAP4"), EXCHANGE_POP_LOG },
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (sv_find(heading, types[i].name) >= 0)
			return types[i].log;
	if (sv_find(heading, SV(",internal-message-id,")) >= 0 || (sv_find(heading, SV(",event-id,")) >= 0 && sv_find(heading, SV(",recipient-address,")) >= 0))
		return EXCHANGE_TRACKING;
	if (sv_find(heading, SV(",remote-endpoint,")) >= 0)
		return EXCHANGE_RECEIVE_LOG;
	return sv_find(heading, SV("dateTime,sessionId,")) >= 0 ? EXCHANGE_POP_LOG : EXCHANGE_NONE;
}

static bool is_number(struct sv s)
{
	int64_t n;
	return scan_int(&s, &n) && !s.n;
}

static bool is_service_port(int64_t p)
{
	return p == 25 || p == 465 || p == 475 || p == 587 || p == 717 || p == 2525;
}

static bool is_upper(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 'A' || s.p[i] > 'Z')
			return false;
	return true;
}

/* What a tracking log has at source, event-id and internal-message-id; other reports have other columns there. */
static bool is_tracked(const struct sv *v)
{
	return v[7].n >= 2 && v[8].n >= 3 && is_upper(v[7]) && is_upper(v[8]) && (!v[9].n || is_number(v[9]));
}

/* Without a heading a row must look like one in several places. */
static enum exchange_log by_shape(struct sv line)
{
	static _Thread_local struct exchange_row scratch;
	struct sv v[10] = { 0 }, ip;
	int64_t port = RECORD_UNSET;
	unsigned n = 0, quoted = 10;
	scratch.used = 0;
	for (; n < 10 && line.n; n++) {
		if (line.p[0] == '"' && quoted == 10) /* data of a dialogue, the source-context of a message */
			quoted = n;
		v[n] = value(&line, &scratch);
	}
	exchange_endpoint(v[4], &ip, &port);
	if (quoted >= 7 && n >= 7 && v[6].n == 1 && sv_chr(SV("+-<>*"), v[6].p[0]) >= 0 && is_number(v[3]))
		return ip.p && is_service_port(port) ? EXCHANGE_RECEIVE_LOG : EXCHANGE_SEND_LOG;
	exchange_endpoint(v[3], &ip, &port);
	if (quoted == 10 && n == 10 && is_number(v[2]) && ip.p && port != RECORD_UNSET)
		return EXCHANGE_POP_LOG;
	return (quoted == 5 || quoted == 10) && n == 10 && is_tracked(v) ? EXCHANGE_TRACKING : EXCHANGE_NONE;
}

enum exchange_log exchange_log_of(struct sv heading, struct sv line)
{
	enum exchange_log log = heading.n ? by_type(heading) : EXCHANGE_NONE;
	return log == EXCHANGE_NONE ? by_shape(line) : log;
}

void exchange_endpoint(struct sv s, struct sv *ret_ip, int64_t *ret_port)
{
	ptrdiff_t colon = sv_rchr(s, ':');
	struct sv port;
	*ret_ip = (struct sv){ 0 };
	*ret_port = RECORD_UNSET;
	if (colon > 0 && (s.p[0] == '[' ? s.p[colon - 1] == ']' : sv_chr(s, ':') == colon)) {
		port = sv_skip(s, (size_t)colon + 1);
		(void)scan_int(&port, ret_port);
		s = sv_take(s, (size_t)colon);
	}
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = sv_make(s.p + 1, s.n - 2);
	*ret_ip = scan_ip(s);
}

bool exchange_reply(struct sv s, int64_t *ret_code, struct record *r)
{
	struct sv t = s;
	if (!scan_int(&t, ret_code) || s.n - t.n != 3 || *ret_code < 200 || *ret_code > 599 || (t.n && t.p[0] != ' ' && t.p[0] != '-'))
		return false;
	r->reply = s;
	(void)scan_dsn(sv_skip(t, 1), &r->dsn);
	return true;
}
