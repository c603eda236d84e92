#include "collector/capture/live.h"

#include <net/if.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/capture/packet.h"
#include "lib/buf.h"

#define SNAPLEN 65535
#define TIMEOUT_MS 50
#define SAMPLE_MOST 6
#define CALM_LOOKS 30         /* looks without drops until more flows are followed again */

struct live {
	pcap_t *p;
	int link;
	struct capture *to;
	uint64_t packets, drops, drops_seen;
	uint32_t last_received, last_dropped, sample, calm;
};

static void default_expression(const struct capture_options *o, struct buf *out)
{
	struct buf ports = { 0 };
	for (size_t i = 0; i < o->n_ports; i++)
		buf_printf(&ports, "%stcp port %u", i ? " or " : "", o->port[i]);
	if (!o->n_ports)
		buf_puts(&ports, "tcp");
	/* Fragments have no ports. What comes in a VLAN tag or a tunnel is elsewhere in the frame. */
	buf_printf(out, "(%s) or (ip proto 6 and ip[6:2] & 0x1fff != 0)", buf_cstr(&ports));
	if (o->tunnels)
		buf_puts(out, " or ip proto 47 or ip proto 4 or ip proto 41 or udp port 4789");
	buf_printf(out, " or (vlan and (%s))", buf_cstr(&ports));
	buf_fini(&ports);
}

static int set_filter(struct live *l, const struct live_options *o, struct err *e)
{
	struct bpf_program program;
	struct buf text = { 0 };
	if (*o->expression)
		buf_puts(&text, o->expression);
	else
		default_expression(o->capture, &text);
	int bad = pcap_compile(l->p, &program, buf_cstr(&text), 1, PCAP_NETMASK_UNKNOWN);
	if (bad) {
		(void)err_set(e, "the expression \"%s\" is none that can be used on %s: %s (see pcap-filter(7))", buf_cstr(&text), o->interface, pcap_geterr(l->p));
	} else {
		bad = pcap_setfilter(l->p, &program);
		if (bad)
			(void)err_set(e, "%s: the filter: %s", o->interface, pcap_geterr(l->p));
		pcap_freecode(&program);
	}
	buf_fini(&text);
	return bad ? -1 : 0;
}

static int activate(struct live *l, const struct live_options *o, struct err *e)
{
	(void)pcap_set_snaplen(l->p, SNAPLEN);
	(void)pcap_set_promisc(l->p, o->promiscuous);
	(void)pcap_set_timeout(l->p, TIMEOUT_MS);
	(void)pcap_set_buffer_size(l->p, o->ring_bytes && o->ring_bytes <= INT32_MAX ? (int)o->ring_bytes : (int)LIVE_RING_BYTES);
	int status = pcap_activate(l->p);
	if (status == PCAP_ERROR_PERM_DENIED)
		return err_set(e, "%s: opening it for capture needs root, or the right CAP_NET_RAW", o->interface);
	if (status == PCAP_ERROR_NO_SUCH_DEVICE)
		return err_set(e, "%s: there is no such interface (ip link shows them)", o->interface);
	if (status < 0)
		return err_set(e, "%s: cannot be opened for capture: %s", o->interface, pcap_geterr(l->p));
	/* The library's numbers differ from the files' for raw IP. */
	int dlt = pcap_datalink(l->p);
	l->link = dlt == DLT_RAW ? LINK_RAW : dlt;
	if (!packet_knows_link(l->link))
		return err_set(e, "%s: frames of link type %d, which this version cannot read", o->interface, l->link);
	return set_filter(l, o, e);
}

bool live_is_up(const char *interface)
{
	struct ifreq r = { 0 };
	size_t n = strlen(interface);
	if (!strcmp(interface, "any")) /* libpcap's word for all of them */
		return true;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* no other kind is allowed once the calls are fenced off */
	if (fd < 0 || n >= sizeof r.ifr_name) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	memcpy(r.ifr_name, interface, n);
	bool up = ioctl(fd, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP);
	close(fd);
	return up;
}

struct live *live_open(const struct live_options *o, struct err *e)
{
	char text[PCAP_ERRBUF_SIZE];
	struct live *l = xcalloc(1, sizeof *l);
	l->p = pcap_create(o->interface, text);
	if (!l->p) {
		(void)err_set(e, "%s: %s", o->interface, text);
		free(l);
		return NULL;
	}
	if (activate(l, o, e) < 0 || pcap_setnonblock(l->p, 1, text) < 0) {
		live_close(l);
		return NULL;
	}
	return l;
}

void live_close(struct live *l)
{
	if (!l)
		return;
	pcap_close(l->p);
	free(l);
}

int live_fd(const struct live *l)
{
	return pcap_get_selectable_fd(l->p);
}

/* The frame lies in the ring, which is ours to write to until the library gives it back after this. */
static void on_packet(u_char *ctx, const struct pcap_pkthdr *h, const u_char *bytes)
{
	struct live *l = (struct live *)(void *)ctx;
	capture_frame(l->to, l->link, (int64_t)h->ts.tv_sec * 1000000 + h->ts.tv_usec, (uint8_t *)(uintptr_t)bytes, h->caplen, h->len);
	capture_sync(l->to);
}

int live_read(struct live *l, struct capture *c, struct err *e)
{
	l->to = c;
	int n = pcap_dispatch(l->p, 20000, on_packet, (u_char *)l);
	return n < 0 ? err_set(e, "%s", pcap_geterr(l->p)) : 0;
}

void live_counts(struct live *l, uint64_t *ret_packets, uint64_t *ret_drops)
{
	struct pcap_stat s;
	if (pcap_stats(l->p, &s) == 0) { /* 32 bits that wrap */
		l->packets += (uint32_t)(s.ps_recv - l->last_received);
		l->drops += (uint32_t)(s.ps_drop - l->last_dropped);
		l->last_received = s.ps_recv;
		l->last_dropped = s.ps_drop;
	}
	*ret_packets = l->packets;
	*ret_drops = l->drops;
}

uint32_t live_adapt(struct live *l, struct capture *c)
{
	uint64_t packets, drops;
	live_counts(l, &packets, &drops);
	if (drops > l->drops_seen) {
		l->calm = 0;
		l->sample += l->sample < SAMPLE_MOST;
	} else if (++l->calm >= CALM_LOOKS && l->sample) {
		l->calm = 0;
		l->sample--;
	}
	l->drops_seen = drops;
	capture_sample(c, l->sample);
	return l->sample;
}
