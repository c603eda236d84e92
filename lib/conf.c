#include "lib/conf.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/conf_int.h"
#include "lib/msg.h"
#include "lib/sandbox.h"

#define CONF_OPTS_MAX 128

struct reader {
	struct conf_scan scan;
	struct conf *c;
	char *dir;
	cfg_t *cfg;
};

static struct reader *reading; /* libconfuse hands no context to its callbacks; conf_load is not re-entrant */

static void on_error(cfg_t *cfg, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[512];
	(void)vsnprintf(text, sizeof text, fmt, ap);
	conf_mistake(&reading->scan, cfg && cfg->filename ? cfg->filename : reading->c->path, cfg ? cfg->line : 0, "%s", text);
}

static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	char *full = conf_path_in(reading->dir, argc ? argv[0] : "");
	const char *arg[] = { full };
	int r = cfg_include(cfg, opt, 1, arg);
	free(full);
	return r;
}

static cfg_opt_t make_opt(const char *name, bool list)
{
	cfg_opt_t one = CFG_STR(name, NULL, CFGF_NONE), many = CFG_STR_LIST(name, NULL, CFGF_NONE);
	return list ? many : one;
}

static size_t add_keys(const char *section, cfg_opt_t *out)
{
	size_t n = 0;
	for (const struct conf_key *k = conf_keys; k->name && n < CONF_OPTS_MAX - 1; k++)
		if (strcmp(k->section, section) == 0)
			out[n++] = make_opt(k->name, CONF_IS_LIST(k->kind));
	return n;
}

/* Detectors' options are known to the detectors, not here: whatever stands in the file is an option. */
static size_t add_tabled_keys(const struct conf_scan *s, const char *section, cfg_opt_t *out)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_item && n < CONF_OPTS_MAX - 1; i++) {
		bool known = strcmp(s->block[s->item[i].block].name, section) != 0;
		for (size_t j = 0; j < n && !known; j++)
			known = strcmp(out[j].name, s->item[i].name) == 0;
		if (!known)
			out[n++] = make_opt(s->item[i].name, false);
	}
	return n;
}

static cfg_t *parse(struct reader *r)
{
	static const cfg_opt_t end = CFG_END(), include = CFG_FUNC("include", on_include);
	cfg_opt_t sub[12][CONF_OPTS_MAX], top[CONF_OPTS_MAX];
	size_t n = add_keys("", top), i = 0;
	for (const struct conf_section *s = conf_sections; s->name; s++, i++) {
		size_t m = conf_is_tabled(s->name) ? add_tabled_keys(&r->scan, s->name, sub[i]) : add_keys(s->name, sub[i]);
		sub[i][m++] = include;
		sub[i][m] = end;
		cfg_opt_t sec = CFG_SEC(s->name, sub[i], s->titled ? CFGF_MULTI | CFGF_TITLE : CFGF_NONE);
		top[n++] = sec;
	}
	top[n++] = include;
	top[n] = end;
	cfg_t *cfg = cfg_init(top, CFGF_NONE);
	cfg_set_error_function(cfg, on_error);
	int result = cfg_parse(cfg, r->c->path);
	if (result == CFG_FILE_ERROR)
		conf_mistake(&r->scan, r->c->path, 0, "cannot read the configuration (%m)%s", errno == EACCES ? "; its group may as a rule: chgrp abusewatch FILE, chmod 640 FILE; or try as root" : "");
	return cfg;
}

/* --- values into the struct ---------------------------------------------------------------------------------------- */

static void list_add(struct conf_list *l, char *text)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
	l->v[l->n++] = text;
}

static void add_backup(struct conf *c, const char *text)
{
	const char *eq = strchr(text, '=');
	c->backup = xrealloc(c->backup, (c->n_backup + 1) * sizeof *c->backup);
	c->backup[c->n_backup++] = (struct conf_backup){ xsvdup(sv_make(text, (size_t)(eq - text))), xstrdup(eq + 1) };
}

static void add_prefix(struct prefix_table *t, const char *text)
{
	struct prefix p;
	if (prefix_parse(sv_cstr(text), &p) < 0)
		return;
	p.value = (uint32_t)t->n;
	prefix_table_add(t, &p);
}

