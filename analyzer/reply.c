#include "analyzer/reply.h"

#include <regex.h>
#include <stdlib.h>

#include "analyzer/literal.h"
#include "lib/buf.h"
#include "lib/embed.h"
#include "lib/hash.h"
#include "lib/msg.h"
#include "lib/multimatch.h"

#define REPLY_ROWS_MAX 512
#define REPLY_CACHE 4096
#define REPLY_TEXTS 1024 /* of them as they are: a queue is told the same at each retry */
#define REPLY_TEXT_MAX 1024

extern const struct embed embed_tables[];

struct row {
	regex_t regex;
	char *pattern;   /* NULL: it is compiled */
	uint8_t class;
	char *detail;
	bool always; /* no literal to filter by */
};

struct cached {
	uint64_t hash;
	struct reply_verdict verdict;
};

struct reply_table {
	struct row row[REPLY_ROWS_MAX];
	size_t n;
	struct multimatch *literals;
	struct cached cache[REPLY_CACHE], text[REPLY_TEXTS];
	struct hash_key key;
};

/* --- loading ------------------------------------------------------------------------------------------------------ */

static struct sv column(struct sv *line)
{
	ptrdiff_t tab = sv_chr(*line, '\t');
	struct sv c = tab < 0 ? *line : sv_take(*line, (size_t)tab);
	*line = tab < 0 ? sv_make(line->p + line->n, 0) : sv_skip(*line, (size_t)tab + 1);
	return c;
}

static void add_literals(struct reply_table *t, const char *pattern, struct row *r)
{
	struct literal_set set;
	if (literal_extract(pattern, &set) < 0) {
		r->always = true;
		return;
	}
	for (size_t i = 0; i < set.n; i++)
		multimatch_add(t->literals, sv_cstr(set.v[i]), (uint32_t)t->n);
	literal_fini(&set);
}

static int add_row(struct reply_table *t, struct sv line, struct err *e)
{
	struct sv pattern = column(&line), class = column(&line);
	(void)column(&line); /* receiver */
	(void)column(&line); /* source */
	struct sv detail = column(&line);
	if (t->n == REPLY_ROWS_MAX)
		return err_set(e, "reply_patterns.tsv: more than %d rows", REPLY_ROWS_MAX);
	struct row *r = &t->row[t->n];
	int c = reply_class_named(class);
	if (c < 0)
		return err_set(e, "reply_patterns.tsv: unknown class \"%.*s\"", SVARG(class));
	r->pattern = xsvdup(pattern);
	add_literals(t, r->pattern, r);
	r->class = (uint8_t)c;
	r->detail = xsvdup(detail);
	t->n++;
	return 0;
}

/* When first needed: a short log meets few of them, and all take longer than its lines. */
static int compile(struct row *r, struct err *e)
{
	if (!r->pattern)
		return 0;
	if (regcomp(&r->regex, r->pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return err_set(e, "reply_patterns.tsv: pattern \"%s\" does not compile", r->pattern);
	free(r->pattern);
	r->pattern = NULL;
	return 0;
}

int reply_table_compile(struct reply_table *t, struct err *e)
{
	for (size_t i = 0; i < t->n; i++)
		if (compile(&t->row[i], e) < 0)
			return -1;
	return 0;
}

static struct sv builtin_table(void)
{
	for (const struct embed *f = embed_tables; f->name; f++)
		if (strcmp(f->name, "reply_patterns.tsv") == 0)
			return sv_make((const char *)f->bytes, f->n);
	return SV("");
}

struct reply_table *reply_table_new(struct err *e)
{
	struct reply_table *t = xcalloc(1, sizeof *t);
	struct sv text = builtin_table();
	bool header = true;
	t->literals = multimatch_new();
	while (text.n) {
		ptrdiff_t nl = sv_chr(text, '\n');
		struct sv line = nl < 0 ? text : sv_take(text, (size_t)nl);
		text = sv_skip(text, line.n + 1);
		if (!line.n || line.p[0] == '#')
			continue;
		if (header) {
			header = false;
			continue;
		}
		if (add_row(t, line, e) < 0) {
			reply_table_free(t);
			return NULL;
		}
	}
	multimatch_seal(t->literals);
	return t;
}

void reply_table_free(struct reply_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		if (t->row[i].pattern)
			free(t->row[i].pattern);
		else
			regfree(&t->row[i].regex);
		free(t->row[i].detail);
	}
	multimatch_free(t->literals);
	free(t);
}

/* --- unwrapping --------------------------------------------------------------------------------------------------- */

static enum reply_verb verb_of(struct sv tail)
{
	if (sv_starts(tail, SV("end of DATA")) || sv_starts(tail, SV("DATA")) || sv_starts(tail, SV("BDAT")))
		return REPLY_AT_DATA;
	if (sv_starts(tail, SV("RCPT")))
		return REPLY_AT_RCPT;
	if (sv_starts(tail, SV("MAIL")))
		return REPLY_AT_MAIL;
	return REPLY_AT_CONNECT;
}

struct sv reply_unwrap(struct sv s, enum reply_verb *ret_verb)
{
	static const char in_reply[] = "(in reply to ", said[] = " said: ", refused[] = " refused to talk to me: ";
	*ret_verb = REPLY_AT_UNKNOWN;
	ptrdiff_t at = sv_find(s, SV(in_reply));
	if (at >= 0) {
		*ret_verb = verb_of(sv_skip(s, (size_t)at + sizeof in_reply - 1));
		s = sv_take(s, (size_t)at);
	}
	/* The wrapper names a host first; a reply that merely contains " said: " later is left alone. */
	if (sv_starts(s, SV("host "))) {
		if ((at = sv_find(s, SV(said))) >= 0)
			s = sv_skip(s, (size_t)at + sizeof said - 1);
		else if ((at = sv_find(s, SV(refused))) >= 0) {
			s = sv_skip(s, (size_t)at + sizeof refused - 1);
			*ret_verb = REPLY_AT_CONNECT;
		}
	}
	return s;
}

/* --- normalising and masking -------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "550-5.7.1 " in the middle of a reply is the continuation of a line. */
static size_t continuation_prefix(const char *p, size_t left)
{
	size_t n = 4;
	if (left < 5 || !is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]) || p[3] != '-')
		return 0;
	while (n < left && (is_digit(p[n]) || p[n] == '.'))
		n++;
	return n;
}

