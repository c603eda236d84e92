/* print: a fuzzy fingerprint of a text, fed with its lines. Letters make words, in lower case; everything else lies between them; words of less than
 * four bytes do not count, and of an address on the web only the host does. Two texts are alike when smtp_hash_likeness() is 20 or more. */
#ifndef COLLECTOR_CAPTURE_PRINT_H
#define COLLECTOR_CAPTURE_PRINT_H

#include <stdbool.h>

#include "lib/smtp_session.h"

#define PRINT_CHUNK 1536 /* bytes at a time: a segment */

struct print { uint64_t last; uint32_t n_words; uint16_t hash[SMTP_MINHASHES]; }; /* last: the hashes of the last two words */

void print_begin(struct print *t);
/* At most PRINT_CHUNK bytes in two pieces: whole lines, or one that is cut (then a word and an address on the web end there). */
void print_lines(struct print *t, struct sv before, const uint8_t *p, size_t n);
/* Makes up for hashes that no word fell on. False: too little text to compare. */
bool print_done(struct print *t);

/* How it is done, for tests: each way gives the same. False: this processor cannot. */
enum print_way { PRINT_PLAIN, PRINT_SSE2, PRINT_AVX2, PRINT_WAYS };
bool print_lines_by(enum print_way way, struct print *t, const uint8_t *p, size_t n);

#endif
