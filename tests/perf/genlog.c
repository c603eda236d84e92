/* genlog: writes the mail log of a made-up provider, as large as wanted, as Postfix, Exim or Sendmail would. Not data to judge detectors by
 * (../shared/tools has a simulator with truth for that), but of the proportions that real logs have: about ten lines a message, two
 * recipients, unique queue ids, message-ids and replies, lines of many messages interleaved, TLS and connection lines, refused and failed
 * log-ins, bounces, a few accounts that were broken into. The same arguments give the same bytes.
 *
 *   genlog [-f postfix|exim|sendmail] [-m MEGABYTES] [-r MESSAGES_PER_SECOND] [-a ACCOUNTS] [-s SEED] [-i]     (-i: ISO stamps)
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_RCPTS 20
#define START_S 1794182400LL /* 2026-11-09 00:00:00 UTC */

enum format { POSTFIX, EXIM, SENDMAIL };
enum way { SUBMISSION, RELAY, INBOUND, SCRIPT, NOTICE };
enum outcome { SENT, DEFERRED, BOUNCED };

struct mail {
	enum way way;
	uint64_t number;
	uint32_t account, pid, size, n_rcpt, ip, spare;
	uint32_t rcpt[MAX_RCPTS]; /* number of the address; its domain follows from it */
	uint8_t outcome[MAX_RCPTS];
	char id[24];
};
struct event { int64_t us; uint64_t order; struct mail *m; int step; };

static enum format format = POSTFIX;
static bool iso;
static uint64_t seed = 1, order;
static uint32_t accounts = 5000;
static double rate = 1.2;
static struct event *heap;
static size_t n_heap, cap_heap;
static uint64_t written, next_mail = 1;
static char line[4096];
static size_t line_n;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}
static uint32_t below(uint32_t n) { return (uint32_t)((rnd() >> 33) % n); }
static bool chance(double p) { return (double)(rnd() >> 11) / 9007199254740992.0 < p; }
/* Small numbers are likely, large ones are not rare. */
static uint32_t skewed(uint32_t n)
{
	double u = (double)(rnd() >> 11) / 9007199254740992.0;
	return (uint32_t)(u * u * u * n) % n;
}

/* -- names -- */

static const char *const given[] = { "anna", "ben", "carla", "david", "elke", "frank", "gerda", "hans", "ines", "jan", "karin", "lukas", "maria",
	"nils", "olga", "peter", "rita", "sven", "tanja", "uwe", "vera", "willi", "yvonne", "zdenka" };
static const char *const word[] = { "alpha", "berg", "cedar", "delta", "ember", "fjord", "grove", "harbor", "iris", "jade", "kite", "lumen", "maple",
	"north", "onyx", "pine", "quartz", "river", "stone", "tide", "umber", "vale", "willow", "zephyr" };
#define N(v) (sizeof(v) / sizeof *(v))

static const char *domain(uint32_t address, char *b)
{
	uint32_t d = address % 101 < 55 ? address % 7 : address * 2654435761u % 20000; /* half of all mail goes to a few large receivers */
	sprintf(b, d < 7 ? "bigmail%u.example" : "%3$s%2$s%1$u.example", d, word[d % N(word)], word[d / 24 % N(word)]);
	return b;
}
static const char *mx(uint32_t address, char *b)
{
	char d[80];
	sprintf(b, "mx%u.%s", address % 3 + 1, domain(address, d));
	return b;
}
static const char *address(uint32_t n, char *b)
{
	char d[80];
	sprintf(b, "%s.%s%u@%s", given[n % N(given)], word[n / 24 % N(word)], n / 576 % 4000, domain(n, d));
	return b;
}
static const char *account(uint32_t n, char *b)
{
	sprintf(b, "%s%u@%s%u.isp.example", given[n % N(given)], n, word[n / 11 % N(word)], n % 300);
	return b;
}
static const char *ip_text(uint32_t n, char *b)
{
	sprintf(b, "%u.%u.%u.%u", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255);
	return b;
}
static uint32_t own_ip(uint32_t n) { return 0xc6120000u + n * 2654435761u % 120000u; } /* 198.18.0.0/15 */
static uint32_t far_ip(uint32_t n) { return 0x05000000u + n * 2654435761u % 0x50000000u; }

