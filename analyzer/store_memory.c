/* The analyzer's global memory in the store: pages that were touched, without their zero bytes, and contacts of which no page speaks yet. Where principals are
 * written late (analyzer/store_principal.c), pages are, too: a commit then adds a row of what changed in them. */
#include <endian.h>
#include <stdlib.h>

#include "analyzer/sparse.h"
#include "analyzer/store.h"
#include "lib/wire.h"

static struct memory *memory_named(struct judge *j, struct sv name)
{
	struct memory *m;
	for (size_t i = 0; (m = judge_memory(j, &i)) != NULL;)
		if (sv_eq(name, sv_cstr(m->name)))
			return m;
	return NULL;
}

#define LATE_BYTES_MAX (1u << 20) /* larger memory is changed all over when it is; a copy of it would cost more than its pages do */

static void set_bit(uint64_t *bits, size_t page, bool on)
{
	bits[page / 64] = (bits[page / 64] & ~(1ull << (page % 64))) | (uint64_t)on << (page % 64);
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

/* A page that did not become smaller is kept as it is. */
static bool take_page(struct memory *m, size_t page, struct sv v)
{
	if (page >= m->n / MEMORY_PAGE_BYTES || v.n > MEMORY_PAGE_BYTES)
		return false;
	unsigned char *to = m->p + page * MEMORY_PAGE_BYTES;
	memset(to, 0, MEMORY_PAGE_BYTES); /* some begin with other values */
	if (v.n == MEMORY_PAGE_BYTES)
		memcpy(to, v.p, v.n);
	else if (sparse_get(v, to, MEMORY_PAGE_BYTES) < 0)
		return false;
	m->used = true;
	set_bit(m->kept, page, true);
	return true;
}

static int load_pages(struct store *s, struct judge *j, struct err *e)
{
	int rc;
	bool any = false;
	sqlite3_stmt *st = db_query(&s->db, Q_MEMORY_ALL, "");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct memory *m = memory_named(j, db_text(st, 0));
		/* A filter whose size was changed in the config starts empty: its bits mean nothing in the new one. */
		if (m && sqlite3_column_int64(st, 3) == (int64_t)m->n && !take_page(m, (size_t)sqlite3_column_int64(st, 1), db_blob(st, 2)))
			return err_set(e, "%s: memory of %s is damaged", s->db.path, m->name);
		any = true;
	}
	sqlite3_reset(st);
	if (any)
		memory_clean(&j->site_memory);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", s->db.path, sqlite3_errmsg(s->db.h));
}

/* One page's change, of which w goes on to speak. Of memory of another size nothing is known. */
static bool take_delta(struct judge *j, struct wire *w)
{
	struct memory *m = memory_named(j, wire_get_sv(w));
	uint64_t n = wire_get_u(w), page = wire_get_u(w);
	struct sv packed = wire_get_sv(w);
	unsigned char change[MEMORY_PAGE_BYTES] = { 0 };
	if (w->bad || sparse_get(packed, change, sizeof change) < 0)
		return false;
	if (!m || n != m->n)
		return true;
	if (page >= m->n / MEMORY_PAGE_BYTES || !memory_bit(m->kept, page))
		return false;
	unsigned char *to = m->p + page * MEMORY_PAGE_BYTES;
	for (size_t i = 0; i < sizeof change; i++)
		to[i] ^= change[i];
	memory_touch(m, page * MEMORY_PAGE_BYTES); /* the next commit writes it */
	return true;
}

static int load_deltas(struct store *s, struct judge *j, struct err *e)
{
	int rc;
	sqlite3_stmt *st = db_query(&s->db, Q_MEMORY_LATE_ALL, "");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct wire w = wire_of(db_blob(st, 0));
		while (w.p < w.end)
			if (!take_delta(j, &w)) {
				sqlite3_reset(st);
				return err_set(e, "%s: what changed in memory is damaged", s->db.path);
			}
		s->late_bytes += db_blob(st, 0).n;
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", s->db.path, sqlite3_errmsg(s->db.h));
}

static int load_contacts(struct store *s, struct contacts *c, struct err *e)
{
	int rc;
	sqlite3_stmt *st = db_query(&s->db, Q_CONTACT_NEW_ALL, "");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct sv pairs = db_blob(st, 0);
		for (uint64_t le; pairs.n >= sizeof le; pairs = sv_skip(pairs, sizeof le)) {
			memcpy(&le, pairs.p, sizeof le);
			contacts_add(c, le64toh(le));
		}
	}
	sqlite3_reset(st);
	contacts_loaded(c);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", s->db.path, sqlite3_errmsg(s->db.h));
}

int store_memory_load(struct store *s, struct judge *j, struct err *e)
{
	return load_pages(s, j, e) < 0 || load_deltas(s, j, e) < 0 || load_contacts(s, &j->contacts, e) < 0 ? -1 : 0;
}

