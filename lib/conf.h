/* conf: abusewatch.conf as the programs see it. Read-only after conf_load(); everything in it belongs to it.
 * Relative paths in the file are relative to the folder of the file. */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include "lib/err.h"
#include "lib/opt.h"
#include "lib/prefix.h"

struct conf_list { char **v; size_t n; };

struct conf_source {
	char *name;   /* title of the section */
	char *type;   /* "file" */
	char *path;   /* may be a glob; of other types an address, a command, … as it was written */
	char *cert, *key, *ca; /* of TLS; "" */
	char *mta;    /* "postfix", "auto" */
	char *host;   /* of lines that name none, as in a server's own log; "": localhost */
	char *timezone; /* of stamps without one: "local", "UTC", "+02:00", "Europe/Prague" */
	int64_t max_open_bytes; /* limit of the correlator's table */
	int line;     /* where it stands in the file */
};

/* Packets to be followed: section `capture "NAME"`. */
struct conf_capture {
	char *name, *interface;
	char *expression;      /* "": the ports */
	char *ports;           /* "25 465 587 2525" */
	struct conf_list programs; /* endings of attachments' names, ".exe"; none: those that are built in */
	bool promiscuous, tunnels, subjects;
	int64_t memory_bytes, ring_bytes;
	int line;
};

struct conf_backup { char *domain, *primary; };

/* One row of the inventory: customer,contact,language,kind,value. */
enum customer_kind { CUSTOMER_ACCOUNT, CUSTOMER_DOMAIN, CUSTOMER_PREFIX, CUSTOMER_UID };
struct conf_customer { char *customer, *contact, *language, *value; enum customer_kind kind; };

/* What a section `detector "NAME"` or `policy "NAME"` says; enabled stands where it says so. */
struct conf_rule { const char *section; char *name; bool enabled, says_enabled; char **opt_name, **opt_text; int *opt_line; size_t n; int line; };

struct conf_notify {
	bool enabled;          /* false: letters are written to the outbox but not sent */
	char *via;             /* "sendmail" | "smtp" */
	char *sendmail;        /* "/usr/sbin/sendmail" */
	char *smtp_url;        /* "smtp://127.0.0.1:25" */
	char *smtp_user, *smtp_password_file;
	char *from, *reply_to; /* reply_to may contain %c = case number */
	char *desk;            /* address of the abuse desk */
	char *operator_name;   /* who signs the letters */
	char *letters_dir;     /* own templates, else the built-in ones */
	char *default_language;
	int64_t cooldown_s;    /* between letters of one case */
	int64_t escalate_s;    /* open and unacknowledged for so long: tell the desk */
	char *service;         /* "none" | "desk" | "customer" | "both": who hears of a backup domain in trouble */
	char *min_level;       /* "suspected" | "likely" | "confirmed": letters to customers from here on */
};

struct conf_web {
	bool enabled;
	char *listen;          /* "127.0.0.1:8025" */
	char *base_url;        /* for links in letters and CSV; default http://<listen> */
	char *users_file;      /* name:hash lines; default <state-dir>/users */
	int64_t session_s;     /* idle time-out */
};

/* Block lists: what asks them, and about whom. */
struct conf_rbl {
	char *zones, *keys;    /* dnsbl.conf, "" = the built-in table; the file with keys, "" */
	struct conf_list forward; /* the site's resolvers, "192.0.2.53" or "192.0.2.53@5353"; none: own recursion from the root */
	bool watch;            /* own and customers' addresses and domains are looked up again and again */
	int64_t every_s;
	struct conf_list also; /* more of them: addresses, prefixes, domains */
	bool open;             /* everybody may look one target up on the page /rbl */
	int64_t open_per_hour; /* look-ups per client's address */
	bool client_check;     /* addresses from which accounts send are looked up */
	struct conf_list client_zones;
	int64_t client_per_day;
	int64_t timeout_s;
};

