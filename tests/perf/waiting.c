/* waiting: what messages that wait in a queue cost a live collector. A made-up provider's mail is deferred, message after message, and tried again as
 * Postfix does, after 5, 10, 20, 40 and then every 67 minutes; no line is the last of its message, and reading ends when the last one came.
 *
 *   waiting [-n MESSAGES] [-r RETRIES] [-s SECONDS_BETWEEN_MESSAGES] [-q]     how many (100,000), how often each is tried again (0), 0.2 s;
 *                                                                             -q: half an hour passes before it is measured
 *   waiting -f LOG …                                                          the same of other logs
 *
 * Prints per open message: what the collector counts (open_bytes, by which it keeps to its limit), what malloc gave (room that arrays keep in store
 * and its own words included), resident memory, and the snapshot; and the time a line took, making it apart.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/snapshot.h"

static void txn(void *ctx, const struct txn *t)
{
	(void)t;
	++*(uint64_t *)ctx;
}

static uint64_t seed = 5;
static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed * 0x2545f4914f6cdd1dull >> 33) % n);
}

/* A message that waits is made again from its number whenever it is tried. */
struct mail { char id[16], from[64], to[96], mx[64], ip[16]; unsigned size, minutes; };
static void mail_of(uint64_t number, struct mail *m)
{
	static const char *const names[] = { "rita", "lukas", "uwe", "olga", "carla", "zdenka", "ben", "gerda", "david", "elke" };
	static const char *const a[] = { "fjord", "tide", "iris", "onyx", "vale", "kite" }, *const b[] = { "maple", "stone", "ember", "quartz" };
	char domain[40];
	uint64_t was = seed;
	seed = number * 0x9e3779b97f4a7c15ull + 1;
	(void)below(2);
	if (below(100) < 55)
		(void)snprintf(domain, sizeof domain, "bigmail%u.example", below(7));
	else
		(void)snprintf(domain, sizeof domain, "%s%s%u.example", a[below(6)], b[below(4)], below(300));
	(void)snprintf(m->id, sizeof m->id, "%010" PRIX64, 0x4000000000u + number * 977);
	(void)snprintf(m->from, sizeof m->from, "%s%u@customer%u.isp.example", names[below(10)], below(5000), below(700));
	(void)snprintf(m->to, sizeof m->to, "%s.%s%u@%s", names[below(10)], b[below(3)], below(3000), domain);
	(void)snprintf(m->mx, sizeof m->mx, "mx%u.%s", 1 + below(3), domain);
	(void)snprintf(m->ip, sizeof m->ip, "%u.%u.%u.%u", 1 + below(220), 1 + below(220), 1 + below(220), 1 + below(220));
	m->size = 800 + below(200000);
	m->minutes = 1 + below(14);
	seed = was;
}

static void stamp(struct buf *out, double s)
{
	time_t t = (time_t)(1794182400 + (int64_t)s); /* 2026-11-09 */
	struct tm tm;
	char text[32];
	(void)gmtime_r(&t, &tm);
	(void)strftime(text, sizeof text, "%b %e %H:%M:%S mx1 ", &tm);
	buf_puts(out, text);
}

static void put_head(struct buf *out, double s, uint64_t number)
{
	struct mail m;
	unsigned pid = 1000 + below(59000);
	mail_of(number, &m);
	stamp(out, s);
	buf_printf(out, "postfix/submission/smtpd[%u]: %s: client=dyn-%u.isp.example[198.18.%u.%u], sasl_method=PLAIN, sasl_username=%s\n", pid, m.id, below(65000), below(250), below(250), m.from);
	stamp(out, s);
	buf_printf(out, "postfix/cleanup[%u]: %s: message-id=<%08x%08x.%" PRIu64 "@client%u.example>\n", pid + 1, m.id, below(UINT32_MAX), below(UINT32_MAX), number, below(300));
}

static void put_try(struct buf *out, double s, uint64_t number, double delay)
{
	struct mail m;
	mail_of(number, &m);
	stamp(out, s);
	buf_printf(out, "postfix/qmgr[888]: %s: from=<%s>, size=%u, nrcpt=1 (queue active)\n", m.id, m.from, m.size);
	stamp(out, s);
	buf_printf(out, "postfix/smtp[%u]: %s: to=<%s>, relay=%s[%s]:25, delay=%.2f, delays=%.2f/0/0.%02u/0.%02u, dsn=4.7.1, status=deferred (host %s[%s] said: 451 4.7.1 Greylisting in action, "
	           "please come back in %u minutes (in reply to RCPT TO command))\n", 1000 + below(59000), m.id, m.to, m.mx, m.ip, delay + 0.01 * below(900), delay + 0.01, below(99), below(99), m.mx, m.ip, m.minutes);
}

