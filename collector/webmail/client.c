/* From where somebody came, where proxies stand before webmail. */
#include "collector/webmail/webmail.h"

#include "lib/prefix.h"

/* Not those of carriers' own networks (100.64.0.0/10): customers come from there. */
bool webmail_is_inside(struct sv canonical)
{
	struct ipaddr a;
	if (ipaddr_parse(canonical, &a) != 0)
		return false;
	if (ipaddr_is_loopback(&a))
		return true;
	if (!ipaddr_is_v4(&a))
		return (a.b[0] & 0xfe) == 0xfc || (a.b[0] == 0xfe && (a.b[1] & 0xc0) == 0x80);
	const uint8_t *v = a.b + 12;
	return v[0] == 10 || (v[0] == 172 && (v[1] & 0xf0) == 16) || (v[0] == 192 && v[1] == 168);
}

static struct sv trimmed(struct sv s)
{
	while (s.n && s.p[0] == ' ')
		s = sv_skip(s, 1);
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

/* "8.8.8.8, 203.0.113.9, 127.0.0.1" → 203.0.113.9; absent when what stands there is no address. */
static struct sv last_of(struct sv list)
{
	for (;;) {
		ptrdiff_t comma = sv_rchr(list, ',');
		struct sv ip = scan_ip(trimmed(sv_skip(list, (size_t)(comma + 1))));
		if (comma < 0 || !ip.p || !scan_ip_is_loopback(ip))
			return ip;
		list = sv_take(list, (size_t)comma);
	}
}

struct sv webmail_client(struct sv remote, struct sv real, struct sv forwarded)
{
	struct sv at = scan_ip(remote);
	if (at.p ? !webmail_is_inside(at) : remote.p && !sv_eq(remote, SV("unix:"))) /* a socket of the machine */
		return at;
	struct sv said = real.p ? scan_ip(trimmed(real)) : real, added = forwarded.p ? last_of(forwarded) : forwarded;
	if (said.p && forwarded.p && scan_ip_is_loopback(said)) /* the proxy before was asked by another one of its machine */
		return added.p ? added : at;
	if (real.p && forwarded.p)
		return said.p && sv_eq(said, added) ? said : at;
	if (real.p)
		return said.p ? said : at;
	return added.p ? added : at;
}
