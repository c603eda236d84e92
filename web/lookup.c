#include "web/lookup.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "lib/csv.h"
#include "lib/hash.h"
#include "lib/jsonw.h"
#include "lib/times.h"
#include "probe/dial.h"
#include "probe/target.h"
#include "web/rows.h"

#define ABREAST 48              /* look-ups at a time */
#define TARGETS_MOST 32
#define ADDRESSES_MOST 1024     /* of a prefix */
#define HELD_MOST (4u << 20)    /* bytes that a browser has not taken: the probe is not read on */
#define CLIENT_SLOTS 4096
#define LISTS_MS 600

enum shape { SHAPE_LINES, SHAPE_JSON, SHAPE_CSV };

struct lookup {
	struct stream stream;       /* first */
	uv_poll_t poll;
	int fd;
	enum shape shape;
	struct buf in, out;
	bool ended, broken, first, polling;
};

static unsigned abreast;

/* --- who may ------------------------------------------------------------------------------------------------------ */

static bool segment_is(const struct call *c, size_t i, const char *word)
{
	return i < c->n_segment && strcmp(c->segment[i], word) == 0;
}

bool lookup_is_public(const struct call *c)
{
	bool page = c->n_segment == 1 || (c->n_segment == 2 && segment_is(c, 1, "stream"));
	return c->web->conf->rbl.open && segment_is(c, 0, "rbl") && page;
}

bool lookup_is_stream(const struct call *c)
{
	if (!segment_is(c, 0, "rbl"))
		return false;
	if (c->n_segment == 2 && segment_is(c, 1, "stream"))
		return true;
	return c->n_segment == 1 && c->format != FORMAT_HTML && *form_get(&c->query, "target");
}

unsigned lookup_most(const struct call *c)
{
	return c->session ? TARGETS_MOST : 1;
}

/* Who is not logged in is counted by address (IPv6 by /64) and hour. True when it was not too much. */
static bool within_hour(const struct call *c)
{
	static struct { uint64_t key; int64_t hour, n; } slot[CLIENT_SLOTS];
	struct ipaddr a;
	char text[46];
	if (ipaddr_parse(sv_cstr(c->client), &a) < 0)
		return false;
	if (!ipaddr_is_v4(&a))
		memset(a.b + 8, 0, 8);
	size_t n = ipaddr_text(&a, text);
	static const struct hash_key key = { "abusewatch look." };
	uint64_t h = hash_sv(&key, sv_make(text, n)), at = h % CLIENT_SLOTS;
	int64_t hour = c->now_us / US_PER_HOUR;
	if (slot[at].key != h || slot[at].hour != hour) { /* two clients in one slot give each other some more, never less than their own */
		slot[at].key = h;
		slot[at].hour = hour;
		slot[at].n = 0;
	}
	return ++slot[at].n <= c->web->conf->rbl.open_per_hour;
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct lookup *l = h->data;
	close(l->fd);
	buf_fini(&l->in);
	buf_fini(&l->out);
	free(l);
	abreast--;
}

static void on_free(struct stream *s)
{
	struct lookup *l = (struct lookup *)s;
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, on_closed);
}

static struct sv text_of(struct json_object *o, const char *key)
{
	return sv_cstr(json_str(o, key));
}

static void put_csv(struct lookup *l, struct json_object *o)
{
	static const char *const keys[] = { "target", "zone", "verdict", "kind", "code", "meaning", "text", "reason", "since", "answered", "delist" };
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		csv_put(&l->out, i == 0, text_of(o, keys[i]));
	csv_end_row(&l->out);
}

static void put_end(struct lookup *l, struct json_object *counts, const char *error)
{
	l->ended = true;
	l->broken = error && l->shape == SHAPE_CSV; /* it has no place for an error, and must not look whole */
	if (l->shape != SHAPE_JSON)
		return;
	buf_puts(&l->out, "]");
	if (counts)
		buf_printf(&l->out, ",\"counts\":%s", json_object_to_json_string_ext(counts, JSON_C_TO_STRING_PLAIN));
	if (error)
		jsonw_field_text(&l->out, SV("error"), sv_cstr(error));
	buf_puts(&l->out, "}\n");
}

