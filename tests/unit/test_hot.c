/* The quick reading of usual lines against the full parser: over every line of the fixtures, and over many lines that were changed at
 * random. Where the quick one has an opinion, it must be the full one's. */
#include <stdlib.h>

#include "tests/unit/fixture_lines.h"

static uint64_t turn = 88172645463325252u;

static uint32_t below(uint32_t n)
{
	turn ^= turn << 13;
	turn ^= turn >> 7;
	turn ^= turn << 17;
	return (uint32_t)(turn >> 33) % n;
}

static void same_text(const char *line, const char *name, struct sv quick, struct sv full)
{
	if (sv_absent(quick) == sv_absent(full) && sv_eq(quick, full))
		return;
	fail_msg("%s: quick \"%.*s\", full \"%.*s\" of: %s", name, SVARG(quick), SVARG(full), line);
}

static void same_record(const char *line, const struct record *q, const struct record *f)
{
	assert_int_equal(q->kind, f->kind);
	assert_int_equal(q->submission, f->submission);
	assert_int_equal(q->logged_in, f->logged_in);
	assert_int_equal(q->local, f->local);
	assert_int_equal(q->piped, f->piped);
	assert_int_equal(q->killed, f->killed);
#define R_SV(n) same_text(line, #n, q->n, f->n);
#define R_IP(n) R_SV(n)
#define R_DEC(n) R_SV(n)
#define R_INT(n) if (q->n != f->n) fail_msg("%s: quick %lld, full %lld of: %s", #n, (long long)q->n, (long long)f->n, line);
#define R(name, type) R_##type(name)
#include "lib/record_fields.def"
#undef R
#undef R_SV
#undef R_IP
#undef R_DEC
#undef R_INT
}

/* What neither opens nor changes a message nor is a fact. */
static bool says_nothing(const struct record *r)
{
	const struct record_counts *n = &r->counts;
	bool asked_only = r->has_counts && ((n->rcpt_ok > 0 && n->data <= 0 && n->bdat <= 0) || n->vrfy > 0);
	return r->kind == RECORD_CONNECT || (r->kind == RECORD_DISCONNECT && !asked_only) || (r->kind == RECORD_OTHER && !r->queue_id.p);
}

/* Of each format that has a quick reading. */
#define FORMATS 16
static struct tally { const struct mta *m; size_t told, silent; struct record left; } tally[FORMATS]; /* left: by the quick reading, which takes it up again */

static struct tally *tally_of(const struct mta *m)
{
	size_t i = 0;
	while (i < FORMATS - 1 && tally[i].m && tally[i].m != m)
		i++;
	if (!tally[i].m)
		record_clear(&tally[i].left);
	tally[i].m = m;
	return &tally[i];
}

static void check(const struct mta *m, int number, const struct logline *l)
{
	if (!m->hot)
		return;
	struct record full, *left = &tally_of(m)->left;
	record_clear(&full);
	left->program = full.program = l->program;
	full.pid = l->pid;
	enum mta_hot hot = m->hot(number, l, left);
	struct record quick = *left;
	struct sv session = quick.session;
	char kept[128];
	if (session.p) { /* the full parser writes to the same place */
		assert_true(session.n < sizeof kept);
		memcpy(kept, session.p, session.n);
		session.p = kept;
	}
	if (hot == HOT_NO)
		return;
	enum mta_result r = m->parse(number, l, &full);
	char *line = xsvdup(l->raw);
	if (r != MTA_RECORD)
		fail_msg("the quick one knows a line that the full one does not: %s", line);
	if (hot == HOT_NOTHING && (!says_nothing(&full) || full.session.p))
		fail_msg("the quick one says nothing, the full one has a %s: %s", record_kind_name(full.kind), line);
	if (hot == HOT_RECORD) {
		same_record(line, &quick, &full);
		same_text(line, "session", session, full.session);
		assert_int_equal(full.pid, l->pid);
	}
	tally_of(m)->told += hot == HOT_RECORD;
	tally_of(m)->silent += hot == HOT_NOTHING;
	free(line);
}