/* -- lines -- */

static void put(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line + line_n, sizeof line - line_n, fmt, ap);
	va_end(ap);
	line_n += (size_t)n < sizeof line - line_n ? (size_t)n : 0;
}
static void head(int64_t us, const char *program, uint32_t pid)
{
	static int64_t last = -1;
	static char stamp[64];
	time_t s = (time_t)(us / 1000000);
	struct tm tm;
	line_n = 0;
	if (s != last || iso) {
		gmtime_r(&s, &tm);
		last = s;
		strftime(stamp, sizeof stamp, format == EXIM ? "%Y-%m-%d %H:%M:%S" : iso ? "%Y-%m-%dT%H:%M:%S" : "%b %e %H:%M:%S", &tm);
		if (iso && format != EXIM)
			sprintf(stamp + 19, ".%06d+00:00", (int)(us % 1000000));
	}
	if (format == EXIM)
		put("%s ", stamp);
	else
		put("%s mx1 %s[%u]: ", stamp, program, pid);
}
static void end(void)
{
	line[line_n++] = '\n';
	fwrite(line, 1, line_n, stdout);
	written += line_n;
}

static void at(int64_t us, struct mail *m, int step)
{
	if (n_heap == cap_heap)
		heap = realloc(heap, (cap_heap = cap_heap ? cap_heap * 2 : 1024) * sizeof *heap);
	size_t i = n_heap++;
	struct event e = { us, order++, m, step };
	for (; i && (heap[(i - 1) / 2].us > us); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = e;
}
static bool sooner(const struct event *a, const struct event *b)
{
	return a->us < b->us || (a->us == b->us && a->order < b->order);
}
static struct event pop(void)
{
	struct event first = heap[0], last = heap[--n_heap];
	size_t i = 0;
	for (size_t c; (c = 2 * i + 1) < n_heap; i = c) {
		if (c + 1 < n_heap && sooner(&heap[c + 1], &heap[c]))
			c++;
		if (!sooner(&heap[c], &last))
			break;
		heap[i] = heap[c];
	}
	heap[i] = last;
	return first;
}

/* -- messages -- */

static bool is_broken(uint32_t account) { return account % 997 == 5; }

static void fill(struct mail *m, int64_t us)
{
	static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	m->number = next_mail++;
	m->pid = 1000 + below(30000);
	m->size = 800 + skewed(400000);
	bool broken = m->way == SUBMISSION && is_broken(m->account) && us / 1000000 - START_S > 86400;
	m->n_rcpt = chance(0.72) ? 1 : 1 + skewed(broken ? MAX_RCPTS : 8);
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		m->rcpt[i] = broken ? (uint32_t)rnd() : chance(0.85) ? m->account * 7919u + skewed(40) * 104729u : (uint32_t)rnd() % 3000000u;
		m->outcome[i] = (uint8_t)(broken && chance(0.3) ? BOUNCED : chance(0.03) ? DEFERRED : chance(0.015) ? BOUNCED : SENT);
	}
	uint64_t s = (uint64_t)us / 1000000;
	if (format == POSTFIX)
		sprintf(m->id, "%010" PRIX64 "%X", (m->number * 2654435761u + 0x1000000000u) & 0xffffffffffu, 1 + (uint32_t)(m->number % 15));
	else if (format == EXIM)
		sprintf(m->id, "1%c%c%c%c%c-%c%c%c%c%c%c-%c%c", base62[s / 14776336 % 62], base62[s / 238328 % 62], base62[s / 3844 % 62], base62[s / 62 % 62],
		        base62[s % 62], '0', base62[m->number / 916132832 % 62], base62[m->number / 14776336 % 62], base62[m->number / 238328 % 62],
		        base62[m->number / 3844 % 62], base62[m->number / 62 % 62], base62[m->number % 62], base62[m->pid % 62]);
	else
		sprintf(m->id, "6AP%c%c%c%c%c%06" PRIu64, base62[s / 3600 % 24 + 36], base62[s / 60 % 60], base62[s % 60], base62[m->number / 1000000 % 62],
		        base62[m->number / 62000000 % 62], m->number % 1000000);
}

