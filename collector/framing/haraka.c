/* Haraka's log as log.ini's format=json and format=logfmt have it, after the time that timestamps=true puts before it or a header of syslog:
 *   {"level":"NOTICE","uuid":"UUID.1","origin":"core","message":"sender <a@b.example>","code":"CONT","msg":""}
 *   level=NOTICE uuid=UUID.1 origin=core message="sender <a@b.example>" code=CONT msg=""
 * Both become the usual form, which collector/mta/haraka.c reads: "[NOTICE] [UUID.1] [core] sender <a@b.example> code=CONT msg="""
 * Shapes: recordings of Haraka 3.3.4. */
#include "collector/framing.h"
#include "collector/json_scan.h"
#include "collector/scan.h"

enum { LEVEL, UUID, ORIGIN, MESSAGE, HEAD };
static const struct sv names[HEAD] = { { "level", 5 }, { "uuid", 4 }, { "origin", 6 }, { "message", 7 } };

/* Whether it is JSON, or logfmt. */
static bool begins_body(struct sv s)
{
	return sv_starts(s, SV("{\"level\":\"")) ? sv_find(sv_take(s, 64), SV("\",\"uuid\":\"")) > 0
						 : sv_starts(s, SV("level=")) && sv_find(sv_take(s, 32), SV(" uuid=")) > 0;
}

/* Past "TIME ", or "TIME host haraka[7]: " and a time of its own; *ret_head: what is kept of it. Must be sure: mail writes other lines' ends. */
static bool split(struct sv s, struct sv *ret_head, struct sv *ret_body)
{
	struct sv t = s, host, program;
	(void)framing_take_time(&t);
	*ret_head = sv_take(s, (size_t)(t.p - s.p));
	*ret_body = t;
	if (begins_body(t) || !ret_head->n)
		return begins_body(t);
	if (!scan_until(&t, ' ', &host) || !sv_starts(t, SV("haraka")) || !scan_until(&t, ':', &program) || program.n > 20 || !scan_char(&t, ' '))
		return false;
	*ret_head = sv_take(s, (size_t)(t.p - s.p));
	(void)framing_take_time(&t);
	*ret_body = t;
	return begins_body(t);
}

/* A value as the usual form writes it: in quotes where it would not end, or is nothing. */
static void add_value(struct buf *out, struct sv v)
{
	bool quoted = !v.n || sv_chr(v, ' ') >= 0 || sv_chr(v, '"') >= 0;
	if (quoted)
		buf_addc(out, '"');
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];
		if (c == '"' || (quoted && c == '\\'))
			buf_addc(out, '\\');
		buf_addc(out, c == '\n' || c == '\r' || !c ? ' ' : c);
	}
	if (quoted)
		buf_addc(out, '"');
}

struct line { struct sv head[HEAD]; size_t heads; struct buf text, rest; };

/* The first four members are the line's head; others follow its text. */
static void add(struct line *l, struct sv name, struct sv value)
{
	if (l->heads < HEAD && sv_eq(name, names[l->heads])) {
		l->head[l->heads++] = value;
		return;
	}
	buf_addc(&l->rest, ' ');
	buf_addsv(&l->rest, name);
	buf_addc(&l->rest, '=');
	add_value(&l->rest, value);
}

/* Values are decoded into one buffer, of which none moves while it is filled: it has room for the whole body. */
static bool take_text(struct line *l, struct sv value, struct sv *ret)
{
	size_t begin = l->text.n;
	if (!json_text(value, &l->text))
		return false;
	*ret = sv_make(l->text.p + begin, l->text.n - begin);
	return true;
}

static void read_json(struct sv s, struct line *l)
{
	struct sv name, value, text;
	if (!json_enter(&s))
		return;
	while (json_member(&s, &name, &value))
		if (value.p[0] != '{' && take_text(l, value, &text)) /* an object says again what another line says as text */
			add(l, name, text);
}

/* "key=value", 'key="a value"'; a key may have spaces ("delivered file"). */
static void read_logfmt(struct sv s, struct line *l)
{
	for (ptrdiff_t eq; (eq = sv_chr(s, '=')) > 0;) {
		struct sv name = sv_take(s, (size_t)eq), value = sv_skip(s, (size_t)eq + 1), rest;
		size_t n = 0;
		if (value.n && value.p[0] == '"') {
			for (n = 1; n < value.n && value.p[n] != '"'; n++)
				n += value.p[n] == '\\';
			n = n < value.n ? n + 1 : value.n;
		} else {
			ptrdiff_t sp = sv_chr(value, ' ');
			n = sp < 0 ? value.n : (size_t)sp;
		}
		rest = sv_skip(value, n);
		value = sv_take(value, n);
		if (value.n && value.p[0] == '"' && !take_text(l, value, &value))
			return;
		add(l, name, value);
		s = sv_skip(rest, rest.n && rest.p[0] == ' ');
	}
}

static bool begins(struct sv s)
{
	struct sv head, body;
	return split(s, &head, &body);
}

static void write_line(const struct line *l, struct sv head, struct buf *out)
{
	buf_addsv(out, head);
	for (int i = LEVEL; i <= ORIGIN; i++) {
		buf_addc(out, '[');
		buf_addsv(out, l->head[i]);
		buf_addsv(out, SV("] "));
	}
	for (size_t i = 0; i < l->head[MESSAGE].n; i++) {
		char c = l->head[MESSAGE].p[i];
		buf_addc(out, c == '\n' || c == '\r' || !c ? ' ' : c);
	}
	buf_addsv(out, buf_sv(&l->rest));
}

static bool open(struct sv unit, struct sv host, struct buf *ret_line)
{
	struct line l = { 0 };
	struct sv head, body;
	(void)host;
	if (!split(unit, &head, &body))
		return false;
	buf_reserve(&l.text, body.n);
	if (body.p[0] == '{')
		read_json(body, &l);
	else
		read_logfmt(body, &l);
	bool whole = l.heads == HEAD;
	if (whole)
		write_line(&l, head, ret_line);
	buf_fini(&l.text);
	buf_fini(&l.rest);
	return whole;
}

const struct framing framing_haraka = { .name = "haraka", .begins = begins, .open = open };
