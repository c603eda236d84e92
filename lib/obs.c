#include "lib/obs.h"

#include "lib/dnsbl.h"
#include "lib/smtp_session.h"

#include "lib/wire.h"

/* A frame's header is written first and its length filled in when the payload stands. */
static size_t frame_begin(struct buf *out, enum obs_type type)
{
	char head[OBS_HEADER_BYTES] = { 0, 0, 0, 0, (char)type };
	size_t at = out->n;
	buf_add(out, head, sizeof head);
	return at;
}

static void frame_end(struct buf *out, size_t at)
{
	uint32_t n = (uint32_t)(out->n - at - OBS_HEADER_BYTES);
	for (unsigned i = 0; i < 4; i++)
		out->p[at + i] = (char)(n >> 8 * i);
}

void obs_put_hello(struct buf *out, struct sv source)
{
	size_t at = frame_begin(out, OBS_HELLO);
	wire_put_sv(out, source);
	frame_end(out, at);
}

void obs_put_resume(struct buf *out, const struct obs_resume *r)
{
	size_t at = frame_begin(out, OBS_RESUME);
	wire_put_u(out, r->applied_seq);
	wire_put_sv(out, r->snapshot);
	frame_end(out, at);
}

void obs_put_txn(struct buf *out, const struct txn *t)
{
	size_t at = frame_begin(out, OBS_TXN);
	txn_encode(t, out);
	frame_end(out, at);
}

