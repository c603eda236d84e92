#include "collector/framing.h"

#include "lib/times.h"

/* -- units -- */

static const struct framing *framing_of(struct sv s)
{
	for (const struct framing *const *k = framing_registry; *k; k++)
		if ((*k)->measure && (*k)->begins(s))
			return *k;
	return NULL;
}

/* Bytes of the unit at the start of s; 0: *ret_need bytes are needed. */
static size_t unit_size(struct frame *f, struct sv s, size_t *ret_need)
{
	ptrdiff_t nl = sv_chr(s, '\n');
	*ret_need = s.n > 4 && s.p[4] == '-' ? FRAMING_ENOUGH_STAMPED : FRAMING_ENOUGH;
	if (s.n < *ret_need && nl < 0)
		return 0;
	const struct framing *k = framing_of(s);
	if (f->mode == FRAME_UNKNOWN)
		f->mode = k ? FRAME_UNITS : FRAME_LINES;
	f->framing = k;
	*ret_need = s.n + 1;
	size_t n = k ? k->measure(s, ret_need) : (size_t)(nl + 1);
	return !n && s.n >= FRAMING_UNIT_MAX ? s.n : n;
}

/* Keeps what is needed of *in; a need of one more byte is one for the rest of the line. */
static void keep(struct frame *f, struct sv *in, size_t need)
{
	size_t n = need - f->rest.n;
	ptrdiff_t nl = n == 1 ? sv_chr(*in, '\n') : -1;
	if (n == 1)
		n = nl < 0 ? in->n : (size_t)nl + 1;
	if (n > in->n)
		n = in->n;
	buf_add(&f->rest, in->p, n);
	f->rest_bytes += n;
	*in = sv_skip(*in, n);
}

static struct sv counted(struct frame *f, struct sv unit)
{
	f->lines++;
	f->bytes += unit.n;
	if (f->framing && f->framing->open) /* opened later */
		return unit;
	ptrdiff_t begin = f->framing ? sv_chr(unit, '<') : 0;
	unit = sv_skip(unit, begin > 0 ? (size_t)begin : 0);
	while (unit.n && (unit.p[unit.n - 1] == '\n' || unit.p[unit.n - 1] == '\r' || !unit.p[unit.n - 1]))
		unit.n--;
	if (unit.n > FRAME_LINE_MAX) {
		unit.n = FRAME_LINE_MAX;
		f->cut_lines++;
	}
	frame_count_odd(f, unit);
	return unit;
}

/* Another way to see what was kept: it is the beginning of a file of plain lines. Takes back what came with *in. */
static bool is_lines(struct frame *f, struct sv before, size_t had, struct sv *in)
{
	if (f->mode != FRAME_LINES)
		return false;
	f->rest_bytes -= f->rest.n - had;
	f->rest.n = had;
	*in = before;
	return true;
}

/* The unit of n bytes at the start of what was kept. More may have been kept: that waits. */
static bool give_kept(struct frame *f, size_t n, struct sv *ret_line)
{
	buf_clear(&f->unit);
	buf_add(&f->unit, f->rest.p, n);
	buf_drop(&f->rest, n);
	f->rest_bytes -= n;
	*ret_line = counted(f, buf_sv(&f->unit));
	return true;
}

bool framing_next(struct frame *f, struct sv *in, struct sv *ret_line)
{
	size_t need, n;
	for (;;) {
		if (!f->rest_bytes) {
			if (!in->n)
				return false;
			n = unit_size(f, *in, &need);
			if (f->mode == FRAME_LINES)
				return frame_next(f, in, ret_line);
			if (n) {
				*ret_line = counted(f, sv_take(*in, n));
				*in = sv_skip(*in, n);
				return true;
			}
			buf_clear(&f->rest);
		} else if ((n = unit_size(f, buf_sv(&f->rest), &need)) != 0) {
			return give_kept(f, n, ret_line);
		}
		if (!in->n)
			return false;
		struct sv before = *in;
		size_t had = f->rest.n;
		keep(f, in, need);
		n = unit_size(f, buf_sv(&f->rest), &need);
		if (is_lines(f, before, had, in)) /* more than the first line may have been kept */
			return frame_next(f, in, ret_line);
		if (n)
			return give_kept(f, n, ret_line);
	}
}

size_t framing_measure_pieces(struct sv s, size_t *ret_need, bool (*read)(struct sv line, struct sv *ret_stream, bool *ret_is_part))
{
	struct sv first = { 0 }, stream;
	unsigned pieces = 0;
	*ret_need = s.n + 1;
	for (size_t at = 0;;) {
		ptrdiff_t nl = sv_chr(sv_skip(s, at), '\n');
		bool is_part;
		if (nl < 0)
			return 0;
		bool ok = read(sv_make(s.p + at, (size_t)nl), &stream, &is_part);
		if (at && (!ok || !sv_eq(stream, first)))
			return at;
		first = stream;
		at += (size_t)nl + 1;
		if (!ok || !is_part || ++pieces == FRAMING_PIECES_MAX)
			return at;
	}
}

