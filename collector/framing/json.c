/* One JSON object a line, as journalctl -o json, rsyslog, Fluent Bit, Filebeat, Vector and others write them: the message in one member,
 * time, host, program and pid in others. Of several names for a thing the one that comes first here counts. */
#include "collector/framing.h"
#include "collector/json_scan.h"

enum part { TIME_US, TIME, HOST, PROGRAM, TAG, PID, MESSAGE, PARTS };

static const struct { struct sv parent, name; enum part part; } members[] = {
#define M(name, part) { { "", 0 }, { (name), sizeof(name) - 1 }, part }
#define IN(parent, name, part) { { (parent), sizeof(parent) - 1 }, { (name), sizeof(name) - 1 }, part }
	M("_SOURCE_REALTIME_TIMESTAMP", TIME_US), M("__REALTIME_TIMESTAMP", TIME_US),
	M("@timestamp", TIME), M("time", TIME), M("timestamp", TIME), M("timereported", TIME), M("timegenerated", TIME), M("ts", TIME), M("date", TIME),
	M("_HOSTNAME", HOST), M("hostname", HOST), M("host", HOST), IN("host", "name", HOST), IN("host", "hostname", HOST),
	M("SYSLOG_IDENTIFIER", PROGRAM), M("program", PROGRAM), M("programname", PROGRAM), M("ident", PROGRAM), M("appname", PROGRAM),
	M("app_name", PROGRAM), M("app-name", PROGRAM), IN("process", "name", PROGRAM), M("_COMM", PROGRAM),
	M("syslogtag", TAG), M("syslog-tag", TAG),
	M("SYSLOG_PID", PID), M("_PID", PID), M("procid", PID), M("pid", PID), IN("process", "pid", PID),
	M("MESSAGE", MESSAGE), M("message", MESSAGE), M("log", MESSAGE), M("msg", MESSAGE), M("full_message", MESSAGE), M("short_message", MESSAGE),
#undef M
#undef IN
};

struct found { size_t rank[PARTS]; struct sv value[PARTS]; };

static void note(struct found *f, struct sv parent, struct sv name, struct sv value)
{
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		enum part part = members[i].part;
		if (i >= f->rank[part] || !sv_eq(members[i].name, name) || !sv_eq(members[i].parent, parent))
			continue;
		if (value.p[0] == '{' || value.p[0] == 'n') /* an object, null */
			continue;
		f->rank[part] = i;
		f->value[part] = value;
	}
}

static void find(struct sv object, struct found *f)
{
	struct sv name, value, inner, inner_name, inner_value;
	for (int i = 0; i < PARTS; i++)
		f->rank[i] = SIZE_MAX;
	if (!json_enter(&object))
		return;
	while (json_member(&object, &name, &value)) {
		note(f, SV(""), name, value);
		inner = value;
		if (value.p[0] == '{' && (sv_eq(name, SV("host")) || sv_eq(name, SV("process"))) && json_enter(&inner))
			while (json_member(&inner, &inner_name, &inner_value))
				note(f, name, inner_name, inner_value);
	}
}

/* Seconds since the epoch with a fraction, or milli-, micro-, nanoseconds: told apart by their size. */
static int64_t epoch_us(struct sv s)
{
	int64_t v = 0, unit = 100000, us = 0;
	size_t i = 0;
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s.p[i] - '0', &v))
			return INT64_MIN;
	if (!i || v <= 0)
		return INT64_MIN;
	if (i < s.n && s.p[i] == '.')
		for (i++; i < s.n && unit && s.p[i] >= '0' && s.p[i] <= '9'; i++, unit /= 10)
			us += unit * (s.p[i] - '0');
	if (v < 100000000000)
		return v * 1000000 + us;
	return v < 100000000000000 ? v * 1000 : v < 100000000000000000 ? v : v / 1000;
}

static bool begins(struct sv s)
{
	return s.n && s.p[0] == '{';
}

static bool open(struct sv unit, struct sv host, struct buf *ret_line)
{
	struct found f = { 0 };
	struct buf text[PARTS] = { { 0 } };
	find(unit, &f);
	for (int i = 0; i < PARTS; i++)
		if (f.value[i].p && !json_text(f.value[i], &text[i]))
			buf_clear(&text[i]);
	struct framing_parts p = { .time = buf_sv(&text[TIME]), .time_us = epoch_us(buf_sv(&text[text[TIME_US].n ? TIME_US : TIME])), .host = host,
		.program = buf_sv(&text[PROGRAM]), .pid = buf_sv(&text[PID]), .message = buf_sv(&text[MESSAGE]) };
	if (text[TIME_US].n)
		p.time = (struct sv){ 0 };
	if (text[HOST].n)
		p.host = buf_sv(&text[HOST]);
	struct sv tag = buf_sv(&text[TAG]); /* "postfix/smtpd[12]:" says more than a program's name */
	ptrdiff_t end = sv_chr(tag, '['), colon = sv_chr(tag, ':');
	if (tag.n && (end > 0 || colon > 0)) {
		p.program = sv_take(tag, (size_t)(end > 0 ? end : colon));
		ptrdiff_t close = end > 0 ? sv_chr(tag, ']') : -1;
		if (close > end)
			p.pid = sv_make(tag.p + end + 1, (size_t)(close - end) - 1);
	}
	bool ok = framing_compose(&p, ret_line);
	for (int i = 0; i < PARTS; i++)
		buf_fini(&text[i]);
	return ok;
}

const struct framing framing_json = { .name = "json", .begins = begins, .open = open };
