/* fillstore STORE MESSAGES [DAYS]: puts that many made-up messages into the archive of a new store, as the analyzer does but without judging
 * them: for measuring what searching costs when there are tens of millions. Sender, recipients, clients and ids have the proportions of
 * genlog.c; what is looked for later can be computed (see trace.py): message n is sent by account n % ACCOUNTS. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analyzer/archive.h"
#include "analyzer/db.h"
#include "lib/msg.h"
#include "lib/times.h"
#include "lib/txn.h"

#define ACCOUNTS 50000u
#define START_US (1767225600LL * US_PER_S) /* 2026-01-01 */

static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
	v = (v ^ v >> 27) * 0x94d049bb133111ebu;
	return v ^ v >> 31;
}

struct texts { char qid[16], mid[80], ip[24], name[48], account[48], rcpt[4][80], reply[4][120], relay[4][80], relay_ip[4][24]; };

static struct sv text(char *b, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static struct sv text(char *b, size_t cap, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(b, cap, fmt, ap);
	va_end(ap);
	return sv_make(b, (size_t)n);
}
#define T(field, ...) text(x->field, sizeof x->field, __VA_ARGS__)

static void fill(uint64_t n, uint64_t all, int days, struct texts *x, struct txn *t, struct txn_rcpt *r)
{
	uint64_t h = mix(n + 1);
	unsigned account = (unsigned)(n % ACCOUNTS);
	int64_t at = START_US + (int64_t)((double)n / (double)all * days * (double)US_PER_DAY);
	*t = (struct txn){ .seq = n + 1, .at_us = at, .first_us = at - 2000000, .last_us = at, .host = SV("mx1"), .mta = SV("postfix"), .sender_known = true, .uid = -1,
		.size = (int64_t)(800 + h % 100000), .origin = TXN_SUBMISSION, .complete = true, .rcpt = r };
	t->queue_id = T(qid, "%010" PRIX64, (n * 977 + 0x4000000000) & 0xffffffffff);
	t->message_id = T(mid, "<%016" PRIx64 ".%" PRIu64 "@client%u.example>", h, n, account % 300);
	t->client_ip = T(ip, "198.18.%u.%u", account / 250 % 250, account % 250);
	t->client_name = T(name, "dyn-%u.isp.example", account);
	t->account = t->sender = T(account, "user%u@customer%u.isp.example", account, account % 700);
	t->auth_method = SV("PLAIN");
	t->n_rcpt = h % 100 < 72 ? 1 : 1 + h / 100 % 4;
	t->nrcpt = (int64_t)t->n_rcpt;
	for (size_t i = 0; i < t->n_rcpt; i++) {
		uint64_t k = mix(h + i) % 10 < 8 ? mix(account * 40 + mix(h + i) / 10 % 40) : mix(h + i);
		unsigned d = k % 101 < 55 ? (unsigned)(k % 7) : (unsigned)(k / 101 % 20000);
		r[i] = (struct txn_rcpt){ .time_us = at, .attempts = 1, .status = h % 50 ? TXN_SENT : TXN_BOUNCED, .changed = true, .dsn = h % 50 ? SV("2.0.0") : SV("5.1.1") };
		r[i].recipient = T(rcpt[i], "%s.%u@domain%u.example", k & 64 ? "maria" : "peter", (unsigned)(k / 7 % 3000000), d);
		r[i].reply = T(reply[i], "250 2.0.0 Ok: queued as %010" PRIX64, mix(k + n) & 0xffffffffff);
		r[i].relay_host = T(relay[i], "mx%u.domain%u.example", d % 3, d);
		r[i].relay_ip = T(relay_ip[i], "203.0.%u.%u", d / 250 % 250, d % 250);
	}
}

static void check(int bad, const struct err *e)
{
	if (bad) {
		fprintf(stderr, "fillstore: %s\n", e->text);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct err e = { "" };
	struct db db = { 0 };
	struct texts x;
	struct txn t;
	struct txn_rcpt r[4];
	if (argc < 3) {
		fputs("usage: fillstore STORE MESSAGES [DAYS]\n", stderr);
		return 2;
	}
	msg_init("fillstore");
	uint64_t all = strtoull(argv[2], NULL, 10);
	int days = argc > 3 ? atoi(argv[3]) : 90;
	check(db_open(&db, argv[1], &e), &e);
	struct archive *a = archive_open(db.h, argv[1], true, &e);
	check(a == NULL, &e);
	for (uint64_t n = 0; n < all;) {
		check(db_exec(&db, "BEGIN IMMEDIATE", &e), &e);
		for (unsigned i = 0; i < 1000000 && n < all; i++, n++) {
			fill(n, all, days, &x, &t, r);
			check(archive_add(a, &t, &e), &e);
		}
		check(archive_flush(a, &e), &e);
		check(db_exec(&db, "COMMIT", &e), &e);
		archive_end(a, true);
	}
	archive_free(a);
	db_close(&db);
	return 0;
}
