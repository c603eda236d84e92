/* Settings that are right by themselves and must fit each other. */
#include <fnmatch.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/conf_int.h"

#define OPEN_LEAST (1 << 20) /* a message takes some hundred bytes */

/* The setting of that block with one value that the file itself says; NULL: there is none, or the environment says it. */
static const struct conf_item *item_of(const struct conf_scan *s, size_t block, const char *name)
{
	for (size_t i = s->n_item; i-- > 0;) {
		const struct conf_item *it = &s->item[i];
		if ((size_t)it->block == block && strcmp(it->name, name) == 0)
			return it->n == 1 && !strstr(it->v[0].text, "${") ? it : NULL;
	}
	return NULL;
}

static bool has(const struct conf_scan *s, size_t block, const char *name)
{
	for (size_t i = 0; i < s->n_item; i++)
		if ((size_t)s->item[i].block == block && strcmp(s->item[i].name, name) == 0 && s->item[i].n && *s->item[i].v[0].text)
			return true;
	return false;
}

static const char *type_of(const struct conf_scan *s, size_t block)
{
	const struct conf_item *it = item_of(s, block, "type");
	return it ? it->v[0].text : has(s, block, "type") ? "" : "file";
}

static void check_syslog(struct conf_scan *s, size_t block, const struct conf_item *path)
{
	static const char *const schemes[] = { "udp://", "tcp://", "tls://" };
	static const struct conf_key listen = { .name = "path", .kind = CONF_LISTEN };
	const char *text = path->v[0].text;
	struct err e;
	size_t i = 0;
	while (i < 3 && strncmp(text, schemes[i], 6) != 0)
		i++;
	char *address = xsvdup(sv_make(i < 3 ? text + 6 : text, i < 3 ? strcspn(text + 6, "?") : strlen(text)));
	if (i == 3 || conf_check_value(&listen, address, "", &e) < 0)
		conf_mistake(s, path->file, path->line, "path: \"%s\" is no place to listen for syslog at; write udp://127.0.0.1:5514, tcp://[::1]:5514 or tls://192.0.2.1:6514", text);
	else if (i == 2 && (!has(s, block, "cert") || !has(s, block, "key")))
		conf_mistake(s, path->file, path->line, "path: TLS needs a certificate and its key; add cert = \"…\" and key = \"…\"");
	free(address);
}

/* What two sources read is counted twice. */
static void check_read_twice(struct conf_scan *s, size_t block, const struct conf_item *path)
{
	const char *text = path->v[0].text;
	for (size_t i = 1; i < block; i++) {
		const struct conf_item *other = strcmp(s->block[i].name, "source") == 0 && strcmp(type_of(s, i), "file") == 0 ? item_of(s, i, "path") : NULL;
		if (!other || (fnmatch(other->v[0].text, text, FNM_PATHNAME) != 0 && fnmatch(text, other->v[0].text, FNM_PATHNAME) != 0))
			continue;
		conf_mistake(s, path->file, path->line, "path: %s is read by source \"%s\" (line %d) already, and its messages would be counted twice; keep one of them", text,
		             s->block[i].title ? s->block[i].title : "", other->line);
		return;
	}
}

static void check_source(struct conf_scan *s, size_t block)
{
	const struct conf_item *path = item_of(s, block, "path"), *most = item_of(s, block, "max-open");
	const char *type = type_of(s, block);
	int64_t bytes = most ? opt_bytes(most->v[0].text) : 0;
	if (path && strcmp(type, "syslog") == 0)
		check_syslog(s, block, path);
	else if (path && strcmp(type, "file") == 0)
		check_read_twice(s, block, path);
	if (bytes > 0 && bytes < OPEN_LEAST)
		conf_mistake(s, most->file, most->line, "max-open: %s is too little for messages that wait; write at least 1M", most->v[0].text);
}

static void check_notify(struct conf_scan *s, size_t block)
{
	const struct conf_item *enabled = item_of(s, block, "enabled");
	const char *says = enabled ? enabled->v[0].text : "";
	if ((strcmp(says, "true") == 0 || strcmp(says, "yes") == 0 || strcmp(says, "on") == 0) && !has(s, block, "from"))
		conf_mistake(s, enabled->file, enabled->line, "enabled: letters need a sender; add from = \"abuse@isp.example\"");
}

void conf_check_relations(struct conf_scan *s)
{
	for (size_t i = 1; i < s->n_block; i++) {
		const char *name = s->block[i].name;
		const struct conf_item *interface = strcmp(name, "capture") == 0 ? item_of(s, i, "interface") : NULL;
		if (strcmp(name, "source") == 0)
			check_source(s, i);
		else if (strcmp(name, "notify") == 0)
			check_notify(s, i);
		else if (interface && !*interface->v[0].text)
			conf_mistake(s, interface->file, interface->line, "interface: an empty name; ip link shows those that there are");
	}
}
