/* smtpd in all its services (smtp, submission, smtps, after a filter): sessions, accepted and refused mail, SASL. */
#include "collector/postfix/postfix.h"

static bool connect_line(struct sv s, struct record *r)
{
	struct scan_peer p;
	if (!scan_peer(&s, &p))
		return false;
	scan_set_client(r, &p);
	r->kind = RECORD_CONNECT;
	return true;
}

/* "ehlo=1 auth=0/1 commands=2/4": n or ok/all. */
static void counts(struct sv s, struct record_counts *c)
{
	static const struct { struct sv name; size_t all, ok; } known[] = {
#define ONE(n) { { #n, sizeof #n - 1 }, offsetof(struct record_counts, n), SIZE_MAX }
#define TWO(n) { { #n, sizeof #n - 1 }, offsetof(struct record_counts, n), offsetof(struct record_counts, n##_ok) }
		ONE(ehlo), ONE(helo), ONE(starttls), TWO(auth), TWO(mail), TWO(rcpt), TWO(data), TWO(bdat), ONE(rset),
		ONE(noop), ONE(vrfy), ONE(xclient), ONE(xforward), ONE(quit), ONE(unknown), TWO(commands),
	};
	for (struct sv key; scan_until(&s, '=', &key);) {
		int64_t n, all;
		if (!scan_int(&s, &n))
			return;
		all = n;
		if (scan_char(&s, '/') && !scan_int(&s, &all))
			return;
		for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
			if (!sv_eq(key, known[i].name))
				continue;
			*(int32_t *)((char *)c + known[i].all) = all > INT32_MAX ? INT32_MAX : (int32_t)all;
			if (known[i].ok != SIZE_MAX)
				*(int32_t *)((char *)c + known[i].ok) = n > INT32_MAX ? INT32_MAX : (int32_t)n;
		}
		if (!scan_char(&s, ' '))
			return;
	}
}

static bool disconnect_line(struct sv s, struct record *r)
{
	if (!connect_line(s, r))
		return false;
	r->kind = RECORD_DISCONNECT;
	ptrdiff_t sp = sv_chr(s, ' ');
	if (sp > 0) {
		r->has_counts = true;
		counts(sv_skip(s, (size_t)sp + 1), &r->counts);
	}
	return true;
}

/* Cuts ", name=value" off the end of *s when it is there. */
static struct sv cut_last(struct sv *s, struct sv name)
{
	for (size_t end = s->n; end;) {
		ptrdiff_t comma = sv_rchr(sv_take(*s, end), ',');
		if (comma < 0)
			break;
		struct sv t = sv_skip(*s, (size_t)comma);
		if (sv_starts(t, name)) {
			s->n = (size_t)comma;
			return sv_skip(t, name.n);
		}
		end = (size_t)comma;
	}
	return (struct sv){ 0 };
}

/* "client=H[ip], sasl_method=M, sasl_username=U, sasl_sender=S, orig_queue_id=Q, orig_client=H[ip]" */
static bool accept_line(struct sv s, struct record *r)
{
	struct scan_peer p;
	if (!scan_peer(&s, &p))
		return false;
	scan_set_client(r, &p);
	r->kind = RECORD_ACCEPT;
	if (!s.n)
		return true;
	struct sv orig = cut_last(&s, SV(", orig_client="));
	r->orig_queue_id = cut_last(&s, SV(", orig_queue_id="));
	if (orig.p && scan_peer(&orig, &p))
		scan_set_client(r, &p);
	if (scan_lit(&s, SV(", sasl_method=")) && !scan_until(&s, ',', &r->auth_method)) {
		r->auth_method = s;
		return true;
	}
	if (r->auth_method.p ? scan_lit(&s, SV(" sasl_username=")) : scan_lit(&s, SV(", sasl_username="))) {
		(void)cut_last(&s, SV(", sasl_sender="));
		r->account = s;
	}
	return true;
}