/* -- lines in units -- */

bool framing_counted(struct sv line, struct sv *ret_line)
{
	extern const struct framing framing_octet;
	if (!framing_octet.begins(line))
		return false;
	*ret_line = sv_skip(line, (size_t)sv_chr(line, '<'));
	return true;
}

bool framing_unwrap(struct buf scratch[2], struct sv host, struct sv *line)
{
	for (int depth = 0; depth < 2 && line->n && framing_may_wrap(*line); depth++) { /* a container whose program writes JSON */
		const struct framing *const *k = framing_registry;
		while (*k && !((*k)->open && (*k)->begins(*line)))
			k++;
		if (!*k)
			return true;
		buf_clear(&scratch[depth]);
		if (!(*k)->open(*line, host, &scratch[depth]))
			return false;
		*line = sv_take(buf_sv(&scratch[depth]), FRAME_LINE_MAX);
	}
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool framing_is_stamped(struct sv s)
{
	if (s.n < 16)
		return false;
	if (s.p[3] == ' ' && s.p[6] == ' ' && s.p[9] == ':' && s.p[12] == ':')
		return is_digit(s.p[5]) && is_digit(s.p[8]);
	if (s.p[4] == '-' && s.p[7] == '-' && (s.p[10] == 'T' || s.p[10] == ' '))
		return is_digit(s.p[0]) && is_digit(s.p[3]) && is_digit(s.p[6]) && is_digit(s.p[9]); /* no host "mail-eu-01" */
	if ((s.p[3] == ' ' && s.p[8] == '-' && s.p[11] == '-') || (s.p[10] == '.' && s.p[0] == '1' && is_digit(s.p[9]))) /* journalctl -o short-full, short-unix */
		return true;
	if (s.p[0] == '[' && s.p[3] == '-' && s.p[7] == '-' && s.p[12] == ' ') /* Roundcube: "[24-Nov-2026 10:00:00 +0000]: " */
		return is_digit(s.p[1]) && is_digit(s.p[11]);
	return (s.p[0] == '<' && is_digit(s.p[1])) || (s.p[0] == '@' && s.p[1] == '4');
}

struct sv framing_take_time(struct sv *s)
{
	ptrdiff_t sp = s->n > 34 && s->p[4] == '-' && s->p[10] == 'T' ? sv_chr(sv_take(*s, 40), ' ') : -1;
	struct sv time = sv_take(*s, sp < 20 ? 0 : (size_t)sp);
	*s = sv_skip(*s, time.n + (time.n > 0));
	return time;
}

/* "[NOTICE] [" (or collector/framing/haraka.c): Haraka's own log, which has no stamps unless it is told to; nor does it name a host. */
static bool is_bare_log(struct sv s)
{
	extern const struct framing framing_haraka;
	if (framing_haraka.begins(s))
		return true;
	ptrdiff_t end = s.n > 12 && s.p[0] == '[' && s.p[1] >= 'A' && s.p[1] <= 'Z' ? sv_find(sv_take(s, 16), SV("] [")) : -1;
	return end > 0;
}

/* A name without what would end it. */
static void add_name(struct buf *out, struct sv s)
{
	size_t begin = out->n;
	buf_addsv(out, sv_take(s, 255));
	for (size_t i = begin; i < out->n; i++)
		if (out->p[i] == ' ' || out->p[i] == ':' || out->p[i] == '[' || out->p[i] == '\n')
			out->p[i] = '_';
}

static bool is_time(struct sv s)
{
	int64_t us;
	return s.n >= 19 && s.n < 40 && s.p[10] == 'T' && times_parse(s, &us) == 0;
}

bool framing_compose(const struct framing_parts *p, struct buf *out)
{
	struct sv m = p->message;
	while (m.n && (m.p[m.n - 1] == '\n' || m.p[m.n - 1] == '\r'))
		m.n--;
	if (!m.p || !m.n)
		return false;
	bool is_bare = !p->program.n && !framing_is_stamped(m) && is_bare_log(m);
	if (!p->program.n && !is_bare && (framing_is_stamped(m) || m.p[0] == '{')) {
		buf_addsv(out, m);
		return true;
	}
	if (is_time(p->time))
		buf_addsv(out, p->time);
	else if (p->time_us != INT64_MIN)
		times_rfc3339(p->time_us, 0, out);
	else
		return false;
	buf_addc(out, ' ');
	if (is_bare) {
		buf_addsv(out, m);
		return true;
	}
	add_name(out, p->host.n ? p->host : SV("localhost"));
	buf_addc(out, ' ');
	if (p->program.n) {
		add_name(out, p->program);
		if (p->pid.n && p->pid.n < 12) {
			buf_addc(out, '[');
			buf_addsv(out, p->pid);
			buf_addc(out, ']');
		}
		buf_add(out, ": ", 2);
	}
	buf_addsv(out, m);
	return true;
}
