/* Holds what stands in the file against the table of settings, and says what to do about each difference. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/conf_int.h"
#include "lib/sandbox.h"

#define CHECK_NAMES_MAX 256

struct checker {
	struct conf_scan *s;
	const char *dir;
	const struct opt_table *const *tables;
	size_t n_tables;
};

char *conf_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return xstrdup(".");
	return xsvdup(sv_make(path, slash == path ? 1 : (size_t)(slash - path)));
}

char *conf_path_in(const char *dir, const char *path)
{
	struct buf b = { 0 };
	if (path[0] != '/' && strcmp(dir, ".") != 0)
		buf_printf(&b, "%s/", dir);
	buf_puts(&b, path);
	(void)buf_cstr(&b);
	return b.p; /* the caller takes the bytes over */
}

/* --- one value ----------------------------------------------------------------------------------------------------- */

static int check_file(const char *text, const char *dir, struct err *e)
{
	if (!*text)
		return 0;
	char *full = conf_path_in(dir, text);
	int ok = access(full, R_OK) == 0, why = errno;
	if (!ok)
		err_set(e, "cannot read %s (%s); correct the path, create it, or remove the setting", full, strerror(why));
	free(full);
	return ok ? 0 : -1;
}

static int check_prefix(const char *text, struct err *e)
{
	struct prefix p;
	int r = prefix_parse(sv_cstr(text), &p);
	if (r == 0)
		return 0;
	if (r == -1)
		return err_set(e, "\"%s\" is neither an address nor a network; write 198.51.100.0/24 or 2001:db8::/32", text);
	char net[46];
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = p.bits >= 8 * (i + 1) ? 8 : p.bits > 8 * i ? p.bits - 8 * i : 0;
		p.addr.b[i] &= (uint8_t)(0xff00u >> keep);
	}
	(void)ipaddr_text(&p.addr, net);
	return err_set(e, "\"%s\" has bits set beyond the prefix length; the network is %s%s", text, net, strchr(text, '/'));
}

static int check_domain(const char *text, struct err *e)
{
	size_t n = strlen(text), label = 0;
	if (!n || n > 253)
		return err_set(e, "\"%s\" is not a domain name", text);
	if (text[n - 1] == '.')
		return err_set(e, "\"%s\" ends with a dot, and no address does; leave it out", text);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		label = c == '.' ? 0 : label + 1;
		if (!(isalnum(c) || c == '-' || c == '_' || c == '.' || c >= 0x80) || label > 63 || (c == '.' && (i == 0 || text[i - 1] == '.')))
			return err_set(e, "\"%s\" is not a domain name; write it like isp.example, without @ and without spaces", text);
	}
	return 0;
}

static int check_server(const char *text, struct err *e)
{
	struct ipaddr a;
	char *end = NULL;
	const char *at = strrchr(text, '@');
	long port = at ? strtol(at + 1, &end, 10) : 53;
	if (port < 1 || port > 65535 || (at && (end == at + 1 || *end)) || ipaddr_parse(at ? sv_make(text, (size_t)(at - text)) : sv_cstr(text), &a) < 0)
		return err_set(e, "\"%s\" is no name server; write its address, as 192.0.2.53 or 192.0.2.53@5353", text);
	return 0;
}

static int check_target(const char *text, struct err *e)
{
	struct prefix p;
	if (prefix_parse(sv_cstr(text), &p) == 0)
		return 0;
	return strchr(text, '/') ? check_prefix(text, e) : check_domain(text, e);
}

static int check_ports(const char *text, struct err *e)
{
	size_t n = 0;
	for (const char *p = text; *p; n++) {
		char *end;
		unsigned long port = strtoul(p, &end, 10);
		if (end == p || !isdigit((unsigned char)*p) || port < 1 || port > 65535 || (*end && *end != ' ') || n == 16)
			return err_set(e, "\"%s\" is no list of ports; write up to 16 of them with blanks between, as \"25 587\"", text);
		p = end + strspn(end, " ");
	}
	return n ? 0 : err_set(e, "no port; write for example \"25 587\"");
}