static const char *message_id(const struct mail *m, char *b)
{
	sprintf(b, "%016" PRIx64 ".%" PRIu64 "@%s%u.isp.example", m->number * UINT64_C(0x9e3779b97f4a7c15), m->number, word[m->account % N(word)], m->account % 300);
	return b;
}
static const char *sender(const struct mail *m, char *b)
{
	if (m->way == NOTICE)
		return strcpy(b, "");
	return m->way == INBOUND ? address(m->account * 31u + 17u, b) : account(m->account, b);
}
static const char *recipient(const struct mail *m, uint32_t i, char *b)
{
	return m->way == INBOUND ? account(m->rcpt[i] % accounts, b) : address(m->rcpt[i], b);
}
static const char *client_name(const struct mail *m, char *b)
{
	if (m->way == INBOUND)
		sprintf(b, "mail%u.%s.example", m->account % 9, word[m->account % N(word)]);
	else
		sprintf(b, "dyn-%u.isp.example", m->ip & 0xffff);
	return b;
}
static const char *reply(const struct mail *m, uint32_t i, char *b)
{
	char a[128];
	uint64_t h = (m->number * MAX_RCPTS + i) * 0x9e3779b97f4a7c15ull;
	if (m->outcome[i] == SENT)
		sprintf(b, m->rcpt[i] % 3 ? "250 2.0.0 Ok: queued as %010" PRIX64 : "250 2.0.0 OK  %2$" PRIu64 " %1$" PRIx64 ".13 - bigsmtp", h & 0xffffffffffu, 1794182400 + m->number);
	else if (m->outcome[i] == DEFERRED)
		sprintf(b, "450 4.2.0 <%s>: Recipient address rejected: Greylisted, try again in 5 minutes", recipient(m, i, a));
	else
		sprintf(b, "550 5.1.1 <%s>: Recipient address rejected: User unknown", recipient(m, i, a));
	return b;
}
#define R(i) recipient(m, (i), a)

/* -- Postfix -- */

static void postfix_to(const struct mail *m, uint32_t i)
{
	char a[128], b[128], r[256], c[32];
	static const char *const status[] = { "sent", "deferred", "bounced" };
	static const char *const dsn[] = { "2.0.0", "4.2.0", "5.1.1" };
	if (m->way == INBOUND) {
		put("%s: to=<%s>, relay=mx1.isp.example[private/dovecot-lmtp], delay=0.%02u, delays=0.05/0/0/0.%02u, dsn=2.0.0, status=sent (250 2.0.0 <%s> %08x Saved)", m->id,
		    R(i), m->size % 90 + 10, m->size % 60 + 10, R(i), (unsigned)m->number * 2654435761u);
		return;
	}
	const char *host = mx(m->rcpt[i], b), *ip = ip_text(far_ip(m->rcpt[i] % 997), c);
	put("%s: to=<%s>, relay=%s[%s]:25, delay=%u.%u, delays=0.%02u/0.01/0.%02u/%u.%u, dsn=%s, status=%s ", m->id, R(i), host, ip, m->size % 4, m->size % 10, m->size % 80 + 10,
	    m->size % 70 + 10, m->size % 3, m->size % 10, dsn[m->outcome[i]], status[m->outcome[i]]);
	if (m->outcome[i] == SENT)
		put("(%s)", reply(m, i, r));
	else
		put("(host %s[%s] said: %s (in reply to RCPT TO command))", host, ip, reply(m, i, r));
}

