/* Many questions at once over connected datagram sockets. Of several servers one is asked until it is silent; what it did not answer goes to the next. The kernel picks a random source port for each socket and drops what does not come from the
 * server; the id is random, and the question must come back as it was asked. How many are under way follows what the server can take, as TCP does:
 * each answer lets a little more out, a loss halves it (rbldnsd drops what does not fit into its receive buffer). */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe/resolver.h"

#define SOCKETS 4           /* per server: source ports that a forger would have to guess among */
#define WINDOW_FIRST 64
#define WINDOW_LEAST 8
#define WINDOW_MOST 6144
#define BATCH 64            /* datagrams per system call */
#define RTO_FIRST_MS 400
#define RTO_LEAST_MS 120
#define RTO_MOST_MS 2000
#define TICK_MS 20
#define TRIES 4
#define REFUSED_TRIES 2     /* when the kernel says that nobody listens there */
#define SILENT_MOST 3       /* questions without an answer, one after the other, and the next server is asked first */
#define NO_SLOT 0xffff

struct slot {
	void *question;
	uint64_t sent_ms, first_ms;
	uint16_t id, next;      /* next: free list, or the chain of its tick */
	uint8_t server, socket, tries;
	bool busy;
	uint16_t type;
	struct dnsname name;
};

struct server {
	struct direct *owner;
	struct sockaddr_storage addr;
	socklen_t n_addr;
	int fd[SOCKETS];
	uv_poll_t poll[SOCKETS];
	uint16_t *of_id[SOCKETS]; /* 65536 slots' numbers each */
	bool refused;             /* the kernel says that nobody listens there */
	unsigned silent;          /* questions that it left without an answer since the last one */
	int open;
	uint8_t socket;           /* that the present batch goes out on: another one, at random, for each */
};

struct direct {
	struct resolver r;
	uv_timer_t tick;
	struct server *server;
	size_t n_server, at_server;
	bool recurse, freed;
	unsigned timeout_ms, handles;
	struct slot *slot;
	uint16_t free_head;
	resolver_cb *cb;
	void *ctx;
	int64_t srtt_us, rttvar_us;
	double window, limit;     /* limit: beyond it the window grows slowly */
	uint64_t cut_ms;          /* of the last halving */
	uint8_t out[BATCH][DNSMSG_QUERY], in[BATCH][DNSMSG_UDP];
	struct { uint16_t slot; size_t n; } pending[BATCH];
	unsigned n_pending;
	uint64_t random[64];
	unsigned n_random;
};

static uint16_t random16(struct direct *d)
{
	if (d->n_random == 0) {
		if (getrandom(d->random, sizeof d->random, 0) != (ssize_t)sizeof d->random)
			abort(); /* the kernel always has 512 bytes */
		d->n_random = sizeof d->random / 2;
	}
	d->n_random--;
	return (uint16_t)(d->random[d->n_random / 4] >> d->n_random % 4 * 16);
}

/* --- the window --------------------------------------------------------------------------------------------------- */

static unsigned rto_ms(const struct direct *d)
{
	int64_t ms = d->srtt_us ? (d->srtt_us + 4 * d->rttvar_us) / 1000 : RTO_FIRST_MS;
	return ms < RTO_LEAST_MS ? RTO_LEAST_MS : ms > RTO_MOST_MS ? RTO_MOST_MS : (unsigned)ms;
}

static void set_window(struct direct *d, double w)
{
	d->window = w < WINDOW_LEAST ? WINDOW_LEAST : w > WINDOW_MOST ? WINDOW_MOST : w;
	d->r.window = (unsigned)d->window;
}

static void on_round_trip(struct direct *d, uint64_t ms, uint8_t tries)
{
	if (tries == 1) { /* Karn: a repeated question's time says nothing */
		int64_t us = (int64_t)ms * 1000, diff = us - d->srtt_us;
		d->rttvar_us += ((diff < 0 ? -diff : diff) - d->rttvar_us) / 4;
		d->srtt_us += d->srtt_us ? diff / 8 : us;
	}
	/* only while the window is what holds it back */
	if (d->r.outstanding * 2 >= d->r.window)
		set_window(d, d->window + (d->window < d->limit ? 1.0 : 1.0 / d->window));
}

