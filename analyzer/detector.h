/* detector: one opinion about a principal from one kind of sign. Each is one file in analyzer/detect/ that defines
 * `const struct detector detector_<name>`. It sees prepared views, keeps its own slab of state in the principal, and can
 * always say in one sentence why it fired. Evidence is integer (analyzer/fixed.h). */
#ifndef ANALYZER_DETECTOR_H
#define ANALYZER_DETECTOR_H

#include "analyzer/judge.h"
#include "lib/buf.h"
#include "lib/opt.h"

/* Groups of correlated detectors; docs/detectors.md B.3. */
enum evidence_group { GROUP_VOLUME, GROUP_RECEIVERS, GROUP_ORIGIN, GROUP_PROTOCOL, GROUP_IDENTITY, GROUP_TOPOLOGY, GROUP_LISTING, GROUPS };

struct detector {
	const char *name;
	const char *title;           /* in a heading: "writes to strangers" */
	enum evidence_group group;
	bool independent;            /* of how many and which recipients there are: an old address book does not make such evidence */
	unsigned others;             /* more than so many nats tell of others than who writes from home, whatever came from there; 0: never */
	unsigned kinds;              /* bit set of 1 << enum principal_kind; none: it has no opinion about anybody, and none of score(), since(), why() */
	size_t state_bytes;          /* multiple of 8, zero = nothing known */
	unsigned walks;              /* its state begins with so many walks, at most two, and without them it says nothing: score() is not asked. 0: always */
	bool guarded;                /* score() looks at `others` */
	size_t shared_bytes;         /* of memory for all principals together (judge_shared()), all zero at first; 0: none */
	const struct opt_table *options; /* the first member of the struct is `bool enabled` */
	/* A message report of p. Called for every report, in event order. May be NULL. */
	void (*message)(struct judge *j, struct principal *p, void *state, const void *opt, const struct message_view *m);
	/* A fact outside messages: a refusal in the dialogue, a login that failed or succeeded, a session, a filter's verdict. p and state are NULL
	 * for a failed login of an account that nobody has. May be NULL. */
	void (*fact)(struct judge *j, struct principal *p, void *state, const void *opt, const struct fact_view *f);
	/* What DNS block lists say changed (analyzer/listing.h). May be NULL. */
	void (*listing)(struct judge *j, struct principal *p, void *state, const void *opt, const struct listing_view *v);
	/* A captured SMTP session of p. May be NULL. */
	void (*session)(struct judge *j, struct principal *p, void *state, const void *opt, const struct session_view *v);
	/* Any captured session, whoever it is between: for what is the network's and nobody's. Event time is site->now_us. May be NULL. */
	void (*wire)(struct judge *j, const void *opt, const struct smtp_session *s);
	/* Event time came to another hour; for what is due without an event. May be NULL. */
	void (*hour)(struct judge *j, const void *opt, int64_t now_us);
	/* Evidence now, decayed and capped, 1/4096 nat. others: sum of the groups other than its own, for guards. */
	int32_t (*score)(const struct judge *j, const struct principal *p, void *state, const void *opt, int64_t now_us, int32_t others);
	/* When the evidence began to grow; 0 when there is none. */
	int64_t (*since)(const void *state);
	/* The sentence, without a trailing newline. */
	void (*why)(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out);
	/* The enum case_kind that its evidence means by itself, or CASE_UNKNOWN. May be NULL. */
	int (*suggests)(const void *state);
	/* Applied guards, "; " behind each, or nothing. May be NULL. */
	void (*guards)(const struct judge *j, const struct principal *p, const void *state, const void *opt, struct buf *out);
	/* People say that it was a false alarm: what happened is normal. Before forgive(). May be NULL. */
	void (*learn)(void *state);
	/* People say that it was a false alarm, or is dealt with: forget the evidence, keep what was learned. */
	void (*forgive)(void *state);
};

extern const struct detector *const detector_registry[]; /* NULL-terminated, alphabetical */
extern const size_t detector_registry_n;
static inline size_t detector_count(void) { return detector_registry_n; }
/* Option tables of all detectors, of the fusion and of the policy rules, for conf_load(). */
const struct opt_table *const *detector_option_tables(size_t *ret_n);
extern const struct opt_table judge_option_table;

#endif
