#include "lib/dnsbl_zones.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "lib/conf_int.h"
#include "lib/embed.h"

#define ZONES_MAX 1024
#define CODES_MAX 256
#define POINTS_MAX 100
#define DEFAULT_PER_SECOND 20 /* a look-up of one target asks once; this is for scans of networks, and no list minds it */

extern const struct embed embed_zones[];

struct loader {
	struct conf_scan scan;
	struct dnsbl_zones *z;
	const struct conf_block *block;
	int at;                /* which block */
	const char *path;      /* of the table; "" */
};

enum field { TITLE, TARGETS, KIND, POINTS, CODES, DELIST, LICENCE, NOTE, KEY, SERVER, REPLACES, TEST_LISTED, TEST_CLEAN, PER_DAY, PER_SECOND, ENABLED, WATCH, FILE_COPY, DOMAINS, FIELDS };
static const char *const field_names[FIELDS] = { "title", "targets", "kind", "points", "codes", "delist", "licence", "note", "key", "server", "replaces",
	"test-listed", "test-clean", "per-day", "per-second", "enabled", "watch", "file", "domains" };
static const char *const target_names[3] = { "ip4", "ip6", "domain" };
/* RFC 5782 section 5. */
static const char *const rfc_listed[3] = { "127.0.0.2", "::ffff:7f00:2", "test" }, *const rfc_clean[3] = { "127.0.0.1", "::ffff:7f00:1", "invalid" };

static void set(char **at, const char *text)
{
	free(*at);
	*at = xstrdup(text);
}

static int whole(const char *text, int64_t most, int64_t *ret)
{
	char *end;
	long long v = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || v > most)
		return -1;
	*ret = v;
	return 0;
}

/* --- codes -------------------------------------------------------------------------------------------------------- */

/* "127.0.0.2", "127.0.*.3": an octet may be a star. 0 or -1. */
static int code_address(struct sv text, uint32_t *ret_value, uint32_t *ret_mask)
{
	uint32_t value = 0, mask = 0;
	for (int i = 0; i < 4; i++) {
		ptrdiff_t dot = i < 3 ? sv_chr(text, '.') : (ptrdiff_t)text.n;
		if (dot <= 0 || dot > 3)
			return -1;
		unsigned octet = 0;
		bool star = dot == 1 && text.p[0] == '*';
		for (ptrdiff_t j = 0; j < dot && !star; j++) {
			if (!isdigit((unsigned char)text.p[j]))
				return -1;
			octet = octet * 10 + (unsigned)(text.p[j] - '0');
		}
		if (octet > 255)
			return -1;
		value = value << 8 | octet;
		mask = mask << 8 | (star ? 0 : 255);
		text = sv_skip(text, (size_t)dot + 1);
	}
	*ret_value = value;
	*ret_mask = mask;
	return 0;
}

/* "127.0.0.4-127.0.0.7", "bit:8" or one address. */
static int code_pattern(struct sv text, struct dnsbl_code *c)
{
	int64_t bit;
	char number[8];
	ptrdiff_t dash = sv_chr(text, '-');
	uint32_t mask;
	if (sv_starts(text, SV("bit:")) && text.n < 4 + sizeof number) {
		(void)snprintf(number, sizeof number, "%.*s", SVARG(sv_skip(text, 4)));
		if (whole(number, 0xffffff, &bit) < 0 || bit == 0)
			return -1;
		c->bits = true;
		c->low = (uint32_t)bit;
		return 0;
	}
	if (code_address(dash < 0 ? text : sv_take(text, (size_t)dash), &c->low, &c->mask) < 0)
		return -1;
	c->high = c->low;
	return dash < 0 ? 0 : code_address(sv_skip(text, (size_t)dash + 1), &c->high, &mask) < 0 || mask != c->mask || c->high < c->low ? -1 : 0;
}

