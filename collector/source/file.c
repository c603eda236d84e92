/* Follows one log file: inotify on the file itself wakes it (its folder may be busy with others), a slow timer makes sure and sees new files. Survives rotation by rename, by
 * copy-and-truncate and by packing, and finds again what was rotated away while nobody watched, also while it is still being packed or copied. */
#include "collector/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/archive_reader.h"
#include "collector/siblings.h"
#include "lib/buf.h"
#include "lib/msg.h"

#define BLOCK_BYTES (256u << 10)
#define BLOCKS_PER_TURN 16   /* then the loop may do other things */
#define POLL_MS 1000         /* file systems without inotify, renamed files */
#define COALESCE_MS 5        /* wake at once when idle, gather under load … */
#define COALESCE_MAX_MS 40   /* … longer the longer it lasts */
#define LOADED_BYTES 98304   /* in about a second (some 600 lines): the analyzer gathers them for longer than we do */
#define LOADED_MS 50
#define ROTATE_GRACE_MS 1000 /* not all writers turn to the new file at once */
#define DELETED_MS 600000    /* silent for so long: nobody writes to it any more … */
#define MOVED_MS 86400000    /* … and when only its name is gone: writers may be told late, or its folder may come back */

#define SETTLED_S 5          /* a rotated file written to just now may be being copied: it is waited for … */
#define COPYING_MS 120000    /* … but what is new does not wait for longer than that */

#define NOTHING_TOLD (-1)

struct source_run {
	struct source_events ev;
	uv_loop_t *loop;
	uv_poll_t watch;
	int inotify, watched; /* -1: none */
	uint64_t cool_ms, cooled_ms;
	uint64_t load_bytes, load_ms; /* what came in during the last second or so, fading; when that was */
	uv_timer_t poll, cool;
	uv_idle_t more;
	unsigned handles; /* not closed yet */
	char *path, *base;
	char *block;
	bool paused, closed, working;
	int told; /* why it cannot be opened, as was said */

	struct siblings old; /* to be read before the live file */
	size_t old_at;
	struct archive_reader *archive; /* of old.v[old_at], or of a truncated file's copy */
	uint64_t archive_skip;
	bool archive_is_copy;
	uint64_t waiting_ms; /* since when a rotated file is waited for; 0: none is */
	bool waiting;        /* until it has settled */
	struct siblings broken; /* those that break off, as they were read: not again unless they change */

	int fd;
	struct position at;     /* of what is being read: live file or archive */
	uint8_t head[POSITION_HEAD_BYTES];
	uint64_t rotated_ms;    /* when another file was first seen at path; 0: not */
	uint64_t missing_ms;    /* since when there is no file at path and nothing comes of the one at hand; 0: not */
	struct positions seen;  /* files we know, with those that are finished */
};

static bool give(struct source_run *s, struct sv bytes)
{
	if (bytes.n) {
		s->missing_ms = 0;
		s->at.offset += bytes.n;
		s->load_bytes += bytes.n;
		s->ev.bytes(s->ev.ctx, bytes);
	}
	return !s->closed && !s->paused;
}

/* -- the live file -- */

/* The fingerprint covers up to POSITION_HEAD_BYTES, so it grows while the file is shorter than that. */
static void refresh_head(struct source_run *s)
{
	if (s->at.head.n == POSITION_HEAD_BYTES)
		return;
	ssize_t n = pread(s->fd, s->head, sizeof s->head, 0);
	if (n > (ssize_t)s->at.head.n)
		s->at.head = fingerprint_of(sv_make((const char *)s->head, (size_t)n));
}

static bool head_changed(struct source_run *s)
{
	uint8_t now[POSITION_HEAD_BYTES];
	if (!s->at.head.n)
		return false;
	ssize_t n = pread(s->fd, now, s->at.head.n, 0);
	return n < (ssize_t)s->at.head.n || fingerprint_of(sv_make((const char *)now, (size_t)n)).hash != s->at.head.hash;
}

/* Of the file at hand; the one before is forgotten. */
static void watch_live(struct source_run *s, const char *path)
{
	if (s->inotify < 0)
		return;
	if (s->watched >= 0)
		(void)inotify_rm_watch(s->inotify, s->watched);
	s->watched = inotify_add_watch(s->inotify, path, IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB);
}

