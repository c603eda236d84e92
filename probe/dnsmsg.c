#include "probe/dnsmsg.h"

#include <stdio.h>

#define HEADER 12
#define JUMPS 16        /* compression pointers and aliases that are followed */
#define RECORDS_MAX 256 /* of a message that are looked at */
#define TTL_MAX 86400   /* nothing is believed longer than a day */

/* --- names -------------------------------------------------------------------------------------------------------- */

static bool label_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Labels at the end of ret, without the root. */
static int add_labels(struct sv text, struct dnsname *ret)
{
	while (text.n) {
		ptrdiff_t dot = sv_chr(text, '.');
		size_t n = dot < 0 ? text.n : (size_t)dot;
		if (n == 0 || n > 63 || ret->n + n + 2 > DNSMSG_NAME)
			return -1;
		ret->b[ret->n++] = (uint8_t)n;
		for (size_t i = 0; i < n; i++) {
			uint8_t c = fold((uint8_t)text.p[i]);
			if (!label_char(c))
				return -1;
			ret->b[ret->n++] = c;
		}
		text = sv_skip(text, n + 1);
	}
	return 0;
}

int dnsname_parse(struct sv text, struct dnsname *ret)
{
	ret->n = 0;
	if (text.n && text.p[text.n - 1] == '.')
		text.n--;
	if (!text.n || add_labels(text, ret) < 0)
		return -1;
	ret->b[ret->n++] = 0;
	return 0;
}

static bool add_zone(const struct dnsname *zone, struct dnsname *ret)
{
	if (ret->n + zone->n > DNSMSG_NAME)
		return false;
	memcpy(ret->b + ret->n, zone->b, zone->n);
	ret->n = (uint8_t)(ret->n + zone->n);
	return true;
}

static void add_octet(unsigned v, struct dnsname *ret)
{
	uint8_t *p = ret->b + ret->n, n = v >= 100 ? 3 : v >= 10 ? 2 : 1;
	*p++ = n;
	if (n == 3)
		*p++ = (uint8_t)('0' + v / 100);
	if (n >= 2)
		*p++ = (uint8_t)('0' + v / 10 % 10);
	*p = (uint8_t)('0' + v % 10);
	ret->n = (uint8_t)(ret->n + n + 1);
}

bool dnsname_of_address(const struct ipaddr *a, bool v6, const struct dnsname *zone, struct dnsname *ret)
{
	static const char hex[] = "0123456789abcdef";
	ret->n = 0;
	for (int i = 15; i >= (v6 ? 0 : 12); i--) {
		if (!v6) {
			add_octet(a->b[i], ret);
			continue;
		}
		uint8_t *p = ret->b + ret->n;
		p[0] = p[2] = 1;
		p[1] = (uint8_t)hex[a->b[i] & 15];
		p[3] = (uint8_t)hex[a->b[i] >> 4];
		ret->n = (uint8_t)(ret->n + 4);
	}
	return add_zone(zone, ret);
}

bool dnsname_of_domain(struct sv domain, const struct dnsname *zone, struct dnsname *ret)
{
	ret->n = 0;
	return add_labels(domain, ret) == 0 && add_zone(zone, ret);
}