static void set_text(char **at, char *text)
{
	free(*at);
	*at = text;
}

static void store_value(struct reader *r, const struct conf_key *k, void *base, const char *text)
{
	void *at = (char *)base + k->offset;
	switch (k->kind) {
	case CONF_BOOL:
		*(bool *)at = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0;
		break;
	case CONF_TIME: *(int64_t *)at = opt_duration_s(text); break;
	case CONF_DAYS: *(int64_t *)at = opt_duration_s(text) / 86400; break;
	case CONF_BYTES: *(int64_t *)at = opt_bytes(text); break;
	case CONF_PATH: case CONF_FILE: case CONF_STORE:
		set_text(at, *text ? conf_path_in(r->dir, text) : xstrdup(""));
		break;
	case CONF_FILES: list_add(at, conf_path_in(r->dir, text)); break;
	case CONF_PREFIXES: add_prefix(at, text); break;
	case CONF_DOMAINS: case CONF_TEXTS: case CONF_UIDS: case CONF_PREFIX_TEXTS: case CONF_SERVERS:
	case CONF_TARGETS: case CONF_ENDINGS:
		list_add(at, xstrdup(text));
		break;
	case CONF_COUNT: *(int64_t *)at = strtoll(text, NULL, 10); break;
	case CONF_BACKUP: add_backup(r->c, text); break;
	case CONF_TEXT: case CONF_WORD: case CONF_MAIL: case CONF_LISTEN: case CONF_URL: case CONF_SMTP_URL: case CONF_ZONE:
	case CONF_LANGUAGE: case CONF_USER: case CONF_PORTS:
		set_text(at, xstrdup(text));
		break;
	}
}

static void fill_key(struct reader *r, cfg_t *sec, const struct conf_key *k, void *base)
{
	struct err e;
	cfg_opt_t *opt = sec ? cfg_getopt(sec, k->name) : NULL;
	unsigned n = opt ? cfg_opt_size(opt) : 0;
	bool given = false;
	for (unsigned i = 0; i < n; i++) {
		const char *text = cfg_opt_getnstr(opt, i);
		if (!text)
			continue;
		given = true;
		/* Seen by the checker already, except for what the environment put into it. */
		if (conf_check_value(k, text, r->dir, &e) < 0)
			conf_mistake(&r->scan, r->c->path, cfg_opt_name(opt) ? sec->line : 0, "%s: %s", k->name, e.text);
		else
			store_value(r, k, base, text);
	}
	if (!given && !CONF_IS_LIST(k->kind))
		store_value(r, k, base, k->fallback ? k->fallback : "");
}

static void fill(struct reader *r, cfg_t *sec, const char *section, void *base)
{
	for (const struct conf_key *k = conf_keys; k->name; k++)
		if (strcmp(k->section, section) == 0)
			fill_key(r, sec, k, base);
}

static int line_of(const struct conf_scan *s, const char *section, const char *title)
{
	for (size_t i = 1; i < s->n_block; i++)
		if (strcmp(s->block[i].name, section) == 0 && s->block[i].title && strcmp(s->block[i].title, title) == 0)
			return s->block[i].line;
	return 0;
}

static void fill_sources(struct reader *r)
{
	struct conf *c = r->c;
	c->n_source = cfg_size(r->cfg, "source");
	c->source = xcalloc(c->n_source, sizeof *c->source);
	for (size_t i = 0; i < c->n_source; i++) {
		cfg_t *sec = cfg_getnsec(r->cfg, "source", (unsigned)i);
		c->source[i].name = xstrdup(cfg_title(sec));
		c->source[i].line = line_of(&r->scan, "source", cfg_title(sec));
		fill(r, sec, "source", &c->source[i]);
		const char *type = c->source[i].type, *raw = cfg_getstr(sec, "path");
		if (raw && type && strcmp(type, "file") && strcmp(type, "archive") && !(strcmp(type, "journal") == 0 && strchr(raw, '/')))
			set_text(&c->source[i].path, xstrdup(raw)); /* no path of a file */
	}
}