/* What a refused or otherwise acted upon command was: "RCPT from H[ip]: 550 5.1.1 text" or "header X: y from H[ip]" */
static bool action_where(struct sv s, struct record *r)
{
	struct scan_peer p;
	struct sv stage;
	if (!scan_before(&s, SV(" from "), &stage) || stage.n > 24 || !scan_peer(&s, &p)) /* END-OF-MESSAGE, "header" has none */
		return false;
	r->reason = stage;
	scan_set_client(r, &p);
	if (!scan_lit(&s, SV(": ")))
		return s.n == 0;
	scan_set_reply(r, s);
	return true;
}

static bool is_action(struct sv w, struct record *r)
{
	static const struct { struct sv name; enum record_kind kind; } known[] = {
#define A(n, k) { { (n), sizeof(n) - 1 }, RECORD_##k }
		A("reject", REJECT), A("milter-reject", REJECT), A("proxy-reject", REJECT), A("reject_warning", WARNING),
		A("warn", WARNING), A("warning", WARNING), A("hold", POLICY), A("discard", POLICY), A("redirect", POLICY),
		A("filter", POLICY), A("prepend", POLICY), A("bcc", POLICY), A("delay", POLICY), A("info", OTHER),
		A("permit", POLICY), A("trigger", POLICY), A("milter-discard", POLICY), A("milter-hold", POLICY),
		A("milter-reject_warning", WARNING), A("proxy-accept", POLICY), A("replace", OTHER), A("strip", OTHER),
		A("milter-header-reject", REJECT), A("milter-header-redirect", POLICY), A("milter-header-discard", POLICY),
		A("milter-header-hold", POLICY), A("milter-header-prepend", POLICY), A("milter-header-filter", POLICY),
		A("milter-header-warn", WARNING), A("milter-header-info", OTHER), A("pass", OTHER),
#undef A
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (sv_eq(w, known[i].name)) {
			r->kind = known[i].kind;
			r->status = known[i].name;
			return true;
		}
	}
	return false;
}

bool postfix_action(struct sv s, struct record *r)
{
	struct sv name;
	struct postfix_tail t;
	if (!scan_until(&s, ':', &name) || name.n > 24 || !scan_char(&s, ' ') || !is_action(name, r))
		return false;
	(void)postfix_tail(s, &t);
	postfix_set_tail(r, &t);
	struct sv reply = t.before, stage;
	if (sv_starts(name, SV("proxy-")) && scan_before(&reply, SV(": "), &stage) &&
	    (sv_eq(stage, SV("END-OF-MESSAGE")) || sv_eq(stage, SV("END-OF-DATA")))) {
		r->reason = stage;
		scan_set_reply(r, reply);
		return true;
	}
	return action_where(t.before, r);
}

/* "lost connection after DATA (12 bytes) from H[ip]", "improper command pipelining after EHLO from H[ip]: text" */
static bool protocol_line(struct sv s, struct record *r)
{
	struct sv what;
	struct scan_peer p;
	r->reason = s;
	if (!scan_before(&s, SV(" from "), &what) || !scan_peer(&s, &p))
		return false;
	r->reason = what;
	scan_set_client(r, &p);
	r->kind = RECORD_WARNING;
	return true;
}

/* "H[ip]: SASL LOGIN authentication failed: why, sasl_username=who" */
static bool sasl_line(struct sv s, struct record *r)
{
	struct scan_peer p;
	struct sv mech, why;
	if (!scan_peer(&s, &p) || !scan_lit(&s, SV(": SASL ")))
		return false;
	if (scan_before(&s, SV(" authentication failed"), &mech) || scan_before(&s, SV(" authentication aborted"), &mech)) {
		if (mech.n > 32 || sv_chr(mech, ' ') >= 0)
			return false;
		r->auth_method = mech;
	} else if (!scan_lit(&s, SV("authentication failed"))) {
		return false;
	}
	scan_set_client(r, &p);
	r->kind = RECORD_AUTH_FAIL;
	if (!scan_lit(&s, SV(": ")))
		(void)scan_char(&s, ':');
	if (scan_before(&s, SV(", sasl_username="), &why)) {
		if (!sv_eq(s, SV("(unavailable)")))
			r->account = s;
		s = why;
	}
	if (s.n)
		r->reason = s;
	scan_login_unjudged(r);
	return true;
}