static void look_missing(struct source_run *s, bool missing)
{
	uint64_t now = uv_now(s->loop);
	if (!missing)
		s->missing_ms = 0;
	else if (!s->missing_ms)
		s->missing_ms = now ? now : 1;
}

/* Says once why. */
static bool not_open(struct source_run *s, int why)
{
	look_missing(s, why == ENOENT);
	if (s->told != why)
		msg_warn("%s: cannot be followed: %s%s; trying again", s->path, why ? strerror(why) : "is no file",
			why == EACCES ? " (what may read it is a matter of its group, as a rule adm, also in what rotates it)" : "");
	s->told = why;
	return false;
}

static bool open_live(struct source_run *s)
{
	struct stat st;
	s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (s->fd < 0)
		return not_open(s, errno);
	if (fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(s->fd);
		s->fd = -1;
		return not_open(s, 0);
	}
	if (s->told != NOTHING_TOLD)
		msg_info("%s: can be followed now", s->path);
	s->told = NOTHING_TOLD;
	s->at = (struct position){ .dev = (uint64_t)st.st_dev, .inode = (uint64_t)st.st_ino };
	s->rotated_ms = 0;
	watch_live(s, s->path);
	refresh_head(s);
	const struct position *known = positions_find(&s->seen, sv_make((const char *)s->head, s->at.head.n), s->at.dev, s->at.inode);
	if (known && known->offset <= (uint64_t)st.st_size)
		s->at.offset = known->offset;
	if (s->at.offset)
		(void)lseek(s->fd, (off_t)s->at.offset, SEEK_SET);
	return true;
}

/* -- rotated files that are not whole yet -- */

static bool is_recent(int64_t written_s)
{
	int64_t ago_s = (int64_t)time(NULL) - written_s;
	return ago_s > -SETTLED_S && ago_s < SETTLED_S;
}

/* Whether a file that was last written to then is waited for. */
static bool wait_for(struct source_run *s, int64_t written_s, const struct err *why)
{
	uint64_t now = uv_now(s->loop);
	if (!is_recent(written_s) || (s->waiting_ms && now - s->waiting_ms >= COPYING_MS))
		return false;
	if (!s->waiting_ms) {
		s->waiting_ms = now ? now : 1;
		msg_info("%s; waiting, as it was written to just now", why->text);
	}
	return s->waiting = true;
}

static int64_t written_us(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* What was rotated away and is to be read before the live file. */
static void find_old(struct source_run *s)
{
	siblings_fini(&s->old);
	s->old_at = 0;
	siblings_find(s->path, &s->seen, &s->old);
	siblings_drop(&s->old, &s->broken); /* those that changed are tried again */
	siblings_put_first(&s->old, &s->seen);
	if (s->old.unread_us && wait_for(s, s->old.unread_us / 1000000, &s->old.unread))
		return;
	s->waiting_ms = 0;
	if (s->old.unread_us)
		msg_error("%s; what was not read of it yet is lost", s->old.unread.text);
	s->old.unread_us = 0;
}

/* The file at hand is finished: tells, and looks what was rotated away after it while we were busy with it. */
static void finished(struct source_run *s, enum source_boundary b)
{
	s->at.done = true;
	positions_set(&s->seen, &s->at);
	s->ev.boundary(s->ev.ctx, b);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->at = (struct position){ 0 };
	if (s->closed || s->old_at < s->old.n)
		return;
	find_old(s);
}

/* Emptied in place (copytruncate): a copy with the same first bytes may hold lines that we did not see. */
static void truncated(struct source_run *s)
{
	char *copy = NULL;
	struct err e;
	if (siblings_copy(s->path, &s->at.head, &copy) && (s->archive = archive_reader_open(copy, &e))) {
		s->archive_skip = s->at.offset;
		s->archive_is_copy = true;
		free(copy);
		return;
	}
	free(copy);
	finished(s, SOURCE_TRUNCATED);
}

/* At the end of the file: is it still the one at path? While the new one is empty the writers have not been told yet: they write to the old one. */
static void check_rotation(struct source_run *s)
{
	struct stat st;
	bool there = stat(s->path, &st) == 0;
	look_missing(s, !there && errno == ENOENT);
	if (!there || !st.st_size || ((uint64_t)st.st_ino == s->at.inode && (uint64_t)st.st_dev == s->at.dev)) {
		s->rotated_ms = 0;
		return;
	}
	uint64_t now = uv_now(s->loop);
	if (!s->rotated_ms)
		s->rotated_ms = now ? now : 1;
	if (now - s->rotated_ms < ROTATE_GRACE_MS)
		return;
	finished(s, SOURCE_ROTATED);
}

/* One block. False: nothing more for now, or we were stopped. */
static bool read_live(struct source_run *s)
{
	struct stat st;
	if (s->fd < 0 && !open_live(s))
		return false;
	if (fstat(s->fd, &st) == 0 && ((uint64_t)st.st_size < s->at.offset || ((uint64_t)st.st_size != s->at.offset && head_changed(s)))) {
		truncated(s);
		return true;
	}
	ssize_t n = read(s->fd, s->block, BLOCK_BYTES);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0)
		msg_warn("%s: cannot be read: %s", s->path, strerror(errno));
	if (n > 0) {
		refresh_head(s);
		return give(s, sv_make(s->block, (size_t)n)) && n == BLOCK_BYTES;
	}
	check_rotation(s);
	return s->fd < 0 && !s->closed; /* switched: go on with the next file */
}

