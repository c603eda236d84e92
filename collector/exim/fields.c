/* The pieces of which Exim's lines consist: ids, fields, hosts. */
#include "collector/exim/exim.h"

#include <ctype.h>

#include "lib/near.h"

static size_t alnum_run(struct sv s)
{
	size_t i = 0;
	while (i < s.n && i < 16 && isalnum((unsigned char)s.p[i]))
		i++;
	return i;
}

#define OLD_ID 16u /* "1wXyZa-00Ab12-3C" */
#define NEW_ID 23u /* "1wXyZa-000000012Ab-3CdE" */

bool exim_id(struct sv *s, struct sv *ret)
{
	const char *p = s->p;
	if (s->n < OLD_ID || p[6] != '-')
		return false;
	size_t n = p[13] == '-' ? OLD_ID : NEW_ID;
	if (s->n < n || (n == NEW_ID && p[18] != '-') || (s->n > n && p[n] != ' '))
		return false;
	unsigned begin = near_alnum(p); /* all but the places of '-' */
	if (n == OLD_ID ? begin != 0xdfbf : begin != 0xffbf || near_alnum(p + NEW_ID - 16) != 0xf7ff)
		return false;
	*ret = sv_take(*s, n);
	*s = sv_skip(*s, n + 1);
	return true;
}

/* "text", with \" for a quote inside. */
static bool quoted(struct sv *s, struct sv *ret)
{
	struct sv t = *s;
	if (!scan_char(&t, '"'))
		return false;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] == '\\') {
			i++;
		} else if (t.p[i] == '"') {
			*ret = sv_take(t, i);
			*s = sv_skip(t, i + 1);
			return true;
		}
	}
	*ret = t; /* a line that was cut */
	*s = sv_skip(t, t.n);
	return true;
}

struct sv exim_address(struct sv *s)
{
	size_t i = 0;
	for (bool quoted = false; i < s->n && (quoted || s->p[i] != ' '); i++) {
		if (s->p[i] == '"')
			quoted = !quoted;
		else if (quoted && s->p[i] == '\\' && i + 1 < s->n)
			i++;
	}
	struct sv a = sv_take(*s, i);
	*s = sv_skip(*s, i);
	return a;
}

static struct sv word(struct sv *s)
{
	ptrdiff_t sp = sv_chr(*s, ' ');
	struct sv w = sp < 0 ? *s : sv_take(*s, (size_t)sp);
	*s = sv_skip(*s, w.n);
	return w;
}

bool exim_field(struct sv *s, struct exim_field *ret)
{
	struct sv t = *s;
	*ret = (struct exim_field){ 0 };
	if (!scan_char(&t, ' '))
		return false;
	size_t i = alnum_run(t);
	size_t star = i < t.n && t.p[i] == '*'; /* "id*=" */
	ret->key = sv_take(t, i);
	if (i && i + star < t.n && t.p[i + star] == '=') {
		t = sv_skip(t, i + star + 1);
		struct sv begin = t;
		bool bare = quoted(&t, &ret->value) ? t.n && t.p[0] != ' ' : !scan_angle(&t, &ret->value);
		if (bare) { /* a quoted local part does not end the value */
			(void)word(&t);
			ret->value = sv_make(begin.p, (size_t)(t.p - begin.p));
		}
	} else {
		ret->key = word(&t);
	}
	*s = t;
	return ret->key.n > 0 || t.n > 0;
}

/* "[address]:port" */
static bool address(struct sv *s, struct exim_host *h)
{
	struct sv t = *s, a;
	if (!scan_char(&t, '[') || !scan_until(&t, ']', &a) || !a.n || a.n > 64 || sv_chr(a, ' ') >= 0 || sv_chr(a, '[') >= 0)
		return false;
	h->addr = a;
	h->port = RECORD_UNSET;
	struct sv port = t;
	if (scan_char(&port, ':') && scan_int(&port, &h->port))
		t = port;
	*s = t;
	return true;
}

