/* journald's export format: an entry is lines "NAME=value" up to an empty one; a value that is not plain text is "NAME", a newline, eight
 * bytes of length, the bytes, a newline. */
#include "collector/framing.h"

static bool begins(struct sv s)
{
	return sv_starts(s, SV("__CURSOR=")) || (s.n < 9 && sv_eq(s, SV("__CURSOR")));
}

/* One field at the start of *s, which moves past it. 1: given; 0: the entry's end; -1: more bytes are needed, *ret_need. */
static int field(struct sv *s, struct sv *ret_name, struct sv *ret_value, size_t *ret_need)
{
	ptrdiff_t nl = sv_chr(*s, '\n');
	*ret_need = 1;
	if (nl < 0)
		return -1;
	struct sv line = sv_take(*s, (size_t)nl), rest = sv_skip(*s, (size_t)nl + 1);
	ptrdiff_t eq = sv_chr(line, '=');
	if (!line.n || eq >= 0) {
		*ret_name = eq < 0 ? line : sv_take(line, (size_t)eq);
		*ret_value = eq < 0 ? line : sv_skip(line, (size_t)eq + 1);
		*s = rest;
		return line.n > 0;
	}
	*ret_need = 8 - (rest.n < 8 ? rest.n : 8);
	if (rest.n < 8)
		return -1;
	uint64_t n = 0;
	for (int i = 7; i >= 0; i--)
		n = n << 8 | (uint8_t)rest.p[i];
	if (n > FRAMING_UNIT_MAX) { /* not ours to keep: the lines that follow are no entries and are passed over */
		*s = rest;
		return 0;
	}
	*ret_need = (size_t)n + 9 - (rest.n < n + 9 ? rest.n : (size_t)n + 9);
	if (rest.n < n + 9)
		return -1;
	*ret_name = line;
	*ret_value = sv_make(rest.p + 8, (size_t)n);
	*s = sv_skip(rest, (size_t)n + 9);
	return 1;
}

static size_t measure(struct sv s, size_t *ret_need)
{
	struct sv t = s, name, value;
	size_t more;
	int got;
	while ((got = field(&t, &name, &value, &more)) > 0)
		;
	*ret_need = s.n + more;
	return got < 0 ? 0 : s.n - t.n;
}

static int64_t number(struct sv s)
{
	int64_t v = 0;
	for (size_t i = 0; i < s.n && i < 17 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (s.p[i] - '0');
	return v;
}

static bool open(struct sv unit, struct sv host, struct buf *ret_line)
{
	struct framing_parts p = { .time_us = INT64_MIN, .host = host };
	struct sv name, value, comm = { 0 };
	size_t more;
	bool source_time = false, said_pid = false;
	while (field(&unit, &name, &value, &more) > 0) {
		if (sv_eq(name, SV("MESSAGE")) && !p.message.p)
			p.message = value;
		else if (sv_eq(name, SV("SYSLOG_IDENTIFIER")))
			p.program = value;
		else if (sv_eq(name, SV("_COMM")))
			comm = value;
		else if (sv_eq(name, SV("_HOSTNAME")))
			p.host = value;
		else if (sv_eq(name, SV("SYSLOG_PID")) || (sv_eq(name, SV("_PID")) && !said_pid))
			said_pid |= name.p[0] == 'S', p.pid = value;
		else if (sv_eq(name, SV("_SOURCE_REALTIME_TIMESTAMP")))
			source_time = true, p.time_us = number(value);
		else if (sv_eq(name, SV("__REALTIME_TIMESTAMP")) && !source_time)
			p.time_us = number(value);
	}
	if (!p.program.n)
		p.program = comm.n ? comm : SV("unknown");
	return framing_compose(&p, ret_line);
}

const struct framing framing_export = { .name = "export", .begins = begins, .measure = measure, .open = open };
