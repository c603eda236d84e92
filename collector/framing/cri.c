/* What containerd and CRI-O write of a container (Kubernetes' CRI logging format): "2026-11-24T10:00:00.123456789Z stdout F text". A long line
 * is cut into several: "P" for "F" on all but the last. They are one unit, so that a position never lies between them. */
#include "collector/framing.h"

struct piece { struct sv time, stream, text; bool is_part; };

/* One line. The tag may be followed by others, each after a colon. */
static bool read_line(struct sv line, struct piece *ret)
{
	struct sv t = line;
	ret->time = framing_take_time(&t);
	if (!ret->time.n)
		return false;
	if (!sv_starts(t, SV("stdout ")) && !sv_starts(t, SV("stderr ")))
		return false;
	ret->stream = sv_take(t, 6);
	t = sv_skip(t, 7);
	ret->is_part = t.n && t.p[0] == 'P';
	if (t.n < 2 || (t.p[0] != 'F' && t.p[0] != 'P') || (t.p[1] != ' ' && t.p[1] != ':'))
		return false;
	ptrdiff_t end = sv_chr(t, ' ');
	ret->text = sv_skip(t, end < 0 ? t.n : (size_t)end + 1);
	return true;
}

static bool begins(struct sv s)
{
	struct piece p;
	ptrdiff_t nl = sv_chr(s, '\n');
	return read_line(nl < 0 ? s : sv_take(s, (size_t)nl), &p);
}

static bool piece_of(struct sv line, struct sv *ret_stream, bool *ret_is_part)
{
	struct piece p = { 0 };
	bool ok = read_line(line, &p);
	*ret_stream = p.stream;
	*ret_is_part = p.is_part;
	return ok;
}

static size_t measure(struct sv s, size_t *ret_need)
{
	return framing_measure_pieces(s, ret_need, piece_of);
}

static bool open(struct sv unit, struct sv host, struct buf *ret_line)
{
	struct buf message = { 0 };
	struct framing_parts parts = { .time_us = INT64_MIN, .host = host };
	struct piece p;
	while (unit.n) {
		ptrdiff_t nl = sv_chr(unit, '\n');
		struct sv line = nl < 0 ? unit : sv_take(unit, (size_t)nl);
		unit = sv_skip(unit, line.n + 1);
		if (!read_line(line, &p))
			continue;
		if (!parts.time.n)
			parts.time = p.time;
		buf_addsv(&message, p.text);
	}
	parts.message = buf_sv(&message);
	bool ok = message.n && framing_compose(&parts, ret_line);
	buf_fini(&message);
	return ok;
}

const struct framing framing_cri = { .name = "cri", .begins = begins, .measure = measure, .open = open };
