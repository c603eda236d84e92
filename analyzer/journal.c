#include "analyzer/journal.h"

#include <stdio.h>
#include <stdlib.h>

#include "analyzer/acase.h"
#include "analyzer/detector.h"
#include "analyzer/fusion.h"
#include "lib/jsonw.h"
#include "lib/wire.h"

static const char *const marks[] = { "", "opened", "reopened", "level", "peak" };
#define MARKS (sizeof marks / sizeof *marks)

static void step_free(struct journal_step *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->score[i].seen);
	free(s->what);
	free(s->note);
	free(s);
}

void journal_free(struct journal *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < JOURNAL_SLOTS; i++)
		step_free(g->slot[i]);
	step_free(g->top);
	free(g);
}

size_t journal_bytes(const struct journal *g)
{
	size_t n = g ? sizeof *g : 0;
	for (size_t i = 0; g && i < JOURNAL_SLOTS; i++)
		if (g->slot[i])
			n += sizeof *g->slot[i] + g->slot[i]->n * (sizeof g->slot[i]->score[0] + 48) + g->slot[i]->n_notes * sizeof *g->slot[i]->note + 96;
	return n;
}

static struct journal_step *step_new(size_t n)
{
	struct journal_step *s = xcalloc(1, sizeof *s + n * sizeof s->score[0]);
	s->n = n;
	s->mark = marks[0];
	return s;
}

/* Slot of a step with a number that can still be there; -1 when it has none. */
static int slot_of(const struct journal *g, uint32_t number)
{
	if (number >= g->opened) {
		uint32_t at = number - g->opened;
		return at < JOURNAL_CASE ? (int)(JOURNAL_FIRST + JOURNAL_LAST + at) : -1;
	}
	return number < JOURNAL_FIRST ? (int)number : (int)(JOURNAL_FIRST + (number - JOURNAL_FIRST) % JOURNAL_LAST);
}

const struct journal_step *journal_step(const struct journal *g, uint32_t number)
{
	if (number >= g->added || (number >= JOURNAL_FIRST && number < g->opened && number + JOURNAL_LAST < g->opened))
		return NULL;
	int slot = slot_of(g, number);
	if (slot < 0 || !g->slot[slot])
		return NULL;
	journal_say(g->slot[slot]);
	return g->slot[slot];
}

/* --- recording ---------------------------------------------------------------------------------------------------- */

static void say_share(struct buf *out, int64_t n, int64_t unit, int64_t places, const char *sign)
{
	char text[FIXED_TEXT];
	size_t k = fixed_text(n, unit, places, text);
	buf_puts(out, n < 0 ? "" : sign);
	buf_add(out, text, k);
}

static void say_note(const struct walk_note *n, struct buf *out)
{
	if (out->n)
		buf_puts(out, "; ");
	if (n->what == WALK_YES || n->what == WALK_NO) {
		buf_puts(out, n->what == WALK_YES ? "yes " : "no ");
		jsonw_int(out, n->times);
		buf_puts(out, "x (");
		say_share(out, n->theta0, THETA_ONE, 1000, "");
		buf_puts(out, " against ");
		say_share(out, n->theta1, THETA_ONE, 1000, "");
		buf_addc(out, ')');
	} else if (n->times > 1) {
		buf_printf(out, "%s %ux", n->reason, n->times);
	} else {
		buf_puts(out, n->reason);
	}
	buf_addc(out, ' ');
	say_share(out, n->step, NAT, 10000, "+");
}

static void say_message(const struct journal_step *s, struct buf *out)
{
	buf_puts(out, "message ");
	buf_add(out, s->queue_id, strnlen(s->queue_id, s->queue_id_n));
	buf_puts(out, " to ");
	jsonw_int(out, s->n_rcpt);
	buf_puts(out, s->outcomes ? ", outcomes" : "");
}

void journal_say(struct journal_step *s)
{
	struct buf b = { 0 };
	if (s->what)
		return;
	if (s->fact)
		buf_puts(&b, s->fact);
	else
		say_message(s, &b);
	s->what = xsvdup(buf_sv(&b));
	for (size_t i = 0; i < s->n; i++) {
		buf_clear(&b);
		for (size_t k = 0; k < s->n_notes; k++)
			if (s->note[k].detector == s->score[i].detector)
				say_note(&s->note[k], &b);
		s->score[i].seen = xsvdup(buf_sv(&b));
	}
	buf_fini(&b);
}

static void take_notes(struct journal_step *s, const struct walk_trace *t)
{
	s->note = xcalloc(t->n + 1, sizeof *s->note);
	s->n_notes = t->n;
	memcpy(s->note, t->note, t->n * sizeof *s->note);
	for (size_t i = 0; i < s->n; i++)
		for (unsigned k = 0; k < t->n; k++)
			if (t->note[k].detector == s->score[i].detector)
				s->score[i].step += t->note[k].step;
}

