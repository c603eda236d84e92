/* store_ro: the store for those who only read (pages, exports, command line). The analyzer is the one writer; readers see a
 * consistent state between store_ro_begin() and store_ro_end(), however busy it is. Queries go through db_query(). */
#ifndef ANALYZER_STORE_RO_H
#define ANALYZER_STORE_RO_H

#include "analyzer/db.h"

/* Opens an existing store read-only. 0 (close with db_close), or -1 and e: missing, unreadable, or of another version. */
int store_ro_open(struct db *d, const char *path, struct err *e);
/* One consistent state from here on. -1 and e when the store cannot be read. */
int store_ro_begin(struct db *d, struct err *e);
void store_ro_end(struct db *d);

#endif
