#include "collector/siblings.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "collector/archive_reader.h"
#include "lib/buf.h"

void siblings_fini(struct siblings *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].path);
	free(s->v);
	*s = (struct siblings){ 0 };
}

/* The first bytes of a file, unpacked: 1, 0 when it is empty, -1 and e when it cannot be read. */
static int head_of(const char *path, struct buf *ret, struct err *e)
{
	struct sv block;
	struct archive_reader *r = archive_reader_open(path, e);
	int how = r ? 1 : -1;
	buf_clear(ret);
	while (ret->n < POSITION_HEAD_BYTES && how > 0 && (how = archive_reader_next(r, &block, e)) > 0)
		buf_add(ret, block.p, block.n < POSITION_HEAD_BYTES ? block.n : POSITION_HEAD_BYTES);
	archive_reader_close(r);
	return ret->n ? 1 : how;
}

/* How long name is without what packing appends. */
static size_t unpacked_n(const char *name)
{
	static const char *const packed[] = { ".gz", ".xz", ".zst", ".bz2" };
	size_t n = strlen(name);
	for (unsigned i = 0; i < sizeof packed / sizeof *packed; i++)
		if (n > strlen(packed[i]) && !strcmp(name + n - strlen(packed[i]), packed[i]))
			return n - strlen(packed[i]);
	return n;
}

/* ".1", "-20261122": what programs that rotate logs append. */
static bool is_rotation(const char *suffix, size_t n)
{
	return n > 1 && strchr(".-", suffix[0]) && strspn(suffix + 1, "0123456789-.") >= n - 1;
}

/* Also before the extension: "mail-20261122.log" (logrotate's "extension"). */
static bool is_rotated(const char *base, const char *name)
{
	size_t n = unpacked_n(name), base_n = strlen(base);
	if (n > base_n && memcmp(name, base, base_n) == 0 && is_rotation(name + base_n, n - base_n))
		return true;
	const char *extension = strrchr(base, '.');
	size_t stem_n = extension ? (size_t)(extension - base) : 0, extension_n = base_n - stem_n;
	return stem_n && n > base_n && memcmp(name, base, stem_n) == 0 && memcmp(name + n - extension_n, extension, extension_n) == 0 &&
	       is_rotation(name + stem_n, n - base_n);
}

/* A file that is being packed has its original beside it until that is done: it is that one which is read. (Another log may have the name, too.) */
static bool has_original(const char *file, const struct buf *head)
{
	struct err e;
	struct stat st;
	struct buf original_head = { 0 };
	size_t n = unpacked_n(file);
	char *original = xsvdup(sv_make(file, n));
	bool same = file[n] && stat(original, &st) == 0 && S_ISREG(st.st_mode) && head_of(original, &original_head, &e) > 0 &&
	            sv_starts(buf_sv(&original_head), sv_take(buf_sv(head), POSITION_HEAD_BYTES));
	buf_fini(&original_head);
	free(original);
	return same;
}

/* Calls cb for each rotated file beside path. */
static void each(const char *path, void (*cb)(void *ctx, const char *file, const struct stat *st), void *ctx)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	struct sv dir = slash ? sv_make(path, (size_t)(slash - path) + (slash == path)) : SV(".");
	char *dir_path = xsvdup(dir);
	DIR *d = opendir(dir_path);
	struct buf name = { 0 };
	struct stat st;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!is_rotated(base, e->d_name))
			continue;
		buf_clear(&name);
		buf_puts(&name, dir_path);
		buf_addc(&name, '/');
		buf_puts(&name, e->d_name);
		if (stat(buf_cstr(&name), &st) == 0 && S_ISREG(st.st_mode))
			cb(ctx, buf_cstr(&name), &st);
	}
	if (d)
		closedir(d);
	buf_fini(&name);
	free(dir_path);
}

struct finding { const struct positions *read; struct siblings *out; struct buf head; int64_t last_us; };

static int64_t mtime_us(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

static void add(struct siblings *s, const struct sibling *one)
{
	for (size_t i = 0; i < s->n; i++) {
		struct sibling *v = &s->v[i];
		if (v->head.hash == one->head.hash && v->head.n == one->head.n) { /* "x.1" and "x.1.gz": the plain one */
			struct sibling *worse = strlen(v->path) > strlen(one->path) ? v : NULL;
			if (worse) {
				free(worse->path);
				worse->path = xstrdup(one->path);
			}
			return;
		}
	}
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 8;
		s->v = xrealloc(s->v, s->cap * sizeof *s->v);
	}
	s->v[s->n] = *one;
	s->v[s->n++].path = xstrdup(one->path);
}

