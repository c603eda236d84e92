/* suspicion: what a case about a principal would show: lines, sources, domains, counts since the evidence began.
 * Exists only while some detector points at the principal; bounded. */
#ifndef ANALYZER_SUSPICION_H
#define ANALYZER_SUSPICION_H

#include "analyzer/journal.h"
#include "lib/buf.h"
#include "lib/sv.h"

#define SUSPICION_LINES 24   /* the first third is kept for good, the rest is the newest */
#define SUSPICION_FIRST 8
#define SUSPICION_SOURCES 24
#define SUSPICION_DOMAINS 32

struct suspicion_line { int64_t at_us; uint8_t detector; char *text; };
struct suspicion_source { char ip[46]; char country[3]; uint32_t asn, messages; char *name; int64_t first_us, last_us; };
struct suspicion_domain { char *domain; uint64_t first; uint32_t n, recipients, refused; }; /* first: eight letters, so that others need not be looked at; n: of its letters */

struct suspicion {
	int64_t since_us;
	uint64_t messages, recipients;
	uint32_t lines_added;  /* ever; the number of the next one */
	struct suspicion_line line[SUSPICION_LINES];
	struct suspicion_source *source; /* most have few: room for them doubles */
	size_t n_sources;      /* at most SUSPICION_SOURCES */
	struct suspicion_domain *domain;
	size_t n_domains;      /* at most SUSPICION_DOMAINS */
	char *folder;          /* where most of the messages were given to the server, by a vote; NULL: no message said it */
	uint32_t votes;
	struct journal *journal; /* owned; NULL until the evidence changed */
};

struct suspicion *suspicion_new(int64_t since_us);
void suspicion_free(struct suspicion *s);
void suspicion_add_line(struct suspicion *s, int64_t at_us, size_t detector, struct sv line);
/* message: else a log-in. */
void suspicion_add_source(struct suspicion *s, const char *ip, struct sv name, const char *country, uint32_t asn, bool message, int64_t at_us);
void suspicion_add_domain(struct suspicion *s, struct sv domain, bool refused);
/* A message was given to the server by a program in that folder. */
void suspicion_add_folder(struct suspicion *s, struct sv folder);
/* Slot of the line with that number, or -1 when it was overwritten. */
int suspicion_slot(const struct suspicion *s, uint32_t number);
/* What it takes of memory, about. */
size_t suspicion_bytes(const struct suspicion *s);
/* To and from the store, but for the folder. */
void suspicion_encode(const struct suspicion *s, struct buf *out);
struct suspicion *suspicion_decode(struct sv bytes);
struct suspicion *suspicion_copy(const struct suspicion *s);

#endif