static void on_loss(struct direct *d, uint64_t now)
{
	if (now - d->cut_ms < rto_ms(d))
		return; /* one burst that was dropped is one loss */
	d->cut_ms = now;
	d->limit = d->window / 2 < WINDOW_FIRST ? WINDOW_FIRST : d->window / 2;
	set_window(d, d->window / 2);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

/* What was not sent (no room) is sent again when its time is over. */
static void send_run(struct server *v, int fd, struct mmsghdr *mm, unsigned n)
{
	bool told = false;
	for (unsigned done = 0; done < n;) {
		int k = sendmmsg(fd, mm + done, n - done, MSG_DONTWAIT);
		if (k > 0) {
			done += (unsigned)k;
		} else if (errno == ECONNREFUSED && !told) {
			v->refused = told = true; /* that was an earlier datagram's; once more */
		} else {
			return;
		}
	}
}

static void flush(struct resolver *r)
{
	struct direct *d = (struct direct *)r;
	struct mmsghdr mm[BATCH];
	struct iovec iov[BATCH];
	/* runs of the same socket go out in one call */
	for (unsigned i = 0; i < d->n_pending;) {
		const struct slot *s = &d->slot[d->pending[i].slot];
		int fd = d->server[s->server].fd[s->socket];
		unsigned n = 0;
		while (i + n < d->n_pending) {
			const struct slot *t = &d->slot[d->pending[i + n].slot];
			if (d->server[t->server].fd[t->socket] != fd)
				break;
			iov[n] = (struct iovec){ d->out[i + n], d->pending[i + n].n };
			mm[n] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[n], .msg_iovlen = 1 } };
			n++;
		}
		send_run(&d->server[s->server], fd, mm, n);
		i += n;
	}
	d->n_pending = 0;
	for (size_t i = 0; i < d->n_server; i++)
		d->server[i].socket = (uint8_t)(random16(d) % (unsigned)d->server[i].open);
}

static void put(struct direct *d, uint16_t at)
{
	struct slot *s = &d->slot[at];
	if (d->n_pending == BATCH)
		flush(&d->r);
	d->pending[d->n_pending].slot = at;
	d->pending[d->n_pending].n = dnsmsg_put_query(d->out[d->n_pending], s->id, &s->name, s->type, d->recurse);
	d->n_pending++;
}

static bool take_id(struct direct *d, struct slot *s, uint16_t at)
{
	struct server *v = &d->server[s->server];
	for (int tries = 0; tries < 64; tries++) {
		uint16_t id = random16(d);
		if (v->of_id[v->socket][id] != NO_SLOT)
			continue;
		v->of_id[v->socket][id] = at;
		s->id = id;
		s->socket = v->socket;
		return true;
	}
	return false;
}

static int ask(struct resolver *r, const struct dnsname *name, uint16_t type, void *question)
{
	struct direct *d = (struct direct *)r;
	uint16_t at = d->free_head;
	if (at == NO_SLOT)
		return -1;
	struct slot *s = &d->slot[at];
	s->server = (uint8_t)d->at_server;
	if (!take_id(d, s, at))
		return -1;
	d->free_head = s->next;
	s->question = question;
	s->type = type;
	s->tries = 1;
	s->busy = true;
	s->name.n = name->n;
	memcpy(s->name.b, name->b, name->n);
	s->sent_ms = s->first_ms = uv_now(d->tick.loop);
	r->outstanding++;
	put(d, at);
	return 0;
}

static void release(struct direct *d, struct slot *s)
{
	d->server[s->server].of_id[s->socket][s->id] = NO_SLOT;
	s->busy = false;
	s->next = d->free_head;
	d->free_head = (uint16_t)(s - d->slot);
	d->r.outstanding--;
}