static struct sv word(struct sv *rest)
{
	while (rest->n && rest->p[0] == ' ')
		*rest = sv_skip(*rest, 1);
	ptrdiff_t blank = sv_chr(*rest, ' ');
	struct sv w = blank < 0 ? *rest : sv_take(*rest, (size_t)blank);
	*rest = sv_skip(*rest, w.n);
	return w;
}

/* "PATTERN [KIND] [POINTS] = MEANING" */
static int code_parse(const char *text, const struct dnsbl_zone *z, struct dnsbl_code *c, struct err *e)
{
	struct sv all = sv_cstr(text), w;
	ptrdiff_t eq = sv_chr(all, '=');
	*c = (struct dnsbl_code){ .kind = z->kind, .points = z->points };
	if (eq < 0)
		return err_set(e, "codes: \"%s\" has no meaning; write \"127.0.0.2 = what it means\"", text);
	struct sv head = sv_take(all, (size_t)eq), meaning = sv_skip(all, (size_t)eq + 1);
	w = word(&head);
	if (code_pattern(w, c) < 0)
		return err_set(e, "codes: \"%.*s\" is no answer; write 127.0.0.2, 127.0.0.4-127.0.0.7, 127.0.*.3 or bit:8", SVARG(w));
	while ((w = word(&head)).n) {
		char number[8];
		int64_t points;
		int kind = dnsbl_kind_named(w);
		(void)snprintf(number, sizeof number, "%.*s", SVARG(w));
		if (kind >= 0)
			c->kind = (uint8_t)kind;
		else if (w.n < sizeof number && whole(number, POINTS_MAX, &points) == 0)
			c->points = (int32_t)points;
		else
			return err_set(e, "codes: \"%.*s\" is neither a kind (block policy info allow neutral refusal) nor points (0 to 100)", SVARG(w));
	}
	if (!dnsbl_is_bad(c->kind))
		c->points = 0;
	while (meaning.n && meaning.p[0] == ' ')
		meaning = sv_skip(meaning, 1);
	c->meaning = xsvdup(meaning);
	return 0;
}

static void add_code(struct loader *l, struct dnsbl_zone *z, const struct conf_value *v)
{
	struct dnsbl_code c;
	struct err e;
	if (z->n_code == CODES_MAX) { /* one that were left out could be the refusal */
		conf_mistake(&l->scan, l->block->file, v->line, "codes: more than %d", CODES_MAX);
		return;
	}
	if (code_parse(v->text, z, &c, &e) < 0) {
		conf_mistake(&l->scan, l->block->file, v->line, "%s", e.text);
		return;
	}
	z->code = xrealloc(z->code, (z->n_code + 1) * sizeof *z->code);
	z->code[z->n_code++] = c;
}

/* --- one zone ----------------------------------------------------------------------------------------------------- */

static const struct conf_item *item_of(const struct loader *l, const char *name)
{
	const struct conf_item *hit = NULL;
	for (size_t i = 0; i < l->scan.n_item; i++)
		if (l->scan.item[i].block == l->at && strcmp(l->scan.item[i].name, name) == 0)
			hit = &l->scan.item[i];
	return hit;
}

static const char *text_of(const struct loader *l, enum field f, const char *fallback)
{
	const struct conf_item *it = item_of(l, field_names[f]);
	return it && it->n ? it->v[0].text : fallback;
}

static void wrong(struct loader *l, enum field f, const char *want)
{
	const struct conf_item *it = item_of(l, field_names[f]);
	conf_mistake(&l->scan, l->block->file, it ? it->line : l->block->line, "%s: \"%s\": want %s", field_names[f], it && it->n ? it->v[0].text : "", want);
}

static int64_t number_of(struct loader *l, enum field f, int64_t fallback, int64_t most)
{
	int64_t v = fallback;
	const char *text = text_of(l, f, NULL);
	if (text && whole(text, most, &v) < 0)
		wrong(l, f, f == POINTS ? "a whole number of nats, 0 to 100" : "a whole number of queries, 0 for no limit");
	return v;
}

