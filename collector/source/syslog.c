/* Listens for syslog: udp://ADDRESS:PORT (a datagram is a line), tcp://ADDRESS:PORT (lines with an end or with a count before them, RFC
 * 6587), tls://ADDRESS:PORT?cert=…&key=…[&ca=…] (the same inside TLS; with ca only clients that show a certificate of it).
 * Every connection has a frame of its own: what is given on are whole lines. */
#include "collector/source.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/frame.h"
#include "collector/framing.h"
#include "collector/scan.h"
#include "collector/tls.h"
#include "lib/buf.h"
#include "lib/msg.h"

#define BLOCK_BYTES (64u << 10)
#define CLIENTS_MAX 512u
#define SILENT_MS 5000 /* who has given no line for so long makes room when there are too many */
#define BATCH_BYTES (256u << 10)
#define HELD_BYTES (32u << 20) /* of unfinished lines, all peers' together */

enum transport { UDP, TCP, TLS };

struct client {
	struct source_run *s;
	uv_tcp_t tcp;
	struct frame frame;
	struct tls_session *tls; /* NULL: plain */
	char peer[64];
	struct client *prev, *next;
	uint64_t since_ms;
	size_t held; /* memory of a line whose end has not come */
	bool ended, heard; /* heard: gave a line */
};

struct source_run {
	struct source_events ev;
	uv_loop_t *loop;
	char *path, *block;
	enum transport transport;
	bool paused, closed;
	unsigned handles;
	struct buf lines; /* whole lines, given on together */
	struct client *first;
	unsigned clients;
	size_t held;
	uv_tcp_t listener;
	struct tls_server *tls;
	int fd; /* UDP */
	uv_poll_t ready;
	uint64_t dropped;
	uint32_t kernel_dropped;
};

static void free_if_done(struct source_run *s)
{
	if (s->handles || !s->closed)
		return;
	tls_server_free(s->tls);
	buf_fini(&s->lines);
	free(s->path);
	free(s->block);
	free(s);
}

static void on_freed(uv_handle_t *h)
{
	struct source_run *s = h->data;
	s->handles--;
	free_if_done(s);
}

/* -- lines -- */

/* A message may hold newlines; for those who follow, a line is a line. */
static void add_line(struct source_run *s, struct sv line)
{
	size_t at = s->lines.n;
	buf_addsv(&s->lines, line);
	for (size_t i = at; i < s->lines.n; i++)
		if (s->lines.p[i] == '\n')
			s->lines.p[i] = ' ';
	buf_addc(&s->lines, '\n');
}

static void give_lines(struct source_run *s)
{
	if (!s->lines.n || s->closed)
		return;
	s->ev.bytes(s->ev.ctx, buf_sv(&s->lines));
	buf_clear(&s->lines);
	if (!s->closed)
		s->ev.idle(s->ev.ctx);
}

static void count_held(struct client *c)
{
	struct frame *f = &c->frame;
	buf_fini(&f->unit); /* was given on */
	if (!f->rest_bytes)
		buf_fini(&f->rest);
	c->s->held += f->rest.cap - c->held;
	c->held = f->rest.cap;
}

static void take_bytes(struct client *c, struct sv in)
{
	struct sv line;
	frame_feed(&c->frame, in);
	while (frame_next(&c->frame, &in, &line)) {
		add_line(c->s, line);
		c->heard = true;
	}
	count_held(c);
}

/* -- TCP -- */

static void on_client_freed(uv_handle_t *h)
{
	struct client *c = h->data;
	struct source_run *s = c->s;
	frame_fini(&c->frame);
	tls_session_free(c->tls);
	free(c);
	s->handles--;
	free_if_done(s);
}

static void end_client(struct client *c)
{
	struct source_run *s = c->s;
	struct sv line;
	if (c->ended)
		return;
	c->ended = true;
	if (!s->closed && frame_last(&c->frame, &line))
		add_line(s, line);
	if (c->prev)
		c->prev->next = c->next;
	else
		s->first = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->clients--;
	s->held -= c->held;
	c->held = 0;
	uv_close((uv_handle_t *)&c->tcp, on_client_freed);
}

/* Who holds most of it goes, with the beginning of a line that it sent. */
static void limit_held(struct source_run *s)
{
	while (s->held > HELD_BYTES && s->first) {
		struct client *most = s->first;
		for (struct client *c = most->next; c; c = c->next)
			if (c->held > most->held)
				most = c;
		msg_warn("%s: unfinished lines of %u peers take more than %u MB; %s, which holds most of them, is disconnected", s->path, s->clients, HELD_BYTES >> 20, most->peer);
		end_client(most);
	}
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct client *c = h->data;
	(void)hint;
	*ret = uv_buf_init(c->s->block, BLOCK_BYTES);
}