/* Only the fields that stand travel: a bit mask in list order, then their values. */
static uint64_t record_mask(const struct record *r)
{
	uint64_t mask = 0, bit = 1;
#define R_SV(f) r->f.p != NULL
#define R_IP(f) R_SV(f)
#define R_DEC(f) R_SV(f)
#define R_INT(f) r->f != RECORD_UNSET
#define R(name, type)          \
	if (R_##type(name))    \
		mask |= bit;   \
	bit <<= 1;
#include "lib/record_fields.def"
#undef R
#undef R_SV
#undef R_IP
#undef R_DEC
#undef R_INT
	return mask;
}

static void record_put(struct buf *out, const struct record *r)
{
	wire_put_i(out, r->time_us);
	wire_put_i(out, r->utc_offset_s);
	wire_put_i(out, r->pid);
	wire_put_sv(out, r->host);
	wire_put_sv(out, r->program);
	/* with its NUL, so that the reader can borrow it as a C string */
	wire_put_sv(out, r->mta ? sv_make(r->mta, strlen(r->mta) + 1) : (struct sv){ 0 });
	wire_put_u(out, r->kind);
	uint64_t mask = record_mask(r), bit = 1;
	wire_put_u(out, mask);
#define R_SV(f) wire_put_sv(out, r->f)
#define R_IP(f) R_SV(f)
#define R_DEC(f) R_SV(f)
#define R_INT(f) wire_put_i(out, r->f)
#define R(name, type)         \
	if (mask & bit)       \
		R_##type(name); \
	bit <<= 1;
#include "lib/record_fields.def"
#undef R
#undef R_SV
#undef R_IP
#undef R_DEC
#undef R_INT
	wire_put_u(out, r->has_counts);
	if (!r->has_counts)
		return;
#define C(name) wire_put_i(out, r->counts.name);
	RECORD_COUNTS(C)
#undef C
}

void obs_put_record(struct buf *out, uint64_t seq, const struct record *r, struct sv line)
{
	char room[TXN_LINE_BYTES];
	size_t at = frame_begin(out, OBS_RECORD);
	wire_put_u(out, seq);
	record_put(out, r);
	wire_put_sv(out, txn_line(line, room));
	frame_end(out, at);
}

void obs_put_snapshot(struct buf *out, uint64_t seq, struct sv blob)
{
	size_t at = frame_begin(out, OBS_SNAPSHOT);
	wire_put_u(out, seq);
	wire_put_sv(out, blob);
	frame_end(out, at);
}

void obs_put_counters(struct buf *out, const struct obs_counters *c)
{
	size_t at = frame_begin(out, OBS_COUNTERS);
#define C(name) wire_put_u(out, c->name);
	OBS_COUNTERS_LIST(C)
#undef C
	wire_put_sv(out, c->path);
	frame_end(out, at);
}

void obs_put_shape(struct buf *out, const struct obs_shape *s)
{
	size_t at = frame_begin(out, OBS_SHAPE);
	wire_put_sv(out, s->program);
	wire_put_sv(out, s->shape);
	wire_put_sv(out, s->sample);
	wire_put_u(out, s->lines);
	wire_put_sv(out, s->was);
	frame_end(out, at);
}

void obs_put_listing(struct buf *out, const struct obs_listing *l)
{
	size_t at = frame_begin(out, OBS_LISTING);
	wire_put_i(out, l->time_us);
	wire_put_sv(out, l->target);
	wire_put_sv(out, l->zone);
	wire_put_u(out, l->verdict);
	wire_put_u(out, l->kind);
	wire_put_u(out, l->cause);
	wire_put_u(out, l->code);
	wire_put_i(out, l->points);
	wire_put_sv(out, l->meaning);
	wire_put_sv(out, sv_take(l->text, OBS_LISTING_TEXT));
	frame_end(out, at);
}

void obs_put_zone(struct buf *out, const struct obs_zone *z)
{
	size_t at = frame_begin(out, OBS_ZONE);
	wire_put_i(out, z->time_us);
	wire_put_sv(out, z->zone);
	wire_put_u(out, z->verdict);
	wire_put_sv(out, z->reason);
	frame_end(out, at);
}

void obs_put_ask(struct buf *out, struct sv target)
{
	size_t at = frame_begin(out, OBS_ASK);
	wire_put_sv(out, target);
	frame_end(out, at);
}

void obs_put_session(struct buf *out, const struct smtp_session *s)
{
	size_t at = frame_begin(out, OBS_SESSION);
	smtp_session_encode(s, out);
	frame_end(out, at);
}

void obs_put_capture(struct buf *out, const char *const *names, const uint64_t *values, size_t n, struct sv path)
{
	size_t at = frame_begin(out, OBS_CAPTURE);
	wire_put_sv(out, path);
	wire_put_u(out, n);
	for (size_t i = 0; i < n; i++) {
		wire_put_sv(out, sv_cstr(names[i]));
		wire_put_u(out, values[i]);
	}
	frame_end(out, at);
}

void obs_put_empty(struct buf *out, enum obs_type type)
{
	frame_end(out, frame_begin(out, type));
}

int obs_next(struct sv in, enum obs_type *ret_type, struct sv *ret_payload, size_t *ret_used, struct err *e)
{
	if (in.n < OBS_HEADER_BYTES)
		return 0;
	uint32_t n = 0;
	for (unsigned i = 0; i < 4; i++)
		n |= (uint32_t)(uint8_t)in.p[i] << 8 * i;
	unsigned type = (uint8_t)in.p[4];
	if (type < OBS_HELLO || type >= OBS_TYPES || n > OBS_FRAME_MAX)
		return err_set(e, "a frame of type %u and %u bytes is none of ours", type, n);
	if (in.n - OBS_HEADER_BYTES < n)
		return 0;
	*ret_type = (enum obs_type)type;
	*ret_payload = sv_make(in.p + OBS_HEADER_BYTES, n);
	*ret_used = OBS_HEADER_BYTES + (size_t)n;
	return 1;
}

static int get_end(const struct wire *w, const char *what, struct err *e)
{
	if (w->bad || w->p != w->end)
		return err_set(e, "a %s frame does not decode", what);
	return 0;
}

int obs_get_session(struct sv payload, struct arena *a, struct smtp_session *ret, struct err *e)
{
	return smtp_session_decode(payload, a, ret, e);
}

int obs_get_capture(struct sv payload, void (*each)(void *ctx, struct sv name, uint64_t value), void *ctx, struct sv *ret_path, struct err *e)
{
	struct wire w = wire_of(payload);
	*ret_path = wire_get_sv(&w);
	uint64_t n = wire_get_u(&w);
	for (uint64_t i = 0; i < n && !w.bad; i++) {
		struct sv name = wire_get_sv(&w);
		uint64_t value = wire_get_u(&w);
		bool word = name.n && name.n <= 40;
		for (size_t k = 0; word && k < name.n; k++)
			word = (name.p[k] >= 'a' && name.p[k] <= 'z') || name.p[k] == '_';
		if (!word)
			wire_spoil(&w);
		else
			each(ctx, name, value);
	}
	return get_end(&w, "CAPTURE", e);
}

int obs_get_hello(struct sv payload, struct sv *ret_source, struct err *e)
{
	struct wire w = wire_of(payload);
	*ret_source = wire_get_sv(&w);
	return get_end(&w, "HELLO", e);
}

int obs_get_resume(struct sv payload, struct obs_resume *ret, struct err *e)
{
	struct wire w = wire_of(payload);
	ret->applied_seq = wire_get_u(&w);
	ret->snapshot = wire_get_sv(&w);
	return get_end(&w, "RESUME", e);
}

static void record_get(struct wire *w, struct record *r)
{
	record_clear(r);
	r->time_us = wire_get_i(w);
	r->utc_offset_s = (int32_t)wire_get_i(w);
	r->pid = wire_get_i(w);
	r->host = wire_get_sv(w);
	r->program = wire_get_sv(w);
	struct sv mta = wire_get_sv(w);
	uint64_t kind = wire_get_u(w);
	if (kind >= RECORD_KIND_COUNT || (mta.n && mta.p[mta.n - 1]))
		wire_spoil(w);
	r->mta = mta.n ? mta.p : NULL;
	r->kind = (enum record_kind)kind;
	uint64_t mask = wire_get_u(w), bit = 1;
#define R_SV(f) r->f = wire_get_sv(w)
#define R_IP(f) R_SV(f)
#define R_DEC(f) R_SV(f)
#define R_INT(f) r->f = wire_get_i(w)
#define R(name, type)           \
	if (mask & bit)         \
		R_##type(name); \
	bit <<= 1;
#include "lib/record_fields.def"
#undef R
#undef R_SV
#undef R_IP
#undef R_DEC
#undef R_INT
	r->has_counts = wire_get_u(w) != 0;
	if (!r->has_counts)
		return;
#define C(name) r->counts.name = (int32_t)wire_get_i(w);
	RECORD_COUNTS(C)
#undef C
}

int obs_get_record(struct sv payload, struct obs_record *ret, struct err *e)
{
	struct wire w = wire_of(payload);
	ret->seq = wire_get_u(&w);
	record_get(&w, &ret->record);
	ret->line = wire_get_sv(&w);
	if (w.bad)
		ret->record.kind = RECORD_OTHER;
	return get_end(&w, "RECORD", e);
}

int obs_get_snapshot(struct sv payload, uint64_t *ret_seq, struct sv *ret_blob, struct err *e)
{
	struct wire w = wire_of(payload);
	*ret_seq = wire_get_u(&w);
	*ret_blob = wire_get_sv(&w);
	return get_end(&w, "SNAPSHOT", e);
}

int obs_get_counters(struct sv payload, struct obs_counters *ret, struct err *e)
{
	struct wire w = wire_of(payload);
#define C(name) ret->name = wire_get_u(&w);
	OBS_COUNTERS_LIST(C)
#undef C
	ret->path = wire_get_sv(&w);
	return get_end(&w, "COUNTERS", e);
}

int obs_get_shape(struct sv payload, struct obs_shape *ret, struct err *e)
{
	struct wire w = wire_of(payload);
	ret->program = wire_get_sv(&w);
	ret->shape = wire_get_sv(&w);
	ret->sample = wire_get_sv(&w);
	ret->lines = wire_get_u(&w);
	ret->was = wire_get_sv(&w);
	return get_end(&w, "SHAPE", e);
}

static uint8_t get_below(struct wire *w, uint64_t limit)
{
	uint64_t v = wire_get_u(w);
	if (v >= limit)
		wire_spoil(w);
	return w->bad ? 0 : (uint8_t)v;
}

int obs_get_listing(struct sv payload, struct obs_listing *ret, struct err *e)
{
	struct wire w = wire_of(payload);
	ret->time_us = wire_get_i(&w);
	ret->target = wire_get_sv(&w);
	ret->zone = wire_get_sv(&w);
	ret->verdict = get_below(&w, DNSBL_VERDICTS);
	ret->kind = get_below(&w, DNSBL_KINDS);
	ret->cause = get_below(&w, OBS_LISTING_CAUSES);
	ret->code = (uint32_t)wire_get_u(&w);
	ret->points = (int32_t)wire_get_i(&w);
	ret->meaning = wire_get_sv(&w);
	ret->text = wire_get_sv(&w);
	if (!ret->target.n || !ret->zone.n || ret->points < 0 || ret->points > 100)
		wire_spoil(&w);
	return get_end(&w, "LISTING", e);
}

int obs_get_zone(struct sv payload, struct obs_zone *ret, struct err *e)
{
	struct wire w = wire_of(payload);
	ret->time_us = wire_get_i(&w);
	ret->zone = wire_get_sv(&w);
	ret->verdict = get_below(&w, DNSBL_VERDICTS);
	ret->reason = wire_get_sv(&w);
	if (!ret->zone.n)
		wire_spoil(&w);
	return get_end(&w, "ZONE", e);
}

int obs_get_ask(struct sv payload, struct sv *ret_target, struct err *e)
{
	struct wire w = wire_of(payload);
	*ret_target = wire_get_sv(&w);
	return get_end(&w, "ASK", e);
}
