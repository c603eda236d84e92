#include "collector/cwd.h"

#include "collector/scan.h"

/* Calls that give no message: look at the queue, deliver, say the version. Exim refuses -t and recipients beside them. */
static bool gives_none(struct sv args)
{
	static const struct sv none[] = { SCAN_S("-Mc"), SCAN_S("-MC"), SCAN_S("-q"), SCAN_S("-bp"), SCAN_S("-bV") };
	ptrdiff_t sp = sv_chr(args, ' ');
	args = sv_skip(args, sp < 0 ? args.n : (size_t)sp + 1);
	return SCAN_ANY(args, none);
}

static struct cwd_call *find(struct cwd_table *t, uint32_t host, int64_t pid)
{
	for (size_t i = 0; i < CWD_SLOTS; i++)
		if (t->call[i].used && t->call[i].host == host && t->call[i].pid == pid)
			return &t->call[i];
	return NULL;
}

static int64_t newest(const struct cwd_call *c)
{
	return c->used && c->n_waiting ? c->called_us[c->n_waiting - 1] : INT64_MIN;
}

/* Which of two goes first: the same whatever slots they are in, as a restart moves them. */
static bool goes_before(const struct cwd_call *a, const struct cwd_call *b)
{
	if (newest(a) != newest(b))
		return newest(a) < newest(b);
	return a->host != b->host ? a->host < b->host : a->pid < b->pid;
}

static struct cwd_call *make_room(struct cwd_table *t, uint32_t host, int64_t pid)
{
	struct cwd_call *c = &t->call[0];
	for (size_t i = 1; i < CWD_SLOTS; i++)
		if (goes_before(&t->call[i], c))
			c = &t->call[i];
	*c = (struct cwd_call){ .used = true, .host = host, .pid = pid };
	return c;
}

static void drop_oldest(struct cwd_call *c)
{
	memmove(c->called_us, c->called_us + 1, --c->n_waiting * sizeof *c->called_us);
	if (!c->n_waiting)
		c->unclear = false;
}

static void expire(struct cwd_call *c, int64_t now_us)
{
	while (c->n_waiting && now_us - c->called_us[0] > CWD_WAIT_US)
		drop_oldest(c);
}

void cwd_called(struct cwd_table *t, uint32_t host, const struct record *r)
{
	if (gives_none(r->reason))
		return;
	struct cwd_call *c = find(t, host, r->pid);
	if (!c)
		c = make_room(t, host, r->pid);
	if (r->pid != RECORD_UNSET) /* a process id that is used again */
		c->n_waiting = 0;
	expire(c, r->time_us);
	c->unclear = c->n_waiting > 0 && (c->unclear || !c->n || !sv_eq(sv_make(c->text, c->n), r->cwd));
	if (c->n_waiting == CWD_WAITING)
		drop_oldest(c);
	c->called_us[c->n_waiting++] = r->time_us;
	c->n = r->cwd.n <= sizeof c->text ? (uint8_t)r->cwd.n : 0; /* a part of a path would be another folder */
	if (c->n)
		memcpy(c->text, r->cwd.p, c->n);
}

/* In the home of somebody else? Programs of the web server itself run in everybody's. */
static bool elsewhere(struct sv cwd, struct sv user)
{
	static const struct sv servers[] = { { "nobody", 6 }, { "apache", 6 }, { "www-data", 8 }, { "httpd", 5 }, { "nginx", 5 }, { "www", 3 }, { "root", 4 } };
	if (!scan_lit(&cwd, SV("/home")))
		return false;
	while (cwd.n && cwd.p[0] >= '0' && cwd.p[0] <= '9')
		cwd = sv_skip(cwd, 1);
	if (!scan_char(&cwd, '/'))
		return false;
	ptrdiff_t slash = sv_chr(cwd, '/');
	if (sv_eq(slash < 0 ? cwd : sv_take(cwd, (size_t)slash), user))
		return false;
	for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
		if (sv_eq(user, servers[i]))
			return false;
	return true;
}

struct sv cwd_of(struct cwd_table *t, uint32_t host, const struct record *r)
{
	struct cwd_call *c = find(t, host, r->pid);
	if (!c)
		return (struct sv){ 0 };
	struct sv cwd = c->n ? sv_make(c->text, c->n) : (struct sv){ 0 };
	if (r->pid != RECORD_UNSET) { /* one process may give several messages */
		int64_t after_us = r->time_us - newest(c);
		return after_us >= 0 && after_us <= CWD_PROCESS_US ? cwd : (struct sv){ 0 };
	}
	expire(c, r->time_us);
	if (!c->n_waiting)
		return (struct sv){ 0 };
	int64_t after_us = r->time_us - newest(c);
	bool certain = !c->unclear && after_us >= 0 && after_us <= CWD_NEXT_US && cwd.n && !elsewhere(cwd, r->local_user);
	drop_oldest(c);
	return certain ? cwd : (struct sv){ 0 };
}

void cwd_put_back(struct cwd_table *t, int64_t now_us)
{
	for (size_t i = 0; i < CWD_SLOTS; i++)
		for (unsigned k = 0; k < t->call[i].n_waiting; k++)
			if (t->call[i].called_us[k] > now_us)
				t->call[i].called_us[k] = now_us;
}

void cwd_save(const struct cwd_table *t, struct buf *out)
{
	uint64_t n = 0;
	for (size_t i = 0; i < CWD_SLOTS; i++)
		n += t->call[i].used && t->call[i].n_waiting;
	wire_put_u(out, n);
	for (size_t i = 0; i < CWD_SLOTS; i++) {
		const struct cwd_call *c = &t->call[i];
		if (!c->used || !c->n_waiting)
			continue;
		wire_put_u(out, c->host);
		wire_put_i(out, c->pid);
		wire_put_u(out, c->unclear);
		wire_put_sv(out, sv_make(c->text, c->n));
		wire_put_u(out, c->n_waiting);
		for (size_t k = 0; k < c->n_waiting; k++)
			wire_put_i(out, c->called_us[k]);
	}
}

void cwd_load(struct cwd_table *t, struct wire *w, uint32_t hosts)
{
	uint64_t n = wire_get_u(w);
	if (n > CWD_SLOTS)
		wire_spoil(w);
	for (uint64_t i = 0; i < n && !w->bad; i++) {
		struct cwd_call *c = &t->call[i];
		uint64_t host = wire_get_u(w);
		*c = (struct cwd_call){ .used = true, .host = (uint32_t)host };
		c->pid = wire_get_i(w);
		c->unclear = wire_get_u(w) != 0;
		struct sv text = wire_get_sv(w);
		uint64_t waiting = wire_get_u(w);
		if (w->bad || host >= hosts || text.n > sizeof c->text || waiting > CWD_WAITING) {
			wire_spoil(w);
			return;
		}
		c->n = (uint8_t)text.n;
		if (c->n)
			memcpy(c->text, text.p, c->n);
		c->n_waiting = (uint8_t)waiting;
		for (size_t k = 0; k < waiting; k++)
			c->called_us[k] = wire_get_i(w);
	}
}