static const char *smtpd(const struct mail *m) { return m->way == SUBMISSION ? "postfix/submission/smtpd" : "postfix/smtpd"; }

static void postfix(int64_t us, struct mail *m, int step)
{
	char a[128], b[256], c[32];
	switch (step) {
	case 0:
		head(us, smtpd(m), m->pid);
		put("connect from %s[%s]", client_name(m, b), ip_text(m->ip, c));
		break;
	case 1:
		head(us, smtpd(m), m->pid);
		put("%s TLS connection established from %s[%s]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256",
		    m->way == INBOUND ? "Untrusted" : "Anonymous", client_name(m, b), ip_text(m->ip, c));
		break;
	case 2:
		head(us, m->way == SCRIPT ? "postfix/pickup" : smtpd(m), m->pid);
		if (m->way == SCRIPT)
			put("%s: uid=%u from=<%s>", m->id, 2000 + m->account % 400, sender(m, a));
		else
			put("%s: client=%s[%s]", m->id, client_name(m, b), ip_text(m->ip, c));
		if (m->way == SUBMISSION)
			put(", sasl_method=PLAIN, sasl_username=%s", account(m->account, a));
		break;
	case 3:
		head(us, "postfix/cleanup", m->pid + 1);
		put("%s: message-id=<%s>", m->id, message_id(m, b));
		break;
	case 4:
		head(us, "postfix/qmgr", 811);
		put("%s: from=<%s>, size=%u, nrcpt=%u (queue active)", m->id, sender(m, a), m->size, m->n_rcpt);
		break;
	case 5:
		head(us, smtpd(m), m->pid);
		put("disconnect from %s[%s] ehlo=2 starttls=1%s mail=1 rcpt=%u data=1 quit=1 commands=%u", client_name(m, b), ip_text(m->ip, c), m->way == SUBMISSION ? " auth=1" : "",
		    m->n_rcpt, m->n_rcpt + 6 + (m->way == SUBMISSION));
		break;
	case 6:
		head(us, "postfix/smtp", m->pid + 2);
		put("Trusted TLS connection established to %s[%s]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature ECDSA (P-256) server-digest SHA256",
		    mx(m->rcpt[0], b), ip_text(far_ip(m->rcpt[0] % 997), c));
		break;
	case 7:
		head(us, "postfix/bounce", m->pid + 4);
		put("%s: sender non-delivery notification: %s", m->id, b + sprintf(b, "%010" PRIX64 "F", (m->number * 2654435761u + 0x7000000000u) & 0xffffffffffu) - 11);
		break;
	case 8:
		head(us, "postfix/qmgr", 811);
		put("%s: removed", m->id);
		break;
	default:
		head(us, m->way == INBOUND ? "postfix/lmtp" : "postfix/smtp", m->pid + 2);
		if (step >= 200) /* a later try */
			m->outcome[step - 200] = SENT;
		postfix_to(m, (uint32_t)(step >= 200 ? step - 200 : step - 100));
	}
	end();
}

static void postfix_noise(int64_t us)
{
	char a[128], c[32];
	uint32_t n = below(50000), pid = 1000 + below(30000);
	ip_text(far_ip(n), c);
	switch (below(4)) {
	case 0:
		head(us, "postfix/smtpd", pid);
		put("NOQUEUE: reject: RCPT from unknown[%s]: 554 5.7.1 <%s>: Relay access denied; from=<%s> to=<%s> proto=ESMTP helo=<host%u.example>", c, address(n, a), a, a, n);
		break;
	case 1:
		head(us, "postfix/submission/smtpd", pid);
		put("warning: unknown[%s]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=%s", c, account(n % accounts, a));
		break;
	case 2:
		head(us, "postfix/smtpd", pid);
		put("lost connection after AUTH from unknown[%s]", c);
		break;
	default:
		head(us, "postfix/anvil", 977);
		put("statistics: max connection rate %u/60s for (smtp:%s) at Nov 12 10:11:12", n % 40 + 1, c);
	}
	end();
}

