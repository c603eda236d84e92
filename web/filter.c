#include "web/filter.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/mustache.h"
#include "lib/times.h"
#include "web/form.h"

static const char *const month_names[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

static struct sv text_of(struct json_object *v)
{
	return v ? sv_cstr(json_object_get_string(v)) : SV("");
}

static void group_digits(struct buf *out, struct sv digits)
{
	for (size_t i = 0; i < digits.n; i++) {
		if (i && (digits.n - i) % 3 == 0 && digits.n > 4)
			buf_puts(out, "\xe2\x80\xaf"); /* narrow no-break space */
		buf_addc(out, digits.p[i]);
	}
}

static void put_num(struct json_object *v, struct buf *out)
{
	char text[32];
	int64_t n = v ? json_object_get_int64(v) : 0;
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)(n < 0 ? 0 - (uint64_t)n : (uint64_t)n));
	if (n < 0)
		buf_puts(out, "\xe2\x88\x92");
	group_digits(out, sv_cstr(text));
}

static int two(struct sv s, size_t at)
{
	return s.n > at + 1 ? (s.p[at] - '0') * 10 + (s.p[at + 1] - '0') : 0;
}

/* "12 Nov 19:47", with the year instead of the clock when it is long ago; everything in the title. */
static void put_time(struct sv t, int64_t now_us, bool seconds, struct buf *out)
{
	int64_t us = 0;
	if (t.n < 19 || times_parse(t, &us) < 0) {
		buf_puts(out, "<span class=\"none\">\xe2\x80\x93</span>");
		return;
	}
	buf_puts(out, "<time datetime=\"");
	mustache_escape(out, t);
	buf_puts(out, "\" title=\"");
	mustache_escape(out, t);
	buf_puts(out, "\">");
	int month = two(t, 5);
	buf_printf(out, "%d %s ", two(t, 8), month_names[month >= 1 && month <= 12 ? month - 1 : 0]);
	if (now_us - us > 300 * US_PER_DAY || us - now_us > 60 * US_PER_DAY)
		buf_printf(out, "%.4s ", t.p);
	buf_printf(out, "%.*s</time>", seconds ? 8 : 5, t.p + 11);
}

static void put_span(int64_t s, struct buf *out)
{
	if (s < 60)
		buf_printf(out, "%lld s", (long long)s);
	else if (s < 3600)
		buf_printf(out, "%lld min", (long long)s / 60);
	else if (s < 86400)
		buf_printf(out, "%lld h %lld min", (long long)s / 3600, (long long)s / 60 % 60);
	else
		buf_printf(out, "%lld d %lld h", (long long)s / 86400, (long long)s / 3600 % 24);
}

static void put_ago(struct sv t, int64_t now_us, struct buf *out)
{
	int64_t us;
	if (times_parse(t, &us) < 0) {
		buf_puts(out, "never");
		return;
	}
	buf_puts(out, "<span title=\"");
	mustache_escape(out, t);
	buf_puts(out, "\">");
	put_span(now_us > us ? (now_us - us) / US_PER_S : 0, out);
	buf_puts(out, " ago</span>");
}

static void put_bytes(struct json_object *v, struct buf *out)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double n = v ? (double)json_object_get_int64(v) : 0;
	size_t u = 0;
	for (; n >= 1024 && u < 4; u++)
		n /= 1024;
	buf_printf(out, u && n < 10 ? "%.1f %s" : "%.0f %s", n, units[u]);
}

/* A word with a colour; the colour never says more than the word. */
static void put_badge(const char *class, struct sv t, struct buf *out)
{
	if (!t.n)
		return;
	buf_printf(out, "<span class=\"badge %s ", class);
	mustache_escape(out, t);
	buf_puts(out, "\">");
	mustache_escape(out, sv_eq(t, SV("false-positive")) ? SV("false alarm") : t);
	buf_puts(out, "</span>");
}

