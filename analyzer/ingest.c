#include "analyzer/ingest.h"

#include <stdlib.h>

#include "analyzer/ahead.h"
#include "analyzer/asked.h"
#include "analyzer/listing.h"
#include "lib/jsonw.h"
#include "lib/msg.h"

void ingest_source_end(struct ingest_source *src)
{
	if (src->input)
		src->input->users--;
	src->input = NULL;
}

static int on_hello(struct ingest *in, struct ingest_source *src, struct sv payload, struct buf *reply, struct err *e)
{
	struct sv name;
	if (obs_get_hello(payload, &name, e) < 0)
		return -1;
	ingest_source_end(src);
	src->input = store_input(in->store, name);
	src->input->users++;
	/* What another connection of this source sent and was not committed yet is applied in memory: commit it first, so
	 * that position and memory agree. */
	if (ingest_commit(in, e) < 0)
		return -1;
	struct obs_resume r = { src->input->applied_seq, buf_sv(&src->input->snapshot) };
	obs_put_resume(reply, &r);
	return 0;
}

/* When the machine's clock stood far ahead as something was last heard, and was set right since, lines were believed for being near the clock of then. */
static void follow_clock(struct ingest *in)
{
	struct store *s = in->store;
	int64_t wall_us = in->heard_us = in->wall_us ? in->wall_us() : 0;
	if (!wall_us)
		return;
	if (s->heard_us > wall_us + CLOCK_BACK_US) {
		in->behind_from_us = in->behind_from_us ? in->behind_from_us : wall_us;
		if (wall_us - in->behind_from_us < CLOCK_WAIT_US || wall_us < CLOCK_LEAST_US)
			return;
		msg_warn("the clock was put back by %lld day%s: what was heard of later than now counts as of now", (long long)((s->heard_us - wall_us) / US_PER_DAY),
		         (s->heard_us - wall_us) / US_PER_DAY == 1 ? "" : "s");
		judge_put_back(in->judge, wall_us);
		store_put_back(s, wall_us);
		in->put_back = true;
		in->pending++;
	}
	in->behind_from_us = 0;
	s->heard_us = wall_us;
}

/* The time of an event: reports of before the clock was put back may still be under way. */
static int64_t time_of(const struct ingest *in, int64_t at_us)
{
	return in->put_back && at_us > in->heard_us + US_PER_DAY ? in->heard_us : at_us;
}

static int on_txn(struct ingest *in, struct store_input *input, struct txn *t, struct err *e)
{
	if (t->seq && t->seq <= input->applied_seq)
		return 0; /* applied before the collector was restarted */
	t->at_us = time_of(in, t->at_us);
	if (in->before)
		in->before(in, t->at_us);
	judge_txn(in->judge, t);
	if (t->seq)
		input->applied_seq = t->seq;
	if (t->at_us > input->last_event_us)
		input->last_event_us = t->at_us;
	return in->judge_only ? 0 : archive_add(in->store->archive, t, e);
}

static int on_record(struct ingest *in, struct store_input *input, struct sv payload, struct err *e)
{
	struct obs_record r;
	if (obs_get_record(payload, &r, e) < 0)
		return -1;
	if (r.seq <= input->applied_seq)
		return 0;
	r.record.time_us = time_of(in, r.record.time_us);
	if (in->before)
		in->before(in, r.record.time_us);
	judge_record(in->judge, &r.record, r.line);
	input->applied_seq = r.seq;
	if (r.record.time_us > input->last_event_us)
		input->last_event_us = r.record.time_us;
	return 0;
}

static int on_session(struct ingest *in, struct store_input *input, struct sv payload, struct err *e)
{
	struct smtp_session s;
	arena_reset(&in->arena);
	if (obs_get_session(payload, &in->arena, &s, e) < 0)
		return -1;
	if (s.seq <= input->applied_seq)
		return 0;
	s.last_us = time_of(in, s.last_us);
	judge_session(in->judge, &s);
	input->applied_seq = s.seq;
	if (s.last_us > input->last_event_us)
		input->last_event_us = s.last_us;
	return 0;
}

static void put_total(void *ctx, struct sv name, uint64_t value)
{
	jsonw_field_int(ctx, name, (int64_t)(value & INT64_MAX));
}

static int on_capture(struct store_input *input, struct sv payload, struct err *e)
{
	struct sv path;
	struct buf text = { 0 };
	buf_addc(&text, '{');
	int bad = obs_get_capture(payload, put_total, &text, &path, e);
	jsonw_field_bool(&text, SV("capture"), true);
	buf_addc(&text, '}');
	if (!bad) {
		buf_clear(&input->counters);
		buf_addsv(&input->counters, buf_sv(&text));
		free(input->path);
		input->path = xsvdup(path);
	}
	buf_fini(&text);
	return bad;
}

static int on_snapshot(struct store_input *input, struct sv payload, struct err *e)
{
	uint64_t seq;
	struct sv blob;
	if (obs_get_snapshot(payload, &seq, &blob, e) < 0)
		return -1;
	buf_clear(&input->snapshot);
	buf_addsv(&input->snapshot, blob);
	input->has_snapshot = true;
	return 0;
}

static int on_counters(struct store_input *input, struct sv payload, struct err *e)
{
	struct obs_counters c;
	if (obs_get_counters(payload, &c, e) < 0)
		return -1;
	buf_clear(&input->counters);
	buf_addc(&input->counters, '{');
#define C(name) jsonw_field_int(&input->counters, SV(#name), (int64_t)c.name);
	OBS_COUNTERS_LIST(C)
#undef C
	buf_addc(&input->counters, '}');
	free(input->path);
	input->path = xsvdup(c.path);
	return 0;
}