static void finish(struct direct *d, struct slot *s, enum outcome o, const struct dnsmsg *m)
{
	void *question = s->question;
	release(d, s);
	d->cb(d->ctx, question, o, m);
}

/* --- the next server ---------------------------------------------------------------------------------------------- */

static void send_again(struct direct *d, struct slot *s, uint64_t now)
{
	s->sent_ms = now;
	s->tries++;
	put(d, (uint16_t)(s - d->slot));
}

/* The question goes to the next server under another number; what the former one still says of it is not heard. False when there is no other. */
static bool move_on(struct direct *d, struct slot *s)
{
	struct server *from = &d->server[s->server];
	uint8_t socket = s->socket;
	uint16_t id = s->id, at = (uint16_t)(s - d->slot);
	size_t next = (s->server + 1u) % d->n_server;
	if (d->n_server < 2)
		return false;
	if ((++from->silent >= SILENT_MOST || from->refused) && d->at_server == s->server)
		d->at_server = next;
	s->server = (uint8_t)next;
	if (!take_id(d, s, at)) {
		s->server = (uint8_t)(from - d->server);
		s->socket = socket;
		return false;
	}
	from->of_id[socket][id] = NO_SLOT;
	return true;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void on_packet(struct direct *d, struct server *v, unsigned socket, const uint8_t *p, size_t n)
{
	struct dnsmsg m;
	if (n < 12)
		return;
	uint16_t at = v->of_id[socket][(unsigned)p[0] << 8 | p[1]];
	if (at == NO_SLOT)
		return;
	struct slot *s = &d->slot[at];
	if (dnsmsg_parse(p, n, &s->name, s->type, &m) < 0)
		return; /* not an answer to it: perhaps a forger's; the real one may still come */
	v->refused = false;
	if (m.rcode != DNS_REFUSED)
		v->silent = 0;
	on_round_trip(d, uv_now(d->tick.loop) - s->sent_ms, s->tries);
	if ((m.rcode == DNS_REFUSED || m.rcode == DNS_SERVFAIL) && s->tries < d->n_server && s->tries < TRIES && move_on(d, s)) {
		send_again(d, s, uv_now(d->tick.loop)); /* another resolver may know */
		return;
	}
	finish(d, s, m.rcode == DNS_NOERROR ? OUTCOME_ANSWER : m.rcode == DNS_NXDOMAIN ? OUTCOME_NONE : m.rcode == DNS_REFUSED ? OUTCOME_REFUSED : OUTCOME_FAILED, &m);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct server *v = h->data;
	struct direct *d = v->owner;
	struct mmsghdr mm[BATCH];
	struct iovec iov[BATCH];
	unsigned socket = (unsigned)(h - v->poll);
	int n;
	(void)events;
	if (status < 0) /* "nobody listens there": libuv looks no longer at such a socket, but somebody may listen again */
		uv_poll_start(h, UV_READABLE, on_readable);
	do {
		for (unsigned i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ d->in[i], sizeof d->in[i] };
			mm[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 } };
		}
		n = recvmmsg(v->fd[socket], mm, BATCH, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == ECONNREFUSED)
			v->refused = true;
		for (int i = 0; i < n && !d->freed; i++)
			on_packet(d, v, socket, d->in[i], mm[i].msg_len);
	} while (n == BATCH && !d->freed);
	if (!d->freed)
		flush(&d->r);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void again(struct direct *d, struct slot *s, uint64_t now)
{
	struct server *v = &d->server[s->server];
	on_loss(d, now);
	if (now - s->first_ms >= d->timeout_ms || (s->tries >= REFUSED_TRIES && v->refused && d->n_server == 1)) {
		finish(d, s, OUTCOME_TIMEOUT, NULL);
		return;
	}
	if (s->tries == TRIES) {
		s->sent_ms = now; /* an answer to any of them is still welcome */
		return;
	}
	(void)move_on(d, s);
	send_again(d, s, now);
}