static void postfix_plan(int64_t us, struct mail *m)
{
	bool smtp = m->way != SCRIPT && m->way != NOTICE;
	if (smtp) {
		at(us, m, 0);
		if (m->way == SUBMISSION || chance(0.6))
			at(us + 120000, m, 1);
	}
	if (m->way != NOTICE)
		at(us + 300000, m, 2);
	at(us + 350000, m, 3);
	at(us + 400000, m, 4);
	if (smtp)
		at(us + 450000, m, 5);
	int64_t t = us + 600000 + (int64_t)below(3000000), last = t;
	bool bounced = false;
	if (m->way != INBOUND && chance(0.8))
		at(t, m, 6);
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		at(last = t + 200000 + (int64_t)i * 30000, m, 100 + (int)i);
		bounced |= m->outcome[i] == BOUNCED;
	}
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		if (m->outcome[i] == DEFERRED && m->way != INBOUND)
			at(last = t + 310000000 + (int64_t)i, m, 200 + (int)i);
	if (bounced && m->way != NOTICE && m->way != INBOUND)
		at(last + 10000, m, 7);
	at(last + 20000, m, 8);
}

/* -- Exim -- */

static void exim_to(const struct mail *m, uint32_t i)
{
	char a[128], b[128], r[256], c[32];
	if (m->way == INBOUND) {
		put("%s => %s <%s> R=localuser T=dovecot_lmtp C=\"250 2.0.0 <%s> %08x Saved\"", m->id, given[m->rcpt[i] % N(given)], R(i), R(i), (unsigned)m->number * 2654435761u);
		return;
	}
	const char *host = mx(m->rcpt[i], b), *ip = ip_text(far_ip(m->rcpt[i] % 997), c);
	if (m->outcome[i] == SENT)
		put("%s => %s R=dnslookup T=remote_smtp H=%s [%s] X=TLS1.3:ECDHE_RSA_AES_256_GCM_SHA384:256 CV=yes C=\"%s\"", m->id, R(i), host, ip, reply(m, i, r));
	else if (m->outcome[i] == DEFERRED)
		put("%s == %s R=dnslookup T=remote_smtp defer (-44) H=%s [%s]: SMTP error from remote mail server after RCPT TO:<%s>: %s", m->id, R(i), host, ip, R(i), reply(m, i, r));
	else
		put("%s ** %s R=dnslookup T=remote_smtp H=%s [%s]: SMTP error from remote mail server after RCPT TO:<%s>: %s", m->id, R(i), host, ip, R(i), reply(m, i, r));
}

static void exim(int64_t us, struct mail *m, int step)
{
	char a[128], b[256], c[32];
	head(us, "exim", m->pid);
	if (step == 0) {
		put("%s <= %s ", m->id, m->way == NOTICE ? "<>" : sender(m, a));
		if (m->way == SCRIPT)
			put("U=web%u P=local S=%u id=%s", m->account % 400, m->size, message_id(m, b));
		else if (m->way == NOTICE)
			put("U=Debian-exim P=local S=%u id=%s", m->size, message_id(m, b));
		else {
			put("H=%s [%s] P=esmtps%s X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=no", client_name(m, b), ip_text(m->ip, c), m->way == SUBMISSION ? "a" : "");
			if (m->way == SUBMISSION)
				put(" A=plain_server:%s", account(m->account, a));
			put(" S=%u id=%s", m->size, message_id(m, b));
		}
		put(" T=\"Message %" PRIu64 " of today\" for", m->number);
		for (uint32_t i = 0; i < m->n_rcpt; i++)
			put(" %s", R(i));
	} else if (step == 8) {
		put("%s Completed", m->id);
	} else {
		if (step >= 200)
			m->outcome[step - 200] = SENT;
		exim_to(m, (uint32_t)(step >= 200 ? step - 200 : step - 100));
	}
	end();
}

