/* packet: from the bytes of a frame to one TCP segment: link layers, VLAN tags, PPPoE, MPLS, IPv4, IPv6 with extension headers, fragments,
 * and, where that is asked for, GRE, ERSPAN and VXLAN tunnels. Nothing is trusted: every length is checked against what was captured. */
#ifndef COLLECTOR_CAPTURE_PACKET_H
#define COLLECTOR_CAPTURE_PACKET_H

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

#endif