static void take_event(struct journal_step *s, const struct journal_input *in)
{
	s->fact = in->what;
	if (!in->m)
		return;
	struct sv id = sv_take(in->m->txn->queue_id, sizeof s->queue_id);
	memcpy(s->queue_id, id.p, id.n);
	s->queue_id_n = (uint8_t)id.n;
	s->outcomes = !in->m->first_report;
	s->n_rcpt = in->m->n_rcpt;
}

static struct journal_step *record(const struct judge *j, const struct principal *p, const struct journal_input *in, uint32_t nth)
{
	size_t n = 0, k = 0;
	for (size_t d = 0; d < detector_count(); d++)
		n += in->before[d] || in->after[d];
	struct journal_step *s = step_new(n);
	for (size_t d = 0; d < detector_count(); d++)
		if (in->before[d] || in->after[d])
			s->score[k++] = (struct journal_score){ .detector = (uint8_t)d, .before = in->before[d], .after = in->after[d] };
	s->at_us = in->at_us;
	s->nth = nth;
	s->total = in->total;
	s->volume_cap = fusion_volume_cap(j, p, in->at_us);
	take_notes(s, in->trace);
	take_event(s, in);
	if (p->open_case) {
		s->has_case = true;
		s->level = (uint8_t)p->open_case->level;
	}
	return s;
}

static bool changed(const struct journal_input *in)
{
	return memcmp(in->before, in->after, detector_count() * sizeof *in->before) != 0;
}

static const char *mark_of(const struct journal *g, const struct acase *c, int32_t total)
{
	if (!c)
		return marks[0];
	if (!g->has_case)
		return c->reopened ? marks[2] : marks[1];
	if (c->level > g->level)
		return marks[3];
	return total / NAT > g->peak / NAT ? marks[4] : NULL;
}

static void keep(struct journal *g, struct journal_step *s)
{
	int slot = slot_of(g, g->added++);
	if (slot < 0) {
		step_free(s);
		return;
	}
	step_free(g->slot[slot]);
	g->slot[slot] = s;
}

void journal_event(const struct judge *j, struct principal *p, const struct journal_input *in)
{
	const struct acase *c = p->open_case;
	if (!p->suspicion || !changed(in))
		return;
	if (!p->suspicion->journal)
		p->suspicion->journal = xcalloc(1, sizeof(struct journal));
	struct journal *g = p->suspicion->journal;
	const char *mark = mark_of(g, c, in->total);
	g->changes++;
	if (!c)
		g->opened = g->added + 1; /* this one is still before */
	if (mark) {
		struct journal_step *s = record(j, p, in, g->changes);
		s->mark = mark;
		keep(g, s);
	}
	if (c && (!g->has_case || in->total > g->peak)) {
		step_free(g->top);
		g->top = record(j, p, in, g->changes);
		g->top->mark = marks[4];
		g->peak = in->total;
	}
	g->has_case = c != NULL;
	g->level = c ? (uint8_t)c->level : 0;
}

/* --- showing ------------------------------------------------------------------------------------------------------ */

