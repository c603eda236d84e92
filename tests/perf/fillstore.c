/* fillstore STORE MESSAGES [DAYS]          fills
 * fillstore STORE MESSAGES DAYS QUERIES [cold] [listed] [KIND]    asks: so many of each kind (or of that one), each timed; "cold" drops the page
 *                                                        cache before each (as root); "listed" reads what a list shows
 *
 * Puts that many made-up messages into the archive of a new store, as the analyzer does but without judging
 * them: for measuring what searching costs when there are tens of millions. Sender, recipients, clients and ids have the proportions of
 * genlog.c, and any message can be made again to ask for it. */
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
#define NEWEST 4000u /* are rows yet, as in a store that is in use: each search looks at all of them */

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

static void fill_store(struct db *db, struct archive *a, uint64_t all, int days)
{
	struct err e = { "" };
	struct texts x;
	struct txn t;
	struct txn_rcpt r[4];
	for (uint64_t n = 0; n < all;) {
		check(db_exec(db, "BEGIN IMMEDIATE", &e), &e);
		uint64_t end = all - n > 1000000 + NEWEST ? n + 1000000 : all - n > NEWEST ? all - NEWEST : all;
		for (; n < end; n++) {
			fill(n, all, days, &x, &t, r);
			check(archive_add(a, &t, &e), &e);
		}
		check(archive_flush(a, &e), &e);
		check(db_exec(db, "COMMIT", &e), &e);
		archive_end(a, true);
	}
	for (int more = 1; more > 0;) {
		check(db_exec(db, "BEGIN IMMEDIATE", &e), &e);
		check((more = archive_filter(a, 64, &e)) < 0, &e);
		check(db_exec(db, "COMMIT", &e), &e);
		archive_retained(a, true);
	}
}

/* -- asking -- */

static const char *const kinds[] = { "sender", "recipient", "account", "client", "queue id", "message-id", "absent address", "account, one day", "substring" };
#define KINDS (sizeof kinds / sizeof *kinds)

/* How it is asked. listed: for what a list of messages shows, as the dashboard does. */
struct asking { unsigned queries; bool cold, listed; const char *only; };

static void question(unsigned kind, const struct txn *t, char *space, struct archive_query *q)
{
	*q = (struct archive_query){ .limit = 50 };
	switch (kind) {
	case 0: q->key[ARCHIVE_SENDER] = t->sender; break;
	case 1: q->key[ARCHIVE_RECIPIENT] = t->rcpt[0].recipient; break;
	case 3: q->key[ARCHIVE_CLIENT] = t->client_ip; break;
	case 4: q->key[ARCHIVE_QUEUE_ID] = t->queue_id; break;
	case 5: q->key[ARCHIVE_MESSAGE_ID] = t->message_id; break;
	case 6: q->key[ARCHIVE_RECIPIENT] = text(space, 80, "nobody%" PRIu64 "@nowhere.example", t->seq); break;
	case 7: q->since_us = t->at_us - US_PER_DAY, q->until_us = t->at_us; /* fall through */
	case 2: q->key[ARCHIVE_ACCOUNT] = t->account; break;
	default: q->key[ARCHIVE_RECIPIENT] = text(space, 80, "%u@domain%u", (unsigned)(t->seq % 3000000), (unsigned)(t->seq % 20000)), q->substring = true;
	}
}

static bool count(void *ctx, const struct txn *t)
{
	(void)t;
	++*(uint64_t *)ctx;
	return true;
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void drop_caches(void)
{
	FILE *f = fopen("/proc/sys/vm/drop_caches", "w");
	if (!f)
		return;
	fputs("1", f);
	fclose(f);
}

/* Cold: the kernel has nothing of the store in memory, and neither have we. */
static void ask(const char *store, uint64_t all, int days, const struct asking *how)
{
	const unsigned n = how->queries;
	const bool cold = how->cold;
	struct err e = { "" };
	double *ms = malloc(n * sizeof *ms);
	for (unsigned k = 0; k < KINDS; k++) {
		struct db db = { 0 };
		struct archive *a = NULL;
		unsigned asked = k == 8 ? (n < 10 ? n : 10) : n;
		uint64_t hits = 0;
		if (how->only && strcmp(how->only, kinds[k]) != 0)
			continue;
		for (unsigned i = 0; i < asked + (cold ? 0 : 20); i++) {
			struct texts x;
			struct txn t;
			struct txn_rcpt r[4];
			struct archive_query q;
			char space[80];
			fill(mix(i * KINDS + k) % all, all, days, &x, &t, r);
			question(k, &t, space, &q);
			q.listed = how->listed;
			if (cold && a) {
				archive_free(a);
				db_close(&db);
				a = NULL;
			}
			if (cold)
				drop_caches();
			double start = now_ms();
			if (!a) {
				check(db_open(&db, store, &e), &e);
				check((a = archive_open(db.h, store, false, &e)) == NULL, &e);
			}
			check(archive_search(a, &q, count, &hits, NULL, &e) < 0, &e);
			ms[i < 20 && !cold ? 0 : cold ? i : i - 20] = now_ms() - start; /* warm: the first ones open the files */
		}
		qsort(ms, asked, sizeof *ms, by_size);
		printf("%-18s %5u asked, %6.1f hits each: p50 %8.2f ms, p99 %8.2f ms, most %8.2f ms\n", kinds[k], asked, (double)hits / (asked + (cold ? 0 : 20)), ms[asked / 2],
		       ms[asked * 99 / 100], ms[asked - 1]);
		archive_free(a);
		db_close(&db);
	}
	free(ms);
}

int main(int argc, char **argv)
{
	struct err e = { "" };
	struct db db = { 0 };
	if (argc < 3) {
		fputs("usage: fillstore STORE MESSAGES [DAYS [QUERIES [cold] [listed] [KIND]]]\n", stderr);
		return 2;
	}
	msg_init("fillstore");
	setvbuf(stdout, NULL, _IOLBF, 0);
	uint64_t all = strtoull(argv[2], NULL, 10);
	int days = argc > 3 ? atoi(argv[3]) : 90;
	if (argc > 4) {
		struct asking how = { .queries = (unsigned)atoi(argv[4]) };
		for (int i = 5; i < argc; i++) {
			if (strcmp(argv[i], "cold") == 0)
				how.cold = true;
			else if (strcmp(argv[i], "listed") == 0)
				how.listed = true;
			else
				how.only = argv[i];
		}
		ask(argv[1], all, days, &how);
		return 0;
	}
	check(db_open(&db, argv[1], &e), &e);
	struct archive *a = archive_open(db.h, argv[1], true, &e);
	check(a == NULL, &e);
	fill_store(&db, a, all, days);
	archive_free(a);
	db_close(&db);
	return 0;
}
