#include "collector/pipeline.h"

#include <stdlib.h>

#include "collector/framing.h"
#include "collector/put_off.h"
#include "lib/near.h"
#include "lib/times.h"
#include "collector/twins.h"
#include "lib/wire.h"

#define PROGRAMS 256u /* remembered names; direct mapped by the upper eight bits of a hash */
#define PROGRAM_BYTES 62
#define TAG_MAX 64 /* how far the '[' of "program[pid]" is looked for */

struct known_program {
	uint64_t begin, end; /* of the name: its first and its last eight bytes (none where it has no more than eight) */
	uint8_t n;           /* its length and one */
	char name[PROGRAM_BYTES];
	int number;
	const struct mta *mta;
};

struct pipeline {
	struct pipeline_options o;
	struct pipeline_sink sink;
	struct correlate *correlate;
	struct sessions *sessions; /* made by the first line that needs them */
	struct known_program program[PROGRAMS];
	struct shapes shapes;
	struct twins twins;
	uint64_t recognised, unrecognised, foreign;
	bool quick; /* only the correlator listens */
	struct record hot;          /* of the quick readings */
	const struct mta *hot_of;   /* whose reading left it */
	struct logline hot_line;    /* of quick_line(), which sets what a line with a syslog header has */
};

static void give_txn(void *ctx, const struct txn *t)
{
	struct pipeline *p = ctx;
	if (p->sink.txn)
		p->sink.txn(p->sink.ctx, t);
}

static void give_fact(void *ctx, uint64_t seq, const struct record *r, struct sv line)
{
	struct pipeline *p = ctx;
	if (p->sink.fact)
		p->sink.fact(p->sink.ctx, seq, r, line);
}

struct pipeline *pipeline_new(const struct pipeline_options *o, const struct pipeline_sink *sink)
{
	struct pipeline *p = xcalloc(1, sizeof *p);
	p->o = *o;
	p->sink = *sink;
	struct correlate_sink s = { p, give_txn, give_fact };
	if (o->correlate)
		p->correlate = correlate_new(&s, o->max_open_bytes, o->final_only);
	if (p->correlate && o->fold_after_us)
		correlate_fold_after(p->correlate, o->fold_after_us);
	p->quick = o->correlate && !sink->record && !sink->line;
	return p;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	correlate_free(p->correlate);
	session_table_free(p->sessions);
	shapes_fini(&p->shapes);
	free(p);
}

const struct mta *mta_named(struct sv name)
{
	for (const struct mta *const *m = mta_registry; *m; m++)
		if (sv_eq(name, sv_cstr((*m)->name)))
			return *m;
	return NULL;
}

static void find_format(const struct pipeline *p, struct sv name, struct known_program *k)
{
	k->mta = NULL;
	for (const struct mta *const *m = mta_registry; *m && !k->mta; m++) /* filters may bear the server's name, too: "postfix/postgrey" */
		if ((*m)->filter && (k->number = (*m)->program(name)) >= 0)
			k->mta = *m;
	for (const struct mta *const *m = mta_registry; *m && !k->mta; m++)
		if ((!p->o.mta || p->o.mta == *m) && (k->number = (*m)->program(name)) >= 0)
			k->mta = *m;
	for (const struct mta *const *m = mta_registry; *m && !k->mta; m++)
		if ((*m)->accompanies && (k->number = (*m)->program(name)) >= 0)
			k->mta = *m;
}

static __attribute__((noinline)) const struct known_program *learn_program(const struct pipeline *p, struct sv name, uint64_t begin, uint64_t end, struct known_program *k)
{
	*k = (struct known_program){ .begin = begin, .end = end, .n = (uint8_t)(name.n + 1) };
	memcpy(k->name, name.p, name.n);
	find_format(p, name, k);
	return k;
}

/* The format and number of a program; asked of the formats once per name. */
static inline __attribute__((always_inline)) const struct known_program *program_of(struct pipeline *p, struct sv name)
{
	if (name.n > PROGRAM_BYTES)
		name.n = PROGRAM_BYTES;
	uint64_t begin = 0, end = 0; /* names differ at their ends, the long ones also where they begin */
	if (name.n > 8) {
		memcpy(&begin, name.p, 8);
		memcpy(&end, name.p + name.n - 8, 8);
	} else {
		near_copy((char *)&begin, name.p, name.n);
	}
	uint64_t h = (begin * 0x9e3779b97f4a7c15u ^ end ^ name.n) * 0xd6e8feb86659fd93u;
	struct known_program *k = &p->program[h >> 56];
	if (k->n == name.n + 1 && k->begin == begin && k->end == end && (name.n <= 16 || near_same(k->name + 8, name.p + 8, name.n - 16)))
		return k;
	return learn_program(p, name, begin, end, k);
}

