/* A zone file for rbldnsd: addresses of hosts with an open case of a break-in, so that own relays can refuse them. rbldnsd's combined data set: IPv4 as
 * ip4set, IPv6 as ip6trie. With the test entries of RFC 5782; never an outgoing address of ours. */
#include <inttypes.h>
#include <stdio.h>

#include "analyzer/acase.h"
#include "lib/times.h"
#include "report/export.h"

static void head(const struct export_dnsbl *o, struct buf *out)
{
	buf_puts(out, "# Hosts with an open case, for rbldnsd (zone:combined:file); written by abusewatch export dnsbl-zone\n");
	if (o->zone_name && *o->zone_name)
		buf_printf(out, "$SOA %" PRId64 " localhost hostmaster.%s 0 3600 600 86400 %" PRId64 "\n$NS %" PRId64 " localhost\n", o->ttl_s, o->zone_name, o->ttl_s, o->ttl_s);
	buf_printf(out, "$TTL %" PRId64 "\n", o->ttl_s);
}

/* What the zone says about a host goes to whom it tries to write to: the number and the time, no names. */
static void put_host(const struct ipaddr *ip, sqlite3_stmt *st, struct buf *out)
{
	char text[48];
	struct times_text since = times_text(sqlite3_column_int64(st, 3), 0);
	text[ipaddr_text(ip, text)] = 0;
	buf_printf(out, "%s :127.0.0.2:%s, case %" PRId64 ", since %.16sZ\n", text, (const char *)sqlite3_column_text(st, 2), (int64_t)sqlite3_column_int64(st, 0), since.s);
}

static bool is_ours(const struct conf *conf, const struct ipaddr *ip)
{
	return ipaddr_is_loopback(ip) || prefix_table_find(&conf->egress, ip) != NULL;
}

static int hosts(struct db *d, const struct conf *conf, const struct export_dnsbl *o, bool v4, struct buf *out, struct err *e)
{
	struct ipaddr ip;
	int rc;
	sqlite3_stmt *st = db_query(d, Q_EXPORT_DNSBL, "");
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		int level = case_level_named((const char *)sqlite3_column_text(st, 4));
		if (level >= o->least_level && ipaddr_parse(db_text(st, 1), &ip) == 0 && ipaddr_is_v4(&ip) == v4 && !is_ours(conf, &ip))
			put_host(&ip, st, out);
	}
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : err_set(e, "%s: %s", d->path, sqlite3_errmsg(d->h));
}

int export_dnsbl(struct db *d, const struct conf *conf, const struct export_dnsbl *o, struct buf *out, struct err *e)
{
	static const char template[] = ":127.0.0.2:Test entry (RFC 5782)\n";
	head(o, out);
	buf_printf(out, "$DATASET ip4set @\n%s127.0.0.2\n!127.0.0.1\n", template);
	if (hosts(d, conf, o, true, out, e) < 0)
		return -1;
	buf_printf(out, "$DATASET ip6trie @\n%s::ffff:7f00:2\n!::ffff:7f00:1\n", template);
	return hosts(d, conf, o, false, out, e);
}