static int check_ending(const char *text, struct err *e)
{
	size_t n = strlen(text);
	bool good = n >= 2 && n <= 16 && text[0] == '.' && isalnum((unsigned char)text[n - 1]);
	for (size_t i = 1; i < n && good; i++)
		good = isalnum((unsigned char)text[i]) || (strchr("._-", text[i]) && text[i - 1] != '.');
	return good ? 0 : err_set(e, "\"%s\" is no ending of a file's name; write it like .exe", text);
}

static int check_count(const char *text, struct err *e)
{
	size_t n = strspn(text, "0123456789");
	return n && n <= 9 && !text[n] ? 0 : err_set(e, "\"%s\" is not a whole number", text);
}

static int check_backup(const char *text, struct err *e)
{
	const char *eq = strchr(text, '=');
	if (!eq || eq == text || !eq[1] || strchr(eq + 1, '='))
		return err_set(e, "\"%s\": write domain=primary, for example \"customer.example=mail.customer.example\"", text);
	char *domain = xsvdup(sv_make(text, (size_t)(eq - text)));
	struct ipaddr a;
	int r = check_domain(domain, e);
	free(domain);
	if (r == 0 && ipaddr_parse(sv_cstr(eq + 1), &a) < 0)
		r = check_domain(eq + 1, e);
	return r;
}

static int check_mail(const char *text, struct err *e)
{
	const char *at = strrchr(text, '@');
	if (!*text)
		return 0;
	if (!at || at == text || strpbrk(text, " <>,;\r\n\t"))
		return err_set(e, "\"%s\" is not one mail address; write it like abuse@isp.example", text);
	return check_domain(at + 1, e);
}

static int check_listen(const char *text, struct err *e)
{
	struct ipaddr a;
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;
	if (!colon || end == colon + 1 || *end || port < 1 || port > 65535 ||
	    ipaddr_parse(sv_make(text, (size_t)(colon - text)), &a) < 0)
		return err_set(e, "\"%s\": write address:port, for example 127.0.0.1:8025 or [::1]:8025", text);
	return 0;
}

static int check_url(const char *text, const char *a, const char *b, struct err *e)
{
	size_t na = strlen(a), nb = strlen(b);
	if (!*text)
		return 0;
	if (((strncmp(text, a, na) == 0 && text[na]) || (strncmp(text, b, nb) == 0 && text[nb])) && !strpbrk(text, " \"<>"))
		return 0;
	return err_set(e, "\"%s\" is not an address that begins with %s or %s", text, a, b);
}

static int check_zone(const char *text, struct err *e)
{
	char path[256];
	if (strcmp(text, "local") == 0 || strcmp(text, "UTC") == 0)
		return 0;
	if ((text[0] == '+' || text[0] == '-') && strlen(text) == 6 && text[3] == ':' && isdigit((unsigned char)text[1]) &&
	    isdigit((unsigned char)text[2]) && isdigit((unsigned char)text[4]) && isdigit((unsigned char)text[5]))
		return 0;
	(void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", text);
	if (isalpha((unsigned char)text[0]) && !strstr(text, "..") && access(path, R_OK) == 0)
		return 0;
	return err_set(e, "\"%s\" is no known time zone; write local, UTC, +02:00 or a name such as Europe/Prague", text);
}

static int check_language(const char *text, struct err *e)
{
	size_t n = strlen(text);
	if (!n || (n >= 2 && islower((unsigned char)text[0]) && islower((unsigned char)text[1]) && (n == 2 || (text[2] == '-' && n <= 8))))
		return 0;
	return err_set(e, "\"%s\" is not a language tag; write en, de, cs, pt-BR, …", text);
}

static int check_user(const char *text, struct err *e)
{
	if (!*text || sandbox_entered() || getpwnam(text)) /* it was looked up when the program started, and cannot be any more */
		return 0;
	return err_set(e, "there is no account \"%s\" on this machine; create it (adduser --system --group %s) or remove the setting", text, text);
}

static int check_duration(const struct conf_key *k, const char *text, struct err *e)
{
	int64_t s = opt_duration_s(text);
	if (s < 0)
		return err_set(e, "\"%s\" is not a duration; write 30s, 5m, 2h, 7d or 4w", text);
	if (s > 100 * 366 * 86400LL)
		return err_set(e, "\"%s\" is more than a hundred years", text);
	if (k->kind == CONF_DAYS && s < 86400)
		return err_set(e, "\"%s\" is less than a day; write at least 1d", text);
	return 0;
}

static int check_bool(const char *text, struct err *e)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(text, words[i]) == 0)
			return 0;
	return err_set(e, "\"%s\" is neither true nor false", text);
}