static void unrecognised(struct pipeline *p, const struct logline *l)
{
	p->unrecognised++;
	if (p->sink.unrecognised)
		p->sink.unrecognised(p->sink.ctx, l);
	(void)shapes_add(&p->shapes, l->program, l->text, false);
}

static void take_record(struct pipeline *p, const struct mta *mta, const struct logline *l, const struct record *stated)
{
	struct record filled;
	const struct record *r = stated;
	if (stated->session.p) {
		if (!p->sessions)
			p->sessions = session_table_new();
		filled = *stated;
		session_table_apply(p->sessions, &filled);
		session_table_login(p->sessions, &filled);
		r = &filled;
	}
	if (stated->local_port && (p->sessions || stated->kind == RECORD_OTHER)) {
		if (!p->sessions)
			p->sessions = session_table_new();
		filled = *r;
		session_table_local(p->sessions, &filled);
		r = &filled;
	}
	if (p->sink.record)
		p->sink.record(p->sink.ctx, r, l);
	if (!p->correlate)
		return;
	if (r->put_off && (r->kind == RECORD_WARNING || !r->client_ip.p)) {
		if (!p->sessions)
			p->sessions = session_table_new();
		put_off_keep(p->sessions, r);
		return;
	}
	int64_t refused = r->tells_client && p->sessions ? put_off_tell(p->sessions, p->correlate, r, l->raw, mta->keeps_removed) : 0;
	if (refused == PUT_OFF_CUT)
		return;
	if (refused && r->counts_refused && r->nrcpt >= refused) {
		filled = *r;
		filled.nrcpt -= refused;
		r = &filled;
	}
	correlate_record(p->correlate, r, l->raw, mta->keeps_removed);
}

static void head_of(const struct logline *l, const struct mta *mta, struct record *r)
{
	r->time_us = l->time_us, r->utc_offset_s = l->utc_offset_s;
	r->host = l->host, r->program = l->program, r->pid = l->pid, r->mta = mta->name;
}

/* A record, and those of the line's other recipients. */
static void take_records(struct pipeline *p, const struct mta *mta, int number, const struct logline *l, struct record *r)
{
	take_record(p, mta, l, r);
	while (mta->next && mta->next(number, l, r))
		take_record(p, mta, l, r);
}

/* The usual lines of a busy log, where only the correlator listens. False: parse() must decide; nothing was done then. */
static inline bool take_hot(struct pipeline *p, const struct mta *mta, int number, const struct logline *l)
{
	if (p->hot_of != mta) {
		record_clear(&p->hot);
		p->hot_of = mta;
	}
	enum mta_hot hot = mta->hot(number, l, &p->hot);
	if (hot == HOT_NO)
		return false;
	p->recognised++;
	correlate_advance(p->correlate, l->time_us);
	if (hot == HOT_NOTHING)
		return true;
	head_of(l, mta, &p->hot);
	if (!p->hot.session.p && !mta->next)
		correlate_record(p->correlate, &p->hot, l->raw, mta->keeps_removed);
	else
		take_records(p, mta, number, l, &p->hot);
	return true;
}

static void take_format(struct pipeline *p, const struct mta *mta, int number, const struct logline *l)
{
	struct record r;
	if (p->quick && mta->hot && take_hot(p, mta, number, l))
		return;
	record_clear(&r);
	head_of(l, mta, &r);
	enum mta_result result = mta->parse(number, l, &r);
	if (p->sink.line)
		p->sink.line(p->sink.ctx, l, result != MTA_UNRECOGNISED);
	if (result == MTA_UNRECOGNISED) {
		unrecognised(p, l);
		return;
	}
	p->recognised++;
	if (result == MTA_NOTHING || (mta->twice && !l->native && twins_is_second(&p->twins, &r)))
		return;
	take_records(p, mta, number, l, &r);
}

static void take_once(struct pipeline *p, const struct logline *l)
{
	if (p->correlate)
		correlate_advance(p->correlate, l->time_us);
	if (l->native) {
		take_format(p, l->native, l->number, l);
		return;
	}
	const struct known_program *k = program_of(p, l->program);
	int renamed;
	if (k->mta)
		take_format(p, k->mta, k->number, l);
	else if (p->o.mta && p->o.mta->renamed && (renamed = p->o.mta->renamed(l->text)) >= 0)
		take_format(p, p->o.mta, renamed, l);
	else
		p->foreign++;
}

void pipeline_take(struct pipeline *p, const struct logline *l, unsigned times)
{
	while (times--)
		take_once(p, l);
}

/* -- the quick way to the text of the usual lines of a busy log -- */

/* Six digits, in microseconds; -1: others. */
static inline int32_t quick_fraction(const char *p)
{
	int32_t v = 0;
	for (unsigned i = 0; i < 6; i++) {
		unsigned d = (unsigned)(p[i] - '0');
		if (d > 9)
			return -1;
		v = v * 10 + (int32_t)d;
	}
	return v;
}

