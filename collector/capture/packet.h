/* packet: from the bytes of a frame to one TCP segment: link layers, VLAN tags, PPPoE, MPLS, IPv4, IPv6 with extension headers, fragments,
 * and, where that is asked for, GRE, ERSPAN and VXLAN tunnels. Nothing is trusted: every length is checked against what was captured. */
#ifndef COLLECTOR_CAPTURE_PACKET_H
#define COLLECTOR_CAPTURE_PACKET_H

#include <endian.h>
#include <stdbool.h>

#include "lib/prefix.h"

struct fragments;

/* Link types as capture files number them (the numbers of tcpdump.org). */
enum link_type {
	LINK_NULL = 0, LINK_ETHERNET = 1, LINK_PPP = 9, LINK_RAW_BSD = 12, LINK_RAW_OPENBSD = 14, LINK_PPP_HDLC = 50, LINK_PPPOE = 51,
	LINK_RAW = 101, LINK_C_HDLC = 104, LINK_LOOP = 108, LINK_SLL = 113, LINK_MPLS = 219, LINK_IPV4 = 228, LINK_IPV6 = 229, LINK_SLL2 = 276,
};

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

struct segment {
	int64_t at_us;
	uint64_t address[2][2]; /* source, destination: IPv4 as ::ffff:a.b.c.d, as it lies in memory */
	uint16_t port[2];
	uint8_t flags, ttl;
	uint16_t missing;       /* bytes of payload that were on the wire but not captured, at most 65535 */
	uint32_t seq, ack, n;   /* n: bytes of payload captured */
	uint8_t *payload;       /* in the frame, or in the fragments' memory; may be wiped */
};

struct decoder {
	bool tunnels;           /* look into GRE, ERSPAN, VXLAN */
	struct fragments *fragments;
	uint64_t frames, not_ip, not_tcp, short_frames, fragments_seen, odd_links;
};

/* True when this build can read frames of that type. */
bool packet_knows_link(int link_type);
/* True and *ret when the frame holds (or completes) a TCP segment. */
bool packet_decode(struct decoder *d, int link_type, int64_t at_us, uint8_t *frame, uint32_t captured, uint32_t length, struct segment *ret);

static inline uint16_t packet_be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t packet_be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* p: source and destination. */
static inline void packet_set_ipv4(struct segment *s, const uint8_t *p)
{
	const uint64_t mapped = htobe64(0xffff00000000ull);
	s->address[0][0] = s->address[1][0] = 0;
	s->address[0][1] = mapped | htobe64((uint64_t)packet_be32(p));
	s->address[1][1] = mapped | htobe64((uint64_t)packet_be32(p + 4));
}

static inline void packet_set_tcp(struct segment *s, const uint8_t *p)
{
	s->port[0] = packet_be16(p);
	s->port[1] = packet_be16(p + 2);
	s->seq = packet_be32(p + 4);
	s->ack = packet_be32(p + 8);
	s->flags = p[13];
}

/* The same for what nearly all frames of mail are: Ethernet, IPv4 without options, whole, TCP. False, and nothing done: look closer. */
static inline bool packet_plain(struct decoder *d, int link_type, int64_t at_us, uint8_t *p, uint32_t captured, struct segment *s)
{
	if (link_type != LINK_ETHERNET || captured < 54 || packet_be16(p + 12) != 0x0800 || p[14] != 0x45 || p[23] != 6 || (packet_be16(p + 20) & 0x3fff))
		return false;
	uint32_t total = packet_be16(p + 16), header = (uint32_t)(p[46] >> 4) * 4;
	if (total < 40 || total > captured - 14 || header < 20 || header > total - 20)
		return false;
	d->frames++;
	s->at_us = at_us;
	packet_set_ipv4(s, p + 26);
	s->ttl = p[22];
	packet_set_tcp(s, p + 34);
	s->n = total - 20 - header;
	s->payload = p + 34 + header;
	s->missing = 0;
	return true;
}

#endif