static void on_line(struct lookup *l, struct sv line)
{
	struct json_tokener *tok = json_tokener_new_ex(8);
	struct json_object *o = json_tokener_parse_ex(tok, line.p, (int)line.n), *v = NULL;
	if (l->shape == SHAPE_LINES) {
		buf_addsv(&l->out, line);
		buf_addc(&l->out, '\n');
	}
	if (o && json_object_object_get_ex(o, "zone", NULL)) {
		if (l->shape == SHAPE_CSV)
			put_csv(l, o);
		else if (l->shape == SHAPE_JSON)
			buf_printf(&l->out, "%s%.*s", l->first ? "" : ",\n", SVARG(line));
		l->first = false;
	} else if (o && json_object_object_get_ex(o, "error", &v)) {
		put_end(l, NULL, json_object_get_string(v));
	} else if (o && json_object_object_get_ex(o, "end", NULL)) {
		(void)json_object_object_get_ex(o, "counts", &v);
		put_end(l, v, NULL);
	}
	json_object_put(o);
	json_tokener_free(tok);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct lookup *l = h->data;
	(void)events;
	buf_reserve(&l->in, 65536);
	ssize_t n = status < 0 ? -1 : read(l->fd, l->in.p + l->in.n, 65536);
	if (n < 0 && errno == EAGAIN && status >= 0)
		return;
	if (n <= 0) {
		uv_poll_stop(h);
		l->polling = false;
		if (!l->ended && l->shape == SHAPE_LINES)
			buf_puts(&l->out, "{\"error\":\"the probe went away before it was done\"}\n");
		if (!l->ended)
			put_end(l, NULL, "the probe went away before it was done");
	} else {
		l->in.n += (size_t)n;
	}
	size_t used = 0;
	for (ptrdiff_t nl; l->in.p && !l->ended && (nl = sv_chr(sv_skip(buf_sv(&l->in), used), '\n')) >= 0; used += (size_t)nl + 1)
		on_line(l, sv_make(l->in.p + used, (size_t)nl));
	buf_drop(&l->in, used);
	if (l->ended || l->out.n > HELD_MOST) {
		uv_poll_stop(h);
		l->polling = false;
	}
	if (l->out.n || l->ended)
		stream_wake(&l->stream);
}