static struct sv normalise(struct sv s, char *out)
{
	const char *p = s.p, *end = s.p + s.n;
	size_t n = 0;
	while (p < end && n < REPLY_TEXT_MAX - 1) {
		char c = *p++;
		if ((unsigned char)c > ' ') {
			out[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
			continue;
		}
		if (n && out[n - 1] != ' ')
			out[n++] = ' ';
		for (size_t drop = 1; n && drop;) {
			drop = continuation_prefix(p, (size_t)(end - p));
			p += drop;
		}
	}
	out[n] = 0;
	return sv_make(out, n);
}

static bool token_is_variable(struct sv t)
{
	size_t digit = 0, alpha = 0, dot = 0, colon = 0;
	if (t.n < 6)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i];
		if (c == '@')
			return true;
		if (c == '_' || c == '/')
			return false; /* receivers' code tokens (ofr004_416) and addresses of pages: the table knows some */
		digit += c >= '0' && c <= '9';
		alpha += c >= 'a' && c <= 'z';
		dot += c == '.';
		colon += c == ':';
	}
	if ((dot == 3 && digit >= 4 && alpha == 0) || colon >= 2)
		return true; /* an address */
	/* An id of one message: letters and digits well mixed. "(as16012611)", a reason, is not. */
	return alpha >= 1 && digit >= 4 && digit + alpha >= 10 && !sv_starts(t, SV("(as")) && !sv_starts(t, SV("as"));
}

/* Addresses, IPs and ids become one sign: what is left repeats. */
static uint64_t template_hash(const struct hash_key *k, struct sv s, struct sv dsn)
{
	char mask[REPLY_TEXT_MAX + 32];
	size_t n = 0;
	while (s.n) {
		ptrdiff_t sp = sv_chr(s, ' ');
		struct sv word = sp < 0 ? s : sv_take(s, (size_t)sp);
		if (token_is_variable(word)) {
			mask[n++] = '#';
		} else {
			/* Pages' addresses end in what was looked up there. */
			bool page = word.n > 24 && sv_find(word, SV("://")) >= 0;
			memcpy(mask + n, word.p, word.n);
			for (size_t i = 0; page && i < word.n; i++)
				if (is_digit(word.p[i]))
					mask[n + i] = '#';
			n += word.n;
		}
		mask[n++] = ' ';
		s = sv_skip(s, word.n + 1);
	}
	size_t m = dsn.n < 16 ? dsn.n : 16;
	if (m)
		memcpy(mask + n, dsn.p, m);
	return hash_sv(k, sv_make(mask, n + m));
}

/* --- deciding ----------------------------------------------------------------------------------------------------- */

