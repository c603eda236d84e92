/* libunbound inside our loop: it asks for events, libuv gives them (unbound-event.h). No thread, no second process. */
#include <stdio.h>
#include <stdlib.h>
#include <unbound-event.h>
#include <unbound.h>
#include <unistd.h>

#include "probe/resolver.h"

#define WINDOW 512 /* libunbound's own work per question is what limits it, not how many there are */
#define TICK_MS 50

struct recursor {
	struct resolver r;
	struct ub_event_base base; /* what libunbound holds */
	uv_loop_t *loop;
	struct ub_ctx *ub;
	resolver_cb *cb;
	void *ctx;
	struct pending *pending;
	struct pending *oldest;   /* the other end of the list */
	unsigned timeout_ms;
	uv_timer_t tick;
	uv_timer_t later;         /* for answers that came while they were asked: never call back from within */
	struct pending *ready;
	unsigned handles;
	unsigned asking;          /* inside libunbound or a caller's answer: answers wait in ready */
	bool freed;
};

/* --- events ------------------------------------------------------------------------------------------------------- */

/* libunbound gives one event other sockets in the course of time; a uv_poll_t is of one socket, so each gets its own. It is closed as soon as the event is
 * not active: closing it takes its descriptor's number out of epoll, and later that number may be another event's socket. */
struct event {
	struct ub_event ub;
	struct recursor *owner;
	struct poller *poller;
	uv_timer_t timer;
	int fd;
	short bits;
	void (*cb)(int, short, void *);
	void *arg;
};
struct poller { uv_poll_t h; struct event *event; };

static void on_poller_gone(uv_handle_t *h)
{
	free(h->data);
}

static void on_event_gone(uv_handle_t *h)
{
	free(h->data);
}

static void drop_poller(struct event *e)
{
	if (e->poller)
		uv_close((uv_handle_t *)&e->poller->h, on_poller_gone);
	e->poller = NULL;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct event *e = ((struct poller *)h->data)->event;
	short bits = (short)((events & UV_READABLE ? UB_EV_READ : 0) | (events & UV_WRITABLE ? UB_EV_WRITE : 0));
	if (status < 0)
		bits = e->bits & (UB_EV_READ | UB_EV_WRITE); /* let it find out what is wrong with the socket */
	if (!(e->bits & UB_EV_PERSIST)) {
		drop_poller(e);
		uv_timer_stop(&e->timer);
	}
	e->cb(e->fd, bits, e->arg);
}

static void on_timer(uv_timer_t *t)
{
	struct event *e = t->data;
	if (!(e->bits & UB_EV_PERSIST))
		drop_poller(e);
	e->cb(e->fd, UB_EV_TIMEOUT, e->arg);
}

static int need_poller(struct event *e)
{
	if (e->poller)
		return 0;
	if (e->fd < 0)
		return -1;
	struct poller *p = xcalloc(1, sizeof *p);
	p->event = e;
	if (uv_poll_init(e->owner->loop, &p->h, e->fd) != 0) {
		free(p);
		return -1;
	}
	p->h.data = p;
	e->poller = p;
	return 0;
}

static void ev_add_bits(struct ub_event *u, short bits)
{
	struct event *e = (struct event *)u;
	e->bits |= bits;
}

static void ev_del_bits(struct ub_event *u, short bits)
{
	struct event *e = (struct event *)u;
	e->bits = (short)(e->bits & ~bits);
}

static void ev_set_fd(struct ub_event *u, int fd)
{
	struct event *e = (struct event *)u;
	drop_poller(e);
	e->fd = fd;
}

static int ev_del(struct ub_event *u)
{
	struct event *e = (struct event *)u;
	drop_poller(e);
	uv_timer_stop(&e->timer);
	return 0;
}

static void ev_free(struct ub_event *u)
{
	struct event *e = (struct event *)u;
	(void)ev_del(u);
	uv_close((uv_handle_t *)&e->timer, on_event_gone);
}