static int check_uid(const char *text, struct err *e)
{
	size_t n = strspn(text, "0123456789");
	if (n && n <= 10 && !text[n])
		return 0;
	return err_set(e, "\"%s\" is not a numeric user id", text);
}

static int check_store(const char *text, struct err *e)
{
	if (*text && !strstr(text, "://"))
		return 0;
	return err_set(e, "\"%s\" is not a file name; this version keeps its store in an SQLite file", text);
}

int conf_check_value(const struct conf_key *k, const char *text, const char *dir, struct err *e)
{
	switch (k->kind) {
	case CONF_BOOL: return check_bool(text, e);
	case CONF_TIME: case CONF_DAYS: return check_duration(k, text, e);
	case CONF_BYTES:
		return opt_bytes(text) > 0 ? 0 : err_set(e, "\"%s\" is not a size; write 64M or 1G", text);
	case CONF_PATH: return *text ? 0 : err_set(e, "an empty path");
	case CONF_FILE: case CONF_FILES: return check_file(text, dir, e);
	case CONF_STORE: return check_store(text, e);
	case CONF_MAIL: return check_mail(text, e);
	case CONF_LISTEN: return check_listen(text, e);
	case CONF_URL: return check_url(text, "http://", "https://", e);
	case CONF_SMTP_URL: return check_url(text, "smtp://", "smtps://", e);
	case CONF_ZONE: return check_zone(text, e);
	case CONF_LANGUAGE: return check_language(text, e);
	case CONF_USER: return check_user(text, e);
	case CONF_PREFIXES: case CONF_PREFIX_TEXTS: return check_prefix(text, e);
	case CONF_DOMAINS: return check_domain(text, e);
	case CONF_BACKUP: return check_backup(text, e);
	case CONF_UIDS: return check_uid(text, e);
	case CONF_SERVERS: return check_server(text, e);
	case CONF_TARGETS: return check_target(text, e);
	case CONF_COUNT: return check_count(text, e);
	case CONF_PORTS: return check_ports(text, e);
	case CONF_ENDINGS: return check_ending(text, e);
	case CONF_TEXTS:
		return *text ? 0 : err_set(e, "an empty value");
	case CONF_WORD: case CONF_TEXT: break;
	}
	return 0;
}

/* --- names --------------------------------------------------------------------------------------------------------- */

static const char *hint(const char *name, const char *const *known, size_t n, char *out, size_t cap)
{
	const char *near = opt_nearest(name, known, n);
	if (near)
		(void)snprintf(out, cap, "; did you mean %s?", near);
	else
		(void)snprintf(out, cap, "; see abusewatch.conf(5)");
	return out;
}

static size_t names_of_section(const char *section, const char **names)
{
	size_t n = 0;
	for (const struct conf_key *k = conf_keys; k->name; k++)
		if (strcmp(k->section, section) == 0)
			names[n++] = k->name;
	if (!*section)
		for (const struct conf_section *s = conf_sections; s->name; s++)
			names[n++] = s->name;
	return n;
}

static size_t titles_of(const struct checker *c, const char *section, const char **names)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n_tables && n < CHECK_NAMES_MAX; i++)
		if (strcmp(c->tables[i]->section, section) == 0)
			names[n++] = c->tables[i]->title;
	return n;
}

static void unknown_name(const struct checker *c, const struct conf_item *it, const char *section)
{
	const char *names[CHECK_NAMES_MAX];
	char near[128];
	size_t n = names_of_section(section, names);
	const char *where = *section ? " in section " : "";
	/* The right setting in the wrong place is commoner than a typing mistake that resembles another name. */
	for (const struct conf_key *k = conf_keys; k->name; k++)
		if (strcmp(k->name, it->name) == 0) {
			conf_mistake(c->s, it->file, it->line, "%s does not belong %s%s; it belongs %s%s", it->name, *section ? "into section " : "at the top level",
			             section, *k->section ? "into section " : "to the top level", k->section);
			return;
		}
	conf_mistake(c->s, it->file, it->line, "unknown setting %s%s%s%s", it->name, where, section, hint(it->name, names, n, near, sizeof near));
}

