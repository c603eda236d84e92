/* The analyzer's global memory in the store: pages that were touched, without their zero bytes, and contacts of which no page speaks yet. */
#include <endian.h>
#include <stdlib.h>

#include "analyzer/sparse.h"
#include "analyzer/store.h"

static struct memory *memory_named(struct judge *j, struct sv name)
{
	struct memory *m;
	for (size_t i = 0; (m = judge_memory(j, &i)) != NULL;)
		if (sv_eq(name, sv_cstr(m->name)))
			return m;
	return NULL;
}

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
	return load_pages(s, j, e) < 0 || load_contacts(s, &j->contacts, e) < 0 ? -1 : 0;
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
	size_t n = 0;
	struct buf packed[DB_ROWS] = { { 0 } };
	if (!m->any)
		return 0;
	struct pages p = { m, xcalloc(m->n / MEMORY_PAGE_BYTES, sizeof(size_t)), packed };
	for (size_t page = 0; page < m->n / MEMORY_PAGE_BYTES; page++)
		if (memory_page_touched(m, page))
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

int store_memory_write(struct store *s, struct judge *j, struct err *e)
{
	struct memory *m;
	int bad = write_contacts(s, &j->contacts, e);
	for (size_t i = 0; !bad && (m = judge_memory(j, &i)) != NULL;)
		if (m != &j->contacts.young)
			bad = write_pages(s, m, e);
	return bad;
}

void store_memory_committed(struct judge *j)
{
	struct memory *m;
	for (size_t i = 0; (m = judge_memory(j, &i)) != NULL;)
		if (m != &j->contacts.young)
			memory_clean(m);
	contacts_committed(&j->contacts);
}
