#include "probe/target.h"

#include <libpsl.h>
#include <stdio.h>
#include <stdlib.h>

#include "probe/dnsmsg.h"

static int parse_domain(struct sv text, struct target *ret, struct err *e)
{
	struct dnsname name;
	bool word = false;
	if (text.n && text.p[text.n - 1] == '.')
		text.n--;
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return err_set(e, "\"%.*s\": write the domain in its ASCII form (xn--…)", SVARG(text));
	ptrdiff_t dot = sv_rchr(text, '.');
	for (size_t i = dot < 0 ? 0 : (size_t)dot + 1; i < text.n; i++)
		word = word || text.p[i] < '0' || text.p[i] > '9';
	if (sv_chr(text, '@') >= 0 || sv_chr(text, '/') >= 0 || sv_chr(text, ':') >= 0 || dot < 0 || !word || text.n >= TARGET_TEXT - 1 || dnsname_parse(text, &name) < 0)
		return err_set(e, "\"%.*s\" is no address, prefix or domain; write 192.0.2.1, 192.0.2.0/24, 2001:db8::1 or customer.example", SVARG(sv_take(text, 100)));
	ret->kind = DNSBL_DOMAIN;
	ret->count = 1;
	char presentation[4 * DNSMSG_NAME];
	dnsname_text(&name, presentation);
	(void)snprintf(ret->domain, sizeof ret->domain, "%.*s", TARGET_TEXT - 1, presentation);
	const psl_ctx_t *psl = psl_builtin();
	const char *registered = psl ? psl_registrable_domain(psl, ret->domain) : NULL;
	(void)snprintf(ret->registered, sizeof ret->registered, "%s", registered ? registered : ret->domain);
	return 0;
}

int target_parse(struct sv text, struct target *ret, struct err *e)
{
	struct prefix p;
	memset(ret, 0, sizeof *ret);
	int bad = prefix_parse(text, &p);
	if (bad == -2)
		return err_set(e, "\"%.*s\": the prefix has bits behind its length; write its first address", SVARG(text));
	if (bad < 0)
		return parse_domain(text, ret, e);
	if (p.bits < 104)
		return err_set(e, "\"%.*s\" has more addresses than can be asked one by one; at most a /8 of IPv4 or a /104 of IPv6", SVARG(text));
	ret->kind = ipaddr_is_v4(&p.addr) ? DNSBL_IP4 : DNSBL_IP6;
	ret->first = p.addr;
	ret->count = UINT64_C(1) << (128 - p.bits);
	return 0;
}

struct target_set *target_set_new(const struct target *t, size_t n)
{
	struct target_set *s = xmalloc(sizeof *s + n * sizeof *t);
	s->owners = 1;
	s->n = n;
	if (n)
		memcpy(s->v, t, n * sizeof *t);
	return s;
}

struct target_set *target_set_keep(struct target_set *s)
{
	s->owners++;
	return s;
}

void target_set_drop(struct target_set *s)
{
	if (s && --s->owners == 0)
		free(s);
}

struct ipaddr target_address(const struct target *t, uint64_t nth)
{
	struct ipaddr a = t->first;
	for (int i = 15; nth; i--) {
		nth += a.b[i];
		a.b[i] = (uint8_t)nth;
		nth >>= 8;
	}
	return a;
}

size_t target_text(const struct target *t, uint64_t nth, char *out)
{
	if (t->kind == DNSBL_DOMAIN)
		return (size_t)snprintf(out, TARGET_TEXT, "%s", t->domain);
	struct ipaddr a = target_address(t, nth);
	size_t n = ipaddr_text(&a, out);
	out[n] = 0;
	return n;
}