void journal_detectors_json(const struct journal_step *s, struct buf *out)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < s->n; i++) {
		const struct journal_score *x = &s->score[i];
		const struct detector *d = detector_registry[x->detector];
		jsonw_sep(out);
		buf_addc(out, '{');
		jsonw_field_text(out, SV("name"), sv_cstr(d->name));
		jsonw_field_text(out, SV("group"), sv_cstr(fusion_group_name(d->group)));
		jsonw_field_int(out, SV("before"), x->before);
		jsonw_field_int(out, SV("after"), x->after);
		jsonw_field_int(out, SV("step"), x->step);
		jsonw_field_text(out, SV("seen"), sv_cstr(x->seen));
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

int32_t journal_capped_to(const struct journal_step *s)
{
	int32_t scores[64] = { 0 }, sums[GROUPS], sum = 0;
	for (size_t i = 0; i < s->n; i++)
		scores[s->score[i].detector] = s->score[i].after;
	fusion_groups(scores, s->volume_cap, sums);
	for (size_t g = 0; g < GROUPS; g++)
		sum += sums[g];
	return sum == s->total ? 0 : s->total;
}

void journal_groups_json(const struct journal_step *s, struct buf *out)
{
	int32_t best[GROUPS] = { 0 }, second[GROUPS] = { 0 }, scores[64] = { 0 }, sums[GROUPS];
	for (size_t i = 0; i < s->n; i++) {
		enum evidence_group g = detector_registry[s->score[i].detector]->group;
		int32_t v = scores[s->score[i].detector] = s->score[i].after;
		second[g] = v > best[g] ? best[g] : v > second[g] ? v : second[g];
		best[g] = v > best[g] ? v : best[g];
	}
	fusion_groups(scores, s->volume_cap, sums);
	buf_addc(out, '[');
	for (size_t g = 0; g < GROUPS; g++) {
		if (!best[g])
			continue;
		jsonw_sep(out);
		buf_addc(out, '{');
		jsonw_field_text(out, SV("name"), sv_cstr(fusion_group_name((enum evidence_group)g)));
		jsonw_field_int(out, SV("best"), best[g]);
		jsonw_field_int(out, SV("second"), second[g]);
		jsonw_field_int(out, SV("cap"), g == GROUP_VOLUME ? s->volume_cap : fusion_group_cap((enum evidence_group)g));
		jsonw_field_int(out, SV("sum"), sums[g]);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

/* --- the store's form --------------------------------------------------------------------------------------------- */

static void encode_step(struct journal_step *s, struct buf *out)
{
	journal_say(s);
	size_t mark = 0;
	while (marks[mark] != s->mark)
		mark++;
	wire_put_i(out, s->at_us);
	wire_put_u(out, s->nth);
	wire_put_u(out, mark);
	wire_put_u(out, s->level);
	wire_put_u(out, s->has_case);
	wire_put_i(out, s->total);
	wire_put_i(out, s->volume_cap);
	wire_put_sv(out, sv_cstr(s->what));
	wire_put_u(out, s->n);
	for (size_t i = 0; i < s->n; i++) {
		wire_put_sv(out, sv_cstr(detector_registry[s->score[i].detector]->name));
		wire_put_i(out, s->score[i].before);
		wire_put_i(out, s->score[i].after);
		wire_put_i(out, s->score[i].step);
		wire_put_sv(out, sv_cstr(s->score[i].seen));
	}
}

static struct journal_step *decode_step(struct wire *w)
{
	struct journal_step head = { .at_us = wire_get_i(w), .nth = (uint32_t)wire_get_u(w) };
	uint64_t mark = wire_get_u(w);
	head.level = (uint8_t)wire_get_u(w);
	head.has_case = wire_get_u(w) != 0;
	head.total = (int32_t)wire_get_i(w);
	head.volume_cap = (int32_t)wire_get_i(w);
	struct sv what = wire_get_sv(w);
	uint64_t n = wire_get_u(w);
	if (n > 64 || mark >= MARKS || head.level >= CASE_LEVEL_COUNT)
		wire_spoil(w);
	if (w->bad)
		return NULL;
	struct journal_step *s = step_new((size_t)n);
	head.n = 0;
	memcpy(s, &head, sizeof head);
	s->mark = marks[mark];
	s->what = xsvdup(what);
	for (uint64_t i = 0; i < n && !w->bad; i++) {
		struct sv name = wire_get_sv(w);
		struct journal_score x = { .before = (int32_t)wire_get_i(w), .after = (int32_t)wire_get_i(w), .step = (int32_t)wire_get_i(w) };
		struct sv seen = wire_get_sv(w);
		for (size_t d = 0; d < detector_count(); d++)
			if (!w->bad && sv_eq(name, sv_cstr(detector_registry[d]->name))) {
				x.detector = (uint8_t)d;
				x.seen = xsvdup(seen);
				s->score[s->n++] = x;
			}
	}
	return s;
}

void journal_encode(const struct journal *g, struct buf *out)
{
	wire_put_u(out, g->changes);
	wire_put_u(out, g->added);
	wire_put_u(out, g->opened);
	wire_put_u(out, g->has_case);
	wire_put_u(out, g->level);
	wire_put_i(out, g->peak);
	for (size_t i = 0; i <= JOURNAL_SLOTS; i++) {
		struct journal_step *s = i < JOURNAL_SLOTS ? g->slot[i] : g->top;
		if (!s)
			continue;
		wire_put_u(out, i + 1);
		encode_step(s, out);
	}
	wire_put_u(out, 0);
}

struct journal *journal_decode(struct wire *w)
{
	struct journal *g = xcalloc(1, sizeof *g);
	g->changes = (uint32_t)wire_get_u(w);
	g->added = (uint32_t)wire_get_u(w);
	g->opened = (uint32_t)wire_get_u(w);
	g->has_case = wire_get_u(w) != 0;
	g->level = (uint8_t)wire_get_u(w);
	g->peak = (int32_t)wire_get_i(w);
	for (uint64_t at; !w->bad && (at = wire_get_u(w)) != 0;) {
		struct journal_step **to = at > JOURNAL_SLOTS ? &g->top : &g->slot[at - 1];
		step_free(*to);
		*to = decode_step(w);
	}
	return g;
}
