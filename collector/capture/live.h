/* live: packets from an interface, by libpcap: the kernel's ring (TPACKET_V3 on Linux) with a filter in the kernel. */
#ifndef COLLECTOR_CAPTURE_LIVE_H
#define COLLECTOR_CAPTURE_LIVE_H

#include "collector/capture/capture.h"

struct live;

#define LIVE_RING_BYTES (32u << 20) /* a second of a busy link while we are busy elsewhere */

struct live_options {
	const char *interface;
	const char *expression;     /* "": the ports of the capture, also inside VLAN tags, and fragments */
	bool promiscuous;
	size_t ring_bytes;          /* the kernel's, where packets wait while we are busy; 0: LIVE_RING_BYTES */
	const struct capture_options *capture;
};

/* Whether there is such an interface and it is up. Needs no rights. */
bool live_is_up(const char *interface);
/* Needs CAP_NET_RAW, from then on nothing. NULL and e: what is wrong and what to do. */
struct live *live_open(const struct live_options *o, struct err *e);
void live_close(struct live *l);
/* Readable when there are packets. */
int live_fd(const struct live *l);
/* Takes what is there. 0, or -1 and e: the interface is gone. */
int live_read(struct live *l, struct capture *c, struct err *e);
/* What the kernel had no room for since the start, and what it passed on. */
void live_counts(struct live *l, uint64_t *ret_packets, uint64_t *ret_drops);
/* Looks at the drops since the last call: when there are any, only half as many new flows are followed from now on; when there were none for long, more
 * again. Returns n of "one of 2^n". */
uint32_t live_adapt(struct live *l, struct capture *c);

#endif