/* -- files that were rotated away -- */

static void archive_done(struct source_run *s)
{
	archive_reader_close(s->archive);
	s->archive = NULL;
	bool is_copy = s->archive_is_copy;
	s->archive_is_copy = false;
	if (!is_copy)
		s->old_at++;
	finished(s, is_copy ? SOURCE_TRUNCATED : SOURCE_ROTATED);
}

/* The file that was being read when we ended, renamed, and the new one is not there or empty: writers that were not told yet go on in the old one. */
static bool still_written(const struct source_run *s, const struct stat *old)
{
	struct stat now;
	if (s->old_at + 1 < s->old.n || archive_reader_is_packed(s->archive) || (stat(s->path, &now) == 0 && now.st_size))
		return false;
	for (size_t i = 0; i < s->seen.n; i++) {
		const struct position *p = &s->seen.v[i];
		if (!p->done && p->inode == (uint64_t)old->st_ino && p->dev == (uint64_t)old->st_dev)
			return true;
	}
	return false;
}

/* The old file is followed as the live one is. */
static bool go_on(struct source_run *s, const char *path)
{
	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (s->fd < 0 || lseek(s->fd, (off_t)s->at.offset, SEEK_SET) < 0)
		return false;
	s->rotated_ms = 0;
	watch_live(s, path);
	archive_reader_close(s->archive);
	s->archive = NULL;
	s->old_at++;
	return true;
}

static bool open_old(struct source_run *s)
{
	struct err e;
	struct sibling *o = &s->old.v[s->old_at];
	struct stat st;
	s->archive = siblings_find_again(s->path, o, &e) < 0 ? NULL : archive_reader_open(o->path, &e);
	if (!s->archive) {
		msg_warn("%s; its lines are lost", e.text);
		struct position lost = { .head = o->head, .done = true };
		positions_set(&s->seen, &lost);
		s->old_at++;
		return false;
	}
	s->at = (struct position){ .head = o->head, .offset = o->offset };
	if (stat(o->path, &st) == 0) {
		s->at.dev = (uint64_t)st.st_dev;
		s->at.inode = (uint64_t)st.st_ino;
		o->bytes = (uint64_t)st.st_size;
		o->mtime_us = written_us(&st);
		if (still_written(s, &st) && go_on(s, o->path))
			return false;
	}
	s->archive_skip = o->offset;
	return true;
}

/* It cannot be read to its end, and nobody writes to it: a whole one is read on from there when one is found, after the next rotation. */
static void leave_broken(struct source_run *s)
{
	struct siblings *b = &s->broken;
	b->v = xrealloc(b->v, (b->n + 1) * sizeof *b->v);
	b->v[b->n] = s->old.v[s->old_at];
	b->v[b->n].path = xstrdup(b->v[b->n].path);
	msg_warn("%s: was read as far as it goes; a whole one will be read on from there, after the next rotation", b->v[b->n++].path);
	s->waiting_ms = 0;
	if (++s->old_at == s->old.n)
		find_old(s);
}

