/* AUTH (RFC 4954): which mechanism, and the user's name where the exchange shows it. What is decoded lies on the stack only and is
 * wiped before anything else happens; the line itself is wiped by whoever holds it. */
#include "collector/capture/flow.h"

#include <string.h>
#include <strings.h>

#define DECODED_BYTES 384

static const char *const methods[] = { "", "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-1", "SCRAM-SHA-256",
	"NTLM", "GSSAPI", "EXTERNAL" };
enum { M_NONE, M_PLAIN, M_LOGIN, M_CRAM, M_DIGEST, M_XOAUTH2, M_BEARER, M_SCRAM1, M_SCRAM256, M_NTLM, M_GSSAPI, M_EXTERNAL, M_COUNT };

static int base64_value(char ch)
{
	if (ch >= 'A' && ch <= 'Z') return ch - 'A';
	if (ch >= 'a' && ch <= 'z') return ch - 'a' + 26;
	if (ch >= '0' && ch <= '9') return ch - '0' + 52;
	return ch == '+' ? 62 : ch == '/' ? 63 : -1;
}

static size_t base64(struct sv in, char *out)
{
	unsigned bits = 0, have = 0;
	size_t n = 0;
	for (size_t i = 0; i < in.n && n < DECODED_BYTES; i++) {
		int v = base64_value(in.p[i]);
		if (v < 0)
			break;
		bits = bits << 6 | (unsigned)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have);
		}
	}
	explicit_bzero(&bits, sizeof bits);
	return n;
}

/* Between two marks, or until the end. */
static struct sv between(struct sv s, struct sv before, const char *ends)
{
	ptrdiff_t at = sv_find(s, before);
	if (at < 0)
		return (struct sv){ 0 };
	s = sv_skip(s, (size_t)at + before.n);
	size_t n = 0;
	while (n < s.n && s.p[n] && !strchr(ends, s.p[n]))
		n++;
	return sv_take(s, n);
}

/* What stands before that index; nothing when it is none. */
static struct sv before(struct sv s, ptrdiff_t at)
{
	return at < 0 ? sv_make(NULL, 0) : sv_take(s, (size_t)at);
}

static struct sv user_of(uint8_t method, uint8_t step, struct sv d)
{
	const struct sv none = { 0 };
	ptrdiff_t nul, space;
	switch (method) {
	case M_PLAIN: /* authorisation, NUL, user, NUL, password */
		nul = sv_chr(d, 0);
		if (nul < 0)
			return none;
		d = sv_skip(d, (size_t)nul + 1);
		nul = sv_chr(d, 0);
		return before(d, nul);
	case M_LOGIN: return step == 0 ? d : none;
	case M_CRAM: /* user, space, digest */
		space = sv_rchr(d, ' ');
		return before(d, space);
	case M_DIGEST: return step == 0 ? between(d, SV("username=\""), "\"") : none;
	case M_XOAUTH2: return between(d, SV("user="), "\001");
	case M_BEARER: return between(d, SV("a="), ",");
	case M_SCRAM1: case M_SCRAM256: return step == 0 ? between(d, SV("n="), ",") : none;
	default: return none;
	}
}

static void response(struct capture *c, struct flow *f, struct sv text)
{
	struct smtp *s = &f->smtp;
	char decoded[DECODED_BYTES + 4];
	if (text.n == 1 && (*text.p == '*' || *text.p == '='))
		text.n = 0; /* given up, or an empty one */
	size_t n = base64(text, decoded);
	struct sv user = user_of(s->auth_method, s->auth_step, sv_make(decoded, n));
	if (user.n && user.n <= 256)
		note_add(c, f, &(struct note){ .type = NOTE_ACCOUNT, .text = user });
	explicit_bzero(decoded, sizeof decoded);
	s->auth_step++;
}

void smtp_auth_begin(struct capture *c, struct flow *f, struct sv args)
{
	struct smtp *s = &f->smtp;
	ptrdiff_t space = sv_chr(args, ' ');
	struct sv name = space < 0 ? args : sv_take(args, (size_t)space);
	s->auth_method = M_NONE;
	s->auth_step = 0;
	for (unsigned i = 1; i < M_COUNT; i++)
		if (name.n == strlen(methods[i]) && strncasecmp(name.p, methods[i], name.n) == 0)
			s->auth_method = (uint8_t)i;
	/* A word that is no mechanism may be anything: it is not kept. */
	note_add(c, f, &(struct note){ .type = NOTE_AUTH, .text = s->auth_method ? sv_cstr(methods[s->auth_method]) : SV("other") });
	if (space >= 0)
		response(c, f, sv_skip(args, (size_t)space + 1));
}

bool smtp_auth_more(const struct smtp *s)
{
	return s->auth_step < (s->auth_method == M_LOGIN || s->auth_method == M_DIGEST ? 2 : 1);
}

void smtp_auth_line(struct capture *c, struct flow *f, struct sv line)
{
	response(c, f, line);
}
