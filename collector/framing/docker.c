/* Docker's json-file: {"log":"text\n","stream":"stdout","time":"2026-11-24T10:00:00.123456789Z"}. A long line of the container is cut into
 * several: all but the last lack the "\n". They are one unit, so that a position never lies between them. */
#include "collector/framing.h"
#include "collector/json_scan.h"

static bool begins(struct sv s)
{
	return sv_starts(s, SV("{\"log\":\""));
}

/* The members of one line. */
static bool read_line(struct sv line, struct sv *ret_log, struct sv *ret_stream, struct sv *ret_time)
{
	struct sv name, value;
	*ret_log = *ret_stream = *ret_time = (struct sv){ 0 };
	if (!json_enter(&line))
		return false;
	while (json_member(&line, &name, &value)) {
		if (sv_eq(name, SV("log")))
			*ret_log = value;
		else if (sv_eq(name, SV("stream")))
			*ret_stream = value;
		else if (sv_eq(name, SV("time")))
			*ret_time = value;
	}
	return ret_log->n >= 2 && ret_log->p[0] == '"';
}

/* Does the text lack a newline at its end? "\\n" is a backslash and an n. */
static bool is_part(struct sv log)
{
	size_t backslashes = 0;
	if (log.n < 4 || log.p[log.n - 2] != 'n')
		return true;
	while (backslashes + 3 < log.n && log.p[log.n - 3 - backslashes] == '\\')
		backslashes++;
	return backslashes % 2 == 0;
}

static bool piece_of(struct sv line, struct sv *ret_stream, bool *ret_is_part)
{
	struct sv log, time;
	bool ok = read_line(line, &log, ret_stream, &time);
	*ret_is_part = ok && is_part(log);
	return ok;
}

static size_t measure(struct sv s, size_t *ret_need)
{
	return framing_measure_pieces(s, ret_need, piece_of);
}

static bool open(struct sv unit, struct sv host, struct buf *ret_line)
{
	struct buf message = { 0 }, when = { 0 };
	struct sv log, stream, time;
	while (unit.n) {
		ptrdiff_t nl = sv_chr(unit, '\n');
		struct sv line = nl < 0 ? unit : sv_take(unit, (size_t)nl);
		unit = sv_skip(unit, line.n + 1);
		if (!read_line(line, &log, &stream, &time))
			continue;
		(void)json_text(log, &message);
		if (!when.n)
			(void)json_text(time, &when);
	}
	struct framing_parts p = { .time = buf_sv(&when), .time_us = INT64_MIN, .host = host, .message = buf_sv(&message) };
	bool ok = message.n && framing_compose(&p, ret_line);
	buf_fini(&message);
	buf_fini(&when);
	return ok;
}

const struct framing framing_docker = { .name = "docker", .begins = begins, .measure = measure, .open = open };
