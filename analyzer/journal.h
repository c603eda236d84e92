/* journal: how a score came about, step by step: a step is an event that changed the evidence against a principal, with what each detector
 * saw and said before and after, and what the fusion made of it. Kept while anything points at the principal (in its suspicion), so that a
 * case that opens has what led to it; the store keeps a case's. Bounded: the first steps, the newest before the case opened, and after that
 * those that brought another level or another whole nat, and the highest. */
#ifndef ANALYZER_JOURNAL_H
#define ANALYZER_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzer/fixed.h"
#include "lib/buf.h"

#define JOURNAL_FIRST 16
#define JOURNAL_LAST 32  /* newest before the case opened */
#define JOURNAL_CASE 32  /* after it opened */
#define JOURNAL_SLOTS (JOURNAL_FIRST + JOURNAL_LAST + JOURNAL_CASE)
#define JOURNAL_TOP 1000000 /* number of the highest step in the store */

struct judge;
struct message_view;
struct principal;
struct wire;

struct journal_score {
	uint8_t detector;        /* registry index */
	int32_t before, after;   /* 1/4096 nat; before: decayed to the event */
	int32_t step;            /* what its walks gained or lost, before caps and guards */
	char *seen;              /* "yes 2x (0.250 against 0.899) +2.5605"; "" when only others saw something; see journal_say() */
};

struct journal_step {
	int64_t at_us;
	uint32_t nth;            /* among all events that changed the evidence since it began */
	const char *mark;        /* "" "opened" "reopened" "level" "peak" */
	uint8_t level;           /* enum case_level, with a case */
	bool has_case;
	int32_t total, volume_cap;
	char *what;              /* "message 3F2A1 to 4", "auth_fail"; see journal_say() */
	/* Until somebody wants to read it: what the texts are made of. Most steps are overwritten unread. */
	struct walk_note *note;
	size_t n_notes;
	const char *fact;        /* NULL: a message */
	char queue_id[40];
	uint8_t queue_id_n;
	bool outcomes;           /* a later report of it */
	uint32_t n_rcpt;
	size_t n;
	struct journal_score score[]; /* of those with evidence before or after */
};

struct journal {
	uint32_t changes, added; /* events that changed the evidence; steps kept or overwritten */
	uint32_t opened;         /* number of the step that opened the case; added so far while there is none */
	bool has_case;
	uint8_t level;
	int32_t peak;
	struct journal_step *slot[JOURNAL_SLOTS], *top;
};

/* After an event of p and what the case made of it. what: NULL for a message (m then), else the kind of fact. trace: what the walks were told. */
struct journal_input { const struct message_view *m; const char *what; const int32_t *before, *after; int32_t total; int64_t at_us; const struct walk_trace *trace; };
void journal_event(const struct judge *j, struct principal *p, const struct journal_input *in);
void journal_free(struct journal *g);
/* What it takes of memory, about. */
size_t journal_bytes(const struct journal *g);
/* The step with that number, its texts said; NULL when it was not kept. */
const struct journal_step *journal_step(const struct journal *g, uint32_t number);
/* Puts a step into words. */
void journal_say(struct journal_step *s);
/* What S was cut to as a whole; 0 when it was not. */
int32_t journal_capped_to(const struct journal_step *s);
/* The detectors of a step as JSON: [{"name":…,"group":…,"before":…,"after":…,"step":…,"seen":…}], numbers in 1/4096 nat. */
void journal_detectors_json(const struct journal_step *s, struct buf *out);
/* What the fusion makes of them: [{"name":…,"best":…,"second":…,"cap":…,"sum":…}]. */
void journal_groups_json(const struct journal_step *s, struct buf *out);
/* To and from the store. */
void journal_encode(const struct journal *g, struct buf *out);
struct journal *journal_decode(struct wire *w);

#endif