/* Warnings that name a client: worth having its address. The rest is the operator's business and only kept as text. */
static void warning_client(struct sv s, struct record *r)
{
	static const struct sv before[] = {
		SCAN_S(" from "), SCAN_S("TLS connection from "),
	};
	struct scan_peer p;
	struct sv t = s, skipped;
	if (scan_peer(&t, &p)) {
		scan_set_client(r, &p);
		return;
	}
	for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
		t = s;
		if (scan_before(&t, before[i], &skipped) && scan_peer(&t, &p)) {
			scan_set_client(r, &p);
			return;
		}
	}
	/* until 2.8 "Y: hostname X verification failed: …", "Y: address not listed for hostname X" */
	t = s;
	if (scan_until(&t, ':', &skipped) && skipped.n <= 15 && (sv_starts(t, SV(" hostname ")) || sv_starts(t, SV(" address not listed ")))) {
		r->client_ip = scan_ip(skipped);
		return;
	}
	/* "hostname X does not resolve to address Y" */
	if (scan_lit(&(struct sv){ s.p, s.n }, SV("hostname ")) && scan_before(&s, SV(" address "), &skipped)) {
		struct sv ip = scan_word(&s);
		r->client_ip = scan_ip(ip.n && ip.p[ip.n - 1] == ':' ? sv_take(ip, ip.n - 1) : ip);
	}
}

static bool warning_line(struct sv s, struct record *r)
{
	if (sasl_line(s, r))
		return true;
	r->kind = RECORD_WARNING;
	r->reason = s;
	warning_client(s, r);
	return true;
}

static bool with_id(struct sv s, struct record *r)
{
	static const struct sv ends[] = { SCAN_S("lost connection after "), SCAN_S("timeout after "), SCAN_S("too many errors after ") }; /* since 3.10 */
	if (scan_lit(&s, SV("client=")))
		return accept_line(s, r);
	if (postfix_action(s, r) || (SCAN_ANY(s, ends) && protocol_line(s, r)))
		return true;
	r->reason = s;
	r->kind = RECORD_OTHER;
	return sv_starts(s, SV("milter ")) || sv_starts(s, SV("sasl_")) || sv_starts(s, SV("bare ")) || sv_starts(s, SV("too much BDAT content "));
}

bool postfix_smtpd(struct sv s, struct record *r)
{
	static const struct sv protocol[] = {
		SCAN_S("lost connection after "), SCAN_S("timeout after "), SCAN_S("too many errors after "),
		SCAN_S("improper command pipelining after "), SCAN_S("SSL_accept error from "), SCAN_S("bare <LF> received after "),
		SCAN_S("setting up TLS connection from "), SCAN_S("non-SMTP command from "), SCAN_S("SSL_accept:"),
	};
	static const struct sv plain[] = {
		SCAN_S("discarding EHLO keywords"), SCAN_S("initializing the server-side TLS engine"), SCAN_S("table "),
		SCAN_S("using backwards-compatible default setting "), SCAN_S("sql_select"), SCAN_S("sql auxprop"),
		SCAN_S("match_"), SCAN_S("connection established"), SCAN_S("SSL_accept"), SCAN_S("trying... "),
		SCAN_S("milter-"), SCAN_S("save session "), SCAN_S("Deferring "), SCAN_S("smtpd_"), SCAN_S("TLS SNI "),
	};
	if (scan_lit(&s, SV("connect from ")))
		return connect_line(s, r);
	if (scan_lit(&s, SV("disconnect from ")))
		return disconnect_line(s, r);
	if (postfix_queue_id(&s, &r->queue_id))
		return with_id(s, r);
	if (scan_lit(&s, SV("warning: ")))
		return warning_line(s, r);
	if (SCAN_ANY(s, protocol))
		return protocol_line(s, r);
	if (sv_starts(s, SV("proxy-")) && postfix_action(s, r))
		return true;
	if (postfix_tls(s, r) || postfix_tls_peer(s, false, r))
		return true;
	r->reason = s;
	r->kind = RECORD_OTHER;
	return SCAN_ANY(s, plain);
}
