#include "probe/zonefile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/hash.h"
#include "lib/msg.h"
#include "lib/times.h"
#include "probe/verdict.h"

#define ENTRIES_MOST (64u << 20)
#define LINE_MOST 4096
#define OLD_US (7 * US_PER_DAY)   /* a copy of that age was forgotten by who fetches it */
#define DEFAULT_CODE 0x7f000002u  /* rbldnsd(8): "127.0.0.2" when nothing is said */
#define EXCLUDED (-1)
#define NOTHING (-2)

typedef unsigned __int128 u128;
enum type { IP4SET, IP4TRIE, IP4TSET, IP6TRIE, IP6TSET, DNSET, TYPES };
static const char *const type_names[TYPES] = { "ip4set", "ip4trie", "ip4tset", "ip6trie", "ip6tset", "dnset" };

struct value { uint32_t code; uint32_t at, n; }; /* its text lies in the file's texts */
struct entry { u128 low, high; int32_t value; uint32_t nth; };
struct name { uint64_t key; int32_t exact, below; }; /* EXCLUDED, NOTHING or a value */

struct content {
	struct value *value; size_t n_value, cap_value;
	struct buf texts;
	uint32_t *low4; u128 *low6; int32_t *of; size_t n; /* disjoint pieces: from low on it is of[i] */
	struct name *name; size_t n_name, cap_name; /* open addressing; key 0 is free */
	size_t entries, bad;
};

struct zonefile {
	enum type type;
	char *path;
	struct stat seen;
	struct content c;
};

/* What stands while a file is read. */
struct loader { struct zonefile *f; struct content c; struct entry *entry; size_t n, cap; int32_t standard; };

static const struct hash_key name_hash = { "abusewatch dnset" };

/* --- values ------------------------------------------------------------------------------------------------------- */

static uint32_t code_of(struct sv text)
{
	struct ipaddr a;
	char *end, number[8];
	if (ipaddr_parse(text, &a) == 0 && ipaddr_is_v4(&a))
		return (uint32_t)a.b[12] << 24 | (uint32_t)a.b[13] << 16 | (uint32_t)a.b[14] << 8 | a.b[15];
	if (!text.n || text.n >= sizeof number)
		return 0;
	(void)snprintf(number, sizeof number, "%.*s", SVARG(text));
	unsigned long v = strtoul(number, &end, 10); /* ":2:" is 127.0.0.2 */
	return *end || v > 255 ? 0 : 0x7f000000u | (uint32_t)v;
}

static int32_t add_value(struct content *c, uint32_t code, struct sv text)
{
	if (c->n_value) {
		const struct value *last = &c->value[c->n_value - 1]; /* lists repeat themselves */
		if (last->code == code && sv_eq(sv_make(c->texts.p + last->at, last->n), text))
			return (int32_t)c->n_value - 1;
	}
	if (c->n_value == c->cap_value) {
		c->cap_value = c->cap_value ? c->cap_value * 2 : 64;
		c->value = xrealloc(c->value, c->cap_value * sizeof *c->value);
	}
	c->value[c->n_value] = (struct value){ code, (uint32_t)c->texts.n, (uint32_t)text.n };
	buf_addsv(&c->texts, text);
	buf_addc(&c->texts, 0);
	return (int32_t)c->n_value++;
}

