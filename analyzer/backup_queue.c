/* Which messages wait, exactly: one entry per message and domain in an open-addressed table, so that a message that is reported again
 * (deferred once more, delivered at last) is counted once. And the messages that were refused, so that the bounce we make of one is known
 * to be of that domain (servers end the refused message before they deliver its bounce). */
#include <stdlib.h>

#include "analyzer/backup.h"
#include "lib/hash.h"

struct waiting { uint64_t key; uint32_t domain; uint16_t hour, heard; }; /* hours modulo 65536; key 0 = free */
struct parent { uint64_t key; uint32_t domain, pad; };

#define GIVE_UP_HOURS 72u /* no word of a message for so long: no MTA waits longer between two tries */
#define SALT_PARENT 0x6266756c6c657276ull

static uint32_t name_of(const struct backup_domain *d) { return (uint32_t)(d->hash >> 32) | 1; }
static struct waiting *waiting(const struct backup *b) { return (struct waiting *)(void *)b->queue_memory.p; }

static struct backup_domain *named(const struct judge *j, uint32_t name)
{
	for (size_t i = 0; i < j->backup->n_domains; i++)
		if (name_of(j->backup->domain[i]) == name)
			return j->backup->domain[i];
	return NULL;
}

uint64_t backup_message_key(const struct judge *j, const struct txn *t)
{
	uint64_t key = hash_mix(hash_folded(&j->key, t->host), hash_sv(&j->key, t->queue_id));
	return key ? key : 1;
}

static void touch(struct backup *b, uint32_t i)
{
	memory_touch_item(&b->queue_memory, b->queue_memory.p + i * sizeof(struct waiting), sizeof(struct waiting));
}

static uint32_t place(const struct backup *b, uint64_t key)
{
	uint32_t i = (uint32_t)key & (BACKUP_QUEUED_MAX - 1);
	while (waiting(b)[i].key && waiting(b)[i].key != key)
		i = (i + 1) & (BACKUP_QUEUED_MAX - 1);
	return i;
}

/* Frees slot i and closes the gap (Knuth 6.4, algorithm R), so that no marks of the dead pile up. */
static void take_out(struct backup *b, uint32_t i)
{
	struct waiting *w = waiting(b);
	uint32_t mask = BACKUP_QUEUED_MAX - 1;
	for (uint32_t k = (i + 1) & mask; w[k].key; k = (k + 1) & mask) {
		uint32_t home = (uint32_t)w[k].key & mask;
		if (((k - home) & mask) < ((k - i) & mask))
			continue;
		w[i] = w[k];
		touch(b, i);
		i = k;
	}
	w[i] = (struct waiting){ 0 };
	touch(b, i);
	b->queued--;
}

/* That hour's place in a domain's ring. The hour was kept modulo 65536; it is one of the last 384. */
static size_t ring_at(uint16_t hour, int64_t now_us)
{
	int64_t now = now_us / US_PER_HOUR, full = now - (uint16_t)((uint16_t)now - hour);
	return (size_t)(full % BACKUP_RING_HOURS);
}

static void leaves(struct backup_domain *d, uint16_t hour, int64_t now_us)
{
	uint32_t *n = &d->health.ring[ring_at(hour, now_us)];
	*n -= *n > 0;
	d->health.queued -= d->health.queued > 0;
	if (!d->health.queued)
		d->health.waited = 0;
}

static void drained(struct backup_health *h, int64_t now_us)
{
	uint32_t hour = (uint32_t)(now_us / US_PER_HOUR);
	if (h->drain_hour != hour) {
		h->drained_before = h->drain_hour + 1 == hour ? h->drained : 0;
		h->drained = 0;
		h->drain_hour = hour;
	}
	h->drained++;
}

static void comes(struct judge *j, struct backup_domain *d, uint32_t at, uint64_t key, int64_t first_us)
{
	struct backup *b = j->backup;
	int64_t now = j->site->now_us / US_PER_HOUR, hour = first_us / US_PER_HOUR;
	if (b->queued >= BACKUP_QUEUED_MAX / 4 * 3) {
		d->health.untracked++;
		return;
	}
	hour = hour > now ? now : hour < now - (int64_t)BACKUP_RING_HOURS + 1 ? now - (int64_t)BACKUP_RING_HOURS + 1 : hour;
	waiting(b)[at] = (struct waiting){ key, name_of(d), (uint16_t)hour, (uint16_t)now };
	touch(b, at);
	b->queued++;
	d->health.queued++;
	d->health.ring[hour % BACKUP_RING_HOURS]++;
	if (d->health.queued > d->health.waited)
		d->health.waited = d->health.queued;
}