static void on_tick(uv_timer_t *t)
{
	struct direct *d = t->data;
	uint64_t now = uv_now(t->loop);
	unsigned rto = rto_ms(d), seen = 0, busy = d->r.outstanding;
	for (unsigned i = 0; i < WINDOW_MOST && seen < busy && !d->freed; i++) {
		struct slot *s = &d->slot[i];
		if (!s->busy)
			continue;
		seen++;
		unsigned wait = rto << (s->tries - 1);
		if (now - s->sent_ms >= wait || now - s->first_ms >= d->timeout_ms)
			again(d, s, now);
	}
	if (!d->freed)
		flush(&d->r);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct direct *d = h->type == UV_TIMER ? h->data : ((struct server *)h->data)->owner;
	if (--d->handles)
		return;
	for (size_t i = 0; i < d->n_server; i++)
		for (int k = 0; k < d->server[i].open; k++) {
			close(d->server[i].fd[k]);
			free(d->server[i].of_id[k]);
		}
	free(d->server);
	free(d->slot);
	free(d);
}

static void direct_free(struct resolver *r)
{
	struct direct *d = (struct direct *)r;
	d->freed = true;
	uv_close((uv_handle_t *)&d->tick, on_closed);
	for (size_t i = 0; i < d->n_server; i++)
		for (int k = 0; k < d->server[i].open; k++)
			uv_close((uv_handle_t *)&d->server[i].poll[k], on_closed);
}

static int open_socket(struct direct *d, struct server *v, struct err *e)
{
	int k = v->open, big = 4 << 20;
	int fd = socket(v->addr.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&v->addr, v->n_addr) < 0) {
		if (fd >= 0)
			close(fd);
		return err_set(e, "cannot reach a name server: %m");
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big); /* as much of it as the kernel allows */
	v->fd[k] = fd;
	v->of_id[k] = xmalloc(65536 * sizeof *v->of_id[k]);
	memset(v->of_id[k], 0xff, 65536 * sizeof *v->of_id[k]);
	uv_poll_init(d->tick.loop, &v->poll[k], fd);
	v->poll[k].data = v;
	uv_poll_start(&v->poll[k], UV_READABLE, on_readable);
	v->open++;
	d->handles++;
	return 0;
}

static int open_server(struct direct *d, const char *text, struct err *e)
{
	struct server *v = &d->server[d->n_server];
	v->owner = d;
	if (resolver_server(text, &v->addr, &v->n_addr) < 0)
		return err_set(e, "\"%s\" is no name server; write 192.0.2.53 or 192.0.2.53@5353", text);
	d->n_server++;
	for (int k = 0; k < SOCKETS; k++)
		if (open_socket(d, v, e) < 0)
			return -1;
	return 0;
}

struct resolver *resolver_direct_new(uv_loop_t *loop, const char *const *server, size_t n_server, bool recurse, unsigned timeout_ms,
                                     resolver_cb *cb, void *ctx, struct err *e)
{
	static const struct resolver_ops ops = { ask, flush, direct_free };
	struct direct *d = xcalloc(1, sizeof *d);
	d->r.ops = &ops;
	d->server = xcalloc(n_server, sizeof *d->server);
	d->slot = xcalloc(WINDOW_MOST, sizeof *d->slot);
	d->recurse = recurse;
	d->timeout_ms = timeout_ms;
	d->cb = cb;
	d->ctx = ctx;
	d->limit = WINDOW_MOST;
	set_window(d, WINDOW_FIRST);
	for (unsigned i = 0; i < WINDOW_MOST; i++)
		d->slot[i].next = i + 1 < WINDOW_MOST ? (uint16_t)(i + 1) : NO_SLOT;
	uv_timer_init(loop, &d->tick);
	d->tick.data = d;
	d->handles = 1;
	for (size_t i = 0; i < n_server; i++)
		if (open_server(d, server[i], e) < 0) {
			direct_free(&d->r);
			return NULL;
		}
	uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
	uv_unref((uv_handle_t *)&d->tick);
	return &d->r;
}