static void unknown_section(const struct checker *c, const struct conf_block *b)
{
	const char *names[CHECK_NAMES_MAX];
	char near[128];
	size_t n = 0;
	if (conf_key_find("", b->name)) {
		conf_mistake(c->s, b->file, b->line, "%s is a setting, not a section; write %s = { … }", b->name, b->name);
		return;
	}
	for (const struct conf_section *s = conf_sections; s->name; s++)
		names[n++] = s->name;
	conf_mistake(c->s, b->file, b->line, "unknown section %s%s", b->name, hint(b->name, names, n, near, sizeof near));
}

/* A word out of the row's list, or out of the tables that the program brought (nothing to say when it brought none). */
static void check_word(const struct checker *c, const struct conf_item *it, const struct conf_key *k, const struct conf_value *v)
{
	const char *names[CHECK_NAMES_MAX];
	char near[128], words[128], *save = NULL;
	size_t n = titles_of(c, k->words, names);
	if (!n && strcmp(k->words, "mta") == 0)
		return;
	(void)snprintf(words, sizeof words, "%s", k->words);
	if (!n)
		for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
			names[n++] = w;
	else
		names[n++] = "auto";
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], v->text) == 0)
			return;
	struct buf all = { 0 };
	for (size_t i = 0; i < n; i++)
		buf_printf(&all, "%s%s", i ? i + 1 < n ? ", " : " or " : "", names[i]);
	const char *close = opt_nearest(v->text, names, n);
	(void)snprintf(near, sizeof near, "; did you mean %s?", close ? close : "");
	conf_mistake(c->s, it->file, v->line, "%s = \"%s\" is unknown; write %s%s", it->name, v->text, buf_cstr(&all), close ? near : "");
	buf_fini(&all);
}

static void check_language_known(const struct checker *c, const struct conf_item *it, const struct conf_value *v)
{
	const char *names[CHECK_NAMES_MAX];
	char near[128];
	size_t n = titles_of(c, "language", names);
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], v->text) == 0)
			return;
	for (size_t i = 0; i < c->s->n_item; i++)
		if (strcmp(c->s->item[i].name, "letters-dir") == 0)
			return; /* own letters may be in any language */
	if (n)
		conf_mistake(c->s, it->file, v->line, "%s: there are no letters in language \"%s\"%s", it->name, v->text,
		             hint(v->text, names, n, near, sizeof near));
}

static void check_item(const struct checker *c, const struct conf_item *it, const struct conf_key *k)
{
	if (!CONF_IS_LIST(k->kind) && it->n != 1) {
		if (it->n)
			conf_mistake(c->s, it->file, it->line, "%s takes one value, not a list", it->name);
		return;
	}
	for (size_t i = 0; i < it->n; i++) {
		struct err e;
		if (strstr(it->v[i].text, "${"))
			continue; /* from the environment: only libconfuse knows it */
		if (conf_check_value(k, it->v[i].text, c->dir, &e) < 0)
			conf_mistake(c->s, it->file, it->v[i].line, "%s: %s", it->name, e.text);
		else if (k->kind == CONF_WORD)
			check_word(c, it, k, &it->v[i]);
		else if (k->kind == CONF_LANGUAGE && it->v[i].text[0])
			check_language_known(c, it, &it->v[i]);
	}
}

static const struct opt_table *table_of(const struct checker *c, const char *section, const char *title)
{
	for (size_t i = 0; i < c->n_tables; i++)
		if (strcmp(c->tables[i]->section, section) == 0 && strcmp(c->tables[i]->title, title) == 0)
			return c->tables[i];
	return NULL;
}

bool conf_is_tabled(const char *section)
{
	return strcmp(section, "detector") == 0 || strcmp(section, "policy") == 0;
}

static void check_tabled_item(const struct checker *c, const struct conf_item *it, const struct opt_table *t)
{
	struct err e;
	static const struct conf_key enabled = { "detector", "enabled", CONF_BOOL, 0, "true", NULL };
	if (it->n != 1) {
		if (it->n)
			conf_mistake(c->s, it->file, it->line, "%s takes one value, not a list", it->name);
		return;
	}
	if (strcmp(it->name, "enabled") == 0) {
		check_item(c, it, &enabled);
		return;
	}
	if (!t)
		return;
	void *values = xcalloc(1, t->struct_bytes);
	opt_defaults(t, values);
	if (opt_set(t, values, it->name, it->v[0].text, &e) < 0)
		conf_mistake(c->s, it->file, it->line, "%s", e.text);
	opt_fini(t, values);
	free(values);
}