/* What Exim writes after a host. */
static bool goes_on(struct sv s)
{
	static const struct sv after[] = {
		SCAN_S(" I=["), SCAN_S(" U="), SCAN_S(" P="), SCAN_S(" F="), SCAN_S(" X="), SCAN_S(" CV="), SCAN_S(" Ci="), SCAN_S(" A="),
		SCAN_S(" S="), SCAN_S(" DN="), SCAN_S(" SNI="), SCAN_S(" L"), SCAN_S(" D="), SCAN_S(" C="), SCAN_S(" rejected "), SCAN_S(" temporarily "),
		SCAN_S(" sender verify "), SCAN_S(" Warning: "), SCAN_S(" dropped"), SCAN_S(" closed "), SCAN_S(" lost"), SCAN_S(" incomplete "), SCAN_S(" K "),
		SCAN_S(" input="), SCAN_S(" ("), SCAN_S(":"), SCAN_S(")"), SCAN_S(" refused"), SCAN_S(" RCPT "), SCAN_S(" command "), SCAN_S(" PRX="),
		SCAN_S(" authentication mechanism"), SCAN_S(" PROXY"), SCAN_S(" PRDR"), SCAN_S("*"),
	};
	return !s.n || SCAN_ANY(s, after);
}

/* Of a message that is delivered while it arrives: " recipient F=<sender>". */
static bool goes_on_any(struct sv s)
{
	struct sv t = s;
	return goes_on(s) || (scan_char(&t, ' ') && sv_chr(word(&t), '@') > 0 && sv_starts(t, SV(" F=<")));
}

/* The same where a message arrived or a log-in failed: less can follow there. */
static bool goes_on_arrived(struct sv s)
{
	static const struct sv after[] = { SCAN_S(" I=["), SCAN_S(" Ci="), SCAN_S(" U="), SCAN_S(" P="), SCAN_S(" R="), SCAN_S(" DS "), SCAN_S(" TFO"), SCAN_S("*") };
	return !s.n || SCAN_ANY(s, after);
}

static bool goes_on_failed(struct sv s)
{
	static const struct sv after[] = { SCAN_S(" I=["), SCAN_S(" Ci="), SCAN_S(" U="), SCAN_S(": 5"), SCAN_S(": 4") };
	return !s.n || SCAN_ANY(s, after);
}

/* What tells whether Exim goes on behind a host, and not the text of a client. */
struct after { bool (*goes_on)(struct sv); exim_judge *judge; };

static bool follows(const struct after *a, struct sv rest)
{
	return a->goes_on(rest) || (a->judge && a->judge(rest, false) >= EXIM_LIKELY);
}

/* " KEY=value" or " WORD", also of an Exim that we do not know. */
static bool like_field(struct sv s)
{
	size_t i = 1;
	while (i < s.n && (isupper((unsigned char)s.p[i]) || isdigit((unsigned char)s.p[i])))
		i++;
	return i > 1 && (i == s.n || s.p[i] == '=' || s.p[i] == ' ');
}

struct sv exim_words(struct sv *s, struct sv value)
{
	for (size_t i = 0; i < s->n && i < 128; i++) {
		struct sv rest = sv_skip(*s, i);
		if (rest.p[0] != ' ' || (!goes_on(rest) && !like_field(rest)))
			continue;
		value = sv_make(value.p, (size_t)(rest.p - value.p));
		*s = rest;
		break;
	}
	return value;
}

/* Where text with spaces may begin that a client chose, other than HELO. */
static bool clients_text(struct sv s)
{
	static const struct sv begins[] = { SCAN_S(" rejected "), SCAN_S(": "), SCAN_S(" SNI="), SCAN_S(" U="), SCAN_S(" for ") };
	return s.p[0] == '"' || s.p[0] == '<' || ((s.p[0] == ' ' || s.p[0] == ':') && SCAN_ANY(s, begins));
}

