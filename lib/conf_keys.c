/* The settings of abusewatch.conf: one row each. abusewatch.conf(5) describes the same rows in words. */
#include "lib/conf_int.h"

#define TOP(field) offsetof(struct conf, field)
#define SOURCE(field) offsetof(struct conf_source, field)
#define CAPTURE(field) offsetof(struct conf_capture, field)
#define OWNER(field) offsetof(struct conf_owner, field)

const struct conf_section conf_sections[] = {
	{ "source", true }, { "capture", true }, { "customer", true }, { "detector", true }, { "policy", true },
	{ "retention", false }, { "notify", false }, { "web", false }, { "rbl", false }, { "log", false }, { NULL, false },
};

/* A fallback of "" leaves the choice to conf.c (where it depends on other settings) or means none. */
const struct conf_key conf_keys[] = {
	{ "", "store", CONF_STORE, TOP(store), "abusewatch.db", NULL },
	{ "", "state-dir", CONF_PATH, TOP(state_dir), "", NULL },
	{ "", "user", CONF_USER, TOP(user), "", NULL },
	{ "", "networks", CONF_PREFIXES, TOP(networks), "", NULL },
	{ "", "egress", CONF_PREFIXES, TOP(egress), "", NULL },
	{ "", "mail-servers", CONF_PREFIXES, TOP(mail_servers), "", NULL },
	{ "", "local-domains", CONF_DOMAINS, TOP(local_domains), "", NULL },
	{ "", "relay-domains", CONF_DOMAINS, TOP(relay_domains), "", NULL },
	{ "", "backup-domains", CONF_BACKUP, TOP(backup), "", NULL },
	{ "", "customers", CONF_FILE, TOP(customers_path), "", NULL },
	{ "", "geo", CONF_FILES, TOP(geo), "", NULL },

	{ "source", "type", CONF_WORD, SOURCE(type), "file", "file syslog journal command stdin archive" },
	{ "source", "path", CONF_PATH, SOURCE(path), NULL, NULL },
	{ "source", "cert", CONF_FILE, SOURCE(cert), "", NULL },
	{ "source", "key", CONF_FILE, SOURCE(key), "", NULL },
	{ "source", "ca", CONF_FILE, SOURCE(ca), "", NULL },
	{ "source", "mta", CONF_WORD, SOURCE(mta), "auto", "mta" },
	{ "source", "host", CONF_TEXT, SOURCE(host), "", NULL },
	{ "source", "timezone", CONF_ZONE, SOURCE(timezone), "local", NULL },
	{ "source", "max-open", CONF_BYTES, SOURCE(max_open_bytes), "256M", NULL },

	{ "capture", "interface", CONF_TEXT, CAPTURE(interface), NULL, NULL },
	{ "capture", "expression", CONF_TEXT, CAPTURE(expression), "", NULL },
	{ "capture", "ports", CONF_PORTS, CAPTURE(ports), "25 465 587 2525", NULL },
	{ "capture", "promiscuous", CONF_BOOL, CAPTURE(promiscuous), "false", NULL },
	{ "capture", "tunnels", CONF_BOOL, CAPTURE(tunnels), "false", NULL },
	{ "capture", "subjects", CONF_BOOL, CAPTURE(subjects), "false", NULL },
	{ "capture", "programs", CONF_ENDINGS, CAPTURE(programs), "", NULL },
	{ "capture", "memory", CONF_BYTES, CAPTURE(memory_bytes), "64M", NULL },
	{ "capture", "ring", CONF_BYTES, CAPTURE(ring_bytes), "32M", NULL },

	{ "customer", "contact", CONF_MAIL, OWNER(contact), "", NULL },
	{ "customer", "language", CONF_LANGUAGE, OWNER(language), "", NULL },
	{ "customer", "accounts", CONF_TEXTS, OWNER(accounts), "", NULL },
	{ "customer", "domains", CONF_DOMAINS, OWNER(domains), "", NULL },
	{ "customer", "prefixes", CONF_PREFIX_TEXTS, OWNER(prefixes), "", NULL },
	{ "customer", "uids", CONF_UIDS, OWNER(uids), "", NULL },

	{ "retention", "messages", CONF_DAYS, TOP(keep_messages_days), "30d", NULL },
	{ "retention", "cases", CONF_DAYS, TOP(keep_cases_days), "365d", NULL },
	{ "retention", "lines", CONF_DAYS, TOP(keep_lines_days), "90d", NULL },
	{ "retention", "recipients", CONF_DAYS, TOP(keep_recipients_days), "30d", NULL },

	{ "notify", "enabled", CONF_BOOL, TOP(notify.enabled), "false", NULL },
	{ "notify", "via", CONF_WORD, TOP(notify.via), "sendmail", "sendmail smtp" },
	{ "notify", "sendmail", CONF_FILE, TOP(notify.sendmail), "/usr/sbin/sendmail", NULL },
	{ "notify", "smtp-url", CONF_SMTP_URL, TOP(notify.smtp_url), "smtp://127.0.0.1:25", NULL },
	{ "notify", "smtp-user", CONF_TEXT, TOP(notify.smtp_user), "", NULL },
	{ "notify", "smtp-password-file", CONF_FILE, TOP(notify.smtp_password_file), "", NULL },
	{ "notify", "from", CONF_MAIL, TOP(notify.from), "", NULL },
	{ "notify", "reply-to", CONF_MAIL, TOP(notify.reply_to), "", NULL },
	{ "notify", "desk", CONF_MAIL, TOP(notify.desk), "", NULL },
	{ "notify", "operator", CONF_TEXT, TOP(notify.operator_name), "", NULL },
	{ "notify", "letters-dir", CONF_FILE, TOP(notify.letters_dir), "", NULL },
	{ "notify", "default-language", CONF_LANGUAGE, TOP(notify.default_language), "en", NULL },
	{ "notify", "cooldown", CONF_TIME, TOP(notify.cooldown_s), "1d", NULL },
	{ "notify", "escalate", CONF_TIME, TOP(notify.escalate_s), "4h", NULL },
	{ "notify", "service", CONF_WORD, TOP(notify.service), "desk", "none desk customer both" },
	{ "notify", "min-level", CONF_WORD, TOP(notify.min_level), "likely", "suspected likely confirmed" },

	{ "web", "enabled", CONF_BOOL, TOP(web.enabled), "true", NULL },
	{ "web", "listen", CONF_LISTEN, TOP(web.listen), "127.0.0.1:8025", NULL },
	{ "web", "base-url", CONF_URL, TOP(web.base_url), "", NULL },
	{ "web", "users", CONF_PATH, TOP(web.users_file), "", NULL },
	{ "web", "session", CONF_TIME, TOP(web.session_s), "8h", NULL },

	{ "rbl", "zones", CONF_FILE, TOP(rbl.zones), "", NULL },
	{ "rbl", "keys", CONF_PATH, TOP(rbl.keys), "", NULL },
	{ "rbl", "forward", CONF_SERVERS, TOP(rbl.forward), "", NULL },
	{ "rbl", "timeout", CONF_TIME, TOP(rbl.timeout_s), "5s", NULL },
	{ "rbl", "watch", CONF_BOOL, TOP(rbl.watch), "false", NULL },
	{ "rbl", "every", CONF_TIME, TOP(rbl.every_s), "30m", NULL },
	{ "rbl", "also", CONF_TARGETS, TOP(rbl.also), "", NULL },
	{ "rbl", "public", CONF_BOOL, TOP(rbl.open), "false", NULL },
	{ "rbl", "public-per-hour", CONF_COUNT, TOP(rbl.open_per_hour), "20", NULL },
	{ "rbl", "client-check", CONF_BOOL, TOP(rbl.client_check), "false", NULL },
	{ "rbl", "client-zones", CONF_DOMAINS, TOP(rbl.client_zones), "", NULL },
	{ "rbl", "client-per-day", CONF_COUNT, TOP(rbl.client_per_day), "20000", NULL },

	{ "log", "level", CONF_WORD, TOP(log_level), "info", "error warn info debug" },
	{ "log", "dest", CONF_WORD, TOP(log_dest), "auto", "auto stderr syslog journal" },
	{ .name = NULL },
};

const struct conf_key *conf_key_find(const char *section, const char *name)
{
	for (const struct conf_key *k = conf_keys; k->name; k++)
		if (strcmp(k->section, section) == 0 && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

const struct conf_section *conf_section_find(const char *name)
{
	for (const struct conf_section *s = conf_sections; s->name; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}
