#include "collector/feed.h"

#include "collector/framing.h"
#include "collector/syslog.h"

#define AGAIN_BYTES 2048

void feed_init(struct feed *f, const struct mta *mta, const struct zone *z, int year, int64_t now_us)
{
	*f = (struct feed){ .mta = mta, .host = SV("localhost") };
	stamp_init(&f->stamp, z, year, now_us);
}

void feed_fini(struct feed *f)
{
	frame_fini(&f->frame);
	buf_fini(&f->again);
	buf_fini(&f->heading);
	buf_fini(&f->unwrapped[0]);
	buf_fini(&f->unwrapped[1]);
}

void feed_block_ends(struct feed *f)
{
	if (!f->last.p)
		return;
	struct sv keep = sv_take(f->last, AGAIN_BYTES);
	buf_clear(&f->again);
	buf_add(&f->again, keep.p, keep.n);
	f->last = (struct sv){ 0 };
}

/* "last message repeated 3 times": the line before, at this line's time. */
static bool again(struct feed *f, const struct logline *said, struct logline *l)
{
	feed_block_ends(f);
	struct stamp scratch = f->stamp; /* the kept line's stamp must not move the year */
	struct logline old = { 0 }; /* native: it has a syslog header */
	if (!f->again.n || !syslog_read(&scratch, buf_sv(&f->again), &old) || !sv_eq(old.host, said->host))
		return false;
	if (said->program.n && (!sv_eq(old.program, said->program) || old.pid != said->pid)) /* older syslogds say whose line it was */
		return false;
	old.time_us = said->time_us;
	old.utc_offset_s = said->utc_offset_s;
	*l = old;
	return true;
}

bool feed_native(struct feed *f, const struct mta *m, struct sv line, struct logline *l)
{
	struct native n = { &f->stamp, &f->heading };
	if (!m->native || (f->mta && f->mta != m && !m->filter && !m->accompanies))
		return false;
	*l = (struct logline){ .raw = line, .pid = RECORD_UNSET, .program = SV("") };
	if ((l->number = m->native(&n, line, l)) < 0)
		return false;
	l->native = f->native = m;
	l->heading = buf_sv(&f->heading);
	if (!l->host.n)
		l->host = f->host;
	return true;
}

/* Is it a line of a log that some server writes itself? The one that wrote the line before is asked first. */
static bool native_line(struct feed *f, struct sv line, struct logline *l)
{
	const struct mta *last = f->native;
	struct stamp kept = f->stamp; /* to ask is not to read: a stamp that is not believed is counted once */
	if (last && feed_native(f, last, line, l))
		return true;
	for (const struct mta *const *m = mta_registry; *m; m++)
		if (*m != last && feed_native(f, *m, line, l))
			return true;
	f->stamp = kept;
	return false;
}

/* Lines of syslog begin with a priority, a month's name, or a stamp with a 'T' between day and hour. */
static bool may_be_native(const struct feed *f, struct sv line)
{
	if (!line.n || line.p[0] == '<')
		return false;
	if (f->native || (f->mta && f->mta->native))
		return true;
	return line.p[0] < 'A' || line.p[0] > 'Z' || (line.n > 16 && line.p[3] != ' ');
}

void feed_prime(struct feed *f, struct sv head)
{
	struct stamp kept = f->stamp;
	struct logline l;
	if (sv_starts(head, SV("\xef\xbb\xbf")))
		head = sv_skip(head, 3);
	for (ptrdiff_t end; head.n && head.p[0] == '#' && (end = sv_chr(head, '\n')) >= 0; head = sv_skip(head, (size_t)end + 1)) {
		struct sv line = sv_take(head, (size_t)end - (end && head.p[end - 1] == '\r'));
		(void)native_line(f, line, &l);
	}
	f->stamp = kept;
}

void feed_next_file(struct feed *f)
{
	frame_begin(&f->frame);
	buf_clear(&f->heading);
	f->native = NULL;
	f->own_alike = false;
}

/* Where the host would stand is a process of the server: "imap-login:", "sogod [7]:". */
static bool is_process(const struct logline *l)
{
	return l->host.n && (l->host.p[l->host.n - 1] == ':' || (!l->program.n && l->pid != RECORD_UNSET));
}

static bool process_line(struct feed *f, struct sv line, struct logline *l)
{
	struct logline kept = *l;
	if (native_line(f, line, l))
		return true;
	*l = kept;
	return false;
}

static bool no_stamp(struct feed *f, struct sv line)
{
	if (!f->bad_stamps++) {
		f->bad_line = f->frame.lines;
		f->bad_text_n = line.n < sizeof f->bad_text ? line.n : sizeof f->bad_text;
		memcpy(f->bad_text, line.p, f->bad_text_n);
	}
	return false;
}

bool feed_line(struct feed *f, struct sv line, struct logline *l, unsigned *ret_times)
{
	bool is_again;
	*ret_times = 1;
	f->own_alike = false;
	if (line.n && framing_may_wrap(line) && !framing_unwrap(f->unwrapped, f->host, &line))
		return no_stamp(f, line);
	if (may_be_native(f, line) && native_line(f, line, l))
		return true;
	l->native = NULL;
	struct sv bare;
	if (!syslog_read(&f->stamp, line, l) && !(framing_counted(line, &bare) && syslog_read(&f->stamp, line = bare, l)))
		return line.n > 0 && no_stamp(f, line);
	if (is_process(l) && process_line(f, line, l))
		return true;
	if (!l->host.n && l->program.n)
		l->host = f->host;
	*ret_times = syslog_repeats(l, &is_again);
	if (is_again) {
		struct logline said = *l;
		if (!again(f, &said, l) && said.program.n)
			*ret_times = 1;
		return true;
	}
	f->last = line;
	feed_block_ends(f);
	return true;
}