static void line_of(struct sv line)
{
	line_of_any(check, line);
}

/* Else nothing was compared. */
static void compared(const char *name, size_t told, size_t silent)
{
	const struct mta *m = mta_named(sv_cstr(name));
	struct tally *t = tally_of(m);
	assert_non_null(m->hot);
	if (t->told < told || t->silent < silent)
		fail_msg("%s: only %zu records and %zu lines that say nothing were compared", name, t->told, t->silent);
}

/* Bytes and words that mean something to the parsers, put, taken, doubled or exchanged anywhere behind the head. */
static void mutate(struct buf *b)
{
	static const char *const word[] = { ", ", "<", ">", "[", "]", "\"", "(", ")", ":", " ", "=", ", status=sent (250 ok)", "status=", ", dsn=", ": removed", "removed",
		"client=", ", sasl_username=", ", sasl_sender=", ", orig_client=x[1.2.3.4]", "from=<", ">, size=1", "nrcpt=", " (queue active)", "unknown[", "\\", "\xff", "NOQUEUE: ", "message-id=<",
		" H=", " (", " P=esmtpsa", " A=plain:x", " S=", " id=", " T=\"", " for ", " C=\"", " R=", " <", "**", "=>", " F=<", ", relay=", ", stat=", "stat=Sent (", ", authid=", ", mech=",
		" data=1", " rcpt=1", " vrfy=1", ", dsn=2.0.0", ", ctladdr=<", ", nrcpts=0", "=server", ",", ", reply=", "|", "... Unbalanced '<'" };
	size_t from = b->n > 60 ? (b->p[4] == '-' ? 20 : 40) : b->n / 2, at = from + below((uint32_t)(b->n - from) + 1);
	switch (below(4)) {
	case 0: {
		const char *w = word[below(sizeof word / sizeof *word)];
		size_t n = strlen(w);
		buf_reserve(b, n);
		memmove(b->p + at + n, b->p + at, b->n - at);
		memcpy(b->p + at, w, n);
		b->n += n;
		break;
	}
	case 1: {
		size_t n = below(12);
		n = n < b->n - at ? n : b->n - at;
		memmove(b->p + at, b->p + at + n, b->n - at - n);
		b->n -= n;
		break;
	}
	case 2: b->n = at; break;
	default:
		if (at < b->n)
			b->p[at] = (char)below(256);
	}
}

static void fixtures_agree(void **state)
{
	(void)state;
	memset(tally, 0, sizeof tally);
	each_line(line_of);
	compared("postfix", 50, 9);
	compared("exim", 20, 0);
	compared("sendmail", 15, 3);
}