static void exim_noise(int64_t us)
{
	char a[128], b[128], c[32];
	uint32_t n = below(50000);
	ip_text(far_ip(n), c);
	head(us, "exim", n);
	switch (below(3)) {
	case 0: put("H=(host%u.example) [%s] F=<%s> rejected RCPT <%s>: relay not permitted", n, c, address(n, a), address(n + 1, b)); break;
	case 1: put("plain_server authenticator failed for (host%u) [%s]: 535 Incorrect authentication data (set_id=%s)", n, c, account(n % accounts, a)); break;
	default: put("no host name found for IP address %s", c);
	}
	end();
}

/* -- Sendmail -- */

static void sendmail_to(const struct mail *m, uint32_t i)
{
	char a[128], b[128], r[256], c[32];
	if (m->way == INBOUND) {
		put("%s: to=<%s>, delay=00:00:01, xdelay=00:00:00, mailer=local, pri=%u, dsn=2.0.0, stat=Sent", m->id, R(i), m->size + 30000);
		return;
	}
	put("%s: to=<%s>, ", m->id, R(i));
	if (m->way == SCRIPT)
		put("ctladdr=<%s> (%u/%u), ", sender(m, b), 2000 + m->account % 400, 2000 + m->account % 400);
	put("delay=00:00:0%u, xdelay=00:00:0%u, mailer=esmtp, pri=%u, relay=%s. [%s], dsn=%s, ", m->size % 9, m->size % 5, m->size + 30000, mx(m->rcpt[i], b),
	    ip_text(far_ip(m->rcpt[i] % 997), c), m->outcome[i] == SENT ? "2.0.0" : m->outcome[i] == DEFERRED ? "4.2.0" : "5.1.1");
	reply(m, i, r);
	if (m->outcome[i] == SENT)
		put("stat=Sent (%s)", r + 4);
	else if (m->outcome[i] == DEFERRED)
		put("reply=%s, stat=Deferred: %s", r, r);
	else
		put("reply=%s, stat=User unknown", r);
}

static void sendmail(int64_t us, struct mail *m, int step)
{
	char a[128], b[256], c[32];
	head(us, m->way == SCRIPT ? "sendmail" : "sm-mta", m->pid);
	ip_text(m->ip, c);
	if (step == 1)
		put("STARTTLS=server, relay=%s [%s], version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256", client_name(m, b), c);
	else if (step == 2)
		put("AUTH=server, relay=%s [%s], authid=%s, mech=PLAIN, bits=0", client_name(m, b), c, account(m->account, a));
	else if (step == 4 && m->way == SCRIPT)
		put("%s: from=<%s>, size=%u, class=0, nrcpts=%u, msgid=<%s>, relay=web%u@localhost", m->id, sender(m, a), m->size, m->n_rcpt, message_id(m, b), m->account % 400);
	else if (step == 4) {
		put("%s: from=<%s>, size=%u, class=0, nrcpts=%u, msgid=<%s>, ", m->id, sender(m, a), m->size, m->n_rcpt, message_id(m, b));
		put("proto=ESMTPS%s, daemon=%s, relay=%s [%s]", m->way == SUBMISSION ? "A" : "", m->way == SUBMISSION ? "MSP-v4" : "MTA-v4", client_name(m, b), c);
	} else {
		if (step >= 200)
			m->outcome[step - 200] = SENT;
		sendmail_to(m, (uint32_t)(step >= 200 ? step - 200 : step - 100));
	}
	end();
}