static uint64_t ms_of(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000 + ((uint64_t)tv->tv_usec + 999) / 1000;
}

static int ev_add(struct ub_event *u, struct timeval *tv)
{
	struct event *e = (struct event *)u;
	int want = (e->bits & UB_EV_READ ? UV_READABLE : 0) | (e->bits & UB_EV_WRITE ? UV_WRITABLE : 0);
	if (want && (need_poller(e) < 0 || uv_poll_start(&e->poller->h, want, on_poll) != 0))
		return -1;
	if (tv && (e->bits & UB_EV_TIMEOUT))
		uv_timer_start(&e->timer, on_timer, ms_of(tv), 0);
	return 0;
}

static int ev_add_timer(struct ub_event *u, struct ub_event_base *b, void (*cb)(int, short, void *), void *arg, struct timeval *tv)
{
	struct event *e = (struct event *)u;
	(void)b;
	e->cb = cb;
	e->arg = arg;
	uv_timer_start(&e->timer, on_timer, ms_of(tv), 0);
	return 0;
}

static int ev_del_timer(struct ub_event *u)
{
	uv_timer_stop(&((struct event *)u)->timer);
	return 0;
}

static int ev_no_signal(struct ub_event *u, struct timeval *tv)
{
	(void)u;
	(void)tv;
	return -1;
}

static int ev_no_signal_del(struct ub_event *u)
{
	(void)u;
	return 0;
}

static struct ub_event *new_event(struct ub_event_base *base, int fd, short bits, void (*cb)(int, short, void *), void *arg)
{
	static struct ub_event_vmt vmt = { ev_add_bits, ev_del_bits, ev_set_fd, ev_free, ev_add, ev_del, ev_add_timer, ev_del_timer,
		ev_no_signal, ev_no_signal_del, NULL, NULL };
	struct recursor *r = (struct recursor *)(void *)((char *)base - offsetof(struct recursor, base));
	struct event *e = xcalloc(1, sizeof *e);
	e->ub = (struct ub_event){ UB_EVENT_MAGIC, &vmt };
	e->owner = r;
	e->bits = bits;
	e->cb = cb;
	e->arg = arg;
	e->fd = fd;
	uv_timer_init(r->loop, &e->timer);
	e->timer.data = e;
	uv_unref((uv_handle_t *)&e->timer); /* its housekeeping must not keep a finished program alive */
	return &e->ub;
}

static void base_free(struct ub_event_base *b) { (void)b; }
static int base_dispatch(struct ub_event_base *b) { (void)b; return 0; }
static int base_exit(struct ub_event_base *b, struct timeval *tv) { (void)b; (void)tv; return 0; }
static struct ub_event *base_no_signal(struct ub_event_base *b, int fd, void (*cb)(int, short, void *), void *arg) { (void)b; (void)fd; (void)cb; (void)arg; return NULL; }
static struct ub_event *base_no_wsa(struct ub_event_base *b, void *w, void (*cb)(int, short, void *), void *arg) { (void)b; (void)w; (void)cb; (void)arg; return NULL; }

/* --- questions ---------------------------------------------------------------------------------------------------- */

struct pending {
	struct recursor *owner;
	struct pending *next, *prev, *next_ready;
	void *question;           /* NULL: told already that there was no answer in time */
	uint64_t asked_ms;
	struct dnsname name;
	uint16_t type;
	int async;
	enum outcome outcome;
	struct dnsmsg answer;
};

static void unlink_pending(struct pending *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		p->owner->pending = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		p->owner->oldest = p->prev;
	p->owner->r.outstanding--;
}

static void deliver(struct pending *p)
{
	struct recursor *r = p->owner;
	unlink_pending(p);
	if (p->question)
		r->cb(r->ctx, p->question, p->outcome, p->outcome == OUTCOME_ANSWER || p->outcome == OUTCOME_NONE ? &p->answer : NULL);
	free(p);
}