static bool bool_of(struct loader *l, enum field f)
{
	const char *text = text_of(l, f, "true");
	if (strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "off") == 0)
		return false;
	if (strcmp(text, "true") && strcmp(text, "yes") && strcmp(text, "on"))
		wrong(l, f, "true or false");
	return true;
}

static void read_targets(struct loader *l, struct dnsbl_zone *z)
{
	const struct conf_item *it = item_of(l, field_names[TARGETS]);
	for (size_t i = 0; it && i < it->n; i++) {
		unsigned t = 0;
		while (t < 3 && strcmp(target_names[t], it->v[i].text))
			t++;
		if (t == 3)
			conf_mistake(&l->scan, l->block->file, it->v[i].line, "targets: \"%s\": want ip4, ip6 or domain", it->v[i].text);
		else
			z->targets |= 1u << t;
	}
	if (!it || !it->n)
		conf_mistake(&l->scan, l->block->file, l->block->line, "zone \"%s\" says of no targets; add targets = { \"ip4\" } (or ip6, domain)", z->name);
}

/* One text for each kind of target that the zone has, in the order ip4 ip6 domain; without the setting what RFC 5782 says; "none": no test. */
static void read_tests(struct loader *l, struct dnsbl_zone *z, enum field f, const char *const rfc[3], char *ret[3])
{
	const struct conf_item *it = item_of(l, field_names[f]);
	size_t given = 0;
	for (unsigned t = 0; t < 3; t++) {
		const char *text = z->targets & 1u << t ? rfc[t] : "";
		if (it && *text)
			text = given < it->n ? it->v[given++].text : it->n ? it->v[it->n - 1].text : "none";
		set(&ret[t], strcmp(text, "none") == 0 ? "" : text);
	}
}

