/* dnsblast: the two ends that tests/perf/rbl.sh measures the DNSBL engine with.
 *   dnsblast serve ADDRESS PORT MS       answers every question MS milliseconds after it came: the test entry 2.0.0.127 and one address in 256 are listed,
 *                                        nothing else is. The delay stands for a line where the kernel has no netem.
 *   dnsblast ask ADDRESS PORT ZONES N    asks about N addresses in ZONES zones (zNN.example) with bare sendmmsg and recvmmsg, no cache, no check of
 *                                        anything: the floor of what the kernel takes. Prints look-ups, seconds and CPU seconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define SIZE 512

static int open_socket(const char *address, const char *port, int server)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), big = 8 << 20;
	inet_pton(AF_INET, address, &a.sin_addr);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
	if ((server ? bind(fd, (struct sockaddr *)&a, sizeof a) : connect(fd, (struct sockaddr *)&a, sizeof a)) < 0) {
		perror(address);
		exit(1);
	}
	return fd;
}

/* The answer in place of the question; returns its length. */
static unsigned reply(unsigned char *p, unsigned n)
{
	static const unsigned char listed[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 2 };
	static const unsigned char soa[] = { 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 6, 0, 1, 0, 0, 1, 44, 0, 22, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 44 };
	unsigned end = 12;
	if (n < 17)
		return 0;
	while (end < n && p[end])
		end += p[end] + 1u;
	end += 5;
	int hit = memcmp(p + 12, "\1" "2\1" "0\1" "0\3" "127", 10) == 0 || memcmp(p + 12, "\2" "77\1", 4) == 0;
	p[2] = 0x85;
	p[3] = hit ? 0x80 : 0x83;
	p[7] = (unsigned char)hit;
	p[9] = !hit;
	p[11] = 0;
	memcpy(p + end, hit ? listed : soa, hit ? sizeof listed : sizeof soa);
	return end + (hit ? sizeof listed : sizeof soa);
}

#define RING 65536
static unsigned char ring[RING][SIZE];
static struct sockaddr_in from[RING];
static struct iovec part[RING];
static double due[RING];

static double seconds(clockid_t c)
{
	struct timespec t;
	clock_gettime(c, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What is due goes out, from first on; returns the new first. */
static unsigned send_due(int fd, unsigned first, unsigned next)
{
	struct mmsghdr mm[BATCH];
	double now = seconds(CLOCK_MONOTONIC);
	while (first != next && due[first % RING] <= now) {
		int n = 0;
		for (; n < BATCH && first + (unsigned)n != next && due[(first + (unsigned)n) % RING] <= now; n++) {
			unsigned at = (first + (unsigned)n) % RING;
			mm[n] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[at], .msg_namelen = sizeof from[at], .msg_iov = &part[at], .msg_iovlen = 1 } };
		}
		int k = sendmmsg(fd, mm, (unsigned)n, 0);
		first += k > 0 ? (unsigned)k : 1;
	}
	return first;
}

static void serve(int fd, double delay)
{
	unsigned first = 0, next = 0;
	for (;;) {
		struct mmsghdr mm[BATCH];
		struct timespec wait = { 0, 0 };
		struct pollfd p = { fd, POLLIN, 0 };
		unsigned room = RING - (next - first) < BATCH ? RING - (next - first) : BATCH;
		double left = first == next ? 1 : due[first % RING] - seconds(CLOCK_MONOTONIC);
		wait.tv_nsec = left <= 0 ? 0 : left > 0.5 ? 500000000 : (long)(left * 1e9);
		(void)ppoll(&p, 1, &wait, NULL);
		for (unsigned i = 0; i < room; i++) {
			unsigned at = (next + i) % RING;
			part[at] = (struct iovec){ ring[at], SIZE - 64 };
			mm[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[at], .msg_namelen = sizeof from[at], .msg_iov = &part[at], .msg_iovlen = 1 } };
		}
		int n = room ? recvmmsg(fd, mm, room, MSG_DONTWAIT, NULL) : 0;
		double at = seconds(CLOCK_MONOTONIC) + delay;
		for (int i = 0; i < n; i++) {
			part[next % RING].iov_len = reply(ring[next % RING], mm[i].msg_len);
			due[next++ % RING] = at;
		}
		first = send_due(fd, first, next);
	}
}

static unsigned question(unsigned char *p, unsigned id, unsigned long nth, unsigned zones)
{
	unsigned char *q = p + 12;
	unsigned long a = nth / zones;
	memset(p, 0, 12);
	p[0] = (unsigned char)(id >> 8);
	p[1] = (unsigned char)id;
	p[2] = 1;
	p[5] = 1;
	unsigned o[4] = { (unsigned)(a & 255), (unsigned)(a >> 8 & 255), 18, 198 };
	for (int i = 0; i < 4; i++) {
		int n = sprintf((char *)q + 1, "%u", o[i]);
		*q = (unsigned char)n;
		q += n + 1;
	}
	q += sprintf((char *)q, "%cz%02lu%cexample", 3, nth % zones, 7) + 1;
	memcpy(q, "\0\1\0\1", 4);
	return (unsigned)(q + 4 - p);
}

static void ask(int fd, unsigned zones, unsigned long all)
{
	static unsigned char out[BATCH][SIZE], in[BATCH][SIZE];
	unsigned long sent = 0, got = 0, window = 4096;
	double start = seconds(CLOCK_MONOTONIC), last = start;
	all *= zones;
	while (got < all) {
		struct mmsghdr mm[BATCH];
		struct iovec iov[BATCH];
		unsigned n = 0;
		while (n < BATCH && sent < all && sent - got < window) {
			iov[n] = (struct iovec){ out[n], question(out[n], (unsigned)sent & 0xffff, sent, zones) };
			mm[n] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[n], .msg_iovlen = 1 } };
			n++;
			sent++;
		}
		if (n)
			sendmmsg(fd, mm, n, 0);
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ in[i], SIZE };
			mm[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 } };
		}
		int k = recvmmsg(fd, mm, BATCH, MSG_DONTWAIT, NULL);
		if (k > 0) {
			got += (unsigned long)k;
			last = seconds(CLOCK_MONOTONIC);
		} else if (sent - got >= window || sent == all) {
			struct pollfd p = { fd, POLLIN, 0 };
			poll(&p, 1, 50);
			if (seconds(CLOCK_MONOTONIC) - last > 1)
				break; /* the rest was lost */
		}
	}
	printf("%lu %.3f %.3f\n", got, last - start, seconds(CLOCK_PROCESS_CPUTIME_ID));
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "serve") == 0)
		serve(open_socket(argv[2], argv[3], 1), atof(argv[4]) / 1000);
	else if (argc == 6 && strcmp(argv[1], "ask") == 0)
		ask(open_socket(argv[2], argv[3], 0), (unsigned)atoi(argv[4]), strtoul(argv[5], NULL, 10));
	else
		fputs("usage: dnsblast serve ADDRESS PORT MS | ask ADDRESS PORT ZONES N\n", stderr);
	return 2;
}
