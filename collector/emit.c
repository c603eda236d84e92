#include "collector/emit.h"

#include "lib/msg.h"

static void on_txn(void *ctx, const struct txn *t)
{
	struct emit *e = ctx;
	obs_put_txn(&e->out, t);
}

static void on_fact(void *ctx, uint64_t seq, const struct record *r, struct sv line)
{
	struct emit *e = ctx;
	obs_put_record(&e->out, seq, r, line);
}

struct pipeline_sink emit_sink(struct emit *e)
{
	return (struct pipeline_sink){ .ctx = e, .txn = on_txn, .fact = on_fact };
}

static void shapes(struct emit *e, struct shapes *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct shape *v = &all->v[i];
		bool other = v->told && strcmp(v->text, v->told_text) != 0;
		if (v->told && !other && v->lines < v->told + v->told / 8 + 1)
			continue;
		struct obs_shape s = { sv_cstr(v->program), sv_cstr(v->text), sv_make(v->sample, v->sample_n), v->lines, other ? sv_cstr(v->told_text) : SV("") };
		obs_put_shape(&e->out, &s);
		v->told = v->lines;
		memcpy(v->told_text, v->text, sizeof v->told_text);
	}
}

void emit_counters(struct emit *e, struct pipeline *p, const struct snapshot *s, uint64_t lag_bytes, struct sv path)
{
	struct obs_counters c = s->totals;
	shapes(e, pipeline_shapes(p));
	pipeline_counters(p, &c);
	c.lag_bytes = lag_bytes;
	c.path = path;
	obs_put_counters(&e->out, &c);
}

void emit_state(struct emit *e, struct pipeline *p, const struct snapshot *s, uint64_t lag_bytes, struct sv path)
{
	emit_counters(e, p, s, lag_bytes, path);
	buf_clear(&e->blob);
	snapshot_save(s, p, &e->blob);
	if (e->blob.n + 64 > OBS_FRAME_MAX) {
		msg_warn("the state of a source takes %zu MB, too much to be saved; lower its max-open", e->blob.n >> 20);
		return;
	}
	obs_put_snapshot(&e->out, pipeline_seq(p), buf_sv(&e->blob));
}

void emit_fini(struct emit *e)
{
	buf_fini(&e->out);
	buf_fini(&e->blob);
}
