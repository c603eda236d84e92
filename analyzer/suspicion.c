#include "analyzer/suspicion.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/near.h"
#include "lib/wire.h"

struct suspicion *suspicion_new(int64_t since_us)
{
	struct suspicion *s = xcalloc(1, sizeof *s);
	s->since_us = since_us;
	return s;
}

void suspicion_free(struct suspicion *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SUSPICION_LINES; i++)
		free(s->line[i].text);
	for (size_t i = 0; i < s->n_sources; i++)
		free(s->source[i].name);
	for (size_t i = 0; i < s->n_domains; i++)
		free(s->domain[i].domain);
	free(s->source);
	free(s->domain);
	free(s->folder);
	journal_free(s->journal);
	free(s);
}

/* How many a list of n has room for. */
static size_t room(size_t n)
{
	size_t cap = n > 0;
	while (cap < n)
		cap *= 2;
	return cap;
}

/* A list of n, with room for one more. */
static void *room_for_one(void *list, size_t n, size_t size)
{
	return room(n + 1) > room(n) ? xrealloc(list, room(n + 1) * size) : list;
}

static struct suspicion_source *one_source(struct suspicion *s)
{
	s->source = room_for_one(s->source, s->n_sources, sizeof *s->source);
	s->source[s->n_sources] = (struct suspicion_source){ .name = NULL };
	return &s->source[s->n_sources++];
}

static struct suspicion_domain *one_domain(struct suspicion *s)
{
	s->domain = room_for_one(s->domain, s->n_domains, sizeof *s->domain);
	return &s->domain[s->n_domains++];
}

#define TEXT_BYTES 32 /* a name, about, and its allocation */

size_t suspicion_bytes(const struct suspicion *s)
{
	size_t n = sizeof *s + room(s->n_sources) * sizeof *s->source + room(s->n_domains) * sizeof *s->domain + (s->n_sources + s->n_domains) * TEXT_BYTES;
	for (size_t i = 0; i < SUSPICION_LINES; i++)
		n += s->line[i].text ? strlen(s->line[i].text) + 16 : 0;
	return n + journal_bytes(s->journal);
}

static size_t slot_of(uint32_t number)
{
	if (number < SUSPICION_FIRST)
		return number;
	return SUSPICION_FIRST + (number - SUSPICION_FIRST) % (SUSPICION_LINES - SUSPICION_FIRST);
}

int suspicion_slot(const struct suspicion *s, uint32_t number)
{
	if (number >= s->lines_added)
		return -1;
	uint32_t ring = SUSPICION_LINES - SUSPICION_FIRST;
	if (number >= SUSPICION_FIRST && s->lines_added > ring && number < s->lines_added - ring)
		return -1;
	return (int)slot_of(number);
}

void suspicion_add_line(struct suspicion *s, int64_t at_us, size_t detector, struct sv line)
{
	if (!line.n)
		return;
	struct suspicion_line *l = &s->line[slot_of(s->lines_added++)];
	free(l->text);
	*l = (struct suspicion_line){ at_us, (uint8_t)detector, xsvdup(line) };
}

void suspicion_add_source(struct suspicion *s, const char *ip, struct sv name, const char *country, uint32_t asn, bool message, int64_t at_us)
{
	struct suspicion_source *oldest = s->source;
	for (size_t i = 0; i < s->n_sources; i++) {
		struct suspicion_source *x = &s->source[i];
		if (strcmp(x->ip, ip) == 0) {
			x->last_us = at_us;
			x->messages += message;
			return;
		}
		if (x->messages < oldest->messages || (x->messages == oldest->messages && x->last_us < oldest->last_us))
			oldest = x;
	}
	if (s->n_sources < SUSPICION_SOURCES)
		oldest = one_source(s);
	free(oldest->name);
	*oldest = (struct suspicion_source){ .name = xsvdup(name), .asn = asn, .first_us = at_us, .last_us = at_us, .messages = message };
	(void)snprintf(oldest->ip, sizeof oldest->ip, "%s", ip);
	memcpy(oldest->country, country, sizeof oldest->country);
}

static uint64_t first_of(const char *p, size_t n)
{
	size_t k = n < 8 ? n : 8;
	return k ? near_last(p, k, k) : 0;
}

static void name_domain(struct suspicion_domain *x, char *domain)
{
	x->domain = domain;
	x->n = (uint32_t)strlen(domain);
	x->first = first_of(domain, x->n);
}

void suspicion_add_domain(struct suspicion *s, struct sv domain, bool refused)
{
	struct suspicion_domain *least = s->domain;
	if (!domain.n)
		return;
	uint64_t first = first_of(domain.p, domain.n);
	for (size_t i = 0; i < s->n_domains; i++) {
		struct suspicion_domain *x = &s->domain[i];
		if (x->n == domain.n && x->first == first && memcmp(x->domain, domain.p, domain.n) == 0) {
			x->recipients++;
			x->refused += refused;
			return;
		}
		if (x->recipients < least->recipients)
			least = x;
	}
	/* Space-Saving (Metwally, Agrawal and El Abbadi 2005): the least one makes room. */
	uint32_t inherited = 0;
	if (s->n_domains < SUSPICION_DOMAINS) {
		least = one_domain(s);
	} else {
		inherited = least->recipients;
		free(least->domain);
	}
	*least = (struct suspicion_domain){ .recipients = inherited + 1, .refused = refused };
	name_domain(least, xsvdup(domain));
}