/* "Nov 24 00:00:00 host …" and "2026-11-24T00:00:00.123456+01:00 host …" whose second, zone and host are those of the line before. *t
 * moves behind the host. */
static inline bool quick_head(struct feed *f, struct sv *t, struct logline *l)
{
	struct stamp *s = &f->stamp;
	const char *p = t->p;
	size_t at = f->quick_at, n = f->quick_host_n;
	if (n == 0 || t->n < at + n + 8 || !near_same(p + at, f->quick_host, n))
		return false;
	if (at == 16) {
		if (p[15] != ' ' || ((s->memo_n != 15 || !near_same(p, s->memo, 15)) && !stamp_later_second(s, p, 15)))
			return false;
		l->time_us = s->memo_us;
		l->utc_offset_s = s->memo_offset_s;
	} else {
		int32_t us = quick_fraction(p + 20);
		if (us < 0 || p[19] != '.' || memcmp(p + 26, f->quick_zone, f->quick_zone_n) != 0)
			return false;
		if ((s->memo_n != 19 || !near_same(p, s->memo, 19)) && !stamp_later_second(s, p, 19))
			return false;
		l->time_us = (s->memo_us - f->quick_offset_s) * US_PER_S + us;
		l->utc_offset_s = f->quick_offset_s;
	}
	l->host = sv_make(p + at, n - 1);
	*t = sv_skip(*t, at + n);
	return true;
}

/* What the next line's head may be like. */
static void quick_learn(struct feed *f, const struct logline *l)
{
	f->quick_host_n = 0;
	if (l->native || !l->host.n || l->host.n + 1 > sizeof f->quick_host || l->host.p <= l->raw.p || l->host.p >= l->raw.p + l->raw.n || l->raw.p[0] == '<')
		return;
	size_t at = (size_t)(l->host.p - l->raw.p);
	const char *p = l->raw.p;
	if (at + l->host.n >= l->raw.n || p[at + l->host.n] != ' ')
		return;
	if (at == 16 ? f->stamp.memo_n != 15 : f->stamp.memo_n != 19 || at < 28 || at > 33 || p[19] != '.' || (p[26] != '+' && p[26] != '-' && p[26] != 'Z'))
		return;
	if (at != 16) {
		f->quick_zone_n = at - 26; /* with the space */
		memcpy(f->quick_zone, p + 26, f->quick_zone_n);
		f->quick_offset_s = l->utc_offset_s;
	}
	f->quick_at = at;
	memcpy(f->quick_host, l->host.p, l->host.n + 1);
	f->quick_host_n = l->host.n + 1;
}

/* "program[123]: " */
static inline bool quick_tag(struct sv *t, struct logline *l)
{
	size_t open = near_first_of(t->p, t->n < TAG_MAX ? t->n : TAG_MAX, '[', ' ', ':');
	if (open == t->n || open == TAG_MAX || t->p[open] != '[')
		return false;
	size_t n = t->n >= open + 12 ? near_number(t->p + open + 1, &l->pid) : 0;
	const char *q = t->p + open + 1 + n;
	if (!n || q[0] != ']' || q[1] != ':' || q[2] != ' ')
		return false;
	l->program = sv_make(t->p, open);
	*t = sv_skip(*t, open + n + 4);
	return true;
}

static inline bool lies_in(const struct buf *b, struct sv line)
{
	return b->p && line.p >= b->p && line.p < b->p + b->cap;
}

/* False: the line must go the long way. Nothing was done then. */
static inline bool quick_line(struct pipeline *p, struct feed *f, struct sv line, int64_t until_us)
{
	struct logline *l = &p->hot_line;
	struct sv t = line;
	if (!quick_head(f, &t, l) || l->time_us > until_us || !quick_tag(&t, l))
		return false;
	const struct known_program *k = program_of(p, l->program);
	if (!k->mta || !k->mta->hot || (t.n && t.p[0] == 'm' && t.n > 1 && t.p[1] == 'e'))
		return false;
	l->raw = line;
	l->text = t;
	if (!take_hot(p, k->mta, k->number, l))
		return false;
	f->last = line;
	if (lies_in(&f->frame.rest, line) || lies_in(&f->frame.unit, line))
		feed_block_ends(f); /* that place is used for the next line without an end */
	return true;
}