/* Characters that nobody sees but that turn the text around them (a file called exe.fdp) or move the cursor. */
static unsigned hidden_character(struct sv t, size_t *ret_n)
{
	unsigned char a = (unsigned char)t.p[0], b = t.n > 2 ? (unsigned char)t.p[1] : 0, c = t.n > 2 ? (unsigned char)t.p[2] : 0;
	unsigned u = a == 0xe2 && (b == 0x80 || b == 0x81) ? 0x2000u | (b & 1u) << 6 | (c & 0x3fu) : 0;
	*ret_n = 1;
	if ((a < 32 && a != '\n' && a != '\t') || a == 127)
		return a;
	*ret_n = 3;
	return (u >= 0x200b && u <= 0x200f) || (u >= 0x202a && u <= 0x202e) || (u >= 0x2066 && u <= 0x2069) ? u : 0;
}

/* Text of logs. Long words (addresses, lines) may break after some characters, without changing what is copied. */
static void put_breakable(struct sv t, struct buf *out)
{
	for (size_t n; t.n; t = sv_skip(t, n)) {
		unsigned u = hidden_character(t, &n);
		if (u) {
			buf_printf(out, "<span class=\"hidden-char\">U+%04X</span>", u);
			continue;
		}
		n = 1;
		mustache_escape(out, sv_take(t, 1));
		if (strchr("@.-_/,=", t.p[0]))
			buf_puts(out, "<wbr>");
	}
}

/* "a;b;c": whole words only, each on a line of its own when there is no room. */
static void put_list(struct sv t, struct buf *out)
{
	while (t.n) {
		ptrdiff_t semicolon = sv_chr(t, ';');
		struct sv one = semicolon < 0 ? t : sv_take(t, (size_t)semicolon);
		t = semicolon < 0 ? sv_take(t, 0) : sv_skip(t, (size_t)semicolon + 1);
		buf_puts(out, "<span class=\"item\">");
		mustache_escape(out, one);
		buf_puts(out, "</span> ");
	}
}

static void put_dash(struct json_object *v, struct buf *out)
{
	if (text_of(v).n)
		mustache_escape(out, text_of(v));
	else
		buf_puts(out, "<span class=\"none\">\xe2\x80\x93</span>");
}

static void put_kind(struct sv t, struct buf *out)
{
	if (sv_eq(t, SV("own_ip")))
		t = SV("own IP");
	else if (sv_eq(t, SV("mx")))
		t = SV("backup MX");
	for (size_t i = 0; i < t.n; i++)
		mustache_escape(out, t.p[i] == '-' || t.p[i] == '_' ? SV(" ") : sv_make(t.p + i, 1));
}

bool filter_apply(void *ctx, const char *name, struct json_object *v, struct buf *out)
{
	int64_t now_us = *(const int64_t *)ctx;
	struct sv t = text_of(v);
	if (strcmp(name, "time") == 0 || strcmp(name, "clock") == 0)
		put_time(t, now_us, name[0] == 'c', out);
	else if (strcmp(name, "ago") == 0)
		put_ago(t, now_us, out);
	else if (strcmp(name, "num") == 0)
		put_num(v, out);
	else if (strcmp(name, "s") == 0) /* {{n|num}} message{{n|s}} */
		buf_puts(out, v && json_object_get_int64(v) == 1 ? "" : "s");
	else if (strcmp(name, "ies") == 0)
		buf_puts(out, v && json_object_get_int64(v) == 1 ? "y" : "ies");
	else if (strcmp(name, "bytes") == 0)
		put_bytes(v, out);
	else if (strcmp(name, "span") == 0)
		put_span(v ? json_object_get_int64(v) : 0, out);
	else if (strcmp(name, "url") == 0)
		form_encode(out, t);
	else if (strcmp(name, "sev") == 0 || strcmp(name, "state") == 0 || strcmp(name, "level") == 0 || strcmp(name, "outcome") == 0)
		put_badge(name, t, out);
	else if (strcmp(name, "wrap") == 0)
		put_breakable(t, out);
	else if (strcmp(name, "list") == 0)
		put_list(t, out);
	else if (strcmp(name, "dash") == 0)
		put_dash(v, out);
	else if (strcmp(name, "kind") == 0)
		put_kind(t, out);
	else
		return false;
	return true;
}