/* Whoever has the majority stays (Boyer and Moore 1981). */
void suspicion_add_folder(struct suspicion *s, struct sv folder)
{
	if (s->folder && sv_eq(sv_cstr(s->folder), folder)) {
		s->votes++;
	} else if (s->votes) {
		s->votes--;
	} else {
		free(s->folder);
		s->folder = xsvdup(folder);
		s->votes = 1;
	}
}

/* --- the store's form --------------------------------------------------------------------------------------------- */

void suspicion_encode(const struct suspicion *s, struct buf *out)
{
	wire_put_i(out, s->since_us);
	wire_put_u(out, s->messages);
	wire_put_u(out, s->recipients);
	wire_put_u(out, s->lines_added);
	for (size_t i = 0; i < SUSPICION_LINES; i++) {
		const struct suspicion_line *l = &s->line[i];
		wire_put_sv(out, l->text ? sv_cstr(l->text) : (struct sv){ 0 });
		if (l->text) {
			wire_put_i(out, l->at_us);
			wire_put_u(out, l->detector);
		}
	}
	wire_put_u(out, s->n_sources);
	for (size_t i = 0; i < s->n_sources; i++) {
		const struct suspicion_source *x = &s->source[i];
		wire_put_sv(out, sv_cstr(x->ip));
		wire_put_sv(out, sv_cstr(x->country));
		wire_put_sv(out, sv_cstr(x->name));
		wire_put_u(out, x->asn);
		wire_put_i(out, x->first_us);
		wire_put_i(out, x->last_us);
		wire_put_u(out, x->messages);
	}
	wire_put_u(out, s->n_domains);
	for (size_t i = 0; i < s->n_domains; i++) {
		wire_put_sv(out, sv_cstr(s->domain[i].domain));
		wire_put_u(out, s->domain[i].recipients);
		wire_put_u(out, s->domain[i].refused);
	}
	if (s->journal)
		journal_encode(s->journal, out);
}

static void copy_text(char *to, size_t cap, struct sv from)
{
	size_t n = from.n < cap - 1 ? from.n : cap - 1;
	if (n)
		memcpy(to, from.p, n);
	to[n] = 0;
}

static void decode_sources(struct wire *w, struct suspicion *s)
{
	uint64_t n = wire_get_u(w);
	for (uint64_t i = 0; i < n && i < SUSPICION_SOURCES && !w->bad; i++) {
		struct suspicion_source *x = one_source(s);
		copy_text(x->ip, sizeof x->ip, wire_get_sv(w));
		copy_text(x->country, sizeof x->country, wire_get_sv(w));
		x->name = xsvdup(wire_get_sv(w));
		x->asn = (uint32_t)wire_get_u(w);
		x->first_us = wire_get_i(w);
		x->last_us = wire_get_i(w);
		x->messages = (uint32_t)wire_get_u(w);
	}
}

struct suspicion *suspicion_decode(struct sv bytes)
{
	struct wire w = wire_of(bytes);
	struct suspicion *s = suspicion_new(wire_get_i(&w));
	s->messages = wire_get_u(&w);
	s->recipients = wire_get_u(&w);
	s->lines_added = (uint32_t)wire_get_u(&w);
	for (size_t i = 0; i < SUSPICION_LINES && !w.bad; i++) {
		struct sv text = wire_get_sv(&w);
		if (!text.p)
			continue;
		s->line[i].text = xsvdup(text);
		s->line[i].at_us = wire_get_i(&w);
		s->line[i].detector = (uint8_t)wire_get_u(&w);
	}
	decode_sources(&w, s);
	uint64_t n = wire_get_u(&w);
	for (uint64_t i = 0; i < n && i < SUSPICION_DOMAINS && !w.bad; i++) {
		struct suspicion_domain *x = one_domain(s);
		name_domain(x, xsvdup(wire_get_sv(&w)));
		x->recipients = (uint32_t)wire_get_u(&w);
		x->refused = (uint32_t)wire_get_u(&w);
	}
	if (!w.bad && w.p < w.end) /* absent in older stores */
		s->journal = journal_decode(&w);
	if (w.bad) {
		suspicion_free(s);
		return NULL;
	}
	return s;
}

struct suspicion *suspicion_copy(const struct suspicion *s)
{
	struct buf b = { 0 };
	suspicion_encode(s, &b);
	struct suspicion *copy = suspicion_decode(buf_sv(&b));
	buf_fini(&b);
	if (copy && s->folder)
		copy->folder = xstrdup(s->folder);
	if (copy)
		copy->votes = s->votes;
	return copy;
}
