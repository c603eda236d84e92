/* Fuzz target: hostile DNS answers (as whole messages, and as what follows a question that fits), the text that comes of them, what the answer means for zones of
 * every sort, and files of lists. */
#include <stdlib.h>

#include "lib/plain.h"
#include "probe/dnsmsg.h"
#include "probe/verdict.h"
#include "probe/zonefile.h"

static struct dnsbl_code codes[] = { { .mask = 0xffffffff, .low = 0x7f000002, .high = 0x7f000004, .kind = DNSBL_BLOCK, .points = 8, .meaning = "block" },
	{ .bits = true, .low = 8, .kind = DNSBL_REFUSAL, .meaning = "refused" }, { .mask = 0xffff00ff, .low = 0x7f000003, .high = 0x7f000003, .kind = DNSBL_ALLOW, .meaning = "allow" } };

static void check_answer(const struct dnsmsg *m)
{
	static struct dnsbl_zone z = { .name = "bl.example", .title = "", .targets = DNSBL_IP4, .code = codes, .n_code = 3, .delist = "http://x/%t" };
	struct buf meaning = { 0 }, text = { 0 };
	unsigned n = m->n_address < DNSMSG_ADDRESSES ? m->n_address : DNSMSG_ADDRESSES;
	struct verdict v = verdict_of(&z, m->rcode ? OUTCOME_FAILED : OUTCOME_ANSWER, m->address, n, &meaning);
	/* never a listing out of an error, nor out of an answer that is none of a list */
	for (unsigned i = 0; i < n; i++)
		if (v.verdict == DNSBL_LISTED && (m->rcode || m->address[i] >> 24 != 127 || (m->address[i] & 0xfffffff0) == 0x7ffffff0))
			abort();
	for (uint8_t h = 0; h < HEALTHS; h++) {
		struct verdict told = verdict_tell(v, h);
		if (told.verdict == DNSBL_CLEAN && h != HEALTH_GOOD)
			abort();
	}
	plain_show(&text, sv_make(m->text, m->n_text), "");
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
			abort();
	buf_fini(&meaning);
	buf_fini(&text);
}

static void check_file(const char *type, const uint8_t *data, size_t size)
{
	static const char *const addresses[] = { "127.0.0.2", "0.0.0.0", "255.255.255.255", "::1", "::ffff:7f00:2", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	FILE *in = fmemopen((void *)(uintptr_t)data, size, "r");
	struct sv text;
	if (!in)
		return;
	struct zonefile *f = zonefile_read(type, in);
	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		struct ipaddr a;
		struct buf b = { 0 };
		(void)ipaddr_parse(sv_cstr(addresses[i]), &a);
		(void)zonefile_address(f, &a, i >= 3, &text);
		zonefile_text(text, sv_cstr(addresses[i]), &b);
		buf_fini(&b);
	}
	(void)zonefile_domain(f, SV("a.b.example"), &text);
	zonefile_close(f);
	fclose(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "ip4set", "ip4trie", "ip4tset", "ip6trie", "ip6tset", "dnset" };
	struct dnsname name;
	struct dnsmsg m;
	uint8_t packet[DNSMSG_QUERY + 4096];
	if (size < 8 || dnsname_parse(SV("2.0.0.127.bl.example"), &name) < 0)
		return 0;
	uint16_t type = data[0] & 1 ? DNS_TXT : data[0] & 2 ? DNS_SOA : DNS_A;
	if (data[0] & 4) {
		check_file(types[data[1] % 6], data + 2, size - 2);
		return 0;
	}
	if (data[0] & 8) { /* the question is right, the rest is the fuzzer's */
		size_t n = dnsmsg_put_query(packet, 1, &name, type, true) - 11, rest = size - 8 < 4096 ? size - 8 : 4096;
		memcpy(packet + 2, data + 1, 2);
		packet[2] |= 0x80;
		packet[7] = data[3];
		packet[9] = data[4];
		packet[11] = data[5];
		memcpy(packet + n, data + 8, rest);
		if (dnsmsg_parse(packet, n + rest, &name, type, &m) == 0)
			check_answer(&m);
		return 0;
	}
	if (dnsmsg_parse(data + 1, size - 1, &name, type, &m) == 0)
		check_answer(&m);
	return 0;
}