/* " P=esmtpa A=plain:who": the text between two addresses may be a log-in, whose name then holds the second. */
static bool may_be_login(struct sv s)
{
	struct sv before, protocol;
	while (scan_before(&s, SV(" P="), &before)) {
		protocol = scan_word(&s);
		if (exim_logged_in(protocol) && sv_find(s, SV(" A=")) >= 0)
			return true;
	}
	return false;
}

/* At the "(helo) [address]" of a host. With the usual settings no HELO holds a bracket; where anything goes
 * (helo_accept_junk_hosts) one may imitate an address and fields, so the last one counts that no text of the client stands before. */
static bool helo_and_address(struct sv *s, const struct after *after, struct exim_host *h)
{
	bool found = false, fits = false;
	struct sv t = *s;
	for (size_t i = 1; i + 3 < t.n && i < 2048; i++) {
		if (fits && clients_text(sv_skip(t, i)))
			break;
		if (t.p[i] != ')' || t.p[i + 1] != ' ' || t.p[i + 2] != '[')
			continue;
		struct exim_host one = { .name = h->name };
		struct sv rest = sv_skip(t, i + 2);
		if (!address(&rest, &one))
			continue;
		one.helo = sv_make(t.p + 1, i - 1);
		bool only = !found && !near_find(rest.p, rest.n, ") [", 3), one_fits = only || follows(after, rest);
		if (found && !one_fits)
			continue;
		one.in_doubt = fits && (h->in_doubt || may_be_login(sv_make(s->p, (size_t)(t.p + i - s->p))));
		*h = one;
		*s = rest;
		if (only)
			return true;
		found = true;
		fits = one_fits;
	}
	return found;
}

/* "name [address]", as most are: no longer than one look goes, and no second thoughts about what is in it. */
static inline bool usual_host(struct sv *s, struct exim_host *h)
{
	size_t space = near_first_of(s->p, s->n, ' ', ' ', ' ');
	if (!space || space > 255 || space + 2 >= s->n || s->p[space + 1] != '[' || s->p[0] == '[' || s->p[0] == '(')
		return false;
	struct sv t = sv_skip(*s, space + 2);
	size_t end = near_first_of(t.p, t.n < 65 ? t.n : 65, ']', ' ', '[');
	if (!end || end > 64 || end >= t.n || t.p[end] != ']' || (end + 1 < t.n && (t.p[end + 1] == ':' || t.p[end + 1] == '*')))
		return false;
	*h = (struct exim_host){ .name = sv_take(*s, space), .addr = sv_take(t, end), .port = RECORD_UNSET, .any = true };
	*s = sv_skip(t, end + 1);
	return true;
}

static bool unusual_host(struct sv *s, const struct after *after, struct exim_host *h)
{
	struct sv t = *s;
	*h = (struct exim_host){ .port = RECORD_UNSET };
	if (!t.n)
		return false;
	if (t.p[0] != '[' && t.p[0] != '(') {
		h->name = word(&t);
		if (!h->name.n || h->name.n > 255 || !scan_char(&t, ' '))
			return false;
	}
	if (t.n && t.p[0] == '(' ? !helo_and_address(&t, after, h) : !address(&t, h))
		return false;
	(void)scan_char(&t, '*'); /* commands were pipelined */
	h->any = true;
	*s = t;
	return true;
}

bool exim_host_in(enum exim_line line, struct sv *s, struct exim_host *h)
{
	static const struct after after[] = { [EXIM_ANY_LINE] = { goes_on_any, NULL }, [EXIM_ARRIVED] = { goes_on_arrived, NULL }, [EXIM_LOGIN_FAILED] = { goes_on_failed, NULL } };
	return usual_host(s, h) || unusual_host(s, &after[line], h);
}

bool exim_host_judged(struct sv *s, exim_judge *judge, struct exim_host *h)
{
	const struct after after = { goes_on, judge };
	return usual_host(s, h) || unusual_host(s, &after, h);
}