static void on_plain(void *ctx, struct sv bytes)
{
	take_bytes(ctx, bytes);
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct client *c = h->data;
	struct source_run *s = c->s;
	if (s->closed || n == 0)
		return;
	struct err e;
	if (n < 0) {
		if (c->tls && !tls_session_ended(c->tls) && n == UV_EOF)
			msg_debug("%s: %s closed without saying so", s->path, c->peer);
		end_client(c);
	} else if (!c->tls) {
		take_bytes(c, sv_make(b->base, (size_t)n));
	} else if (tls_session_read(c->tls, sv_make(b->base, (size_t)n), on_plain, c, &e) < 0) {
		msg_warn("%s: %s: %s", s->path, c->peer, e.text);
		end_client(c);
	} else if (tls_session_ended(c->tls)) {
		end_client(c);
	}
	limit_held(s);
	give_lines(s);
}

static void name_peer(struct client *c)
{
	struct sockaddr_storage a;
	int n = sizeof a;
	char ip[48] = "?";
	if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n) == 0) {
		if (a.ss_family == AF_INET)
			uv_ip4_name((struct sockaddr_in *)&a, ip, sizeof ip);
		else
			uv_ip6_name((struct sockaddr_in6 *)&a, ip, sizeof ip);
	}
	memcpy(c->peer, ip, sizeof ip);
}

/* Those who only hold a connection, or never come to the end of TLS's handshake, must not keep others out. The newest of them goes: who was there before a crowd of
 * them came may only have had nothing to say. */
static void make_room(struct source_run *s)
{
	struct client *c = s->first;
	while (c && (c->heard || uv_now(s->loop) - c->since_ms < SILENT_MS))
		c = c->next;
	if (!c || s->clients <= CLIENTS_MAX)
		return;
	msg_warn("%s: %s has said nothing and makes room for another", s->path, c->peer);
	end_client(c);
}

static void on_connection(uv_stream_t *h, int status)
{
	struct source_run *s = h->data;
	if (status < 0 || s->closed)
		return;
	struct client *c = xcalloc(1, sizeof *c);
	c->s = s;
	uv_tcp_init(s->loop, &c->tcp);
	c->tcp.data = c;
	s->handles++;
	c->next = s->first;
	if (s->first)
		s->first->prev = c;
	s->first = c;
	s->clients++;
	c->since_ms = uv_now(s->loop);
	make_room(s);
	bool ok = uv_accept(h, (uv_stream_t *)&c->tcp) == 0 && s->clients <= CLIENTS_MAX;
	name_peer(c);
	if (ok && s->tls)
		ok = (c->tls = tls_session_new(s->tls, (uv_stream_t *)&c->tcp)) != NULL;
	if (!ok) {
		msg_warn("%s: %s is turned away, %u are connected", s->path, c->peer, s->clients - 1);
		end_client(c);
		return;
	}
	(void)uv_tcp_keepalive(&c->tcp, 1, 60);
	if (!s->paused)
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

/* -- UDP: not through libuv, which does not say how many datagrams the kernel had no room for -- */

static void note_dropped(struct source_run *s, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		uint32_t n;
		memcpy(&n, CMSG_DATA(c), sizeof n);
		s->dropped += n - s->kernel_dropped;
		s->kernel_dropped = n;
	}
}

static bool datagram(struct source_run *s)
{
	char control[CMSG_SPACE(sizeof(uint32_t))];
	struct iovec v = { s->block, BLOCK_BYTES };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR;
	note_dropped(s, &m);
	struct sv line = sv_make(s->block, (size_t)n);
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r' || !line.p[line.n - 1]))
		line.n--;
	if (line.n)
		add_line(s, line);
	return true;
}

static void on_ready(uv_poll_t *h, int status, int events)
{
	struct source_run *s = h->data;
	(void)status;
	(void)events;
	while (!s->paused && s->lines.n < BATCH_BYTES && datagram(s))
		;
	give_lines(s);
}

/* -- begin and end -- */

