/* abusewatch-analyzer: takes the collectors' streams, judges, and is the only writer of the store. Other programs ask it for
 * changes over the control socket. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "analyzer/act.h"
#include "analyzer/asked.h"
#include "analyzer/detector.h"
#include "analyzer/ingest.h"
#include "lib/conf.h"
#include "lib/msg.h"
#include "lib/proc.h"
#include "lib/sandbox.h"

/* Under load one commit serves many lines; an idle stream is committed at once. */
#define COMMIT_BYTES (4u << 20)
#define COMMIT_MS 100        /* the longest that a commit waits for company */
#define COMMIT_SHARE 64      /* a 64th of a processor for commits: a message each 40 ms never waits, on a slow machine neither; what comes in faster shares them */
#define COMMIT_CREDIT_NS 20000000 /* what may be saved up for a burst */
#define COMMIT_DEBT_NS (COMMIT_MS * 1000000LL / COMMIT_SHARE) /* more than the longest wait pays for is forgiven */
#define LOADED_BYTES 49152   /* in about a second (some 500 lines): many messages share the pages that a commit writes, so fewer commits */
#define LOADED_MS 1000
#define LOADED_SHARE 1000
#define SHARED_BYTES (512u << 10) /* as many messages as a commit's pages are shared by with profit: what comes in faster need not wait so long */
#define CHORE_MS 2000         /* after a round of retention segments are joined and filters of them made; each time takes about half a second */
#define BULK_BYTES (16 << 10)  /* so much in one reading is no trickle: more will follow */
#define RETRY_MS 2000
#define SETTLE_MS 10000       /* after the last commit: nothing comes that would put principals in their places (analyzer/store_principal.c) */
#define RETENTION_MS (3600 * 1000)
#define LEAP_US (2 * US_PER_DAY)
#define INVENTORY_MS 2000 /* the customers' file is looked at so often */
#define CONTROL_MAX (64u << 10)

struct server {
	uv_loop_t loop;
	struct proc proc;
	const char *conf_path;
	struct conf *conf;
	struct enrich *enrich;
	struct ingest ingest;
	uv_pipe_t ingest_socket, control_socket;
	uv_timer_t commit, retention, chore, settle;
	bool joins;           /* the chore at hand: joining, or only filters */
	uv_timer_t inventory;
	struct stat inventory_seen;
	int64_t looked_us, looked_ran_us; /* the last retention, by the clock and by one that only goes on; 0: none */
	struct peer *peers;
	bool stalled; /* the store cannot be written: nothing is read until it can */
	int64_t credit_ns; /* see credit() */
	uint64_t credit_at, load_bytes;
};

struct peer {
	struct server *server;
	struct peer *next;
	uv_pipe_t pipe;
	struct ingest_source source;
	struct buf in;
	bool control, closing, probe, greeted; /* probe: it answers OBS_ASK; greeted: it was told what no answer had come to */
};

static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/* --- peers -------------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct peer *p = h->data, **at = &p->server->peers;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	ingest_source_end(&p->source);
	buf_fini(&p->in);
	free(p);
}

static void peer_close(struct peer *p)
{
	if (p->closing)
		return;
	p->closing = true;
	uv_close((uv_handle_t *)&p->pipe, on_closed);
}

struct answer { uv_write_t req; char bytes[]; };

static void on_written(uv_write_t *req, int status)
{
	(void)status;
	free(req);
}

static void peer_send(struct peer *p, struct sv bytes)
{
	struct answer *a = xmalloc(sizeof *a + bytes.n);
	memcpy(a->bytes, bytes.p, bytes.n);
	uv_buf_t b = uv_buf_init(a->bytes, (unsigned)bytes.n);
	if (uv_write(&a->req, (uv_stream_t *)&p->pipe, &b, 1, on_written) != 0)
		free(a);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct peer *p = h->data;
	(void)hint;
	buf_reserve(&p->in, 256u << 10);
	*buf = uv_buf_init(p->in.p + p->in.n, 256u << 10);
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *b);

static void read_all(struct server *s, bool on)
{
	for (struct peer *p = s->peers; p; p = p->next) {
		if (p->closing || p->control)
			continue;
		if (on)
			uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read);
		else
			uv_read_stop((uv_stream_t *)&p->pipe);
	}
}

/* --- committing --------------------------------------------------------------------------------------------------- */

static void on_commit_timer(uv_timer_t *t);
static void on_settle(uv_timer_t *t);

