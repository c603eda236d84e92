#include "collector/json_scan.h"
#include "collector/scan.h"

static void skip_space(struct sv *s)
{
	while (s->n && (s->p[0] == ' ' || s->p[0] == '\t' || s->p[0] == '\n' || s->p[0] == '\r'))
		*s = sv_skip(*s, 1);
}

bool json_enter(struct sv *s)
{
	skip_space(s);
	if (!s->n || s->p[0] != '{')
		return false;
	*s = sv_skip(*s, 1);
	return true;
}

/* Length of any value; brackets are only counted, as their insides are read when somebody wants them. */
static size_t value_length(struct sv s)
{
	if (!s.n)
		return 0;
	if (s.p[0] == '"')
		return scan_quoted(s);
	unsigned depth = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '"') {
			size_t n = scan_quoted(sv_skip(s, i));
			if (!n)
				return 0;
			i += n - 1;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (!depth)
				return i;
			if (!--depth)
				return i + 1;
		} else if (!depth && (c == ',' || c == ' ')) {
			return i;
		}
	}
	return depth ? 0 : s.n;
}

bool json_member(struct sv *s, struct sv *ret_name, struct sv *ret_value)
{
	struct sv t = *s;
	skip_space(&t);
	if (t.n && t.p[0] == ',') {
		t = sv_skip(t, 1);
		skip_space(&t);
	}
	size_t n = scan_quoted(t);
	if (n < 2)
		return false;
	*ret_name = sv_make(t.p + 1, n - 2);
	t = sv_skip(t, n);
	skip_space(&t);
	if (!t.n || t.p[0] != ':')
		return false;
	t = sv_skip(t, 1);
	skip_space(&t);
	n = value_length(t);
	if (!n)
		return false;
	*ret_value = sv_take(t, n);
	*s = sv_skip(t, n);
	return true;
}

static int hex4(struct sv s)
{
	int v = 0;
	if (s.n < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = s.p[i];
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

static void add_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* After the backslash; returns how many bytes were taken, 0: no such escape. */
static size_t escape(struct sv s, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = s.n ? memchr(from, s.p[0], sizeof from - 1) : NULL;
	if (at) {
		buf_addc(out, to[at - from]);
		return 1;
	}
	int c = s.n && s.p[0] == 'u' ? hex4(sv_skip(s, 1)) : -1;
	if (c < 0)
		return 0;
	if (c >= 0xd800 && c < 0xdc00 && s.n >= 11 && s.p[5] == '\\' && s.p[6] == 'u') {
		int low = hex4(sv_skip(s, 7));
		if (low >= 0xdc00 && low < 0xe000) {
			add_utf8(out, 0x10000 + ((uint32_t)(c - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
			return 11;
		}
	}
	add_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : (uint32_t)c);
	return 5;
}

static bool string_text(struct sv s, struct buf *out)
{
	s = sv_make(s.p + 1, s.n - 2);
	while (s.n) {
		ptrdiff_t back = sv_chr(s, '\\');
		buf_addsv(out, back < 0 ? s : sv_take(s, (size_t)back));
		if (back < 0)
			return true;
		s = sv_skip(s, (size_t)back + 1);
		size_t n = escape(s, out);
		if (!n)
			return false;
		s = sv_skip(s, n);
	}
	return true;
}

/* "[72,101,…]": bytes; else the first element, when that is a text. */
static bool array_text(struct sv s, struct buf *out)
{
	s = sv_make(s.p + 1, s.n - 2);
	skip_space(&s);
	if (s.n && (s.p[0] == '"' || s.p[0] == '[')) {
		size_t n = value_length(s);
		if (s.p[0] == '"')
			return n >= 2 && string_text(sv_take(s, n), out);
		return n >= 2 && sv_take(s, n).p[1] != '[' && array_text(sv_take(s, n), out);
	}
	while (s.n) {
		unsigned v = 0, digits = 0;
		for (; s.n && s.p[0] >= '0' && s.p[0] <= '9' && digits < 4; digits++, s = sv_skip(s, 1))
			v = v * 10 + (unsigned)(s.p[0] - '0');
		if (!digits || v > 255)
			return false;
		buf_addc(out, (char)v);
		skip_space(&s);
		if (s.n && s.p[0] == ',')
			s = sv_skip(s, 1);
		skip_space(&s);
	}
	return true;
}

bool json_text(struct sv v, struct buf *out)
{
	if (v.n >= 2 && v.p[0] == '"')
		return string_text(v, out);
	if (v.n >= 2 && v.p[0] == '[')
		return array_text(v, out);
	if (!v.n || (v.p[0] != '-' && (v.p[0] < '0' || v.p[0] > '9')))
		return false;
	buf_addsv(out, v);
	return true;
}
