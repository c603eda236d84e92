#include "report/lists.h"

#include <stdlib.h>

#include "lib/msg.h"

const struct dnsbl_zones *lists_zones(const struct conf *conf)
{
	static struct dnsbl_zones *zones;
	static const struct conf *of;
	if (zones && of == conf)
		return zones;
	dnsbl_zones_free(zones);
	of = conf;
	zones = dnsbl_zones_load("", "", NULL, NULL);
	if (!zones)
		panic("the built-in table of block lists does not load");
	return zones;
}

const char *lists_title(const struct conf *conf, const char *zone)
{
	const struct dnsbl_zone *z = dnsbl_zone_find(lists_zones(conf), sv_cstr(zone));
	return z && *z->title ? z->title : zone;
}

void lists_delist(const struct conf *conf, const char *zone, const char *target, struct buf *out)
{
	const struct dnsbl_zone *z = dnsbl_zone_find(lists_zones(conf), sv_cstr(zone));
	if (z)
		dnsbl_zone_delist(z, sv_cstr(target), out);
}

void lists_code(int64_t code, struct buf *out)
{
	buf_printf(out, "%d.%d.%d.%d", (int)(code >> 24 & 255), (int)(code >> 16 & 255), (int)(code >> 8 & 255), (int)(code & 255));
}