/* ":127.0.0.4:text", ":4:text", ":4" or only a text. */
static int32_t read_value(struct loader *l, struct sv rest)
{
	const struct value *standard = &l->c.value[l->standard];
	uint32_t code = standard->code;
	struct sv text = sv_make(l->c.texts.p + standard->at, standard->n);
	while (rest.n && isspace((unsigned char)rest.p[0]))
		rest = sv_skip(rest, 1);
	if (!rest.n || rest.p[0] == '#')
		return l->standard;
	if (rest.p[0] == ':') {
		rest = sv_skip(rest, 1);
		ptrdiff_t colon = sv_chr(rest, ':');
		uint32_t given = code_of(colon < 0 ? rest : sv_take(rest, (size_t)colon));
		code = given ? given : code;
		rest = colon < 0 ? sv_make("", 0) : sv_skip(rest, (size_t)colon + 1);
	}
	struct buf copy = { 0 };
	buf_addsv(&copy, rest.n ? rest : text); /* the texts may move */
	int32_t v = add_value(&l->c, code, buf_sv(&copy));
	buf_fini(&copy);
	return v;
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static u128 number_of(const struct ipaddr *a, bool v6)
{
	u128 v = 0;
	for (int i = v6 ? 0 : 12; i < 16; i++)
		v = v << 8 | a->b[i];
	return v;
}

static int add_entry(struct loader *l, u128 low, u128 high, int32_t value)
{
	if (l->n == ENTRIES_MOST)
		return -1;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 1024;
		l->entry = xrealloc(l->entry, l->cap * sizeof *l->entry);
	}
	l->entry[l->n] = (struct entry){ low, high, value, (uint32_t)l->n };
	l->n++;
	return 0;
}

/* A range in pieces that are prefixes, so that any two entries are one in the other or apart. */
static int add_range(struct loader *l, u128 low, u128 high, int32_t value)
{
	while (low <= high) {
		u128 size = low ? low & (~low + 1) : (u128)1 << 32;
		while (size > high - low + 1)
			size >>= 1;
		if (add_entry(l, low, low + size - 1, value) < 0)
			return -1;
		low += size;
	}
	return 0;
}

/* "192", "192.0.2" and "192.0.2.1" are octets from the left; *ret_bits how many bits they say. */
static int octets(struct sv text, uint32_t *ret, unsigned *ret_bits)
{
	uint32_t v = 0;
	unsigned n = 0;
	while (n < 4) {
		unsigned o = 0, digits = 0;
		while (text.n && isdigit((unsigned char)text.p[0]) && digits < 4) {
			o = o * 10 + (unsigned)(text.p[0] - '0');
			digits++;
			text = sv_skip(text, 1);
		}
		if (!digits || o > 255)
			return -1;
		v = v << 8 | o;
		n++;
		if (!text.n)
			break;
		if (text.p[0] != '.' || n == 4)
			return -1;
		text = sv_skip(text, 1);
	}
	*ret = n == 4 ? v : v << (32 - 8 * n);
	*ret_bits = 8 * n;
	return 0;
}

static int small_number(struct sv text, unsigned most, unsigned *ret)
{
	unsigned v = 0;
	if (!text.n || text.n > 3)
		return -1;
	for (size_t i = 0; i < text.n; i++) {
		if (!isdigit((unsigned char)text.p[i]))
			return -1;
		v = v * 10 + (unsigned)(text.p[i] - '0');
	}
	*ret = v;
	return v > most ? -1 : 0;
}

/* The last address of "-9", "-1.2.4" or "-1.2.4.9" behind a first one of given bits: written as widely, or its last octet alone. */
static int range_end(struct sv to, uint32_t low, unsigned bits, uint32_t *ret)
{
	unsigned n, to_bits = bits;
	if (sv_chr(to, '.') < 0 && bits > 8) {
		if (small_number(to, 255, &n) < 0)
			return -1;
		*ret = (low & ~(UINT32_C(255) << (32 - bits))) | n << (32 - bits);
	} else if (octets(to, ret, &to_bits) < 0 || to_bits != bits) {
		return -1;
	}
	*ret |= bits == 32 ? 0 : UINT32_MAX >> bits;
	return 0;
}