void store_memory_defer(struct judge *j)
{
	struct memory *m;
	for (size_t i = 0; (m = judge_memory(j, &i)) != NULL;)
		if (m != &j->contacts.young && m->n <= LATE_BYTES_MAX && !m->stored) {
			m->stored = xmalloc(m->n);
			memcpy(m->stored, m->p, m->n);
		}
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Whether the commit at hand writes of that touched page what changed. */
static bool goes_late(const struct store *s, const struct memory *m, size_t page)
{
	return s->defers && !s->settles && m->stored && memory_bit(m->kept, page);
}

static void put_delta(const struct memory *m, size_t page, struct buf *packed, struct buf *out)
{
	unsigned char change[MEMORY_PAGE_BYTES];
	const unsigned char *now = m->p + page * MEMORY_PAGE_BYTES, *then = m->stored + page * MEMORY_PAGE_BYTES;
	for (size_t i = 0; i < sizeof change; i++)
		change[i] = now[i] ^ then[i];
	if (sparse_zeros(change, sizeof change) == sizeof change)
		return;
	buf_clear(packed);
	sparse_put(change, sizeof change, packed);
	wire_put_sv(out, sv_cstr(m->name));
	wire_put_u(out, m->n);
	wire_put_u(out, page);
	wire_put_sv(out, buf_sv(packed));
}

static void put_deltas(const struct store *s, const struct memory *m, struct buf *packed, struct buf *out)
{
	size_t pages = m->n / MEMORY_PAGE_BYTES;
	for (size_t page = 0; (page = memory_next_touched(m, page)) < pages; page++)
		if (goes_late(s, m, page))
			put_delta(m, page, packed, out);
}

static void touch_late(struct memory *m)
{
	for (size_t page = 0; page < m->n / MEMORY_PAGE_BYTES; page++)
		if (memory_bit(m->late, page))
			memory_touch(m, page * MEMORY_PAGE_BYTES);
}

struct pages { const struct memory *memory; size_t *page; struct buf *packed; /* DB_ROWS of it */ };

static void bind_page(struct db_binder *b, const void *ctx, size_t i)
{
	const struct pages *p = ctx;
	const unsigned char *from = p->memory->p + p->page[i] * MEMORY_PAGE_BYTES;
	struct buf *packed = &p->packed[i % DB_ROWS];
	bool sparse = sparse_is(from, MEMORY_PAGE_BYTES);
	buf_clear(packed);
	if (sparse)
		sparse_put(from, MEMORY_PAGE_BYTES, packed);
	db_bind(b, "siib", p->memory->name, (int64_t)p->page[i], (int64_t)p->memory->n,
	        sparse && packed->n < MEMORY_PAGE_BYTES ? buf_sv(packed) : sv_make((const char *)from, MEMORY_PAGE_BYTES));
}

static int write_pages(struct store *s, const struct memory *m, struct err *e)
{
	size_t n = 0, pages = m->n / MEMORY_PAGE_BYTES;
	struct buf packed[DB_ROWS] = { { 0 } };
	if (!m->any)
		return 0;
	struct pages p = { m, xcalloc(pages, sizeof(size_t)), packed };
	for (size_t page = 0; (page = memory_next_touched(m, page)) < pages; page++)
		if (!goes_late(s, m, page))
			p.page[n++] = page;
	int bad = db_run_rows(&s->db, e, Q_MEMORY_PUT, n, bind_page, &p);
	for (size_t i = 0; i < DB_ROWS; i++)
		buf_fini(&packed[i]);
	free(p.page);
	return bad;
}

static int write_contacts(struct store *s, const struct contacts *c, struct err *e)
{
	struct buf pairs = { 0 };
	if (contacts_in_pages(c))
		return write_pages(s, &c->young, e) || db_run(&s->db, e, Q_CONTACT_NEW_CLEAR, "");
	for (size_t i = 0; i < c->n_added; i++) {
		uint64_t le = htole64(c->added[i]);
		buf_add(&pairs, &le, sizeof le);
	}
	int bad = pairs.n ? db_run(&s->db, e, Q_CONTACT_NEW_ADD, "b", buf_sv(&pairs)) : 0;
	buf_fini(&pairs);
	return bad;
}

static int write_late(struct store *s, struct judge *j, struct err *e)
{
	struct memory *m;
	struct buf packed = { 0 }, deltas = { 0 };
	for (size_t i = 0; (m = judge_memory(j, &i)) != NULL;)
		put_deltas(s, m, &packed, &deltas);
	int bad = deltas.n ? db_run(&s->db, e, Q_MEMORY_LATE_ADD, "b", buf_sv(&deltas)) : 0;
	s->late_bytes_new = deltas.n;
	buf_fini(&packed);
	buf_fini(&deltas);
	return bad;
}

int store_memory_write(struct store *s, struct judge *j, struct err *e)
{
	struct memory *m;
	bool whole = !s->defers || s->settles;
	int bad = write_contacts(s, &j->contacts, e) || (whole ? s->late_bytes && db_run(&s->db, e, Q_MEMORY_LATE_CLEAR, "") : write_late(s, j, e));
	for (size_t i = 0; !bad && (m = judge_memory(j, &i)) != NULL;) {
		if (m == &j->contacts.young)
			continue;
		if (whole && s->late_bytes)
			touch_late(m);
		bad = write_pages(s, m, e);
	}
	return bad;
}

/* What of m the store now has, and how. */
static void note_stored(const struct store *s, struct memory *m)
{
	size_t pages = m->n / MEMORY_PAGE_BYTES;
	for (size_t page = 0; (page = memory_next_touched(m, page)) < pages; page++) {
		size_t at = page * MEMORY_PAGE_BYTES;
		set_bit(m->late, page, goes_late(s, m, page));
		set_bit(m->kept, page, true);
		if (m->stored)
			memcpy(m->stored + at, m->p + at, MEMORY_PAGE_BYTES);
	}
	memory_clean(m);
}

void store_memory_committed(struct store *s, struct judge *j)
{
	struct memory *m;
	for (size_t i = 0; (m = judge_memory(j, &i)) != NULL;)
		if (m != &j->contacts.young)
			note_stored(s, m);
	contacts_committed(&j->contacts);
	s->late_bytes = s->defers && !s->settles ? s->late_bytes + s->late_bytes_new : 0;
}
