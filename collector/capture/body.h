/* body: what is looked at of a message while it goes by: some headers, attachments' names, a fuzzy fingerprint of the text. Nothing of it is kept
 * but that. Internal to collector/capture/. */
#ifndef COLLECTOR_CAPTURE_BODY_H
#define COLLECTOR_CAPTURE_BODY_H

#include "collector/capture/flow.h"
#include "collector/capture/print.h"

#define HEADER_BYTES 332 /* of one header, unfolded */
#define BOUNDARIES 8

enum body_stage { BODY_HEADERS, BODY_TEXT, BODY_PART };

struct body {
	uint8_t stage;
	bool line_start, more, dashes; /* more: the line at hand adds to the header before it; dashes: it may be a boundary */
	uint8_t n_boundaries;
	uint16_t print_left, header_n, n_attachments, of; /* print_left: bytes that still go into the fingerprint */
	uint32_t boundary[BOUNDARIES], last_name;
	struct print print;
	char header[HEADER_BYTES];
};
_Static_assert(sizeof(struct body) <= CELL_BYTES, "a message that is being read takes one block");

/* header.c: one header is complete. */
void body_header(struct capture *c, struct flow *f, struct body *b, struct sv header);
/* RFC 2047 words to UTF-8, as far as their charset is known; into out; its length. */
size_t header_decode(struct sv text, char *out, size_t cap);
uint32_t body_boundary_hash(struct sv text);

#endif