static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int commit(struct server *s)
{
	struct err e;
	int64_t start = cpu_ns();
	int bad = ingest_commit(&s->ingest, &e);
	if (bad == 0)
		judge_rest(s->ingest.judge);
	s->credit_ns -= cpu_ns() - start;
	if (bad == 0) {
		uv_timer_stop(&s->commit);
		if (s->ingest.store->late_rows)
			uv_timer_start(&s->settle, on_settle, SETTLE_MS, 0);
		if (s->stalled) {
			msg_info("the store can be written again");
			s->stalled = false;
			read_all(s, true);
		}
		return 0;
	}
	if (!s->stalled)
		msg_error("%s; nothing is lost: reading stops until it can be written", e.text);
	s->stalled = true;
	read_all(s, false);
	uv_timer_start(&s->commit, on_commit_timer, RETRY_MS, 0);
	return -1;
}

static void on_commit_timer(uv_timer_t *t)
{
	(void)commit(t->data);
}

/* What came in during the last second or so, fading. */
static bool loaded(struct server *s, uint64_t passed_ns, ssize_t read)
{
	uint64_t fades = passed_ns < 1000000000 ? s->load_bytes * (passed_ns / 1000) / 1000000 : s->load_bytes;
	s->load_bytes += (uint64_t)(read > 0 ? read : 0) - fades;
	return s->load_bytes > LOADED_BYTES;
}

/* Time for commits that was not used yet. */
static int64_t credit(struct server *s, uint64_t passed_ns, int64_t share)
{
	s->credit_ns += (int64_t)passed_ns / share;
	if (s->credit_ns > COMMIT_CREDIT_NS)
		s->credit_ns = COMMIT_CREDIT_NS;
	if (s->credit_ns < -COMMIT_DEBT_NS)
		s->credit_ns = -COMMIT_DEBT_NS;
	return s->credit_ns;
}

/* The longest that a commit waits for company under load. */
static int64_t loaded_ms(const struct server *s)
{
	int64_t filled_ms = (int64_t)(SHARED_BYTES * 1000ull / s->load_bytes);
	return filled_ms < COMMIT_MS ? COMMIT_MS : filled_ms < LOADED_MS ? filled_ms : LOADED_MS;
}

/* After a round of reading: at once when there is time for it, else as soon as there is. */
static void commit_soon(struct server *s, ssize_t read)
{
	uint64_t now = uv_hrtime(), passed_ns = now - s->credit_at;
	bool many = loaded(s, passed_ns, read);
	int64_t share = many ? LOADED_SHARE : COMMIT_SHARE, longest_ms = many ? loaded_ms(s) : COMMIT_MS;
	int64_t spare = credit(s, passed_ns, share);
	s->credit_at = now;
	if (s->stalled || !s->ingest.pending)
		return;
	if (s->ingest.pending >= COMMIT_BYTES || (spare > 0 && read < BULK_BYTES)) {
		(void)commit(s);
	} else if (!uv_is_active((uv_handle_t *)&s->commit)) {
		int64_t wait_ms = spare > 0 ? longest_ms : 1 - spare * share / 1000000;
		uv_timer_start(&s->commit, on_commit_timer, (uint64_t)(wait_ms < longest_ms ? wait_ms : longest_ms), 0);
	}
}

/* All goes to its place. */
static void settle(struct server *s)
{
	if (s->stalled || !s->ingest.store->late_rows)
		return;
	store_settle(s->ingest.store);
	s->ingest.pending++;
}

static void on_settle(uv_timer_t *t)
{
	struct server *s = t->data;
	settle(s);
	(void)commit(s);
}

/* Segments are joined, then filters made of them, as long as there is something to do. One that cannot be joined keeps no filter from being made. */
static void on_chore(uv_timer_t *t)
{
	struct server *s = t->data;
	struct err e;
	int done = s->joins ? store_compact(s->ingest.store, wall_us(), &e) : store_filter(s->ingest.store, &e);
	if (done < 0)
		msg_error("%s: %s", s->joins ? "joining segments" : "filters of segments", e.text);
	if (done <= 0 && !(done < 0 && s->joins))
		uv_timer_stop(&s->chore);
	s->joins &= done >= 0;
}

/* Of a clock that stands a year ahead until the network sets it right, nearly all would be too old. So when more time went by than this program saw, it takes another hour. */
static bool leapt(struct server *s, int64_t now_us)
{
	int64_t ran_us = (int64_t)(uv_hrtime() / 1000), before_us = s->looked_us ? s->looked_us : store_retained_us(s->ingest.store);
	int64_t leap_us = before_us ? now_us - before_us - (s->looked_us ? ran_us - s->looked_ran_us : 0) : 0;
	s->looked_us = now_us;
	s->looked_ran_us = ran_us;
	if (leap_us < LEAP_US)
		return false;
	msg_warn("by the clock %lld days passed at once since the last retention: nothing is removed yet, in case it is wrong", (long long)(leap_us / US_PER_DAY));
	return true;
}

