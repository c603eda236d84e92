/* The pieces that lines of several daemons share: queue ids, replies, the tail that says from, to, proto and helo. */
#include "collector/postfix/postfix.h"
#include "lib/near.h"

/* 1: hexadecimal as in short queue ids; 2: the consonants and digits of long ones; 3: both. */
static const uint8_t id_class[256] = {
	['0'] = 3, ['1'] = 3, ['2'] = 3, ['3'] = 3, ['4'] = 3, ['5'] = 3, ['6'] = 3, ['7'] = 3, ['8'] = 3, ['9'] = 3,
	['A'] = 1, ['E'] = 1, ['B'] = 3, ['C'] = 3, ['D'] = 3, ['F'] = 3,
	['G'] = 2, ['H'] = 2, ['J'] = 2, ['K'] = 2, ['L'] = 2, ['M'] = 2, ['N'] = 2, ['P'] = 2, ['Q'] = 2, ['R'] = 2,
	['S'] = 2, ['T'] = 2, ['V'] = 2, ['W'] = 2, ['X'] = 2, ['Y'] = 2, ['Z'] = 2,
	['b'] = 2, ['c'] = 2, ['d'] = 2, ['f'] = 2, ['g'] = 2, ['h'] = 2, ['j'] = 2, ['k'] = 2, ['l'] = 2, ['m'] = 2,
	['n'] = 2, ['p'] = 2, ['q'] = 2, ['r'] = 2, ['s'] = 2, ['t'] = 2, ['v'] = 2, ['w'] = 2, ['x'] = 2, ['y'] = 2,
	['z'] = 2,
};

/* How many bytes at the start of s are a queue id; 0: none. */
static size_t id_length(struct sv s)
{
	uint8_t both = 3;
	size_t hex = s.n >= 16 ? near_hex(s.p) : 0;
	if (hex >= 5 && hex < 16 && s.p[hex] == ':')
		return hex;
	size_t i = 0;
	for (; i < s.n && i < 24 && id_class[(uint8_t)s.p[i]]; i++)
		both &= id_class[(uint8_t)s.p[i]];
	if (i < 5 || !both || (both == 2 && i < 10))
		return 0;
	return i;
}

bool postfix_queue_id(struct sv *s, struct sv *ret)
{
	if (scan_lit(s, SV("NOQUEUE: "))) {
		*ret = (struct sv){ 0 };
		return true;
	}
	size_t n = id_length(*s);
	if (!n || s->n < n + 2 || s->p[n] != ':' || s->p[n + 1] != ' ')
		return false;
	*ret = sv_take(*s, n);
	*s = sv_skip(*s, n + 2);
	return true;
}

/* "<name>": postscreen takes any HELO that is one word, also with brackets in it. */
static bool helo(struct sv *s, struct sv *ret)
{
	ptrdiff_t space = sv_chr(*s, ' ');
	ptrdiff_t end = sv_rchr(space < 0 ? *s : sv_take(*s, (size_t)space), '>');
	if (end < 1 || s->p[0] != '<')
		return scan_angle(s, ret);
	*ret = sv_make(s->p + 1, (size_t)end - 1);
	*s = sv_skip(*s, (size_t)end + 1);
	return true;
}

/* One "name=<value>" (or "proto=word") of the tail, if it comes next. False: it is there, but not as Postfix writes it. */
static bool part(struct sv *s, struct sv name, struct sv *ret, bool *any)
{
	struct sv t = *s;
	if (*any) {
		(void)scan_char(&t, ',');
		if (!scan_char(&t, ' '))
			return true; /* nothing more; whether that is right is checked at the end */
	}
	if (!scan_lit(&t, name))
		return true;
	if (name.p[0] == 'p') { /* proto= */
		*ret = scan_word(&t);
		if (sv_chr(*ret, '<') >= 0)
			return false;
	} else if (!(name.p[0] == 'h' ? helo(&t, ret) : scan_angle(&t, ret)) || !scan_balanced(*ret)) {
		return false;
	}
	*any = true;
	*s = t;
	return true;
}

/* " sasl_method=M sasl_username=U sasl_sender=S", which smtpd of 3.10 ends a line with. Nothing quotes them: with brackets, quotes or a semicolon
 * in them they are rather a part of an address that imitates them. */
static bool sasl_at(struct sv s, struct postfix_tail *t)
{
	struct sv user;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '<' || s.p[i] == '>' || s.p[i] == '"' || s.p[i] == ';')
			return false;
	if (!scan_lit(&s, SV(" sasl_method=")))
		return false;
	t->method = scan_word(&s);
	if (scan_lit(&s, SV(" sasl_username=")))
		t->account = scan_before(&s, SV(" sasl_sender="), &user) ? user : s;
	t->after = sv_skip(s, s.n);
	return t->method.n > 0;
}

static bool tail_at(struct sv s, struct postfix_tail *t)
{
	bool any = false;
	if (!part(&s, SV("from="), &t->sender, &any) || !part(&s, SV("to="), &t->recipient, &any) ||
	    !part(&s, SV("proto="), &t->proto, &any) || !part(&s, SV("helo="), &t->helo, &any) ||
	    !part(&s, SV("sasl_username="), &t->account, &any))
		return false;
	if (any && s.n && s.p[0] == ' ')
		return sasl_at(s, t);
	if (!any || (s.n && s.p[0] != ':'))
		return false;
	t->after = s;
	return true;
}

/* From the right, because a header or an address may imitate the whole tail, but nothing a peer controls follows the
 * real one: HELO names come without spaces, brackets and quotes, addresses with balanced quotes. */
bool postfix_tail(struct sv text, struct postfix_tail *ret)
{
	size_t end = text.n;
	for (unsigned tries = 0; tries < 64; tries++) {
		ptrdiff_t semi = sv_rchr(sv_take(text, end), ';');
		if (semi < 0)
			break;
		struct postfix_tail t = { .before = sv_take(text, (size_t)semi) };
		struct sv s = sv_skip(text, (size_t)semi + 1);
		if (scan_char(&s, ' ') && tail_at(s, &t)) {
			if (t.method.n && sv_find(t.before, SV(" sasl_username=")) >= 0) /* one of them is somebody's forgery */
				t.account = t.method = (struct sv){ 0 };
			*ret = t;
			return true;
		}
		end = (size_t)semi;
	}
	*ret = (struct postfix_tail){ .before = text };
	if (text.n && text.p[text.n - 1] == ';')
		ret->before.n--;
	return false;
}

void postfix_set_tail(struct record *r, const struct postfix_tail *t)
{
	r->sender = t->sender;
	r->recipient = t->recipient;
	r->helo = t->helo;
	if (t->account.p)
		r->account = t->account;
	if (t->method.p)
		r->auth_method = t->method;
}
