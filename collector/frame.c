#include "collector/framing.h"

#include "lib/jsonw.h"

void frame_fini(struct frame *f)
{
	buf_fini(&f->rest);
	buf_fini(&f->unit);
	*f = (struct frame){ 0 };
}

void frame_reset(struct frame *f)
{
	buf_clear(&f->rest);
	f->rest_bytes = 0;
}

void frame_begin(struct frame *f)
{
	frame_reset(f);
	f->mode = FRAME_UNKNOWN;
}

void frame_count_odd(struct frame *f, struct sv line)
{
	const char *p = line.p, *end = line.p + line.n;
	while (p < end && (p = memchr(p, 0, (size_t)(end - p)))) {
		f->nul_bytes++;
		p++;
	}
	for (size_t i = 0, n; i < line.n; i += n) {
		n = utf8_length(sv_skip(line, i));
		if (!n) {
			f->bad_utf8++;
			return;
		}
	}
}

/* odd: it may hold a NUL or bytes above 127. */
static inline bool whole(struct frame *f, struct sv line, uint64_t input_bytes, bool odd, struct sv *ret_line)
{
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n > FRAME_LINE_MAX || input_bytes > line.n + 2) {
		line = sv_take(line, FRAME_LINE_MAX);
		f->cut_lines++;
	}
	f->lines++;
	f->bytes += input_bytes;
	if (odd)
		frame_count_odd(f, line);
	*ret_line = line;
	return true;
}

static void keep(struct frame *f, struct sv part)
{
	size_t room = FRAME_LINE_MAX + 1 - f->rest.n; /* one more than fits, so that a CR before the LF can go */
	buf_add(&f->rest, part.p, part.n < room ? part.n : room);
	f->rest_bytes += part.n;
}

void frame_feed(struct frame *f, struct sv in)
{
	f->ends.n = f->next_end = 0;
	f->line = in.p;
}

/* Where the line at the front of in ends; in.n: not in in. *ret_odd: it may hold odd bytes. */
static size_t line_end(struct frame *f, struct sv in, bool *ret_odd)
{
	if (f->next_end == f->ends.n || f->line != in.p) {
		newlines_find(in.p, in.n, &f->ends);
		f->next_end = 0;
		f->from = in.p;
	}
	*ret_odd = f->ends.odd;
	if (f->next_end < f->ends.n) {
		const char *end = f->from + f->ends.at[f->next_end++];
		f->line = end + 1;
		return (size_t)(end - in.p);
	}
	*ret_odd = true;
	const char *nl = memchr(in.p + f->ends.looked, '\n', in.n - f->ends.looked);
	return nl ? (size_t)(nl - in.p) : in.n;
}

bool frame_next(struct frame *f, struct sv *in, struct sv *ret_line)
{
	if (!in->n && (f->mode != FRAME_UNITS || !f->rest_bytes))
		return false;
	if (f->mode != FRAME_LINES)
		return framing_next(f, in, ret_line);
	bool odd;
	struct sv part = sv_make(in->p, line_end(f, *in, &odd));
	if (part.n == in->n) {
		keep(f, part);
		*in = sv_skip(*in, part.n);
		return false;
	}
	in->p += part.n + 1;
	in->n -= part.n + 1;
	if (!f->rest_bytes)
		return whole(f, part, part.n + 1, odd, ret_line);
	keep(f, part);
	uint64_t bytes = f->rest_bytes + 1;
	struct sv line = buf_sv(&f->rest);
	frame_reset(f);
	return whole(f, line, bytes, true, ret_line);
}

bool frame_last(struct frame *f, struct sv *ret_line)
{
	if (!f->rest_bytes)
		return false;
	uint64_t bytes = f->rest_bytes;
	struct sv line = buf_sv(&f->rest);
	frame_reset(f);
	if (f->mode == FRAME_UNITS && f->framing && !f->framing->open && sv_chr(line, '<') > 0) /* cut short: what there is of it */
		line = sv_skip(line, (size_t)sv_chr(line, '<'));
	return whole(f, line, bytes, true, ret_line);
}