static void on_retention(uv_timer_t *t)
{
	struct server *s = t->data;
	struct err e;
	int64_t now_us = wall_us();
	if (!leapt(s, now_us) && store_retention(s->ingest.store, s->conf, now_us, &e) < 0)
		msg_error("retention: %s", e.text);
	s->joins = true;
	uv_timer_start(&s->chore, on_chore, CHORE_MS, CHORE_MS);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

/* What the judge wants to know of clients' addresses goes to the probe, when there is one; else it is asked again when it comes. */
static void send_asks(struct server *s)
{
	struct peer *to = NULL;
	struct buf frames = { 0 };
	for (struct peer *p = s->peers; p; p = p->next)
		if (p->probe && !p->closing)
			to = p;
	if (to && !to->greeted)
		asked_frames(s->ingest.judge, true, &frames);
	else
		asked_frames(s->ingest.judge, false, &frames);
	if (to && frames.n)
		peer_send(to, buf_sv(&frames));
	if (to)
		to->greeted = true;
	buf_fini(&frames);
}

static void stream_read(struct peer *p, ssize_t n)
{
	struct buf reply = { 0 };
	struct err e;
	size_t used;
	int bad = ingest_bytes(&p->server->ingest, &p->source, buf_sv(&p->in), &used, &reply, &e);
	buf_drop(&p->in, used);
	if (reply.n)
		peer_send(p, buf_sv(&reply));
	buf_fini(&reply);
	p->probe = p->source.input && strcmp(p->source.input->name, "probe") == 0;
	send_asks(p->server);
	if (bad < 0) {
		msg_error("collector of %s: %s", p->source.input ? p->source.input->name : "?", e.text);
		peer_close(p);
	}
	commit_soon(p->server, n);
}

static void control_read(struct peer *p)
{
	ptrdiff_t nl;
	if (p->in.n > CONTROL_MAX) {
		peer_close(p);
		return;
	}
	while ((nl = sv_chr(buf_sv(&p->in), '\n')) >= 0) {
		struct buf answer = { 0 };
		act(p->server->ingest.store, p->server->ingest.judge, sv_take(buf_sv(&p->in), (size_t)nl), wall_us(), &answer);
		buf_addc(&answer, '\n');
		peer_send(p, buf_sv(&answer));
		buf_fini(&answer);
		buf_drop(&p->in, (size_t)nl + 1);
	}
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
	struct peer *p = st->data;
	(void)b;
	if (n < 0) {
		peer_close(p);
		return;
	}
	p->in.n += (size_t)n;
	if (p->control)
		control_read(p);
	else
		stream_read(p, n);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct server *s = listener->data;
	if (status < 0)
		return;
	struct peer *p = xcalloc(1, sizeof *p);
	p->server = s;
	p->control = (uv_pipe_t *)listener == &s->control_socket;
	uv_pipe_init(&s->loop, &p->pipe, 0);
	p->pipe.data = p;
	p->next = s->peers;
	s->peers = p;
	if (uv_accept(listener, (uv_stream_t *)&p->pipe) != 0)
		peer_close(p);
	else if (!s->stalled || p->control)
		uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read);
}