/* "1.2.3.4", "1.2.3", "1.2.3.0/24", "1.2.3.4-9", "1.2.3-1.2.5", "1.2.3-5"; as rbldnsd takes them. */
static int line4(struct loader *l, struct sv word, int32_t value)
{
	ptrdiff_t slash = sv_chr(word, '/'), dash = sv_chr(word, '-');
	size_t head = slash >= 0 ? (size_t)slash : dash >= 0 ? (size_t)dash : word.n;
	uint32_t low, high, host;
	unsigned bits;
	if (octets(sv_take(word, head), &low, &bits) < 0)
		return -1;
	if (slash >= 0 && small_number(sv_skip(word, head + 1), 32, &bits) < 0)
		return -1;
	host = bits == 32 ? 0 : bits ? UINT32_MAX >> bits : UINT32_MAX;
	if (low & host)
		return -1; /* bits behind the prefix: nobody knows what was meant */
	high = low | host;
	if (slash < 0 && dash >= 0 && range_end(sv_skip(word, head + 1), low, bits, &high) < 0)
		return -1;
	return high < low ? -1 : add_range(l, low, high, value);
}

static int line6(struct loader *l, struct sv word, int32_t value)
{
	struct ipaddr a;
	ptrdiff_t slash = sv_chr(word, '/');
	unsigned bits = l->f->type == IP6TSET ? 64 : 128;
	if (ipaddr_parse(slash < 0 ? word : sv_take(word, (size_t)slash), &a) < 0 || (slash >= 0 && small_number(sv_skip(word, (size_t)slash + 1), 128, &bits) < 0))
		return -1;
	u128 low = number_of(&a, true), host = bits == 128 ? 0 : bits ? ~(u128)0 >> bits : ~(u128)0;
	return add_entry(l, low & ~host, low | host, value);
}

static int by_place(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	if (x->high != y->high)
		return x->high > y->high ? -1 : 1;
	return x->nth > y->nth ? -1 : 1; /* of two that are the same the first one speaks, as with rbldnsd */
}

static void piece(struct content *c, bool v6, u128 low, int32_t value)
{
	if (c->n && (v6 ? c->low6[c->n - 1] == low : c->low4[c->n - 1] == (uint32_t)low))
		c->n--; /* the narrower one begins at the same place */
	if (c->n && c->of[c->n - 1] == value)
		return;
	if (v6)
		c->low6[c->n] = low;
	else
		c->low4[c->n] = (uint32_t)low;
	c->of[c->n++] = value;
}