static void check_twice(const struct checker *c, size_t i)
{
	const struct conf_item *it = &c->s->item[i];
	for (size_t j = 0; j < i && !it->append; j++)
		if (c->s->item[j].block == it->block && strcmp(c->s->item[j].name, it->name) == 0) {
			conf_mistake(c->s, it->file, it->line, "%s is set a second time (first at line %d); keep one of them", it->name, c->s->item[j].line);
			return;
		}
}

static void check_items(const struct checker *c)
{
	for (size_t i = 0; i < c->s->n_item; i++) {
		const struct conf_item *it = &c->s->item[i];
		const struct conf_block *b = &c->s->block[it->block];
		if (it->block && !conf_section_find(b->name))
			continue; /* the section is the mistake */
		check_twice(c, i);
		if (conf_is_tabled(b->name)) {
			check_tabled_item(c, it, b->title ? table_of(c, b->name, b->title) : NULL);
			continue;
		}
		const struct conf_key *k = conf_key_find(b->name, it->name);
		if (k)
			check_item(c, it, k);
		else if (!it->block && conf_section_find(it->name))
			conf_mistake(c->s, it->file, it->line, "%s is a section; write %s%s { … } without =", it->name, it->name,
			             conf_section_find(it->name)->titled ? " \"name\"" : "");
		else
			unknown_name(c, it, b->name);
	}
}

static void check_required(const struct checker *c, size_t block)
{
	const struct conf_block *b = &c->s->block[block];
	for (const struct conf_key *k = conf_keys; k->name; k++) {
		bool given = k->fallback != NULL || strcmp(k->section, b->name) != 0;
		for (size_t i = 0; i < c->s->n_item && !given; i++)
			given = (size_t)c->s->item[i].block == block && strcmp(c->s->item[i].name, k->name) == 0;
		if (!given)
			conf_mistake(c->s, b->file, b->line, "%s \"%s\" has no %s; add %s = …", b->name, b->title ? b->title : "", k->name, k->name);
	}
}

/* Detectors and policy rules: the program knows which there are. */
static void check_tabled(const struct checker *c, const struct conf_block *b)
{
	const char *names[CHECK_NAMES_MAX];
	char near[128];
	size_t n = titles_of(c, b->name, names);
	if (n && !table_of(c, b->name, b->title))
		conf_mistake(c->s, b->file, b->line, "unknown %s \"%s\"%s", b->name, b->title, hint(b->title, names, n, near, sizeof near));
}

static void check_block(const struct checker *c, size_t i)
{
	const struct conf_block *b = &c->s->block[i];
	const struct conf_section *known = conf_section_find(b->name);
	if (!known) {
		unknown_section(c, b);
		return;
	}
	if (known->titled && (!b->title || !*b->title))
		conf_mistake(c->s, b->file, b->line, "a section %s needs a name; write %s \"name\" { … }", b->name, b->name);
	else if (!known->titled && b->title)
		conf_mistake(c->s, b->file, b->line, "the section %s has no name; write %s { … }", b->name, b->name);
	for (size_t j = 1; j < i; j++) {
		const struct conf_block *o = &c->s->block[j];
		if (strcmp(o->name, b->name) == 0 && (!known->titled || (b->title && o->title && strcmp(o->title, b->title) == 0))) {
			conf_mistake(c->s, b->file, b->line, "%s%s%s%s is there already (line %d); join the two or rename one", b->name,
			             b->title ? " \"" : "", b->title ? b->title : "", b->title ? "\"" : "", o->line);
			break;
		}
	}
	check_required(c, i);
	if (conf_is_tabled(b->name) && b->title)
		check_tabled(c, b);
}

void conf_check(struct conf_scan *s, const char *dir, const struct opt_table *const *tables, size_t n_tables)
{
	struct checker c = { s, dir, tables, n_tables };
	for (size_t i = 1; i < s->n_block; i++)
		check_block(&c, i);
	check_items(&c);
	conf_check_relations(s);
}
