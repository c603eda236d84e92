#include "analyzer/policy.h"

#include <stdlib.h>

#include "analyzer/judge_int.h"
#include "lib/buf.h"

static size_t rule_count(void)
{
	size_t n = 0;
	while (policy_registry[n])
		n++;
	return n;
}

const struct policy_rule *policy_rule_named(struct sv name)
{
	for (size_t r = 0; policy_registry[r]; r++)
		if (sv_eq(name, sv_cstr(policy_registry[r]->name)))
			return policy_registry[r];
	return NULL;
}

struct policy *policy_new(void)
{
	struct policy *y = xcalloc(1, sizeof *y);
	y->options = xcalloc(rule_count(), sizeof *y->options);
	return y;
}

static void free_options(struct policy *y)
{
	for (size_t r = 0; policy_registry[r]; r++)
		if (y->options[r]) {
			opt_fini(policy_registry[r]->options, y->options[r]);
			free(y->options[r]);
		}
}

static void free_texts(struct policy_finding *f)
{
	free(f->id);
	free(f->line);
	free(f->queue_id);
}

void policy_free(struct policy *y)
{
	for (size_t i = 0; i < y->n; i++)
		free_texts(&y->finding[i]);
	free_options(y);
	free(y->options);
	free(y->finding);
	free(y->slot);
	free(y);
}

void policy_configure(struct judge *j)
{
	free_options(j->policy);
	for (size_t r = 0; policy_registry[r]; r++)
		j->policy->options[r] = judge_options_new(j->conf, policy_registry[r]->options);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void put_slot(struct policy *y, size_t i)
{
	size_t at = (size_t)y->finding[i].key & (y->n_slots - 1);
	while (y->slot[at])
		at = (at + 1) & (y->n_slots - 1);
	y->slot[at] = (uint32_t)i + 1;
}

static void put_slots(struct policy *y)
{
	if (y->n_slots)
		memset(y->slot, 0, y->n_slots * sizeof *y->slot);
	for (size_t i = 0; i < y->n; i++)
		put_slot(y, i);
}

static struct policy_finding *find(const struct policy *y, uint64_t key)
{
	for (size_t at = (size_t)key & (y->n_slots - 1); y->n_slots && y->slot[at]; at = (at + 1) & (y->n_slots - 1))
		if (y->finding[y->slot[at] - 1].key == key)
			return &y->finding[y->slot[at] - 1];
	return NULL;
}

static struct policy_finding *add(struct policy *y)
{
	if (y->n == y->cap) {
		y->cap = y->cap ? y->cap * 2 : 64;
		y->finding = xrealloc(y->finding, y->cap * sizeof *y->finding);
		y->n_slots = y->cap * 2;
		free(y->slot);
		y->slot = xcalloc(y->n_slots, sizeof *y->slot);
		put_slots(y);
	}
	return &y->finding[y->n++];
}

struct policy_day *policy_day(struct policy *y, int32_t day)
{
	struct policy_day *d = &y->day[(uint32_t)day % POLICY_DAYS];
	if (d->day != day)
		*d = (struct policy_day){ .day = day };
	return d;
}

static uint64_t key_of(const struct judge *j, const struct policy_rule *rule, enum principal_kind kind, struct sv id, int32_t day)
{
	return hash_mix(hash_mix(judge_key(j, kind, id), hash_sv(&j->key, sv_cstr(rule->name))), (uint64_t)day);
}

void policy_loaded(struct judge *j, const struct policy_finding *from)
{
	struct policy *y = j->policy;
	struct policy_finding *f = add(y);
	*f = *from;
	f->key = key_of(j, f->rule, (enum principal_kind)f->kind, sv_cstr(f->id), f->day);
	f->id = xstrdup(from->id);
	f->line = xstrdup(from->line);
	f->queue_id = xstrdup(from->queue_id);
	put_slot(y, y->n - 1);
	policy_day(y, f->day)->n++;
}

/* Logs of other zones may still speak of yesterday, or already of tomorrow. */
void policy_committed(struct policy *y, int64_t now_us)
{
	int64_t yesterday = now_us / US_PER_DAY - 1;
	size_t kept = 0;
	for (size_t i = 0; i < y->n; i++) {
		y->finding[i].dirty = false;
		if (y->finding[i].day >= yesterday)
			y->finding[kept++] = y->finding[i];
		else
			free_texts(&y->finding[i]);
	}
	bool shrunk = kept < y->n;
	y->n = kept;
	if (shrunk)
		put_slots(y);
	for (size_t d = 0; d < POLICY_DAYS; d++)
		y->day[d].dirty = false;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static struct policy_finding *finding(struct judge *j, const struct principal *p, const struct policy_rule *rule, int64_t at_us, int32_t offset_s, bool make)
{
	struct policy *y = j->policy;
	int32_t day = (int32_t)((at_us + offset_s * US_PER_S) / US_PER_DAY);
	uint64_t key = key_of(j, rule, (enum principal_kind)p->kind, sv_cstr(p->id), day);
	struct policy_finding *f = find(y, key);
	struct policy_day *d = policy_day(y, day);
	if (f || !make)
		return f;
	if (d->n >= POLICY_DAY_MAX) {
		d->dropped++;
		d->dirty = true;
		return NULL;
	}
	f = add(y);
	*f = (struct policy_finding){ .key = key, .rule = rule, .kind = p->kind, .day = day, .utc_offset_s = offset_s, .id = xstrdup(p->id), .first_us = at_us };
	put_slot(y, y->n - 1);
	d->n++;
	return f;
}

static void note(struct judge *j, const struct principal *p, const struct policy_rule *rule, const struct policy_breach *b, int64_t at_us, int32_t offset_s)
{
	struct policy_finding *f = finding(j, p, rule, at_us, offset_s, b->times > 0);
	if (!f)
		return;
	f->dirty = true;
	f->count += b->times;
	f->last_us = at_us;
	/* The line that shows the most; of equal ones the first. */
	if (f->line && b->value <= f->largest)
		return;
	f->largest = b->value;
	free(f->line);
	free(f->queue_id);
	f->line = xsvdup(sv_take(b->line, TXN_LINE_BYTES));
	f->queue_id = xsvdup(sv_take(b->queue_id, 64));
}

static bool is_customers(const struct principal *p)
{
	return p->kind == PRINCIPAL_ACCOUNT || p->kind == PRINCIPAL_HOST || p->kind == PRINCIPAL_SCRIPT;
}

void policy_message(struct judge *j, const struct principal *p, const struct message_view *m)
{
	if (!is_customers(p))
		return;
	for (size_t r = 0; policy_registry[r]; r++) {
		const struct policy_rule *rule = policy_registry[r];
		const void *opt = j->policy->options[r];
		if (!rule->message || !*(const bool *)opt)
			continue;
		struct policy_breach b = { .times = 1, .line = m->line, .queue_id = m->txn->queue_id };
		if (rule->message(j, p, opt, m, &b))
			note(j, p, rule, &b, m->at_us, m->txn->utc_offset_s);
	}
}

void policy_fact(struct judge *j, const struct principal *p, const struct fact_view *f)
{
	for (size_t r = 0; policy_registry[r] && is_customers(p); r++) {
		const struct policy_rule *rule = policy_registry[r];
		const void *opt = j->policy->options[r];
		struct policy_breach b = { .times = 1, .line = f->line, .queue_id = f->record->queue_id };
		if (*(const bool *)opt && rule->fact && rule->fact(j, p, opt, f, &b))
			note(j, p, rule, &b, f->at_us, f->record->utc_offset_s);
	}
}