static void fill_captures(struct reader *r)
{
	struct conf *c = r->c;
	c->n_capture = cfg_size(r->cfg, "capture");
	c->capture = xcalloc(c->n_capture + 1, sizeof *c->capture);
	for (size_t i = 0; i < c->n_capture; i++) {
		cfg_t *sec = cfg_getnsec(r->cfg, "capture", (unsigned)i);
		c->capture[i].name = xstrdup(cfg_title(sec));
		c->capture[i].line = line_of(&r->scan, "capture", cfg_title(sec));
		fill(r, sec, "capture", &c->capture[i]);
	}
}

static void add_rows(struct conf *c, const char *name, const struct conf_owner *o, enum customer_kind kind, const struct conf_list *l)
{
	c->customer = xrealloc(c->customer, (c->n_customer + l->n + 1) * sizeof *c->customer);
	for (size_t i = 0; i < l->n; i++)
		c->customer[c->n_customer++] =
			(struct conf_customer){ xstrdup(name), xstrdup(o->contact), xstrdup(o->language), xstrdup(l->v[i]), kind };
}

static void list_fini(struct conf_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static void fill_customers(struct reader *r)
{
	for (unsigned i = 0; i < cfg_size(r->cfg, "customer"); i++) {
		cfg_t *sec = cfg_getnsec(r->cfg, "customer", i);
		struct conf_owner o = { 0 };
		fill(r, sec, "customer", &o);
		add_rows(r->c, cfg_title(sec), &o, CUSTOMER_ACCOUNT, &o.accounts);
		add_rows(r->c, cfg_title(sec), &o, CUSTOMER_DOMAIN, &o.domains);
		add_rows(r->c, cfg_title(sec), &o, CUSTOMER_PREFIX, &o.prefixes);
		add_rows(r->c, cfg_title(sec), &o, CUSTOMER_UID, &o.uids);
		free(o.contact);
		free(o.language);
		list_fini(&o.accounts);
		list_fini(&o.domains);
		list_fini(&o.prefixes);
		list_fini(&o.uids);
	}
	r->c->n_customer_inline = r->c->n_customer;
}

static void add_rule_opt(struct conf_rule *d, const char *name, const char *text, int line)
{
	d->opt_name = xrealloc(d->opt_name, (d->n + 1) * sizeof *d->opt_name);
	d->opt_text = xrealloc(d->opt_text, (d->n + 1) * sizeof *d->opt_text);
	d->opt_line = xrealloc(d->opt_line, (d->n + 1) * sizeof *d->opt_line);
	d->opt_name[d->n] = xstrdup(name);
	d->opt_text[d->n] = xstrdup(text);
	d->opt_line[d->n++] = line;
}

static struct conf_rule *new_rule(struct conf *c, const char *section, const char *name)
{
	c->rule = xrealloc(c->rule, (c->n_rule + 1) * sizeof *c->rule);
	c->rule[c->n_rule] = (struct conf_rule){ .section = section, .name = xstrdup(name) };
	return &c->rule[c->n_rule++];
}

void conf_set_detector(struct conf *c, const char *name, const char *option, const char *text)
{
	size_t i = 0;
	while (i < c->n_rule && (strcmp(c->rule[i].section, "detector") != 0 || strcmp(c->rule[i].name, name) != 0))
		i++;
	add_rule_opt(i < c->n_rule ? &c->rule[i] : new_rule(c, "detector", name), option, text, 0);
}

static void fill_rule(struct reader *r, struct conf_rule *d, cfg_t *sec)
{
	for (size_t j = 0; j < r->scan.n_item; j++) {
		const struct conf_item *it = &r->scan.item[j];
		const struct conf_block *b = &r->scan.block[it->block];
		if (strcmp(b->name, d->section) != 0 || !b->title || strcmp(b->title, d->name) != 0)
			continue;
		const char *text = cfg_getstr(sec, it->name);
		if (text && strcmp(it->name, "enabled") == 0) {
			d->enabled = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0;
			d->says_enabled = true;
		} else if (text) {
			add_rule_opt(d, it->name, text, it->line);
		}
	}
}

static void fill_rules(struct reader *r, const char *section)
{
	for (unsigned i = 0; i < cfg_size(r->cfg, section); i++) {
		cfg_t *sec = cfg_getnsec(r->cfg, section, i);
		struct conf_rule *d = new_rule(r->c, section, cfg_title(sec));
		d->line = line_of(&r->scan, section, d->name);
		fill_rule(r, d, sec);
	}
}

/* Defaults that depend on other settings. */
static void fill_derived(struct reader *r)
{
	struct conf *c = r->c;
	struct buf b = { 0 };
	if (!c->state_dir[0])
		set_text(&c->state_dir, conf_dir_of(c->store));
	if (!c->web.users_file[0]) {
		buf_printf(&b, "%s/users", c->state_dir);
		set_text(&c->web.users_file, xstrdup(buf_cstr(&b)));
	}
	if (!c->web.base_url[0]) {
		buf_clear(&b);
		buf_printf(&b, "http://%s", c->web.listen);
		set_text(&c->web.base_url, xstrdup(buf_cstr(&b)));
	}
	for (size_t n = strlen(c->web.base_url); n && c->web.base_url[n - 1] == '/';)
		c->web.base_url[--n] = 0;
	if (strlen(c->state_dir) + sizeof "/control.sock" > sizeof(struct conf_path))
		conf_mistake(&r->scan, c->path, 0, "state-dir %s is too long for the sockets in it; at most 90 characters", c->state_dir);
	buf_fini(&b);
	prefix_table_seal(&c->networks);
	prefix_table_seal(&c->egress);
	prefix_table_seal(&c->mail_servers);
}

static void load_customers(struct reader *r)
{
	struct conf *c = r->c;
	struct conf_customer *v;
	size_t n;
	if (!c->customers_path[0])
		return;
	r->scan.mistakes += conf_customers_load(c->customers_path, r->scan.cb, r->scan.ctx, &v, &n);
	c->customer = xrealloc(c->customer, (c->n_customer + n) * sizeof *c->customer);
	if (n)
		memcpy(c->customer + c->n_customer, v, n * sizeof *v);
	c->n_customer += n;
	free(v);
}

static void fill_all(struct reader *r)
{
	struct conf *c = r->c;
	fill(r, r->cfg, "", c);
	for (const struct conf_section *s = conf_sections; s->name; s++)
		if (!s->titled)
			fill(r, cfg_getsec(r->cfg, s->name), s->name, c);
	fill_sources(r);
	fill_captures(r);
	fill_customers(r);
	fill_rules(r, "detector");
	fill_rules(r, "policy");
	fill_derived(r);
	load_customers(r);
}

/* When the file has mistakes, those of the inventory are still worth telling in the same run. */
static void check_customers_anyway(struct reader *r)
{
	for (size_t i = 0; i < r->scan.n_item; i++) {
		const struct conf_item *it = &r->scan.item[i];
		if (it->block || strcmp(it->name, "customers") != 0 || it->n != 1)
			continue;
		char *full = conf_path_in(r->dir, it->v[0].text);
		struct conf_customer *v;
		size_t n;
		if (access(full, R_OK) == 0) {
			(void)conf_customers_load(full, r->scan.cb, r->scan.ctx, &v, &n);
			conf_customers_free(v, n);
		}
		free(full);
	}
}

static bool beyond;

static bool names_denied(const struct reader *r)
{
	bool denied = false;
	for (size_t i = 0; i < r->scan.n_file && !denied; i++)
		denied = sandbox_denies(r->scan.file[i]);
	for (size_t i = 0; i < r->scan.n_item && !denied; i++) {
		const struct conf_item *it = &r->scan.item[i];
		if (it->block || strcmp(it->name, "customers") != 0 || it->n != 1)
			continue;
		char *full = conf_path_in(r->dir, it->v[0].text);
		denied = sandbox_denies(full);
		free(full);
	}
	return denied;
}

void conf_allow(const struct conf *c, struct sandbox *s)
{
	for (size_t i = 0; i < c->files.n; i++)
		sandbox_allow_folder_of(s, c->files.v[i], false);
	sandbox_allow_folder_of(s, c->customers_path, false);
}

bool conf_beyond_fence(void)
{
	return beyond;
}

struct conf *conf_load(const char *path, const struct opt_table *const *tables, size_t n_tables, conf_mistake_cb *cb, void *ctx)
{
	struct reader r = { .scan = { .cb = cb, .ctx = ctx }, .c = xcalloc(1, sizeof *r.c), .dir = conf_dir_of(path) };
	r.c->path = xstrdup(path);
	reading = &r;
	conf_scan_file(&r.scan, path);
	conf_check(&r.scan, r.dir, tables, n_tables);
	if (r.scan.mistakes) {
		check_customers_anyway(&r);
	} else {
		r.cfg = parse(&r);
		if (!r.scan.mistakes)
			fill_all(&r);
		for (size_t i = 0; i < r.scan.n_file; i++)
			list_add(&r.c->files, xstrdup(r.scan.file[i]));
		cfg_free(r.cfg);
	}
	bool bad = r.scan.mistakes > 0;
	beyond = bad && names_denied(&r);
	conf_scan_fini(&r.scan);
	free(r.dir);
	reading = NULL;
	if (bad) {
		conf_free(r.c);
		return NULL;
	}
	return r.c;
}

char *conf_store_folder(const struct conf *c)
{
	const char *slash = strrchr(c->store, '/');
	return slash ? xsvdup(sv_make(c->store, slash == c->store ? 1 : (size_t)(slash - c->store))) : xstrdup(".");
}

static void to_stderr(void *ctx, const char *file, int line, const char *text)
{
	(void)ctx;
	if (line)
		fprintf(stderr, "%s: %s:%d: %s\n", msg_program(), file, line, text);
	else
		fprintf(stderr, "%s: %s: %s\n", msg_program(), file, text);
}

struct conf *conf_load_or_die(const char *path, const struct opt_table *const *tables, size_t n_tables)
{
	struct conf *c = conf_load(path, tables, n_tables, to_stderr, NULL);
	if (!c)
		exit(1);
	return c;
}

static void free_keys(const char *section, void *base)
{
	for (const struct conf_key *k = conf_keys; k->name; k++) {
		void *at = (char *)base + k->offset;
		if (strcmp(k->section, section) != 0)
			continue;
		if (k->kind == CONF_PREFIXES)
			prefix_table_fini(at);
		else if (CONF_IS_LIST(k->kind) && k->kind != CONF_BACKUP)
			list_fini(at);
		else if (k->kind != CONF_BOOL && k->kind != CONF_TIME && k->kind != CONF_DAYS && k->kind != CONF_BYTES && k->kind != CONF_COUNT && k->kind != CONF_BACKUP)
			free(*(char **)at);
	}
}

static void free_rule(struct conf_rule *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->opt_name[i]);
		free(d->opt_text[i]);
	}
	free(d->opt_name);
	free(d->opt_text);
	free(d->opt_line);
	free(d->name);
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	free_keys("", c);
	list_fini(&c->files);
	for (const struct conf_section *s = conf_sections; s->name; s++)
		if (!s->titled)
			free_keys(s->name, c);
	for (size_t i = 0; i < c->n_source; i++) {
		free_keys("source", &c->source[i]);
		free(c->source[i].name);
	}
	for (size_t i = 0; i < c->n_backup; i++) {
		free(c->backup[i].domain);
		free(c->backup[i].primary);
	}
	for (size_t i = 0; i < c->n_capture; i++) {
		free_keys("capture", &c->capture[i]);
		free(c->capture[i].name);
	}
	free(c->capture);
	for (size_t i = 0; i < c->n_rule; i++)
		free_rule(&c->rule[i]);
	conf_customers_free(c->customer, c->n_customer);
	free(c->source);
	free(c->backup);
	free(c->rule);
	free(c->path);
	free(c);
}

static struct conf_path path_in_state(const struct conf *c, const char *name)
{
	struct conf_path p;
	(void)snprintf(p.s, sizeof p.s, "%s/%s", c->state_dir, name);
	return p;
}

struct conf_path conf_ingest_socket(const struct conf *c)
{
	return path_in_state(c, "ingest.sock");
}

struct conf_path conf_control_socket(const struct conf *c)
{
	return path_in_state(c, "control.sock");
}

struct conf_path conf_probe_socket(const struct conf *c)
{
	return path_in_state(c, "probe.sock");
}