/* When message `number` is tried for the k-th time. */
static double tried_s(uint64_t number, unsigned k, double between_s)
{
	unsigned doubled = k < 4 ? k : 4;
	return (double)number * between_s + 300.0 * ((1u << doubled) - 1) + 4000.0 * (k - doubled);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct reading { struct pipeline *p; struct feed f; struct buf block; double took_s; };

static void flush(struct reading *r)
{
	double from = now_s();
	pipeline_bytes(r->p, &r->f, buf_sv(&r->block));
	r->took_s += now_s() - from;
	buf_clear(&r->block);
}

/* All tries of all messages, in order of time, until the last one came. */
static void queue_up(struct reading *r, uint64_t n, unsigned retries, double between_s)
{
	uint64_t next[128] = { 0 };
	for (;;) {
		unsigned first = 0;
		for (unsigned k = 1; k <= retries; k++)
			if (next[k] < n && (next[first] == n || tried_s(next[k], k, between_s) < tried_s(next[first], first, between_s)))
				first = k;
		if (next[first] == n || tried_s(next[first], first, between_s) > tried_s(n, 0, between_s))
			return;
		uint64_t number = next[first]++;
		double s = tried_s(number, first, between_s);
		if (!first)
			put_head(&r->block, s, number);
		put_try(&r->block, s, number, s - tried_s(number, 0, between_s));
		if (r->block.n > 1u << 16)
			flush(r);
	}
}

static bool read_log(struct reading *r, const char *path)
{
	static char block[1 << 16];
	size_t n;
	FILE *in = fopen(path, "r");
	if (!in)
		return false;
	while ((n = fread(block, 1, sizeof block, in)) > 0) {
		buf_add(&r->block, block, n);
		flush(r);
	}
	return fclose(in) == 0;
}

static size_t resident(void)
{
	unsigned long pages = 0;
	FILE *in = fopen("/proc/self/statm", "r");
	if (!in || fscanf(in, "%*u %lu", &pages) != 1)
		pages = 0;
	if (in)
		(void)fclose(in);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t given(void)
{
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

struct before { size_t given, resident; };

static void print(struct reading *r, const struct before *was, uint64_t txns)
{
	struct obs_counters c = { 0 };
	struct snapshot s = { 0 };
	struct buf blob = { 0 };
	size_t heap = given() - was->given, rss = resident() - was->resident;
	pipeline_counters(r->p, &c);
	pipeline_add_feed(&r->f, &c);
	double from = now_s();
	snapshot_save(&s, r->p, &blob);
	double n = c.open_messages ? (double)c.open_messages : 1;
	printf("%" PRIu64 " lines, %.2f us each, %" PRIu64 " reports, %" PRIu64 " messages open, %" PRIu64 " given up\n", c.lines, r->took_s * 1e6 / (double)(c.lines ? c.lines : 1), txns, c.open_messages, c.evicted);
	printf("bytes a message: %.1f counted, %.1f from malloc, %.1f resident, %.1f in a snapshot (%.0f ms)\n", (double)c.open_bytes / n, (double)heap / n, (double)rss / n, (double)blob.n / n, (now_s() - from) * 1e3);
	buf_fini(&blob);
}

int main(int argc, char **argv)
{
	uint64_t txns = 0, n = 100000;
	unsigned retries = 0;
	double between_s = 0.2;
	bool quiet = false, logs = false;
	struct pipeline_sink sink = { .ctx = &txns, .txn = txn };
	struct pipeline_options o = { .correlate = true };
	struct reading r = { 0 };
	struct zone z;
	struct err e;
	for (int opt; (opt = getopt(argc, argv, "n:r:s:qf")) != -1;)
		switch (opt) {
		case 'n': n = strtoull(optarg, NULL, 10); break;
		case 'r': retries = (unsigned)strtoul(optarg, NULL, 10) & 127; break;
		case 's': between_s = strtod(optarg, NULL); break;
		case 'q': quiet = true; break;
		case 'f': logs = true; break;
		default: return 2;
		}
	if (zone_init(&z, "UTC", &e) < 0)
		return 1;
	feed_init(&r.f, NULL, &z, 2026, 0);
	r.p = pipeline_new(&o, &sink);
	buf_reserve(&r.block, 1u << 18);
	struct before was = { given(), resident() };
	for (int i = optind; logs && i < argc; i++)
		if (!read_log(&r, argv[i])) {
			perror(argv[i]);
			return 1;
		}
	if (!logs)
		queue_up(&r, n, retries, between_s);
	if (quiet) {
		stamp(&r.block, tried_s(n, 0, between_s) + 1800);
		buf_puts(&r.block, "postfix/smtpd[1]: connect from unknown[192.0.2.1]\n");
	}
	flush(&r);
	print(&r, &was, txns);
	feed_fini(&r.f);
	pipeline_free(r.p);
	buf_fini(&r.block);
	return 0;
}
