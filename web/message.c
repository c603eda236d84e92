#include "web/message.h"

#include "lib/times.h"
#include "web/form.h"
#include "web/rows.h"

static void put_sv(struct json_object *o, const char *key, struct sv s)
{
	if (!sv_absent(s))
		json_put(o, key, json_text(s));
}

static struct json_object *rcpt_json(const struct txn_rcpt *r, int32_t offset)
{
	struct json_object *o = json_object_new_object();
	put_sv(o, "recipient", r->recipient);
	put_sv(o, "orig_recipient", r->orig_recipient);
	json_put_text(o, "status", txn_status_name((enum txn_status)r->status));
	put_sv(o, "dsn", r->dsn);
	put_sv(o, "reply", r->reply);
	put_sv(o, "relay_host", r->relay_host);
	put_sv(o, "relay_ip", r->relay_ip);
	json_put(o, "time_at", json_time_at(r->time_us, offset));
	json_put_int(o, "attempts", r->attempts);
	json_put_bool(o, "local", r->local);
	return o;
}

static void put_flags(struct json_object *o, const struct txn *t)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
		{ TXN_HEAD_MISSING, "head_missing" }, { TXN_TAIL_MISSING, "tail_missing" }, { TXN_GAP, "gap" }, { TXN_REINJECTED, "reinjected" },
	};
	struct json_object *all = json_object_new_array();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (t->flags & names[i].bit)
			json_object_array_add(all, json_object_new_string(names[i].name));
	json_put(o, "flags", all);
}

static void put_url(struct json_object *o, const struct txn *t)
{
	struct buf b = { 0 };
	buf_puts(&b, "/message/");
	form_encode(&b, t->host);
	buf_addc(&b, '/');
	form_encode(&b, t->queue_id);
	buf_printf(&b, "/%lld", (long long)t->first_us);
	json_put_text(o, "url", buf_cstr(&b));
	buf_fini(&b);
}

/* The worst outcome is what a clerk looks for in a list. */
static const char *summary(const struct txn *t)
{
	size_t n[TXN_STATUS_COUNT] = { 0 };
	for (size_t i = 0; i < t->n_rcpt; i++)
		n[t->rcpt[i].status < TXN_STATUS_COUNT ? t->rcpt[i].status : TXN_PENDING]++;
	if (n[TXN_BOUNCED] || n[TXN_EXPIRED])
		return n[TXN_BOUNCED] + n[TXN_EXPIRED] == t->n_rcpt ? "bounced" : "partly bounced";
	if (n[TXN_DEFERRED])
		return "deferred";
	return n[TXN_SENT] && n[TXN_SENT] == t->n_rcpt ? "sent" : "pending";
}

static void put_recipients(struct json_object *o, const struct txn *t)
{
	struct json_object *all = json_object_new_array();
	for (size_t i = 0; i < t->n_rcpt; i++)
		json_object_array_add(all, rcpt_json(&t->rcpt[i], t->utc_offset_s));
	json_put(o, "recipients", all);
	if (t->n_rcpt) {
		put_sv(o, "first_recipient", t->rcpt[0].recipient);
		json_put_int(o, "more_recipients", (int64_t)t->n_rcpt - 1);
	}
	json_put_int(o, "recipient_count", (int64_t)t->n_rcpt > t->nrcpt ? (int64_t)t->n_rcpt : t->nrcpt);
	json_put_text(o, "summary", summary(t));
}

struct json_object *message_json(const struct txn *t)
{
	struct json_object *o = json_object_new_object(), *lines = json_object_new_array();
	put_sv(o, "host", t->host);
	put_sv(o, "mta", t->mta);
	put_sv(o, "queue_id", t->queue_id);
	put_sv(o, "message_id", t->message_id);
	json_put(o, "first_at", json_time_at(t->first_us, t->utc_offset_s));
	json_put(o, "last_at", json_time_at(t->last_us, t->utc_offset_s));
	json_put_int(o, "took_s", (t->last_us - t->first_us) / US_PER_S);
	json_put_bool(o, "slow", t->last_us - t->first_us > 60 * US_PER_S);
	put_sv(o, "client_ip", t->client_ip);
	put_sv(o, "client_name", t->client_name);
	put_sv(o, "helo", t->helo);
	put_sv(o, "account", t->account);
	put_sv(o, "auth_method", t->auth_method);
	json_put_bool(o, "other_account", !sv_absent(t->account) && !sv_eq(t->account, t->sender)); /* worth a second look */
	if (t->sender_known)
		put_sv(o, "sender", t->sender);
	json_put_bool(o, "sender_known", t->sender_known);
	if (t->uid >= 0)
		json_put_int(o, "uid", t->uid);
	put_sv(o, "local_user", t->local_user);
	put_sv(o, "cwd", t->cwd);
	if (t->size >= 0)
		json_put_int(o, "size", t->size);
	put_sv(o, "parent_queue_id", t->parent_queue_id);
	json_put_text(o, "origin", txn_origin_name((enum txn_origin)t->origin));
	json_put_bool(o, "complete", t->complete);
	put_flags(o, t);
	put_recipients(o, t);
	for (size_t i = 0; i < t->n_lines; i++)
		json_object_array_add(lines, json_text(t->lines[i]));
	json_put(o, "lines", lines);
	put_url(o, t);
	return o;
}
