#include "collector/twins.h"

#include "lib/wire.h"

#define NEAR_US 1000000LL

static uint64_t add(uint64_t h, struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * 1099511628211u;
	return (h ^ s.n) * 1099511628211u;
}

static uint64_t hash_of(const struct record *r)
{
	const struct sv texts[] = { r->host, r->queue_id, r->client_ip, r->helo, r->account, r->sender, r->recipient, r->reason };
	uint64_t h = 14695981039346656037u ^ (uint64_t)r->pid ^ (uint64_t)r->client_port << 32 ^ (uint64_t)r->kind << 56;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		h = add(h, texts[i]);
	return h ? h : 1;
}

bool twins_is_second(struct twins *t, const struct record *r)
{
	if (r->kind != RECORD_REJECT && r->kind != RECORD_AUTH_FAIL && r->kind != RECORD_POLICY && r->kind != RECORD_WARNING)
		return false;
	uint64_t h = hash_of(r);
	for (unsigned i = 0; i < TWINS; i++) {
		if (t->hash[i] != h || r->time_us - t->time_us[i] > NEAR_US || t->time_us[i] - r->time_us > NEAR_US)
			continue;
		t->hash[i] = 0;
		return true;
	}
	t->hash[t->turn % TWINS] = h;
	t->time_us[t->turn % TWINS] = r->time_us;
	t->turn++;
	return false;
}

void twins_save(const struct twins *t, struct buf *out)
{
	for (unsigned i = 0; i < TWINS; i++) {
		wire_put_u(out, t->hash[i]);
		wire_put_i(out, t->time_us[i]);
	}
	wire_put_u(out, t->turn);
}

void twins_load(struct twins *t, struct wire *w)
{
	for (unsigned i = 0; i < TWINS; i++) {
		t->hash[i] = wire_get_u(w);
		t->time_us[i] = wire_get_i(w);
	}
	t->turn = (uint32_t)wire_get_u(w);
}
