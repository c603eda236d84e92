#include "analyzer/ahead.h"

#include "analyzer/judge_int.h"
#include "analyzer/rollup.h"

#define LINE_BYTES 64
#define ID_BYTES 32 /* of most ids */
#define RCPT_MOST 32 /* of one message; what more there are find their hashes not taken */

static void place_soon(const struct judge *j, uint64_t key)
{
	if (j->cap)
		__builtin_prefetch(&j->table[(size_t)key & (j->cap - 1)]);
	rollup_place_soon(j->rollup, key);
}

void ahead_message(const struct judge *j, struct txn *t)
{
	uint64_t key = 0;
	if (t->account.n) {
		t->owner_hash = hash_folded(&j->key, t->account);
		key = judge_key_of(PRINCIPAL_ACCOUNT, t->owner_hash);
		place_soon(j, key);
	}
	judge_read_client(t);
	if (t->client_is == TXN_CLIENT_ADDRESS)
		enrich_place_soon(j->enrich, &t->client);
	if (t->sender.n) {
		t->sender_hash = key && sv_eq(t->sender, t->account) ? t->owner_hash : hash_folded(&j->key, t->sender);
		enrich_domain_soon(j->enrich, sv_domain(t->sender));
	}
	for (size_t i = 0; i < t->n_rcpt && i < RCPT_MOST; i++) {
		struct txn_rcpt *r = &t->rcpt[i];
		r->hash = hash_folded(&j->key, r->recipient);
		enrich_domain_soon(j->enrich, sv_domain(r->recipient));
		contacts_soon(&j->contacts, key ? hash_mix(key, r->hash) : hash_mix(judge_key_of(PRINCIPAL_ACCOUNT, r->hash), IS_AN_ACCOUNT));
	}
}

/* Of mail to accounts of ours, who wrote it will be noted. */
static void ahead_received(const struct judge *j, const struct txn *t)
{
	for (size_t i = 0; i < t->n_rcpt && i < RCPT_MOST && t->sender_hash; i++) {
		uint64_t account = judge_key_of(PRINCIPAL_ACCOUNT, t->rcpt[i].hash);
		if (contacts_known(&j->contacts, hash_mix(account, IS_AN_ACCOUNT)))
			contacts_soon(&j->contacts, hash_mix(account, t->sender_hash));
	}
}

void ahead_owner(const struct judge *j, struct txn *t)
{
	struct owner o;
	t->owner_kind = PRINCIPAL_ACCOUNT;
	if (t->account.n)
		return;
	if (!attribute_owner(j, t, &o)) {
		ahead_received(j, t);
		return;
	}
	t->owner_kind = (uint8_t)o.kind;
	t->owner_hash = hash_folded(&j->key, o.id);
	uint64_t key = judge_key_of(o.kind, t->owner_hash);
	place_soon(j, key);
	for (size_t i = 0; i < t->n_rcpt && i < RCPT_MOST; i++)
		contacts_soon(&j->contacts, hash_mix(key, t->rcpt[i].hash));
}

void ahead_principal(const struct judge *j, const struct txn *t)
{
	if (!t->owner_hash)
		return;
	uint64_t key = judge_key_of((enum principal_kind)t->owner_kind, t->owner_hash);
	const char *p = (const char *)principal_in_memory(j, key);
	for (size_t at = 0; p && at < sizeof(struct principal) + j->slab_bytes[t->owner_kind] + ID_BYTES; at += LINE_BYTES)
		__builtin_prefetch(p + at);
	rollup_row_soon(j->rollup, key);
}
