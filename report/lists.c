#include "report/lists.h"

#include <stdlib.h>

#include "lib/msg.h"

static struct dnsbl_zones *zones;

void lists_reload(const struct conf *conf)
{
	struct dnsbl_zones *fresh = dnsbl_zones_load(conf->rbl.zones ? conf->rbl.zones : "", "", NULL, NULL);
	if (!fresh && !zones)
		fresh = dnsbl_zones_load("", "", NULL, NULL);
	if (!fresh && !zones)
		panic("the built-in table of block lists does not load");
	if (!fresh)
		return;
	dnsbl_zones_free(zones);
	zones = fresh;
}

const struct dnsbl_zones *lists_zones(const struct conf *conf)
{
	if (!zones)
		lists_reload(conf);
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