static void on_later(uv_timer_t *t)
{
	struct recursor *r = t->data;
	struct pending *p = r->ready;
	r->ready = NULL;
	for (struct pending *next; p; p = next) {
		next = p->next_ready;
		deliver(p);
	}
}

/* libunbound goes on trying for a minute or more; who asks does not wait so long. What comes later is in its cache the next time. */
static void on_tick(uv_timer_t *t)
{
	struct recursor *r = t->data;
	uint64_t now = uv_now(t->loop);
	r->asking++; /* so that none of the list goes while it is walked */
	for (struct pending *p = r->oldest, *next; p && now - p->asked_ms >= r->timeout_ms; p = next) {
		void *question = p->question;
		next = p->prev;
		p->question = NULL;
		if (question)
			r->cb(r->ctx, question, OUTCOME_TIMEOUT, NULL);
	}
	r->asking--;
}

static enum outcome outcome_of(struct pending *p, int rcode, const void *packet, int n)
{
	if (rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN)
		return rcode == DNS_REFUSED ? OUTCOME_REFUSED : OUTCOME_FAILED;
	if (!packet || n <= 0)
		return rcode == DNS_NXDOMAIN ? OUTCOME_NONE : OUTCOME_FAILED;
	if (dnsmsg_parse(packet, (size_t)n, &p->name, p->type, &p->answer) < 0)
		return OUTCOME_MALFORMED;
	switch (p->answer.rcode) {
	case DNS_NOERROR: return OUTCOME_ANSWER;
	case DNS_NXDOMAIN: return OUTCOME_NONE;
	case DNS_REFUSED: return OUTCOME_REFUSED;
	default: return OUTCOME_FAILED;
	}
}

static void on_answer(void *arg, int rcode, void *packet, int n, int sec, char *why_bogus, int limited)
{
	struct pending *p = arg;
	(void)sec;
	(void)why_bogus;
	(void)limited;
	p->outcome = outcome_of(p, rcode, packet, n);
	if (p->owner->freed) { /* libunbound ends what is under way as a failure: nobody's verdict */
		unlink_pending(p);
		free(p);
		return;
	}
	if (!p->owner->asking) {
		deliver(p);
		return;
	}
	p->next_ready = p->owner->ready;
	p->owner->ready = p;
	uv_timer_start(&p->owner->later, on_later, 0, 0);
}

static int ask(struct resolver *res, const struct dnsname *name, uint16_t type, void *question)
{
	struct recursor *r = (struct recursor *)res;
	char text[4 * DNSMSG_NAME];
	struct pending *p = xcalloc(1, sizeof *p);
	dnsname_text(name, text);
	p->owner = r;
	p->question = question;
	p->name = *name;
	p->type = type;
	p->asked_ms = uv_now(r->loop);
	p->next = r->pending;
	if (p->next)
		p->next->prev = p;
	else
		r->oldest = p;
	r->pending = p;
	r->r.outstanding++;
	r->asking++;
	int bad = ub_resolve_event(r->ub, text, type, 1, p, on_answer, &p->async);
	r->asking--;
	if (!bad)
		return 0;
	unlink_pending(p);
	free(p);
	return -1;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct recursor *r = h->data;
	if (--r->handles == 0)
		free(r);
}

