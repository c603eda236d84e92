#include "analyzer/enrich.h"

#include <arpa/inet.h>
#include <libpsl.h>
#include <maxminddb.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/near.h"
#include "lib/table.h"

#define GEO_FILES_MAX 8
#define PLACE_CACHE 32768
#define DOMAIN_CACHE 65536
#define DOMAIN_CACHED_BYTES 100
#define KEY_BYTES 320 /* longer texts are looked for in no map */

/* Text key → number, open addressing, built once. */
struct text_map {
	struct { char *key; uint32_t n, value; } *slot;
	size_t n, cap;
};

struct place_cached { struct ipaddr ip; struct geo geo; uint32_t customer; bool set, own_network, egress; };
_Static_assert(sizeof(struct place_cached) == 32, "two lie in one line of the processor's cache");
/* The organisational domain is the end of the domain. What is looked at first lies in one line of the processor's cache. */
struct domain_cached {
	uint64_t hash, org_hash;
	uint32_t customer;
	uint8_t n, org_n;
	bool local;
	char text[DOMAIN_CACHED_BYTES];
};

struct enrich {
	const struct conf *conf;
	struct text_map accounts, domains, uids, customers, local;
	struct prefix_table hosts, geo_csv;
	struct geo *geo_row;
	size_t n_geo_row, cap_geo_row;
	MMDB_s mmdb[GEO_FILES_MAX];
	size_t n_mmdb;
	const psl_ctx_t *psl;
	struct place_cached place_cache[PLACE_CACHE];
	struct domain_cached domain_cache[DOMAIN_CACHE];
	char low[256]; /* of the domain at hand, where it is not kept */
};

/* --- maps --------------------------------------------------------------------------------------------------------- */

/* Only says where to look. The keys of maps come from the config, and what is kept of other texts is looked up again when others take its place:
 * whoever makes texts meet makes us look longer, by as much as we would have without. */