/* Nested prefixes become pieces that do not overlap; the narrowest one speaks. */
static void flatten(struct loader *l, bool v6)
{
	struct content *c = &l->c;
	u128 last = v6 ? ~(u128)0 : UINT32_MAX;
	const struct entry *open[160] = { NULL };
	size_t depth = 0;
	if (l->n)
		qsort(l->entry, l->n, sizeof *l->entry, by_place);
	c->of = xmalloc((2 * l->n + 1) * sizeof *c->of);
	if (v6)
		c->low6 = xmalloc((2 * l->n + 1) * sizeof *c->low6);
	else
		c->low4 = xmalloc((2 * l->n + 1) * sizeof *c->low4);
	for (size_t i = 0; i <= l->n; i++) {
		const struct entry *at = i < l->n ? &l->entry[i] : NULL;
		while (depth && (!at || open[depth - 1]->high < at->low)) {
			u128 end = open[--depth]->high;
			while (depth && open[depth - 1]->high == end)
				depth--;
			if (end != last)
				piece(c, v6, end + 1, depth ? open[depth - 1]->value : NOTHING);
		}
		if (at && depth < sizeof open / sizeof *open) {
			piece(c, v6, at->low, at->value);
			open[depth++] = at;
		}
	}
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static uint64_t name_key(struct sv name)
{
	uint64_t h = hash_folded(&name_hash, name);
	return h ? h : 1;
}

static struct name *name_at(const struct content *c, uint64_t key)
{
	size_t i = key & (c->cap_name - 1);
	while (c->name[i].key && c->name[i].key != key)
		i = (i + 1) & (c->cap_name - 1);
	return &c->name[i];
}

static void grow_names(struct content *c)
{
	struct name *old = c->name;
	size_t cap = c->cap_name;
	c->cap_name = cap ? cap * 2 : 1024;
	c->name = xcalloc(c->cap_name, sizeof *c->name);
	for (size_t i = 0; i < cap; i++)
		if (old[i].key)
			*name_at(c, old[i].key) = old[i];
	free(old);
}

/* "bad.example" is that name, ".bad.example" it and what is below, "*.bad.example" only what is below. */
static int line_name(struct loader *l, struct sv word, int32_t value)
{
	struct content *c = &l->c;
	bool below = sv_starts(word, SV("*.")), both = !below && word.n && word.p[0] == '.';
	word = sv_skip(word, below ? 2 : both ? 1 : 0);
	if (word.n && word.p[word.n - 1] == '.')
		word.n--;
	if (!word.n || word.n > 253 || c->n_name == ENTRIES_MOST)
		return -1;
	if (2 * (c->n_name + 1) > c->cap_name)
		grow_names(c);
	uint64_t key = name_key(word);
	struct name *n = name_at(c, key);
	if (!n->key) {
		*n = (struct name){ key, NOTHING, NOTHING };
		c->n_name++;
	}
	if (!below)
		n->exact = value;
	if (below || both)
		n->below = value;
	return 0;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static void read_line(struct loader *l, struct sv line)
{
	while (line.n && isspace((unsigned char)line.p[line.n - 1]))
		line.n--;
	while (line.n && isspace((unsigned char)line.p[0]))
		line = sv_skip(line, 1);
	if (!line.n || line.p[0] == '#' || line.p[0] == ';' || line.p[0] == '$')
		return;
	if (line.p[0] == ':' && !(line.n > 1 && line.p[1] == ':')) { /* "::1" is an address */
		l->standard = read_value(l, line);
		return;
	}
	bool excluded = line.p[0] == '!';
	line = sv_skip(line, excluded);
	size_t n = 0;
	while (n < line.n && !isspace((unsigned char)line.p[n]) && !(line.p[n] == ':' && l->f->type < IP6TRIE))
		n++;
	int32_t value = excluded ? EXCLUDED : read_value(l, sv_skip(line, n));
	struct sv word = sv_take(line, n);
	int bad = l->f->type == DNSET ? line_name(l, word, value) : l->f->type >= IP6TRIE ? line6(l, word, value) : line4(l, word, value);
	if (bad)
		l->c.bad++;
	else
		l->c.entries++;
}

static void content_fini(struct content *c)
{
	free(c->value);
	buf_fini(&c->texts);
	free(c->low4);
	free(c->low6);
	free(c->of);
	free(c->name);
}

static void read_all(struct zonefile *f, FILE *in)
{
	struct loader l = { .f = f };
	char line[LINE_MOST];
	l.standard = add_value(&l.c, DEFAULT_CODE, sv_make("", 0));
	while (fgets(line, sizeof line, in))
		read_line(&l, sv_cstr(line));
	if (f->type == DNSET && !l.c.cap_name)
		grow_names(&l.c);
	if (f->type != DNSET)
		flatten(&l, f->type >= IP6TRIE);
	free(l.entry);
	content_fini(&f->c);
	f->c = l.c;
}

static int load(struct zonefile *f, struct err *e)
{
	FILE *in = fopen(f->path, "re");
	if (!in || fstat(fileno(in), &f->seen) < 0) {
		if (in)
			fclose(in);
		return err_set(e, "%s: cannot be read: %s", f->path, strerror(errno));
	}
	read_all(f, in);
	fclose(in);
	if (f->c.bad)
		msg_warn("%s: %zu line%s not understood, so what %s told as not listed", f->path, f->c.bad, f->c.bad == 1 ? " is" : "s are", f->c.bad == 1 ? "it lists is" : "they list is");
	return 0;
}

static int type_named(struct sv name)
{
	for (int i = 0; i < TYPES; i++)
		if (sv_eq(sv_cstr(type_names[i]), name))
			return i;
	return -1;
}

struct zonefile *zonefile_read(const char *type, FILE *in)
{
	struct zonefile *f = xcalloc(1, sizeof *f);
	int t = type_named(sv_cstr(type));
	f->type = t < 0 ? IP4SET : (enum type)t;
	f->path = xstrdup("");
	read_all(f, in);
	return f;
}

struct zonefile *zonefile_open(const char *spec, struct err *e)
{
	const char *colon = strchr(spec, ':');
	int type = colon ? type_named(sv_make(spec, (size_t)(colon - spec))) : -1;
	if (type < 0) {
		err_set(e, "\"%s\": write TYPE:PATH with one of the types ip4set ip4trie ip4tset ip6trie ip6tset dnset", spec);
		return NULL;
	}
	struct zonefile *f = xcalloc(1, sizeof *f);
	f->type = (enum type)type;
	f->path = xstrdup(colon + 1);
	if (load(f, e) == 0)
		return f;
	zonefile_close(f);
	return NULL;
}

void zonefile_close(struct zonefile *f)
{
	if (!f)
		return;
	content_fini(&f->c);
	free(f->path);
	free(f);
}

void zonefile_refresh(struct zonefile *f)
{
	struct stat now;
	struct err e;
	if (stat(f->path, &now) < 0)
		return;
	if (now.st_ino != f->seen.st_ino || now.st_size != f->seen.st_size || now.st_mtim.tv_sec != f->seen.st_mtim.tv_sec || now.st_mtim.tv_nsec != f->seen.st_mtim.tv_nsec)
		(void)load(f, &e);
}

uint8_t zonefile_health(const struct zonefile *f, int64_t now_us)
{
	if (now_us - (int64_t)f->seen.st_mtim.tv_sec * US_PER_S > OLD_US)
		return HEALTH_UNREACHABLE;
	return f->c.entries ? HEALTH_GOOD : HEALTH_SILENT;
}

void zonefile_lines(const struct zonefile *f, size_t *ret_entries, size_t *ret_bad)
{
	*ret_entries = f->c.entries;
	*ret_bad = f->c.bad;
}

/* --- looking up --------------------------------------------------------------------------------------------------- */

static uint32_t answer(const struct content *c, int32_t value, struct sv *ret_text)
{
	*ret_text = sv_make("", 0);
	if (value < 0)
		return 0;
	*ret_text = sv_make(c->texts.p + c->value[value].at, c->value[value].n);
	return c->value[value].code;
}

uint32_t zonefile_address(const struct zonefile *f, const struct ipaddr *a, bool v6, struct sv *ret_text)
{
	const struct content *c = &f->c;
	u128 v = number_of(a, v6);
	size_t low = 0, high = c->n;
	*ret_text = sv_make("", 0);
	if (f->type == DNSET || (f->type >= IP6TRIE) != v6)
		return 0;
	while (low < high) { /* the first piece that begins behind it */
		size_t mid = low + (high - low) / 2;
		if (v6 ? c->low6[mid] <= v : c->low4[mid] <= (uint32_t)v)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? answer(c, c->of[low - 1], ret_text) : 0;
}

uint32_t zonefile_domain(const struct zonefile *f, struct sv domain, struct sv *ret_text)
{
	*ret_text = sv_make("", 0);
	if (f->type != DNSET)
		return 0;
	for (bool exact = true; domain.n; exact = false) {
		const struct name *n = name_at(&f->c, name_key(domain));
		int32_t value = n->key ? (exact ? n->exact : n->below) : NOTHING;
		if (value != NOTHING)
			return answer(&f->c, value, ret_text);
		ptrdiff_t dot = sv_chr(domain, '.');
		domain = dot < 0 ? sv_make("", 0) : sv_skip(domain, (size_t)dot + 1);
	}
	return 0;
}

void zonefile_text(struct sv text, struct sv target, struct buf *ret)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '$')
			buf_addsv(ret, target);
		else
			buf_addc(ret, text.p[i]);
}
