#include "web/view.h"

#include <sodium.h>
#include <stdlib.h>

#include "lib/csv.h"
#include "lib/embed.h"
#include "lib/msg.h"
#include "lib/mustache.h"
#include "web/filter.h"
#include "web/rows.h"

extern const struct embed embed_assets[];

const struct embed *asset_find(const char *name)
{
	for (const struct embed *a = embed_assets; a->name; a++)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

void asset_version(char out[17])
{
	crypto_generichash_state st;
	unsigned char h[16];
	crypto_generichash_init(&st, NULL, 0, sizeof h);
	for (const struct embed *a = embed_assets; a->name; a++)
		crypto_generichash_update(&st, a->bytes, a->n);
	crypto_generichash_final(&st, h, sizeof h);
	sodium_bin2hex(out, 17, h, 8);
}

static const char *type_of(const char *name)
{
	static const struct { const char *suffix, *type; } types[] = {
		{ ".css", "text/css; charset=utf-8" }, { ".js", "text/javascript; charset=utf-8" }, { ".svg", "image/svg+xml" },
		{ ".txt", "text/plain; charset=utf-8" },
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (sv_ends(sv_cstr(name), sv_cstr(types[i].suffix)))
			return types[i].type;
	return NULL; /* templates and source maps are not for the public */
}

void asset_answer(struct call *c, const char *name)
{
	const struct embed *a = asset_find(name);
	if (!a || !type_of(name)) {
		call_error(c, 404, "There is no file of that name.");
		return;
	}
	c->answer.status = 200;
	c->answer.type = type_of(name);
	c->answer.bytes = a->bytes;
	c->answer.n_bytes = a->n;
	c->answer.immutable = strcmp(form_get(&c->query, "v"), c->web->version) == 0;
}

struct view_ctx {
	int64_t now_us; /* first: the filters see this */
	const char *template;
};

static struct sv partial(void *ctx, const char *name)
{
	struct view_ctx *v = ctx;
	struct buf file = { 0 };
	buf_printf(&file, "%s.html", strcmp(name, "content") == 0 ? v->template : name);
	const struct embed *a = asset_find(buf_cstr(&file));
	buf_fini(&file);
	return a ? sv_make((const char *)a->bytes, a->n) : (struct sv){ 0 };
}

void view_check(void)
{
	struct json_object *nothing = json_object_new_object();
	for (const struct embed *a = embed_assets; a->name; a++) {
		struct view_ctx v = { 0, "error" };
		struct mustache_options opt = { true, partial, filter_apply, &v };
		struct buf out = { 0 };
		struct err e;
		if (sv_ends(sv_cstr(a->name), SV(".html")) && mustache_render(sv_make((const char *)a->bytes, a->n), nothing, &opt, &out, &e) < 0)
			panic("template %s: %s", a->name, e.text);
		buf_fini(&out);
	}
	json_object_put(nothing);
}

/* The URL of this page in another format. */
static void put_alternates(struct call *c, struct json_object *shell)
{
	struct buf b = { 0 };
	for (size_t i = 0; i < c->n_segment; i++) {
		buf_addc(&b, '/');
		form_encode(&b, sv_cstr(c->segment[i]));
	}
	if (!c->n_segment)
		buf_puts(&b, "/index");
	size_t n = b.n;
	static const char *const suffix[] = { ".json", ".csv" };
	for (size_t i = 0; i < 2; i++) {
		b.n = n;
		buf_puts(&b, suffix[i]);
		form_query(&c->query, &b);
		json_put_text(shell, i ? "csv_url" : "json_url", buf_cstr(&b));
	}
	b.n = c->n_segment ? n : 0;
	if (!b.n)
		buf_addc(&b, '/');
	form_query(&c->query, &b);
	json_put_text(shell, "url", buf_cstr(&b));
	buf_fini(&b);
}

static bool any_server(struct db *d)
{
	sqlite3_stmt *st = db_query(d, Q_WEB_ANY_SERVER, "");
	bool any = sqlite3_step(st) == SQLITE_ROW;
	sqlite3_reset(st);
	return any;
}

static struct json_object *make_shell(struct call *c, const char *title, const char *nav)
{
	struct json_object *s = json_object_new_object(), *n = json_object_new_object();
	char csrf[SESSION_TOKEN_HEX];
	json_put_text(s, "title", title);
	json_put_text(s, "version", c->web->version);
	json_put_text(s, "release", VERSION);
	json_put(s, "now_at", json_time(c->now_us));
	json_put_bool(n, nav, true);
	json_put(s, "nav", n);
	put_alternates(c, s);
	if (!c->session)
		return s;
	json_put_text(s, "user", c->session->user);
	json_put_bool(s, "backup", c->web->conf->n_backup > 0);
	json_put_bool(s, "servers", c->web->db_open && any_server(&c->web->db));
	csrf_make(c->web->sessions, c->session_token, csrf);
	json_put_text(s, "csrf", csrf);
	if (c->session->flash[0] && !c->live) {
		json_put_text(s, c->session->flash_bad ? "flash_bad" : "flash", c->session->flash);
		c->session->flash[0] = 0;
	}
	return s;
}

void view_html(struct call *c, int status, const char *template, const char *title, const char *nav, struct json_object *o)
{
	struct view_ctx v = { c->now_us, template };
	struct mustache_options opt = { true, partial, filter_apply, &v };
	struct err e = { "" };
	const struct embed *layout = asset_find("layout.html");
	json_put(o, "shell", make_shell(c, title, nav));
	c->answer.status = status;
	c->answer.type = "text/html; charset=utf-8";
	if (mustache_render(sv_make((const char *)layout->bytes, layout->n), o, &opt, &c->answer.body, &e) < 0)
		panic("template %s: %s", template, e.text);
	json_object_object_del(o, "shell");
}

void view_json(struct call *c, int status, struct json_object *o)
{
	json_object_object_del(o, "ui");
	c->answer.status = status;
	c->answer.type = "application/json";
	buf_puts(&c->answer.body, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
	buf_addc(&c->answer.body, '\n');
}

static struct json_object *deep(struct json_object *o, const char *key)
{
	char part[64];
	while (o && *key) {
		size_t n = strcspn(key, ".");
		struct json_object *v = NULL;
		if (n >= sizeof part)
			return NULL;
		memcpy(part, key, n);
		part[n] = 0;
		if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, part, &v))
			return NULL;
		o = v;
		key += n + (key[n] == '.');
	}
	return o;
}

/* Lists become one cell, joined with blanks. */
static void csv_value(struct buf *out, bool first, struct json_object *v)
{
	struct buf b = { 0 };
	if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++)
			buf_printf(&b, "%s%s", i ? " " : "", json_object_get_string(json_object_array_get_idx(v, i)));
	} else if (v) {
		buf_puts(&b, json_object_get_string(v));
	}
	csv_put(out, first, buf_sv(&b));
	buf_fini(&b);
}

static void csv_row(struct buf *out, const struct page_column *cols, struct json_object *row)
{
	for (const struct page_column *k = cols; k->header; k++)
		csv_value(out, k == cols, deep(row, k->key));
	csv_end_row(out);
}

static void offer_name(struct call *c, const struct page *p)
{
	struct buf b = { 0 };
	buf_printf(&b, "%s.csv", p->template);
	free(c->answer.filename);
	c->answer.filename = xstrdup(buf_cstr(&b));
	buf_fini(&b);
}

void view_csv(struct call *c, const struct page *p, struct json_object *o)
{
	struct buf *out = &c->answer.body;
	struct json_object *rows = p->csv_rows ? deep(o, p->csv_rows) : NULL;
	for (const struct page_column *k = p->csv; k->header; k++)
		csv_put(out, k == p->csv, sv_cstr(k->header));
	csv_end_row(out);
	if (!p->csv_rows)
		csv_row(out, p->csv, o);
	for (size_t i = 0; rows && i < json_object_array_length(rows); i++)
		csv_row(out, p->csv, json_object_array_get_idx(rows, i));
	c->answer.status = 200;
	c->answer.type = "text/csv; charset=utf-8; header=present";
	offer_name(c, p);
}