void dnsname_text(const struct dnsname *n, char *out)
{
	char *p = out;
	for (unsigned i = 0; i < n->n && n->b[i] && i + n->b[i] < n->n; i += n->b[i] + 1u) {
		if (p != out)
			*p++ = '.';
		memcpy(p, n->b + i + 1, n->b[i]);
		p += n->b[i];
	}
	*p = 0;
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

static uint8_t *put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

size_t dnsmsg_put_query(uint8_t *out, uint16_t id, const struct dnsname *name, uint16_t type, bool recurse)
{
	static const uint8_t edns[11] = { 0, 0, 41, DNSMSG_UDP >> 8, DNSMSG_UDP & 255, 0, 0, 0, 0, 0, 0 }; /* RFC 6891 */
	uint8_t *p = put16(out, id);
	p = put16(p, recurse ? 0x0100 : 0);
	p = put16(p, 1);
	p = put16(p, 0);
	p = put16(p, 0);
	p = put16(p, 1);
	memcpy(p, name->b, name->n);
	p = put16(p + name->n, type);
	p = put16(p, 1);
	memcpy(p, edns, sizeof edns);
	return (size_t)(p - out) + sizeof edns;
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

struct reader { const uint8_t *b; size_t n, at; };
struct rr { struct dnsname name; unsigned type, class, n_data; uint32_t ttl; size_t data; };

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* A name that begins at r->at, in lower case; r->at comes to stand behind it. -1 when it is none. */
static int read_name(struct reader *r, struct dnsname *ret)
{
	size_t at = r->at, jumps = 0;
	ret->n = 0;
	for (;;) {
		if (at >= r->n)
			return -1;
		unsigned c = r->b[at];
		if (c >= 0xc0) {
			if (at + 1 >= r->n || ++jumps > JUMPS)
				return -1;
			if (jumps == 1)
				r->at = at + 2;
			at = (c & 0x3f) << 8 | r->b[at + 1];
			continue;
		}
		if (c > 63 || at + c + 1 > r->n || ret->n + c + 1 > DNSMSG_NAME)
			return -1;
		for (unsigned i = 0; i <= c; i++)
			ret->b[ret->n + i] = i ? fold(r->b[at + i]) : (uint8_t)c;
		ret->n = (uint8_t)(ret->n + c + 1);
		at += c + 1;
		if (c == 0)
			break;
	}
	if (!jumps)
		r->at = at;
	return 0;
}

static int read_rr(struct reader *r, struct rr *ret)
{
	if (read_name(r, &ret->name) < 0 || r->n - r->at < 10)
		return -1;
	const uint8_t *p = r->b + r->at;
	ret->type = get16(p);
	ret->class = get16(p + 2);
	ret->ttl = get32(p + 4);
	ret->n_data = get16(p + 8);
	ret->data = r->at + 10;
	if (ret->ttl > TTL_MAX)
		ret->ttl = ret->ttl >> 31 ? 0 : TTL_MAX; /* RFC 2181 section 8 */
	if (r->n - ret->data < ret->n_data)
		return -1;
	r->at = ret->data + ret->n_data;
	return 0;
}

static bool same(const struct dnsname *a, const struct dnsname *b)
{
	return a->n == b->n && memcmp(a->b, b->b, a->n) == 0;
}

static void take_text(const struct reader *r, const struct rr *rr, struct dnsmsg *m)
{
	size_t at = rr->data, end = rr->data + rr->n_data;
	if (m->has_text)
		return;
	m->has_text = true;
	while (at < end && m->n_text < DNSMSG_TEXT) {
		size_t n = r->b[at++], room = DNSMSG_TEXT - m->n_text;
		n = n < end - at ? n : end - at;
		n = n < room ? n : room;
		memcpy(m->text + m->n_text, r->b + at, n);
		m->n_text = (uint8_t)(m->n_text + n);
		at += n;
	}
}

static void take_address(const struct reader *r, const struct rr *rr, struct dnsmsg *m)
{
	if (rr->n_data != 4)
		return;
	if (m->n_address < DNSMSG_ADDRESSES)
		m->address[m->n_address] = get32(r->b + rr->data);
	m->n_address++;
}

static void least(uint32_t *at, uint32_t ttl)
{
	if (ttl < *at)
		*at = ttl;
}

/* One record of the answer; *name is where the chain of aliases stands. */
static int take_answer(struct reader *r, const struct rr *rr, uint16_t type, struct dnsname *name, struct dnsmsg *m)
{
	if (rr->class != 1 || !same(&rr->name, name))
		return 0;
	if (rr->type == DNS_CNAME && type != DNS_CNAME) {
		struct reader alias = { r->b, rr->data + rr->n_data, rr->data };
		struct dnsname to;
		if (read_name(&alias, &to) < 0)
			return -1;
		*name = to;
		least(&m->ttl_s, rr->ttl);
	} else if (rr->type == type) {
		if (type == DNS_A)
			take_address(r, rr, m);
		else if (type == DNS_TXT)
			take_text(r, rr, m);
		least(&m->ttl_s, rr->ttl);
	}
	return 0;
}

/* What a "no" rests on. */
struct denial { bool soa, ns, alias; };

/* How long "no" holds: the smaller of the SOA's TTL and its last number (RFC 2308 section 5). */
static void take_authority(const struct reader *r, const struct rr *rr, struct dnsmsg *m, struct denial *d)
{
	d->ns = d->ns || rr->type == DNS_NS;
	if (rr->type != DNS_SOA || rr->n_data < 22)
		return;
	uint32_t minimum = get32(r->b + rr->data + rr->n_data - 4);
	d->soa = true;
	m->ttl_s = rr->ttl;
	least(&m->ttl_s, minimum);
}

/* The sections behind an answer without a record of that type. The rcode's upper bits stand in the OPT record (RFC 6891 section 6.1.3). */
static int take_rest(struct reader *r, unsigned authorities, unsigned additional, struct dnsmsg *m, struct denial *d)
{
	struct rr rr;
	for (unsigned i = 0; i < authorities + additional && i < RECORDS_MAX; i++) {
		if (read_rr(r, &rr) < 0)
			return -1;
		if (i < authorities)
			take_authority(r, &rr, m, d);
		else if (rr.type == DNS_OPT && r->b[rr.data - 6])
			m->rcode = (uint8_t)(r->b[rr.data - 6] > 15 ? 255 : r->b[rr.data - 6] << 4 | m->rcode);
	}
	/* RFC 2308 section 2.2: no data is told by a SOA, or by nothing at all */
	if (m->rcode == DNS_NOERROR && !d->soa && (d->ns || d->alias))
		m->rcode = DNS_SERVFAIL;
	return 0;
}

int dnsmsg_parse(const uint8_t *packet, size_t n, const struct dnsname *name, uint16_t type, struct dnsmsg *ret)
{
	struct reader r = { packet, n, HEADER };
	struct dnsname at;
	struct rr rr;
	memset(ret, 0, offsetof(struct dnsmsg, text));
	if (n < HEADER || !(packet[2] & 0x80) || get16(packet + 4) != 1)
		return -1;
	ret->id = (uint16_t)get16(packet);
	ret->truncated = packet[2] & 2;
	ret->rcode = packet[3] & 15;
	unsigned answers = get16(packet + 6);
	if (read_name(&r, &at) < 0 || !same(&at, name) || r.n - r.at < 4 || get16(r.b + r.at) != type)
		return -1;
	r.at += 4;
	ret->ttl_s = TTL_MAX;
	for (unsigned i = 0; i < answers && i < RECORDS_MAX; i++)
		if (read_rr(&r, &rr) < 0 || take_answer(&r, &rr, type, &at, ret) < 0)
			return ret->truncated ? 0 : -1;
	if (ret->n_address || ret->has_text)
		return 0;
	ret->ttl_s = 0; /* without a SOA "no" is not kept */
	struct denial d = { .alias = answers > RECORDS_MAX || !same(&at, name) };
	return take_rest(&r, answers > RECORDS_MAX ? 0 : get16(packet + 8), answers > RECORDS_MAX ? 0 : get16(packet + 10), ret, &d) < 0 && !ret->truncated ? -1 : 0;
}