static void listen_on(struct server *s, uv_pipe_t *socket, const char *path)
{
	unlink(path);
	uv_pipe_init(&s->loop, socket, 0);
	socket->data = s;
	mode_t old = umask(0117);
	int bad = uv_pipe_bind(socket, path);
	umask(old);
	if (bad || (bad = uv_listen((uv_stream_t *)socket, 1024, on_connection)))
		fatal("%s: cannot listen there: %s", path, uv_strerror(bad));
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void on_reload(void *ctx);

/* Whether the customers' file is another one than at the last look. One that is gone is being replaced: what was read stays. */
static bool inventory_changed(struct server *s)
{
	struct stat now, *seen = &s->inventory_seen;
	if (!s->conf->customers_path[0] || stat(s->conf->customers_path, &now) < 0)
		return false;
	bool same = now.st_ino == seen->st_ino && now.st_dev == seen->st_dev && now.st_size == seen->st_size &&
	            now.st_mtim.tv_sec == seen->st_mtim.tv_sec && now.st_mtim.tv_nsec == seen->st_mtim.tv_nsec;
	*seen = now;
	return !same;
}

static void on_inventory(uv_timer_t *t)
{
	if (inventory_changed(t->data))
		on_reload(t->data);
}

static void on_reload(void *ctx)
{
	struct server *s = ctx;
	size_t n;
	struct err e;
	(void)inventory_changed(s); /* before it is read, so that a later change is seen at the next look */
	const struct opt_table *const *tables = detector_option_tables(&n);
	struct conf *conf = conf_load(s->conf_path, tables, n, NULL, NULL);
	struct enrich *enrich = conf ? enrich_new(conf, &e) : NULL;
	bool beyond = !conf && conf_beyond_fence();
	for (size_t i = 0; conf && !enrich && i < conf->geo.n; i++)
		beyond |= sandbox_denies(conf->geo.v[i]);
	if (beyond && proc_start_again(&s->proc)) {
		conf_free(conf);
		return;
	}
	if (!enrich) {
		msg_error("reload: %s; going on with the old one", conf ? e.text : "the config has mistakes (abusewatch check-config shows them)");
		conf_free(conf);
		return;
	}
	judge_reconfigure(s->ingest.judge, conf, enrich);
	enrich_free(s->enrich);
	conf_free(s->conf);
	s->conf = conf;
	s->enrich = enrich;
	msg_info("config and inventory read again");
	s->ingest.pending++; /* the cases' names may be others now */
	(void)commit(s);
}

/* The store and the sockets to write; config, inventory and places to read; nothing else, and no program to start. */
static void fence(const struct server *s)
{
	struct sandbox f = { .n = 0 };
	sandbox_allow_system(&f);
	sandbox_allow_folder_of(&f, s->conf->store, true);
	sandbox_allow(&f, s->conf->state_dir, true);
	conf_allow(s->conf, &f);
	for (size_t i = 0; i < s->conf->geo.n; i++)
		sandbox_allow_folder_of(&f, s->conf->geo.v[i], false);
	(void)sandbox_enter(&f);
}

static void on_stop(void *ctx)
{
	struct server *s = ctx;
	settle(s);
	(void)commit(s);
	uv_stop(&s->loop);
}

static void start(struct server *s)
{
	struct err e;
	size_t n;
	const struct opt_table *const *tables = detector_option_tables(&n);
	s->conf = conf_load_or_die(s->conf_path, tables, n);
	conf_log(s->conf);
	(void)inventory_changed(s);
	s->enrich = enrich_new(s->conf, &e);
	if (!s->enrich)
		fatal("%s", e.text);
	s->ingest.judge = judge_new(s->conf, s->enrich, &e);
	if (!s->ingest.judge)
		fatal("%s", e.text);
	s->ingest.store = store_open(s->conf->store, s->ingest.judge, &e);
	if (!s->ingest.store)
		fatal("%s", e.text);
	store_defer(s->ingest.store, s->ingest.judge);
	s->ingest.wall_us = wall_us;
	listen_on(s, &s->ingest_socket, conf_ingest_socket(s->conf).s);
	listen_on(s, &s->control_socket, conf_control_socket(s->conf).s);
	uv_timer_init(&s->loop, &s->commit);
	uv_timer_init(&s->loop, &s->retention);
	uv_timer_init(&s->loop, &s->chore);
	uv_timer_init(&s->loop, &s->inventory);
	uv_timer_init(&s->loop, &s->settle);
	s->commit.data = s->retention.data = s->chore.data = s->inventory.data = s->settle.data = s;
	uv_timer_start(&s->retention, on_retention, 10000, RETENTION_MS);
	uv_timer_start(&s->inventory, on_inventory, INVENTORY_MS, INVENTORY_MS);
}

int main(int argc, char **argv)
{
	static struct server s;
	msg_init("abusewatch-analyzer");
	proc_many_files();
	(void)mallopt(M_TRIM_THRESHOLD, 64 << 20); /* every commit takes and gives the same memory: not from and to the kernel each time */
	s.conf_path = proc_options("abusewatch-analyzer", "Takes the collectors' streams, judges them, writes the store. Runs in the foreground; SIGHUP reloads, SIGTERM ends.\n", argc, argv);
	uv_loop_init(&s.loop);
	start(&s);
	proc_init(&s.proc, &s.loop, on_reload, on_stop, &s);
	fence(&s);
	proc_ready(&s.proc);
	msg_info("ready; the store is %s", s.conf->store);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	store_close(s.ingest.store, s.ingest.judge);
	judge_free(s.ingest.judge);
	enrich_free(s.enrich);
	conf_free(s.conf);
	ingest_fini(&s.ingest);
	msg_info("ended");
	return 0;
}
