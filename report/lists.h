/* lists: what is said of a DNS block list to people: its title, and the way off it. From the site's table of zones (lib/dnsbl_zones.h). */
#ifndef REPORT_LISTS_H
#define REPORT_LISTS_H

#include "lib/conf.h"
#include "lib/dnsbl_zones.h"

/* Reads the config's table of zones; when it has mistakes, which are logged, the one at hand stays, or the built-in one. */
void lists_reload(const struct conf *conf);
/* The table at hand, read when first asked for. Never NULL. Borrowed. */
const struct dnsbl_zones *lists_zones(const struct conf *conf);
/* "Spamhaus ZEN", or the zone's name when the table has none. Borrowed. */
const char *lists_title(const struct conf *conf, const char *zone);
/* The page where the target gets off the list; nothing when there is none. */
void lists_delist(const struct conf *conf, const char *zone, const char *target, struct buf *out);
/* "127.0.0.3" */
void lists_code(int64_t code, struct buf *out);

#endif
