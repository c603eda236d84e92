#include "collector/capture/packet.h"

#include <string.h>

#include "collector/capture/fragments.h"

#define NESTED 8 /* headers one in another before we give up: tags, labels, tunnels, extension headers */

/* What is left to look at. */
struct rest { uint8_t *p; uint32_t n; unsigned depth; };

static bool skip(struct decoder *d, struct rest *r, uint32_t n)
{
	if (r->n < n) {
		d->short_frames++;
		return false;
	}
	r->p += n;
	r->n -= n;
	return true;
}

static bool ip_any(struct decoder *d, struct rest r, struct segment *s);
static bool ether_type(struct decoder *d, struct rest r, uint16_t type, struct segment *s);

/* -- TCP -- */

/* length: of the segment as the IP header says, which may be more than was captured. */
static bool tcp(struct decoder *d, struct rest r, uint32_t length, struct segment *s)
{
	if (length < 20 || r.n < 20) {
		d->short_frames++;
		return false;
	}
	uint32_t header = (uint32_t)(r.p[12] >> 4) * 4;
	if (header < 20 || header > length) {
		d->short_frames++;
		return false;
	}
	packet_set_tcp(s, r.p);
	uint32_t captured = r.n < length ? r.n : length;
	s->n = captured > header ? captured - header : 0;
	s->payload = r.p + header;
	uint32_t missing = length - header - s->n;
	s->missing = (uint16_t)(missing > 65535 ? 65535 : missing);
	return true;
}

/* -- tunnels -- */

static bool gre(struct decoder *d, struct rest r, struct segment *s)
{
	if (r.n < 4)
		return false;
	uint16_t flags = packet_be16(r.p), type = packet_be16(r.p + 2);
	uint32_t header = 4 + (flags & 0x8000 ? 4u : 0) + (flags & 0x2000 ? 4u : 0) + (flags & 0x1000 ? 4u : 0);
	if ((flags & 7) == 1) /* as PPTP has it */
		return false;
	if (type == 0x88be) /* ERSPAN: version I has no header of its own, II has one of 8 bytes */
		header += flags & 0x1000 ? 8 : 0;
	else if (type == 0x22eb) /* version III */
		header += r.n > header + 11 && (r.p[header + 11] & 1) ? 20 : 12;
	if (!skip(d, &r, header))
		return false;
	if (type != 0x88be && type != 0x22eb)
		return ether_type(d, r, type == 0x6558 ? 0x6558 : type, s);
	uint8_t *frame = r.p;
	return skip(d, &r, 14) && ether_type(d, r, packet_be16(frame + 12), s);
}

static bool vxlan(struct decoder *d, struct rest r, struct segment *s)
{
	if (r.n < 16 || packet_be16(r.p + 2) != 4789 || !(r.p[8] & 8))
		return false;
	if (!skip(d, &r, 16 + 14))
		return false;
	return ether_type(d, r, packet_be16(r.p - 2), s);
}

/* length: of what follows the IP headers, as those say. */
static bool transport(struct decoder *d, uint8_t protocol, struct rest r, uint32_t length, struct segment *s)
{
	if (protocol == 6)
		return tcp(d, r, length, s);
	if (d->tunnels && protocol == 47)
		return gre(d, r, s);
	if (d->tunnels && protocol == 17)
		return vxlan(d, r, s);
	if (d->tunnels && (protocol == 4 || protocol == 41))
		return ip_any(d, r, s);
	d->not_tcp++;
	return false;
}

/* -- IP -- */

static bool fragment(struct decoder *d, struct fragment *part, struct rest r, uint32_t length, struct segment *s)
{
	d->fragments_seen++;
	if (!d->fragments || r.n < length)
		return false;
	memcpy(part->address, s->address, sizeof part->address);
	part->p = r.p;
	part->n = length;
	part->at_us = s->at_us;
	uint32_t n;
	uint8_t *whole = fragments_add(d->fragments, part, &n);
	memset(r.p, 0, length); /* nobody else will: it may be part of a password */
	return whole && transport(d, part->protocol, (struct rest){ whole, n, r.depth }, n, s);
}

static bool ipv4(struct decoder *d, struct rest r, struct segment *s)
{
	if (r.n < 20 || r.p[0] >> 4 != 4) {
		d->short_frames++;
		return false;
	}
	uint8_t *h = r.p;
	uint32_t header = (uint32_t)(h[0] & 15) * 4, total = packet_be16(h + 2), offset = packet_be16(h + 6);
	if (total == 0)
		total = r.n; /* segmentation offload: the length is not filled in */
	if (header < 20 || total < header || !skip(d, &r, header))
		return false;
	packet_set_ipv4(s, h + 12);
	s->ttl = h[8];
	uint32_t length = total - header;
	if (!(offset & 0x3fff))
		return transport(d, h[9], r, length, s);
	struct fragment part = { .id = packet_be16(h + 4), .protocol = h[9], .more = offset & 0x2000, .offset = (offset & 0x1fff) * 8 };
	return fragment(d, &part, r, length, s);
}

/* True while next names an extension header that r has been moved behind. */
static bool extension(struct decoder *d, struct rest *r, uint8_t *next, uint32_t *length)
{
	if (*next != 0 && *next != 43 && *next != 60 && *next != 51 && *next != 135)
		return false;
	if (r->n < 8 || *length < 8)
		return false;
	uint8_t after = r->p[0];
	uint32_t n = *next == 51 ? ((uint32_t)r->p[1] + 2) * 4 : ((uint32_t)r->p[1] + 1) * 8;
	if (n > *length || !skip(d, r, n))
		return false;
	*next = after;
	*length -= n;
	return true;
}