/* Lines at the edge of what the quick ones may take. */
static void edges_agree(void **state)
{
	(void)state;
	static const char *const lines[] = {
#define E "2026-11-24 08:00:00 1vNkAb-00000000Aq1-2x0P "
		E "=> a@isp.example: R=r T=t", E "=> a@isp.example R=r T=t: x", E "=> a@isp.example R=r: T=t", E "=> :x: R=r T=t", E "=> a <b@isp.example> R=r T=pipe_t", E "=> |x <b@isp.example> R=r T=t",
		E "=> a <b@isp.example> R=r T=remote_smtp H=mx [192.0.2.1]:25 I=[192.0.2.2]:40000 C=\"250 2.0.0 ok\" QT=1s DT=0s", E "=> a@isp.example F=<x:> R=r T=t",
		E "=> a@isp.example R=r T=t C=\"250 a\\\"b\" H=x [192.0.2.9]", E "=> a@isp.example R=r T=t C=\"250", E "-> a@isp.example R=r T=t C=\"250 x\"y", E "=> a@isp.example (b@isp.example) R=r T=t",
		E "<= a@isp.example H=h (x) [192.0.2.1] P=esmtpa A=plain:u S=1", E "<= <> R=1vNkAb-00000000Aq1-2x0Q U=mail P=local S=7 T=\"x\" for a@isp.example  b@isp.example",
		E "<= a@isp.example P=esmtp A=plain:u S=1x", E "<= a@isp.example U=web P=local S=1 id= for x", E "<= a@isp.example P=asmtp A=plain:u@x:v@y S=1 T=\"a\\\" for b\"", E "<= \"a b\"@x P=local S=1",
		E "<= a@isp.example P=local S=1 for", E "<= a@isp.example P=local S=1 for \"a b\"@x", E "<= a@isp.example H=[192.0.2.1] H=[192.0.2.2] P=esmtp S=1", E "Completed", E "Completed QT=1s", E "Completedly",
#undef E
#define S "Nov 24 08:00:00 mx1 sm-mta[7]: 6AO800aB000007: "
		S "from=<a@isp.example>, size=0, class=0, nrcpts=0, msgid=<x@y>, relay=h [192.0.2.1]", S "from=<a@isp.example>, size=0, class=0, nrcpts=1, msgid=<x@y>, relay=h [192.0.2.1]",
		S "from=<a@isp.example>, size=1, class=0, nrcpts=1, msgid=<x, relay=>, relay=web@localhost", S "from=<a@isp.example>, size=1, class=0, nrcpts=1, msgid=<x>, proto=a", S "from=<a@isp.example>, size=1, class=0, nrcpts=1, msgid=<x>, ",
		S "to=<a@isp.example>,<b@isp.example>, delay=00:00:01, xdelay=00:00:00, mailer=local, pri=1, dsn=2.0.0, stat=Sent", S "to=<a@isp.example>, delay=1+00:00:01, xdelay=0, mailer=prog, pri=1, dsn=2.0.0, stat=Sent",
		S "to=<a@isp.example>, ctladdr=<web@isp.example> (33/33), delay=00:00:01, xdelay=00:00:00, mailer=esmtp, pri=1, relay=h. [192.0.2.1], dsn=4.0.0, stat=Deferred: x",
		S "to=<a@isp.example>, delay=x, xdelay=00:00:00, mailer=esmtp, pri=1, relay=h, dsn=, stat=queued", S "to=<a@isp.example>, delay=00:00:01, xdelay=0, mailer=esmtp, pri=1, dsn=5.1.1, stat=h: Cannot send message for 5 days",
		S "to=<a@isp.example>, delay=00:00:01, xdelay=0, mailer=esmtp, pri=1, dsn=2.0.0, stat=", S "done; delay=00:00:01, ntries=1",
		S "to=<a@isp.example>, delay=00:00:01, xdelay=0, mailer=esmtp, pri=1, dsn=2.0.0, stat=Sent <... Unbalanced '<'",
		S "to=<a<@isp.example>, delay=00:00:01, xdelay=0, mailer=esmtp, pri=1, dsn=2.0.0, stat=S>, size=1ent",
		S "from=<a@isp.example>, size=1, class=0, nrcpts=1, msgid=<x@y>, relay=h>... Unbalanced '>'",
#undef S
	};
	memset(tally, 0, sizeof tally);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		line_of(sv_cstr(lines[i]));
	compared("exim", 6, 0);
	compared("sendmail", 5, 0);
}

static void changed(struct sv line)
{
	struct buf b = { 0 };
	for (unsigned i = 0; i < 400; i++) {
		buf_clear(&b);
		buf_addsv(&b, line);
		for (unsigned n = 1 + below(3); n; n--)
			mutate(&b);
		line_of(buf_sv(&b));
	}
	buf_fini(&b);
}

static void changed_lines_agree(void **state)
{
	(void)state;
	memset(tally, 0, sizeof tally);
	each_line(changed);
	compared("postfix", 5000, 700);
	compared("exim", 1000, 0);
	compared("sendmail", 1500, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fixtures_agree), cmocka_unit_test(edges_agree), cmocka_unit_test(changed_lines_agree) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
