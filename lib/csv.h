/* csv: RFC 4180 both ways. The writer defuses cells that a spreadsheet would run as a formula; the reader knows
 * quotes, doubled quotes, line breaks inside quotes, CRLF, other separators, and the line on which each row begins. */
#ifndef LIB_CSV_H
#define LIB_CSV_H

#include "lib/sv.h"

struct buf;

/* Appends one cell, with a comma before it unless first. Cells that start with = + - @ TAB or CR get a leading
 * apostrophe, except plain numbers such as -3.5. What is no UTF-8, and control characters but line breaks, becomes U+FFFD. */
void csv_put(struct buf *out, bool first, struct sv cell);
void csv_end_row(struct buf *out);

#define CSV_CELLS 64

struct csv_reader {
	struct sv rest; /* what is not read yet; borrowed */
	int line;       /* of the next row */
	char separator; /* a comma, unless it is set after csv_reader_init() */
	char *cell;     /* the unquoted bytes of the present row; owned */
	size_t cap;
};
struct csv_row {
	struct sv v[CSV_CELLS]; /* valid until the next call */
	size_t n;               /* cells beyond CSV_CELLS are counted, not kept */
	int line;
	bool open_quote;        /* the text ended inside quotes */
};

/* Starts reading text (a byte order mark is skipped). */
void csv_reader_init(struct csv_reader *r, struct sv text);
void csv_reader_fini(struct csv_reader *r);
/* False at the end. Lines without any character are skipped. */
bool csv_next(struct csv_reader *r, struct csv_row *ret);

#endif