static bool ipv6(struct decoder *d, struct rest r, struct segment *s)
{
	if (r.n < 40 || r.p[0] >> 4 != 6) {
		d->short_frames++;
		return false;
	}
	uint32_t length = packet_be16(r.p + 4);
	uint8_t next = r.p[6];
	s->ttl = r.p[7];
	memcpy(s->address, r.p + 8, sizeof s->address);
	(void)skip(d, &r, 40);
	if (length == 0)
		length = r.n; /* jumbo or offload */
	for (unsigned i = 0; i < NESTED && extension(d, &r, &next, &length); i++)
		;
	if (next != 44)
		return transport(d, next, r, length, s);
	if (r.n < 8 || length < 8)
		return false;
	uint16_t offset = packet_be16(r.p + 2);
	struct fragment part = { .id = packet_be32(r.p + 4), .protocol = r.p[0], .more = offset & 1, .offset = offset & 0xfff8u };
	(void)skip(d, &r, 8);
	return fragment(d, &part, r, length - 8, s);
}

static bool ip_any(struct decoder *d, struct rest r, struct segment *s)
{
	if (!r.n || r.depth++ >= NESTED)
		return false;
	return r.p[0] >> 4 == 6 ? ipv6(d, r, s) : ipv4(d, r, s);
}

/* -- link layers -- */

static bool ppp(struct decoder *d, struct rest r, struct segment *s)
{
	if (r.n >= 2 && r.p[0] == 0xff && r.p[1] == 3)
		(void)skip(d, &r, 2);
	if (r.n < 2)
		return false;
	bool packed = r.p[0] & 1; /* a protocol number of one byte */
	uint16_t protocol = packed ? r.p[0] : packet_be16(r.p);
	(void)skip(d, &r, packed ? 1 : 2);
	switch (protocol) {
	case 0x21: case 0x57: return ip_any(d, r, s);
	case 0x281: return ether_type(d, r, 0x8847, s);
	default: d->not_ip++; return false;
	}
}

static bool mpls(struct decoder *d, struct rest r, struct segment *s)
{
	bool bottom = false;
	for (unsigned i = 0; i < NESTED && !bottom; i++) {
		if (r.n < 4)
			return false;
		bottom = r.p[2] & 1;
		(void)skip(d, &r, 4);
	}
	return bottom && r.n && (r.p[0] >> 4 == 4 || r.p[0] >> 4 == 6) && ip_any(d, r, s);
}

static bool ether_type(struct decoder *d, struct rest r, uint16_t type, struct segment *s)
{
	for (; r.depth++ < NESTED;) {
		switch (type) {
		case 0x0800: return ipv4(d, r, s);
		case 0x86dd: return ipv6(d, r, s);
		case 0x8847: case 0x8848: return mpls(d, r, s);
		case 0x8864: return skip(d, &r, 6) && ppp(d, r, s); /* PPPoE session */
		case 0x880b: return ppp(d, r, s);
		case 0x6558: /* bridged Ethernet */
			if (!skip(d, &r, 14))
				return false;
			type = packet_be16(r.p - 2);
			break;
		case 0x8100: case 0x88a8: case 0x9100: /* VLAN tags, also one in another */
			if (!skip(d, &r, 4))
				return false;
			type = packet_be16(r.p - 2);
			break;
		default: d->not_ip++; return false;
		}
	}
	return false;
}

bool packet_knows_link(int link_type)
{
	switch (link_type) {
	case LINK_NULL: case LINK_ETHERNET: case LINK_PPP: case LINK_RAW_BSD: case LINK_RAW_OPENBSD: case LINK_PPP_HDLC: case LINK_PPPOE: case LINK_RAW:
	case LINK_C_HDLC: case LINK_LOOP: case LINK_SLL: case LINK_MPLS: case LINK_IPV4: case LINK_IPV6: case LINK_SLL2: return true;
	default: return false;
	}
}

static bool by_type_at(struct decoder *d, struct rest r, uint32_t header, uint32_t type_at, struct segment *s)
{
	uint8_t *h = r.p;
	return skip(d, &r, header) && ether_type(d, r, packet_be16(h + type_at), s);
}

bool packet_decode(struct decoder *d, int link_type, int64_t at_us, uint8_t *frame, uint32_t captured, uint32_t length, struct segment *s)
{
	struct rest r = { frame, captured, 0 };
	(void)length;
	d->frames++;
	s->at_us = at_us;
	switch (link_type) {
	case LINK_ETHERNET: return by_type_at(d, r, 14, 12, s);
	case LINK_SLL: return by_type_at(d, r, 16, 14, s);
	case LINK_SLL2: return by_type_at(d, r, 20, 0, s);
	case LINK_C_HDLC: return by_type_at(d, r, 4, 2, s);
	case LINK_NULL: case LINK_LOOP: return skip(d, &r, 4) && ip_any(d, r, s);
	case LINK_RAW: case LINK_RAW_BSD: case LINK_RAW_OPENBSD: case LINK_IPV4: case LINK_IPV6: return ip_any(d, r, s);
	case LINK_PPP: case LINK_PPP_HDLC: return ppp(d, r, s);
	case LINK_PPPOE: return skip(d, &r, 6) && ppp(d, r, s);
	case LINK_MPLS: return mpls(d, r, s);
	default: d->odd_links++; return false;
	}
}