/* Enhanced status codes (RFC 3463, 7505) for texts that no row knows. */
static uint8_t class_of_dsn(struct sv dsn)
{
	static const struct { const char *tail; uint8_t class; } codes[] = {
		{ ".1.1", REPLY_UNKNOWN_USER }, { ".1.0", REPLY_UNKNOWN_USER }, { ".1.3", REPLY_UNKNOWN_USER },
		{ ".1.6", REPLY_UNKNOWN_USER }, { ".1.7", REPLY_POLICY_BLOCK }, { ".1.8", REPLY_POLICY_BLOCK },
		{ ".2.1", REPLY_UNKNOWN_USER }, { ".2.2", REPLY_MAILBOX_FULL }, { ".5.3", REPLY_RATE_LIMITED },
		{ ".7.1", REPLY_POLICY_BLOCK }, { ".7.0", REPLY_POLICY_BLOCK }, { ".7.13", REPLY_UNKNOWN_USER },
		{ ".7.20", REPLY_AUTH_FAILURE }, { ".7.23", REPLY_AUTH_FAILURE }, { ".7.25", REPLY_POLICY_BLOCK },
		{ ".7.26", REPLY_AUTH_FAILURE }, { ".7.28", REPLY_RATE_LIMITED },
	};
	if (dsn.n < 5 || (dsn.p[0] != '4' && dsn.p[0] != '5'))
		return REPLY_OTHER;
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (sv_eq(sv_skip(dsn, 1), sv_cstr(codes[i].tail)))
			return codes[i].class;
	return REPLY_OTHER;
}

struct hits {
	uint64_t bit[REPLY_ROWS_MAX / 64];
};

static void hit(void *ctx, uint32_t id)
{
	struct hits *h = ctx;
	h->bit[id / 64] |= 1ull << (id % 64);
}

static struct reply_verdict first_row(struct reply_table *t, struct sv text, struct sv dsn)
{
	struct hits h = { { 0 } };
	multimatch_scan(t->literals, text, hit, &h);
	for (size_t i = 0; i < t->n; i++) {
		struct row *r = &t->row[i];
		if (!r->always && !(h.bit[i / 64] >> (i % 64) & 1))
			continue;
		struct err e;
		if (compile(r, &e) < 0)
			panic("%s", e.text);
		if (regexec(&r->regex, text.p, 0, NULL, 0) == 0)
			return (struct reply_verdict){ r->class, r->detail, (int)i };
	}
	return (struct reply_verdict){ class_of_dsn(dsn), "", -1 };
}

/* A reject of the sender at MAIL or connect cannot be about a recipient, and a bare policy text at RCPT with an address
 * status is about one (docs/detectors.md, C.1 step 5). */
static void fix_by_verb(struct reply_verdict *v, enum reply_verb verb, struct sv dsn)
{
	if (v->class == REPLY_UNKNOWN_USER && (verb == REPLY_AT_MAIL || verb == REPLY_AT_CONNECT)) {
		v->class = REPLY_POLICY_BLOCK;
		v->detail = "sub=bad-sender";
	} else if (v->class == REPLY_POLICY_BLOCK && verb == REPLY_AT_RCPT && dsn.n == 5 &&
	           (sv_starts(sv_skip(dsn, 1), SV(".1.1")) || sv_starts(sv_skip(dsn, 1), SV(".4.1")))) {
		v->class = REPLY_UNKNOWN_USER;
		v->detail = "";
	}
}

static struct reply_verdict by_template(struct reply_table *t, struct sv reply, struct sv dsn)
{
	char space[REPLY_TEXT_MAX];
	enum reply_verb verb;
	struct sv text = normalise(reply_unwrap(reply, &verb), space);
	uint64_t h = hash_mix(template_hash(&t->key, text, dsn), (uint64_t)verb) | 1;
	struct cached *c = &t->cache[h % REPLY_CACHE];
	if (c->hash != h) {
		c->verdict = first_row(t, text, dsn);
		fix_by_verb(&c->verdict, verb, dsn);
		c->hash = h;
	}
	return c->verdict;
}

struct reply_verdict reply_classify(struct reply_table *t, struct sv reply, struct sv dsn)
{
	if (!reply.n)
		return (struct reply_verdict){ dsn.n ? class_of_dsn(dsn) : (uint8_t)REPLY_NONE, "", -1 };
	uint64_t h = hash_mix(hash_sv(&t->key, reply), hash_sv(&t->key, dsn)) | 1;
	struct cached *c = &t->text[h / 2 % REPLY_TEXTS];
	if (c->hash != h) {
		c->verdict = by_template(t, reply, dsn);
		c->hash = h;
	}
	return c->verdict;
}