static void recursor_free(struct resolver *res)
{
	struct recursor *r = (struct recursor *)res;
	r->freed = true;
	if (r->ub)
		ub_ctx_delete(r->ub);
	for (struct pending *p = r->pending, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	r->pending = r->oldest = NULL;
	r->ready = NULL;
	uv_close((uv_handle_t *)&r->later, on_closed);
	uv_close((uv_handle_t *)&r->tick, on_closed);
}

static int option(struct recursor *r, const char *name, const char *value, struct err *e)
{
	int bad = ub_ctx_set_option(r->ub, name, value);
	return bad ? err_set(e, "libunbound: %s %s: %s", name, value, ub_strerror(bad)) : 0;
}

/* Lists are asked once per name: minimised names would only be more questions, and many lists' servers answer them wrongly. A failure and a
 * "no" are kept for a short time, so that a list that is back is noticed and a "no" of while it was out of order does not outlive that: the engine keeps answers itself. */
static int options(struct recursor *r, struct err *e)
{
	static const char *const set[][2] = { { "qname-minimisation:", "no" }, { "do-not-query-localhost:", "no" }, { "module-config:", "validator iterator" },
		{ "msg-cache-size:", "16m" }, { "rrset-cache-size:", "16m" }, { "infra-host-ttl:", "60" }, { "outgoing-range:", "1024" }, { "num-queries-per-thread:", "1024" },
		{ "infra-keep-probing:", "yes" }, { "use-syslog:", "no" }, { "cache-max-negative-ttl:", "60" } };
	for (size_t i = 0; i < sizeof set / sizeof *set; i++)
		if (option(r, set[i][0], set[i][1], e) < 0)
			return -1;
	ub_ctx_debugout(r->ub, NULL); /* its remarks would go to stderr */
	return 0;
}

/* No zone's DNSSEC is known to us beforehand; a trust anchor for the root is Debian's dns-root-data, where it is installed. Given a
 * file that cannot be read, libunbound would answer no question at all. */
static void trust_anchor(struct recursor *r)
{
	static const char root_key[] = "/usr/share/dns/root.key";
	if (access(root_key, R_OK) == 0)
		(void)ub_ctx_add_ta_file(r->ub, root_key);
}

static int servers(struct recursor *r, const char *const *forward, size_t n_forward, const char *const (*stub)[2], size_t n_stub, struct err *e)
{
	int bad = 0;
	for (size_t i = 0; i < n_forward && !bad; i++)
		if ((bad = ub_ctx_set_fwd(r->ub, forward[i])))
			return err_set(e, "libunbound: forward to %s: %s", forward[i], ub_strerror(bad));
	for (size_t i = 0; i < n_stub && !bad; i++) {
		if ((bad = ub_ctx_set_stub(r->ub, stub[i][0], stub[i][1], 0)))
			return err_set(e, "libunbound: %s at %s: %s", stub[i][0], stub[i][1], ub_strerror(bad));
		if (option(r, "domain-insecure:", stub[i][0], e) < 0) /* a copy of ones own is not signed */
			return -1;
	}
	return 0;
}

struct resolver *resolver_unbound_new(uv_loop_t *loop, const char *const *forward, size_t n_forward, const char *const (*stub)[2], size_t n_stub,
                                      unsigned timeout_ms, resolver_cb *cb, void *ctx, struct err *e)
{
	static const struct resolver_ops ops = { ask, NULL, recursor_free };
	static struct ub_event_base_vmt vmt = { base_free, base_dispatch, base_exit, new_event, base_no_signal, base_no_wsa };
	struct recursor *r = xcalloc(1, sizeof *r);
	r->r = (struct resolver){ &ops, 0, WINDOW };
	r->base = (struct ub_event_base){ UB_EVENT_MAGIC, &vmt };
	r->loop = loop;
	r->cb = cb;
	r->ctx = ctx;
	r->timeout_ms = timeout_ms;
	r->handles = 2;
	uv_timer_init(loop, &r->later);
	uv_timer_init(loop, &r->tick);
	r->later.data = r->tick.data = r;
	uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
	uv_unref((uv_handle_t *)&r->tick);
	r->ub = ub_ctx_create_ub_event(&r->base);
	if (!r->ub)
		err_set(e, "libunbound does not start");
	if (!r->ub || options(r, e) < 0 || servers(r, forward, n_forward, stub, n_stub, e) < 0) {
		recursor_free(&r->r);
		return NULL;
	}
	if (!n_forward)
		trust_anchor(r);
	return &r->r;
}