/* A line of the log that a server writes itself, as the line before was one. False: anything else. */
static inline bool quick_native(struct feed *f, struct sv line, struct logline *l)
{
	const size_t n = sizeof f->own_stamp;
	if (f->own_alike && line.n > n && near_same(line.p, f->own_stamp, n) && line.p[n] != '+' && line.p[n] != '-' && line.p[n] != '[') {
		*l = f->own;
		l->raw = line;
		l->text = sv_skip(line, n);
		return true;
	}
	f->own_alike = false;
	if (!f->native || !f->native->own_alike || !f->native->hot || !line.n || line.p[0] == '<' || framing_may_wrap(line) || !feed_native(f, f->native, line, l))
		return false;
	if (l->text.p == line.p + n && f->stamp.memo_n == n - 1) {
		memcpy(f->own_stamp, line.p, n);
		f->own = *l;
		f->own_alike = true;
	}
	return true;
}

bool pipeline_line(struct pipeline *p, struct feed *f, struct sv line, int64_t until_us, struct logline *l, unsigned *ret_times)
{
	if (p->quick && quick_native(f, line, l)) {
		*ret_times = 1;
		if (l->time_us > until_us)
			return false;
		if (!take_hot(p, l->native, l->number, l))
			take_once(p, l);
		return true;
	}
	if (p->quick && quick_line(p, f, line, until_us))
		return true;
	if (!feed_line(f, line, l, ret_times))
		return true;
	if (l->time_us > until_us)
		return false;
	quick_learn(f, l);
	pipeline_take(p, l, *ret_times);
	return true;
}

void pipeline_bytes(struct pipeline *p, struct feed *f, struct sv in)
{
	struct sv line;
	struct logline l;
	unsigned times;
	frame_feed(&f->frame, in);
	while (frame_next(&f->frame, &in, &line))
		(void)pipeline_line(p, f, line, INT64_MAX, &l, &times);
	feed_block_ends(f);
}

void pipeline_end_of_file(struct pipeline *p, struct feed *f)
{
	struct sv line;
	struct logline l;
	unsigned times;
	if (frame_last(&f->frame, &line))
		(void)pipeline_line(p, f, line, INT64_MAX, &l, &times);
	feed_block_ends(f);
}

void pipeline_idle(struct pipeline *p)
{
	if (p->correlate)
		correlate_idle(p->correlate);
}

void pipeline_end(struct pipeline *p)
{
	if (p->correlate)
		correlate_end(p->correlate);
}

void pipeline_skip_to(struct pipeline *p, uint64_t seq)
{
	if (p->correlate)
		correlate_skip_to(p->correlate, seq);
}

int64_t pipeline_now(const struct pipeline *p)
{
	return p->correlate ? correlate_now(p->correlate) : 0;
}

void pipeline_put_back(struct pipeline *p, struct feed *f, int64_t now_us)
{
	stamp_put_back(&f->stamp, now_us);
	session_table_put_back(p->sessions, now_us);
	if (p->correlate)
		correlate_put_back(p->correlate, now_us);
}

uint64_t pipeline_seq(const struct pipeline *p)
{
	return p->correlate ? correlate_seq(p->correlate) : 0;
}

struct shapes *pipeline_shapes(struct pipeline *p)
{
	return &p->shapes;
}

void pipeline_counters(const struct pipeline *p, struct obs_counters *ret)
{
	ret->recognised += p->recognised;
	ret->unrecognised += p->unrecognised;
	ret->foreign += p->foreign;
	ret->evicted += session_table_forgotten(p->sessions);
	if (p->correlate)
		correlate_counters(p->correlate, ret);
}

void pipeline_add_feed(const struct feed *f, struct obs_counters *ret)
{
	ret->lines += f->frame.lines;
	ret->bytes += f->frame.bytes;
	ret->cut_lines += f->frame.cut_lines;
	ret->nul_bytes += f->frame.nul_bytes;
	ret->bad_utf8 += f->frame.bad_utf8;
	ret->bad_stamps += f->bad_stamps;
	ret->future_stamps += f->stamp.future;
}

void pipeline_save(const struct pipeline *p, struct buf *out)
{
	wire_put_u(out, p->recognised);
	wire_put_u(out, p->unrecognised);
	wire_put_u(out, p->foreign);
	shapes_save(&p->shapes, out);
	twins_save(&p->twins, out);
	session_table_save(p->sessions, out);
	correlate_save(p->correlate, out);
	session_table_save_granted(p->sessions, out);
	correlate_save_early(p->correlate, out);
}

int pipeline_load(struct pipeline *p, struct wire *w)
{
	p->recognised = wire_get_u(w);
	p->unrecognised = wire_get_u(w);
	p->foreign = wire_get_u(w);
	if (shapes_load(&p->shapes, w) < 0)
		return -1;
	twins_load(&p->twins, w);
	p->sessions = session_table_new();
	if (session_table_load(p->sessions, w) < 0)
		return -1;
	if (correlate_load(p->correlate, w) < 0)
		return -1;
	if (w->p == w->end) /* of before there was more */
		return 0;
	if (session_table_load_granted(p->sessions, w) < 0)
		return -1;
	return w->p == w->end ? 0 : correlate_load_early(p->correlate, w);
}
