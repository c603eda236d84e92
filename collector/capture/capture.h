/* capture: SMTP sessions out of packets. Frames go in, finished sessions come out; time is the packets' time, so the same packets give
 * the same sessions. All memory is fixed at the start (struct capture_options): when it runs out, the flow that was quiet for
 * longest is ended. Payload that may hold a password is wiped where it lies as soon as it was read, so frames must be writable. */
#ifndef COLLECTOR_CAPTURE_CAPTURE_H
#define COLLECTOR_CAPTURE_CAPTURE_H

#include "lib/smtp_session.h"

#define CAPTURE_PORTS 16

struct capture_options {
	size_t memory_bytes;       /* flows, held segments and what sessions said */
	size_t held_bytes;         /* of one direction of one flow, while segments before them are missing */
	int64_t idle_us;           /* a quiet session is over; RFC 5321 lets clients be silent for minutes */
	int64_t unanswered_us;     /* a SYN without an answer */
	int64_t stall_us;          /* a hole that the other side has acknowledged is a loss of the capture after that time */
	uint16_t port[CAPTURE_PORTS];
	size_t n_ports;            /* 0: every TCP port */
	bool tunnels;              /* look into GRE, ERSPAN, VXLAN, IP in IP */
	bool subjects;             /* keep subjects as text, not only their hash */
	bool unanswered;           /* report SYNs that nobody answered, too */
	int64_t until_us;          /* a packet that is dated later is damaged, or of a clock that was never set: it counts as of the newest time before. 0: all are believed */
	uint32_t sample;           /* of 2^n new flows follow one; 0: all */
	const char *const *programs; /* endings of names of attachments that are programs, as ".exe"; borrowed */
	size_t n_programs;
};

#define CAPTURE_STATS(C)                                                                                                  \
	C(frames) C(bytes) C(segments) C(other_ports) C(not_ip) C(not_tcp) C(short_frames) C(odd_links) C(fragments)                   \
	C(sessions) C(flows) C(evicted) C(sampled_out) C(strays) /* of no flow we know */                                 \
	C(held) C(retransmits) C(overlaps) C(gaps) C(lost_bytes) C(unanswered) C(truncated) C(kernel_packets) C(kernel_drops) \
	C(unsent) C(memory_bytes) C(memory_peak_bytes) C(open_flows)

struct capture_stats {
#define C(name) uint64_t name;
	CAPTURE_STATS(C)
#undef C
};

struct capture;
typedef void capture_sink(void *ctx, const struct smtp_session *s);

struct capture_options capture_defaults(void);
struct capture *capture_new(const struct capture_options *o, capture_sink *sink, void *ctx);
void capture_free(struct capture *c);
/* One frame. It is looked at with the ones around it: it must stay where it is until capture_sync(). */
void capture_frame(struct capture *c, int link_type, int64_t at_us, uint8_t *frame, uint32_t captured, uint32_t length);
void capture_sync(struct capture *c);
/* Time goes on without a packet, or was put back (live only). */
void capture_tick(struct capture *c, int64_t now_us);
/* No more packets: every session ends. */
void capture_end(struct capture *c);
/* From now on of 2^n new flows one is followed. */
void capture_sample(struct capture *c, uint32_t n);
/* What the kernel says of the interface; for the totals. */
void capture_kernel(struct capture *c, uint64_t packets, uint64_t drops);
/* How many sessions nobody could be given; for the totals. */
void capture_unsent(struct capture *c, uint64_t sessions);
struct capture_stats capture_totals(const struct capture *c);

#endif
