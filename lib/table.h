/* table: memory for one large table that is read here and there, on large pages where the system has them: looking up the place of a small page
 * takes longer than the table itself. Zeroed, and not resident before it is used. */
#ifndef LIB_TABLE_H
#define LIB_TABLE_H

#include <stddef.h>

void *table_new(size_t bytes);
void table_free(void *table, size_t bytes);

#endif