void exim_set_client(struct record *r, const struct exim_host *h)
{
	if (!h->any)
		return;
	r->client_ip = scan_ip(h->addr);
	if (h->name.n)
		r->client_name = h->name;
	if (h->helo.n)
		r->helo = h->helo;
	r->client_port = h->port;
}

bool exim_local_port(const struct record *r)
{
	return r->client_port != RECORD_UNSET && scan_ip_is_loopback(r->client_ip);
}

void exim_set_relay(struct record *r, const struct exim_host *h)
{
	r->relay_host = h->name.n ? h->name : h->addr;
	r->relay_ip = scan_ip(h->addr);
	r->relay_port = h->port;
}

/* U= is the login name of a local user, but what the client's host says of itself when the client is remote. */
void exim_set_user(struct record *r, struct sv name)
{
	if (!r->client_ip.p && !r->client_name.p && !r->helo.p)
		r->local_user = name;
}

bool exim_from(struct sv *s, struct record *r)
{
	struct exim_host h;
	if (exim_host(s, &h)) {
		exim_set_client(r, &h);
		return true;
	}
	struct sv t = *s;
	if (scan_lit(&t, SV("local process"))) {
		*s = t;
		return true;
	}
	(void)scan_lit(&t, SV("U="));
	struct sv user = word(&t);
	if (user.n && user.p[user.n - 1] == ':') {
		t = sv_make(t.p - 1, t.n + 1);
		user.n--;
	}
	if (!user.n || user.n > 64)
		return false;
	r->local_user = user;
	*s = t;
	return true;
}

void exim_set_auth(struct record *r, struct sv v)
{
	struct sv method, id = v;
	if (!scan_until(&id, ':', &method)) {
		r->auth_method = v;
		return;
	}
	ptrdiff_t sender = sv_rchr(id, ':'); /* smtp_mailauth: the AUTH= of MAIL follows */
	if (sender > 0 && sv_chr(sv_skip(id, (size_t)sender), '@') >= 0)
		id.n = (size_t)sender;
	r->auth_method = method;
	r->account = id;
}

void exim_set_tls(struct record *r, struct sv v)
{
	struct sv version;
	if (!scan_until(&v, ':', &version))
		return;
	r->tls_version = version;
	ptrdiff_t bits = sv_rchr(v, ':');
	r->tls_cipher = bits > 0 ? sv_take(v, (size_t)bits) : v;
}

bool exim_past_ident(struct sv *s)
{
	static const struct sv protocol = SCAN_S(" P=");
	struct sv window = sv_take(*s, EXIM_IDENT_BYTES + protocol.n);
	ptrdiff_t at = sv_find(window, protocol);
	if (at < 0 || sv_find(sv_skip(window, (size_t)at + 1), protocol) >= 0)
		return false;
	*s = sv_skip(*s, (size_t)at);
	return true;
}

/* Does the text go on as behind a client more than once? Then an answer, or the name that logged in, imitates it, and nobody can tell which is Exim's.
 * F= stands before that name, and behind its verdict the operator's words, in which only refusals are none of theirs. */
static bool two_endings(struct sv s, bool of_login)
{
	static const struct sv refusals[] = {
		SCAN_S(" rejected RCPT <"), SCAN_S(" rejected MAIL <"), SCAN_S(" rejected EHLO "), SCAN_S(" rejected after DATA"), SCAN_S(" rejected VRFY "),
		SCAN_S(" rejected EXPN "), SCAN_S(" rejected ETRN "), SCAN_S(" rejected AUTH"), SCAN_S(" rejected DATA"), SCAN_S(" rejected QUIT"), SCAN_S(": discarded by "),
	};
	static const struct sv others[] = { SCAN_S(" Warning: "), SCAN_S(" sender verify "), SCAN_S(" incomplete transaction "), SCAN_S(" dropped by ") };
	int senders = 0, told = 0;
	for (size_t i = 0; i < s.n && senders < 2 && told < 2; i++) {
		struct sv t = sv_skip(s, i);
		if (t.p[0] != ' ' && t.p[0] != ':')
			continue;
		bool sender = !of_login && sv_starts(t, SV(" F=<"));
		if (sender && told)
			return true;
		senders += sender;
		told += SCAN_ANY(t, refusals) || (!(of_login && told) && SCAN_ANY(t, others));
	}
	return senders > 1 || told > 1;
}