static int listen_udp(struct source_run *s, const struct sockaddr *a, socklen_t n, struct err *e)
{
	int on = 1, room = 8 << 20;
	s->fd = socket(a->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, a, n) < 0)
		return err_set(e, "%s: cannot listen: %s", s->path, strerror(errno));
	(void)setsockopt(s->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
	(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	uv_poll_init(s->loop, &s->ready, s->fd);
	s->ready.data = s;
	s->handles++;
	return uv_poll_start(&s->ready, UV_READABLE, on_ready);
}

static int listen_tcp(struct source_run *s, const struct sockaddr *a, struct err *e)
{
	uv_tcp_init(s->loop, &s->listener);
	s->listener.data = s;
	s->handles++;
	int bad = uv_tcp_bind(&s->listener, a, 0);
	if (!bad)
		bad = uv_listen((uv_stream_t *)&s->listener, 64, on_connection);
	return bad ? err_set(e, "%s: cannot listen: %s", s->path, uv_strerror(bad)) : 0;
}

/* "127.0.0.1:514", "[::1]:514" */
static int address_of(const char *text, size_t n, struct sockaddr_storage *ret)
{
	char host[64];
	const char *colon = memrchr(text, ':', n);
	size_t len = colon ? (size_t)(colon - text) : 0;
	if (!len || len >= sizeof host)
		return -1;
	bool v6 = text[0] == '[' && colon[-1] == ']';
	memcpy(host, text + v6, len - 2 * v6);
	host[len - 2 * v6] = 0;
	struct sv digits = sv_make(colon + 1, n - len - 1);
	int64_t port;
	if (!scan_int(&digits, &port) || digits.n || port < 1 || port > 65535)
		return -1;
	return v6 ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)ret) : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)ret);
}

static int listen_at(struct source_run *s, struct err *e)
{
	static const char *const schemes[] = { "udp://", "tcp://", "tls://" };
	struct sockaddr_storage a = { 0 };
	const char *rest = NULL;
	for (int i = 0; i < 3; i++)
		if (!strncmp(s->path, schemes[i], 6))
			s->transport = (enum transport)i, rest = s->path + 6;
	if (!rest || address_of(rest, strcspn(rest, "?"), &a) < 0)
		return err_set(e, "%s: is no address to listen at; write udp://127.0.0.1:5514, tcp://[::1]:5514 or tls://…", s->path);
	if (s->transport == TLS && !(s->tls = tls_server_new(strchr(rest, '?'), e)))
		return -1;
	socklen_t n = a.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	return s->transport == UDP ? listen_udp(s, (struct sockaddr *)&a, n, e) : listen_tcp(s, (struct sockaddr *)&a, e);
}

static void syslog_close(struct source_run *s)
{
	s->closed = true;
	while (s->first)
		end_client(s->first);
	if (s->ready.data) {
		uv_poll_stop(&s->ready);
		uv_close((uv_handle_t *)&s->ready, on_freed);
	}
	if (s->fd >= 0)
		close(s->fd);
	if (s->listener.data)
		uv_close((uv_handle_t *)&s->listener, on_freed);
	free_if_done(s);
}

static struct source_run *syslog_open(uv_loop_t *loop, const char *path, const struct positions *resume, const struct source_events *ev,
                                      struct err *e)
{
	(void)resume;
	struct source_run *s = xcalloc(1, sizeof *s);
	s->ev = *ev;
	s->loop = loop;
	s->fd = -1;
	s->path = xstrdup(path);
	s->block = xmalloc(BLOCK_BYTES);
	if (listen_at(s, e) == 0)
		return s;
	syslog_close(s);
	return NULL;
}

static void syslog_pause(struct source_run *s, bool pause)
{
	if (s->paused == pause || s->closed)
		return;
	s->paused = pause;
	if (s->transport == UDP)
		pause ? uv_poll_stop(&s->ready) : uv_poll_start(&s->ready, UV_READABLE, on_ready);
	for (struct client *c = s->first; c; c = c->next)
		pause ? uv_read_stop((uv_stream_t *)&c->tcp) : uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static bool syslog_position(const struct source_run *s, uint64_t unfinished, struct position *ret)
{
	(void)s, (void)unfinished, (void)ret;
	return false;
}

static uint64_t syslog_lag(const struct source_run *s)
{
	return s->lines.n;
}

static uint64_t syslog_dropped(const struct source_run *s)
{
	return s->dropped;
}

const struct source source_syslog = {
	.name = "syslog", .open = syslog_open, .pause = syslog_pause, .position = syslog_position, .passing = true, .dropped = syslog_dropped,
	.lag = syslog_lag, .close = syslog_close,
};