/* It breaks off: it may still be being copied. Half a line at its break is not taken. */
static void broke_off(struct source_run *s, const struct err *why)
{
	struct sibling *o = &s->old.v[s->old_at];
	struct stat st;
	uint64_t unfinished = s->ev.broken(s->ev.ctx);
	archive_reader_close(s->archive);
	s->archive = NULL;
	s->at.offset -= unfinished < s->at.offset ? unfinished : s->at.offset;
	positions_set(&s->seen, &s->at);
	o->offset = s->at.offset;
	s->at = (struct position){ 0 };
	if (stat(o->path, &st) == 0 && wait_for(s, (int64_t)st.st_mtim.tv_sec, why))
		return;
	msg_warn("%s", why->text);
	leave_broken(s);
}

/* Has what is waited for settled, or was it waited for long enough? */
static void look_again(struct source_run *s)
{
	struct stat st;
	if (s->old_at == s->old.n || s->old.unread_us) { /* it could not even be begun */
		s->waiting = false;
		find_old(s);
		return;
	}
	bool there = stat(s->old.v[s->old_at].path, &st) == 0;
	s->waiting = there && is_recent((int64_t)st.st_mtim.tv_sec) && uv_now(s->loop) - s->waiting_ms < COPYING_MS;
}

static bool read_archive(struct source_run *s)
{
	struct sv block;
	struct err e;
	if (!s->archive && !open_old(s))
		return true;
	int got = archive_reader_next(s->archive, &block, &e);
	if (got < 0 && !s->archive_is_copy) {
		broke_off(s, &e);
		return !s->closed && !s->waiting;
	}
	if (got < 0)
		msg_warn("%s", e.text);
	if (got <= 0) {
		s->waiting_ms = 0;
		archive_done(s);
		return !s->closed;
	}
	size_t skip = s->archive_skip < block.n ? (size_t)s->archive_skip : block.n;
	s->archive_skip -= skip;
	return give(s, sv_skip(block, skip));
}

/* -- the loop -- */

static void on_more(uv_idle_t *h);

static void work(struct source_run *s)
{
	if (s->paused || s->closed || s->working)
		return;
	s->working = true;
	bool more = true;
	for (unsigned i = 0; more && i < BLOCKS_PER_TURN && !s->paused && !s->waiting; i++)
		more = s->archive || s->old_at < s->old.n ? read_archive(s) : read_live(s);
	s->working = false;
	if (s->closed)
		return;
	if (more && !s->paused && !s->waiting) {
		uv_idle_start(&s->more, on_more);
		return;
	}
	uv_idle_stop(&s->more);
	if (!s->paused)
		s->ev.idle(s->ev.ctx);
}

static void on_more(uv_idle_t *h)
{
	work(h->data);
}

static void on_poll(uv_timer_t *h)
{
	struct source_run *s = h->data;
	if (s->waiting && !s->paused && !s->working)
		look_again(s);
	work(s);
}

/* While it cools nobody is woken; what was written meanwhile shows at the end of it. */
static void on_event(uv_poll_t *h, int status, int events);

static void on_cool(uv_timer_t *h)
{
	struct source_run *s = h->data;
	s->cooled_ms = uv_now(s->loop);
	(void)uv_poll_start(&s->watch, UV_READABLE, on_event);
}

static bool loaded(struct source_run *s)
{
	uint64_t now = uv_now(s->loop), passed_ms = now - s->load_ms;
	s->load_ms = now;
	s->load_bytes -= passed_ms < 1000 ? s->load_bytes * passed_ms / 1000 : s->load_bytes;
	return s->load_bytes > LOADED_BYTES;
}

static void on_event(uv_poll_t *h, int status, int events)
{
	struct source_run *s = h->data;
	char many[4096];
	(void)status, (void)events;
	while (read(s->inotify, many, sizeof many) == (ssize_t)sizeof many)
		;
	bool busy = uv_now(s->loop) - s->cooled_ms <= 1;
	s->cool_ms = !busy ? COALESCE_MS : s->cool_ms * 2 < COALESCE_MAX_MS ? s->cool_ms * 2 : COALESCE_MAX_MS;
	if (loaded(s))
		s->cool_ms = LOADED_MS;
	(void)uv_poll_stop(&s->watch);
	uv_timer_start(&s->cool, on_cool, s->cool_ms, 0);
	work(s);
}