static ptrdiff_t on_read(struct stream *s, char *out, size_t cap)
{
	struct lookup *l = (struct lookup *)s;
	size_t n = l->out.n < cap ? l->out.n : cap;
	if (!n)
		return l->broken ? STREAM_BROKEN : l->ended ? -1 : 0;
	memcpy(out, l->out.p, n);
	buf_drop(&l->out, n);
	if (!l->ended && !l->polling && l->out.n < HELD_MOST / 2) {
		uv_poll_start(&l->poll, UV_READABLE, on_readable);
		l->polling = true;
	}
	return (ptrdiff_t)n;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static int send_all(int fd, const struct buf *b)
{
	for (size_t sent = 0; sent < b->n;) {
		ssize_t n = send(fd, b->p + sent, b->n - sent, MSG_NOSIGNAL);
		if (n <= 0)
			return -1;
		sent += (size_t)n;
	}
	return 0;
}

/* The targets in the field, with blanks or commas between. 0, or the HTTP status and e. */
static int put_targets(const struct call *c, struct buf *request, struct err *e)
{
	struct sv rest = sv_cstr(form_get(&c->query, "target"));
	unsigned n = 0;
	uint64_t addresses = 0;
	while (rest.n) {
		size_t skip = strspn(rest.p, " ,;\t\r\n");
		rest = sv_skip(rest, skip);
		struct sv word = sv_take(rest, strcspn(rest.p, " ,;\t\r\n"));
		struct target t;
		rest = sv_skip(rest, word.n);
		if (!word.n)
			continue;
		if (target_parse(word, &t, e) < 0)
			return 400;
		addresses += t.count;
		if (++n > lookup_most(c) || addresses > (c->session ? ADDRESSES_MOST : 1))
			return err_set(e, c->session ? "That is more than can be looked up here at once; abusewatch rbl takes as many as you like." : "One address or domain at a time, please."), 400;
		jsonw_sep(request);
		jsonw_text(request, word);
	}
	return n ? 0 : (err_set(e, "Whom shall the lists be asked about? Name an address or a domain."), 400);
}

static void begin(struct call *c, int fd)
{
	static const char *const types[] = { "application/x-ndjson; charset=utf-8", "application/json; charset=utf-8", "text/csv; charset=utf-8" };
	struct lookup *l = xcalloc(1, sizeof *l);
	l->stream = (struct stream){ .read = on_read, .free = on_free };
	l->fd = fd;
	l->first = true;
	l->shape = c->n_segment == 2 ? SHAPE_LINES : c->format == FORMAT_CSV ? SHAPE_CSV : SHAPE_JSON;
	if (l->shape == SHAPE_CSV)
		buf_puts(&l->out, "target,zone,verdict,kind,code,meaning,text,reason,since,answered,delist\r\n");
	if (l->shape == SHAPE_JSON) {
		buf_puts(&l->out, "{");
		jsonw_field_text(&l->out, SV("target"), sv_cstr(form_get(&c->query, "target")));
		buf_puts(&l->out, ",\"results\":[");
	}
	uv_poll_init(uv_default_loop(), &l->poll, fd);
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
	l->polling = true;
	abreast++;
	c->answer.status = 200;
	c->answer.type = types[l->shape];
	c->answer.stream = &l->stream;
	if (l->shape == SHAPE_CSV)
		c->answer.filename = xstrdup("block-lists.csv");
}

void lookup_answer(struct call *c)
{
	struct err e;
	struct buf request = { 0 };
	buf_puts(&request, "{\"do\":\"look-up\",\"targets\":[");
	int bad = put_targets(c, &request, &e), fd = -1;
	buf_puts(&request, "]}\n");
	if (bad) {
		call_error(c, bad, "%s", e.text);
	} else if (strcmp(c->method, "HEAD") == 0) { /* nobody is asked for an answer that nobody reads */
		c->answer.status = 200;
		c->answer.type = "application/json; charset=utf-8";
	} else if (!c->session && !within_hour(c)) {
		c->answer.retry_after_s = 3600 - c->now_us / US_PER_S % 3600;
		call_error(c, 429, "That was as often as one may ask in an hour. Come back later.");
	} else if (abreast >= ABREAST || (fd = probe_dial(c->web->conf, false)) < 0) {
		call_error(c, 503, abreast >= ABREAST ? "Too many look-ups are under way. Try again in a moment." : "The program that asks block lists (abusewatch-probe) does not run.");
	} else if (send_all(fd, &request) < 0) {
		close(fd);
		call_error(c, 503, "The program that asks block lists (abusewatch-probe) went away.");
	} else {
		call_audit(c, "looked up \"%.200s\" on block lists", form_get(&c->query, "target"));
		begin(c, fd);
	}
	buf_fini(&request);
}

/* --- the lists ---------------------------------------------------------------------------------------------------- */

static bool take_list(struct json_object *out, struct sv line)
{
	struct json_tokener *tok = json_tokener_new_ex(8);
	struct json_object *o = json_tokener_parse_ex(tok, line.p, (int)line.n);
	bool end = !o || json_object_object_get_ex(o, "end", NULL) || json_object_object_get_ex(o, "error", NULL);
	json_tokener_free(tok);
	if (end)
		json_object_put(o);
	else
		json_object_array_add(json_object_object_get(out, json_object_object_get_ex(o, "dead", NULL) ? "dead" : "lists"), o);
	return end;
}

static int read_lists(int fd, struct json_object *out, struct err *e)
{
	struct buf in = { 0 };
	bool end = false;
	while (!end) {
		struct pollfd p = { fd, POLLIN, 0 };
		buf_reserve(&in, 65536);
		ssize_t n = poll(&p, 1, LISTS_MS) == 1 ? read(fd, in.p + in.n, 65536) : 0;
		if (n <= 0)
			break;
		in.n += (size_t)n;
		size_t used = 0;
		for (ptrdiff_t nl; !end && (nl = sv_chr(sv_skip(buf_sv(&in), used), '\n')) >= 0; used += (size_t)nl + 1)
			end = take_list(out, sv_make(in.p + used, (size_t)nl));
		buf_drop(&in, used);
	}
	buf_fini(&in);
	return end ? 0 : err_set(e, "The program that asks block lists (abusewatch-probe) does not answer.");
}

int lookup_lists(struct call *c, struct json_object *out, struct err *e)
{
	struct buf request = { 0 };
	int fd = probe_dial(c->web->conf, false);
	json_put(out, "lists", json_object_new_array());
	json_put(out, "dead", json_object_new_array());
	if (fd < 0)
		return err_set(e, "The program that asks block lists (abusewatch-probe) does not run.");
	buf_puts(&request, "{\"do\":\"zones\"}\n");
	int bad = send_all(fd, &request) < 0 ? err_set(e, "The program that asks block lists (abusewatch-probe) went away.") : read_lists(fd, out, e);
	buf_fini(&request);
	close(fd);
	return bad;
}
