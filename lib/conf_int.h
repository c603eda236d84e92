/* conf_int: what the files of conf share among themselves. Nobody else includes this.
 * One table (conf_keys) says which settings exist; the scanner says what stands in the file, with lines; the checker
 * holds the two against each other; libconfuse reads the values of a file that was found right. */
#ifndef LIB_CONF_INT_H
#define LIB_CONF_INT_H

#include "lib/conf.h"

enum conf_kind {
	CONF_TEXT, CONF_BOOL, CONF_TIME, CONF_DAYS, CONF_BYTES, CONF_WORD, CONF_PATH, CONF_FILE, CONF_STORE, CONF_MAIL,
	CONF_LISTEN, CONF_URL, CONF_SMTP_URL, CONF_ZONE, CONF_LANGUAGE, CONF_USER, CONF_COUNT, CONF_PORTS,
	/* lists from here on */
	CONF_FILES, CONF_PREFIXES, CONF_PREFIX_TEXTS, CONF_DOMAINS, CONF_BACKUP, CONF_TEXTS, CONF_UIDS,
	CONF_SERVERS, CONF_TARGETS, CONF_ENDINGS
};
#define CONF_IS_LIST(kind) ((kind) >= CONF_FILES)

struct conf_key {
	const char *section; /* "" = top level */
	const char *name;
	enum conf_kind kind;
	size_t offset;        /* into struct conf, conf_source or conf_owner */
	const char *fallback; /* NULL: the setting must be given */
	const char *words;    /* CONF_WORD: the words, with blanks between; or the section of the known-word tables */
};
struct conf_section { const char *name; bool titled; };

/* A customer as an inline section states it. */
struct conf_owner { char *contact, *language; struct conf_list accounts, domains, prefixes, uids; };

extern const struct conf_key conf_keys[];         /* ends with name == NULL */
extern const struct conf_section conf_sections[]; /* ends with name == NULL */
/* NULL when there is none. */
const struct conf_key *conf_key_find(const char *section, const char *name);
const struct conf_section *conf_section_find(const char *name);

/* What stands in the file. */
struct conf_value { char *text; int line; };
struct conf_item { int block; char *name; const char *file; int line; bool append; struct conf_value *v; size_t n; };
struct conf_block { char *name, *title; const char *file; int line; }; /* title: NULL when there is none */
struct conf_scan {
	struct conf_item *item; size_t n_item;
	struct conf_block *block; size_t n_block; /* block[0] is the top level */
	char **file; size_t n_file;
	conf_mistake_cb *cb;
	void *ctx;
	size_t mistakes;
};

/* Reads the file and what it includes; goes on after mistakes. */
void conf_scan_file(struct conf_scan *s, const char *path);
/* The same of text that is in no file; name stands for it in mistakes. */
void conf_scan_text(struct conf_scan *s, const char *name, struct sv text);
void conf_scan_fini(struct conf_scan *s);
void conf_mistake(struct conf_scan *s, const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Everything that can be wrong with the scanned settings. dir: what relative paths are relative to. */
void conf_check(struct conf_scan *s, const char *dir, const struct opt_table *const *tables, size_t n_tables);
/* Of it, what must fit each other. */
void conf_check_relations(struct conf_scan *s);
/* One value against one kind; -1 and e. */
int conf_check_value(const struct conf_key *k, const char *text, const char *dir, struct err *e);

/* Heap copies: the path as seen from dir; the folder of a file. */
char *conf_path_in(const char *dir, const char *path);
char *conf_dir_of(const char *path);
/* Sections whose settings stand in option tables of the programs, not in conf_keys. */
bool conf_is_tabled(const char *section);

#endif