static void look(void *ctx, const char *file, const struct stat *st)
{
	struct finding *f = ctx;
	struct err e;
	int how = head_of(file, &f->head, &e);
	if (how != 0 && has_original(file, &f->head))
		return;
	if (how < 0 && mtime_us(st) > f->out->unread_us) {
		f->out->unread_us = mtime_us(st);
		f->out->unread = e;
	}
	if (how <= 0)
		return;
	const struct position *at = positions_find(f->read, buf_sv(&f->head), (uint64_t)st->st_dev, (uint64_t)st->st_ino);
	if (at && (f->last_us == 0 || mtime_us(st) > f->last_us))
		f->last_us = mtime_us(st);
	if (at && at->done)
		return;
	struct sibling one = { (char *)(uintptr_t)file, mtime_us(st), (uint64_t)st->st_size, fingerprint_of(buf_sv(&f->head)), at ? at->offset : 0, at != NULL };
	add(f->out, &one);
}

static int by_time(const void *a, const void *b)
{
	const struct sibling *x = a, *y = b;
	return x->mtime_us < y->mtime_us ? -1 : x->mtime_us > y->mtime_us ? 1 : strcmp(x->path, y->path);
}

void siblings_find(const char *path, const struct positions *read, struct siblings *ret)
{
	struct finding f = { .read = read, .out = ret };
	each(path, look, &f);
	buf_fini(&f.head);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_time);
	/* Of those we never saw only the newer ones are ours: older ones were there before we began. */
	size_t kept = 0;
	for (size_t i = 0; i < ret->n; i++) {
		if (ret->v[i].known || (f.last_us && ret->v[i].mtime_us > f.last_us))
			ret->v[kept++] = ret->v[i];
		else
			free(ret->v[i].path);
	}
	ret->n = kept;
	if (ret->unread_us <= f.last_us) /* newer than what was read; or that is not found, and may be this one */
		ret->unread_us = 0;
}

bool siblings_is(const char *path, const struct fingerprint *head)
{
	struct err e;
	struct buf now = { 0 };
	bool is = head_of(path, &now, &e) > 0 && fingerprint_fits(head, buf_sv(&now));
	buf_fini(&now);
	return is;
}

static bool has_same(const struct siblings *s, const struct sibling *o)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].head.hash == o->head.hash && s->v[i].bytes == o->bytes && s->v[i].mtime_us == o->mtime_us)
			return true;
	return false;
}

void siblings_drop(struct siblings *s, const struct siblings *those)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (has_same(those, &s->v[i]))
			free(s->v[i].path);
		else
			s->v[kept++] = s->v[i];
	}
	s->n = kept;
}

void siblings_put_first(struct siblings *s, const struct positions *read)
{
	const struct position *begun = positions_begun(read);
	size_t at = 0;
	while (begun && at < s->n && !(s->v[at].known && siblings_is(s->v[at].path, &begun->head)))
		at++;
	if (!begun || at == s->n)
		return;
	struct sibling first = s->v[at];
	memmove(s->v + 1, s->v, at * sizeof *s->v);
	s->v[0] = first;
}

struct copying { const struct fingerprint *head; struct buf buf; char *path; };

static void is_copy(void *ctx, const char *file, const struct stat *st)
{
	struct copying *c = ctx;
	(void)st;
	struct err e;
	if (head_of(file, &c->buf, &e) <= 0 || !fingerprint_fits(c->head, buf_sv(&c->buf)))
		return;
	if (c->path && strlen(c->path) <= strlen(file))
		return;
	free(c->path);
	c->path = xstrdup(file);
}

bool siblings_copy(const char *path, const struct fingerprint *head, char **ret_path)
{
	struct copying c = { .head = head };
	each(path, is_copy, &c);
	buf_fini(&c.buf);
	*ret_path = c.path;
	return c.path != NULL;
}

int siblings_find_again(const char *path, struct sibling *o, struct err *e)
{
	char *now = NULL;
	if (siblings_is(o->path, &o->head))
		return 0;
	if (!siblings_copy(path, &o->head, &now))
		return err_set(e, "%s: is not there any more", o->path);
	free(o->path);
	o->path = now;
	return 0;
}