static void sendmail_noise(int64_t us)
{
	char a[128], c[32];
	uint32_t n = below(50000), pid = 1000 + below(30000);
	ip_text(far_ip(n), c);
	head(us, "sm-mta", pid);
	switch (below(3)) {
	case 0: put("6APabcde%06u: ruleset=check_rcpt, arg1=<%s>, relay=host%u.example [%s], reject=550 5.7.1 <%s>... Relaying denied", pid, address(n, a), n, c, a); break;
	case 1: put("6APabcde%06u: AUTH failure (LOGIN): authentication failure (-13) SASL(-13): authentication failure: checkpass failed, user=%s, relay=host%u.example [%s]", pid, account(n % accounts, a), n, c); break;
	default: put("6APabcde%06u: host%u.example [%s] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4", pid, n, c);
	}
	end();
}

/* -- what Exim and Sendmail share: fewer lines, the same course -- */

static void short_plan(int64_t us, struct mail *m)
{
	if (format == EXIM)
		at(us + 400000, m, 0);
	else {
		if (m->way == SUBMISSION || (m->way == INBOUND && chance(0.6)))
			at(us, m, 1);
		if (m->way == SUBMISSION)
			at(us + 200000, m, 2);
		at(us + 400000, m, 4);
	}
	int64_t t = us + 600000 + (int64_t)below(3000000), last = t;
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		at(last = t + 200000 + (int64_t)i * 30000, m, 100 + (int)i);
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		if (m->outcome[i] == DEFERRED && m->way != INBOUND)
			at(last = t + 310000000 + (int64_t)i, m, 200 + (int)i);
	m->spare = 8;
	if (format == EXIM)
		at(last + 20000, m, 8);
}

static void begin_mail(int64_t us)
{
	struct mail *m = calloc(1, sizeof *m);
	uint32_t dice = below(100);
	m->way = dice < 55 ? SUBMISSION : dice < 65 ? RELAY : dice < 93 ? INBOUND : dice < 97 ? SCRIPT : NOTICE;
	m->account = skewed(accounts);
	if (m->way == SUBMISSION && chance(0.01)) {
		uint32_t last = (accounts - 6) / 997;
		m->account = below(last + 1) * 997 + 5; /* broken into: sends out of proportion */
	}
	m->ip = m->way == INBOUND ? far_ip(m->account % 5000) : m->way == SUBMISSION && is_broken(m->account) ? far_ip(below(100000)) : own_ip(m->account);
	fill(m, us);
	if (format == POSTFIX)
		postfix_plan(us, m);
	else
		short_plan(us, m);
}

int main(int argc, char **argv)
{
	double mb = 100;
	static char out[1 << 20];
	for (int c; (c = getopt(argc, argv, "f:m:r:a:s:i")) != -1;)
		switch (c) {
		case 'f': format = !strcmp(optarg, "exim") ? EXIM : !strcmp(optarg, "sendmail") ? SENDMAIL : POSTFIX; break;
		case 'm': mb = atof(optarg); break;
		case 'r': rate = atof(optarg); break;
		case 'a': accounts = (uint32_t)atoi(optarg); break;
		case 's': seed = strtoull(optarg, NULL, 10) * 0x9e3779b97f4a7c15ull | 1; break;
		case 'i': iso = true; break;
		default: fputs("usage: genlog [-f postfix|exim|sendmail] [-m MB] [-r MESSAGES_PER_SECOND] [-a ACCOUNTS] [-s SEED] [-i]\n", stderr); return 2;
		}
	setvbuf(stdout, out, _IOFBF, sizeof out);
	int64_t now = START_S * 1000000, next = now;
	while ((double)written < mb * 1e6) {
		while (n_heap && heap[0].us <= next) {
			struct event e = pop();
			(format == POSTFIX ? postfix : format == EXIM ? exim : sendmail)(e.us, e.m, e.step);
			if (e.step == 8)
				free(e.m); /* Sendmail's are few enough to be left */
		}
		now = next;
		if (chance(0.12))
			(format == POSTFIX ? postfix_noise : format == EXIM ? exim_noise : sendmail_noise)(now);
		begin_mail(now);
		next = now + 1 + (int64_t)(2e6 / rate * (double)(rnd() >> 11) / 9007199254740992.0);
	}
	return 0;
}