struct conf {
	char *path;            /* the file itself */
	char *store;           /* SQLite file */
	char *state_dir;       /* sockets, users, spool; default: the store's folder */
	char *user;            /* account to run as when started as root; "" = stay */
	char *log_level, *log_dest;
	char *customers_path;
	struct conf_list local_domains, relay_domains, geo;
	struct prefix_table networks, egress;
	struct prefix_table mail_servers; /* customers' own: they may talk to the world */
	struct conf_capture *capture; size_t n_capture;
	struct conf_backup *backup;   size_t n_backup;
	struct conf_source *source;   size_t n_source;
	struct conf_customer *customer; size_t n_customer; /* inline ones first, then the CSV's */
	size_t n_customer_inline;
	struct conf_rule *rule;       size_t n_rule;
	int64_t keep_messages_days, keep_cases_days, keep_lines_days, keep_recipients_days;
	struct conf_notify notify;
	struct conf_web web;
	struct conf_rbl rbl;
	struct conf_list files; /* the file and those that it includes */
};

/* One mistake: where it is, what it is and what to do about it. */
typedef void conf_mistake_cb(void *ctx, const char *file, int line, const char *text);

/* Reads the file. Every mistake goes to cb (all of them, not only the first). Returns the config, or NULL when
 * there was at least one mistake. Without cb they are logged. tables, n of them: the option tables of detectors and policy rules (sections "detector" and "policy"), and known
 * words for which only section and title count ("mta" "postfix", "language" "en"). What a program brings no tables
 * for is not checked by it; `abusewatch check-config` brings all. */
struct conf *conf_load(const char *path, const struct opt_table *const *tables, size_t n_tables,
                       conf_mistake_cb *cb, void *ctx);
/* Of a conf_load() that came to nothing: whether it names a file that this program cannot read since it fenced itself off. Started again, it could. */
bool conf_beyond_fence(void);
/* What reading it again takes, for who fences himself off. */
struct sandbox;
void conf_allow(const struct conf *c, struct sandbox *s);
/* conf_load, printing each mistake to stderr as "abusewatch: FILE:LINE: …"; exits 1 when there is one. */
struct conf *conf_load_or_die(const char *path, const struct opt_table *const *tables, size_t n_tables);
void conf_free(struct conf *c);
/* As if the file said `detector "NAME" { option = text }`, after all it says. The caller has checked it (opt_set). */
void conf_set_detector(struct conf *c, const char *name, const char *option, const char *text);
/* The program's own log as `log { level dest }` says; -d, given before, stays. */
void conf_log(const struct conf *c);
/* The folder in which the store lies; to be freed. */
char *conf_store_folder(const struct conf *c);

/* "account" "domain" "prefix" "uid" */
const char *customer_kind_name(enum customer_kind k);
/* Reads the customers' CSV file; good rows go to *ret (free with conf_customers_free) even when others are bad.
 * Returns the number of mistakes, each of which went to cb with its line. */
size_t conf_customers_load(const char *path, conf_mistake_cb *cb, void *ctx, struct conf_customer **ret, size_t *ret_n);
void conf_customers_free(struct conf_customer *v, size_t n);
/* Reads it again and replaces the CSV's part of c->customer. -1 when it has mistakes: then c is as before. */
int conf_customers_reload(struct conf *c, conf_mistake_cb *cb, void *ctx);

/* The same when the file is another one than at the last look: seen, all zero at first. One that is gone is being replaced: what was read stays.
 * 1: read again, 0: nothing new, -1: it has mistakes. */
struct stat;
int conf_customers_follow(struct conf *c, struct stat *seen, conf_mistake_cb *cb, void *ctx);

/* Paths derived from state_dir: "<state_dir>/ingest.sock", … Result is borrowed from a static-size struct. */
struct conf_path { char s[108]; };
struct conf_path conf_ingest_socket(const struct conf *c);
struct conf_path conf_control_socket(const struct conf *c);
struct conf_path conf_probe_socket(const struct conf *c);

#endif