/* Its log is gone. When it comes back it is a new one. */
static int on_gone(struct ingest *in, struct ingest_source *src, struct buf *reply, struct err *e)
{
	struct obs_resume nothing = { 0 };
	store_input_gone(src->input);
	ingest_source_end(src);
	if (ingest_commit(in, e) < 0)
		return -1;
	obs_put_resume(reply, &nothing);
	return 0;
}

/* An answer of tomorrow would make every answer until then an old one. */
static bool is_of_the_future(const struct ingest *in, int64_t time_us)
{
	if (!in->wall_us)
		return false;
	int64_t wall_us = in->wall_us();
	listing_clock(in->judge, wall_us);
	return time_us > wall_us + LISTING_AHEAD_US;
}

/* No seq: what was heard before changes nothing. */
static int on_listing(struct ingest *in, struct sv payload, struct err *e)
{
	struct obs_listing l;
	if (obs_get_listing(payload, &l, e) < 0)
		return -1;
	if (!is_of_the_future(in, l.time_us))
		ingest_listing(in, &l);
	return 0;
}

void ingest_listing(struct ingest *in, const struct obs_listing *l)
{
	if (l->cause == OBS_LISTING_ASKED)
		asked_answer(in->judge, l);
	else
		listing_answer(in->judge, l);
}

static int on_zone(struct ingest *in, struct sv payload, struct err *e)
{
	struct obs_zone z;
	if (obs_get_zone(payload, &z, e) < 0)
		return -1;
	if (!is_of_the_future(in, z.time_us))
		listing_zone_said(in->judge, &z);
	return 0;
}

/* txn: what is in the payload, of a frame that holds a message. */
static int take_frame(struct ingest *in, struct ingest_source *src, enum obs_type type, struct sv payload, struct txn *txn, struct buf *reply, struct err *e)
{
	struct obs_shape shape;
	if (type == OBS_HELLO)
		return on_hello(in, src, payload, reply, e);
	if (!src->input)
		return err_set(e, "a collector must say its source first");
	in->pending += payload.n + OBS_HEADER_BYTES;
	src->input->dirty = true;
	src->settled = type == OBS_SNAPSHOT || (src->settled && type != OBS_TXN && type != OBS_RECORD && type != OBS_SESSION);
	src->input->heard_us = in->behind_from_us ? in->store->heard_us : in->heard_us;
	switch (type) {
	case OBS_TXN: return on_txn(in, src->input, txn, e);
	case OBS_RECORD: return on_record(in, src->input, payload, e);
	case OBS_SESSION: return on_session(in, src->input, payload, e);
	case OBS_CAPTURE: return on_capture(src->input, payload, e);
	case OBS_SNAPSHOT: return on_snapshot(src->input, payload, e);
	case OBS_COUNTERS: return on_counters(src->input, payload, e);
	case OBS_SHAPE:
		if (obs_get_shape(payload, &shape, e) < 0)
			return -1;
		store_input_shape(src->input, &shape);
		return 0;
	case OBS_LISTING: return on_listing(in, payload, e);
	case OBS_ZONE: return on_zone(in, payload, e);
	case OBS_IDLE: return 0;
	case OBS_BYE: src->bye = true; return 0;
	case OBS_GONE: return on_gone(in, src, reply, e);
	default: return err_set(e, "unexpected frame of type %d", (int)type);
	}
}

struct waiting { enum obs_type type; struct sv payload; struct txn txn; };

/* The frames at the front of bytes, as many as may wait. The one that is broken (-1 and e if it is the first) comes last, the next time. */
static int look_ahead(struct ingest *in, struct sv bytes, struct waiting *w, size_t *ret_used, struct err *e)
{
	int n = 0;
	*ret_used = 0;
	arena_reset(&in->ahead);
	while (n < AHEAD_MESSAGES) {
		size_t used;
		int got = obs_next(sv_skip(bytes, *ret_used), &w[n].type, &w[n].payload, &used, e);
		if (got > 0 && w[n].type == OBS_TXN)
			got = txn_decode(w[n].payload, &in->ahead, &w[n].txn, e) < 0 ? -1 : 1;
		if (got <= 0)
			return n ? n : got;
		if (w[n].type == OBS_TXN)
			ahead_message(in->judge, &w[n].txn);
		*ret_used += used;
		n++;
	}
	return n;
}

int ingest_bytes(struct ingest *in, struct ingest_source *src, struct sv bytes, size_t *ret_used, struct buf *reply, struct err *e)
{
	struct waiting w[AHEAD_MESSAGES];
	size_t used;
	int n;
	*ret_used = 0;
	follow_clock(in);
	while ((n = look_ahead(in, sv_skip(bytes, *ret_used), w, &used, e)) > 0) {
		for (int i = 0; i < n; i++)
			if (w[i].type == OBS_TXN)
				ahead_owner(in->judge, &w[i].txn);
		for (int i = 0; i < n; i++)
			if (w[i].type == OBS_TXN)
				ahead_principal(in->judge, &w[i].txn);
		for (int i = 0; i < n; i++)
			if (take_frame(in, src, w[i].type, w[i].payload, &w[i].txn, reply, e) < 0)
				return -1;
		*ret_used += used;
	}
	return n;
}

int ingest_commit(struct ingest *in, struct err *e)
{
	if (!in->pending)
		return 0;
	if (store_commit(in->store, in->judge, e) < 0)
		return -1;
	in->pending = 0;
	return 0;
}

void ingest_fini(struct ingest *in)
{
	arena_fini(&in->arena);
	arena_fini(&in->ahead);
}
