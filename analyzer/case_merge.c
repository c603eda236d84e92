/* Principals of one customer whose cases open within hours and that have a source in common are one matter: the first case leads, the others keep
 * their own evidence and say to which they belong. The customer gets one letter about all. */
#include <inttypes.h>
#include <stdio.h>

#include "analyzer/acase.h"
#include "analyzer/suspicion.h"

static bool share_source(const struct suspicion *a, const struct suspicion *b)
{
	if (!a || !b)
		return false;
	if (!a->n_sources && !b->n_sources) /* scripts: what they have in common is the machine */
		return true;
	for (size_t i = 0; i < a->n_sources; i++)
		for (size_t k = 0; k < b->n_sources; k++)
			if (strcmp(a->source[i].ip, b->source[k].ip) == 0)
				return true;
	return false;
}

static bool belong_together(const struct judge *j, const struct acase *a, const struct acase *b, int64_t at_us)
{
	return b != a && acase_is_open(b) && b->principal && strcmp(a->customer, b->customer) == 0 &&
	       at_us - b->opened_us <= j->limits.merge_s * US_PER_S && share_source(a->principal->suspicion, b->principal->suspicion);
}

/* The open case that leads those to which c belongs. */
static struct acase *leader(struct judge *j, struct acase *c)
{
	for (int depth = 0; c->parent && depth < 64; depth++) {
		struct acase *up = judge_case(j, c->parent);
		if (!up || !acase_is_open(up))
			break;
		c = up;
	}
	return c;
}

void case_merge(struct judge *j, struct acase *c, int64_t at_us)
{
	struct acase *first = NULL;
	char text[64];
	if (!c->customer[0] || !j->limits.merge_s)
		return;
	for (size_t i = 0; i < j->n_cases; i++)
		if (belong_together(j, c, j->cases[i], at_us) && (!first || j->cases[i]->id < first->id))
			first = j->cases[i];
	struct acase *lead = first ? leader(j, first) : NULL;
	if (!lead || lead == c) /* it was the first of them, and is again */
		return;
	c->parent = lead->id;
	(void)snprintf(text, sizeof text, "belongs to case %" PRId64, c->parent);
	acase_event(c, at_us, "abusewatch", "merged", text);
	(void)snprintf(text, sizeof text, "case %" PRId64 " belongs to it", c->id);
	acase_event(lead, at_us, "abusewatch", "merged", text);
	lead->dirty = true;
}
