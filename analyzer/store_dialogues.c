/* The table of analyzer/dialogues.h. */
#include "analyzer/dialogues.h"
#include "analyzer/store.h"

static int write_one(struct store *s, const struct dialogues_of *of, const struct dialogue *r, struct err *e)
{
	return db_run(&s->db, e, Q_DIALOGUE_PUT, "ssiisssssiiiii", principal_kind_name(of->kind), of->id, r->at_us, (int64_t)r->port, r->peer, r->helo, r->sender,
	              r->banner, r->refusal, (int64_t)r->n_messages, (int64_t)r->n_taken_messages, (int64_t)r->n_rcpt, (int64_t)r->n_taken, (int64_t)r->flags);
}

int store_dialogues_write(struct store *s, const struct judge *j, struct err *e)
{
	const struct dialogues *d = &j->dialogues;
	int bad = 0;
	for (size_t i = 0; i < d->n && !bad; i++) {
		const struct dialogues_of *of = d->v[i];
		for (uint32_t k = 0; k < of->n && !bad; k++)
			bad = write_one(s, of, &of->row[k], e);
		if (!bad)
			bad = db_run(&s->db, e, Q_DIALOGUE_TRIM, "ssi", principal_kind_name(of->kind), of->id, (int64_t)DIALOGUES_KEPT - 1);
	}
	return bad;
}