static void start_watching(struct source_run *s)
{
	uv_timer_init(s->loop, &s->poll);
	uv_timer_init(s->loop, &s->cool);
	uv_idle_init(s->loop, &s->more);
	s->handles = 3;
	s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->inotify >= 0 && uv_poll_init(s->loop, &s->watch, s->inotify) == 0) {
		s->handles++;
		s->watch.data = s;
		(void)uv_poll_start(&s->watch, UV_READABLE, on_event);
	} else {
		if (s->inotify >= 0)
			close(s->inotify);
		s->inotify = -1;
		msg_info("%s: is not watched (%s), but looked at every %d ms", s->path, strerror(errno), POLL_MS);
	}
	s->watched = -1;
	s->cool_ms = COALESCE_MS;
	s->poll.data = s->cool.data = s->more.data = s;
	uv_timer_start(&s->poll, on_poll, POLL_MS, POLL_MS);
	uv_idle_start(&s->more, on_more);
}

/* Whether the file at path is one that was being read. */
static bool is_known(const char *path, const struct positions *resume)
{
	struct stat st = { 0 };
	uint8_t head[POSITION_HEAD_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 || fstat(fd, &st) < 0 ? 0 : pread(fd, head, sizeof head, 0);
	if (fd >= 0)
		close(fd);
	const struct position *at = n > 0 ? positions_find(resume, sv_make((const char *)head, (size_t)n), (uint64_t)st.st_dev, (uint64_t)st.st_ino) : NULL;
	return at && !at->done;
}

static struct source_run *file_open(uv_loop_t *loop, const char *path, const struct positions *resume, const struct source_events *ev,
                                    struct err *e)
{
	(void)e;
	struct source_run *s = xcalloc(1, sizeof *s);
	s->ev = *ev;
	s->loop = loop;
	s->fd = -1;
	s->told = NOTHING_TOLD;
	s->path = xstrdup(path);
	const char *slash = strrchr(s->path, '/');
	s->base = s->path + (slash ? slash - s->path + 1 : 0);
	s->block = xmalloc(BLOCK_BYTES);
	for (size_t i = 0; i < resume->n; i++)
		positions_set(&s->seen, &resume->v[i]);
	if (resume->n && !is_known(path, resume)) /* else what broke off before it waits until that is finished, too */
		find_old(s);
	start_watching(s);
	return s;
}

static void file_pause(struct source_run *s, bool pause)
{
	if (s->paused == pause)
		return;
	s->paused = pause;
	if (!pause && !s->closed)
		uv_idle_start(&s->more, on_more);
	else
		uv_idle_stop(&s->more);
}

static bool file_position(const struct source_run *s, uint64_t unfinished, struct position *ret)
{
	if (!s->at.inode && !s->at.head.n)
		return false;
	*ret = s->at;
	ret->offset -= unfinished < ret->offset ? unfinished : ret->offset;
	return true;
}

static bool file_gone(const struct source_run *s)
{
	struct stat st;
	if (!s->missing_ms || s->archive || s->old_at < s->old.n)
		return false;
	bool deleted = s->fd >= 0 && fstat(s->fd, &st) == 0 && st.st_nlink == 0;
	return uv_now(s->loop) - s->missing_ms >= (deleted ? DELETED_MS : MOVED_MS);
}

static uint64_t file_lag(const struct source_run *s)
{
	struct stat st;
	if (s->fd < 0 || fstat(s->fd, &st) < 0 || (uint64_t)st.st_size < s->at.offset)
		return 0;
	return (uint64_t)st.st_size - s->at.offset;
}

static void on_closed(uv_handle_t *h)
{
	struct source_run *s = h->data;
	if (--s->handles)
		return;
	if (s->inotify >= 0)
		close(s->inotify);
	free(s->path);
	free(s->block);
	free(s);
}

static void file_close(struct source_run *s)
{
	s->closed = true;
	archive_reader_close(s->archive);
	s->archive = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	siblings_fini(&s->old);
	siblings_fini(&s->broken);
	positions_fini(&s->seen);
	if (s->inotify >= 0)
		uv_close((uv_handle_t *)&s->watch, on_closed);
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->cool, on_closed);
	uv_close((uv_handle_t *)&s->more, on_closed);
}

const struct source source_file = {
	.name = "file", .open = file_open, .pause = file_pause, .position = file_position, .gone = file_gone, .lag = file_lag, .close = file_close,
};