/* U=, with a login name of ours or, then true, what a client's host says of itself: *t moves past that, or to the end when it is in doubt. */
static bool ident(struct sv *t, struct sv value, bool last, struct record *r)
{
	exim_set_user(r, value);
	if (r->local_user.p || !value.p)
		return false;
	struct sv s = sv_make(value.p, (size_t)(t->p + t->n - value.p)), window = sv_take(s, EXIM_IDENT_BYTES);
	ptrdiff_t at = sv_find(window, SV(" F=<"));
	if (two_endings(window, false))
		*t = sv_skip(s, s.n);
	else if (at >= 0)
		*t = sv_skip(s, (size_t)at);
	else if (!last)
		(void)exim_words(t, value);
	return true;
}

/* A=, behind which stands the verdict: *t moves past it, or to the end when it is in doubt. */
static void login(struct sv *t, struct sv value, bool last, struct record *r)
{
	struct sv s = sv_make(value.p, (size_t)(t->p + t->n - value.p));
	if (two_endings(s, true))
		*t = sv_skip(s, s.n);
	else
		exim_set_auth(r, last ? value : exim_words(t, value));
}

#define IDENTS 64 /* Exim writes one; a client's host may make it look like many */

bool exim_extras(struct sv *s, struct record *r)
{
	static const struct sv known[] = {
		SCAN_S("I"), SCAN_S("Ci"), SCAN_S("CV"), SCAN_S("DN"), SCAN_S("SNI"), SCAN_S("PRX"), SCAN_S("P"), SCAN_S("L"), SCAN_S("L."),
		SCAN_S("TFO"), SCAN_S("PRDR"), SCAN_S("K"), SCAN_S("D"), SCAN_S("C"), SCAN_S("S"), SCAN_S("QT"), SCAN_S("DT"),
	};
	struct exim_field f;
	/* Text of the client's came before: what follows may be its own, up to F=; and that one, too, where Exim writes none. */
	bool foreign = false, named = false, in_doubt = false;
	int idents = 0;
	for (struct sv t = *s; exim_field(&t, &f); *s = t) {
		bool skip = false;
		for (size_t i = 0; !skip && i < sizeof known / sizeof *known; i++)
			skip = sv_eq(f.key, known[i]) && (f.value.p || f.key.p[0] == 'L' || f.key.n > 2 || f.key.p[0] == 'K');
		bool last = f.value.n && f.value.p[f.value.n - 1] == ':' && t.n && t.p[0] == ' '; /* "…:25: what happened" */
		f.value.n -= last;
		foreign |= sv_eq(f.key, SV("SNI")); /* before Exim 4.94 it may hold spaces */
		if (skip)
			;
		else if (f.value.p && sv_eq(f.key, SV("U")) && idents++ < IDENTS)
			foreign |= ident(&t, f.value, last, r);
		else if (f.value.p && sv_eq(f.key, SV("F")) && !r->sender.p) {
			r->sender = f.value;
			in_doubt |= foreign;
			foreign = false;
		} else if (f.value.p && sv_eq(f.key, SV("X"))) {
			if (!foreign && !named)
				exim_set_tls(r, f.value);
		} else if (f.value.p && sv_eq(f.key, SV("A"))) {
			if (!foreign && !named)
				login(&t, f.value, last, r);
			named = true;
		} else
			return in_doubt;
		if (last && t.n) {
			*s = sv_make(t.p - 1, t.n + 1);
			return in_doubt;
		}
	}
	return in_doubt;
}