void backup_queue_set(struct judge *j, struct backup_domain *d, uint64_t message, bool waits, int64_t first_us, bool answered)
{
	struct backup *b = j->backup;
	uint64_t key = hash_mix(message, d->hash);
	uint32_t at = place(b, key ? key : 1);
	struct waiting *w = &waiting(b)[at];
	if (waits && !w->key)
		comes(j, d, at, key ? key : 1, first_us);
	else if (waits) {
		w->heard = (uint16_t)(j->site->now_us / US_PER_HOUR);
		touch(b, at);
	} else if (w->key) {
		leaves(d, w->hour, j->site->now_us);
		take_out(b, at);
		if (answered)
			drained(&d->health, j->site->now_us);
	}
}

void backup_queue_sweep(struct judge *j, int64_t now_us)
{
	struct backup *b = j->backup;
	uint16_t now = (uint16_t)(now_us / US_PER_HOUR);
	int64_t lifetime_hours = backup_options(j)->lifetime_s / 3600;
	for (uint32_t i = 0; b->queued && i < BACKUP_QUEUED_MAX;) {
		struct waiting *w = &waiting(b)[i];
		uint16_t age = (uint16_t)(now - w->hour), silent = (uint16_t)(now - w->heard);
		struct backup_domain *d = w->key ? named(j, w->domain) : NULL;
		bool gone = !d || age >= BACKUP_RING_HOURS - 1 || silent >= GIVE_UP_HOURS || (age > lifetime_hours && silent >= 24);
		if (!w->key || !gone) {
			i++;
			continue;
		}
		if (d) {
			leaves(d, w->hour, now_us);
			d->health.lost++;
			d->dirty = true;
		}
		take_out(b, i); /* what follows moves here: look again */
	}
}

/* Takes what waits for d, now that it was counted anew. */
static void settle(struct backup_domain *d, const uint32_t ring[BACKUP_RING_HOURS])
{
	struct backup_health *h = &d->health;
	uint32_t n = 0;
	for (size_t i = 0; i < BACKUP_RING_HOURS; i++)
		n += ring[i];
	if (n == h->queued && memcmp(ring, h->ring, sizeof h->ring) == 0)
		return;
	memcpy(h->ring, ring, sizeof h->ring);
	h->queued = n;
	h->waited = n ? n > h->waited ? n : h->waited : 0;
	d->dirty = true;
}

void backup_recount(struct judge *j)
{
	struct backup *b = j->backup;
	uint32_t(*ring)[BACKUP_RING_HOURS] = xcalloc(b->n_domains + 1, sizeof *ring);
	b->queued = 0;
	for (uint32_t i = 0; i < BACKUP_QUEUED_MAX; i++) {
		const struct waiting *w = &waiting(b)[i];
		b->queued += w->key != 0;
		for (size_t k = 0; w->key && k < b->n_domains; k++)
			if (name_of(b->domain[k]) == w->domain) {
				ring[k][ring_at(w->hour, j->site->now_us)]++;
				break;
			}
	}
	for (size_t k = 0; k < b->n_domains; k++)
		settle(b->domain[k], ring[k]);
	free(ring);
}

/* --- bounces ------------------------------------------------------------------------------------------------------ */

static struct parent *parent_slot(const struct judge *j, uint64_t key)
{
	return &((struct parent *)(void *)j->backup->parent_memory.p)[key & (BACKUP_PARENTS - 1)];
}

static void parent_touch(struct judge *j, const struct parent *p)
{
	memory_touch_item(&j->backup->parent_memory, p, sizeof *p);
}

void backup_parent_refused(struct judge *j, const struct backup_domain *d, const struct txn *t)
{
	uint64_t key = hash_mix(backup_message_key(j, t), SALT_PARENT);
	struct parent *p = parent_slot(j, key);
	*p = (struct parent){ key, name_of(d), 0 };
	parent_touch(j, p);
}

struct backup_domain *backup_parent_of(struct judge *j, const struct txn *bounce)
{
	struct txn parent = { .host = bounce->host, .queue_id = bounce->parent_queue_id };
	if (!parent.queue_id.n)
		return NULL;
	uint64_t key = hash_mix(backup_message_key(j, &parent), SALT_PARENT);
	struct parent *p = parent_slot(j, key);
	return p->key == key ? named(j, p->domain) : NULL;
}
