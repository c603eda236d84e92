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

/* Lines up to the one that ends the container's line. A line of the other stream in between ends it early. */
static size_t measure(struct sv s, size_t *ret_need)
{
	struct sv first_stream = { 0 }, log, stream, time;
	unsigned pieces = 0;
	for (size_t at = 0;;) {
		ptrdiff_t nl = sv_chr(sv_skip(s, at), '\n');
		*ret_need = s.n + 1;
		if (nl < 0)
			return 0;
		bool ok = read_line(sv_make(s.p + at, (size_t)nl), &log, &stream, &time);
		if (at && (!ok || !sv_eq(stream, first_stream)))
			return at;
		first_stream = stream;
		at += (size_t)nl + 1;
		if (!ok || !is_part(log) || ++pieces == FRAMING_PIECES_MAX)
			return at;
	}
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
