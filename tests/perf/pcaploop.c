/* pcaploop FILE: reads a capture with libpcap and does nothing with it: the floor. Prints packets and bytes. */
#include <pcap/pcap.h>
#include <stdio.h>

static unsigned long long packets, bytes;

static void on_packet(u_char *ctx, const struct pcap_pkthdr *h, const u_char *p)
{
	(void)ctx, (void)p;
	packets++;
	bytes += h->caplen;
}

int main(int argc, char **argv)
{
	char e[PCAP_ERRBUF_SIZE];
	pcap_t *p = argc == 2 ? pcap_open_offline(argv[1], e) : NULL;
	if (!p)
		return 2;
	pcap_loop(p, -1, on_packet, NULL);
	printf("%llu packets, %llu bytes\n", packets, bytes);
	pcap_close(p);
	return 0;
}