static void check_fields(struct loader *l)
{
	for (size_t i = 0; i < l->scan.n_item; i++) {
		const struct conf_item *it = &l->scan.item[i];
		size_t f = 0;
		while (f < FIELDS && strcmp(field_names[f], it->name))
			f++;
		if (it->block != l->at || f < FIELDS)
			continue;
		const char *near = opt_nearest(it->name, field_names, FIELDS);
		conf_mistake(&l->scan, it->file, it->line, "there is no setting \"%s\" of a zone%s%s%s", it->name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
}

static void check_server(struct loader *l, const struct dnsbl_zone *z)
{
	static const struct conf_key server = { .kind = CONF_SERVERS };
	struct err e;
	if (*z->server && conf_check_value(&server, z->server, "", &e) < 0)
		wrong(l, SERVER, "a name server's address, as 192.0.2.53 or 192.0.2.53@5353");
}

static void read_zone(struct loader *l, struct dnsbl_zone *z)
{
	static const struct { enum field f; size_t at; } texts[] = { { DELIST, offsetof(struct dnsbl_zone, delist) }, { LICENCE, offsetof(struct dnsbl_zone, licence) },
		{ NOTE, offsetof(struct dnsbl_zone, note) }, { KEY, offsetof(struct dnsbl_zone, key_name) }, { SERVER, offsetof(struct dnsbl_zone, server) },
		{ REPLACES, offsetof(struct dnsbl_zone, replaces) }, { FILE_COPY, offsetof(struct dnsbl_zone, file) } };
	int kind = dnsbl_kind_named(sv_cstr(text_of(l, KIND, "block")));
	if (kind < 0 || kind > DNSBL_ALLOW)
		wrong(l, KIND, "block, policy, info or allow");
	z->kind = kind < 0 ? DNSBL_BLOCK : (uint8_t)kind;
	z->points = (int32_t)number_of(l, POINTS, 0, POINTS_MAX);
	z->per_day = number_of(l, PER_DAY, 0, INT64_C(1) << 40);
	z->per_second = number_of(l, PER_SECOND, DEFAULT_PER_SECOND, 1000000);
	z->enabled = bool_of(l, ENABLED);
	z->watch = bool_of(l, WATCH);
	z->registered = strcmp(text_of(l, DOMAINS, "full"), "registered") == 0;
	if (!z->registered && strcmp(text_of(l, DOMAINS, "full"), "full"))
		wrong(l, DOMAINS, "full or registered");
	z->line = l->block->line;
	set(&z->title, text_of(l, TITLE, z->name));
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		set((char **)((char *)z + texts[i].at), text_of(l, texts[i].f, ""));
	check_server(l, z);
	read_targets(l, z);
	read_tests(l, z, TEST_LISTED, rfc_listed, z->test_listed);
	read_tests(l, z, TEST_CLEAN, rfc_clean, z->test_clean);
	const struct conf_item *codes = item_of(l, field_names[CODES]);
	for (size_t i = 0; codes && i < codes->n; i++)
		add_code(l, z, &codes->v[i]);
	check_fields(l);
}

/* "TYPE:PATH"; a relative path is one beside the table. */
static void place_file(struct loader *l, struct dnsbl_zone *z, const char *table)
{
	const char *colon = strchr(z->file, ':');
	if (!*z->file || !*table)
		return;
	if (!colon) {
		wrong(l, FILE_COPY, "TYPE:PATH, as ip4set:/var/lib/rbldnsd/list");
		return;
	}
	char *dir = conf_dir_of(table), *path = conf_path_in(dir, colon + 1);
	struct buf full = { 0 };
	buf_printf(&full, "%.*s:%s", (int)(colon - z->file), z->file, path);
	set(&z->file, buf_cstr(&full));
	buf_fini(&full);
	free(path);
	free(dir);
}

static void zone_fini(struct dnsbl_zone *z)
{
	for (size_t i = 0; i < z->n_code; i++)
		free(z->code[i].meaning);
	for (unsigned t = 0; t < 3; t++) {
		free(z->test_listed[t]);
		free(z->test_clean[t]);
	}
	free(z->code);
	char *const texts[] = { z->name, z->title, z->delist, z->licence, z->note, z->key_name, z->server, z->replaces, z->file };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		free(texts[i]);
	if (z->key)
		explicit_bzero(z->key, strlen(z->key));
	free(z->key);
}

/* A name of a zone: labels of letters, digits, - and _, in lower case. */
static bool name_ok(const char *name)
{
	size_t n = strlen(name), label = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c == '.' ? label == 0 : !(islower(c) || isdigit(c) || c == '-' || c == '_'))
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return n >= 3 && n <= 180 && label > 0 && strchr(name, '.');
}

static struct dnsbl_zone *place(struct dnsbl_zones *z, const char *name)
{
	for (size_t i = 0; i < z->n; i++)
		if (strcmp(z->v[i].name, name) == 0) {
			zone_fini(&z->v[i]);
			memset(&z->v[i], 0, sizeof z->v[i]);
			return &z->v[i];
		}
	z->v = xrealloc(z->v, (z->n + 1) * sizeof *z->v);
	memset(&z->v[z->n], 0, sizeof *z->v);
	return &z->v[z->n++];
}

static void add_zone(struct loader *l)
{
	if (l->z->n == ZONES_MAX || !name_ok(l->block->title)) {
		conf_mistake(&l->scan, l->block->file, l->block->line, l->z->n == ZONES_MAX ? "more zones than can be asked" : "zone \"%s\": no name of a zone (lower case, without a final dot)", l->block->title);
		return;
	}
	struct dnsbl_zone *z = place(l->z, l->block->title);
	z->name = xstrdup(l->block->title);
	read_zone(l, z);
	place_file(l, z, l->path);
}

/* dead and other: what is never asked, and why. */
static void add_dead(struct loader *l)
{
	const struct conf_item *since = item_of(l, "since"), *reason = item_of(l, "reason");
	struct dnsbl_zones *z = l->z;
	if (!reason || !reason->n) {
		conf_mistake(&l->scan, l->block->file, l->block->line, "%s \"%s\" gives no reason; add reason = \"…\"", l->block->name, l->block->title);
		return;
	}
	z->dead = xrealloc(z->dead, (z->n_dead + 1) * sizeof *z->dead);
	z->dead[z->n_dead++] = (struct dnsbl_dead){ xstrdup(l->block->title), xstrdup(since && since->n ? since->v[0].text : ""), xstrdup(reason->v[0].text) };
}

static void add_block(struct loader *l)
{
	const struct conf_block *b = l->block;
	bool zone = strcmp(b->name, "zone") == 0, dead = strcmp(b->name, "dead") == 0 || strcmp(b->name, "other") == 0;
	if (!zone && !dead)
		conf_mistake(&l->scan, b->file, b->line, "there is no section \"%s\" here; write zone \"bl.example\" { … } or dead \"bl.example\" { … }", b->name);
	else if (!b->title || !*b->title)
		conf_mistake(&l->scan, b->file, b->line, "%s needs a name: %s \"bl.example\" { … }", b->name, b->name);
	else if (zone)
		add_zone(l);
	else
		add_dead(l);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static bool key_ok(struct sv key)
{
	for (size_t i = 0; i < key.n; i++)
		if (!isalnum((unsigned char)key.p[i]) && key.p[i] != '-' && key.p[i] != '_')
			return false;
	return key.n > 0 && key.n <= 63;
}

static void give_key(struct dnsbl_zones *z, struct sv name, struct sv key)
{
	for (size_t i = 0; i < z->n; i++) {
		if (!sv_eq(sv_cstr(z->v[i].key_name), name))
			continue;
		free(z->v[i].key);
		z->v[i].key = xsvdup(key);
	}
}

/* The mistakes name the line, never what stands in it. */
static void read_keys(struct loader *l, const char *path)
{
	char line[512];
	struct stat st;
	FILE *f = fopen(path, "re");
	if (!f || fstat(fileno(f), &st) < 0) {
		conf_mistake(&l->scan, path, 0, "cannot read the keys of block lists (%m)");
		if (f)
			fclose(f);
		return;
	}
	if (st.st_mode & S_IRWXO)
		conf_mistake(&l->scan, path, 0, "everybody may read the keys; chmod 640 %s", path);
	for (int n = 1; fgets(line, sizeof line, f); n++) {
		struct sv rest = sv_take(sv_cstr(line), strcspn(line, "\r\n#")), name = word(&rest), key = word(&rest);
		if (!name.n)
			continue;
		if (!key_ok(key) || word(&rest).n)
			conf_mistake(&l->scan, path, n, "want a name and a key of letters and digits, with a blank between");
		else
			give_key(l->z, name, key);
	}
	explicit_bzero(line, sizeof line);
	fclose(f);
}

/* A zone with a key takes the place of the public one. */
static void settle(struct dnsbl_zones *z)
{
	for (size_t i = 0; i < z->n; i++)
		for (size_t j = 0; z->v[i].enabled && z->v[i].key && j < z->n; j++)
			if (strcmp(z->v[j].name, z->v[i].replaces) == 0)
				z->v[j].enabled = false;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

struct dnsbl_zones *dnsbl_zones_load(const char *path, const char *keys_path, conf_mistake_cb *cb, void *ctx)
{
	struct loader l = { .scan = { .cb = cb, .ctx = ctx }, .z = xcalloc(1, sizeof *l.z), .path = path };
	if (*path)
		conf_scan_file(&l.scan, path);
	else
		conf_scan_text(&l.scan, "dnsbl.conf (built in)", sv_make((const char *)embed_zones[0].bytes, embed_zones[0].n));
	for (size_t i = 1; i < l.scan.n_block; i++) {
		l.at = (int)i;
		l.block = &l.scan.block[i];
		add_block(&l);
	}
	if (*keys_path)
		read_keys(&l, keys_path);
	settle(l.z);
	bool bad = l.scan.mistakes > 0;
	conf_scan_fini(&l.scan);
	if (bad) {
		dnsbl_zones_free(l.z);
		return NULL;
	}
	return l.z;
}

void dnsbl_zones_free(struct dnsbl_zones *z)
{
	if (!z)
		return;
	for (size_t i = 0; i < z->n; i++)
		zone_fini(&z->v[i]);
	for (size_t i = 0; i < z->n_dead; i++) {
		free(z->dead[i].name);
		free(z->dead[i].since);
		free(z->dead[i].reason);
	}
	free(z->v);
	free(z->dead);
	free(z);
}

static bool same_name(const char *name, struct sv text)
{
	if (text.n && text.p[text.n - 1] == '.')
		text.n--;
	return strlen(name) == text.n && strncasecmp(name, text.p, text.n) == 0;
}

const struct dnsbl_zone *dnsbl_zone_find(const struct dnsbl_zones *z, struct sv name)
{
	for (size_t i = 0; i < z->n; i++)
		if (same_name(z->v[i].name, name))
			return &z->v[i];
	return NULL;
}

const struct dnsbl_dead *dnsbl_dead_find(const struct dnsbl_zones *z, struct sv name)
{
	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	for (size_t i = 0; i < z->n_dead; i++) {
		const char *dead = z->dead[i].name;
		if (strncmp(dead, "*.", 2) != 0) {
			if (same_name(dead, name))
				return &z->dead[i];
			continue;
		}
		size_t n = strlen(dead + 2);
		if (same_name(dead + 2, name) || (name.n > n + 1 && name.p[name.n - n - 1] == '.' && same_name(dead + 2, sv_skip(name, name.n - n))))
			return &z->dead[i];
	}
	return NULL;
}

static bool matches(const struct dnsbl_code *c, uint32_t code)
{
	return c->bits ? (code & 0xffffff & c->low) != 0 : (code & c->mask) >= c->low && (code & c->mask) <= c->high;
}

/* What weighs more is what the answer means: a refusal voids everything, a listing counts more than a remark. */
static bool outranks(uint8_t a, uint8_t b)
{
	static const uint8_t rank[DNSBL_KINDS] = { [DNSBL_REFUSAL] = 5, [DNSBL_BLOCK] = 4, [DNSBL_POLICY] = 3, [DNSBL_ALLOW] = 2, [DNSBL_INFO] = 1, [DNSBL_NEUTRAL] = 0 };
	return rank[a] > rank[b];
}

uint8_t dnsbl_zone_meaning(const struct dnsbl_zone *z, uint32_t code, int32_t *ret_points, struct buf *ret_meaning)
{
	int kind = -1;
	size_t from = ret_meaning->n;
	*ret_points = 0;
	for (size_t i = 0; i < z->n_code; i++) {
		const struct dnsbl_code *c = &z->code[i];
		if (!matches(c, code))
			continue;
		if (kind < 0 || outranks(c->kind, (uint8_t)kind)) {
			kind = c->kind;
			ret_meaning->n = from;
		} else if (c->kind != kind) {
			continue;
		}
		if (ret_meaning->n > from)
			buf_puts(ret_meaning, "; ");
		buf_puts(ret_meaning, c->meaning);
		*ret_points = c->points > *ret_points ? c->points : *ret_points;
		if (!c->bits)
			break;
	}
	if (kind >= 0)
		return (uint8_t)kind;
	*ret_points = z->points;
	buf_puts(ret_meaning, "listed");
	return z->kind;
}

void dnsbl_zone_delist(const struct dnsbl_zone *z, struct sv target, struct buf *ret)
{
	for (const char *p = z->delist; *p; p++)
		if (p[0] == '%' && p[1] == 't') {
			buf_addsv(ret, target);
			p++;
		} else {
			buf_addc(ret, *p);
		}
}

int dnsbl_zone_suffix(const struct dnsbl_zone *z, struct buf *ret)
{
	if (*z->key_name && !z->key)
		return -1;
	if (z->key) {
		buf_puts(ret, z->key);
		buf_addc(ret, '.');
	}
	buf_puts(ret, z->name);
	return 0;
}
