#include "probe/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#define DNS_PORT 53

int resolver_server(const char *text, struct sockaddr_storage *ret, socklen_t *ret_n)
{
	const char *at = strrchr(text, '@');
	struct ipaddr a;
	char *end = NULL;
	long port = at ? strtol(at + 1, &end, 10) : DNS_PORT;
	if (port < 1 || port > 65535 || (at && (end == at + 1 || *end)) || ipaddr_parse(at ? sv_make(text, (size_t)(at - text)) : sv_cstr(text), &a) < 0)
		return -1;
	memset(ret, 0, sizeof *ret);
	if (ipaddr_is_v4(&a)) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		memcpy(&in->sin_addr, a.b + 12, 4);
		*ret_n = sizeof *in;
	} else {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)ret;
		in->sin6_family = AF_INET6;
		in->sin6_port = htons((uint16_t)port);
		memcpy(&in->sin6_addr, a.b, 16);
		*ret_n = sizeof *in;
	}
	return 0;
}