static uint64_t text_place(const char *p, size_t n)
{
	uint64_t h = n, w = 0;
	for (size_t i = 0; i + 8 < n; i += 8) {
		memcpy(&w, p + i, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	if (n >= 8) /* the last eight overlap with those before */
		memcpy(&w, p + n - 8, 8);
	for (size_t i = 0; n < 8 && i < n; i++)
		w = w << 8 | (uint8_t)p[i];
	h = (h ^ w) * 0x9e3779b97f4a7c15ull;
	return h >> 32;
}

static size_t map_slot(const struct text_map *m, struct sv key)
{
	char low[KEY_BYTES];
	size_t n = key.n < sizeof low ? key.n : sizeof low;
	near_lower(low, key.p, n);
	size_t i = (size_t)text_place(low, n) & (m->cap - 1);
	while (m->slot[i].key && !(m->slot[i].n == key.n && strncasecmp(m->slot[i].key, key.p, key.n) == 0))
		i = (i + 1) & (m->cap - 1);
	return i;
}

static void map_put(struct text_map *m, struct sv key, uint32_t value)
{
	if (m->n * 2 >= m->cap) {
		struct text_map bigger = { .cap = m->cap ? m->cap * 2 : 64 };
		bigger.slot = xcalloc(bigger.cap, sizeof *bigger.slot);
		for (size_t i = 0; i < m->cap; i++)
			if (m->slot[i].key) {
				size_t at = map_slot(&bigger, sv_cstr(m->slot[i].key));
				bigger.slot[at] = m->slot[i];
				bigger.n++;
			}
		free(m->slot);
		*m = bigger;
	}
	size_t at = map_slot(m, key);
	if (!m->slot[at].key) {
		m->slot[at].key = xsvdup(key);
		m->slot[at].n = (uint32_t)key.n;
		m->n++;
	}
	m->slot[at].value = value;
}

static uint32_t map_get(const struct text_map *m, struct sv key)
{
	if (!m->n || !key.n || key.n > KEY_BYTES)
		return ENRICH_NOBODY;
	size_t at = map_slot(m, key);
	return m->slot[at].key ? m->slot[at].value : ENRICH_NOBODY;
}

static void map_fini(struct text_map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->slot[i].key);
	free(m->slot);
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

static void load_customers(struct enrich *e)
{
	for (uint32_t i = 0; i < e->conf->n_customer; i++) {
		const struct conf_customer *c = &e->conf->customer[i];
		struct sv value = sv_cstr(c->value);
		struct prefix p;
		map_put(&e->customers, sv_cstr(c->customer), i);
		switch (c->kind) {
		case CUSTOMER_ACCOUNT: map_put(&e->accounts, value, i); break;
		case CUSTOMER_DOMAIN: map_put(&e->domains, value, i); break;
		case CUSTOMER_UID: map_put(&e->uids, value, i); break;
		case CUSTOMER_PREFIX:
			if (prefix_parse(value, &p) == 0) {
				p.value = i;
				prefix_table_add(&e->hosts, &p);
			}
			break;
		}
	}
	prefix_table_seal(&e->hosts);
}

static int geo_csv_line(struct enrich *e, char *line)
{
	char *country = strchr(line, ','), *asn = country ? strchr(country + 1, ',') : NULL;
	struct prefix p;
	if (!asn)
		return -1;
	*country++ = 0;
	*asn++ = 0;
	if (prefix_parse(sv_cstr(line), &p) != 0)
		return -1;
	if (e->n_geo_row == e->cap_geo_row) {
		e->cap_geo_row = e->cap_geo_row ? e->cap_geo_row * 2 : 256;
		e->geo_row = xrealloc(e->geo_row, e->cap_geo_row * sizeof *e->geo_row);
	}
	struct geo *g = &e->geo_row[e->n_geo_row];
	*g = (struct geo){ .asn = (uint32_t)strtoul(asn, NULL, 10) };
	if (strlen(country) == 2)
		memcpy(g->country, country, 2);
	p.value = (uint32_t)e->n_geo_row++;
	prefix_table_add(&e->geo_csv, &p);
	return 0;
}

static int load_geo_csv(struct enrich *e, const char *path, struct err *err)
{
	char line[512];
	int n = 0;
	FILE *f = fopen(path, "r");
	if (!f)
		return err_set(err, "%s: cannot read it: %m", path);
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\r\n")] = 0;
		if (++n == 1 && strncmp(line, "prefix", 6) == 0)
			continue;
		if (line[0] && line[0] != '#' && geo_csv_line(e, line) < 0) {
			fclose(f);
			return err_set(err, "%s:%d: want prefix,country,asn", path, n);
		}
	}
	fclose(f);
	return 0;
}

static int load_geo_file(struct enrich *e, const char *path, struct err *err)
{
	size_t n = strlen(path);
	if (n > 4 && strcmp(path + n - 4, ".csv") == 0)
		return load_geo_csv(e, path, err);
	if (e->n_mmdb == GEO_FILES_MAX)
		return err_set(err, "%s: more than %d geo files", path, GEO_FILES_MAX);
	int bad = MMDB_open(path, MMDB_MODE_MMAP, &e->mmdb[e->n_mmdb]);
	if (bad != MMDB_SUCCESS)
		return err_set(err, "%s: %s; fetch it again, or remove it from geo", path, MMDB_strerror(bad));
	e->n_mmdb++;
	return 0;
}

static int load_geo(struct enrich *e, struct err *err)
{
	for (size_t i = 0; i < e->conf->geo.n; i++)
		if (load_geo_file(e, e->conf->geo.v[i], err) < 0)
			return -1;
	prefix_table_seal(&e->geo_csv);
	return 0;
}

size_t enrich_check_geo(const struct conf *conf, void (*tell)(void *ctx, const char *text), void *ctx)
{
	struct enrich *e = table_new(sizeof *e);
	struct err err;
	size_t n = 0;
	for (size_t i = 0; i < conf->geo.n; i++)
		if (load_geo_file(e, conf->geo.v[i], &err) < 0) {
			tell(ctx, err.text);
			n++;
		}
	enrich_free(e);
	return n;
}

struct enrich *enrich_new(const struct conf *conf, struct err *err)
{
	struct enrich *e = table_new(sizeof *e);
	e->conf = conf;
	e->psl = psl_builtin();
	load_customers(e);
	for (size_t i = 0; i < conf->local_domains.n; i++)
		map_put(&e->local, sv_cstr(conf->local_domains.v[i]), 0);
	for (size_t i = 0; i < conf->relay_domains.n; i++)
		map_put(&e->local, sv_cstr(conf->relay_domains.v[i]), 0);
	for (size_t i = 0; i < conf->n_backup; i++)
		map_put(&e->local, sv_cstr(conf->backup[i].domain), 0);
	if (load_geo(e, err) < 0) {
		enrich_free(e);
		return NULL;
	}
	return e;
}

void enrich_free(struct enrich *e)
{
	if (!e)
		return;
	map_fini(&e->accounts);
	map_fini(&e->domains);
	map_fini(&e->uids);
	map_fini(&e->customers);
	map_fini(&e->local);
	prefix_table_fini(&e->hosts);
	prefix_table_fini(&e->geo_csv);
	free(e->geo_row);
	for (size_t i = 0; i < e->n_mmdb; i++)
		MMDB_close(&e->mmdb[i]);
	table_free(e, sizeof *e);
}

/* --- customers ---------------------------------------------------------------------------------------------------- */

static uint32_t customer_of_domain(const struct enrich *e, struct sv domain)
{
	while (domain.n) {
		uint32_t i = map_get(&e->domains, domain);
		if (i != ENRICH_NOBODY)
			return i;
		ptrdiff_t dot = sv_chr(domain, '.');
		if (dot < 0)
			break;
		domain = sv_skip(domain, (size_t)dot + 1);
	}
	return ENRICH_NOBODY;
}

static uint32_t customer_of_address(const struct enrich *e, struct sv text)
{
	struct ipaddr ip;
	const struct prefix *p = ipaddr_parse(text, &ip) == 0 ? prefix_table_find(&e->hosts, &ip) : NULL;
	return p ? p->value : ENRICH_NOBODY;
}

/* A domain whose second MX we are: the domain's owner, or else that of its primary. */
static uint32_t customer_of_backup(const struct enrich *e, struct sv domain)
{
	uint32_t owner = customer_of_domain(e, domain);
	for (size_t i = 0; i < e->conf->n_backup && owner == ENRICH_NOBODY; i++) {
		struct sv primary = sv_cstr(e->conf->backup[i].primary);
		if (strlen(e->conf->backup[i].domain) != domain.n || strncasecmp(e->conf->backup[i].domain, domain.p, domain.n) != 0)
			continue;
		owner = customer_of_address(e, primary);
		owner = owner == ENRICH_NOBODY ? customer_of_domain(e, primary) : owner;
	}
	return owner;
}

static uint32_t customer_index(const struct enrich *e, enum principal_kind kind, struct sv id)
{
	uint32_t i;
	switch (kind) {
	case PRINCIPAL_ACCOUNT:
		i = map_get(&e->accounts, id);
		return i != ENRICH_NOBODY ? i : customer_of_domain(e, sv_domain(id));
	case PRINCIPAL_SCRIPT: return map_get(&e->uids, id);
	case PRINCIPAL_DOMAIN: return customer_of_domain(e, id);
	case PRINCIPAL_MX: return customer_of_backup(e, id);
	case PRINCIPAL_HOST:
	case PRINCIPAL_OWN_IP: return customer_of_address(e, id);
	case PRINCIPAL_KINDS: break;
	}
	return ENRICH_NOBODY;
}

static const char *name_of(const struct enrich *e, uint32_t customer)
{
	return customer == ENRICH_NOBODY ? "" : e->conf->customer[customer].customer;
}

const char *enrich_customer(const struct enrich *e, enum principal_kind kind, struct sv id)
{
	return name_of(e, customer_index(e, kind, id));
}

bool enrich_contact(const struct enrich *e, const char *customer, const char **ret_contact, const char **ret_language)
{
	uint32_t i = map_get(&e->customers, sv_cstr(customer));
	if (i == ENRICH_NOBODY)
		return false;
	*ret_contact = e->conf->customer[i].contact;
	*ret_language = e->conf->customer[i].language;
	return true;
}

/* --- places ------------------------------------------------------------------------------------------------------- */

static void mmdb_string(MMDB_entry_s *entry, char *out2, const char *const *path)
{
	MMDB_entry_data_s d;
	if (MMDB_aget_value(entry, &d, path) == MMDB_SUCCESS && d.has_data && d.type == MMDB_DATA_TYPE_UTF8_STRING &&
	    d.data_size == 2)
		memcpy(out2, d.utf8_string, 2);
}

static void mmdb_lookup(MMDB_s *db, const struct sockaddr *sa, struct geo *g)
{
	static const char *const country[] = { "country", "iso_code", NULL };
	static const char *const asn[] = { "autonomous_system_number", NULL };
	int bad;
	MMDB_entry_data_s d;
	MMDB_lookup_result_s r = MMDB_lookup_sockaddr(db, sa, &bad);
	if (bad != MMDB_SUCCESS || !r.found_entry)
		return;
	mmdb_string(&r.entry, g->country, country);
	if (MMDB_aget_value(&r.entry, &d, asn) == MMDB_SUCCESS && d.has_data && d.type == MMDB_DATA_TYPE_UINT32)
		g->asn = d.uint32;
}

static struct geo geo_lookup(struct enrich *e, const struct ipaddr *ip)
{
	struct geo g = { .asn = 0 };
	const struct prefix *p = prefix_table_find(&e->geo_csv, ip);
	if (p)
		return e->geo_row[p->value];
	struct sockaddr_in6 sa6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sa4 = { .sin_family = AF_INET };
	memcpy(&sa6.sin6_addr, ip->b, 16);
	memcpy(&sa4.sin_addr, ip->b + 12, 4);
	for (size_t i = 0; i < e->n_mmdb; i++) {
		if (ipaddr_is_v4(ip))
			mmdb_lookup(&e->mmdb[i], (const struct sockaddr *)&sa4, &g);
		else if (e->mmdb[i].metadata.ip_version == 6)
			mmdb_lookup(&e->mmdb[i], (const struct sockaddr *)&sa6, &g);
	}
	return g;
}

static struct place_cached place_lookup(struct enrich *e, const struct ipaddr *ip)
{
	const struct prefix *host = prefix_table_find(&e->hosts, ip);
	return (struct place_cached){ *ip, geo_lookup(e, ip), host ? host->value : ENRICH_NOBODY, true, enrich_is_own_network(e, ip), enrich_is_egress(e, ip) };
}

static struct place_cached *place_of(const struct enrich *e, const struct ipaddr *ip)
{
	uint64_t a, b;
	memcpy(&a, ip->b, 8);
	memcpy(&b, ip->b + 8, 8);
	return (struct place_cached *)(uintptr_t)&e->place_cache[hash_mix(a, b) % PLACE_CACHE];
}

void enrich_place_soon(const struct enrich *e, const struct ipaddr *ip)
{
	__builtin_prefetch(place_of(e, ip));
}

struct enrich_place enrich_place(struct enrich *e, const struct ipaddr *ip)
{
	struct place_cached *c = place_of(e, ip);
	if (!c->set || memcmp(&c->ip, ip, sizeof *ip) != 0)
		*c = place_lookup(e, ip);
	return (struct enrich_place){ c->geo, c->own_network, c->egress, name_of(e, c->customer) };
}

bool enrich_is_own_network(const struct enrich *e, const struct ipaddr *ip)
{
	return prefix_table_find(&e->conf->networks, ip) != NULL;
}

bool enrich_is_mail_server(const struct enrich *e, const struct ipaddr *ip)
{
	return prefix_table_find(&e->conf->mail_servers, ip) != NULL;
}

bool enrich_is_egress(const struct enrich *e, const struct ipaddr *ip)
{
	return prefix_table_find(&e->conf->egress, ip) != NULL;
}

bool enrich_is_local_domain(const struct enrich *e, struct sv domain)
{
	return map_get(&e->local, domain) != ENRICH_NOBODY;
}

static uint8_t fold(struct sv domain, char *low, size_t most)
{
	uint8_t n = (uint8_t)(domain.n < most ? domain.n : most);
	near_lower(low, domain.p, n);
	return n;
}

static struct enrich_domain domain_lookup(struct enrich *e, const struct hash_key *k, struct sv domain, uint32_t *ret_customer)
{
	struct sv low = sv_make(e->low, fold(domain, e->low, sizeof e->low - 1));
	e->low[low.n] = 0;
	const char *org = e->psl && low.n ? psl_registrable_domain(e->psl, e->low) : NULL; /* its own end */
	struct enrich_domain d = { .org = org ? sv_cstr(org) : low, .hash = hash_folded(k, domain) };
	d.org = sv_take(d.org, DOMAIN_CACHED_BYTES);
	d.org_hash = hash_sv(k, d.org);
	d.local = map_get(&e->local, domain) != ENRICH_NOBODY;
	*ret_customer = customer_of_domain(e, domain);
	d.customer = name_of(e, *ret_customer);
	return d;
}

static size_t cache_place(struct sv domain)
{
	return (size_t)text_place(domain.p, domain.n) % DOMAIN_CACHE;
}

void enrich_domain_soon(const struct enrich *e, struct sv domain)
{
	const char *c = (const char *)&e->domain_cache[cache_place(domain)];
	__builtin_prefetch(c);
	__builtin_prefetch(c + 64);
}

static void keep(struct domain_cached *c, const struct enrich_domain *d, struct sv domain, uint32_t customer)
{
	*c = (struct domain_cached){ d->hash, d->org_hash, customer, (uint8_t)domain.n, (uint8_t)d->org.n, d->local, { 0 } };
	memcpy(c->text, domain.p, domain.n);
}

struct enrich_domain enrich_domain(struct enrich *e, const struct hash_key *k, struct sv domain)
{
	struct domain_cached *c = &e->domain_cache[cache_place(domain)];
	if (domain.n && c->n == domain.n && near_same(c->text, domain.p, domain.n))
		return (struct enrich_domain){ sv_make(domain.p + domain.n - c->org_n, c->org_n), c->hash, c->org_hash, name_of(e, c->customer), c->local };
	uint32_t customer;
	struct enrich_domain d = domain_lookup(e, k, domain, &customer);
	/* One in other letters is looked up each time: what is kept is its own text in lower case. So is one with a NUL in it, where the library stops. */
	if (domain.n && domain.n <= DOMAIN_CACHED_BYTES && memcmp(e->low, domain.p, domain.n) == 0 && d.org.p + d.org.n == e->low + domain.n) {
		keep(c, &d, domain, customer);
		d.org = sv_make(domain.p + domain.n - d.org.n, d.org.n);
	}
	return d;
}
